//! Which response belongs to which command. No clock and no connection here.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::ProducerError;
use crate::language::Library;
use crate::mqtt::link::Delivery;
use crate::openc2::{Content, Response, Status};
use crate::wire::{self, Encoding, Fault, Limits};

/// Commands that may wait for responses at the same time.
const OPEN_EXCHANGES: usize = 4096;

/// Final responses an exchange remembers in order to recognise them when they
/// come again. Past that, a repetition is shown as often as it comes.
const REMEMBERED_RESPONSES: usize = 4096;

/// What came for a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// A response.
    Answer(Box<Answer>),
    /// Something that names the command and is no proper response.
    Malformed {
        /// `headers.from`, where it could be read.
        from: Option<String>,
        /// What is wrong with it.
        fault: Fault,
        /// Since the command was sent.
        elapsed: Duration,
    },
}

/// A response, and who gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `headers.from`.
    pub from: Option<String>,
    /// The response.
    pub response: Response,
    /// Its `results`, as JSON.
    pub results: Option<Value>,
    /// Since the command was sent.
    pub elapsed: Duration,
}

impl Answer {
    /// Whether more is to come: 102 is the only status that promises it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.response.status != Status::Processing
    }
}

/// Messages that reached nobody. Each is in one class.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Responses to nobody's command here: late ones, and other producers'.
    pub unclaimed: u64,
    /// Final responses that came once more.
    pub repeated: u64,
    /// Requests and notifications on a response topic.
    pub not_a_response: u64,
    /// What could not be read and named no command of ours.
    pub unreadable: u64,
}

impl Counts {
    pub(super) fn add(&mut self, misfit: Misfit) {
        let count = match misfit {
            Misfit::Unclaimed => &mut self.unclaimed,
            Misfit::Repeated => &mut self.repeated,
            Misfit::NotAResponse => &mut self.not_a_response,
            Misfit::Unreadable => &mut self.unreadable,
        };
        *count += 1;
    }
}

/// Why a message reached nobody; see [`Counts`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is the field of that name of Counts")]
pub enum Misfit {
    Unclaimed,
    Repeated,
    NotAResponse,
    Unreadable,
}

/// What a message on a response topic turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) request_id: Option<String>,
    pub(super) from: Option<String>,
    pub(super) kind: HeardKind,
    /// The bytes, by which a repetition is recognised.
    pub(super) payload: bytes::Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum HeardKind {
    /// The response, and its `results` as JSON.
    Response(Box<(Response, Option<Value>)>),
    Malformed(Fault),
    Other,
}

/// Reads a message from a response topic.
pub(super) fn hear(delivery: &Delivery, library: &Library) -> Heard {
    let user = |name: &str| {
        let found = delivery.properties.user.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let encoding = match user("encoding") {
        Some("cbor") => Encoding::Cbor,
        _ => Encoding::Json,
    };
    let every = library.languages();
    let read = wire::read_by(&delivery.payload, encoding, Limits::default(), &every);
    let (headers, kind) = match read {
        Ok(letter) => {
            let kind = match letter.message.content {
                Content::Response(response) => match user("msgType") {
                    // The long form is a harmless habit of some peers.
                    None | Some("rsp" | "response") => {
                        let results =
                            wire::results_told(&response, &delivery.payload, letter.manner);
                        HeardKind::Response(Box::new((response, results)))
                    }
                    Some(other) => HeardKind::Malformed(contradiction(other)),
                },
                Content::Request(_) | Content::Notification(_) => HeardKind::Other,
            };
            ((letter.message.headers.request_id, letter.message.headers.from), kind)
        }
        Err(unreadable) => {
            let wire::Unreadable { fault, glimpse, .. } = *unreadable;
            let kind = match glimpse.kind {
                None | Some(wire::Kind::Response) => HeardKind::Malformed(fault),
                Some(wire::Kind::Request | wire::Kind::Notification) => HeardKind::Other,
            };
            ((glimpse.request_id, glimpse.from), kind)
        }
    };
    let (request_id, from) = headers;
    Heard { request_id, from, kind, payload: delivery.payload.clone() }
}

fn contradiction(msg_type: &str) -> Fault {
    Fault::quoting(
        "the message is a response, its property msgType says something else",
        format!("the message is a response, its property msgType says {msg_type:?}"),
    )
}

/// Wish to be told of the responses to one command.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) request_id: Option<String>,
    pub(super) since: Instant,
    pub(super) arrivals: mpsc::Sender<Arrival>,
    pub(super) answer: oneshot::Sender<Result<(), ProducerError>>,
}

