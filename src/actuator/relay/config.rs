//! The settings of `kind = "https"`.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::format::duration;
use crate::https::{PeerConfig, PeerUrl};

/// What an `[actuator.NAME]` table of `kind = "https"` has beside the common keys.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RelayConfig {
    /// The consumer's server: `https://host[:port]/`.
    pub url: PeerUrl,
    /// PEM file with the authorities that may vouch for it; the system's own when absent.
    pub ca_file: Option<std::path::PathBuf>,
    /// PEM file with our certificate; needs `key-file`.
    pub cert_file: Option<std::path::PathBuf>,
    /// PEM file with its private key; needs `cert-file`.
    pub key_file: Option<std::path::PathBuf>,
    /// `headers.from` of what is relayed: the identity that our certificate
    /// stands for at the peer. The identity of the consumer here when absent.
    pub from: Option<String>,
    /// Longest time for a command, all attempts together.
    #[serde(default = "timeout", deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

impl RelayConfig {
    /// The same, with paths that start from this folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        for file in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file] {
            *file = file.take().map(|path| folder.join(path));
        }
        self
    }

    /// The part that is about the connection.
    pub(super) fn peer(&self) -> PeerConfig {
        PeerConfig {
            url: self.url.clone(),
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}
