//! Sends commands and collects the responses to them.
//!
//! A producer by the book (Transfer via MQTT v1.0): it subscribes to both
//! response topics before it publishes anything, publishes with `QoS` 1, and
//! knows the responses to its commands by their `request_id`. One task owns
//! the connection's events and the open exchanges; everybody else asks it.

mod connection;
mod exchange;
mod outgoing;
mod slot;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

pub use connection::{BrokerSettings, Connection, OpenError, TlsFiles, open};
pub use exchange::{Answer, Arrival, Counts, Misfit};
pub use outgoing::{BadLevel, Envelope, Outgoing, command_topic, subscriptions, topic_level};
pub use slot::{Slot, SlotError, slots_dir};

use crate::dispatch::{Address, Late, Receipt};
use crate::language::Library;
use crate::mqtt::link::{Link, LinkError, LinkEvent, LinkEvents, Taken};
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::openc2::Status;
use exchange::{Exchanges, Heard, HeardKind, Open, hear};

/// Responses of one exchange that wait to be read. When they are full the
/// connection waits: its messages stay unacknowledged at the broker.
const RESPONSES_WAITING: usize = 64;

/// Requests to the reading task that wait for it.
const ORDERS_WAITING: usize = 16;

/// How long [`Producer::close`] waits for what is being sent.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Why a command was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The connection did not do it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The address cannot stand in a topic.
    #[error(transparent)]
    BadLevel(#[from] BadLevel),
    /// A command with this `request_id` still waits for its responses.
    #[error("a command with request_id {request_id:?} is still being answered")]
    StillOpen {
        /// The identifier.
        request_id: String,
    },
    /// Too many commands wait for their responses.
    #[error("{limit} commands are still being answered; no more at a time")]
    TooMany {
        /// How many may.
        limit: usize,
    },
}

/// Sends commands over one connection and hands out the responses.
///
/// Dropping it ends the reading task; [`Producer::close`] also says goodbye to
/// the broker.
#[derive(Debug)]
pub struct Producer<C = Link> {
    link: C,
    identity: TopicLevel,
    prefix: TopicPrefix,
    orders: mpsc::Sender<Open>,
    state: watch::Receiver<State>,
}

/// How a producer's connection is doing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// Connected, with every subscription granted.
    pub is_up: bool,
    /// Why the connection was lost, or not made, the last time.
    pub trouble: Option<String>,
    /// The other side said no, and will again until somebody changes something.
    pub is_refused: bool,
    /// What came and found nobody waiting.
    pub counts: Counts,
}

impl<C: Connection> Producer<C> {
    /// Begins to read the connection's events.
    ///
    /// `identity` is the producer's name in `headers.from` and in its own
    /// response topic; `prefix` is the first level of all topics, `oc2` by the
    /// standard.
    pub fn new(link: C, events: LinkEvents, identity: TopicLevel, prefix: TopicPrefix) -> Self {
        Self::reading_by(Library::built_in(), link, events, identity, prefix)
    }

    /// The same, who reads responses by other schemas than those that are built in.
    pub fn reading_by(
        library: Library,
        link: C,
        events: LinkEvents,
        identity: TopicLevel,
        prefix: TopicPrefix,
    ) -> Self {
        Self::begin(library, link, events, identity, prefix, None)
    }

    /// The same as [`Producer::new`], who gives away the last words to commands for which
    /// nobody waits any more, and to those of others.
    pub fn giving_away(
        strays: mpsc::Sender<Late>,
        link: C,
        events: LinkEvents,
        identity: TopicLevel,
        prefix: TopicPrefix,
    ) -> Self {
        Self::begin(Library::built_in(), link, events, identity, prefix, Some(strays))
    }

    fn begin(
        library: Library,
        link: C,
        events: LinkEvents,
        identity: TopicLevel,
        prefix: TopicPrefix,
        strays: Option<mpsc::Sender<Late>>,
    ) -> Self {
        let (orders, taken) = mpsc::channel(ORDERS_WAITING);
        let (says, state) = watch::channel(State::default());
        let strays = Strays { out: strays, is_full: false };
        tokio::spawn(read(library, link.clone(), events, taken, says, strays));
        Self { link, identity, prefix, orders, state }
    }

