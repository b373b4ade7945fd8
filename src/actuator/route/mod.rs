//! Passes commands on to consumers on a broker, and collects what they answer.
//!
//! Two settings lead here: a `[[route]]`, the way of what is posted to consumers on the
//! bridge's own broker, and an actuator of `kind = "mqtt"`, a consumer on another one.
//!
//! A command is published under our own identity and a `request_id` of its own, and
//! again with the same one until its answers are there: the broker may have forgotten
//! it, and consumers know a repetition. Who waits for the answers is told at the
//! deadline what there is; the command itself stays open for those that come late.

mod broker;
mod collect;
mod config;
mod late;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

pub use broker::{Broker, BrokerError};
pub use collect::Collect;
pub use config::{BrokerConfig, RouteConfig, RouteTable, Terms, face};

use super::{Perform, Progress, relay};
use crate::dispatch::{Address, Errand, MAX_HOPS, Outcome, Work};
use crate::format::duration;
use crate::mqtt::link::LinkError;
use crate::openc2::{Content, Headers, Members, Message, Response, Status, Target};
use crate::producer::{self, Arrival, Outgoing, ProducerError, Responses};
use crate::wire;
use collect::Collection;
use late::Late;

/// Pauses before a command is published again: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

/// The header that names the producer on whose behalf the bridge speaks.
const ON_BEHALF_OF: &str = "x-on-behalf-of";

/// Passes commands on over one broker.
#[derive(Debug)]
pub struct Route {
    name: String,
    terms: Terms,
    broker: Arc<Broker>,
    late: Late,
}

impl Route {
    /// A route of this name.
    #[must_use]
    pub fn new(name: &str, terms: Terms, broker: Arc<Broker>) -> Self {
        Self { name: name.to_owned(), terms, broker, late: Late::default() }
    }

    /// Publishes until all have answered that are waited for, or no time is left.
    async fn pass_on(&self, work: &Work, progress: &Progress) -> Outcome {
        let deadline = Instant::now() + self.terms.wait;
        let end = deadline + self.terms.keep_for;
        let connected = tokio::select! {
            biased;
            () = progress.cancelled.cancelled(), if !work.again => Err(cancelled()),
            connected = self.connected(work, deadline, end, progress) => connected,
        };
        if let Err(outcome) = connected {
            return outcome;
        }
        let outgoing = self.message(work).after_hops(work.hops + 1);
        let responses = match self.broker.producer().listen(outgoing.request_id()).await {
            Ok(responses) => responses,
            Err(error) => {
                let text = format!("{error}; nothing was begun");
                return Outcome::ours(Status::ServiceUnavailable, text);
            }
        };
        let collection = self.collection(work);
        let (address, outgoing) = (&work.address, &outgoing);
        let exchange = Exchange { collection, address, outgoing, deadline, end };
        self.collect(exchange, responses, progress).await
    }

    /// Waits for the connection: where it is lost, only if that is wanted, or if the
    /// command may have been published before. Without one, this is the end.
    async fn connected(
        &self,
        work: &Work,
        deadline: Instant,
        end: Instant,
        progress: &Progress,
    ) -> Result<(), Outcome> {
        let unavailable = |text: &str| Outcome::ours(Status::ServiceUnavailable, text);
        let nothing = "there is no connection to the broker; nothing was begun";
        if !self.terms.queue && !work.again {
            let is_up = timeout_at(deadline, self.broker.up_or_lost()).await;
            return if is_up == Ok(true) { Ok(()) } else { Err(unavailable(nothing)) };
        }
        if timeout_at(deadline, self.broker.up()).await.is_ok() {
            return Ok(());
        }
        if end > deadline {
            let text = "there is no connection to the broker; the command waits for it";
            progress.meanwhile(unavailable(text)).await;
        }
        timeout_at(end, self.broker.up())
            .await
            .map_err(|_| if work.again { self.unknown() } else { unavailable(nothing) })
    }

