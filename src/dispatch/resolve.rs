//! Commands in doubt, of which a person has found out what became of them.

use super::admit::Decided;
use super::reply::Answers;
use super::{Class, Dispatcher, Effect, Event, LogLine, Outcome, Record, Unfinished};
use crate::openc2::ResponseType;
use crate::wire::{Encoding, Manner};

/// What the text of a command in doubt begins with.
pub const IN_DOUBT: &str = "in doubt";

impl Dispatcher {
    /// Records what a person says became of a command that was in doubt, and
    /// tells its producer, if he had asked to be told of the end.
    pub fn resolve(&mut self, command: &Unfinished, outcome: Outcome, now_ms: u64) -> Vec<Effect> {
        let mut decided = Decided::default();
        let Unfinished { ticket, accepted_ms, ref accepted, .. } = *command;
        let (wants, manner) = match self.read_again(accepted) {
            Ok((command, manner, _)) => (command.args.response_requested, manner),
            // It was read once, by other rules.
            Err(_) => {
                (None, Manner { encoding: Encoding::of(&accepted.message), ..Manner::default() })
            }
        };
        let status = outcome.response.status;
        let text = outcome.response.status_text.clone();
        let response = match wants.unwrap_or_default() {
            ResponseType::None | ResponseType::Ack => None,
            ResponseType::Status | ResponseType::Complete => {
                let to = Answers {
                    consumer: Some(&accepted.consumer),
                    producer: accepted.producer.as_deref(),
                    request_id: accepted.request_id.as_deref(),
                    manner,
                };
                Some(self.compose(ticket, &to, outcome.response, now_ms))
            }
        };
        let event = Event::Resolved {
            status: status.code(),
            text: text.clone(),
            response: response.clone(),
        };
        decided.records.push(Record { ticket, at_ms: now_ms, event });
        if let Some(outgoing) = response {
            decided.send(outgoing, !accepted.posted, now_ms);
        }
        decided.lines.push(LogLine {
            ticket: Some(ticket),
            request_id: accepted.request_id.clone(),
            producer: accepted.producer.clone(),
            consumer: accepted.consumer.clone(),
            actuator: accepted.actuator.clone(),
            class: Some(Class::Answered),
            status: Some(status.code()),
            duration_ms: now_ms.saturating_sub(accepted_ms),
            ..LogLine::default()
        });
        decided.into_effects(None)
    }
}