    /// Subscribes to both response topics (Transfer via MQTT v1.0, section
    /// 3.3) and returns once the broker has granted them. To be done before
    /// the first [`Producer::send`]. Waits for the connection as long as it
    /// takes: the caller sets the limit and finds the reason in [`State`].
    pub async fn subscribe(&self) -> Result<(), ProducerError> {
        Ok(self.link.subscribe(subscriptions(&self.prefix, &self.identity)).await?)
    }

    /// The producer's identity.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.identity.as_str()
    }

    /// How the connection is doing, now and whenever it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Headers for a new command from this producer: a fresh version 4 UUID
    /// as `request_id`, and the time of day as `created`.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope::new(self.identity.as_str())
    }

    /// Publishes a command and returns the responses to it, once the broker
    /// has taken the command over. Read them or drop them: who holds them and
    /// does not read holds up the whole connection in the end.
    ///
    /// # Errors
    ///
    /// See [`ProducerError`]. After [`LinkError::SessionReset`] nobody knows
    /// whether the command went out; to send the same [`Outgoing`] again is
    /// safe with consumers that recognise a repeated `request_id`.
    pub async fn send(
        &self,
        outgoing: &Outgoing,
        to: &Address,
    ) -> Result<Responses, ProducerError> {
        // Before anybody listens for its responses: an address that is none.
        outgoing.publication(&self.prefix, to)?;
        let mut responses = self.listen(outgoing.request_id()).await?;
        responses.taken = Some(self.publish(outgoing, to).await?);
        Ok(responses)
    }

    /// Hands out the responses to a command that is yet to be published, with
    /// [`Producer::publish`].
    pub async fn listen(&self, request_id: Option<&str>) -> Result<Responses, ProducerError> {
        let (arrivals, waiting) = mpsc::channel(RESPONSES_WAITING);
        let (answer, opened) = oneshot::channel();
        let request_id = request_id.map(str::to_owned);
        let order = Open { request_id, since: Instant::now(), arrivals, answer };
        self.orders.send(order).await.map_err(|_| LinkError::Closed)?;
        opened.await.map_err(|_| LinkError::Closed)??;
        Ok(Responses { taken: None, arrivals: waiting })
    }

    /// Publishes a command, for the first time or once more, and returns once the
    /// broker has taken it over. Waits for the connection as long as it takes.
    pub async fn publish(&self, outgoing: &Outgoing, to: &Address) -> Result<Taken, ProducerError> {
        Ok(self.link.publish(outgoing.publication(&self.prefix, to)?).await?)
    }

    /// Disconnects cleanly.
    pub async fn close(&self) {
        self.link.close(CLOSE_GRACE).await;
    }
}

/// The responses to one command, as they come.
#[derive(Debug)]
pub struct Responses {
    taken: Option<Taken>,
    arrivals: mpsc::Receiver<Arrival>,
}

impl Responses {
    /// How the broker took the command; `None` where it was not [sent](Producer::send).
    #[must_use]
    pub fn taken(&self) -> Option<Taken> {
        self.taken
    }

    /// The next response; `None` when `deadline` has passed or the connection
    /// was closed.
    pub async fn next(&mut self, deadline: Instant) -> Option<Arrival> {
        timeout_at(deadline, self.arrivals.recv()).await.ok().flatten()
    }

