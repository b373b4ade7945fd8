//! What can go wrong with the journal, sorted by who can mend it.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why the journal cannot be used (any more).
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open.
    #[error("the journal in {} is in use by {}", dir.display(), owner(*.pid))]
    InUse {
        /// Folder of the journal.
        dir: PathBuf,
        /// The process that has it, where it could be read.
        pid: Option<u32>,
    },

    /// The folder or a file in it cannot be made, opened or read.
    #[error("{}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The disk is too full to begin.
    #[error(
        "the disk is full: {} cannot hold {bytes} bytes in reserve with as many free beside it \
         ([journal] reserve)",
        path.display()
    )]
    NoRoom {
        /// The file that was to hold them.
        path: PathBuf,
        /// How many.
        bytes: u64,
    },

    /// There is no journal there.
    #[error("there is no journal in {}", dir.display())]
    Missing {
        /// Folder that was looked at.
        dir: PathBuf,
    },

    /// The file is another program's, or of another version of this one.
    #[error("{} is not a journal that this program can read: {what}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },

    /// The file is not as it was written.
    #[error("the journal is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },

    /// Records are missing, or cannot be told to be all there.
    #[error(
        "the journal in {} is not as it was left: {loss}. No command is taken; `oc2 journal verify` \
         says more, `oc2 journal accept-loss` goes on with what is left",
        dir.display()
    )]
    Loss {
        /// Folder of the journal.
        dir: PathBuf,
        /// What is missing.
        loss: Loss,
    },

    /// A journal in memory has no chain of records.
    #[error("a journal in memory cannot be verified or exported")]
    InMemory,

    /// The built-in store is older than the one that the journal was tested with.
    #[error("SQLite {found} is too old, at least {needed} is needed")]
    StoreTooOld {
        /// Version number that is built in.
        found: i32,
        /// Lowest version number that will do.
        needed: i32,
    },

    /// The database is no database any more, or holds what was never written. Nothing is taken
    /// away by us: whoever looks after it decides what is worth keeping.
    #[error(
        "the database of the journal is damaged: {what}. Move journal.db and journal.db-wal into \
         another folder, leave journal.head where it is, and run `oc2 journal accept-loss`: it \
         begins anew, and knows what is gone"
    )]
    Malformed {
        /// What was found.
        what: String,
    },

    /// The store failed. What was not handed out by then must be taken as not written.
    #[error("the journal cannot be written or read")]
    Store(#[source] rusqlite::Error),

    /// The writer has ended, after this failure or because it was closed.
    #[error("the journal has stopped: {}", reason(.failure.as_deref()))]
    Stopped {
        /// The failure, if it was one.
        failure: Option<Arc<JournalError>>,
    },

    /// More was queued than the caller may have waiting.
    #[error("more than {most} requests wait for the journal")]
    Overrun {
        /// How many may wait.
        most: usize,
    },
}

impl JournalError {
    /// A database that is not in order, as SQLite says it: on several lines, some of which say nothing.
    pub(super) fn malformed(what: &str) -> Self {
        let said = what.lines().map(str::trim).filter(|line| !line.is_empty());
        let said: Vec<_> = said.filter(|line| !line.starts_with("***")).collect();
        Self::Malformed { what: said.join("; ") }
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::malformed(&error.to_string()) } else { Self::Store(error) }
    }
}

/// Whether something was read that nobody has written.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        )
}

/// How a journal is not as it was left.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Loss {
    /// The database was rolled back, by a damaged log or by an old copy of it.
    #[error(
        "{} records that were durable are gone (the last was record {known_seq}, the database ends \
         with record {found_seq}); {}",
        known_seq.saturating_sub(*found_seq),
        tickets_gone(*found_ticket, *known_ticket)
    )]
    Behind {
        /// Number of the last record that was durable.
        known_seq: u64,
        /// Highest ticket that was durable.
        known_ticket: u64,
        /// Number of the last record that is there.
        found_seq: u64,
        /// Highest ticket that is there.
        found_ticket: u64,
    },
    /// The database has another history than the file beside it.
    #[error("record {seq} is another one than was written")]
    Other {
        /// Number of the record.
        seq: u64,
    },
    /// Nothing says how far it had come.
    #[error("{file} is {}, so that nobody can say whether records are gone", if *is_there { "unreadable" } else { "missing" })]
    NoHead {
        /// Name of the file.
        file: &'static str,
        /// Whether there is one at all.
        is_there: bool,
    },
    /// A record or what is made from it has changed.
    #[error("{0}")]
    Changed(String),
}

fn tickets_gone(found: u64, known: u64) -> String {
    if known > found {
        let first = found + 1;
        format!(
            "of commands {first} to {known} nothing is left, older ones may lack what came last"
        )
    } else {
        "no command is wholly gone, but some lack what came last".to_owned()
    }
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn reason(failure: Option<&JournalError>) -> String {
    failure.map_or_else(|| "it was closed".to_owned(), |error| with_causes(error))
}

/// An error and what led to it, on one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
