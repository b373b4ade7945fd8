//! A plain MQTT 5 client: what a device is, or a stranger on the broker.
//!
//! It knows nothing of OpenC2, keeps nothing on disk and never connects again by
//! itself: when the connection is gone, [`Peer::receive`] says so. The bridge's
//! own connection is [`super::link::Link`].

use std::time::Duration;

use bytes::Bytes;
use rumqttc::{
    AsyncClient, BrokerSessionResumePolicy, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Packet, PubAckReason, Publish, PublishOptions, PublishProperties,
    PublishResult, QoS, RetainForwardRule, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::link::{Properties, Subscription};

/// Largest packet a peer takes, in bytes.
const MAX_PACKET_BYTES: u32 = 1024 * 1024;
/// Messages that wait for [`Peer::receive`]; when it is full the peer reads no
/// more, and the broker waits.
const INBOX_MESSAGES: usize = 1024;
/// Requests that wait for the connection.
const REQUESTS: usize = 64;
/// Publications that wait for the broker's confirmation. The library reserves room
/// for each, and looks at all of them again and again: its default is 65535.
const MAX_INFLIGHT: u16 = 64;
/// Longest wait for a CONNACK, SUBACK or PUBACK.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest silence the broker tolerates from a peer, in seconds.
const KEEP_ALIVE_SECS: u16 = 60;
/// TCP port of MQTT without TLS.
const MQTT_PORT: u16 = 1883;

/// How a peer connects.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// `mqtt://host[:port]`.
    pub url: String,
    /// Client Identifier.
    pub client_id: String,
    /// Clean Start.
    pub clean_start: bool,
    /// Session Expiry Interval, in seconds; 0 ends the session with the connection.
    pub session_expiry_secs: u32,
    /// What the broker says when the peer is gone without a farewell.
    pub will: Option<PeerMessage>,
}

impl PeerOptions {
    /// A clean session without a will.
    #[must_use]
    pub fn new(url: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            client_id: client_id.into(),
            clean_start: true,
            session_expiry_secs: 0,
            will: None,
        }
    }
}

/// A message, on its way to the broker or from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerMessage {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Bytes,
    /// Quality of service, 0 to 2.
    pub qos: u8,
    /// RETAIN flag.
    pub retain: bool,
    /// Properties of the PUBLISH.
    pub properties: Properties,
}

impl PeerMessage {
    /// A message with `QoS` 1, not retained, without properties.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: 1,
            retain: false,
            properties: Properties::default(),
        }
    }
}

/// Why a peer could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The URL is not of the form `mqtt://host[:port]`.
    #[error("{0:?} is not of the form mqtt://host[:port]")]
    BadUrl(String),
    /// No connection to the broker, or the broker refused it.
    #[error("no connection to {url}: {reason}")]
    Connect {
        /// As given.
        url: String,
        /// What the library says of it.
        reason: String,
    },
    /// The broker refused a subscription or a publication.
    #[error("the broker refused {what}: {reason}")]
    Refused {
        /// Topic or topic filter.
        what: String,
        /// Reason code by name.
        reason: String,
    },
    /// The connection went away first.
    #[error("the connection is gone")]
    Gone,
    /// The broker did not confirm in time.
    #[error("the broker did not confirm within {} s", PATIENCE.as_secs())]
    TimedOut,
}

/// A connected client. Dropping it cuts the connection, and the broker speaks its will.
#[derive(Debug)]
pub struct Peer {
    client: AsyncClient,
    inbox: mpsc::Receiver<PeerMessage>,
    session_present: bool,
    connection: JoinHandle<()>,
}

impl Peer {
    /// Connects, and returns once the broker has accepted.
    pub async fn connect(options: PeerOptions) -> Result<Self, PeerError> {
        let mqtt = mqtt_options(&options)?;
        let (client, events) = AsyncClient::builder(mqtt).capacity(REQUESTS).build();
        let (accepted, acceptance) = oneshot::channel();
        let (deliveries, inbox) = mpsc::channel(INBOX_MESSAGES);
        let connection = tokio::spawn(poll(events, accepted, deliveries));

        let reason = match timeout(PATIENCE, acceptance).await {
            Ok(Ok(Ok(session_present))) => {
                return Ok(Self { client, inbox, session_present, connection });
            }
            Ok(Ok(Err(reason))) => reason,
            Ok(Err(_)) => "the connection ended".to_owned(),
            Err(_) => "no answer".to_owned(),
        };
        connection.abort();
        Err(PeerError::Connect { url: options.url, reason })
    }

    /// The broker had kept a session for us.
    #[must_use]
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// Subscribes, and returns once the broker has granted all of them.
    pub async fn subscribe(&self, subscriptions: Vec<Subscription>) -> Result<(), PeerError> {
        let what = subscriptions.iter().map(|s| s.filter.as_str()).collect::<Vec<_>>().join(" ");
        let filters: Vec<_> = subscriptions.into_iter().map(filter).collect();
        let granted = async {
            let notice = self.client.subscribe_many_tracked(filters).await.ok()?;
            notice.wait_async().await.ok()
        };
        let suback = timeout(PATIENCE, granted).await.map_err(|_| PeerError::TimedOut)?;
        let refusal = suback
            .ok_or(PeerError::Gone)?
            .return_codes
            .into_iter()
            .find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
        match refusal {
            None => Ok(()),
            Some(code) => Err(PeerError::Refused { what, reason: format!("{code:?}") }),
        }
    }

