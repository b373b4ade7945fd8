//! `kind = "https"`: a consumer behind HTTPS carries the commands out.
//!
//! A command is posted under our own identity, with the `request_id` that it
//! came with; one that is signed goes on byte for byte. It is posted again only
//! where that is safe: when nothing was sent, or when the peer says that it may
//! be asked again. What the peer answers is passed on as it is.

mod breaker;
mod config;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout_at};

pub use breaker::{Breaker, Verdict, View};
pub use config::RelayConfig;

use super::{Perform, Progress};
use crate::dispatch::{Errand, MAX_HOPS, Outcome, Work};
use crate::https::{Answer, Peer, PeerError, PeerMistake};
use crate::openc2::{Command, Content, Headers, Members, Message, Response, ResponseType, Status};
use crate::producer;
use crate::wire::{self, Encoding, Limits};

/// Pauses between attempts, where the peer does not say: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Relays commands to one peer.
#[derive(Debug)]
pub struct Relay {
    name: String,
    config: RelayConfig,
    peer: Peer,
    breaker: Arc<Breaker>,
}

impl Relay {
    /// An actuator of this name. Reads the files; connects to nobody yet.
    pub fn new(name: &str, config: RelayConfig) -> Result<Self, PeerMistake> {
        let peer = Peer::new(config.peer())?;
        Ok(Self { name: name.to_owned(), config, peer, breaker: Arc::default() })
    }

    /// How the peer is doing.
    #[must_use]
    pub fn breaker(&self) -> Arc<Breaker> {
        Arc::clone(&self.breaker)
    }

    /// The message for the peer.
    fn message(&self, work: &Work) -> Bytes {
        if let Some(signed) = &work.signed {
            return signed.clone();
        }
        let from = self.config.from.as_ref().unwrap_or(&work.consumer);
        wire::write(&Message {
            headers: Headers {
                request_id: Some(work.request_id.clone()),
                created: Some(producer::now_ms()),
                from: Some(from.clone()),
                to: Vec::new(),
                others: Members::new(),
            },
            content: Content::Request(passed_on(&work.command)),
            signature: None,
        })
    }

    /// Posts until there is an outcome, or no time left.
    async fn relay(&self, work: &Work) -> Outcome {
        let (message, deadline) = (self.message(work), Instant::now() + self.config.timeout);
        let (mut pause, last_pause) = PAUSES;
        // What there is to say where no further attempt is made.
        let mut so_far: Option<Outcome> = None;
        let is_trial = match self.breaker.ask() {
            Verdict::Closed => false,
            Verdict::HalfOpen => true,
            Verdict::Open => {
                let text = "the peer has failed several times in a row and is left alone for a \
                            while; nothing was begun";
                return Outcome::ours(Status::ServiceUnavailable, text);
            }
        };
        // Who has begun while the peer was thought to be there goes on until its time is over:
        // it may have opened the breaker by itself, and there are no more such commands than
        // the actuator has hands. Who came to try whether the peer is back tries once.
        loop {
            let posted = self.peer.post(&work.request_id, work.hops + 1, message.clone());
            let answer = match timeout_at(deadline, posted).await {
                Err(_) => {
                    self.failed();
                    let text = "no answer from the peer in time: the outcome is unknown";
                    return Outcome::ours(Status::InternalError, text);
                }
                Ok(Err(error)) => {
                    self.failed();
                    match error {
                        PeerError::NotConnected { .. } => Err(error),
                        PeerError::Lost { .. } => {
                            let text = format!("{error}: the outcome is unknown");
                            return Outcome::ours(Status::InternalError, text);
                        }
                        PeerError::TooLong => {
                            return Outcome::ours(Status::InternalError, error.to_string());
                        }
                    }
                }
                Ok(Ok(answer)) => {
                    self.heard(&answer);
                    if !answer.is_worth_another_try() {
                        return understood(&answer, &work.request_id);
                    }
                    Ok(answer)
                }
            };
            let (again_in, outcome) = match answer {
                Ok(answer) => (answer.retry_after, understood(&answer, &work.request_id)),
                // Where an earlier attempt may have arrived, its word stays.
                Err(error) => {
                    let text = format!("{error}; nothing was begun");
                    let ours = || Outcome::ours(Status::ServiceUnavailable, text);
                    (None, so_far.take().unwrap_or_else(ours))
                }
            };
            let next = Instant::now() + again_in.unwrap_or(pause).max(pause);
            let has_tried = is_trial && self.breaker.view().breaker != Verdict::Closed;
            if next >= deadline || has_tried {
                return outcome;
            }
            so_far = Some(outcome);
            sleep_until(next).await;
            pause = (2 * pause).min(last_pause);
        }
    }

