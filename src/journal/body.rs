//! How a record is written down.
//!
//! The `body` of a row is one line of compact JSON with the facts, members
//! always in the same order and absent ones left out. Where the record carries
//! a message or a response, a line feed and its bytes follow exactly as they
//! came, whatever they are. Compact JSON has no line feed in it, so the first
//! one ends the facts.
//!
//! ```text
//! accepted  {"key":[consumer,producer,request_id],"digest":"<hex>","consumer":…,"producer":…,
//!            "request_id":…,"summary":…,"actuator":…,"address":…,"unverified_signature":true,
//!            "posted":true,"command_id":…,"start_ms":…,"stop_ms":…,"hops":1,
//!            "about":{"id":…,"to":[…]}}
//!           LF message
//! started   {}
//! progress  {"outbox":1,"producer":…} LF payload
//! outcome   {"class":…,"status":200,"text":…,"forget_key":true,
//!            "response":{"outbox":1,"producer":…},"in_effect":true,"late_until_ms":…} [LF payload]
//! answered  {"outbox":1}
//! resolved  {"status":200,"text":…,"response":{"outbox":1,"producer":…}} [LF payload]
//! loss      {"known":{"seq":…,"ticket":…},"found":{"seq":…,"ticket":…},"breaks":[seq,…],"forgotten_ms":…,"text":…}
//! stopped   {"status":200,"text":…}
//! cancelled {}
//! heard     {"from":…,"status":200,"late":true} LF response
//! overdue   {"status":503,"text":…}
//! ```
//!
//! `loss` is no event of a command (its ticket is 0): somebody has accepted
//! that records are missing or changed.
//!
//! This form is never changed, only added to: a hash over a row must come out
//! the same for as long as the row is kept.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dispatch::{
    About, Accepted, Address, Class, Concluded, ContentDigest, Event, Heard, Key, OutboxId,
    Outgoing, Ticket,
};

/// What separates the facts from the bytes that follow them.
const LINE_FEED: u8 = b'\n';

/// Which event a row holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Accepted,
    Started,
    Progress,
    Outcome,
    Answered,
    Resolved,
    Loss,
    Stopped,
    Cancelled,
    Heard,
    Overdue,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Resolved,
        Self::Accepted,
        Self::Started,
        Self::Progress,
        Self::Outcome,
        Self::Answered,
        Self::Loss,
        Self::Stopped,
        Self::Cancelled,
        Self::Heard,
        Self::Overdue,
    ];

    /// As it stands in the column `kind`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Started => "started",
            Self::Progress => "progress",
            Self::Outcome => "outcome",
            Self::Answered => "answered",
            Self::Resolved => "resolved",
            Self::Loss => "loss",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Heard => "heard",
            Self::Overdue => "overdue",
        }
    }

    pub(super) fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Accepted(_) => Self::Accepted,
            Event::Started => Self::Started,
            Event::Progress { .. } => Self::Progress,
            Event::Outcome(_) => Self::Outcome,
            Event::Answered { .. } => Self::Answered,
            Event::Stopped { .. } => Self::Stopped,
            Event::Resolved { .. } => Self::Resolved,
            Event::Cancelled => Self::Cancelled,
            Event::Heard(_) => Self::Heard,
            Event::Overdue { .. } => Self::Overdue,
        }
    }
}

#[derive(Deserialize, Serialize)]
struct AcceptedFacts<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    consumer: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    producer: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<Cow<'a, str>>,
    summary: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actuator: Option<Cow<'a, str>>,
    address: AddressFacts<'a>,
    #[serde(default, skip_serializing_if = "is_false")]
    unverified_signature: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    posted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    hops: u8,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    about: Option<AboutFacts<'a>>,
}

#[derive(Deserialize, Serialize)]
struct AboutFacts<'a> {
    id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<Cow<'a, str>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum AddressFacts<'a> {
    All,
    Profile(Cow<'a, str>),
    Device(Cow<'a, str>),
}

#[derive(Deserialize, Serialize)]
struct OutcomeFacts<'a> {
    class: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    forget_key: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    response: Option<ResponseFacts<'a>>,
    #[serde(default, skip_serializing_if = "is_false")]
    in_effect: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late_until_ms: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct ResponseFacts<'a> {
    outbox: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    producer: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Serialize)]
struct AnsweredFacts {
    outbox: u64,
}

