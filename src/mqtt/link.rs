//! One connection to a broker, kept up.
//!
//! A task of its own holds the connection ([`keeper`]); a [`Link`] is how others
//! speak to it. It never stops reading, so that pings go out however slow its owner is:
//! what bounds the deliveries it holds is the Receive Maximum.

mod backoff;
mod deliveries;
mod keeper;
mod options;
mod subscriptions;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, PublishNotice, PublishNoticeError, PublishOptions, PublishResult, QoS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::client_id::SessionFile;
use super::config::{
    BrokerUrl, ConfigError, Credentials, KeepAlive, MaxInflight, MaximumPacketSize, MqttConfig,
};
use super::reason::Reason;
use crate::tls::ClientTls;
pub(super) use backoff::Backoff;

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

/// What a link has to know before it connects.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Where the broker is.
    pub url: BrokerUrl,
    /// TLS; must be there for `mqtts`, and is not looked at for `mqtt`.
    pub tls: Option<ClientTls>,
    /// User name and password.
    pub credentials: Option<Credentials>,
    /// Client Identifier: 1 to 23 letters and digits.
    pub client_id: String,
    /// What the broker keeps of us between connections.
    pub session: Session,
    /// Subscriptions from the first connection on.
    pub subscriptions: Vec<Subscription>,
    /// Longest silence the broker tolerates from us.
    pub keep_alive: KeepAlive,
    /// Deliveries with `QoS` 1 or 2 that may be unacknowledged.
    pub receive_maximum: NonZeroU16,
    /// Largest packet we take.
    pub maximum_packet_size: MaximumPacketSize,
    /// Publications that may be unconfirmed.
    pub max_inflight: MaxInflight,
    /// Longest wait for a connection, from the first packet to CONNACK.
    pub connect_timeout: Duration,
    /// Wait before the first attempt to connect again, and the longest such wait.
    pub backoff: (Duration, Duration),
    /// Wait before connecting again after another client took our Client Identifier.
    pub takeover_pause: Duration,
}

/// What the broker keeps of us between connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Session {
    /// Nothing: Clean Start 1, no expiry. For what only looks on, and for devices.
    Clean,
    /// Subscriptions and messages: Clean Start 0 (Transfer via MQTT v1.0, section 3.1).
    Kept {
        /// For how long, in whole seconds.
        expiry_secs: u32,
        /// There was a session with this Client Identifier before, so its absence is an alarm.
        is_known: bool,
    },
}

/// Wait after another client took our Client Identifier, unless set otherwise: we must
/// not fight, since each connection of one throws the other out.
pub const TAKEOVER_PAUSE: Duration = Duration::from_mins(1);

/// Events an owner may leave unread in the channel. Further ones wait in the task.
const EVENTS: usize = 64;

/// Subscribe, unsubscribe and close orders that may wait.
const ORDERS: usize = 64;

/// Longest wait for a clean DISCONNECT, beyond the grace for what is being sent.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

impl LinkSettings {
    /// Settings for a link that leaves no trace at the broker: clean start, no expiry.
    ///
    /// The Client Identifier should be one that nobody else uses; see [`random_client_id`](super::client_id::random_client_id).
    pub fn clean(config: &MqttConfig, client_id: String) -> Result<Self, ConfigError> {
        Ok(Self {
            url: config.url.clone(),
            tls: config.tls()?,
            credentials: config.credentials()?,
            client_id,
            session: Session::Clean,
            subscriptions: Vec::new(),
            keep_alive: config.keep_alive,
            receive_maximum: config.receive_maximum,
            maximum_packet_size: config.maximum_packet_size,
            max_inflight: config.max_inflight,
            connect_timeout: config.connect_timeout,
            backoff: (config.backoff_min, config.backoff_max),
            takeover_pause: TAKEOVER_PAUSE.max(config.backoff_max),
        })
    }

    /// Settings for a link whose session the broker keeps, as producers and consumers must
    /// have it (Transfer via MQTT v1.0, section 3.1).
    pub fn kept(config: &MqttConfig, session: &SessionFile) -> Result<Self, ConfigError> {
        Ok(Self {
            session: Session::Kept {
                expiry_secs: u32::try_from(config.session_expiry.as_secs()).unwrap_or(u32::MAX),
                is_known: !session.filters().is_empty(),
            },
            ..Self::clean(config, session.client_id().to_owned())?
        })
    }
}

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
}

#[derive(Debug)]
enum Order {
    Subscribe(Vec<Subscription>, Reply),
    Unsubscribe(Vec<String>, Reply),
    Close { is_drained: bool, done: oneshot::Sender<()> },
}

type Reply = oneshot::Sender<Result<(), LinkError>>;

/// What a link tells its owner.
#[derive(Debug)]
pub enum LinkEvent {
    /// Connected, and every subscription of ours has been granted again.
    Up {
        /// The broker kept our session.
        session_present: bool,
    },
    /// The connection is gone, did not come about, or has a subscription that
    /// was refused; the link tries again by itself.
    Down {
        /// Why, with the reason code by name.
        reason: String,
    },
    /// A message came.
    Message(Delivery),
}