    /// Publishes, and returns once the broker has taken it over (with `QoS` 0: once sent).
    pub async fn publish(&self, message: PeerMessage) -> Result<(), PeerError> {
        let options = PublishOptions::new(qos(message.qos))
            .retain(message.retain)
            .properties(to_publish(message.properties));
        let what = message.topic.clone();
        let taken = async {
            let publishing = self.client.publish_tracked(message.topic, message.payload, options);
            publishing.await.ok()?.wait_async().await.ok()
        };
        let result = timeout(PATIENCE, taken).await.map_err(|_| PeerError::TimedOut)?;
        match result.ok_or(PeerError::Gone)? {
            PublishResult::Qos1(puback)
                if !matches!(
                    puback.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                ) =>
            {
                Err(PeerError::Refused { what, reason: format!("{:?}", puback.reason) })
            }
            PublishResult::Qos2PubRecRejected(pubrec) => {
                Err(PeerError::Refused { what, reason: format!("{:?}", pubrec.reason) })
            }
            _ => Ok(()),
        }
    }

    /// The next message; `None` once the connection is gone.
    pub async fn receive(&mut self) -> Option<PeerMessage> {
        self.inbox.recv().await
    }

    /// Says farewell to the broker, which then keeps the will to itself.
    pub async fn disconnect(mut self) {
        // An error means that the connection is gone already.
        if self.client.disconnect_now().await.is_ok() {
            // What still comes in must not block the goodbye.
            self.inbox.close();
            // Out of patience: dropping cuts it.
            let _late = timeout(PATIENCE, &mut self.connection).await;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Drives the connection to its end.
async fn poll(
    mut events: EventLoop,
    accepted: oneshot::Sender<Result<bool, String>>,
    deliveries: mpsc::Sender<PeerMessage>,
) {
    let mut accepted = Some(accepted);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(connack))) => {
                if let Some(accepted) = accepted.take() {
                    // Gone: nobody waits any longer, and this task is being aborted.
                    let _gone = accepted.send(Ok(connack.session_present));
                }
            }
            // A closed inbox means that the peer is leaving; the goodbye still has to be sent.
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                drop(deliveries.send(from_publish(publish)).await);
            }
            Ok(_) => {}
            // The library would connect again at the next poll; a peer does not.
            Err(error) => {
                if let Some(accepted) = accepted.take() {
                    let _gone = accepted.send(Err(error.to_string()));
                }
                return;
            }
        }
    }
}

fn mqtt_options(options: &PeerOptions) -> Result<MqttOptions, PeerError> {
    let (host, port) =
        host_and_port(&options.url).ok_or_else(|| PeerError::BadUrl(options.url.clone()))?;
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);

    let mut mqtt = MqttOptions::new(&options.client_id, (host, port));
    mqtt.set_keep_alive(KEEP_ALIVE_SECS)
        .set_clean_start(options.clean_start)
        .set_session_expiry_interval(Some(options.session_expiry_secs))
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_outgoing_inflight_upper_limit(MAX_INFLIGHT)
        .set_network_options(network)
        .set_connect_timeout(PATIENCE);
    if !options.clean_start {
        // A peer starts without a memory of its own; the broker's is enough to receive.
        mqtt.set_broker_session_resume_policy(BrokerSessionResumePolicy::AllowBrokerOnly);
    }
    if let Some(will) = &options.will {
        mqtt.set_last_will(LastWill::new(
            &will.topic,
            will.payload.to_vec(),
            qos(will.qos),
            will.retain,
            None,
        ));
    }
    Ok(mqtt)
}

fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let authority = url.strip_prefix("mqtt://")?.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, MQTT_PORT),
    };
    let is_host = !host.is_empty() && !host.contains(['/', '@', '?', '#', ':']);
    is_host.then_some((host, port))
}

fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn filter(subscription: Subscription) -> SubscribeFilter {
    SubscribeFilter {
        path: subscription.filter,
        qos: qos(subscription.qos),
        nolocal: subscription.no_local,
        preserve_retain: subscription.retain_as_published,
        retain_forward_rule: match subscription.retain_handling {
            0 => RetainForwardRule::OnEverySubscribe,
            1 => RetainForwardRule::OnNewSubscribe,
            _ => RetainForwardRule::Never,
        },
    }
}

fn to_publish(properties: Properties) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: properties.is_utf8.map(u8::from),
        message_expiry_interval: properties.expiry_secs,
        response_topic: properties.response_topic,
        user_properties: properties.user,
        content_type: properties.content_type,
        ..PublishProperties::default()
    }
}

fn from_publish(publish: Publish) -> PeerMessage {
    let properties = publish.properties.unwrap_or_default();
    PeerMessage {
        // The library has checked that it is UTF-8.
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload,
        qos: publish.qos as u8,
        retain: publish.retain,
        properties: Properties {
            is_utf8: properties.payload_format_indicator.map(|indicator| indicator == 1),
            content_type: properties.content_type,
            response_topic: properties.response_topic,
            expiry_secs: properties.message_expiry_interval,
            user: properties.user_properties,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn a_url_names_a_host_and_perhaps_a_port() {
        let cases = [
            ("mqtt://127.0.0.1:1884", Some(("127.0.0.1", 1884))),
            ("mqtt://broker.example", Some(("broker.example", 1883))),
            ("mqtt://broker.example/", Some(("broker.example", 1883))),
            ("mqtts://broker.example", None),
            ("mqtt://user:secret@broker.example", None),
            ("mqtt://broker.example:many", None),
            ("mqtt://", None),
            ("broker.example:1883", None),
        ];
        for (url, expected) in cases {
            assert_eq!(host_and_port(url), expected, "{url}");
        }
    }
}
