//! The `[https]` table of bridge.toml.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::callers::MAX_WAITING;
use crate::format::duration;
use crate::tls::{ServerFiles, TlsError};

/// What a name in `[https.identities]` begins with, by kind of subject alternative name.
const KINDS: [&str; 3] = ["URI:", "DNS:", "EMAIL:"];

/// Longest `max-wait`.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What one producer may have of the places there are, where nothing else is said.
const SHARE: NonZeroUsize = NonZeroUsize::new(MAX_WAITING / 4).expect("a quarter is not 0");

/// Longest `keep-for`.
const LONGEST_KEPT: Duration = Duration::from_hours(24);

/// The `[https]` table of the configuration file. Without `listen` there is no HTTPS door.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct HttpsConfig {
    /// Address and port. 443 is the standard's (Transfer via HTTPS v1.1, section 3.2.1).
    pub listen: Option<SocketAddr>,
    /// PEM file with our certificate.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of our certificate.
    pub key_file: Option<PathBuf>,
    /// PEM file with the authorities that vouch for producers.
    pub client_ca_file: Option<PathBuf>,
    /// Longest wait of a POST for its response.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_wait: Duration,
    /// Requests of one producer that may wait for their responses at the same time.
    pub max_waiting_per_producer: NonZeroUsize,
    /// How much longer late answers to a command are taken that went by a route.
    #[serde(deserialize_with = "duration::deserialize")]
    pub keep_for: Duration,
    /// Plain HTTP, on this machine only, and everybody is believed: the
    /// testing target (section 4.1).
    pub testing: bool,
    /// Which producer the holder of a certificate is, by a subject alternative
    /// name of it: `"URI:urn:example:soar-1" = "soar-1"`.
    pub identities: BTreeMap<String, String>,
    /// Who sees more than its own commands.
    pub operators: Operators,
}

/// The `[https.operators]` table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Identities that see every command.
    pub identities: Vec<String>,
}

impl Default for HttpsConfig {
    fn default() -> Self {
        Self {
            listen: None,
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            max_wait: Duration::from_mins(1),
            max_waiting_per_producer: SHARE,
            keep_for: Duration::from_hours(1),
            testing: false,
            identities: BTreeMap::new(),
            operators: Operators::default(),
        }
    }
}

/// Settings that are each right, but not together.
#[derive(Debug, thiserror::Error)]
pub enum HttpsMistake {
    /// There are settings for a door, and none where it is.
    #[error("listen is missing, so that nothing of [https] has an effect")]
    NoListen,
    /// Plain HTTP towards other machines.
    #[error("testing is plain HTTP: only on a loopback address, and {listen} is none")]
    TestingElsewhere {
        /// As configured.
        listen: SocketAddr,
    },
    /// Both targets at once.
    #[error("{key} is for HTTPS, and testing is plain HTTP: there is one or the other")]
    TestingWithTls {
        /// Which key.
        key: &'static str,
    },
    /// A file that TLS needs.
    #[error(
        "{key} is missing: without testing = true there is HTTPS only, with certificates on both sides"
    )]
    NoFile {
        /// Which key.
        key: &'static str,
    },
    /// Nobody could be known.
    #[error("[https.identities] is empty: no certificate stands for a producer")]
    Nobody,
    /// A name of a kind that is not looked at.
    #[error("identities: {name:?} begins with none of URI:, DNS: and EMAIL:")]
    UnknownKind {
        /// As configured.
        name: String,
    },
    /// A producer without a name.
    #[error("identities: the identity for {name:?} is empty")]
    EmptyIdentity {
        /// As configured.
        name: String,
    },
    /// Somebody who sees everything, and whom no certificate stands for.
    #[error("operators.identities: no certificate stands for {identity:?}")]
    UnknownOperator {
        /// As configured.
        identity: String,
    },
    /// A wait that makes no sense.
    #[error("max-wait is {}; allowed are 1s to {}", duration::format(*.wait), duration::format(LONGEST_WAIT))]
    Wait {
        /// As configured.
        wait: Duration,
    },
    /// A share that is more than the whole.
    #[error("max-waiting-per-producer is {number}; allowed are 1 to {MAX_WAITING} requests")]
    Share {
        /// As configured.
        number: NonZeroUsize,
    },
    /// Late answers that are taken for too long.
    #[error("keep-for is {}; allowed is up to {}", duration::format(*.time), duration::format(LONGEST_KEPT))]
    Kept {
        /// As configured.
        time: Duration,
    },
    /// The TLS files are not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl HttpsMistake {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoListen | Self::TestingElsewhere { .. } => "listen",
            Self::TestingWithTls { key } | Self::NoFile { key } => key,
            Self::Nobody | Self::UnknownKind { .. } | Self::EmptyIdentity { .. } => "identities",
            Self::UnknownOperator { .. } => "operators.identities",
            Self::Wait { .. } => "max-wait",
            Self::Share { .. } => "max-waiting-per-producer",
            Self::Kept { .. } => "keep-for",
            Self::Tls(_) => "cert-file",
        }
    }
}

