//! What people see of the journal.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{self, Kind};
use crate::dispatch::IN_DOUBT;
use crate::openc2::Status;
use crate::wire::{self, Encoding};

/// Which commands to list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// At most so many, and never more than [`Listing::LIMIT_MAX`].
    pub limit: usize,
    /// Only those with a lower ticket.
    pub before: Option<u64>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those for this consumer.
    pub consumer: Option<String>,
    /// Only those of this producer.
    pub producer: Option<String>,
    /// Only those with this request id.
    pub request_id: Option<String>,
}

impl Listing {
    /// Most entries that one answer has.
    pub const LIMIT_MAX: usize = 10_000;
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            limit: 50,
            before: None,
            state: None,
            consumer: None,
            producer: None,
            request_id: None,
        }
    }
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is recorded.
    Accepted,
    /// Its actuator was told to begin.
    Started,
    /// It has its outcome.
    Ended,
    /// The same, and the outcome is that nobody knows.
    InDoubt,
}

/// A command in a list. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the field of that name in `Accepted` and `Concluded`")]
pub struct Entry {
    pub ticket: u64,
    pub request_id: Option<String>,
    pub producer: Option<String>,
    pub consumer: String,
    pub summary: String,
    pub actuator: Option<String>,
    pub state: State,
    pub class: Option<String>,
    pub status: Option<u16>,
    pub text: Option<String>,
    pub accepted_ms: u64,
    pub started_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    /// When its last response had been taken over by the transport.
    pub answered_ms: Option<u64>,
}

/// All there is about a command.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Detail {
    /// What a list shows of it.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its last response; as text, if it is not JSON.
    pub response: Option<Value>,
    /// The response itself where it is CBOR, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_cbor: Option<String>,
    /// The message as it came; one in CBOR as the JSON that says the same, by the
    /// schemas that are built in. What is not UTF-8 is shown as U+FFFD; the
    /// journal has it as it was.
    pub message: String,
    /// The message itself where it is CBOR, in hexadecimal digits: whoever has the
    /// schemas of further profiles has names for the numbers in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_cbor: Option<String>,
    /// It bore a signature that nobody has checked.
    pub unverified_signature: bool,
    /// What happened, in order.
    pub records: Vec<Step>,
}

/// A record of a command.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// Its place among all records of this journal.
    pub seq: u64,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// accepted, started, progress, heard, overdue, outcome, answered, stopped or cancelled.
    pub kind: String,
    /// What else is recorded, without the message and the response to it.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// What the tables hold of a command.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) entry: Entry,
    pub(super) digest: Option<[u8; 32]>,
    /// The record that holds its last response.
    pub(super) response: Option<u64>,
    /// Its responses in the outbox.
    pub(super) waiting: u64,
    /// When its effect is to end.
    pub(super) stop_ms: Option<u64>,
    /// When something is to happen to it next.
    pub(super) due_ms: Option<u64>,
}

impl Entry {
    /// Nobody knows what became of it.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.text.as_deref().is_some_and(|text| text.starts_with(IN_DOUBT))
            && self.status == Some(Status::InternalError.code())
    }
}

impl State {
    /// From the times that a command has.
    pub(super) fn of(started_ms: Option<u64>, ended_ms: Option<u64>) -> Self {
        match (started_ms, ended_ms) {
            (_, Some(_)) => Self::Ended,
            (Some(_), None) => Self::Started,
            (None, None) => Self::Accepted,
        }
    }
}

impl Detail {
    /// A command of which no record has been shown yet.
    pub(super) fn new(entry: Entry) -> Self {
        Self {
            entry,
            response: None,
            response_cbor: None,
            message: String::new(),
            message_cbor: None,
            unverified_signature: false,
            records: Vec::new(),
        }
    }

    /// Adds the next record of the command, or says what is wrong with it.
    pub(super) fn add(
        &mut self,
        seq: u64,
        at_ms: u64,
        kind: Kind,
        body: &[u8],
    ) -> Result<(), String> {
        let (facts, bytes) = body::split(body);
        let mut facts: Map<String, Value> =
            serde_json::from_slice(facts).map_err(|error| error.to_string())?;
        match kind {
            Kind::Accepted => {
                self.message = as_text(bytes);
                self.message_cbor = cbor(bytes);
                self.unverified_signature = facts.contains_key("unverified_signature");
            }
            Kind::Progress => self.respond(bytes),
            Kind::Outcome | Kind::Resolved if facts.contains_key("response") => self.respond(bytes),
            Kind::Heard => drop(facts.insert("response".to_owned(), shown(bytes))),
            Kind::Outcome
            | Kind::Resolved
            | Kind::Started
            | Kind::Answered
            | Kind::Loss
            | Kind::Stopped
            | Kind::Cancelled
            | Kind::Overdue => {}
        }
        self.records.push(Step { seq, at_ms, kind: kind.as_str().to_owned(), facts });
        Ok(())
    }

    fn respond(&mut self, response: &[u8]) {
        self.response = Some(shown(response));
        self.response_cbor = cbor(response);
    }
}

impl Listing {
    pub(super) fn by_request_id(request_id: String, limit: usize) -> Self {
        Self { limit, request_id: Some(request_id), ..Self::default() }
    }

    pub(super) fn admits(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        (match self.state {
            None => true,
            Some(State::InDoubt) => entry.is_in_doubt(),
            Some(state) => state == entry.state,
        }) && is(&self.consumer, Some(&entry.consumer))
            && is(&self.producer, entry.producer.as_deref())
            && is(&self.request_id, entry.request_id.as_deref())
    }
}

fn shown(payload: &[u8]) -> Value {
    wire::shown(payload)
        .unwrap_or_else(|| Value::String(String::from_utf8_lossy(payload).into_owned()))
}

/// The digits of a message in CBOR.
fn cbor(message: &[u8]) -> Option<String> {
    (Encoding::of(message) == Encoding::Cbor).then(|| body::as_hex(message))
}

/// A message as it came; one in CBOR as the JSON that says the same.
fn as_text(message: &[u8]) -> String {
    match Encoding::of(message) {
        Encoding::Json => String::from_utf8_lossy(message).into_owned(),
        Encoding::Cbor => match shown(message) {
            Value::String(text) => text,
            message => message.to_string(),
        },
    }
}
