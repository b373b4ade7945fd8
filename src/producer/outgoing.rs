//! A command on its way out: headers, topic, properties.

use bytes::Bytes;
use uuid::Uuid;

use crate::dispatch::{Address, HOPS};
use crate::mqtt::link::{Publication, Subscription};
use crate::mqtt::openc2_properties;
use crate::mqtt::topics::{self, TopicError, TopicLevel, TopicPrefix};
use crate::openc2::{Command, Content, Headers, Members, Message};
use crate::wire::{self, Encoding, Kind};

/// Quality of service of every OpenC2 message (Transfer via MQTT v1.0, section 3.2).
const AT_LEAST_ONCE: u8 = 1;

/// The headers a producer gives its command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// What ties responses to the command; a version 4 UUID unless told otherwise.
    pub request_id: String,
    /// When it was made, in milliseconds since 1970-01-01T00:00:00Z.
    pub created_ms: u64,
    /// The producer's identity.
    pub from: String,
    /// Identities of the consumers that are meant; empty: all that the topic reaches.
    pub to: Vec<String>,
}

impl Envelope {
    /// Headers for a new command: a fresh `request_id`, the time of day.
    #[must_use]
    pub fn new(from: impl Into<String>) -> Self {
        Self {
            request_id: Uuid::new_v4().to_string(),
            created_ms: super::now_ms(),
            from: from.into(),
            to: Vec::new(),
        }
    }
}

/// A command as it will stand in the PUBLISH.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    request_id: Option<String>,
    payload: Bytes,
    hops: u8,
}

impl Outgoing {
    /// A command with the headers of `envelope`.
    #[must_use]
    pub fn command(envelope: Envelope, command: Command) -> Self {
        let Envelope { request_id, created_ms, from, to } = envelope;
        let headers = Headers {
            request_id: Some(request_id.clone()),
            created: Some(created_ms),
            from: Some(from),
            to,
            others: Members::new(),
        };
        let message = Message { headers, content: Content::Request(command), signature: None };
        Self::as_written(wire::write(&message), Some(request_id))
    }

    /// A message that is written already, and goes out byte for byte.
    ///
    /// `request_id` is the one that stands in it. Where it has none, every
    /// response without one is taken for an answer to it.
    #[must_use]
    pub fn as_written(payload: Bytes, request_id: Option<String>) -> Self {
        Self { request_id, payload, hops: 0 }
    }

    /// The same, marked as having been relayed so often.
    #[must_use]
    pub fn after_hops(self, hops: u8) -> Self {
        Self { hops, ..self }
    }

    /// What its responses are known by.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The message.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The PUBLISH (Transfer via MQTT v1.0, section 3.2). A Response Topic is
    /// never in it: consumers know where to answer.
    ///
    /// # Errors
    ///
    /// [`BadLevel`] when the address cannot stand in a topic.
    pub fn publication(&self, prefix: &TopicPrefix, to: &Address) -> Result<Publication, BadLevel> {
        let mut properties = openc2_properties(Kind::Request, Encoding::of(&self.payload));
        if self.hops > 0 {
            properties.user.push((HOPS.to_owned(), self.hops.to_string()));
        }
        Ok(Publication {
            topic: command_topic(prefix, to)?,
            payload: self.payload.clone(),
            qos: AT_LEAST_ONCE,
            properties,
        })
    }
}

/// The topic of a command (Transfer via MQTT v1.0, section 2.2).
pub fn command_topic(prefix: &TopicPrefix, to: &Address) -> Result<String, BadLevel> {
    Ok(match to {
        Address::All => topics::cmd_all(prefix),
        Address::Profile(profile) => topics::cmd_profile(prefix, &topic_level(profile)?),
        Address::Device(device) => topics::cmd_device(prefix, &topic_level(device)?),
    })
}

/// The two response topics of a producer, with the options that the standard
/// asks for (Transfer via MQTT v1.0, section 3.3).
#[must_use]
pub fn subscriptions(prefix: &TopicPrefix, identity: &TopicLevel) -> Vec<Subscription> {
    [None, Some(identity)]
        .map(|producer| Subscription::openc2(topics::rsp(prefix, producer)))
        .into()
}

/// A name that cannot be one level of a topic.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name:?} {reason}")]
pub struct BadLevel {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub reason: TopicError,
}

/// A name as one level of a topic.
pub fn topic_level(name: &str) -> Result<TopicLevel, BadLevel> {
    TopicLevel::try_from(name).map_err(|reason| BadLevel { name: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::link::Properties;

    fn prefix(text: &str) -> TopicPrefix {
        TopicPrefix::try_from(text.to_owned()).unwrap()
    }

    /// MQTT-3.2-1 (`QoS` 1), MQTT-3.2-3, MQTT-3.2-4, MQTT-3.2-5, MQTT-3.2-6, MQTT-3.2-9: what the
    /// door is told to publish.
    #[test]
    fn a_request_carries_the_properties_of_the_standard() {
        let outgoing = Outgoing::as_written(Bytes::from_static(b"{}"), Some("r".to_owned()));
        let publication = outgoing.publication(&prefix("oc2"), &Address::All).unwrap();

        assert_eq!(publication.qos, 1);
        assert_eq!(publication.payload, Bytes::from_static(b"{}"));
        let user = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            publication.properties,
            Properties {
                is_utf8: Some(true),
                content_type: Some("application/openc2".to_owned()),
                response_topic: None,
                expiry_secs: None,
                user: vec![user("msgType", "req"), user("encoding", "json")],
            }
        );
    }

    /// MQTT-3.2-11: the three kinds of command topic, and no other.
    #[test]
    fn addresses_become_topics() {
        let profile = |text: &str| Address::Profile(text.to_owned());
        let device = |text: &str| Address::Device(text.to_owned());
        let cases = [
            ("oc2", Address::All, Ok("oc2/cmd/all")),
            ("oc2", profile("x-probe"), Ok("oc2/cmd/ap/x-probe")),
            ("test/oc2", device("gateway-1"), Ok("test/oc2/cmd/device/gateway-1")),
            ("oc2", device("two words"), Ok("oc2/cmd/device/two words")),
            ("oc2", device(""), Err("")),
            ("oc2", device("a/b"), Err("a/b")),
            ("oc2", device("#"), Err("#")),
            ("oc2", profile("a+"), Err("a+")),
            ("oc2", profile("nul\0"), Err("nul\0")),
        ];
        for (first, to, topic) in cases {
            let found = command_topic(&prefix(first), &to).map_err(|bad| bad.name);
            assert_eq!(found, topic.map(str::to_owned).map_err(str::to_owned), "{to:?}");
        }
    }

    /// MQTT-3.3-2, MQTT-3.3-3, MQTT-3.3-4: both response topics, with the options of the standard.
    #[test]
    fn a_producer_subscribes_to_both_response_topics() {
        let subscriptions = subscriptions(&prefix("oc2"), &topic_level("soar-1").unwrap());
        let filters: Vec<_> = subscriptions.iter().map(|s| s.filter.as_str()).collect();
        assert_eq!(filters, ["oc2/rsp", "oc2/rsp/soar-1"]);
        for subscription in subscriptions {
            assert_eq!(subscription.qos, 2);
            assert!(subscription.no_local && subscription.retain_as_published);
            assert_eq!(subscription.retain_handling, 0);
        }
    }
}
