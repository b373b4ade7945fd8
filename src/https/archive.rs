//! What the door asks about commands, and whoever knows.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

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
