//! What can go wrong with a program, and what the producer is told of it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::lines::NoLine;
use super::message::BadLine;
use super::stderr::Flood;
use crate::dispatch::Outcome;
use crate::openc2::{Response, Status};
use crate::wire;

/// Why a program did not answer a command, or not in a way that could be passed on.
///
/// The text is for the log and for the `status_text` of the response; it
/// holds nothing of the program's own words that is not escaped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the actuator's program could not be started: {0}")]
    NotStarted(io::Error),

    /// Without a response, so that the exit code is all it says.
    #[error("{}", describe_exit(*.0))]
    Exit(ExitStatus),

    #[error("the actuator's program answered and then failed ({})", describe(*.0))]
    FailedAfterResponse(ExitStatus),

    #[error("the actuator's program ended without a response")]
    NoResponse,

    #[error("the actuator's program lied: {0}")]
    Lied(Lie),

    #[error("the actuator's program printed more than {limit} bytes {of} and was stopped")]
    TooMuch { of: Output, limit: usize },

    #[error("the actuator's program cannot be heard: {0}")]
    Unheard(io::Error),

    /// It may have acted, or may be about to.
    #[error("Actuator timeout: no response within {after:?}; the outcome is unknown")]
    TimedOut { after: Duration },

    /// Its producer has cancelled it. What it had done by then stays.
    #[error("cancelled by its producer: the actuator's program was ended while it was at work")]
    Cancelled,

    /// Its producer has cancelled it before the program had it.
    #[error(
        "cancelled by its producer while the actuator's program was not ready; nothing was begun"
    )]
    TakenBack,

    /// A program that stays has ended with this command in its hands.
    #[error("{why} before it answered; the outcome is unknown")]
    Lost { why: String },

    /// The command never reached it.
    #[error("the actuator's program is not ready: the command was not begun")]
    NotReady,

    /// The command never reached it.
    #[error(
        "the actuator's program has failed {failures} times in a row: the command was not begun"
    )]
    CircuitOpen { failures: u32 },

    /// The command never reached it.
    #[error("the actuator is being closed: the command was not begun")]
    Closed,
}

/// What a program says that cannot be so.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lie {
    #[error("{0}")]
    BadLine(#[from] BadLine),
    #[error("it spoke of a command that it does not have")]
    WrongId,
    #[error("it answered twice")]
    SecondResponse,
    #[error("it spoke out of turn")]
    OutOfTurn,
    #[error("its response is none: {0}")]
    BadResponse(wire::Fault),
    #[error("its response says that it goes on (102), which is for progress to say")]
    NotFinal,
}

/// What a program prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Output {
    Line,
    Progress,
    Response,
    StandardError,
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Line => "in a line",
            Self::Progress => "in a line of progress",
            Self::Response => "in its response",
            Self::StandardError => "in a minute to standard error",
        })
    }
}

impl From<NoLine> for Fault {
    fn from(no: NoLine) -> Self {
        match no {
            NoLine::TooLong { limit } => Self::TooMuch { of: Output::Line, limit },
            NoLine::Failed(error) => Self::Unheard(error),
        }
    }
}

impl From<Flood> for Fault {
    fn from(Flood { limit }: Flood) -> Self {
        Self::TooMuch { of: Output::StandardError, limit }
    }
}

impl From<Lie> for Fault {
    fn from(lie: Lie) -> Self {
        Self::Lied(lie)
    }
}

impl From<BadLine> for Fault {
    fn from(line: BadLine) -> Self {
        Self::Lied(line.into())
    }
}

impl Fault {
    /// Status code of the response (Language v1.1, section 3.3.2.1).
    ///
    /// No catch-all arm: a new variant must say here what its producer sees.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Exit(status) => match status.code() {
                Some(exit::USAGE) => Status::BadRequest,
                Some(exit::UNAVAILABLE) => Status::ServiceUnavailable,
                Some(exit::CONFIG) => Status::NotImplemented,
                _ => Status::InternalError,
            },
            Self::NotReady | Self::CircuitOpen { .. } | Self::Closed => Status::ServiceUnavailable,
            Self::NotStarted(_)
            | Self::FailedAfterResponse(_)
            | Self::NoResponse
            | Self::Lied(_)
            | Self::TooMuch { .. }
            | Self::Unheard(_)
            | Self::TimedOut { .. }
            | Self::Cancelled
            | Self::TakenBack
            | Self::Lost { .. } => Status::InternalError,
        }
    }

    /// What the producer is told, and what the log.
    pub(super) fn into_outcome(self) -> Outcome {
        let response = Response::with_text(self.status(), self.to_string());
        Outcome { response, reason: Some(self.unquoted()) }
    }

    /// The same without a word of the program's own.
    fn unquoted(&self) -> String {
        match self {
            Self::Lied(Lie::BadLine(BadLine::NotAMessage { .. })) => {
                "the actuator's program lied: it printed a line that is no message".to_owned()
            }
            Self::Lied(Lie::BadResponse(fault)) => {
                format!("the actuator's program lied: its response is none: {}", fault.unquoted())
            }
            Self::Lost { .. } => {
                "the actuator's program was lost before it answered; the outcome is unknown"
                    .to_owned()
            }
            _ => self.to_string(),
        }
    }
}

/// The exit codes that mean something, as `sysexits.h` names them.
mod exit {
    pub(super) const USAGE: i32 = 64;
    pub(super) const UNAVAILABLE: i32 = 69;
    pub(super) const CONFIG: i32 = 78;
}

fn describe_exit(status: ExitStatus) -> String {
    match status.code() {
        Some(exit::USAGE) => {
            "the actuator's program cannot make sense of the command (exit code 64)".to_owned()
        }
        Some(exit::UNAVAILABLE) => {
            "the actuator's program cannot do it now (exit code 69)".to_owned()
        }
        Some(exit::CONFIG) => {
            "the actuator's program does not support this command (exit code 78)".to_owned()
        }
        _ => format!("the actuator's program failed ({})", describe(status)),
    }
}

/// How a process ended: its exit code, or the signal that killed it.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match nix::sys::signal::Signal::try_from(number) {
            Ok(signal) => format!("killed by {signal}"),
            Err(_) => format!("killed by signal {number}"),
        },
        (None, None) => format!("{status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_without_a_response_is_told_by_its_code() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        #[rustfmt::skip]
        let cases = [
            (exit(64),                  Status::BadRequest,         "exit code 64"),
            (exit(69),                  Status::ServiceUnavailable, "exit code 69"),
            (exit(78),                  Status::NotImplemented,     "exit code 78"),
            (exit(1),                   Status::InternalError,      "exit code 1"),
            (exit(255),                 Status::InternalError,      "exit code 255"),
            (ExitStatus::from_raw(11),  Status::InternalError,      "killed by SIGSEGV"),
            (ExitStatus::from_raw(40),  Status::InternalError,      "killed by signal 40"),
        ];
        for (exit, status, text) in cases {
            let response = Fault::Exit(exit).into_outcome().response;
            assert_eq!(response.status, status, "{exit}");
            assert!(response.status_text.unwrap().contains(text), "{exit}");
        }
    }

    #[test]
    fn a_code_that_means_something_means_nothing_after_a_response() {
        let response =
            Fault::FailedAfterResponse(ExitStatus::from_raw(64 << 8)).into_outcome().response;
        assert_eq!(response.status, Status::InternalError);
    }
}
