//! Callers: who posted a command by HTTPS and waits for the answer.
//!
//! MQTT takes a response whenever there is one. A POST is answered once, and
//! with one OpenC2 response (Transfer via HTTPS v1.1, section 3.2.1): that of
//! the one consumer that is meant, byte for byte, or one that sums up what
//! several of them say. What a caller is told is in the journal as well, so
//! that the same POST again finds it, also after a crash.

use bytes::Bytes;

use super::admit::Decided;
use super::open::Reading;
use super::reply::Answers;
use super::tally::{self, Said, Sum, Tally};
use super::{
    Address, Caller, Dispatcher, Effect, Event, House, Outcome, Reason, Receipt, Record, Ticket,
    command_id,
};
use crate::language::{Library, Version};
use crate::openc2::{Content, Response, ResponseType, Status};
use crate::wire::{self, Limits};

/// Namespace of the results that the bridge adds where it sums up.
pub const SUMMARY: &str = "x-oc2b";

/// The producer in a command that says no other, where no certificate is asked for.
const ANONYMOUS: &str = "anonymous";

/// The answer to a POST.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The door's own name for the POST.
    pub receipt: Receipt,
    /// Of the response; also the HTTP status, save for 102, which HTTP cannot
    /// say last (Transfer via HTTPS v1.1, section 4.2.1).
    pub status: Status,
    /// The response message; `None` where the producer asked for none.
    pub payload: Option<Bytes>,
    /// Commands that have only begun, to be asked after.
    pub begun: Option<CommandIds>,
}

/// The names of the commands that one POST has led to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandIds {
    /// Their request id.
    pub request_id: String,
    /// One for each; see [`command_id`](super::command_id).
    pub ids: Vec<String>,
}

/// A POST whose answer is not complete.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Who speaks for several consumers, and where none speaks: the bridge.
    speaker: Option<String>,
    producer: Option<String>,
    request_id: Option<String>,
    parties: Vec<Party>,
}

/// A consumer that answers, or will.
#[derive(Debug)]
pub(super) struct Party {
    pub ticket: Ticket,
    pub consumer: String,
    /// Its response message, once there is one.
    pub said: Option<Bytes>,
}

/// Whom a POST's answer is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Sender {
    pub producer: Option<String>,
    pub request_id: Option<String>,
    pub wants_silence: bool,
    pub will_not_wait: bool,
}

impl Caller {
    /// Fills in what HTTPS says beside the message: `from` is not needed there,
    /// and `X-Request-ID` may stand for `request_id` (sections 3.3.2 and 3.3.3).
    pub(super) fn complete(&self, reading: &mut Reading) {
        let (from, request_id) = match reading {
            Reading::Command(request) => {
                if request.headers.request_id.is_none()
                    && let Some(request_id) = &self.request_id
                {
                    request.known_by.clone_from(request_id);
                }
                (&mut request.headers.from, &mut request.headers.request_id)
            }
            Reading::Faulty { glimpse, .. } | Reading::Dropped { glimpse, .. } => {
                (&mut glimpse.from, &mut glimpse.request_id)
            }
            Reading::Unread { .. } => return,
        };
        let identity = self.identity.as_deref().unwrap_or(ANONYMOUS);
        from.get_or_insert_with(|| identity.to_owned());
        if request_id.is_none() {
            request_id.clone_from(&self.request_id);
        }
    }

    /// Whether the certificate is another's than the one that the message names.
    pub(super) fn is_impostor(&self, from: Option<&str>) -> bool {
        self.identity.as_deref().is_some_and(|identity| from != Some(identity))
    }

    /// Of a message, as it was completed.
    pub(super) fn sender(&self, reading: &Reading) -> Sender {
        let will_not_wait = self.will_not_wait;
        match reading {
            Reading::Command(request) => Sender {
                producer: request.headers.from.clone(),
                request_id: request.headers.request_id.clone(),
                wants_silence: request.command.args.response_requested == Some(ResponseType::None),
                will_not_wait,
            },
            Reading::Faulty { glimpse, .. } | Reading::Dropped { glimpse, .. } => Sender {
                producer: glimpse.from.clone(),
                request_id: glimpse.request_id.clone(),
                wants_silence: glimpse.wants_silence,
                will_not_wait,
            },
            Reading::Unread { .. } => Sender {
                producer: self.identity.clone(),
                request_id: self.request_id.clone(),
                wants_silence: false,
                will_not_wait,
            },
        }
    }
}