impl HttpsConfig {
    /// Checks what one key alone cannot show. Reads no file.
    #[must_use]
    pub fn check(&self) -> Vec<HttpsMistake> {
        let Some(listen) = self.listen else {
            let is_untouched = *self == Self::default();
            return if is_untouched { Vec::new() } else { vec![HttpsMistake::NoListen] };
        };
        let mut mistakes = Vec::new();
        for (key, is_set) in self.files() {
            match (self.testing, is_set) {
                (true, true) => mistakes.push(HttpsMistake::TestingWithTls { key }),
                (false, false) => mistakes.push(HttpsMistake::NoFile { key }),
                (true, false) | (false, true) => {}
            }
        }
        if self.testing && !listen.ip().is_loopback() {
            mistakes.push(HttpsMistake::TestingElsewhere { listen });
        }
        if !self.testing && self.identities.is_empty() {
            mistakes.push(HttpsMistake::Nobody);
        }
        for (name, identity) in &self.identities {
            if !KINDS.iter().any(|kind| name.starts_with(kind)) {
                mistakes.push(HttpsMistake::UnknownKind { name: name.clone() });
            }
            if identity.is_empty() {
                mistakes.push(HttpsMistake::EmptyIdentity { name: name.clone() });
            }
        }
        for identity in &self.operators.identities {
            if !self.testing && !self.identities.values().any(|known| known == identity) {
                mistakes.push(HttpsMistake::UnknownOperator { identity: identity.clone() });
            }
        }
        if !(Duration::from_secs(1)..=LONGEST_WAIT).contains(&self.max_wait) {
            mistakes.push(HttpsMistake::Wait { wait: self.max_wait });
        }
        let number = self.max_waiting_per_producer;
        if number.get() > MAX_WAITING {
            mistakes.push(HttpsMistake::Share { number });
        }
        if self.keep_for > LONGEST_KEPT {
            mistakes.push(HttpsMistake::Kept { time: self.keep_for });
        }
        mistakes
    }

    /// Opens the files that these settings name.
    #[must_use]
    pub fn check_files(&self) -> Vec<HttpsMistake> {
        let checked = self.server_files().map_or(Ok(()), |files| files.check());
        checked.err().map(HttpsMistake::Tls).into_iter().collect()
    }

    /// What TLS needs; `None` where there is none.
    pub(super) fn server_files(&self) -> Option<ServerFiles> {
        Some(ServerFiles {
            certificate: self.cert_file.clone()?,
            key: self.key_file.clone()?,
            client_authorities: self.client_ca_file.clone()?,
        })
    }

    fn files(&self) -> [(&'static str, bool); 3] {
        [
            ("cert-file", self.cert_file.is_some()),
            ("key-file", self.key_file.is_some()),
            ("client-ca-file", self.client_ca_file.is_some()),
        ]
    }
}
