//! `cancel command` and `query command`: what one command says of another.
//!
//! The bridge answers them itself, for the producer of the other command and
//! for nobody else. Both are answered at once: how a command that is
//! cancelled at work ends is for its own response to say.

use bytes::Bytes;
use serde_json::{Value, json};

use super::admit::{Decided, Verdict};
use super::post::{SUMMARY, response_in};
use super::{Dispatcher, Event, Known, Outcome, Record, Ticket, Unfinished};
use crate::language::Library;
use crate::openc2::{
    Action, Args, Command, Members, Response, ResponseType, Results, Status, Target,
};
use crate::wire;

/// What the journal has of a command that another one names.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The command.
    pub command: Unfinished,
    /// Status and text of its outcome, if it has one.
    pub ended: Option<(Option<u16>, Option<String>)>,
    /// It has ended, and its effect is yet to.
    pub in_effect: bool,
    /// Its last response.
    pub response: Option<Bytes>,
}

/// What is wanted of the other command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    Cancel,
    Query,
}

/// The name that a command gives of another one, if it is about one.
pub(super) fn asked_for(command: &Command) -> Option<(Wish, &str)> {
    match (command.action, &command.target) {
        (Action::Cancel, Target::Command(name)) => Some((Wish::Cancel, name.as_str())),
        (Action::Query, Target::Command(name)) => Some((Wish::Query, name.as_str())),
        _ => None,
    }
}

impl Dispatcher {
    /// Carries out what a command wants of another.
    pub(super) fn about_another(
        &mut self,
        decided: &mut Decided,
        wish: Wish,
        args: &Args,
        named: Option<&Named>,
        now_ms: u64,
    ) -> Verdict {
        let Args { start_time, stop_time, duration, response_requested, extensions } = args;
        let only_how_to_answer = start_time.is_none()
            && stop_time.is_none()
            && duration.is_none()
            && extensions.is_empty()
            && matches!(
                response_requested,
                None | Some(ResponseType::Complete | ResponseType::None)
            );
        if !only_how_to_answer {
            let text = "a command about another takes no argument but response_requested complete";
            return Verdict::Refuse(Status::BadRequest, text.into());
        }
        let Some(named) = named else {
            let text =
                "this producer has sent no such command to this consumer, or it is forgotten";
            return Verdict::Refuse(Status::NotFound, text.into());
        };
        match wish {
            Wish::Cancel => self.cancel(decided, named, now_ms),
            Wish::Query => Verdict::Answer(state(named, &self.house.library)),
        }
    }

    /// Takes a command back, as far as that can be done here.
    pub(super) fn cancel(&mut self, decided: &mut Decided, named: &Named, now_ms: u64) -> Verdict {
        let ticket = named.command.ticket;
        let text = if let Some((status, text)) = &named.ended {
            let status = status.map_or_else(String::new, |status| format!(" with status {status}"));
            let text = text.as_deref().map_or_else(String::new, |text| format!(": {text}"));
            let effect = if named.in_effect {
                self.ends_now(decided, named, now_ms);
                "; its effect is being ended"
            } else {
                ""
            };
            format!("the command had ended{status}{text}{effect}")
        } else if self.in_doubt.contains_key(&ticket) {
            self.is_cancelled_now(decided, ticket, now_ms);
            "the command is in doubt: its actuator is asked, and will not carry it out again".into()
        } else if self.is_at_work(&named.command) {
            let actuator = named.command.accepted.actuator.as_deref().unwrap_or_default();
            let under_way = &self.in_progress[&ticket];
            let face = self.house.actuators.get(actuator);
            if !face.is_some_and(|face| face.can_cancel(&under_way.command)) {
                let text = "the command is at work, and its actuator cannot give it up";
                return Verdict::Refuse(Status::NotImplemented, text.into());
            }
            if self.is_cancelled_now(decided, ticket, now_ms) {
                decided.cancels.push(ticket);
            }
            "the command is at work: its actuator is told to give it up".to_owned()
        } else {
            self.never_begins(decided, &named.command, now_ms);
            if named.command.started {
                "the command was at work when the bridge stopped, and will not run again".to_owned()
            } else {
                "the command had not begun, and will not".to_owned()
            }
        };
        Verdict::Answer(Response::with_text(Status::Ok, text))
    }

    /// Whether an actuator has it in its hands. After a restart what was
    /// started may wait for its turn once more.
    pub(super) fn is_at_work(&self, command: &Unfinished) -> bool {
        let actuator = command.accepted.actuator.as_deref().unwrap_or_default();
        self.in_progress.get(&command.ticket).is_some_and(|under_way| under_way.is_started)
            && !self.is_in_line(actuator, command.ticket)
    }

