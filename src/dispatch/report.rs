//! What actuators say.

use super::admit::Decided;
use super::reply::Answers;
use super::{
    Alarm, Class, Concluded, Dispatcher, Effect, Event, Heard, IN_DOUBT, InProgress, LogLine,
    Outcome, Outgoing, Reason, Record, Report, Ticket,
};
use crate::language::Version;
use crate::openc2::{Response, ResponseType, Status};
use crate::wire;

/// Least time between two progress responses to one command, in milliseconds.
const PROGRESS_EVERY_MS: u64 = 1_000;

impl Dispatcher {
    /// An actuator says something of a command.
    pub fn report(&mut self, report: Report, now_ms: u64) -> Vec<Effect> {
        let mut decided = Decided::default();
        match report {
            Report::Progress { ticket, text } => {
                self.progress(&mut decided, ticket, text, now_ms);
            }
            Report::Heard { ticket, from, response } => {
                self.heard(&mut decided, ticket, from, &response, now_ms);
            }
            Report::Meanwhile { ticket, outcome } => {
                self.meanwhile(&mut decided, ticket, outcome, now_ms);
            }
            Report::Outcome { ticket, outcome } => {
                if let Some(command) = self.in_progress.remove(&ticket) {
                    let actuator = command.actuator.clone();
                    self.conclude(&mut decided, ticket, command, outcome, now_ms);
                    self.make_room(&mut decided, &actuator, now_ms);
                }
            }
            Report::Stopped { ticket, outcome } => {
                self.stopped(&mut decided, ticket, outcome, now_ms);
            }
            Report::Probed { ticket, finding } => {
                self.probed(&mut decided, ticket, finding, now_ms);
            }
        }
        decided.into_effects(None)
    }

    /// Progress is only for those who asked for it, and not too often.
    fn progress(&mut self, decided: &mut Decided, ticket: Ticket, text: String, now_ms: u64) {
        let Some(command) = self.in_progress.get_mut(&ticket) else { return };
        let too_soon = command
            .last_progress_ms
            .is_some_and(|last| now_ms.saturating_sub(last) < PROGRESS_EVERY_MS);
        if command.wants != ResponseType::Status || !command.is_published || too_soon {
            return;
        }
        command.last_progress_ms = Some(now_ms);
        let (consumer, producer) = (command.consumer.clone(), command.producer.clone());
        let request_id = command.request_id.clone();
        let response = Response::with_text(Status::Processing, text);
        let to = Answers {
            consumer: Some(&consumer),
            producer: Some(&producer),
            request_id: request_id.as_deref(),
            manner: command.manner,
        };
        let outgoing = self.compose(ticket, &to, response, now_ms);
        if let Some(command) = self.in_progress.get_mut(&ticket) {
            command.response = Some(outgoing.payload.clone());
        }
        let event = Event::Progress { response: outgoing.clone() };
        decided.records.push(Record { ticket, at_ms: now_ms, event });
        decided.responses.push(outgoing);
    }

    /// Keeps what one of several consumers has said, for whoever asks before the end.
    fn heard(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        from: String,
        response: &Response,
        now_ms: u64,
    ) {
        let Some(command) = self.in_progress.get(&ticket) else { return };
        let heard = Heard {
            from,
            status: response.status.code(),
            is_late: command.meanwhile.is_some(),
            response: wire::response_to_json(response).to_string().into(),
        };
        let event = Event::Heard(Box::new(heard));
        decided.records.push(Record { ticket, at_ms: now_ms, event });
    }

    /// What an actuator answered, if the schema of its profile has such results.
    fn judged(&self, outcome: Outcome) -> Outcome {
        if outcome.response.results.is_none() {
            return outcome;
        }
        let said = wire::response_to_json(&outcome.response);
        let language = self.house.library.language(Version::V1_1);
        let Err(fault) = wire::response_by(&said, language) else { return outcome };
        let what = "the actuator answered what the schema does not allow";
        Outcome {
            response: Response::with_text(Status::InternalError, format!("{what}: {fault}")),
            reason: Some(format!("{what}: {}", fault.unquoted())),
        }
    }

    /// Records how a command ended, and answers as its producer wished.
    pub(super) fn conclude(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        command: InProgress,
        outcome: Outcome,
        now_ms: u64,
    ) {
        let Outcome { response, reason } = match self.judged(outcome) {
            outcome if outcome.response.status == Status::Processing => Outcome::ours(
                Status::InternalError,
                "the actuator ended the command with status 102, which is no outcome",
            ),
            outcome => outcome,
        };
        let status = response.status;
        let text = response.status_text.clone();
        // Whom the journal lists as such.
        let says_so = text.as_deref().is_some_and(|text| text.starts_with(IN_DOUBT));
        if says_so && status == Status::InternalError {
            decided.alarms.push(Alarm::InDoubt { ticket });
        }
        let late_until_ms = self.late_until(&command, reason.is_some(), now_ms);
        let in_effect = command.stop_ms.is_some() && command.is_started && may_have_effect(status);
        if in_effect {
            self.effects += 1;
            if command.stop_is_due {
                self.end_effect_of(ticket);
            }
        } else if let (Some(stop_ms), true) = (command.stop_ms, command.is_started) {
            self.agenda.remove((stop_ms, ticket));
        }
        let speaker = self.house.speaker(&command, reason.is_some()).to_owned();
        let class = match command.wants {
            ResponseType::None => Class::Silent,
            ResponseType::Ack | ResponseType::Status | ResponseType::Complete => Class::Answered,
        };
        let outgoing: Option<Outgoing> = match command.wants {
            // Silence; and "ack" is one response and no other, which was made at the start.
            ResponseType::None | ResponseType::Ack => None,
            ResponseType::Status | ResponseType::Complete => {
                let to = Answers {
                    consumer: Some(&speaker),
                    producer: Some(&command.producer),
                    request_id: command.request_id.as_deref(),
                    manner: command.manner,
                };
                Some(self.compose(ticket, &to, response, now_ms))
            }
        };
        // 503 says that nothing was begun: a repetition is judged afresh.
        let remembered = status != Status::ServiceUnavailable;
        if let Some(key) = &command.key {
            self.keys.remove(key);
        }
        let concluded = Concluded {
            class,
            status: Some(status.code()),
            text: text.clone(),
            response: outgoing.clone(),
            remembered,
            in_effect,
            late_until_ms,
        };
        decided.records.push(Record {
            ticket,
            at_ms: now_ms,
            event: Event::Outcome(Box::new(concluded)),
        });
        if let Some(outgoing) = outgoing {
            self.tell_callers(decided, ticket, &command.callers, &outgoing.payload, now_ms);
            decided.send(outgoing, command.is_published, now_ms);
        }
        decided.lines.push(LogLine {
            ticket: Some(ticket),
            request_id: command.request_id,
            producer: Some(command.producer),
            consumer: command.consumer,
            action: Some(command.command.action.as_str()),
            target: Some(command.command.target.name().to_string()),
            actuator: Some(command.actuator),
            unverified_signature: command.unverified_signature,
            class: Some(class),
            status: Some(status.code()),
            duration_ms: now_ms.saturating_sub(command.accepted_ms),
            reason: text
                .filter(|_| !status.is_success())
                .map(|text| Reason::of_outcome(text, reason)),
        });
        self.counters.ended(class);
    }
}

/// Whether a command that ended so may have done something that must be ended.
///
/// After 500 nobody knows; every other failure says that nothing was done.
fn may_have_effect(status: Status) -> bool {
    matches!(status, Status::Ok | Status::InternalError)
}
