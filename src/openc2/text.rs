//! Texts that have passed a check.

use std::fmt;
use std::str::FromStr;

use crate::format;

/// A text that is not what it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected {what}: {flaw}")]
pub struct Malformed {
    /// What it should be.
    pub what: &'static str,
    /// The rule it breaks.
    pub flaw: format::Flaw,
}

/// Makes a type of texts that pass one check of `format`. It keeps the text
/// as it came; there is no other way to make one than [`FromStr`] and [`TryFrom`].
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// The text as it travels on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn check(text: &str) -> Result<(), Malformed> {
                let check: fn(&str) -> Result<(), format::Flaw> = $check;
                check(text).map_err(|flaw| Malformed { what: $what, flaw })
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

checked_text! {
    /// Name a producer gives a command so that later commands can refer to it
    /// (Language v1.1, section 3.4.2.16). It may be empty.
    CommandId, "a command id", format::command_id
}
checked_text! {
    /// Namespace identifier of a profile (Language v1.1, section 3.4.2.12).
    Nsid, "a namespace identifier", format::nsid
}
checked_text! {
    /// Version of the language, `Major.Minor` (Language v1.1, section 3.4.2.17).
    Version, "a version Major.Minor", format::version
}
checked_text! {
    /// Network domain name (Language v1.1, section 3.4.1.3).
    DomainName, "a domain name", format::hostname
}
checked_text! {
    /// Internationalized domain name (Language v1.1, section 3.4.1.7).
    IdnDomainName, "an internationalized domain name", format::idn_hostname
}
checked_text! {
    /// Internet host name (Language v1.1, section 3.4.2.6).
    Hostname, "a host name", format::hostname
}
checked_text! {
    /// Internationalized host name (Language v1.1, section 3.4.2.7).
    IdnHostname, "an internationalized host name", format::idn_hostname
}
checked_text! {
    /// Mail address (Language v1.1, section 3.4.1.4).
    EmailAddr, "a mail address", format::email
}
checked_text! {
    /// Internationalized mail address (Language v1.1, section 3.4.1.8).
    IdnEmailAddr, "an internationalized mail address", format::idn_email
}
checked_text! {
    /// Uniform Resource Identifier (Language v1.1, section 3.4.1.17).
    Uri, "a URI", format::uri
}
checked_text! {
    /// Internationalized Resource Identifier (Language v1.1, section 3.4.1.13).
    Iri, "an IRI", format::iri
}
checked_text! {
    /// EUI-48 or EUI-64 in colon hexadecimal (Language v1.1, section 3.4.1.14), in the case it came in.
    MacAddr, "an EUI-48 or EUI-64 with colons", format::eui
}
checked_text! {
    /// Octets in base64url without padding (Language v1.1, section 3.1.5).
    Base64Url, "base64url without padding", |text| format::base64url(text).map(drop)
}

/// Declares a hash: hexadecimal of one exact length.
macro_rules! hash {
    ($(#[$doc:meta])* $name:ident, $what:literal, $octets:literal) => {
        checked_text! {
            $(#[$doc])*
            ///
            /// Hexadecimal digits of either case, kept as they came. The
            /// standard's table of serializations knows capitals only, but its
            /// own examples, and every tool from which people copy a hash,
            /// write small letters: to refuse those would help nobody.
            $name, $what, |text| match format::hex(text)? {
                $octets => Ok(()),
                _ => Err(concat!("not ", $octets, " octets long")),
            }
        }
    };
}

hash! {
    /// MD5 hash, 16 octets (Language v1.1, section 3.4.2.5).
    Md5, "an MD5 hash in hexadecimal", 16
}
hash! {
    /// SHA-1 hash, 20 octets (Language v1.1, section 3.4.2.5).
    Sha1, "a SHA-1 hash in hexadecimal", 20
}
hash! {
    /// SHA-256 hash, 32 octets (Language v1.1, section 3.4.2.5).
    Sha256, "a SHA-256 hash in hexadecimal", 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_it_came() {
        let addr: MacAddr = "8C:85:90:72:31:af".parse().unwrap();
        assert_eq!(addr.as_str(), "8C:85:90:72:31:af");
    }

    #[test]
    fn a_mistake_says_what_was_expected_and_which_rule_it_breaks() {
        let cases = [
            (
                "a b".parse::<CommandId>().map(drop),
                "expected a command id: there is white space in it",
            ),
            ("a..b".parse::<DomainName>().map(drop), "expected a domain name: a label is empty"),
            (
                "0313".parse::<Md5>().map(drop),
                "expected an MD5 hash in hexadecimal: not 16 octets long",
            ),
        ];
        for (verdict, complaint) in cases {
            assert_eq!(verdict.unwrap_err().to_string(), complaint);
        }
    }
}
