//! The versions of the language that the bridge speaks.

use std::fmt;
use std::str::FromStr;

/// A version of the language. Later is greater.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// Language 1.0, Committee Specification Draft 07.
    V1_0,
    /// Language 1.1, Committee Specification Draft 01.
    #[default]
    V1_1,
}

/// The text names no version of the language that is spoken here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a version of the language: 1.0 or 1.1")]
pub struct UnknownVersion;

impl Version {
    /// All of them, the newest first.
    pub const ALL: [Self; 2] = [Self::V1_1, Self::V1_0];

    /// `Major.Minor`, as it travels on the wire (Language v1.1, section 3.4.2.17).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }

    /// Whether a namespace identifier belongs to no standard: such profiles
    /// stand under `extension_unr` in language 1.0 (CSD07, section 3.3.4).
    #[must_use]
    pub fn is_unregistered(nsid: &str) -> bool {
        nsid.starts_with("x-")
    }

    /// Its type for a whole message.
    pub(super) fn message(self) -> &'static str {
        match self {
            // `Message` of 1.0 is the abstract one, without a form to travel in.
            Self::V1_0 => "Envelope",
            Self::V1_1 => "Message",
        }
    }

    /// Its types that profiles add to.
    pub(super) fn extensible(self) -> &'static [&'static str] {
        match self {
            Self::V1_0 => &["Target", "Actuator", "Args", "OpenC2-Response"],
            Self::V1_1 => &["Target", "Actuator", "Args", "Results"],
        }
    }

    /// Its type for the results of a response.
    pub(super) fn results(self) -> &'static str {
        match self {
            Self::V1_0 => "OpenC2-Response",
            Self::V1_1 => "Results",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(UnknownVersion)
    }
}