    /// Collects responses, and publishes again while there is hope.
    async fn collect(
        &self,
        mut exchange: Exchange<'_>,
        mut responses: Responses,
        progress: &Progress,
    ) -> Outcome {
        let Exchange { deadline, end, .. } = exchange;
        let (mut pause, last_pause) = PAUSES;
        let mut next_round = Instant::now();
        let mut round: Option<Round<'_>> = None;
        let mut is_first = true;
        let mut place = None;
        loop {
            let until = if place.is_some() { end } else { deadline };
            tokio::select! {
                biased;
                arrival = responses.next(until) => match arrival {
                    Some(arrival) => {
                        if self.hear(&mut exchange.collection, arrival)
                            && let Some(said) = exchange.collection.newest_of_several()
                        {
                            progress.heard(&said.from, said.response.clone()).await;
                        }
                        if exchange.collection.is_satisfied() {
                            let outcome = exchange.collection.outcome();
                            self.hear_rest(&mut exchange.collection, responses, progress).await;
                            return outcome;
                        }
                        if place.is_some() && exchange.collection.has_some() {
                            progress.meanwhile(exchange.collection.so_far()).await;
                        }
                    }
                    // The bridge is ending: the next start goes on with it.
                    None if Instant::now() < until => std::future::pending().await,
                    None if place.is_some() => return self.too_late(&exchange.collection),
                    None if exchange.collection.has_all_known() => {
                        return exchange.collection.outcome();
                    }
                    None if self.terms.keep_for.is_zero() => {
                        return self.too_late(&exchange.collection);
                    }
                    None => {
                        place = Some(self.late.enter());
                        exchange.collection.time_is_over();
                        progress.meanwhile(self.so_far(&exchange.collection)).await;
                    }
                },
                published = published(&mut round) => {
                    round = None;
                    match published {
                        Ok(()) => next_round = Instant::now() + pause,
                        Err(error) => {
                            let text = format!("it cannot be published: {error}");
                            return Outcome::ours(Status::InternalError, text);
                        }
                    }
                    pause = (2 * pause).min(last_pause);
                }
                () = sleep_until(next_round),
                    if round.is_none() && (is_first || next_round < deadline) =>
                {
                    if !is_first && progress.cancelled.is_cancelled() {
                        // It is not wanted any more; who has it may still answer.
                        next_round = deadline;
                        continue;
                    }
                    is_first = false;
                    let addresses = exchange.collection.unanswered(exchange.address);
                    round = Some(Box::pin(self.publish(exchange.outgoing, addresses)));
                }
                () = late::left(place.as_ref()) => return self.too_late(&exchange.collection),
            }
        }
    }

    /// What has come together with the last word that was needed is told as well; what comes
    /// after it is given away.
    async fn hear_rest(
        &self,
        collection: &mut Collection,
        mut responses: Responses,
        progress: &Progress,
    ) {
        for arrival in responses.rest().await {
            if self.hear(collection, arrival)
                && let Some(said) = collection.newest_of_several()
            {
                progress.heard(&said.from, said.response.clone()).await;
            }
        }
    }

