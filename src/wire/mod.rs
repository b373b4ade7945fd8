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

use crate::encoding::MAX_DEPTH;
use crate::jadn::{Form, NodeId, Tape, View};
use crate::language::{Language, Library, Version};
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

impl Limits {
    /// The deepest nesting that can be allowed.
    pub const MAX_DEPTH: usize = crate::encoding::MAX_DEPTH;
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 256 * 1024, depth: 32 }
    }
}

/// How a message is written down (Transfer via MQTT v1.0, section 2.4.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// JSON in UTF-8, by RFC 7493.
    #[default]
    Json,
    /// CBOR, by RFC 8949.
    Cbor,
}

impl Encoding {
    /// The encoding of a message that is in one of the two.
    ///
    /// JSON begins with a brace, after white space perhaps; CBOR with an array, a
    /// map or a tag (RFC 8949, section 3.1), and no such byte begins UTF-8 text.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        match message.first() {
            Some(0x80..=0xdf) => Self::Cbor,
            _ => Self::Json,
        }
    }

    /// The name that user property `encoding` has for it (Transfer via MQTT v1.0, section 3.2).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Json => Form::VERBOSE,
            Self::Cbor => Form::CBOR,
        }
    }
}

/// How a command was written, and how its responses are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Manner {
    /// How it is written down.
    pub encoding: Encoding,
    /// The version of the language that shapes it.
    pub version: Version,
}

impl Default for Manner {
    fn default() -> Self {
        Self { encoding: Encoding::Json, version: Version::V1_1 }
    }
}

/// A message that could be read in full.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The message.
    pub message: Message,
    /// Its `body` in its canonical form (RFC 8785), for the digest by which
    /// repetitions are known. The same in every encoding.
    pub canonical_body: String,
    /// How it is written, and the version of the language in which it is valid.
    pub manner: Manner,
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
    /// 400 for what is wrong; 501 for what may be right and is not known here.
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
    /// Anything at all was read. `false`: the payload is not even the beginning of a message.
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
/// what the language says that knows most of the names in the command, of several
/// the first. One that is longer than `limits.message_bytes` is read up to there.
///
/// # Errors
///
/// What is wrong with it, by that language.
pub fn read_by(
    payload: &[u8],
    encoding: Encoding,
    limits: Limits,
    languages: &[&Language],
) -> Result<Letter, Box<Unreadable>> {
    let mut faults = Vec::new();
    if too_long(payload, limits).is_none() {
        for language in languages {
            let form = encoding.form();
            match judged(payload, form, limits.depth, language, language.message(), letter) {
                Ok((message, canonical_body)) => {
                    let manner = Manner { encoding, version: language.version() };
                    return Ok(Letter { message, canonical_body, manner });
                }
                Err(fault) => faults.push((*language, fault)),
            }
        }
    }
    Err(unreadable(payload, encoding, limits, faults))
}

/// Reads one message of any version of the language, in whichever encoding it is.
///
/// # Errors
///
/// What is wrong with it, by the newest version.
pub fn read_any(
    payload: &[u8],
    limits: Limits,
    library: &Library,
) -> Result<Letter, Box<Unreadable>> {
    read_by(payload, Encoding::of(payload), limits, &library.languages())
}

/// Every version of the language, the newest first, with the profiles that are built in.
#[must_use]
pub fn every_version() -> [&'static Language; 2] {
    Library::built_in_once().languages()
}

