//! What actuators say, and what a restart finds.

use std::sync::Arc;

use super::admit::Decided;
use super::reply::Answers;
use super::{
    Class, Concluded, Dispatcher, Effect, Event, InProgress, LogLine, Outcome, Outgoing, Reason,
    Record, Report, Ticket, Unfinished, Work,
};
use crate::openc2::{Content, Response, ResponseType, Status};
use crate::wire::{self, Encoding, Manner};

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
            Report::Outcome { ticket, outcome } => {
                if let Some(command) = self.in_progress.remove(&ticket) {
                    let actuator = command.actuator.clone();
                    self.conclude(&mut decided, ticket, command, outcome, now_ms);
                    self.make_room(&mut decided, &actuator, now_ms);
                }
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

    /// Records how a command ended, and answers as its producer wished.
    fn conclude(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        command: InProgress,
        outcome: Outcome,
        now_ms: u64,
    ) {
        let Outcome { response, reason } = match outcome.response.status {
            Status::Processing => Outcome::ours(
                Status::InternalError,
                "the actuator ended the command with status 102, which is no outcome",
            ),
            _ => outcome,
        };
        let status = response.status;
        let text = response.status_text.clone();
        let class = match command.wants {
            ResponseType::None => Class::Silent,
            ResponseType::Ack | ResponseType::Status | ResponseType::Complete => Class::Answered,
        };
        let outgoing: Option<Outgoing> = match command.wants {
            // Silence; and "ack" is one response and no other, which was made at the start.
            ResponseType::None | ResponseType::Ack => None,
            ResponseType::Status | ResponseType::Complete => {
                let to = Answers {
                    consumer: Some(&command.consumer),
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

    /// Takes up what the journal holds without an outcome, oldest first.
    ///
    /// What had not started starts now. What had started runs again where its
    /// actuator says that twice is as good as once; any other ends with 500
    /// in doubt, and never runs again.
    pub fn recover(&mut self, unfinished: Vec<Unfinished>, now_ms: u64) -> Vec<Effect> {
        let mut decided = Decided::default();
        for command in unfinished {
            self.counters.recovered += 1;
            self.recover_one(&mut decided, command, now_ms);
        }
        decided.into_effects(None)
    }

    fn recover_one(&mut self, decided: &mut Decided, unfinished: Unfinished, now_ms: u64) {
        let Unfinished { ticket, accepted_ms, accepted, started } = unfinished;
        let actuator = accepted.actuator.clone().unwrap_or_default();
        let letter = match self.rules.read(&accepted.message, Encoding::of(&accepted.message)) {
            Ok(letter) => letter,
            Err(unreadable) => {
                // It was read once, by other rules: the limits may have been lowered since.
                self.give_up_unread(decided, ticket, &accepted, &unreadable.fault, now_ms);
                return;
            }
        };
        let manner = letter.manner;
        let Content::Request(command) = letter.message.content else {
            unreachable!("only requests are accepted for an actuator");
        };
        let command = Arc::new(command);
        let under_way = InProgress {
            key: accepted.key.clone(),
            digest: accepted.digest,
            consumer: accepted.consumer.clone(),
            producer: accepted.producer.clone().unwrap_or_default(),
            request_id: accepted.request_id.clone(),
            wants: command.args.response_requested.unwrap_or_default(),
            manner,
            actuator: actuator.clone(),
            command: Arc::clone(&command),
            accepted_ms,
            last_progress_ms: None,
            unverified_signature: accepted.unverified_signature,
            response: None,
            is_published: !accepted.posted,
            callers: Vec::new(),
        };
        let face = self.house.actuators.get(&actuator);
        let verdict = match face {
            None if !started => Some(Outcome::ours(
                Status::NotImplemented,
                format!("actuator {actuator:?} was taken out of the configuration before it began"),
            )),
            Some(_) if !started => None,
            Some(face) if face.idempotent => None,
            _ => Some(Outcome::ours(
                Status::InternalError,
                "in doubt: the bridge stopped while the actuator was at work; \
                 the outcome is unknown and the command is not run again",
            )),
        };
        if let Some(outcome) = verdict {
            self.counters.in_doubt += u64::from(started);
            self.conclude(decided, ticket, under_way, outcome, now_ms);
            return;
        }
        let known_by = accepted.key.as_ref().map(|key| key.request_id.clone());
        let known_by = known_by.or(accepted.request_id).unwrap_or_default();
        let work = Work {
            ticket,
            actuator,
            consumer: under_way.consumer.clone(),
            producer: under_way.producer.clone(),
            command_id: command.command_id.clone().unwrap_or_else(|| known_by.clone()),
            request_id: known_by,
            address: accepted.address,
            command,
        };
        if let Some(key) = accepted.key {
            self.keys.insert(key, ticket);
        }
        self.in_progress.insert(ticket, under_way);
        self.line_up(decided, work, started, now_ms);
    }

    fn give_up_unread(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        accepted: &super::Accepted,
        fault: &wire::Fault,
        now_ms: u64,
    ) {
        let why = "in doubt: the recorded command can no longer be read";
        let text = format!("{why}: {fault}");
        let reason = Reason::quoting(format!("{why}: {}", fault.unquoted()), text.as_str());
        let encoding = Encoding::of(&accepted.message);
        let to = Answers {
            consumer: Some(&accepted.consumer),
            producer: accepted.producer.as_deref(),
            request_id: accepted.request_id.as_deref(),
            manner: Manner { encoding, ..Manner::default() },
        };
        let response = Response::with_text(Status::InternalError, text.clone());
        let response = self.compose(ticket, &to, response, now_ms);
        let status = Some(Status::InternalError.code());
        let concluded = Concluded {
            class: Class::Answered,
            status,
            text: Some(text.clone()),
            response: Some(response.clone()),
            remembered: true,
        };
        let event = Event::Outcome(Box::new(concluded));
        decided.records.push(Record { ticket, at_ms: now_ms, event });
        decided.send(response, !accepted.posted, now_ms);
        decided.lines.push(LogLine {
            ticket: Some(ticket),
            request_id: accepted.request_id.clone(),
            producer: accepted.producer.clone(),
            consumer: accepted.consumer.clone(),
            unverified_signature: accepted.unverified_signature,
            class: Some(Class::Answered),
            status,
            reason: Some(reason),
            ..LogLine::default()
        });
        self.counters.ended(Class::Answered);
        self.counters.in_doubt += 1;
    }
}