    /// Publishes a command to each of these addresses.
    async fn publish(
        &self,
        outgoing: &Outgoing,
        addresses: Vec<Address>,
    ) -> Result<(), ProducerError> {
        for address in addresses {
            match self.broker.producer().publish(outgoing, &address).await {
                // Nobody knows whether it went out: the next round sends it again.
                Ok(_) | Err(ProducerError::Link(LinkError::SessionReset)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what has come, and says whether it is a word that counts.
    fn hear(&self, collection: &mut Collection, arrival: Arrival) -> bool {
        match arrival {
            Arrival::Answer(answer) => {
                if let Some(from) = &answer.from {
                    self.broker.saw(from);
                }
                answer.is_final() && collection.note(answer.from, answer.response)
            }
            Arrival::Malformed { from, fault, .. } => {
                let text = format!("the response cannot be read: {fault}");
                tracing::warn!(
                    route = self.name,
                    from,
                    reason = fault.unquoted(),
                    "a response cannot be read"
                );
                collection.note(from, Response::with_text(Status::InternalError, text))
            }
        }
    }

    /// The command as this bridge, a producer, says it.
    fn message(&self, work: &Work) -> Outgoing {
        let request_id = work.passed_on_as();
        let mut others = Members::new();
        if self.terms.on_behalf_of {
            others.insert(ON_BEHALF_OF.to_owned(), work.producer.as_str().into());
        }
        let mut command = relay::passed_on(&work.command);
        // Its name there is the request id, as two producers may have chosen the same one.
        command.command_id = None;
        if let Some(id) = &work.about {
            command.target = Target::Command(id.parse().expect("a UUID is a command id"));
        }
        let message = Message {
            headers: Headers {
                request_id: Some(request_id.clone()),
                created: Some(producer::now_ms()),
                from: Some(self.broker.producer().identity().to_owned()),
                to: self.named(work),
                others,
            },
            content: Content::Request(command),
            signature: None,
        };
        Outgoing::as_written(wire::write(&message), Some(request_id))
    }

    /// The consumers that a command names.
    fn named(&self, work: &Work) -> Vec<String> {
        self.terms.to.clone().map_or_else(|| work.to.clone(), |to| vec![to])
    }

    fn collection(&self, work: &Work) -> Collection {
        let named = self.named(work);
        if !named.is_empty() {
            return Collection::of(self.terms.collect, named);
        }
        let expected = self.terms.expect.iter().cloned();
        Collection::of_whoever(
            self.terms.collect,
            expected.chain(self.broker.seen(&work.address)).collect(),
        )
    }

    /// What is said at the deadline, of a command that goes on.
    fn so_far(&self, collection: &Collection) -> Outcome {
        match collection.only() {
            Some(consumer) => {
                let wait = duration::format(self.terms.wait);
                let text = format!(
                    "{consumer} has not answered in {wait}; what was begun goes on, and the same \
                     request again brings what is new"
                );
                Outcome::ours(Status::ServiceUnavailable, text)
            }
            None => collection.so_far(),
        }
    }

    /// The end of a command that not all have answered.
    fn too_late(&self, collection: &Collection) -> Outcome {
        if collection.has_some() {
            return collection.outcome();
        }
        self.unknown()
    }

    fn unknown(&self) -> Outcome {
        let wait = duration::format(self.terms.wait + self.terms.keep_for);
        let text = format!("no answer came within {wait}: the outcome is unknown");
        Outcome::ours(Status::InternalError, text)
    }
}

/// The end of a command that is not wanted any more, and that nobody has heard of.
fn cancelled() -> Outcome {
    let text = "cancelled by its producer before it was published; nothing was begun";
    Outcome::ours(Status::InternalError, text)
}

/// A command that was passed on, and what there is of its answers.
struct Exchange<'a> {
    collection: Collection,
    address: &'a Address,
    outgoing: &'a Outgoing,
    /// Until then it is published, and somebody may wait for it.
    deadline: Instant,
    /// Until then late answers are taken.
    end: Instant,
}

type Round<'a> = Pin<Box<dyn Future<Output = Result<(), ProducerError>> + Send + 'a>>;

/// Waits for what is being published; for ever where nothing is.
async fn published(round: &mut Option<Round<'_>>) -> Result<(), ProducerError> {
    match round {
        Some(round) => round.await,
        None => std::future::pending().await,
    }
}

impl Perform for Route {
    async fn perform(&self, work: Work, progress: Progress) -> Outcome {
        if work.errand != Errand::Perform {
            // It says of no pair that it could.
            let text = "a relay carries commands out, and no more";
            return Outcome::ours(Status::NotImplemented, text);
        }
        if work.signed.is_some() {
            let text = "a signed message goes on byte for byte or not at all, and the responses \
                        to this one would go to its own producer";
            return Outcome::ours(Status::NotImplemented, text);
        }
        if work.hops >= MAX_HOPS {
            return relay::one_hop_too_many();
        }
        self.pass_on(&work, &progress).await
    }

    async fn close(&self) {
        if self.terms.to.is_some() {
            // Its broker is its own.
            self.broker.close().await;
        }
    }
}
