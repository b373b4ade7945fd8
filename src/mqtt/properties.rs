//! The properties of a PUBLISH, read and written.

use rumqttc::PublishProperties;

use super::link::Properties;
use crate::dispatch::{Declared, HOPS};
use crate::wire::{Encoding, Kind};

/// Content Type of every `OpenC2` message.
pub const CONTENT_TYPE: &str = "application/openc2";

/// The properties of an `OpenC2` message (Transfer via MQTT v1.0, section 3.2).
///
/// Never a Response Topic: producers must not set one.
#[must_use]
pub fn openc2_properties(kind: Kind, encoding: Encoding) -> Properties {
    let msg_type = match kind {
        Kind::Request => "req",
        Kind::Response => "rsp",
        Kind::Notification => "ntf",
    };
    Properties {
        is_utf8: Some(encoding == Encoding::Json),
        content_type: Some(CONTENT_TYPE.to_owned()),
        user: vec![
            ("msgType".to_owned(), msg_type.to_owned()),
            ("encoding".to_owned(), encoding.as_str().to_owned()),
        ],
        ..Properties::default()
    }
}

impl Properties {
    pub(super) fn into_packet(self) -> PublishProperties {
        PublishProperties {
            payload_format_indicator: self.is_utf8.map(u8::from),
            message_expiry_interval: self.expiry_secs,
            response_topic: self.response_topic,
            content_type: self.content_type,
            user_properties: self.user,
            ..PublishProperties::default()
        }
    }

    pub(super) fn from_packet(properties: Option<PublishProperties>) -> Self {
        let Some(properties) = properties else { return Self::default() };
        Self {
            is_utf8: properties.payload_format_indicator.map(|indicator| indicator == 1),
            content_type: properties.content_type,
            response_topic: properties.response_topic,
            expiry_secs: properties.message_expiry_interval,
            user: properties.user_properties,
        }
    }

    /// What these properties say of the payload.
    pub(super) fn declared(&self) -> Declared {
        let said = |name: &'static str| {
            self.user.iter().filter(move |(key, _)| key == name).map(|(_, it)| it)
        };
        let user = |name| said(name).next().cloned();
        let is_twofold = |name| said(name).any(|it| Some(it) != said(name).next());
        Declared {
            twofold: ["msgType", "encoding"].into_iter().find(|name| is_twofold(name)),
            content_type: self.content_type.clone(),
            msg_type: user("msgType"),
            encoding: user("encoding"),
            is_utf8: self.is_utf8,
            has_response_topic: self.response_topic.is_some(),
            // What is no number is as far as it can be.
            hops: said(HOPS).map(|hops| hops.parse().unwrap_or(u8::MAX)).max().unwrap_or(0),
        }
    }
}