    /// An answer is a sign of life, unless somebody before the peer gave it.
    fn heard(&self, answer: &Answer) {
        if matches!(answer.status, 502 | 504) {
            self.failed();
        } else if self.breaker.answered() {
            tracing::info!(actuator = self.name, "the peer is back");
        }
    }

    fn failed(&self) {
        if self.breaker.failed() {
            tracing::warn!(actuator = self.name, url = %self.config.url, "the peer is left alone for a while");
        }
    }
}

impl Perform for Relay {
    async fn perform(&self, work: Work, _progress: Progress) -> Outcome {
        if work.errand != Errand::Perform {
            // It says of no pair that it could.
            return Outcome::ours(
                Status::NotImplemented,
                "a relay carries commands out, and no more",
            );
        }
        if work.signed.as_deref().is_some_and(|signed| Encoding::of(signed) != Encoding::Json) {
            let text = "a signed message goes on byte for byte, and HTTPS has no CBOR for it";
            return Outcome::ours(Status::NotImplemented, text);
        }
        if work.hops >= MAX_HOPS {
            return one_hop_too_many();
        }
        self.relay(&work).await
    }

    async fn close(&self) {}
}

/// A command as the bridge says it to others. How its producer wants to be answered
/// is our business; we want the outcome.
pub(super) fn passed_on(command: &Command) -> Command {
    let mut command = command.clone();
    if command.args.response_requested.is_some() {
        command.args.response_requested = Some(ResponseType::Complete);
    }
    command
}

/// What becomes of a command that has made its hop.
pub(super) fn one_hop_too_many() -> Outcome {
    let text = "the command was relayed before, and one hop is all it may make";
    Outcome::ours(Status::Forbidden, text)
}

/// What an answer of HTTP means.
fn understood(answer: &Answer, request_id: &str) -> Outcome {
    let Answer { status, is_openc2, body, .. } = answer;
    if !is_openc2 {
        return match status {
            300..=399 => {
                let text = format!("the peer redirects (HTTP {status}), which is not followed");
                Outcome::ours(Status::InternalError, text)
            }
            429 | 503 => {
                let text = format!("the peer cannot do it now (HTTP {status})");
                Outcome::ours(Status::ServiceUnavailable, text)
            }
            502 | 504 => {
                let text = format!(
                    "the peer did not answer whoever stands before it (HTTP {status}): the outcome is unknown"
                );
                Outcome::ours(Status::InternalError, text)
            }
            _ => {
                let text = format!("the peer answered HTTP {status} without an OpenC2 response");
                Outcome::ours(Status::InternalError, text)
            }
        };
    }
    let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
    let message = match wire::read(body, Encoding::Json, limits) {
        Ok(letter) => letter.message,
        Err(unreadable) => {
            let what = "the peer's response cannot be read";
            let mut outcome =
                Outcome::ours(Status::InternalError, format!("{what}: {}", unreadable.fault));
            outcome.reason = Some(what.to_owned());
            return outcome;
        }
    };
    let unfit = |what: &str| Outcome::ours(Status::InternalError, what);
    if message.headers.request_id.as_deref().is_some_and(|id| id != request_id) {
        return unfit("the peer answered another request_id");
    }
    match message.content {
        Content::Response(Response { status: Status::Processing, .. }) => unfit(
            "the peer says that it is at it (102), and nothing of the end: the outcome is unknown",
        ),
        Content::Response(response) => response.into(),
        Content::Request(_) | Content::Notification(_) => unfit("the peer's answer is no response"),
    }
}
