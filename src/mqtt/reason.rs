//! Reason codes by name.

use std::fmt;

use rumqttc::{
    ConnectReturnCode, ConnectionError, DisconnectReasonCode, PubAckReason, StateError,
    SubscribeReasonCode, UnsubAckReason,
};

/// A reason code (MQTT v5.0, section 2.4), for logs and errors: code and name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reason(pub u8);

impl Reason {
    /// Success, Normal disconnection, Granted `QoS` 0.
    pub const SUCCESS: Self = Self(0x00);
    /// Nobody has subscribed to the topic.
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// There was no such subscription to end.
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    /// Another connection uses our Client Identifier.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8E);
    /// More than a receiver has room for.
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// More than Maximum `QoS`.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9B);

    /// The name in table 2-6 of MQTT v5.0.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x00 => "Success",
            0x01 => "Granted QoS 1",
            0x02 => "Granted QoS 2",
            0x04 => "Disconnect with Will Message",
            0x10 => "No matching subscribers",
            0x11 => "No subscription existed",
            0x18 => "Continue authentication",
            0x19 => "Re-authenticate",
            0x80 => "Unspecified error",
            0x81 => "Malformed Packet",
            0x82 => "Protocol Error",
            0x83 => "Implementation specific error",
            0x84 => "Unsupported Protocol Version",
            0x85 => "Client Identifier not valid",
            0x86 => "Bad User Name or Password",
            0x87 => "Not authorized",
            0x88 => "Server unavailable",
            0x89 => "Server busy",
            0x8A => "Banned",
            0x8B => "Server shutting down",
            0x8C => "Bad authentication method",
            0x8D => "Keep Alive timeout",
            0x8E => "Session taken over",
            0x8F => "Topic Filter invalid",
            0x90 => "Topic Name invalid",
            0x91 => "Packet Identifier in use",
            0x92 => "Packet Identifier not found",
            0x93 => "Receive Maximum exceeded",
            0x94 => "Topic Alias invalid",
            0x95 => "Packet too large",
            0x96 => "Message rate too high",
            0x97 => "Quota exceeded",
            0x98 => "Administrative action",
            0x99 => "Payload format invalid",
            0x9A => "Retain not supported",
            0x9B => "QoS not supported",
            0x9C => "Use another server",
            0x9D => "Server moved",
            0x9E => "Shared Subscriptions not supported",
            0x9F => "Connection rate exceeded",
            0xA0 => "Maximum connect time",
            0xA1 => "Subscription Identifiers not supported",
            0xA2 => "Wildcard Subscriptions not supported",
            _ => "no reason code of MQTT 5",
        }
    }

    /// With the Reason String that came with it, escaped.
    #[must_use]
    pub fn with(self, text: Option<&str>) -> String {
        match text {
            Some(text) => format!("{self}, {text:?}"),
            None => self.to_string(),
        }
    }

    /// It says that something did not happen (MQTT v5.0, section 2.4).
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), self.0)
    }
}

impl From<PubAckReason> for Reason {
    fn from(code: PubAckReason) -> Self {
        Self(code as u8)
    }
}

impl From<UnsubAckReason> for Reason {
    fn from(code: UnsubAckReason) -> Self {
        Self(code as u8)
    }
}

impl From<DisconnectReasonCode> for Reason {
    fn from(code: DisconnectReasonCode) -> Self {
        Self(code as u8)
    }
}

impl From<&SubscribeReasonCode> for Reason {
    fn from(code: &SubscribeReasonCode) -> Self {
        use SubscribeReasonCode as Code;
        Self(match code {
            Code::Success(qos) => *qos as u8,
            Code::Failure | Code::Unspecified => 0x80,
            Code::ImplementationSpecific => 0x83,
            Code::NotAuthorized => 0x87,
            Code::TopicFilterInvalid => 0x8F,
            Code::PkidInUse => 0x91,
            Code::QuotaExceeded => 0x97,
            Code::SharedSubscriptionsNotSupported => 0x9E,
            Code::SubscriptionIdNotSupported => 0xA1,
            Code::WildcardSubscriptionsNotSupported => 0xA2,
        })
    }
}

impl From<ConnectReturnCode> for Reason {
    fn from(code: ConnectReturnCode) -> Self {
        use ConnectReturnCode as Code;
        Self(match code {
            Code::Success => 0x00,
            Code::UnspecifiedError => 0x80,
            Code::MalformedPacket => 0x81,
            Code::ProtocolError => 0x82,
            Code::ImplementationSpecificError => 0x83,
            Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => 0x84,
            Code::BadClientId | Code::ClientIdentifierNotValid => 0x85,
            Code::BadUserNamePassword => 0x86,
            Code::NotAuthorized => 0x87,
            Code::ServiceUnavailable | Code::ServerUnavailable => 0x88,
            Code::ServerBusy => 0x89,
            Code::Banned => 0x8A,
            Code::BadAuthenticationMethod => 0x8C,
            Code::TopicNameInvalid => 0x90,
            Code::PacketTooLarge => 0x95,
            Code::QuotaExceeded => 0x97,
            Code::PayloadFormatInvalid => 0x99,
            Code::RetainNotSupported => 0x9A,
            Code::QoSNotSupported => 0x9B,
            Code::UseAnotherServer => 0x9C,
            Code::ServerMoved => 0x9D,
            Code::ConnectionRateExceeded => 0x9F,
        })
    }
}

/// Why a connection ended or did not come about, for the log.
pub(super) fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker refused: {}", Reason::from(*code))
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let reason = Reason::from(*reason_code).with(reason_string.as_deref());
            format!("the broker disconnected: {reason}")
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "the connection was closed without a reason".to_owned()
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "the broker did not answer a PINGREQ".to_owned()
        }
        ConnectionError::MqttState(StateError::Deserialization(error)) => error.to_string(),
        ConnectionError::Timeout(_) => "the broker did not answer in time".to_owned(),
        ConnectionError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows MQTT-3.5-1 for the names themselves.
    #[test]
    fn every_reason_code_of_the_standard_has_its_name() {
        // MQTT v5.0, table 2-6: 43 codes.
        let named = (0..=u8::MAX).filter(|code| !Reason(*code).name().starts_with("no reason"));
        assert_eq!(named.count(), 43);
        assert_eq!(Reason::SESSION_TAKEN_OVER.to_string(), "Session taken over (0x8E)");
        assert_eq!(Reason::from(PubAckReason::QuotaExceeded).to_string(), "Quota exceeded (0x97)");
        assert_eq!(
            Reason::from(&SubscribeReasonCode::NotAuthorized).to_string(),
            "Not authorized (0x87)"
        );
        assert!(Reason(0x80).is_failure() && !Reason::NO_MATCHING_SUBSCRIBERS.is_failure());
    }
}
