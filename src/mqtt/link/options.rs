//! Our settings as the library takes them.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{
    AckMode, AsyncClient, Broker, ConnAck, ConnectProperties, EventLoop, IncomingPacketSizeLimit,
    MqttOptions, NetworkOptions, PersistedAckMode, PersistedSession, Publish, PublishProperties,
    QoS, RetainForwardRule, SessionStore, SessionStoreError, SessionStoreKey, SubscribeFilter,
    TlsConfiguration, Transport,
};

use super::socket::Socket;
use super::{Limits, LinkSettings, Session, Subscription, deliveries};
use crate::mqtt::config::{Credentials, KeepAlive};

/// Packets the library handles before it flushes: enough for a batch of
/// responses, few enough to look at the network in between.
const BATCH: usize = 64;

/// Subscribe and unsubscribe packets that may wait beside acknowledgements.
const CONTROL_PACKETS: usize = 256;

/// Makes client and event loop. Neither does anything before it is polled.
pub(super) fn build(settings: &LinkSettings, socket: Socket) -> (AsyncClient, EventLoop) {
    let capacity = 2 * deliveries::MOST + CONTROL_PACKETS;
    AsyncClient::builder(mqtt_options(settings, socket)).capacity(capacity).build()
}

fn mqtt_options(settings: &LinkSettings, socket: Socket) -> MqttOptions {
    let LinkSettings { url, .. } = settings;
    let mut options =
        MqttOptions::new(settings.client_id.as_str(), Broker::tcp(url.host(), url.port()));
    if url.is_tls() {
        let tls = settings.tls.as_ref().expect("settings with mqtts come with TLS");
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls.config())));
    }

    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(settings.session.expiry_secs());
    properties.receive_maximum = Some(settings.receive_maximum.get());
    properties.request_problem_info = Some(1);
    options
        .set_connect_properties(properties)
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(
            settings.maximum_packet_size.bytes(),
        ))
        .set_clean_start(settings.session == Session::Clean)
        .set_keep_alive(settings.keep_alive.secs())
        .set_connect_timeout(settings.connect_timeout)
        .set_ack_mode(AckMode::Manual)
        .set_outgoing_inflight_upper_limit(settings.max_inflight.get())
        .set_max_request_batch(BATCH);
    // One call sets both: each of the others forgets what the other one set.
    if let Some(Credentials { username, password }) = settings.credentials.clone() {
        match password {
            Some(password) => options.set_credentials(username, password.into_bytes()),
            None => options.set_username(username),
        };
    }

    let mut network = NetworkOptions::new();
    // Without it a round trip waits for the other side's delayed acknowledgement.
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    // The library writes host:port without the brackets that an IPv6 address needs.
    let address = url.socket_address();
    options
        .set_socket_connector(move |_, network| socket.clone().connect(address.clone(), network));
    resume_without_memory(&mut options, settings);
    options
}

/// Lets the library accept a session that the broker has kept and it knows
/// nothing of: after a restart of the process, or when it was told to forget.
///
/// By itself it refuses to connect then, for fear of losing what was being published. We
/// publish with `QoS` 1 from an outbox of our own, so there is nothing to lose. The store is
/// taken away again after CONNACK ([`forget_store`]), since it costs time at every flush.
pub(super) fn resume_without_memory(options: &mut MqttOptions, settings: &LinkSettings) {
    if settings.session != Session::Clean {
        options.set_session_store(NothingKept {
            max_inflight: settings.max_inflight.get(),
            client_id: settings.client_id.clone(),
        });
    }
}

/// See [`resume_without_memory`].
pub(super) fn forget_store(options: &mut MqttOptions) {
    options.clear_session_store();
}

type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Answers that there was a session, and nothing in it.
#[derive(Debug)]
struct NothingKept {
    max_inflight: u16,
    client_id: String,
}