    /// Notes and records that a producer does not want a command any more;
    /// `false` where that is known.
    pub(super) fn is_cancelled_now(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        now_ms: u64,
    ) -> bool {
        let under_way = self.in_progress.get_mut(&ticket).expect("it is under way");
        let is_new = !std::mem::replace(&mut under_way.is_cancelled, true);
        if is_new {
            decided.records.push(Record { ticket, at_ms: now_ms, event: Event::Cancelled });
        }
        is_new
    }

    /// Brings the end of an effect forward, also over a crash.
    fn ends_now(&mut self, decided: &mut Decided, named: &Named, now_ms: u64) {
        let Unfinished { ticket, accepted, .. } = &named.command;
        if self.ending.contains_key(ticket) {
            return;
        }
        self.agenda.remove((accepted.stop_ms.unwrap_or_default(), *ticket));
        self.end_effect_of(*ticket);
        let (ticket, event) = (*ticket, Event::Cancelled);
        decided.records.push(Record { ticket, at_ms: now_ms, event });
    }

    /// A command that waits ends here.
    fn never_begins(&mut self, decided: &mut Decided, command: &Unfinished, now_ms: u64) {
        let (ticket, accepted) = (command.ticket, &command.accepted);
        let actuator = accepted.actuator.clone().unwrap_or_default();
        self.agenda.remove((accepted.start_ms.unwrap_or(0), ticket));
        self.leave_line(&actuator, ticket);
        let under_way = self.in_progress.remove(&ticket).or_else(|| {
            self.on_disk = self.on_disk.saturating_sub(1);
            self.take_up(decided, command.clone(), now_ms).map(|(under_way, _)| under_way)
        });
        if let Some(under_way) = under_way {
            let (key, digest) = (under_way.key.clone(), under_way.digest);
            let said_before = under_way.response.clone();
            let text = if command.started {
                CANCELLED
            } else {
                "cancelled by its producer before it began; nothing was begun"
            };
            let outcome = Outcome::ours(Status::InternalError, text);
            self.conclude(decided, ticket, under_way, outcome, now_ms);
            // Messages that came together with the cancel were looked up before it.
            if let Some(key) = key {
                let response = last_response(&decided.records, ticket).or(said_before);
                self.settled.insert(key, Known { ticket, digest, response, ended: true });
            }
        }
    }
}

/// The response that these records end a command with.
fn last_response(records: &[Record], ticket: Ticket) -> Option<Bytes> {
    records.iter().rev().filter(|record| record.ticket == ticket).find_map(|record| {
        match &record.event {
            Event::Outcome(concluded) => Some(concluded.response.as_ref()?.payload.clone()),
            _ => None,
        }
    })
}

/// How far a command has come.
fn state(named: &Named, library: &Library) -> Response {
    let accepted = &named.command.accepted;
    let state = match &named.ended {
        Some(_) => "ended",
        None if named.command.started => "running",
        None => "waiting",
    };
    let mut command = Members::new();
    command.insert("state".to_owned(), state.into());
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            command.insert(name.to_owned(), value);
        }
    };
    add("accepted", named.command.accepted_ms.into());
    add("start_time", json!(accepted.start_ms));
    add("stop_time", json!(accepted.stop_ms));
    add("in_effect", if named.in_effect { true.into() } else { Value::Null });
    if let Some((status, text)) = &named.ended {
        add("status", json!(status));
        add("status_text", json!(text));
        add("results", named.response.as_ref().map_or(Value::Null, |it| results_in(it, library)));
    }
    let members = Members::from_iter([("command".to_owned(), Value::Object(command))]);
    let extensions = Members::from_iter([(SUMMARY.to_owned(), Value::Object(members))]);
    let results = Some(Results { extensions, ..Results::default() });
    Response { status: Status::Ok, status_text: None, results }
}

/// The results in one of our own response messages.
fn results_in(payload: &Bytes, library: &Library) -> Value {
    response_in(payload, library)
        .map_or(Value::Null, |response| wire::response_to_json(&response)["results"].take())
}

/// What the producer is told where a crash came while the actuator of a
/// command was at work, and he cancelled it before or after that.
pub(super) const CANCELLED: &str = "in doubt: the bridge stopped while the actuator was at work; \
     the outcome is unknown, and the command is not run again, for it was cancelled";
