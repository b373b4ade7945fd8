//! What a link has to know.

use std::num::NonZeroU16;
use std::time::Duration;

use super::Subscription;
use crate::mqtt::client_id::SessionFile;
use crate::mqtt::config::{
    BrokerUrl, ConfigError, Credentials, KeepAlive, MaxInflight, MaximumPacketSize, MqttConfig,
};
use crate::tls::ClientTls;

/// What a link has to know before it connects.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// What the connection is for, in the log: a process may have several.
    pub purpose: &'static str,
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

impl Session {
    /// A session that is kept for as long as the settings say.
    pub(in crate::mqtt) fn kept(config: &MqttConfig, is_known: bool) -> Self {
        let expiry_secs = u32::try_from(config.session_expiry.as_secs()).unwrap_or(u32::MAX);
        Self::Kept { expiry_secs, is_known }
    }

    /// The Session Expiry Interval of CONNECT (MQTT v5.0, section 3.1.2.11.2).
    pub(super) fn expiry_secs(self) -> u32 {
        match self {
            Self::Clean => 0,
            Self::Kept { expiry_secs, .. } => expiry_secs,
        }
    }
}

/// Wait after another client took our Client Identifier, unless set otherwise: we must
/// not fight, since each connection of one throws the other out.
pub const TAKEOVER_PAUSE: Duration = Duration::from_mins(1);

/// The Receive Maximum of whoever has no journal and says nothing of it.
const RECEIVE_MAXIMUM: NonZeroU16 = NonZeroU16::new(256).unwrap();

impl LinkSettings {
    /// Settings for a link that leaves no trace at the broker: clean start, no expiry.
    ///
    /// The Client Identifier should be one that nobody else uses: see
    /// [`random_client_id`](crate::mqtt::client_id::random_client_id).
    pub fn clean(config: &MqttConfig, client_id: String) -> Result<Self, ConfigError> {
        Ok(Self {
            purpose: "tools",
            url: config.url.clone(),
            tls: config.tls()?,
            credentials: config.credentials()?,
            client_id,
            session: Session::Clean,
            subscriptions: Vec::new(),
            keep_alive: config.keep_alive,
            receive_maximum: config.receive_maximum.unwrap_or(RECEIVE_MAXIMUM),
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
            session: Session::kept(config, !session.filters().is_empty()),
            ..Self::clean(config, session.client_id().to_owned())?
        })
    }
}
