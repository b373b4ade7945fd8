//! The value checks that the language and the schemas share.
//!
//! Pure functions from text to a verdict, one for each semantic constraint of
//! OpenC2 Language v1.1, section 3.1.2, and for the textual forms of section
//! 3.1.5. Nothing is looked up, normalised or changed.

mod address;
pub mod duration;
mod email;
mod host;
mod idn;
mod octets;
mod text;
mod topic;
mod uri;

pub use address::{eui, ipv4_addr, ipv4_net, ipv6_addr, ipv6_net};
pub use email::{email, idn_email};
pub use host::hostname;
pub use idn::idn_hostname;
pub use octets::{base64url, base64url_octets, hex, hex_octets, to_base64url, to_hex, upper_hex};
pub use text::{command_id, nsid, target_name, version};
pub use topic::topic_level;
pub use uri::{iri, uri};

/// What is wrong with a text: the rule it breaks, in a few words for people.
pub type Flaw = &'static str;

/// Runs a check over a table of values, the good ones and then the bad ones.
#[cfg(test)]
fn assert_verdicts<T: std::fmt::Debug>(
    check: impl Fn(&str) -> Result<T, Flaw>,
    good: &[&str],
    bad: &[&str],
) {
    for text in good {
        assert!(check(text).is_ok(), "{text:?}: {:?}", check(text));
    }
    for text in bad {
        assert!(check(text).is_err(), "{text:?} was taken for good");
    }
}
