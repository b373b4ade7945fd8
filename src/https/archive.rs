//! What the door asks about commands, and whoever knows.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use crate::dispatch::Withdrawn;

/// An answer that takes its time.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why there is no answer, for people.
pub type Failure = String;

/// Knows what became of commands. The door has no journal of its own.
pub trait Archive: Debug + Send + Sync {
    /// A command by its name, once it has ended, or as it is after so long.
    fn command<'a>(
        &'a self,
        id: &'a str,
        wait: Duration,
    ) -> Soon<'a, Result<Option<Filed>, Failure>>;

    /// What has happened to a command since the event of this number; 0 is before the
    /// first. Where nothing has, once there is something, or after so long.
    ///
    /// What is told here is there for good: also after a crash.
    fn events<'a>(
        &'a self,
        id: &'a str,
        after: u64,
        wait: Duration,
    ) -> Soon<'a, Result<Option<Followed>, Failure>>;

    /// What is needed to take a command back.
    fn withdrawal<'a>(&'a self, id: &'a str) -> Soon<'a, Result<Option<Withdrawal>, Failure>>;

    /// Commands, newest first.
    fn commands(&self, wanted: Wanted) -> Soon<'_, Result<Vec<Filed>, Failure>>;

    /// The consumers that were heard of late.
    fn consumers(&self) -> Value;
}

/// A command as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    /// Who sent it.
    pub producer: Option<String>,
    /// Its number: lists go on before it.
    pub number: u64,
    /// What is shown.
    pub view: Value,
}

/// A command, as it is followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    /// Who sent it.
    pub producer: Option<String>,
    /// What is new, in order.
    pub events: Vec<Happened>,
    /// The command has ended: nothing is to be waited for.
    pub is_over: bool,
}

/// Something that happened to a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// Its place: higher than those of all before it.
    pub number: u64,
    /// `accepted`, `response`, `late`, `timeout` or `done`.
    pub name: &'static str,
    /// What there is to say of it.
    pub facts: Value,
}

/// A command that may be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawal {
    /// Who sent it.
    pub producer: Option<String>,
    /// Which it is.
    pub withdrawn: Withdrawn,
    /// Whom its headers named.
    pub to: Vec<String>,
    /// A new `request_id`, for the cancel.
    pub request_id: String,
}

/// Which commands to list. What is absent may be anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// At most so many.
    pub limit: usize,
    /// Only those with a lower number.
    pub before: Option<u64>,
    /// `pending`, or what the journal calls it.
    pub state: Option<String>,
    /// Whom they are for.
    pub consumer: Option<String>,
    /// Who sent them.
    pub producer: Option<String>,
    /// Their request id.
    pub request_id: Option<String>,
}