/// Judges a document and reads what it holds.
fn judged<T>(
    document: &[u8],
    form: Form,
    depth: usize,
    language: &Language,
    root: NodeId,
    read: impl FnOnce(View<'_>, Version) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut tape = Tape::default();
    let schema = language.schema();
    schema.judge_bytes(root, document, form, depth, &mut tape)?;
    let view = tape.view(schema, document).expect("a message was judged");
    read(view, language.version())
}

fn letter(it: View<'_>, version: Version) -> Result<(Message, String), Fault> {
    let message = message::read(it, version)?;
    let mut canonical_body = String::with_capacity(it.mark().span().len());
    if let Some(body) = it.field("body") {
        body.write_canonical(&mut canonical_body);
    }
    Ok((message, canonical_body))
}

/// What a message says of itself, of which nobody asks whether it is valid.
#[must_use]
pub fn glimpse_of(payload: &[u8], limits: Limits) -> Glimpse {
    unreadable(payload, Encoding::of(payload), limits, Vec::new()).glimpse
}

/// What can be seen of a message that is valid in no language; and what each says of it.
fn unreadable(
    payload: &[u8],
    encoding: Encoding,
    limits: Limits,
    faults: Vec<(&Language, Fault)>,
) -> Box<Unreadable> {
    let head = &payload[..payload.len().min(limits.message_bytes)];
    let too_long = too_long(payload, limits);
    let (value, broken) = match encoding {
        Encoding::Json => {
            let Tree { value, fault } = tree::read(head, limits.depth);
            (value, fault)
        }
        Encoding::Cbor => tree::read_cbor(head, limits.depth),
    };
    let fault = most_at_home(faults, &value, encoding);
    let is_whole = too_long.is_none() && broken.is_none();
    let broken = match encoding {
        Encoding::Json => broken,
        // What the schema says of it has a pointer in names, which the bare CBOR has not.
        Encoding::Cbor => broken.map(|broken| fault.clone().unwrap_or(broken)),
    };
    let fault = too_long.or(broken).or_else(|| Some(in_words(fault?, &value)));
    let fault = fault.unwrap_or_else(|| Fault::new("no language is spoken here"));
    Box::new(Unreadable { fault, glimpse: glimpse(&value, encoding), is_whole })
}

/// The fault that a language finds which has most of the names in a command: what another says
/// of a target that it does not know is no help. Of several it is the first.
fn most_at_home(
    faults: Vec<(&Language, Fault)>,
    message: &Value,
    encoding: Encoding,
) -> Option<Fault> {
    let names = glimpse::names(message, encoding);
    let known = |language: &Language| {
        names.iter().filter(|(of, name)| language.has_field(of, name)).count()
    };
    let mut best: Option<(usize, Fault)> = None;
    for (language, fault) in faults {
        let known = known(language);
        if best.as_ref().is_none_or(|(most, _)| known > *most) {
            best = Some((known, fault));
        }
    }
    best.map(|(_, fault)| fault)
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

/// Writes a message as I-JSON, members in the order of the standard's tables.
#[must_use]
pub fn write(message: &Message) -> Bytes {
    message::write(message, Version::V1_1).to_string().into()
}

/// Writes a message by a language, in an encoding.
///
/// # Errors
///
/// Why it cannot be said in CBOR: it is not valid by the language.
pub fn write_by(
    message: &Message,
    encoding: Encoding,
    language: &Language,
) -> Result<Bytes, Fault> {
    let text = message::write(message, language.version()).to_string();
    match encoding {
        Encoding::Json => Ok(text.into()),
        Encoding::Cbor => from_json(text.as_bytes(), language),
    }
}

/// The CBOR of a message in JSON.
///
/// # Errors
///
/// What is wrong with it, by the language.
pub fn from_json(message: &[u8], language: &Language) -> Result<Bytes, Fault> {
    let (schema, root) = (language.schema(), language.message());
    let written = schema.transcode(root, message, Form::VERBOSE, Form::CBOR, MAX_DEPTH);
    Ok(written.map(Bytes::from)?)
}

/// The JSON of a message, for people: as it stands, or what its CBOR says.
/// `None` where it cannot be read.
///
/// What a profile that is not built in adds has numbers there, and no names.
#[must_use]
pub fn shown(message: &[u8]) -> Option<Value> {
    shown_by(message, &every_version())
}

/// The same, by the first of these languages in which it is valid.
#[must_use]
pub fn shown_by(message: &[u8], languages: &[&Language]) -> Option<Value> {
    match Encoding::of(message) {
        Encoding::Json => serde_json::from_slice(message).ok(),
        Encoding::Cbor => languages.iter().find_map(|language| {
            let (schema, root) = (language.schema(), language.message());
            let text = schema.transcode(root, message, Form::CBOR, Form::VERBOSE, MAX_DEPTH);
            serde_json::from_slice(&text.ok()?).ok()
        }),
    }
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

/// The results of a response that was read from a message, for people.
///
/// They are in the form of language 1.1, but for what pairs of 1.0 name: a profile stands there
/// for all of its targets, and that is the name of none.
#[must_use]
pub fn results_told(response: &Response, message: &[u8], manner: Manner) -> Option<Value> {
    let mut results = response::write(response)["results"].take();
    if manner.version == Version::V1_0 {
        let message = shown_by(message, &[Language::core(Version::V1_0)]).unwrap_or_default();
        if let Some(pairs) = message.pointer("/body/openc2/response/pairs") {
            let pair = |it: &Value| Some((it[0].as_str()?.to_owned(), it[1].clone()));
            let pairs = pairs.as_array().into_iter().flatten().filter_map(pair);
            results["pairs"] = Value::Object(pairs.collect());
        }
    }
    Some(results).filter(|results| !results.is_null())
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
    judged(text.as_bytes(), Form::VERBOSE, MAX_DEPTH, language, root, read)
        .map_err(|fault| tree::read(text.as_bytes(), MAX_DEPTH).fault.unwrap_or(fault))
}

#[cfg(test)]
mod tests;
