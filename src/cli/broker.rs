//! The arguments that say which broker, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, Failure, units};
use crate::mqtt::topics::TopicPrefix;
use crate::producer::{BrokerSettings, TlsFiles};

/// The broker where nothing else is said.
const BROKER: &str = "mqtt://127.0.0.1:1883";

/// Where the broker is. Each has an environment variable, so that a shell can
/// be set up once.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct BrokerArgs {
    /// Address of the broker
    #[arg(help = "mqtt://host[:port], or mqtts://host[:port] for TLS")]
    #[arg(long, value_name = "URL", env = "OC2_BROKER", hide_env_values = true)]
    #[arg(default_value = BROKER)]
    pub broker: String,
    /// First level of all topics
    #[arg(long, env = "OC2_PREFIX", hide_env_values = true, default_value = "oc2")]
    #[arg(value_parser = |text: &str| TopicPrefix::try_from(text.to_owned()))]
    pub prefix: TopicPrefix,
    /// User name of the broker's account
    #[arg(long, value_name = "NAME", env = "OC2_USERNAME", hide_env_values = true)]
    pub username: Option<String>,
    /// File with the password on its first line
    #[arg(long, value_name = "FILE", env = "OC2_PASSWORD_FILE", hide_env_values = true)]
    #[arg(requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Authorities to trust, PEM; the system's own if absent
    #[arg(long, visible_alias = "ca", value_name = "FILE", env = "OC2_CA_FILE")]
    #[arg(hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM
    #[arg(long, visible_alias = "cert", value_name = "FILE", env = "OC2_CERT_FILE")]
    #[arg(hide_env_values = true, requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// The key to our certificate, PEM
    #[arg(long, visible_alias = "key", value_name = "FILE", env = "OC2_KEY_FILE")]
    #[arg(hide_env_values = true, requires = "cert_file")]
    pub key_file: Option<PathBuf>,
    /// Allow mqtt:// to another machine: anybody on the way can read and change it
    #[arg(long)]
    pub allow_plain_text: bool,
    /// How long to wait for the connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub connect_wait: Duration,
}

impl BrokerArgs {
    /// The broker may give rights by who we are.
    pub(super) fn has_account(&self) -> bool {
        self.username.is_some() || self.cert_file.is_some()
    }
}

/// The broker that cannot be reached, without what its address says of a user, and why.
pub(super) fn unavailable(url: &str, why: impl std::fmt::Display) -> Failure {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    Failure::say(Exit::Unavailable, format_args!("broker {scheme}://{host}: {why}"))
}

impl BrokerArgs {
    /// A flag names a broker: it is neither the usual one nor that of the environment.
    pub(super) fn is_told(&self) -> bool {
        self.broker != BROKER && std::env::var("OC2_BROKER").as_ref() != Ok(&self.broker)
    }

    /// Settings for a session of this client identifier that the broker keeps
    /// as long as given, or forgets at once.
    #[must_use]
    pub fn settings(&self, client_id: String, session: Option<Duration>) -> BrokerSettings {
        let keep_secs = session.unwrap_or_default().as_secs();
        BrokerSettings {
            url: self.broker.clone(),
            client_id,
            clean_start: session.is_none(),
            session_expiry_secs: u32::try_from(keep_secs).unwrap_or(u32::MAX),
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            tls: TlsFiles {
                ca_file: self.ca_file.clone(),
                cert_file: self.cert_file.clone(),
                key_file: self.key_file.clone(),
            },
            allow_plain_text: self.allow_plain_text,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        broker: BrokerArgs,
    }

    #[test]
    fn what_goes_together_is_asked_for() {
        let cases: [(&[&str], bool); 9] = [
            (&[], true),
            (&["--broker", "mqtts://broker:8883", "--ca-file", "ca.pem"], true),
            (&["--cert-file", "c.pem", "--key-file", "k.pem"], true),
            (&["--cert-file", "c.pem"], false),
            (&["--key-file", "k.pem"], false),
            (&["--password-file", "p"], false),
            (&["--username", "ann", "--password-file", "p"], true),
            (&["--prefix", "site-1/oc2"], true),
            (&["--prefix", "oc2/"], false),
        ];
        for (words, is_right) in cases {
            let parsed = Only::try_parse_from([&["oc2"], words].concat());
            assert_eq!(parsed.is_ok(), is_right, "{words:?}");
        }
    }

    #[test]
    fn a_session_is_kept_or_forgotten() {
        let args = Only::try_parse_from(["oc2"]).unwrap().broker;
        let kept = args.settings("a".to_owned(), Some(Duration::from_mins(1)));
        assert_eq!((kept.clean_start, kept.session_expiry_secs), (false, 60));
        let forgotten = args.settings("a".to_owned(), None);
        assert_eq!((forgotten.clean_start, forgotten.session_expiry_secs), (true, 0));
    }
}
