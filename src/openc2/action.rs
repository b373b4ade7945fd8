//! What is to be done.

use std::fmt;
use std::str::FromStr;

/// The task or activity to be performed (Language v1.1, section 3.3.1.1).
///
/// The list is closed: no profile can add to it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is its own name in the table of the standard")]
pub enum Action {
    Scan,
    Locate,
    Query,
    Deny,
    Contain,
    Allow,
    Start,
    Stop,
    Restart,
    Cancel,
    Set,
    Update,
    Redirect,
    Create,
    Delete,
    Detonate,
    Restore,
    Copy,
    Investigate,
    Remediate,
}

impl Action {
    /// All twenty, in the order of the standard's table.
    pub const ALL: [Self; 20] = [
        Self::Scan,
        Self::Locate,
        Self::Query,
        Self::Deny,
        Self::Contain,
        Self::Allow,
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Cancel,
        Self::Set,
        Self::Update,
        Self::Redirect,
        Self::Create,
        Self::Delete,
        Self::Detonate,
        Self::Restore,
        Self::Copy,
        Self::Investigate,
        Self::Remediate,
    ];

    /// The name as it travels on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Locate => "locate",
            Self::Query => "query",
            Self::Deny => "deny",
            Self::Contain => "contain",
            Self::Allow => "allow",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Cancel => "cancel",
            Self::Set => "set",
            Self::Update => "update",
            Self::Redirect => "redirect",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Detonate => "detonate",
            Self::Restore => "restore",
            Self::Copy => "copy",
            Self::Investigate => "investigate",
            Self::Remediate => "remediate",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is none of the twenty actions.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is none of the twenty actions of OpenC2")]
pub struct UnknownAction(pub String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}
