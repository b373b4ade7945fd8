//! Publishes responses until the broker has confirmed them.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;

use super::{Alarm, DoorEvent, DoorStatistics, Named};
use crate::dispatch::{OutboxId, Outgoing};
use crate::fail_point;
use crate::mqtt::config::{MqttConfig, Responses};
use crate::mqtt::link::{Backoff, Link, LinkError, Publication, Sent, Taken};
use crate::mqtt::openc2_properties;
use crate::mqtt::topics::{self, TopicLevel};
use crate::wire::{Encoding, Kind};

/// A response, and its place among those that may be on their way.
#[derive(Debug)]
pub(super) struct Job {
    response: Outgoing,
    /// How often the broker has refused it before.
    refusals: u32,
    _permit: OwnedSemaphorePermit,
}

impl Job {
    pub(super) fn new(response: Outgoing, refusals: u32, permit: OwnedSemaphorePermit) -> Self {
        Self { response, refusals, _permit: permit }
    }

    pub(super) fn into_response(self) -> Outgoing {
        self.response
    }
}

/// A response on its way over one topic or two.
#[derive(Debug)]
struct Attempt {
    job: Job,
    /// Where it has still to go, the next one last; `None` is the shared topic.
    left: Vec<Option<TopicLevel>>,
    /// The first topic on which somebody listens is enough.
    is_done_when_heard: bool,
    heard: bool,
    backoff: Backoff,
}

impl Attempt {
    fn new(job: Job, responses: Responses, backoff: (Duration, Duration)) -> Self {
        // A producer that is no topic level has no topic of its own.
        let producer = job.response.producer.as_deref();
        let own = producer.and_then(|producer| TopicLevel::try_from(producer).ok());
        let left = match (responses, own) {
            (Responses::Shared, _) | (_, None) => vec![None],
            (Responses::Producer | Responses::Both, own @ Some(_)) => vec![None, own],
        };
        let backoff = Backoff::new(backoff).after(job.refusals);
        let is_done_when_heard = responses == Responses::Producer;
        Self { job, left, is_done_when_heard, heard: false, backoff }
    }

    fn id(&self) -> OutboxId {
        self.job.response.id
    }

    /// Takes in what became of the topic it was sent to. `true`: nothing is left to do.
    fn is_done_after(&mut self, taken: Taken) -> bool {
        self.left.pop();
        self.heard |= taken == Taken::Delivered;
        self.left.is_empty() || (self.heard && self.is_done_when_heard)
    }
}

/// The task that publishes responses, in the order in which they are given to it.
pub(super) struct Responder {
    pub link: Link,
    pub jobs: mpsc::Receiver<Job>,
    pub events: mpsc::Sender<DoorEvent>,
    pub named: watch::Receiver<Arc<Named>>,
    pub counted: Arc<watch::Sender<DoorStatistics>>,
    pub responses: Responses,
    pub backoff: (Duration, Duration),
}

/// What became of an attempt on one topic.
type Outcome = (Attempt, Result<Taken, LinkError>);

/// Attempts that the broker has yet to confirm, and outcomes that have yet to be looked at. There
/// are no more of them than jobs.
struct OnTheWay<W> {
    waiting: FuturesUnordered<W>,
    known: VecDeque<Outcome>,
}

impl<W: Future<Output = Outcome>> OnTheWay<W> {
    fn new() -> Self {
        Self { waiting: FuturesUnordered::new(), known: VecDeque::new() }
    }

    /// The next outcome; `None` when nothing is on its way.
    async fn next(&mut self) -> Option<Outcome> {
        match self.known.pop_front() {
            Some(outcome) => Some(outcome),
            None => self.waiting.next().await,
        }
    }

    /// Waits for something else, and gives free meanwhile what those hold that are confirmed:
    /// it may be what the other waits for.
    async fn until<F: Future>(&mut self, other: F) -> F::Output {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                biased;
                output = &mut other => return output,
                Some(outcome) = self.waiting.next() => self.known.push_back(outcome),
            }
        }
    }
}

/// Waits for what becomes of an attempt that was handed to the link.
async fn outcome(attempt: Attempt, sent: Result<Sent, LinkError>) -> Outcome {
    let outcome = match sent {
        Ok(sent) => sent.taken().await,
        Err(error) => Err(error),
    };
    (attempt, outcome)
}

impl Responder {
    pub(super) fn new(config: &MqttConfig, parts: super::Parts, jobs: mpsc::Receiver<Job>) -> Self {
        let super::Parts { link, events, named, counted } = parts;
        let backoff = (config.backoff_min, config.backoff_max);
        Self { link, jobs, events, named, counted, responses: config.responses, backoff }
    }

