//! What can go wrong with the journal, sorted by who can mend it.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

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

    /// The built-in store is older than the one that the journal was tested with.
    #[error("SQLite {found} is too old, at least {needed} is needed")]
    StoreTooOld {
        /// Version number that is built in.
        found: i32,
        /// Lowest version number that will do.
        needed: i32,
    },

    /// The store failed. What was not handed out by then must be taken as not written.
    #[error("the journal cannot be written or read")]
    Store(#[from] rusqlite::Error),

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
