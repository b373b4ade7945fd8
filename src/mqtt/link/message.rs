//! What crosses a link, and what may go wrong with it.

use bytes::Bytes;

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
        /// Said no to what we are or bring: it will say so again until somebody changes something.
        is_refusal: bool,
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
