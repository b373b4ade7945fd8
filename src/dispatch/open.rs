//! First step: read a message and find out whom here it is for.

use std::sync::Arc;

use super::route::Routed;
use super::{
    Address, ContentDigest, Declared, Dispatcher, House, Inbound, Key, Reason, Receipt, Ticket,
};
use crate::language::{Language, Version};
use crate::openc2::{Command, Content, Headers, Status};
use crate::trust;
use crate::wire::{self, Encoding, Fault, Glimpse, Kind, Manner, Unreadable};

/// What Content Type says of an OpenC2 message (Transfer via MQTT v1.0, section 2.4.1).
const CONTENT_TYPE: &str = "application/openc2";

/// A message that has been read, and the keys to look up before it is admitted.
#[derive(Clone, Debug)]
pub struct Opened {
    pub(super) inbound: Inbound,
    pub(super) reading: Reading,
    /// Consumers that it is for and that are answered for here; empty where it is for none.
    pub(super) consumers: Vec<String>,
    /// What of it goes to consumers elsewhere.
    pub(super) routed: Vec<Routed>,
    /// Of the consumers, then of what is routed; or empty where nothing can be looked up.
    pub(super) keys: Vec<Key>,
    /// Of the consumers, with the name of the other command in place of the request
    /// id, where it is about one; else empty.
    pub(super) names: Vec<Key>,
    pub(super) habits: Habits,
}

impl Opened {
    /// What to ask the journal for, in this order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Fills in what is to be looked up of those that it is for.
    pub(super) fn with_keys(mut self) -> Self {
        let Reading::Command(request) = &self.reading else { return self };
        let Some(from) = &request.headers.from else { return self };
        let addressed = self.consumers.iter().chain(self.routed.iter().map(|it| &it.addressee));
        let key = |consumer: &String| Key {
            consumer: consumer.clone(),
            producer: from.clone(),
            request_id: request.known_by.clone(),
        };
        self.keys = addressed.map(key).collect();
        self.names = match super::cancel::asked_for(&request.command) {
            None => Vec::new(),
            Some((_, name)) => {
                let here = self.keys.iter().take(self.consumers.len());
                here.map(|key| Key { request_id: name.to_owned(), ..key.clone() }).collect()
            }
        };
        self
    }

    /// The same message as it comes once more: what was read of it stays as it was.
    #[must_use]
    pub fn again(&self, receipt: Receipt, received_ms: u64) -> Self {
        let mut again = self.clone();
        again.inbound.receipt = receipt;
        again.inbound.received_ms = received_ms;
        again
    }

    /// The other command that this one is about, where it is known by its number; what the
    /// journal has of it takes the place of what it has of [`Opened::names`].
    #[must_use]
    pub fn number(&self) -> Option<Ticket> {
        let withdraws = self.inbound.caller.as_ref()?.withdraws.as_ref();
        withdraws.map(|withdrawn| withdrawn.ticket)
    }

    /// Other commands that this one is about: consumer, producer, and in place
    /// of the request id the name that it gives of them.
    #[must_use]
    pub fn names(&self) -> &[Key] {
        &self.names
    }
}

/// What came of reading a message.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    /// A command that is well-formed in itself.
    Command(Box<Request>),
    /// A command that is not, of which enough was seen to answer it.
    Faulty { glimpse: Glimpse, status: Status, reason: Reason },
    /// Nothing that may be answered; kept in the journal.
    Dropped { glimpse: Glimpse, reason: Reason },
    /// Nothing was read from it; not even kept.
    Unread { reason: Reason },
}

/// A command with its envelope.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub headers: Headers,
    pub command: Arc<Command>,
    pub digest: ContentDigest,
    pub is_signed: bool,
    /// How it was written.
    pub manner: Manner,
    /// `headers.request_id`, or the digest of the whole message.
    pub known_by: String,
    pub refused_signature: bool,
}

/// Ways of senders that are counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    pub without_properties: bool,
    pub tolerated: bool,
}

impl Dispatcher {
    /// Reads a message and finds the consumers here that it is for.
    #[must_use]
    pub fn open(&self, mut inbound: Inbound) -> Opened {
        let mut habits = Habits::default();
        let mut reading = self.read(&inbound, &mut habits);
        if let Reading::Dropped { glimpse, .. } = &mut reading
            && !glimpse.anything
        {
            // For people: who sent what is not acted upon, and as what.
            *glimpse = wire::glimpse_of(&inbound.payload, self.rules.limits);
        }
        if let Some(caller) = &inbound.caller {
            caller.complete(&mut reading);
        }
        if let Reading::Faulty { glimpse, .. } | Reading::Dropped { glimpse, .. } = &mut reading {
            glimpse.from = inbound.sent_by(glimpse.from.as_ref());
        }
        let (consumers, routed) = self.house.meant(&mut inbound, &reading);
        let (keys, names) = (Vec::new(), Vec::new());
        let opened = Opened { inbound, reading, consumers, routed, keys, names, habits };
        opened.with_absent(&self.house).with_keys()
    }

