//! From bytes to the typed message and back.

mod command;
mod fields;
mod glimpse;
mod message;
mod object;
mod response;
mod target;
mod tree;

use bytes::Bytes;
use serde_json::Value;

use crate::encoding::{MAX_DEPTH, cbor};
use crate::openc2::{Command, Message, Response, Status};
use glimpse::glimpse;
use tree::Tree;

/// What a message may cost us (the `[limits]` table of bridge.toml).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest message, in bytes.
    pub message_bytes: usize,
    /// Deepest nesting of objects and arrays.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 256 * 1024, depth: 32 }
    }
}

/// How a message is written down (Transfer via MQTT v1.0, section 2.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// JSON in UTF-8, by RFC 7493.
    Json,
    /// CBOR, by RFC 8949.
    Cbor,
}

/// A message that could be read in full.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The message.
    pub message: Message,
    /// Its `body` as it stood, for the digest by which repetitions are known.
    pub body: Value,
}

/// What is wrong with a message, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason} at {pointer:?}")]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the place; empty for the whole message. A
    /// step of more than 80 characters is cut.
    pub pointer: String,
    /// What was expected and what stood there, escaped and cut.
    pub reason: String,
    /// The same without a word of the sender's, where `reason` repeats one.
    /// The pointer may hold names of the sender's as well.
    pub unquoted: Option<String>,
    /// 400 for what is wrong; 501 for what is right but not supported here (CBOR).
    pub status: Status,
}

/// A message that could not be read, and what could be seen of it before the
/// fault: enough, perhaps, to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// What is wrong.
    pub fault: Fault,
    /// What was seen.
    pub glimpse: Glimpse,
    /// The text could be read to its end; only what it means is wrong.
    pub is_whole: bool,
}

/// What could be read of a message that is wrong somewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glimpse {
    /// `headers.from`.
    pub from: Option<String>,
    /// `headers.request_id`.
    pub request_id: Option<String>,
    /// `headers.to`.
    pub to: Vec<String>,
    /// Which of request, response and notification stands in `body.openc2`, if it was reached.
    pub kind: Option<Kind>,
    /// `response_requested` is `none`: whatever happens, no response.
    pub wants_silence: bool,
    /// Anything at all was read. `false`: the payload is not even the beginning of a JSON object.
    pub anything: bool,
}

/// The three kinds of content, and of `msgType`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A command.
    Request,
    /// An answer.
    Response,
    /// An event.
    Notification,
}

/// Reads one message.
///
/// A message that is wrong somewhere still tells what came before the fault,
/// and what stands around it where only the meaning is wrong. One that is
/// longer than `limits.message_bytes` is read up to there.
pub fn read(payload: &[u8], encoding: Encoding, limits: Limits) -> Result<Letter, Box<Unreadable>> {
    let Tree { value: mut message, fault } = match encoding {
        Encoding::Json => bounded(payload, limits),
        Encoding::Cbor => not_yet(payload, limits),
    };
    let is_whole = fault.is_none();
    match fault.map_or_else(|| message::read(&message), Err) {
        Ok(read) => Ok(Letter { message: read, body: message["body"].take() }),
        Err(fault) => Err(Box::new(Unreadable { fault, glimpse: glimpse(&message), is_whole })),
    }
}

fn bounded(payload: &[u8], limits: Limits) -> Tree {
    let head = &payload[..payload.len().min(limits.message_bytes)];
    let tree = tree::read(head, limits.depth);
    Tree { fault: too_long(payload, limits).or(tree.fault), ..tree }
}

fn too_long(payload: &[u8], limits: Limits) -> Option<Fault> {
    let (bytes, limit) = (payload.len(), limits.message_bytes);
    (bytes > limit).then(|| Fault::new(format!("{bytes} bytes long, {limit} are allowed")))
}

/// CBOR is looked at, so that its sender can be told.
fn not_yet(payload: &[u8], limits: Limits) -> Tree {
    if let Some(fault) = too_long(payload, limits) {
        return Tree { value: Value::Null, fault: Some(fault) };
    }
    match cbor::look(payload, limits.depth) {
        Ok(value) => {
            let reason = "CBOR is not supported here yet, send JSON".to_owned();
            let fault = Fault { status: Status::NotImplemented, ..Fault::new(reason) };
            Tree { value, fault: Some(fault) }
        }
        Err(error) => {
            let fault = Fault::quoting("no CBOR that can be read", error.to_string());
            Tree { value: Value::Null, fault: Some(fault) }
        }
    }
}

/// Writes a message as I-JSON, members in the order of the standard's tables.
#[must_use]
pub fn write(message: &Message) -> Bytes {
    message::write(message).to_string().into()
}

/// A command as the JSON value that stands in `body.openc2.request`.
#[must_use]
pub fn command_to_json(command: &Command) -> Value {
    command::write(command)
}

/// A command from such a value: what a person typed, or a file holds.
pub fn command_from_json(value: &Value) -> Result<Command, Fault> {
    i_json(value)?;
    command::read(value)
}

/// A response as the JSON value that stands in `body.openc2.response`.
#[must_use]
pub fn response_to_json(response: &Response) -> Value {
    response::write(response)
}

/// A response from such a value: what an actuator program answered.
pub fn response_from_json(value: &Value) -> Result<Response, Fault> {
    i_json(value)?;
    response::read(value)
}

/// A value that another reader made may hold what I-JSON forbids, and what is
/// written must not: large integers and noncharacters.
fn i_json(value: &Value) -> Result<(), Fault> {
    tree::read(value.to_string().as_bytes(), MAX_DEPTH).fault.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