/// The commands that wait for responses, by `request_id`.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: HashMap<Option<String>, Exchange>,
    /// Keyed afresh in every process: nobody can make two responses look alike.
    hasher: RandomState,
}

#[derive(Debug)]
struct Exchange {
    since: Instant,
    arrivals: mpsc::Sender<Arrival>,
    /// Digests of the final responses that were handed over.
    seen: HashSet<u64>,
}

impl Exchanges {
    /// Opens an exchange, unless there is one of that name or no room.
    pub(super) fn open(&mut self, order: Open) {
        let Open { request_id, since, arrivals, answer } = order;
        self.open.retain(|_, exchange| !exchange.arrivals.is_closed());
        let outcome = if self.open.len() >= OPEN_EXCHANGES {
            Err(ProducerError::TooMany { limit: OPEN_EXCHANGES })
        } else {
            match self.open.entry(request_id) {
                Entry::Occupied(entry) => Err(ProducerError::StillOpen {
                    request_id: entry.key().clone().unwrap_or_default(),
                }),
                Entry::Vacant(entry) => {
                    entry.insert(Exchange { since, arrivals, seen: HashSet::new() });
                    Ok(())
                }
            }
        };
        // Whoever asked may have gone: then its exchange goes with the next sweep.
        let _gone = answer.send(outcome);
    }

    /// Whether nobody waits for this message.
    pub(super) fn is_stray(&self, heard: &Heard) -> bool {
        let exchange = self.open.get(&heard.request_id);
        exchange.is_none_or(|exchange| exchange.arrivals.is_closed())
    }

    /// Finds out whose a message is.
    pub(super) fn offer(
        &mut self,
        heard: Heard,
        now: Instant,
    ) -> Result<(mpsc::Sender<Arrival>, Arrival), Misfit> {
        let Heard { request_id, from, kind, payload } = heard;
        if kind == HeardKind::Other {
            return Err(Misfit::NotAResponse);
        }
        let unclaimed = match (&kind, &request_id) {
            (HeardKind::Malformed(_), None) => Misfit::Unreadable,
            _ => Misfit::Unclaimed,
        };
        let exchange = self.open.get_mut(&request_id).ok_or(unclaimed)?;
        if exchange.arrivals.is_closed() {
            self.open.remove(&request_id);
            return Err(unclaimed);
        }
        let elapsed = now.saturating_duration_since(exchange.since);
        let arrival = match kind {
            HeardKind::Response(content) => {
                let (response, results) = *content;
                let answer = Answer { from, response, results, elapsed };
                if answer.is_final()
                    && exchange.has_seen(self.hasher.hash_one((&answer.from, &payload)))
                {
                    return Err(Misfit::Repeated);
                }
                Arrival::Answer(Box::new(answer))
            }
            HeardKind::Malformed(fault) => Arrival::Malformed { from, fault, elapsed },
            HeardKind::Other => return Err(Misfit::NotAResponse),
        };
        Ok((exchange.arrivals.clone(), arrival))
    }
}

