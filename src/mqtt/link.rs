//! One connection to a broker, kept up.
//!
//! A task of its own holds the connection (`keeper`); a [`Link`] is how others
//! speak to it. It never stops reading, so that pings go out however slow its owner is:
//! what bounds the deliveries it holds is the Receive Maximum.

mod backoff;
mod deliveries;
mod keeper;
mod message;
mod options;
mod outlet;
mod reconnect;
mod requests;
mod settings;
mod socket;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, PublishNotice, PublishNoticeError, PublishOptions, PublishResult, QoS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::config::MaxInflight;
use super::reason::Reason;
pub(super) use backoff::Backoff;
pub use message::{Delivery, LinkError, LinkEvent, Properties, Publication, Subscription, Taken};
pub use settings::{LinkSettings, Session, TAKEOVER_PAUSE};

/// One connection to a broker, kept up until it is closed.
///
/// Cloning gives another handle to the same connection. When the last handle is
/// gone the connection is closed as well.
#[derive(Clone, Debug)]
pub struct Link {
    client: AsyncClient,
    status: watch::Receiver<Status>,
    orders: mpsc::Sender<Order>,
    receipts: mpsc::Sender<crate::dispatch::Receipt>,
    /// One permit for each publication that the broker may leave unconfirmed.
    room: Arc<Semaphore>,
    max_inflight: MaxInflight,
}

/// Events an owner may leave unread in the channel. Further ones wait in the task.
const EVENTS: usize = 64;

/// Subscribe, unsubscribe and close orders that may wait.
const ORDERS: usize = 64;

/// Longest wait for a clean DISCONNECT, beyond the grace for what is being sent.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What a link has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Statistics {
    /// Connections that came about.
    pub connected: u64,
    /// Connections that ended without our asking, or did not come about.
    pub failed: u64,
    /// Sessions that the broker should have kept and had not: an alarm.
    pub sessions_lost: u64,
    /// Times that another client took our Client Identifier: an alarm.
    pub takeovers: u64,
    /// Subscriptions that the broker refused, or granted with less than `QoS` 1: an alarm.
    pub subscriptions_refused: u64,
    /// Messages received, of any `QoS`.
    pub received: u64,
    /// Acknowledgements that came after their connection had gone, and were dropped.
    pub late_acknowledgements: u64,
    /// Messages with `QoS` 0 for which there was no room.
    pub qos0_dropped: u64,
}

/// What handles and task know of the connection.
#[derive(Clone, Copy, Debug, Default)]
struct Status {
    /// Goes up at every CONNACK and at every error.
    generation: u32,
    /// What the broker said of itself, while there is a connection.
    limits: Option<Limits>,
    /// The broker had kept our session when this connection came about.
    session_present: bool,
    /// Every subscription is granted.
    is_up: bool,
    /// There will be no further connection.
    has_ended: bool,
    statistics: Statistics,
}

/// What the broker takes (MQTT v5.0, section 3.2.2.3).
#[derive(Clone, Copy, Debug)]
struct Limits {
    packet_bytes: usize,
    qos: u8,
    /// How long it keeps our session.
    session_expiry_secs: u32,
}

#[derive(Debug)]
enum Order {
    Subscribe(Vec<Subscription>, Reply),
    Unsubscribe(Vec<String>, Reply),
    Close { is_drained: bool, done: oneshot::Sender<()> },
}

/// The `QoS` granted to each filter, where filters were asked for.
type Reply = oneshot::Sender<Result<Vec<u8>, LinkError>>;

impl Link {
    /// Opens a link: it connects in the background and stays connected as well as it
    /// can. Must be called within a tokio runtime.
    #[must_use]
    pub fn open(settings: LinkSettings) -> (Self, LinkEvents) {
        let (events, events_out) = mpsc::channel(EVENTS);
        let (orders, orders_in) = mpsc::channel(ORDERS);
        let (receipts, receipts_in) = mpsc::channel(2 * deliveries::MOST);
        let (status, status_out) = watch::channel(Status::default());
        let max_inflight = settings.max_inflight;
        let socket = socket::Socket::default();
        let (client, event_loop) = options::build(&settings, socket.clone());
        let channels =
            keeper::Channels { status, orders: orders_in, receipts: receipts_in, events, socket };
        let keeper = keeper::Keeper::new(settings, client.clone(), channels);
        tokio::spawn(keeper.run(event_loop));
        let link = Self {
            client,
            status: status_out,
            orders,
            receipts,
            room: Arc::new(Semaphore::new(usize::from(max_inflight.get()))),
            max_inflight,
        };
        (link, events_out)
    }

    /// Makes sure of these subscriptions, now and after every reconnect;
    /// returns once the broker has granted all of them.
    ///
    /// A refused one is an error here, and is tried again in the background.
    pub async fn subscribe(&self, subscriptions: Vec<Subscription>) -> Result<(), LinkError> {
        self.subscribe_and_tell(subscriptions).await.map(drop)
    }

    /// The same, and says with which `QoS` each was granted.
    pub async fn subscribe_and_tell(
        &self,
        subscriptions: Vec<Subscription>,
    ) -> Result<Vec<u8>, LinkError> {
        if let Some(bad) = subscriptions.iter().find(|one| !rumqttc::valid_filter(&one.filter)) {
            return Err(LinkError::BadTopic { topic: bad.filter.clone() });
        }
        self.order(|reply| Order::Subscribe(subscriptions, reply)).await
    }