/// A message from the broker.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What [`Link::acknowledge`] wants; meaningless on any other connection.
    pub receipt: crate::dispatch::Receipt,
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Bytes,
    /// Quality of service, 0 to 2.
    pub qos: u8,
    /// RETAIN flag.
    pub retained: bool,
    /// DUP flag.
    pub dup: bool,
    /// Properties of the PUBLISH.
    pub properties: Properties,
}

/// The properties of a PUBLISH that we read or write.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Properties {
    /// Payload Format Indicator.
    pub is_utf8: Option<bool>,
    /// Content Type.
    pub content_type: Option<String>,
    /// Response Topic.
    pub response_topic: Option<String>,
    /// Message Expiry Interval, in whole seconds.
    pub expiry_secs: Option<u32>,
    /// User properties, in order.
    pub user: Vec<(String, String)>,
}

/// A message to the broker. Retain is never set.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Topic name; checked: no wildcard, no NUL.
    pub topic: String,
    /// Application message.
    pub payload: Bytes,
    /// Quality of service, 0 or 1.
    pub qos: u8,
    /// Properties.
    pub properties: Properties,
}

/// How the broker took a publication.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// PUBACK with Success (or sent, with `QoS` 0).
    Delivered,
    /// PUBACK 0x10: nobody has subscribed to the topic.
    NoMatchingSubscribers,
}

/// Why a publication or subscription did not happen.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The broker refused, with this reason code.
    #[error("the broker refused: {reason}")]
    Refused {
        /// By name, as in MQTT 5 section 2.4.
        reason: String,
    },
    /// Larger than the broker takes.
    #[error("{size} bytes, the broker takes {limit}")]
    TooLarge {
        /// Size of the packet, in bytes.
        size: usize,
        /// The broker's Maximum Packet Size, in bytes.
        limit: usize,
    },
    /// The session was lost before the broker confirmed; it may be published again.
    #[error("the session was lost before the broker confirmed")]
    SessionReset,
    /// The topic holds what a topic must not.
    #[error("{topic:?} is no topic to publish to")]
    BadTopic {
        /// As given.
        topic: String,
    },
    /// The link was closed.
    #[error("the connection was closed")]
    Closed,
}

/// Subscription to a topic filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subscription {
    /// Topic filter.
    pub filter: String,
    /// Maximum `QoS`.
    pub qos: u8,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Retain Handling: 0, 1 or 2.
    pub retain_handling: u8,
}

impl Subscription {
    /// The subscription options that the transfer specification recommends
    /// (Transfer via MQTT v1.0, section 3.3): Maximum `QoS` 2, No Local, Retain As
    /// Published, Retain Handling 0.
    #[must_use]
    pub fn openc2(filter: String) -> Self {
        Self { filter, qos: 2, no_local: true, retain_as_published: true, retain_handling: 0 }
    }
}

impl Link {
    /// Opens a link: it connects in the background and stays connected as well as it
    /// can. Must be called within a tokio runtime.
    #[must_use]
    pub fn open(settings: LinkSettings) -> (Self, LinkEvents) {
        let (events, events_out) = mpsc::channel(EVENTS);
        let (orders, orders_in) = mpsc::channel(ORDERS);
        let (receipts, receipts_in) =
            mpsc::channel(2 * deliveries::hard_limit(settings.receive_maximum));
        let (status, status_out) = watch::channel(Status::default());
        let max_inflight = settings.max_inflight;
        let (client, event_loop) = options::build(&settings);
        let keeper = keeper::Keeper::new(
            settings,
            client.clone(),
            keeper::Channels { status, orders: orders_in, receipts: receipts_in, events },
        );
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
        if let Some(bad) = subscriptions.iter().find(|one| !rumqttc::valid_filter(&one.filter)) {
            return Err(LinkError::BadTopic { topic: bad.filter.clone() });
        }
        self.order(|reply| Order::Subscribe(subscriptions, reply)).await
    }

    /// Ends these subscriptions; returns once the broker has confirmed it. One that
    /// there is not is no error.
    pub async fn unsubscribe(&self, filters: Vec<String>) -> Result<(), LinkError> {
        self.order(|reply| Order::Unsubscribe(filters, reply)).await
    }

    async fn order(&self, order: impl FnOnce(Reply) -> Order) -> Result<(), LinkError> {
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
        let properties = properties.to_packet();
        // One that is too large must not reach the library: it would lose the connection
        // and try again at the next, for ever.
        let size = options::publish_size(&topic, quality, &payload, &properties);
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
            // There is room for twice what can be outstanding, and the task reads
            // before it forgets a connection.
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

    /// What has been counted so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.status.borrow().statistics
    }

    /// Disconnects cleanly, waiting at most `grace` for what is being sent.
    pub async fn close(&self, grace: Duration) {
        let everything = u32::from(self.max_inflight.get());
        let is_connected = self.status.borrow().limits.is_some();
        let grace = if is_connected { grace } else { Duration::ZERO };
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
