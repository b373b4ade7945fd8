//! `kind = "log"`: writes the command to the log and answers 200. For trying things out.

use super::{Perform, Progress};
use crate::dispatch::{Errand, Outcome, Work};
use crate::openc2::{Action, Pairs, Response, Status, TargetName};
use crate::wire;

/// What it supports unless the configuration narrows it: every action with
/// every core target. `query features` is the bridge's own.
#[must_use]
pub fn pairs() -> Pairs {
    let targets: Vec<_> = TargetName::CORE.to_vec();
    let but_features = || targets.iter().filter(|name| **name != TargetName::Features).cloned();
    Action::ALL.into_iter().map(|action| (action, but_features().collect())).collect()
}

/// Writes commands to the log.
///
/// This is the one place where a payload is logged: whoever configures it has asked for it.
#[derive(Clone, Debug)]
pub struct Log {
    name: String,
}

impl Log {
    /// An actuator of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Perform for Log {
    async fn perform(&self, work: Work, _progress: Progress) -> Outcome {
        if tracing::enabled!(tracing::Level::INFO) {
            let command = wire::command_to_json(&work.command).to_string();
            tracing::info!(
                actuator = self.name,
                ticket = work.ticket.0,
                consumer = work.consumer,
                producer = work.producer,
                request_id = work.request_id,
                command,
                "{}",
                match work.errand {
                    Errand::Perform => "a command for the log",
                    Errand::Stop => "the time of a command for the log is over",
                    Errand::Probe => "a command for the log is in doubt",
                }
            );
        }
        Response::new(Status::Ok).into()
    }

    fn is_prompt(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::actuator::runner::tests::work;

    #[tokio::test]
    async fn every_command_is_answered_200() {
        let work = work(7);
        let progress = Progress {
            ticket: work.ticket,
            reports: mpsc::channel(1).0,
            cancelled: CancellationToken::new(),
        };
        let outcome = Log::new("log").perform(work, progress).await;
        assert_eq!(outcome.response, Response::new(Status::Ok));
    }
}