#[derive(Deserialize, Serialize)]
struct HeardFacts<'a> {
    from: Cow<'a, str>,
    status: u16,
    #[serde(default, skip_serializing_if = "is_false")]
    late: bool,
}

#[derive(Deserialize, Serialize)]
struct StoppedFacts<'a> {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
}

/// The word for a class.
pub(super) fn class_name(class: Class) -> &'static str {
    match class {
        Class::Answered => "answered",
        Class::Silent => "silent",
        Class::Refused => "refused",
        Class::Repeated => "repeated",
        Class::Dropped => "dropped",
    }
}

fn class_named(name: &str) -> Result<Class, String> {
    [Class::Answered, Class::Silent, Class::Refused, Class::Repeated, Class::Dropped]
        .into_iter()
        .find(|class| class_name(*class) == name)
        .ok_or_else(|| format!("{name:?} is not a class"))
}

/// The body of the row for an event.
pub(super) fn encode(event: &Event) -> Vec<u8> {
    match event {
        Event::Accepted(accepted) => with_bytes(&accepted_facts(accepted), &accepted.message),
        Event::Started | Event::Cancelled => b"{}".to_vec(),
        Event::Progress { response } => with_bytes(&response_facts(response), &response.payload),
        Event::Outcome(concluded) => {
            let facts = OutcomeFacts {
                class: Cow::Borrowed(class_name(concluded.class)),
                status: concluded.status,
                text: concluded.text.as_deref().map(Cow::Borrowed),
                forget_key: !concluded.remembered,
                response: concluded.response.as_ref().map(response_facts),
                in_effect: concluded.in_effect,
                late_until_ms: concluded.late_until_ms,
            };
            match &concluded.response {
                Some(response) => with_bytes(&facts, &response.payload),
                None => json(&facts),
            }
        }
        Event::Resolved { status, text, response } => {
            let facts = ResolvedFacts {
                status: *status,
                text: text.as_deref().map(Cow::Borrowed),
                response: response.as_ref().map(response_facts),
            };
            match response {
                Some(response) => with_bytes(&facts, &response.payload),
                None => json(&facts),
            }
        }
        Event::Answered { outbox } => json(&AnsweredFacts { outbox: outbox.0 }),
        Event::Heard(heard) => {
            let Heard { from, status, is_late, response } = &**heard;
            let facts = HeardFacts { from: Cow::Borrowed(from), status: *status, late: *is_late };
            with_bytes(&facts, response)
        }
        Event::Stopped { status, text } | Event::Overdue { status, text } => {
            json(&StoppedFacts { status: *status, text: text.as_deref().map(Cow::Borrowed) })
        }
    }
}

/// Reads a row back, or says what is wrong with it.
pub(super) fn decode(ticket: Ticket, kind: Kind, body: &[u8]) -> Result<Event, String> {
    let (facts, bytes) = split(body);
    Ok(match kind {
        Kind::Accepted => Event::Accepted(Box::new(accepted(read(facts)?, bytes)?)),
        Kind::Started => Event::Started,
        Kind::Progress => Event::Progress { response: outgoing(ticket, read(facts)?, bytes) },
        Kind::Outcome => {
            let facts: OutcomeFacts = read(facts)?;
            Event::Outcome(Box::new(Concluded {
                class: class_named(&facts.class)?,
                status: facts.status,
                text: facts.text.map(Cow::into_owned),
                response: facts.response.map(|response| outgoing(ticket, response, bytes)),
                remembered: !facts.forget_key,
                in_effect: facts.in_effect,
                late_until_ms: facts.late_until_ms,
            }))
        }
        Kind::Answered => {
            Event::Answered { outbox: OutboxId(read::<AnsweredFacts>(facts)?.outbox) }
        }
        Kind::Resolved => {
            let facts: ResolvedFacts = read(facts)?;
            Event::Resolved {
                status: facts.status,
                text: facts.text.map(Cow::into_owned),
                response: facts.response.map(|response| outgoing(ticket, response, bytes)),
            }
        }
        Kind::Loss => return Err("a loss is no event of a command".to_owned()),
        Kind::Cancelled => Event::Cancelled,
        Kind::Stopped => {
            let StoppedFacts { status, text } = read(facts)?;
            Event::Stopped { status, text: text.map(Cow::into_owned) }
        }
        Kind::Heard => {
            let HeardFacts { from, status, late } = read(facts)?;
            let (from, response) = (from.into_owned(), Bytes::copy_from_slice(bytes));
            Event::Heard(Box::new(Heard { from, status, is_late: late, response }))
        }
        Kind::Overdue => {
            let StoppedFacts { status, text } = read(facts)?;
            Event::Overdue { status, text: text.map(Cow::into_owned) }
        }
    })
}