    fn read(&self, inbound: &Inbound, habits: &mut Habits) -> Reading {
        let declared = &inbound.declared;
        habits.tolerated = declared.has_response_topic;
        if declared.msg_type.is_none() && declared.encoding.is_none() {
            habits.without_properties = true;
            if !self.rules.accept_without_properties {
                return dropped(
                    "it has neither msgType nor encoding, and \
                     mqtt.accept-without-properties is off",
                );
            }
        }
        if inbound.retained {
            return dropped("it was retained: a retained command is never executed");
        }
        let (encoding, kind) = match agreed(declared, habits) {
            Ok(agreed) => agreed,
            Err(reason) => return Reading::Dropped { glimpse: Glimpse::default(), reason },
        };
        let is_said = declared.encoding.is_some();
        if let Some(reason) = contradiction(encoding, is_said, &inbound.payload) {
            return dropped(reason);
        }
        // Whom a POST is for stands in the message alone.
        let address = if inbound.caller.is_some() { &Address::All } else { &inbound.address };
        let languages = self.house.languages(&self.house.versions_at(address));
        let letter = wire::read_by(&inbound.payload, encoding, self.rules.limits, &languages);
        let letter = match letter {
            Ok(letter) => letter,
            Err(unreadable) => return faulty(*unreadable, kind),
        };
        let message = letter.message;
        habits.tolerated |= message.headers.is_created_in_seconds();
        let refused_signature = trust::is_refused(self.rules.trust, &message);
        let is_signed = message.signature.is_some();
        let (found, command) = match message.content {
            Content::Request(command) => (Kind::Request, Some(command)),
            Content::Response(_) => (Kind::Response, None),
            Content::Notification(_) => (Kind::Notification, None),
        };
        if kind != found {
            let (said, found) = (name(kind), name(found));
            return dropped(Reason::Ours(match inbound.declared.msg_type {
                Some(_) => format!("msgType says {said}, the message is a {found}"),
                None => format!("the message is a {found}, on a topic for requests"),
            }));
        }
        let Some(command) = command else {
            return dropped(not_a_command(found));
        };
        let known_by = message.headers.request_id.clone().unwrap_or_else(|| {
            format!("sha256:{}", hex(&trust::digest_of_bytes(&inbound.payload)))
        });
        Reading::Command(Box::new(Request {
            digest: ContentDigest(trust::digest_of_bytes(letter.canonical_body.as_bytes())),
            headers: message.headers,
            command: Arc::new(command),
            is_signed,
            manner: letter.manner,
            known_by,
            refused_signature,
        }))
    }
}

impl Dispatcher {
    /// The command as this consumer reads it, where it does not speak the
    /// version by which it was read for all; `None` where it does.
    ///
    /// # Errors
    ///
    /// Why it is no command in any version of this consumer.
    pub(super) fn read_for(
        &self,
        inbound: &Inbound,
        request: &Request,
        consumer: &str,
    ) -> Option<Result<Request, Box<Fault>>> {
        let versions = &self.house.consumer(consumer)?.versions;
        if versions.contains(&request.manner.version) {
            return None;
        }
        let languages = self.house.languages(versions);
        let encoding = request.manner.encoding;
        let read = wire::read_by(&inbound.payload, encoding, self.rules.limits, &languages);
        Some(match read {
            Ok(wire::Letter { message, manner, .. }) => match message.content {
                Content::Request(command) => {
                    Ok(Request { command: Arc::new(command), manner, ..request.clone() })
                }
                Content::Response(_) | Content::Notification(_) => {
                    unreachable!("what a body holds has the same name in every version")
                }
            },
            Err(unreadable) => Err(Box::new(unreadable.fault)),
        })
    }
}

impl House {
    /// Consumers here that a message is for, and what of it goes to consumers elsewhere.
    fn meant(&self, inbound: &mut Inbound, reading: &Reading) -> (Vec<String>, Vec<Routed>) {
        let to = match reading {
            Reading::Command(request) => request.headers.to.as_slice(),
            Reading::Faulty { glimpse, .. } => glimpse.to.as_slice(),
            Reading::Dropped { .. } | Reading::Unread { .. } => &[],
        };
        let mut routed = Vec::new();
        if let Some(caller) = &inbound.caller {
            if let Some(withdrawn) = &caller.withdraws {
                let holders = self.holders(withdrawn);
                inbound.address = Address::Device(withdrawn.consumer.clone());
                return holders;
            }
            if let Reading::Command(request) = reading {
                routed = self.routed(request);
            }
            inbound.address = self.posted_to(to);
        }
        // What names nobody and goes by a route is for the consumers here as well:
        // they hear it where the route publishes it.
        let goes_round = !routed.is_empty() && to.is_empty();
        // A filter: whoever is not named does not act and does not respond
        // (Transfer via MQTT v1.0, section 2.4.2).
        let consumers = self
            .addressed(&inbound.address)
            .map(|consumer| &consumer.id)
            .filter(|id| if to.is_empty() { !goes_round } else { to.contains(id) })
            .cloned()
            .collect();
        (consumers, routed)
    }

