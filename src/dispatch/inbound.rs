//! What doors hand in: bytes, what the transport says of them, and a receipt.

use bytes::Bytes;

use super::Withdrawn;

/// A message as a door received it. Nobody has judged it yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// What to acknowledge once every record of this message is durable.
    pub receipt: Receipt,
    /// Whom the transport says it is for.
    pub address: Address,
    /// The message, as it came.
    pub payload: Bytes,
    /// What the transport says the payload is.
    pub declared: Declared,
    /// The broker kept this message for later subscribers (MQTT RETAIN).
    pub retained: bool,
    /// When it came, in milliseconds since 1970-01-01T00:00:00Z.
    pub received_ms: u64,
    /// Who posted it and waits for the answer; `None` for what came by MQTT.
    pub caller: Option<Caller>,
}

impl Inbound {
    /// Who sent it: whom the certificate stands for, whatever the message says; without one
    /// who is named there.
    pub(super) fn sent_by(&self, named: Option<&String>) -> Option<String> {
        let holder = self.caller.as_ref().and_then(|caller| caller.identity.as_ref());
        holder.or(named).cloned()
    }

    /// How often the command was relayed on its way here.
    #[must_use]
    pub fn hops(&self) -> u8 {
        self.caller.as_ref().map_or(self.declared.hops, |caller| caller.hops)
    }
}

/// The other side of a POST, as the HTTPS door knows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Caller {
    /// The identity that its certificate stands for; `None` where no
    /// certificate is asked for (the testing target).
    pub identity: Option<String>,
    /// `X-Request-ID` (Transfer via HTTPS v1.1, section 3.3.3).
    pub request_id: Option<String>,
    /// How often the command was relayed on its way here.
    pub hops: u8,
    /// It will not wait for the end: `Prefer: respond-async` (RFC 7240, section 4.1).
    pub will_not_wait: bool,
    /// It says how long it will wait: `Prefer: wait` (section 4.3).
    pub will_wait: bool,
    /// The command that its message, `cancel command`, takes back, where that is known
    /// better than by the name in it.
    pub withdraws: Option<Withdrawn>,
}

/// A door's own name for a message that waits for its acknowledgement.
///
/// Only the door that made it can read it; to everybody else it is opaque.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Receipt(pub u64);

/// The three kinds of command topic (Transfer via MQTT v1.0, section 2.2).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// `oc2/cmd/all`: every consumer.
    All,
    /// `oc2/cmd/ap/<profile>`: every consumer that implements the profile.
    Profile(String),
    /// `oc2/cmd/device/<id>`: one consumer.
    Device(String),
}

/// What the properties of a PUBLISH say of its payload (Transfer via MQTT v1.0, section 3.2).
///
/// All of it is absent in a message of an MQTT 3.1.1 client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Declared {
    /// Content Type.
    pub content_type: Option<String>,
    /// The user property, of those that are read here, that stands there more than once and
    /// says different things (MQTT v5.0 lets a name stand there more than once, section 3.3.2.3.7).
    pub twofold: Option<&'static str>,
    /// User property `msgType`.
    pub msg_type: Option<String>,
    /// User property `encoding`.
    pub encoding: Option<String>,
    /// Payload Format Indicator; `true` is UTF-8 text.
    pub is_utf8: Option<bool>,
    /// A Response Topic was set, which producers must not do. It is ignored and counted.
    pub has_response_topic: bool,
    /// User property [`HOPS`](super::HOPS): how often the command was relayed on its way here.
    pub hops: u8,
}