    /// Runs until the link is closed, or nobody gives it responses any more.
    pub(super) async fn run(mut self) {
        let mut on_the_way = OnTheWay::new();
        let mut again = BTreeMap::<OutboxId, (Instant, Attempt)>::new();
        loop {
            let due = again.values().map(|(at, _)| *at).min();
            tokio::select! {
                job = self.jobs.recv() => {
                    let Some(job) = job else { return };
                    if job.refusals > 0 {
                        self.counted.send_modify(|counted| counted.published_again += 1);
                    }
                    let attempt = Attempt::new(job, self.responses, self.backoff);
                    let sent = on_the_way.until(self.publish(&attempt)).await;
                    on_the_way.waiting.push(outcome(attempt, sent));
                }
                Some((attempt, known)) = on_the_way.next() => {
                    match self.settle(attempt, known).await {
                        Next::Nothing => {}
                        Next::Closed => return,
                        Next::Now(attempt) => {
                            let sent = on_the_way.until(self.publish(&attempt)).await;
                            on_the_way.waiting.push(outcome(attempt, sent));
                        }
                        Next::Later(at, attempt) => {
                            again.insert(attempt.id(), (at, attempt));
                        }
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let now = Instant::now();
                    // In the order of their numbers, which is the order they were made in.
                    let ready: Vec<_> =
                        again.extract_if(.., |_, (at, _)| *at <= now).map(|(_, (_, one))| one).collect();
                    for attempt in ready {
                        self.counted.send_modify(|counted| counted.published_again += 1);
                        let sent = on_the_way.until(self.publish(&attempt)).await;
                        on_the_way.waiting.push(outcome(attempt, sent));
                    }
                }
            }
        }
    }

    /// Hands it to the link, in order.
    async fn publish(&self, attempt: &Attempt) -> Result<Sent, LinkError> {
        let producer = attempt.left.last().expect("an attempt without topics is done");
        let topic = topics::rsp(&self.named.borrow().prefix, producer.as_ref());
        fail_point::pass("before-publish");
        let sent = self
            .link
            .send(Publication {
                topic,
                properties: openc2_properties(
                    Kind::Response,
                    Encoding::of(&attempt.job.response.payload),
                ),
                payload: attempt.job.response.payload.clone(),
                qos: 1,
            })
            .await;
        fail_point::pass("after-publish");
        sent
    }

    async fn settle(&self, mut attempt: Attempt, outcome: Result<Taken, LinkError>) -> Next {
        let error = match outcome {
            Ok(taken) if attempt.is_done_after(taken) => {
                self.done(attempt).await;
                return Next::Nothing;
            }
            Ok(_) => return Next::Now(attempt),
            // It is still in the outbox.
            Err(LinkError::Closed) => return Next::Closed,
            Err(error) => error,
        };
        let id = attempt.id();
        let wait = attempt.backoff.next();
        if matches!(error, LinkError::SessionReset) {
            tracing::info!(outbox = id.0, ?wait, "publishing a response again: {error}");
            return Next::Later(Instant::now() + wait, attempt);
        }
        // The daemon only stops listening when it ends.
        if attempt.job.refusals == 0 {
            let ticket = attempt.job.response.ticket;
            tracing::error!(alarm = "response refused", %ticket, ?wait, "{error}");
            let alarm = Alarm::ResponseRefused { id, reason: error.to_string() };
            let _gone = self.events.send(DoorEvent::Alarm(alarm)).await;
        } else {
            tracing::info!(outbox = id.0, ?wait, "a response is refused again: {error}");
        }
        // Those that are never taken must not stand in the way of all others: its room goes with it.
        let _gone = self.events.send(DoorEvent::Refused { id, again_in: wait }).await;
        Next::Nothing
    }

    async fn done(&self, attempt: Attempt) {
        let (id, heard) = (attempt.id(), attempt.heard);
        if !heard {
            self.counted.send_modify(|counted| counted.unheard += 1);
            // The daemon warns, now and then: strangers decide how many of these there are.
            let Outgoing { ticket, producer, .. } = &attempt.job.response;
            tracing::debug!(%ticket, producer, "nobody has subscribed to this response");
        }
        let _gone = self.events.send(DoorEvent::Published { id, heard }).await;
    }
}

/// What to do with an attempt next.
enum Next {
    Nothing,
    Now(Attempt),
    Later(Instant, Attempt),
    Closed,
}
