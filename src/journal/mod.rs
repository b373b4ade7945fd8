//! The durable record: what came, what became of it, and what still has to go out.
//!
//! Everything that happens to a command is a [`Record`](crate::dispatch::Record),
//! and the journal is the list of them. [`Journal::append`] queues records;
//! one thread writes what is queued in one commit and then hands back the
//! values that came with it, in order. What has been handed back survives a
//! crash of the process and of the machine; anything else may or may not.
//!
//! Beside the list there are tables made from it: the state of each command,
//! the keys by which repetitions are recognised, and the outbox of responses
//! that the transport has not taken over yet. They change in the same commit.
//!
//! The records are on a disk ([`Storage::File`]), or for tests and benchmarks in
//! memory ([`Memory`]); which of the two is not seen from outside.
//!
//! A store error ends the writer. It is never retried, and nothing is handed
//! back that was not written.

mod ask;
mod body;
mod chain;
mod config;
mod error;
mod export;
mod handle;
mod keys;
mod lock;
mod memory;
mod past;
mod prune;
mod settle;
mod socket;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub use ask::{Answer, AskError, ask, export, verify};
pub use config::{JournalConfig, Storage};
pub use error::{JournalError, Loss};
pub use export::{Exported, verify_file};
pub use handle::{Committed, Health, Journal};
pub use memory::{Disk, Memory};
pub use settle::{Settlement, Truth};
pub use socket::{Request, Socket, StatusSource};
pub use sqlite::{Check, Finding, LossAccepted, accept_loss};
pub use store::Recovered;
pub use view::{Detail, Entry, Listing, State, Step};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