#[derive(Deserialize, Serialize)]
struct ResolvedFacts<'a> {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    response: Option<ResponseFacts<'a>>,
}

#[derive(Deserialize, Serialize)]
struct LossFacts<'a> {
    known: PlaceFacts,
    found: PlaceFacts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    breaks: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten_ms: Option<u64>,
    text: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct PlaceFacts {
    seq: u64,
    ticket: u64,
}

/// The body of a loss: how far the journal is known to have come, how far it
/// was found to go, which records are not those that were written, and until when commands may
/// have been accepted of which nothing is left.
pub(super) fn loss(
    known: (u64, u64),
    found: (u64, u64),
    breaks: &[u64],
    forgotten_ms: Option<u64>,
    text: &str,
) -> Vec<u8> {
    let place = |(seq, ticket)| PlaceFacts { seq, ticket };
    json(&LossFacts {
        known: place(known),
        found: place(found),
        breaks: breaks.to_vec(),
        forgotten_ms,
        text: Cow::Borrowed(text),
    })
}

/// The records that a loss accepts as they are.
pub(super) fn breaks(loss: &[u8]) -> Vec<u64> {
    read::<LossFacts>(loss).map(|facts| facts.breaks).unwrap_or_default()
}

/// Until when commands may have been accepted that were lost with it, where records were lost.
/// One that does not say so, and that was accepted at this time, is of an older version.
pub(super) fn lost_until_ms(loss: &[u8], accepted_ms: u64) -> Option<u64> {
    let facts = read::<LossFacts>(loss).ok()?;
    let has_lost = facts.known.seq != facts.found.seq || !facts.breaks.is_empty();
    facts.forgotten_ms.or_else(|| has_lost.then_some(accepted_ms))
}

/// The facts of a body as JSON, and the bytes that follow them.
pub(super) fn split(body: &[u8]) -> (&[u8], &[u8]) {
    match body.iter().position(|byte| *byte == LINE_FEED) {
        Some(end) => (&body[..end], &body[end + 1..]),
        None => (body, &[]),
    }
}

fn accepted_facts(accepted: &Accepted) -> AcceptedFacts<'_> {
    AcceptedFacts {
        key: accepted.key.as_ref().map(|key| {
            (
                Cow::Borrowed(key.consumer.as_str()),
                Cow::Borrowed(key.producer.as_str()),
                Cow::Borrowed(key.request_id.as_str()),
            )
        }),
        digest: accepted.digest.map(|digest| hex(&digest)),
        consumer: Cow::Borrowed(&accepted.consumer),
        producer: accepted.producer.as_deref().map(Cow::Borrowed),
        request_id: accepted.request_id.as_deref().map(Cow::Borrowed),
        summary: Cow::Borrowed(&accepted.summary),
        actuator: accepted.actuator.as_deref().map(Cow::Borrowed),
        address: match &accepted.address {
            Address::All => AddressFacts::All,
            Address::Profile(nsid) => AddressFacts::Profile(Cow::Borrowed(nsid)),
            Address::Device(id) => AddressFacts::Device(Cow::Borrowed(id)),
        },
        unverified_signature: accepted.unverified_signature,
        posted: accepted.posted,
        command_id: accepted.command_id.as_deref().map(Cow::Borrowed),
        start_ms: accepted.start_ms,
        stop_ms: accepted.stop_ms,
        hops: accepted.hops,
        about: accepted.about.as_ref().map(|About { id, to }| AboutFacts {
            id: Cow::Borrowed(id),
            to: to.iter().map(|id| Cow::Borrowed(id.as_str())).collect(),
        }),
    }
}

