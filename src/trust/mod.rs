//! Whom to believe: canonical JSON now; signatures, keys and policy later.

mod digest;

pub use digest::{digest, digest_of_bytes, digest_of_parts};

use crate::openc2::Message;

/// What to do with a signature that nobody here can check (`[trust] signatures`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnverifiedSignatures {
    /// Carry on, and keep in the journal that it is unverified.
    #[default]
    Accept,
    /// Answer 401.
    Refuse,
}

/// The `[trust]` table of bridge.toml.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrustConfig {
    /// What to do with a signature that nobody here can check.
    pub signatures: UnverifiedSignatures,
}

/// Whether a message's signature stands in the way of it.
#[must_use]
pub fn is_refused(config: TrustConfig, message: &Message) -> bool {
    message.signature.is_some() && config.signatures == UnverifiedSignatures::Refuse
}