    /// These versions of the language, with the profiles that are known here.
    pub(super) fn languages(&self, versions: &[Version]) -> Vec<&Language> {
        versions.iter().map(|version| self.library.language(*version)).collect()
    }

    /// Every version that somebody speaks at an address, the newest first.
    fn versions_at(&self, address: &Address) -> Vec<Version> {
        let mut versions: Vec<Version> =
            self.addressed(address).flat_map(|consumer| consumer.versions.clone()).collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.dedup();
        // What is for nobody here is kept all the same.
        if versions.is_empty() {
            versions.push(Version::V1_1);
        }
        versions
    }
}

/// What the properties say the payload is, or why they cannot be right.
fn agreed(declared: &Declared, habits: &mut Habits) -> Result<(Encoding, Kind), Reason> {
    if let Some(content_type) = &declared.content_type
        && content_type != CONTENT_TYPE
    {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_openc2 = media_type
            .strip_prefix(CONTENT_TYPE)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('+'));
        if !is_openc2 {
            return Err(Reason::quoting(
                format!("Content Type is not {CONTENT_TYPE}"),
                format!("Content Type is {content_type:?}, not {CONTENT_TYPE}"),
            ));
        }
        habits.tolerated = true;
    }
    if let Some(name) = declared.twofold {
        return Err(Reason::Ours(format!("{name} stands there twice and says different things")));
    }
    let encoding = match declared.encoding.as_deref() {
        None | Some("json") => Encoding::Json,
        Some("cbor") => Encoding::Cbor,
        Some(other) => {
            let text = format!("encoding {other:?} is neither json nor cbor");
            return Err(Reason::quoting("encoding is neither json nor cbor", text));
        }
    };
    let kind = match declared.msg_type.as_deref() {
        None | Some("req") => Kind::Request,
        Some("request") => {
            habits.tolerated = true;
            Kind::Request
        }
        Some("rsp") => Kind::Response,
        Some("ntf") => Kind::Notification,
        Some(other) => {
            let text = format!("msgType {other:?} is none of req, rsp and ntf");
            return Err(Reason::quoting("msgType is none of req, rsp and ntf", text));
        }
    };
    if kind != Kind::Request {
        return Err(Reason::Ours(format!("msgType {} on a command topic", name(kind))));
    }
    if encoding == Encoding::Cbor && declared.is_utf8 == Some(true) {
        return Err("encoding is cbor, yet the Payload Format Indicator says UTF-8".into());
    }
    Ok((encoding, kind))
}

/// Whether the first byte already shows that the encoding is not what was said.
///
/// A JSON message begins with `{`; a CBOR one with an array (major type 4) or a
/// map (5), or with a tag (6) before it (RFC 8949, section 3.1).
fn contradiction(encoding: Encoding, is_said: bool, payload: &[u8]) -> Option<&'static str> {
    let first = payload.iter().find(|byte| !byte.is_ascii_whitespace())?;
    match encoding {
        Encoding::Json if (0x80..=0xdf).contains(first) => Some(if is_said {
            "encoding says json, the payload is CBOR"
        } else {
            "no encoding is said, which stands for json, and the payload is CBOR"
        }),
        Encoding::Cbor if *first == b'{' => Some("encoding says cbor, the payload is JSON"),
        _ => None,
    }
}

fn faulty(unreadable: Unreadable, declared: Kind) -> Reading {
    let Unreadable { fault, glimpse, is_whole } = unreadable;
    let reason = Reason::from(&fault);
    if !glimpse.anything {
        return Reading::Unread { reason };
    }
    if let Some(kind) = glimpse.kind
        && kind != declared
    {
        return Reading::Dropped { glimpse, reason: not_a_command(kind) };
    }
    let can_be_answered = glimpse.from.is_some() && glimpse.request_id.is_some();
    if !is_whole && !can_be_answered {
        return Reading::Unread { reason };
    }
    Reading::Faulty { glimpse, status: fault.status, reason }
}

fn dropped(reason: impl Into<Reason>) -> Reading {
    Reading::Dropped { glimpse: Glimpse::default(), reason: reason.into() }
}

fn not_a_command(kind: Kind) -> Reason {
    Reason::Ours(format!("a {} on a command topic", name(kind)))
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "request",
        Kind::Response => "response",
        Kind::Notification => "notification",
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        use std::fmt::Write;
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Profile(profile) => write!(f, "ap/{profile}"),
            Self::Device(id) => write!(f, "device/{id}"),
        }
    }
}
