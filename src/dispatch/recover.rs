//! Commands that come out of the journal: what a restart finds, and what had
//! waited there for its time or its turn.

use std::sync::Arc;

use super::admit::Decided;
use super::reply::Answers;
use super::{
    Accepted, ActuatorFace, Alarm, Class, Concluded, Dispatcher, Effect, Errand, Event, InProgress,
    LogLine, Outcome, Reason, Record, Unfinished, Work, doubt,
};
use crate::language::Version;
use crate::openc2::{Command, Content, Response, Status};
use crate::wire::{self, Encoding, Fault, Manner};

impl Dispatcher {
    /// Takes up what the journal holds: commands that had started and have no
    /// outcome, oldest first; and how many more wait there to be started, and
    /// how many have ended with an effect that is yet to end.
    ///
    /// What had started runs again where its actuator says that twice is as
    /// good as once; where its actuator can tell, it is asked; any other ends
    /// with 500 in doubt, and never runs again.
    /// Those that wait come through [`Self::page`].
    pub fn recover(
        &mut self,
        unfinished: Vec<Unfinished>,
        (waiting, effects): (u64, u64),
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut decided = Decided::default();
        self.on_disk += waiting;
        self.effects += effects;
        self.counters.recovered += waiting;
        for command in unfinished {
            self.counters.recovered += 1;
            self.go_on(&mut decided, command, now_ms);
        }
        decided.into_effects(None)
    }

    /// Goes on with a command where its records end.
    pub(super) fn go_on(&mut self, decided: &mut Decided, unfinished: Unfinished, now_ms: u64) {
        let Unfinished { started, cancelled, .. } = unfinished;
        let Some((under_way, work)) = self.take_up(decided, unfinished, now_ms) else { return };
        let (ticket, actuator) = (work.ticket, &work.actuator);
        let can_tell = |face: &ActuatorFace| face.can_tell(&work.command);
        let face = self.house.actuators.get(actuator);
        let runs_again = |face: &ActuatorFace| face.idempotent && !cancelled;
        let is_asked = started && face.is_some_and(|face| can_tell(face) && !runs_again(face));
        let verdict = match face {
            None if !started => Some(Outcome::ours(
                Status::NotImplemented,
                format!("actuator {actuator:?} was taken out of the configuration before it began"),
            )),
            Some(face) if !started || is_asked || runs_again(face) => None,
            _ if cancelled => Some(Outcome::ours(Status::InternalError, super::cancel::CANCELLED)),
            _ => Some(Outcome::ours(Status::InternalError, doubt::IN_DOUBT)),
        };
        self.counters.in_doubt += u64::from(started && (verdict.is_some() || is_asked));
        if let Some(outcome) = verdict {
            self.conclude(decided, ticket, under_way, outcome, now_ms);
            return;
        }
        if let Some(key) = under_way.key.clone() {
            self.keys.insert(key, ticket);
        }
        self.in_progress.insert(ticket, under_way);
        if is_asked {
            self.ask(decided, work, now_ms);
        } else {
            self.line_up(decided, work, started, now_ms);
        }
    }

    /// What memory needs of a command that the journal holds. Where it can no
    /// longer be read, it ends.
    pub(super) fn take_up(
        &mut self,
        decided: &mut Decided,
        unfinished: Unfinished,
        now_ms: u64,
    ) -> Option<(InProgress, Work)> {
        let Unfinished { ticket, accepted_ms, started, cancelled, .. } = unfinished;
        let (command, manner, to) = match self.read_again(&unfinished.accepted) {
            Ok(read) => read,
            Err(fault) => {
                self.give_up_unread(decided, &unfinished, &fault, now_ms);
                return None;
            }
        };
        let work = self.work(&unfinished, Arc::clone(&command), &to, Errand::Perform);
        let Accepted {
            key,
            digest,
            consumer,
            producer,
            request_id,
            stop_ms,
            unverified_signature,
            posted,
            ..
        } = unfinished.accepted;
        let under_way = InProgress {
            key,
            digest,
            consumer,
            producer: producer.unwrap_or_default(),
            request_id,
            wants: command.args.response_requested.unwrap_or_default(),
            manner,
            actuator: work.actuator.clone(),
            command,
            accepted_ms,
            stop_ms,
            is_started: started,
            stop_is_due: false,
            is_cancelled: cancelled,
            last_progress_ms: None,
            unverified_signature,
            response: None,
            is_published: !posted,
            callers: self.callers_away.remove(&ticket).unwrap_or_default(),
            meanwhile: None,
        };
        Some((under_way, work))
    }

    /// What an actuator needs to do something more about a command.
    pub(super) fn work_again(&self, unfinished: &Unfinished, errand: Errand) -> Option<Work> {
        let (command, _, to) = self.read_again(&unfinished.accepted).ok()?;
        Some(self.work(unfinished, command, &to, errand))
    }

    /// A command and whom it names. It was read once; by other rules, if the limits have been
    /// lowered since.
    pub(super) fn read_again(
        &self,
        accepted: &Accepted,
    ) -> Result<(Arc<Command>, Manner, Vec<String>), Fault> {
        let encoding = Encoding::of(&accepted.message);
        let consumer = self.house.consumer(&accepted.consumer);
        let versions = consumer.map_or(&[Version::V1_1][..], |consumer| &consumer.versions);
        let languages = self.house.languages(versions);
        let letter = wire::read_by(&accepted.message, encoding, self.rules.limits, &languages)
            .map_err(|unreadable| unreadable.fault)?;
        let manner = letter.manner;
        let Content::Request(command) = letter.message.content else {
            unreachable!("only requests are accepted for an actuator");
        };
        Ok((Arc::new(command), manner, letter.message.headers.to))
    }

    fn give_up_unread(
        &mut self,
        decided: &mut Decided,
        unfinished: &Unfinished,
        fault: &Fault,
        now_ms: u64,
    ) {
        let Unfinished { ticket, ref accepted, started, .. } = *unfinished;
        let in_effect = started && accepted.stop_ms.is_some();
        self.effects += u64::from(in_effect);
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
            in_effect,
            late_until_ms: None,
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
        decided.alarms.push(Alarm::InDoubt { ticket });
        self.counters.ended(Class::Answered);
        self.counters.in_doubt += 1;
    }

    /// What an actuator gets of a command that comes out of the journal.
    fn work(
        &self,
        unfinished: &Unfinished,
        command: Arc<Command>,
        to: &[String],
        errand: Errand,
    ) -> Work {
        let Unfinished { ticket, accepted, .. } = unfinished;
        let known_by = accepted.key.as_ref().map(|key| key.request_id.clone());
        let known_by = known_by.or(accepted.request_id.clone()).unwrap_or_default();
        let actuator = accepted.actuator.clone().unwrap_or_default();
        let to = match &accepted.about {
            Some(about) => about.to.clone(),
            None => self.house.elsewhere(&actuator, &accepted.address, to),
        };
        Work {
            errand,
            ticket: *ticket,
            actuator,
            consumer: accepted.consumer.clone(),
            producer: accepted.producer.clone().unwrap_or_default(),
            command_id: command.command_id.clone().unwrap_or_else(|| known_by.clone()),
            request_id: known_by,
            address: accepted.address.clone(),
            command,
            signed: accepted.unverified_signature.then(|| accepted.message.clone()),
            hops: accepted.hops,
            again: unfinished.started,
            to,
            about: accepted.about.as_ref().map(|about| about.id.clone()),
        }
    }
}
