//! From bytes to the typed message and back.

mod command;
mod fault;
mod glimpse;
mod message;
mod object;
mod response;
mod target;
mod tree;
mod values;

use bytes::Bytes;
use serde_json::Value;

use crate::encoding::json::JsonSource;
use crate::encoding::{MAX_DEPTH, cbor};
use crate::jadn::{Form, NodeId, Tape, View};
use crate::language::{Language, Version};
use crate::openc2::{Command, CommandId, Message, Response, Status};
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
    /// Its `body` in its canonical form (RFC 8785), for the digest by which
    /// repetitions are known. The same in every encoding.
    pub canonical_body: String,
    /// The version of the language in which it is valid.
    pub version: Version,
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

/// Reads one message by the newest version of the language, without profiles; see [`read_by`].
///
/// # Errors
///
/// What is wrong with it.
pub fn read(payload: &[u8], encoding: Encoding, limits: Limits) -> Result<Letter, Box<Unreadable>> {
    read_by(payload, encoding, limits, &[Language::core(Version::V1_1)])
}

/// Reads one message, by the first of these languages in which it is valid.
///
/// A message that is valid in none still tells what came before the fault,
/// and what stands around it where only the meaning is wrong; the fault is
/// what the first language says. One that is longer than
/// `limits.message_bytes` is read up to there.
///
/// # Errors
///
/// What is wrong with it, by the first of the languages.
pub fn read_by(
    payload: &[u8],
    encoding: Encoding,
    limits: Limits,
    languages: &[&Language],
) -> Result<Letter, Box<Unreadable>> {
    let mut fault = too_long(payload, limits);
    if fault.is_none() && encoding == Encoding::Json {
        for language in languages {
            match judged(payload, limits.depth, language, language.message(), letter) {
                Ok(letter) => return Ok(letter),
                Err(found) => fault = fault.or(Some(found)),
            }
        }
    }
    Err(unreadable(payload, encoding, limits, fault))
}

/// Judges a JSON text and reads what it holds.
fn judged<T>(
    text: &[u8],
    depth: usize,
    language: &Language,
    root: NodeId,
    read: impl FnOnce(View<'_>, Version) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut tape = Tape::default();
    let mut source = JsonSource::new(text, depth);
    language.schema().judge(root, &mut source, Form::VERBOSE, &mut tape)?;
    let view = tape.view(language.schema(), text).expect("a message was judged");
    read(view, language.version())
}

fn letter(it: View<'_>, version: Version) -> Result<Letter, Fault> {
    let message = message::read(it, version)?;
    let mut canonical_body = String::with_capacity(it.mark().span().len());
    if let Some(body) = it.field("body") {
        body.write_canonical(&mut canonical_body);
    }
    Ok(Letter { message, canonical_body, version })
}

/// What can be seen of a message that is valid in no language.
fn unreadable(
    payload: &[u8],
    encoding: Encoding,
    limits: Limits,
    fault: Option<Fault>,
) -> Box<Unreadable> {
    let Tree { value, fault: broken } = match encoding {
        Encoding::Json => {
            let head = &payload[..payload.len().min(limits.message_bytes)];
            let tree = tree::read(head, limits.depth);
            Tree { fault: too_long(payload, limits).or(tree.fault), ..tree }
        }
        Encoding::Cbor => not_yet(payload, limits),
    };
    let is_whole = broken.is_none();
    let fault = broken.or_else(|| Some(in_words(fault?, &value)));
    let fault = fault.unwrap_or_else(|| Fault::new("no language is spoken here"));
    Box::new(Unreadable { fault, glimpse: glimpse(&value), is_whole })
}

/// A pattern says little to people: what the type itself finds says more.
fn in_words(fault: Fault, message: &Value) -> Fault {
    if !fault.unquoted().starts_with("expected Command-ID, text") {
        return fault;
    }
    let text = message.pointer(&fault.pointer).and_then(Value::as_str);
    let Some((text, Err(error))) = text.map(|text| (text, text.parse::<CommandId>())) else {
        return fault;
    };
    Fault { pointer: fault.pointer, ..Fault::found(error.to_string(), &fault::quoted(text)) }
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
    message::write(message, Version::V1_1).to_string().into()
}

/// A command as the JSON value that stands in `body.openc2.request`.
#[must_use]
pub fn command_to_json(command: &Command) -> Value {
    command::write(command)
}

/// A command from such a value: what a person typed, or a file holds.
///
/// # Errors
///
/// What is wrong with it, by the newest version of the language without profiles.
pub fn command_from_json(value: &Value) -> Result<Command, Fault> {
    command_by(value, Language::core(Version::V1_1))
}

/// The same, by one language.
///
/// # Errors
///
/// What is wrong with it.
pub fn command_by(value: &Value, language: &Language) -> Result<Command, Fault> {
    by_language(value, language, language.command(), command::read)
}

/// A response as the JSON value that stands in `body.openc2.response`.
#[must_use]
pub fn response_to_json(response: &Response) -> Value {
    response::write(response)
}

/// A response from such a value: what an actuator program answered.
///
/// # Errors
///
/// What is wrong with it, by the newest version of the language without profiles.
pub fn response_from_json(value: &Value) -> Result<Response, Fault> {
    response_by(value, Language::core(Version::V1_1))
}

/// The same, by one language.
///
/// # Errors
///
/// What is wrong with it.
pub fn response_by(value: &Value, language: &Language) -> Result<Response, Fault> {
    by_language(value, language, language.response(), response::read)
}

/// Another reader made the value, and may have let through what I-JSON forbids.
fn by_language<T>(
    value: &Value,
    language: &Language,
    root: NodeId,
    read: impl FnOnce(View<'_>, Version) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let text = value.to_string();
    judged(text.as_bytes(), MAX_DEPTH, language, root, read)
        .map_err(|fault| tree::read(text.as_bytes(), MAX_DEPTH).fault.unwrap_or(fault))
}

#[cfg(test)]
mod tests;