fn accepted(facts: AcceptedFacts<'_>, message: &[u8]) -> Result<Accepted, String> {
    let digest = facts.digest.as_deref().map(unhex).transpose()?;
    Ok(Accepted {
        key: facts.key.map(|(consumer, producer, request_id)| Key {
            consumer: consumer.into_owned(),
            producer: producer.into_owned(),
            request_id: request_id.into_owned(),
        }),
        digest,
        consumer: facts.consumer.into_owned(),
        producer: facts.producer.map(Cow::into_owned),
        request_id: facts.request_id.map(Cow::into_owned),
        summary: facts.summary.into_owned(),
        actuator: facts.actuator.map(Cow::into_owned),
        address: match facts.address {
            AddressFacts::All => Address::All,
            AddressFacts::Profile(nsid) => Address::Profile(nsid.into_owned()),
            AddressFacts::Device(id) => Address::Device(id.into_owned()),
        },
        command_id: facts.command_id.map(Cow::into_owned),
        start_ms: facts.start_ms,
        stop_ms: facts.stop_ms,
        message: Bytes::copy_from_slice(message),
        unverified_signature: facts.unverified_signature,
        posted: facts.posted,
        hops: facts.hops,
        about: facts.about.map(|AboutFacts { id, to }| About {
            id: id.into_owned(),
            to: to.into_iter().map(Cow::into_owned).collect(),
        }),
    })
}

fn response_facts(response: &Outgoing) -> ResponseFacts<'_> {
    ResponseFacts {
        outbox: response.id.0,
        producer: response.producer.as_deref().map(Cow::Borrowed),
    }
}

fn outgoing(ticket: Ticket, facts: ResponseFacts<'_>, payload: &[u8]) -> Outgoing {
    Outgoing {
        id: OutboxId(facts.outbox),
        ticket,
        producer: facts.producer.map(Cow::into_owned),
        payload: Bytes::copy_from_slice(payload),
    }
}

fn with_bytes(facts: &impl Serialize, bytes: &[u8]) -> Vec<u8> {
    let mut body = json(facts);
    body.reserve_exact(1 + bytes.len());
    body.push(LINE_FEED);
    body.extend_from_slice(bytes);
    body
}

fn json(facts: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(facts).expect("strings and numbers can always be written as JSON")
}

fn read<'a, F: Deserialize<'a>>(facts: &'a [u8]) -> Result<F, String> {
    serde_json::from_slice(facts).map_err(|error| error.to_string())
}

fn hex(digest: &ContentDigest) -> String {
    as_hex(&digest.0)
}

/// Bytes as people write them.
pub(super) fn as_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

fn unhex(text: &str) -> Result<ContentDigest, String> {
    from_hex(text)
        .and_then(|bytes| bytes.try_into().ok())
        .map(ContentDigest)
        .ok_or_else(|| format!("{text:?} is not a digest"))
}