    /// Ends these subscriptions; returns once the broker has confirmed it. One that
    /// there is not is no error.
    pub async fn unsubscribe(&self, filters: Vec<String>) -> Result<(), LinkError> {
        self.order(|reply| Order::Unsubscribe(filters, reply)).await.map(drop)
    }

    async fn order(&self, order: impl FnOnce(Reply) -> Order) -> Result<Vec<u8>, LinkError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| LinkError::Closed)?;
        answer.await.map_err(|_| LinkError::Closed)?
    }

    /// Publishes and waits for the broker's PUBACK (with `QoS` 0: until sent).
    ///
    /// Waits for a connection first. While it does nothing has been handed over,
    /// and dropping the future takes the publication back.
    pub async fn publish(&self, publication: Publication) -> Result<Taken, LinkError> {
        self.send(publication).await?.taken().await
    }

    /// Hands a publication over; the order of calls is the order on the wire.
    pub async fn send(&self, publication: Publication) -> Result<Sent, LinkError> {
        let Publication { topic, payload, qos, properties } = publication;
        if !rumqttc::valid_topic(&topic) || topic.is_empty() || topic.contains('\0') {
            return Err(LinkError::BadTopic { topic });
        }
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| LinkError::Closed)?;
        let limits = self.limits().await?;
        if qos > limits.qos {
            return Err(LinkError::Refused {
                reason: format!("{}: at most QoS {}", Reason::QOS_NOT_SUPPORTED, limits.qos),
            });
        }
        let quality = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        // One that is too large must not reach the library: it would lose the connection
        // and try again at the next, for ever.
        let properties = properties.into_packet();
        let (size, properties) = options::publish_size(&topic, quality, &payload, properties);
        if size > limits.packet_bytes {
            return Err(LinkError::TooLarge { size, limit: limits.packet_bytes });
        }
        let options = PublishOptions::new(quality).properties(properties);
        let notice = self
            .client
            .publish_tracked(topic, payload, options)
            .await
            .map_err(|_| LinkError::Closed)?;
        Ok(Sent { notice, _permit: permit })
    }

    /// Waits for a connection; says what its broker takes.
    async fn limits(&self) -> Result<Limits, LinkError> {
        if let Some(limits) = self.status.borrow().limits {
            return Ok(limits);
        }
        let mut status = self.status.clone();
        let status = status
            .wait_for(|status| status.limits.is_some() || status.has_ended)
            .await
            .map_err(|_| LinkError::Closed)?;
        status.limits.ok_or(LinkError::Closed)
    }

    /// Acknowledges a delivery; of an older connection: does nothing.
    ///
    /// Acknowledgements leave in the order in which the deliveries came
    /// (MQTT v5.0, section 4.6), so one that is early waits for those before it.
    pub fn acknowledge(&self, receipt: crate::dispatch::Receipt) {
        if deliveries::needs_no_acknowledgement(receipt) {
            return;
        }
        match self.receipts.try_send(receipt) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            // There is room for twice what can be outstanding, and the task takes all of
            // it when it forgets a connection.
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::error!("a message was acknowledged more than once");
            }
        }
    }

    /// Connected, and every subscription granted.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.status.borrow().is_up
    }

    /// How long the broker keeps the session of this connection after its
    /// end; `None` while there is no connection.
    #[must_use]
    pub fn session_expiry(&self) -> Option<Duration> {
        let status = *self.status.borrow();
        status.limits.map(|limits| Duration::from_secs(limits.session_expiry_secs.into()))
    }

    /// Connected, whatever has become of the subscriptions.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.status.borrow().limits.is_some()
    }

    /// What has been counted so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.status.borrow().statistics
    }

    /// Disconnects cleanly, waiting at most `grace` for what is being sent.
    pub async fn close(&self, grace: Duration) {
        let everything = u32::from(self.max_inflight.get());
        let grace = if self.is_connected() { grace } else { Duration::ZERO };
        let is_drained =
            tokio::time::timeout(grace, self.room.acquire_many(everything)).await.is_ok();
        self.room.close();
        let (done, ended) = oneshot::channel();
        if self.orders.send(Order::Close { is_drained, done }).await.is_ok() {
            // An error says that the task has ended: what we wait for.
            let _ended = ended.await;
        }
    }
}

/// A publication that was handed over.
#[derive(Debug)]
pub struct Sent {
    notice: PublishNotice,
    _permit: OwnedSemaphorePermit,
}

impl Sent {
    /// Waits for the broker's PUBACK (with `QoS` 0: until it was sent), over
    /// as many connections as that takes.
    pub async fn taken(self) -> Result<Taken, LinkError> {
        match self.notice.wait_async().await {
            Ok(PublishResult::Qos1(puback)) => {
                let reason = Reason::from(puback.reason);
                if reason == Reason::NO_MATCHING_SUBSCRIBERS {
                    Ok(Taken::NoMatchingSubscribers)
                } else if reason.is_failure() {
                    let said = puback.properties.and_then(|properties| properties.reason_string);
                    Err(LinkError::Refused { reason: reason.with(said.as_deref()) })
                } else {
                    Ok(Taken::Delivered)
                }
            }
            // With QoS 0; QoS 2 is never published.
            Ok(_) => Ok(Taken::Delivered),
            Err(PublishNoticeError::Recv) => Err(LinkError::Closed),
            // Whatever it was, the broker has not confirmed it.
            Err(_) => Err(LinkError::SessionReset),
        }
    }
}

/// Events of a link, in order; bounded, and the link waits when it is full.
pub type LinkEvents = mpsc::Receiver<LinkEvent>;

/// Sleeps until then; for ever where there is no then.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