impl SessionStore for NothingKept {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> StoreFuture<'a, Option<PersistedSession>> {
        Box::pin(async {
            Ok(Some(PersistedSession {
                format_version: 1,
                client_id: self.client_id.clone(),
                clean_start: false,
                session_expiry_interval: None,
                outgoing_inflight_upper_limit: Some(self.max_inflight),
                ack_mode: PersistedAckMode::Manual,
                last_pkid: 0,
                last_puback: 0,
                replay: Vec::new(),
                incoming_qos2: Vec::new(),
            }))
        })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// What the broker takes, and how long it keeps our session, by its CONNACK: as long as we
/// asked where it says nothing of that (MQTT v5.0, section 3.2.2.3.2).
pub(super) fn limits(connack: &ConnAck, session: Session) -> Limits {
    let said = connack.properties.as_ref();
    let packet_bytes = said.and_then(|said| said.max_packet_size);
    Limits {
        packet_bytes: packet_bytes.map_or(usize::MAX, |size| {
            usize::try_from(size).expect("a u32 fits on the machines we build for")
        }),
        qos: said.and_then(|said| said.max_qos).unwrap_or(2),
        session_expiry_secs: said
            .and_then(|said| said.session_expiry_interval)
            .unwrap_or(session.expiry_secs()),
    }
}

/// The keep-alive of a connection, in seconds: the broker's where it has one, else ours.
/// `None` where it wants none, and the library has switched its timer off.
pub(super) fn keep_alive_secs(connack: &ConnAck, ours: KeepAlive) -> Option<u16> {
    match connack.properties.as_ref().and_then(|said| said.server_keep_alive) {
        Some(0) => None,
        Some(theirs) => Some(theirs),
        None => Some(ours.secs()),
    }
}

/// When to send a PINGREQ so that it is on the wire by 95% of the keep-alive
/// (Transfer via MQTT v1.0, section 3.4); the library counts in whole seconds.
///
/// A broker may impose 1 s, of which there are no 95% in whole seconds: then it is 1 s.
pub(super) fn ping_after_secs(keep_alive_secs: u16) -> u16 {
    let secs = u32::from(keep_alive_secs) * 95 / 100;
    u16::try_from(secs).expect("less than a u16").max(1)
}

/// Silence of the broker after which the connection is given up whatever the library
/// thinks: by then at least one PINGREQ has had no answer.
pub(super) fn longest_silence(keep_alive_secs: u16) -> Duration {
    Duration::from_secs(u64::from(keep_alive_secs)) * 5 / 2
}

/// Size of the PUBLISH packet, in bytes; and its properties, given back.
pub(super) fn publish_size(
    topic: &str,
    qos: QoS,
    payload: &Bytes,
    properties: PublishProperties,
) -> (usize, PublishProperties) {
    let mut packet = Publish::new(topic, qos, payload.clone(), Some(properties));
    // The library gives the Packet Identifier later; without one it counts two bytes less.
    packet.pkid = u16::from(qos != QoS::AtMostOnce);
    (packet.size(), packet.properties.unwrap_or_default())
}

pub(super) fn to_filter(subscription: &Subscription) -> SubscribeFilter {
    let qos = match subscription.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    };
    let mut filter = SubscribeFilter::new(subscription.filter.as_str(), qos);
    // With a shared subscription No Local is a protocol error (MQTT v5.0, section 3.8.3.1).
    filter.nolocal = subscription.no_local && !subscription.filter.starts_with("$share/");
    filter.preserve_retain = subscription.retain_as_published;
    filter.retain_forward_rule = match subscription.retain_handling {
        0 => RetainForwardRule::OnEverySubscribe,
        1 => RetainForwardRule::OnNewSubscribe,
        _ => RetainForwardRule::Never,
    };
    filter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::MqttConfig;

    /// Shows MQTT-3.4-1 for the arithmetic; the wire is in `tests/it/mqtt_ping.rs`.
    #[test]
    fn pings_are_due_by_95_percent_of_the_keep_alive() {
        for secs in 2..=300_u16 {
            let due = ping_after_secs(secs);
            assert!(due >= 1 && u32::from(due) * 100 <= u32::from(secs) * 95, "{secs}: {due}");
        }
        assert_eq!(ping_after_secs(300), 285);
        assert_eq!(ping_after_secs(1), 1);
    }

    /// Trap 7, as far as it is not in CONNECT: what the library would not do by itself.
    #[test]
    fn the_library_is_set_up_as_measured() {
        let config = MqttConfig::default();
        let settings = LinkSettings::clean(&config, "Id1".to_owned()).unwrap();
        let options = mqtt_options(&settings, Socket::default());
        assert!(format!("{:?}", options.network_options()).contains("tcp_nodelay: true"));
        assert_eq!(options.get_outgoing_inflight_upper_limit(), Some(256));
        assert_eq!(options.ack_mode(), AckMode::Manual);
        assert!(options.incoming_packet_size_limit() == IncomingPacketSizeLimit::Bytes(1 << 20));
        assert_eq!(options.max_request_batch(), BATCH);
    }

    /// Trap 12.
    #[test]
    fn a_shared_subscription_has_no_no_local() {
        let shared = Subscription::openc2("$share/group/oc2/cmd/all".to_owned());
        assert!(!to_filter(&shared).nolocal);
        assert!(to_filter(&Subscription::openc2("oc2/cmd/all".to_owned())).nolocal);
    }
}