impl Exchange {
    /// Whether this final response came before; remembers it where there is room.
    fn has_seen(&mut self, digest: u64) -> bool {
        if self.seen.len() < REMEMBERED_RESPONSES {
            return !self.seen.insert(digest);
        }
        self.seen.contains(&digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(request_id: Option<&str>, status: Status, payload: &'static str) -> Heard {
        Heard {
            request_id: request_id.map(str::to_owned),
            from: Some("gateway-1".to_owned()),
            kind: HeardKind::Response(Box::new((Response::new(status), None))),
            payload: payload.into(),
        }
    }

    fn malformed(request_id: Option<&str>) -> Heard {
        Heard {
            kind: HeardKind::Malformed(contradiction("req")),
            ..heard(request_id, Status::Ok, "")
        }
    }

    fn open(exchanges: &mut Exchanges, request_id: Option<&str>) -> mpsc::Receiver<Arrival> {
        let (arrivals, waiting) = mpsc::channel(1);
        let (answer, mut opened) = oneshot::channel();
        let request_id = request_id.map(str::to_owned);
        exchanges.open(Open { request_id, since: Instant::now(), arrivals, answer });
        opened.try_recv().unwrap().unwrap();
        waiting
    }

    /// MQTT-2.5-1: a final response that comes twice is shown once; progress as often as it comes.
    #[test]
    fn responses_find_their_command() {
        use Misfit::{NotAResponse, Repeated, Unclaimed, Unreadable};
        let other = Heard { kind: HeardKind::Other, ..heard(Some("mine"), Status::Ok, "") };
        let cases = [
            ("a response", heard(Some("mine"), Status::Ok, "a"), None),
            ("the same again", heard(Some("mine"), Status::Ok, "a"), Some(Repeated)),
            ("another one", heard(Some("mine"), Status::Ok, "b"), None),
            ("progress", heard(Some("mine"), Status::Processing, "p"), None),
            ("progress again", heard(Some("mine"), Status::Processing, "p"), None),
            ("a stranger's", heard(Some("theirs"), Status::Ok, "a"), Some(Unclaimed)),
            ("nobody's", heard(None, Status::Ok, "a"), Some(Unclaimed)),
            ("a faulty one of ours", malformed(Some("mine")), None),
            ("a faulty one of a stranger", malformed(Some("theirs")), Some(Unclaimed)),
            ("rubbish", malformed(None), Some(Unreadable)),
            ("a request", other, Some(NotAResponse)),
        ];
        let mut exchanges = Exchanges::default();
        let _mine = open(&mut exchanges, Some("mine"));
        for (what, heard, misfit) in cases {
            let verdict = exchanges.offer(heard, Instant::now());
            assert_eq!(verdict.err(), misfit, "{what}");
        }
    }

    #[test]
    fn a_late_response_is_nobodys() {
        let mut exchanges = Exchanges::default();
        drop(open(&mut exchanges, Some("r")));
        let verdict = exchanges.offer(heard(Some("r"), Status::Ok, ""), Instant::now());
        assert_eq!(verdict.err(), Some(Misfit::Unclaimed));
        assert!(exchanges.open.is_empty());
    }

    #[test]
    fn a_command_without_request_id_hears_responses_without_one() {
        let mut exchanges = Exchanges::default();
        let _waiting = open(&mut exchanges, None);
        let verdict = exchanges.offer(heard(None, Status::BadRequest, ""), Instant::now());
        assert!(verdict.is_ok());
    }

    #[test]
    fn one_exchange_a_request_id_and_only_so_many() {
        let mut exchanges = Exchanges::default();
        let refusal = |exchanges: &mut Exchanges, request_id: &str| {
            let (arrivals, _waiting) = mpsc::channel(1);
            let (answer, mut opened) = oneshot::channel();
            let request_id = Some(request_id.to_owned());
            exchanges.open(Open { request_id, since: Instant::now(), arrivals, answer });
            opened.try_recv().unwrap().unwrap_err()
        };
        let mut waiting = vec![open(&mut exchanges, Some("0"))];
        assert!(matches!(refusal(&mut exchanges, "0"), ProducerError::StillOpen { .. }));
        for number in 1..OPEN_EXCHANGES {
            waiting.push(open(&mut exchanges, Some(&number.to_string())));
        }
        assert!(matches!(refusal(&mut exchanges, "more"), ProducerError::TooMany { .. }));
        waiting.pop();
        waiting.push(open(&mut exchanges, Some("more")));
    }
}