/// The way back from [`as_hex`].
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted_in_full() -> Accepted {
        Accepted {
            key: Some(Key {
                consumer: "c".to_owned(),
                producer: "p".to_owned(),
                request_id: "r".to_owned(),
            }),
            digest: Some(ContentDigest([0xa5; 32])),
            consumer: "c".to_owned(),
            producer: Some("p\n".to_owned()),
            request_id: Some("r".to_owned()),
            summary: "deny ipv4_net".to_owned(),
            actuator: Some("a".to_owned()),
            address: Address::Profile("slpf".to_owned()),
            command_id: None,
            start_ms: None,
            stop_ms: None,
            message: Bytes::from_static(b"\n\xff{}"),
            unverified_signature: true,
            posted: true,
            hops: 1,
            about: Some(About { id: "i".to_owned(), to: vec!["d".to_owned()] }),
        }
    }

    fn accepted_barely() -> Accepted {
        Accepted {
            key: None,
            digest: None,
            consumer: String::new(),
            producer: None,
            request_id: None,
            summary: String::new(),
            actuator: None,
            address: Address::All,
            command_id: None,
            start_ms: None,
            stop_ms: None,
            message: Bytes::new(),
            unverified_signature: false,
            posted: false,
            hops: 0,
            about: None,
        }
    }

    fn accepted_for_a_time() -> Accepted {
        let command_id = Some("i".to_owned());
        Accepted { command_id, start_ms: Some(5), stop_ms: Some(7), ..accepted_barely() }
    }

    fn response() -> Outgoing {
        Outgoing {
            id: OutboxId(9),
            ticket: Ticket(3),
            producer: None,
            payload: Bytes::from_static(b"{\n}"),
        }
    }

    fn outcome(response: Option<Outgoing>) -> Event {
        Event::Outcome(Box::new(Concluded {
            class: Class::Refused,
            status: Some(503),
            text: Some("not now".to_owned()),
            remembered: response.is_none(),
            response,
            in_effect: false,
            late_until_ms: None,
        }))
    }

    fn in_effect() -> Event {
        Event::Outcome(Box::new(Concluded {
            class: Class::Silent,
            status: Some(200),
            text: None,
            response: None,
            remembered: true,
            in_effect: true,
            late_until_ms: None,
        }))
    }

    fn open_for_late_answers() -> Event {
        let Event::Outcome(concluded) = in_effect() else { unreachable!() };
        let concluded = Concluded { in_effect: false, late_until_ms: Some(9), ..*concluded };
        Event::Outcome(Box::new(concluded))
    }

    /// A hash over a row must come out the same for ever: these bytes may not change.
    #[test]
    fn each_record_has_one_form_and_is_read_back_from_it() {
        let digest = "a5".repeat(32);
        let in_full = format!(
            "{{\"key\":[\"c\",\"p\",\"r\"],\"digest\":\"{digest}\",\"consumer\":\"c\",\
             \"producer\":\"p\\n\",\"request_id\":\"r\",\"summary\":\"deny ipv4_net\",\
             \"actuator\":\"a\",\"address\":{{\"profile\":\"slpf\"}},\
             \"unverified_signature\":true,\"posted\":true,\"hops\":1,\
             \"about\":{{\"id\":\"i\",\"to\":[\"d\"]}}}}\n"
        );
        let in_full = [in_full.as_bytes(), b"\n\xff{}"].concat();
        let heard = |is_late| {
            let response = Bytes::from_static(b"{\"status\":200}");
            Event::Heard(Box::new(Heard { from: "c".to_owned(), status: 200, is_late, response }))
        };
        let cases: [(Event, &[u8]); 16] = [
            (Event::Accepted(Box::new(accepted_in_full())), &in_full),
            (
                Event::Accepted(Box::new(accepted_barely())),
                b"{\"consumer\":\"\",\"summary\":\"\",\"address\":\"all\"}\n",
            ),
            (Event::Started, b"{}"),
            (Event::Progress { response: response() }, b"{\"outbox\":9}\n{\n}"),
            (
                outcome(Some(response())),
                b"{\"class\":\"refused\",\"status\":503,\"text\":\"not now\",\
                  \"forget_key\":true,\"response\":{\"outbox\":9}}\n{\n}",
            ),
            (outcome(None), b"{\"class\":\"refused\",\"status\":503,\"text\":\"not now\"}"),
            (Event::Answered { outbox: OutboxId(9) }, b"{\"outbox\":9}"),
            (
                Event::Accepted(Box::new(accepted_for_a_time())),
                b"{\"consumer\":\"\",\"summary\":\"\",\"address\":\"all\",\
                  \"command_id\":\"i\",\"start_ms\":5,\"stop_ms\":7}\n",
            ),
            (open_for_late_answers(), b"{\"class\":\"silent\",\"status\":200,\"late_until_ms\":9}"),
            (in_effect(), b"{\"class\":\"silent\",\"status\":200,\"in_effect\":true}"),
            (Event::Stopped { status: 200, text: None }, b"{\"status\":200}"),
            (Event::Cancelled, b"{}"),
            (heard(false), b"{\"from\":\"c\",\"status\":200}\n{\"status\":200}"),
            (heard(true), b"{\"from\":\"c\",\"status\":200,\"late\":true}\n{\"status\":200}"),
            (Event::Overdue { status: 503, text: None }, b"{\"status\":503}"),
            (
                Event::Stopped { status: 500, text: Some("stuck".to_owned()) },
                b"{\"status\":500,\"text\":\"stuck\"}",
            ),
        ];
        for (event, form) in cases {
            let body = encode(&event);
            assert_eq!(body, form, "{}", String::from_utf8_lossy(&body));
            assert_eq!(decode(Ticket(3), Kind::of(&event), form).unwrap(), event);
        }
    }

    #[test]
    fn what_is_damaged_is_not_read() {
        let cases: [(Kind, &[u8]); 5] = [
            (Kind::Accepted, b""),
            (Kind::Accepted, b"{\"consumer\":\"\",\"summary\":\"\",\"address\":\"some\"}\n"),
            (
                Kind::Accepted,
                b"{\"digest\":\"a5\",\"consumer\":\"\",\"summary\":\"\",\"address\":\"all\"}\n",
            ),
            (Kind::Outcome, b"{\"class\":\"lost\"}"),
            (Kind::Answered, b"{\"outbox\":-1}"),
        ];
        for (kind, body) in cases {
            assert!(decode(Ticket(1), kind, body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
