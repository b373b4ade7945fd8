//! When to connect again.

use std::time::Duration;

use rumqttc::{ConnectReturnCode, ConnectionError, DisconnectReasonCode, StateError};

use super::LinkSettings;
use super::backoff::{Backoff, jittered};
use crate::tls;

/// A connection that lasted this long was a good one: the waits begin at the shortest again.
const STABLE: Duration = Duration::from_secs(10);

/// So many connections in a row that did not last are worth an alarm.
const SHORT_LIVED: u32 = 3;

/// What to do about a connection that is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// Connect again.
    Ordinary,
    /// Another client has our identifier: connect again, much later.
    TakenOver,
    /// The other side will not have us: connect again, should somebody change that.
    Refused,
    /// Something the broker will not take is being published again and again.
    TooLarge,
}

impl Cause {
    pub(super) fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => Self::TakenOver,
            ConnectionError::MqttState(
                StateError::OutgoingPacketTooLarge { .. }
                | StateError::Deserialization(rumqttc::Error::OutgoingPacketTooLarge { .. }),
            ) => Self::TooLarge,
            ConnectionError::ConnectionRefused(code) if !passes(*code) => Self::Refused,
            ConnectionError::Tls(_) => Self::Refused,
            ConnectionError::Io(error) if tls::is_refusal(error) => Self::Refused,
            _ => Self::Ordinary,
        }
    }
}

/// Whether a refusal may pass by itself (MQTT v5.0, section 3.2.2.2).
fn passes(code: ConnectReturnCode) -> bool {
    use ConnectReturnCode as Code;
    matches!(
        code,
        Code::UnspecifiedError
            | Code::ServerUnavailable
            | Code::ServerBusy
            | Code::QuotaExceeded
            | Code::ConnectionRateExceeded
    )
}

/// Decides how long to wait.
#[derive(Debug)]
pub(super) struct Reconnect {
    backoff: Backoff,
    takeover_pause: Duration,
    client_id: String,
    /// Connections in a row that came about and did not last.
    short_lived: u32,
}

impl Reconnect {
    pub(super) fn new(settings: &LinkSettings) -> Self {
        Self {
            backoff: Backoff::new(settings.backoff),
            takeover_pause: settings.takeover_pause,
            client_id: settings.client_id.clone(),
            short_lived: 0,
        }
    }

    /// How long to wait after a connection that lasted so long, or never came about.
    pub(super) fn wait(&mut self, cause: Cause, lasted: Option<Duration>) -> Duration {
        if let Some(lasted) = lasted {
            self.weigh(lasted);
        }
        if cause != Cause::TakenOver {
            return self.backoff.next();
        }
        tracing::error!(
            alarm = "session taken over",
            client_id = self.client_id,
            "another client uses our client identifier"
        );
        jittered(self.takeover_pause)
    }

    /// Begins the waits anew after a connection that lasted. One that did not is, again and
    /// again, what a second client with our identifier looks like at a broker that gives no reason
    /// (mosquitto 2.0.11 does not): the waits that grow keep us from fighting.
    fn weigh(&mut self, lasted: Duration) {
        if lasted >= STABLE {
            self.backoff.reset();
            self.short_lived = 0;
            return;
        }
        self.short_lived = self.short_lived.saturating_add(1);
        if self.short_lived == SHORT_LIVED {
            tracing::error!(
                alarm = "connections do not last",
                client_id = self.client_id,
                "does another client use our client identifier?"
            );
        }
    }
}
