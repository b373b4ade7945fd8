//! What a person has found out about a command in doubt.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::error::JournalError;
use super::store::Store;
use crate::dispatch::{Outcome, Ticket, Unfinished};
use crate::openc2::{Response, Status};

/// What is the case.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The command was carried out: 200.
    Done,
    /// It was not: 500.
    Failed,
}

impl Truth {
    /// The outcome that a person gives a command.
    pub(super) fn outcome(self, text: String) -> Outcome {
        let status = match self {
            Self::Done => Status::Ok,
            Self::Failed => Status::InternalError,
        };
        Response::with_text(status, text).into()
    }
}

/// A command to settle, on its way to who decides.
#[derive(Debug)]
pub struct Settlement {
    /// Which command.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Outcome,
    /// Told when it is recorded, or why it is not.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// The command, if there is something to settle; else why not.
///
/// While a bridge runs, what was started and has no outcome is at work; where
/// none does, nobody will ever report on it.
pub(super) fn in_doubt(
    store: &dyn Store,
    ticket: Ticket,
    is_running: bool,
) -> Result<Result<Unfinished, String>, JournalError> {
    let Some((entry, command)) = store.command(ticket)? else {
        return Ok(Err(format!("the journal knows no command {ticket}")));
    };
    Ok(match (entry.started_ms, entry.ended_ms) {
        _ if entry.is_in_doubt() => Ok(command),
        (_, Some(_)) => {
            let status = entry.status.map_or_else(|| "no status".to_owned(), |it| it.to_string());
            Err(format!("command {ticket} is not in doubt: it ended with {status}"))
        }
        (Some(_), None) if !is_running => Ok(command),
        (Some(_), None) => {
            Err(format!("command {ticket} is not in doubt: its actuator is at work"))
        }
        (None, None) => Err(format!("command {ticket} is not in doubt: it has not begun")),
    })
}