impl House {
    /// The address of a POST: one consumer where `to` names one, or where there
    /// is but one to post to; else everybody, for `to` and the actuator to narrow.
    pub(super) fn posted_to(&self, to: &[String]) -> Address {
        match (to, &*self.consumers) {
            ([one], _) => Address::Device(one.clone()),
            ([], [only]) => Address::Device(only.id.clone()),
            _ => Address::All,
        }
    }
}

impl Dispatcher {
    /// A POST was admitted: it is answered now, or once those that it is for have answered.
    pub(super) fn attend_to(
        &mut self,
        decided: &mut Decided,
        receipt: Receipt,
        sender: Sender,
        now_ms: u64,
    ) {
        let Sender { producer, request_id, wants_silence, will_not_wait } = sender;
        let parties = std::mem::take(&mut decided.parties);
        let speaker = self.house.own_name().map(str::to_owned);
        let waiting = Waiting { speaker, producer, request_id, parties };
        if waiting.parties.is_empty() {
            let unsaid = decided.unsaid.take().filter(|_| !wants_silence);
            decided.replies.push(match unsaid {
                Some((status, reason)) => {
                    let response = Response::with_text(status, reason.text());
                    waiting.reply(receipt, response, now_ms)
                }
                None => Reply { receipt, status: Status::Ok, payload: None, begun: None },
            });
        } else if waiting.is_complete() {
            decided.replies.push(waiting.answer(receipt, &self.house, now_ms));
        } else if will_not_wait {
            decided.replies.push(waiting.begun(receipt, now_ms));
        } else {
            for party in waiting.parties.iter().filter(|party| party.said.is_none()) {
                match self.in_progress.get_mut(&party.ticket) {
                    Some(command) => command.callers.push(receipt),
                    None => self.callers_away.entry(party.ticket).or_default().push(receipt),
                }
            }
            self.callers.insert(receipt, waiting);
        }
    }

    /// A command said its last word to those who posted it.
    pub(super) fn tell_callers(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        callers: &[Receipt],
        payload: &Bytes,
        now_ms: u64,
    ) {
        for receipt in callers {
            let Some(waiting) = self.callers.get_mut(receipt) else { continue };
            for party in waiting.parties.iter_mut().filter(|party| party.ticket == ticket) {
                party.said = Some(payload.clone());
            }
            if waiting.is_complete()
                && let Some(waiting) = self.callers.remove(receipt)
            {
                decided.replies.push(waiting.answer(*receipt, &self.house, now_ms));
            }
        }
    }

    /// A command goes on, and those who posted it are to wait no longer. That the time is over
    /// is recorded, and not what they are told: it is no outcome.
    pub(super) fn meanwhile(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        outcome: Outcome,
        now_ms: u64,
    ) {
        let Some(command) = self.in_progress.get(&ticket) else { return };
        if command.wants == ResponseType::None {
            return;
        }
        let speaker = self.house.speaker(command, outcome.reason.is_some()).to_owned();
        let (producer, request_id) = (command.producer.clone(), command.request_id.clone());
        let to = Answers {
            consumer: Some(&speaker),
            producer: Some(&producer),
            request_id: request_id.as_deref(),
            manner: command.manner,
        };
        let (status, text) = (outcome.response.status.code(), outcome.response.status_text.clone());
        let payload = self.letter(&to, outcome.response, now_ms);
        let Some(command) = self.in_progress.get_mut(&ticket) else { return };
        let was_told = command.meanwhile.replace(payload.clone()).is_some();
        if !was_told {
            let event = Event::Overdue { status, text };
            decided.records.push(Record { ticket, at_ms: now_ms, event });
        }
        let callers = std::mem::take(&mut command.callers);
        self.tell_callers(decided, ticket, &callers, &payload, now_ms);
    }