    /// Listens no longer, and gives what has come by now.
    pub async fn rest(&mut self) -> Vec<Arrival> {
        self.arrivals.close();
        let mut rest = Vec::new();
        while let Some(arrival) = self.arrivals.recv().await {
            rest.push(arrival);
        }
        rest
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An arrival for which its exchange has no room yet.
struct Held {
    arrivals: mpsc::Sender<Arrival>,
    arrival: Arrival,
    request_id: Option<String>,
    /// What to acknowledge when it has been handed over.
    receipt: Option<Receipt>,
}

/// Reads the connection until it or the producer is gone.
///
/// While an arrival waits for room, no further event is taken; exchanges are
/// opened all the same.
async fn read<C: Connection>(
    library: Library,
    link: C,
    mut events: LinkEvents,
    mut orders: mpsc::Receiver<Open>,
    state: watch::Sender<State>,
    mut strays: Strays,
) {
    let mut exchanges = Exchanges::default();
    let mut held: Option<Held> = None;
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(order) = order else { break };
                exchanges.open(order);
            }
            room = room(held.as_ref()), if held.is_some() => {
                let Held { arrival, request_id, receipt, .. } = held.take().expect("guarded by is_some");
                // First, because who gets the last response may close at once.
                acknowledge(&link, receipt);
                match room {
                    Some(permit) => drop(permit.send(arrival)),
                    None => strays.give_away(stray_of(request_id, arrival)),
                }
            }
            event = events.recv(), if held.is_none() => match event {
                None => break,
                Some(LinkEvent::Up { .. }) => state.send_modify(|state| state.is_up = true),
                Some(LinkEvent::Down { reason, is_refusal }) => state.send_modify(|state| {
                    state.is_up = false;
                    state.is_refused = is_refusal;
                    state.trouble = Some(reason);
                }),
                Some(LinkEvent::Message(delivery)) => {
                    // A message of QoS 0 has nothing to acknowledge.
                    let receipt = (delivery.qos > 0).then_some(delivery.receipt);
                    let heard = hear(&delivery, &library);
                    let is_stray = strays.out.is_some() && exchanges.is_stray(&heard);
                    let stray = is_stray.then(|| stray(&heard)).flatten();
                    let request_id = heard.request_id.clone();
                    match exchanges.offer(heard, Instant::now()) {
                        Ok((arrivals, arrival)) => {
                            held = Some(Held { arrivals, arrival, request_id, receipt });
                        }
                        Err(misfit) => {
                            state.send_modify(|state| state.counts.add(misfit));
                            acknowledge(&link, receipt);
                            strays.give_away(stray);
                        }
                    }
                }
            },
        }
    }
    state.send_modify(|state| state.is_up = false);
}

/// Room for the held arrival; `None` when nobody reads its exchange any more.
async fn room(held: Option<&Held>) -> Option<mpsc::OwnedPermit<Arrival>> {
    let Held { arrivals, .. } = held?;
    arrivals.clone().reserve_owned().await.ok()
}

/// A last word to somebody's command.
fn stray(heard: &Heard) -> Option<Late> {
    let HeardKind::Response(content) = &heard.kind else { return None };
    let (response, _) = &**content;
    let (id, from) = (heard.request_id.clone()?, heard.from.clone()?);
    (response.status != Status::Processing).then(|| Late { id, from, response: response.clone() })
}

/// The same of what came to an exchange that was closed meanwhile.
fn stray_of(request_id: Option<String>, arrival: Arrival) -> Option<Late> {
    match arrival {
        Arrival::Answer(answer) if answer.is_final() => {
            let Answer { from, response, .. } = *answer;
            Some(Late { id: request_id?, from: from?, response })
        }
        Arrival::Answer(_) | Arrival::Malformed { .. } => None,
    }
}

/// Where last words go for which nobody waits.
struct Strays {
    out: Option<mpsc::Sender<Late>>,
    /// The last one found no room.
    is_full: bool,
}

impl Strays {
    fn give_away(&mut self, stray: Option<Late>) {
        let (Some(out), Some(stray)) = (&self.out, stray) else { return };
        let was_full = self.is_full;
        self.is_full = matches!(out.try_send(stray), Err(TrySendError::Full(_)));
        if self.is_full && !was_full {
            tracing::warn!("late answers come faster than they can be kept: some are lost");
        }
    }
}

fn acknowledge<C: Connection>(link: &C, receipt: Option<Receipt>) {
    if let Some(receipt) = receipt {
        link.acknowledge(receipt);
    }
}

#[cfg(test)]
mod tests;
