//! What a consumer answers.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::{Action, Members, TargetName};

/// An answer to a command (Language v1.1, section 3.3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// How it went.
    pub status: Status,
    /// For people.
    pub status_text: Option<String>,
    /// What was found; `None` rather than empty.
    pub results: Option<Results>,
}

impl Response {
    /// A response of nothing but a status.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, status_text: None, results: None }
    }

    /// A response of a status and a sentence that explains it.
    #[must_use]
    pub fn with_text(status: Status, text: impl Into<String>) -> Self {
        Self { status, status_text: Some(text.into()), results: None }
    }
}

/// Status code of a response (Language v1.1, section 3.3.2.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// 102: accepted, not yet completed.
    Processing = 102,
    /// 200: the command has succeeded.
    Ok = 200,
    /// 400: the producer made an error.
    BadRequest = 400,
    /// 401: credentials are missing or not valid.
    Unauthorized = 401,
    /// 403: understood, but not allowed.
    Forbidden = 403,
    /// 404: nothing here matches the command.
    NotFound = 404,
    /// 500: something unexpected prevented the consumer from performing it.
    InternalError = 500,
    /// 501: the consumer does not support what this needs.
    NotImplemented = 501,
    /// 503: not now.
    ServiceUnavailable = 503,
}

impl Status {
    /// All nine, in the order of the standard's table.
    pub const ALL: [Self; 9] = [
        Self::Processing,
        Self::Ok,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::InternalError,
        Self::NotImplemented,
        Self::ServiceUnavailable,
    ];

    /// The number as it travels on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The status with this number, if the standard has one.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| u64::from(status.code()) == code)
    }

    /// Whether the command is done and has succeeded.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Ok
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.code(), f)
    }
}

/// Each action a consumer supports, with its targets (Language v1.1, section 3.4.2.1).
pub type Pairs = BTreeMap<Action, Vec<TargetName>>;

/// Results of a response (Language v1.1, section 3.3.2.2). At least one member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Language versions supported.
    pub versions: Option<Vec<String>>,
    /// Profiles supported, by namespace identifier.
    pub profiles: Option<Vec<String>>,
    /// Targets by action.
    pub pairs: Option<Pairs>,
    /// Commands a minute, at most.
    pub rate_limit: Option<f64>,
    /// What is accepted, as a schema; of language 1.0 alone (CSD07, section 3.3.2).
    pub schema: Option<Box<Value>>,
    /// Extended results by namespace identifier.
    pub extensions: Members,
}