    /// A caller has waited as long as it may. The commands go on: the same POST
    /// again finds what became of them.
    pub fn give_up(&mut self, receipt: Receipt, now_ms: u64) -> Vec<Effect> {
        let Some(mut waiting) = self.callers.remove(&receipt) else { return Vec::new() };
        for party in &mut waiting.parties {
            if let Some(command) = self.in_progress.get_mut(&party.ticket) {
                command.callers.retain(|caller| *caller != receipt);
                party.said = party.said.take().or_else(|| command.meanwhile.clone());
            } else if let Some(callers) = self.callers_away.get_mut(&party.ticket) {
                callers.retain(|caller| *caller != receipt);
                if callers.is_empty() {
                    self.callers_away.remove(&party.ticket);
                }
            }
        }
        let reply = waiting.answer(receipt, &self.house, now_ms);
        vec![Effect::Reply(Box::new(reply))]
    }
}

impl Waiting {
    fn is_complete(&self) -> bool {
        self.parties.iter().all(|party| party.said.is_some())
    }

    fn answer(&self, receipt: Receipt, house: &House, now_ms: u64) -> Reply {
        match self.parties.as_slice() {
            [Party { said: Some(payload), .. }] => {
                let (status, payload) = (status_of(payload, &house.library), Some(payload.clone()));
                Reply { receipt, status, payload, begun: None }
            }
            parties => self.reply(receipt, summed_up(parties, house), now_ms),
        }
    }

    /// The commands are recorded, and nobody waits for their end.
    fn begun(&self, receipt: Receipt, now_ms: u64) -> Reply {
        let (producer, request_id) = (self.producer.as_deref(), self.request_id.as_deref());
        let (producer, request_id) = (producer.unwrap_or_default(), request_id.unwrap_or_default());
        let id = |party: &Party| command_id(party.ticket, producer, request_id);
        let ids = self.parties.iter().map(id).collect();
        let begun = CommandIds { request_id: request_id.to_owned(), ids };
        let reply = self.reply(receipt, Response::new(Status::Processing), now_ms);
        Reply { begun: Some(begun), ..reply }
    }

    /// A response of the bridge itself.
    fn reply(&self, receipt: Receipt, response: Response, now_ms: u64) -> Reply {
        let status = response.status;
        let to = Answers {
            consumer: self.speaker.as_deref(),
            producer: self.producer.as_deref(),
            request_id: self.request_id.as_deref(),
            ..Answers::default()
        };
        let payload = wire::write(&super::reply::message(&to, response, now_ms));
        Reply { receipt, status, payload: Some(payload), begun: None }
    }
}

/// One response for the consumers that a POST is for. Where one of them is the bridge, that
/// asked several others, those stand in its place.
fn summed_up(parties: &[Party], house: &House) -> Response {
    let language = house.library.language(Version::V1_1);
    let mut sum = Sum { expected: 0, said: Vec::new(), is_open: false };
    for Party { consumer, said, .. } in parties {
        let Some(response) = said.as_ref().and_then(|it| response_in(it, &house.library)) else {
            sum.expected += 1;
            sum.is_open = true;
            continue;
        };
        let is_sum = house.routes.iter().any(|route| route.identity == *consumer);
        if let Some(inner) = is_sum.then(|| tally::taken_apart(&response, language)).flatten() {
            sum.expected += inner.expected;
            sum.said.extend(inner.said);
            sum.is_open |= inner.is_open;
        } else {
            sum.expected += 1;
            sum.said.push(Said { from: consumer.clone(), response, is_late: false });
        }
    }
    let Sum { expected, said, is_open } = &sum;
    Tally { expected: *expected, said, is_open: *is_open }.sum_up()
}

/// The status of a response message of ours.
fn status_of(payload: &Bytes, library: &Library) -> Status {
    response_in(payload, library).map_or(Status::InternalError, |response| response.status)
}

pub(super) fn response_in(payload: &Bytes, library: &Library) -> Option<Response> {
    // It is one of our own, and was written within the limits of its time.
    let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
    match wire::read_any(payload, limits, library).ok()?.message.content {
        Content::Response(response) => Some(response),
        Content::Request(_) | Content::Notification(_) => None,
    }
}

/// Why nothing else can be said to a caller.
pub(super) type Unsaid = (Status, Reason);
