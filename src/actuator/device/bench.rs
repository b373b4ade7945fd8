//! Trying a map without a broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::config::{Confirm, DeviceConfig, MapConfig};
use super::judge::{Heard, Verdict};
use super::plan::{DeviceError, Plan, Request};
use super::prepared::{Outgoing, Prepared};
use crate::openc2::Response;

/// A device without a connection: says what it would send, and what it would think of a reply.
#[derive(Debug)]
pub struct Bench {
    plan: Arc<Plan>,
}

/// A command to try.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The command, as it stands in `body.openc2.request`.
    pub command: Value,
    /// Its `headers.request_id`.
    pub request_id: String,
    /// Its `headers.from`.
    pub producer: String,
    /// The consumer it is for.
    pub consumer: String,
    /// The number that templates see as `seq`.
    pub seq: u64,
}

/// What would be sent for a command.
#[derive(Debug)]
pub struct Sent {
    prepared: Prepared,
}

/// A message to publish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: String,
    /// Quality of service.
    pub qos: u8,
}

/// A reply to try.
#[derive(Clone, Debug)]
pub struct BenchReply {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Vec<u8>,
    /// RETAIN flag.
    pub retained: bool,
    /// User properties.
    pub user: Vec<(String, String)>,
}

/// What a reply means.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// It does not answer the command, and why.
    Ignored(String),
    /// It does; this is the response.
    Answered(Response),
}

impl Bench {
    /// A device of this name with this configuration. Devices answer to `reply_src`.
    pub fn new(
        name: &str,
        config: &DeviceConfig,
        maps: &BTreeMap<String, MapConfig>,
        reply_src: &str,
    ) -> Result<Self, DeviceError> {
        Ok(Self { plan: Arc::new(Plan::new(name, config, maps, reply_src)?) })
    }

    /// Topic filters that the device would be subscribed to.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        self.plan.filters().iter().map(|filter| filter.filter.as_str())
    }

    /// What would be sent; otherwise the response that refuses the command.
    pub fn send(&self, trial: Trial) -> Result<Sent, Box<Response>> {
        let Trial { command, request_id, producer, consumer, seq } = trial;
        let request = Request { command, request_id, producer, consumer };
        match self.plan.prepare(&request, seq) {
            Ok(prepared) => Ok(Sent { prepared }),
            Err(refusal) => Err(Box::new(refusal.into())),
        }
    }
}

impl Sent {
    /// The message; `None` where the device's last words are read instead.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        self.prepared.message.as_ref().map(Message::from)
    }

    /// What would be sent if the device stayed silent for a while.
    #[must_use]
    pub fn probe(&self) -> Option<(Duration, Message)> {
        let (after, message) = self.prepared.probe.as_ref()?;
        Some((*after, message.into()))
    }

    /// Where the answer is expected; `None` where none is.
    #[must_use]
    pub fn reply_filter(&self) -> Option<&str> {
        Some(&self.prepared.listen.as_ref()?.filter)
    }

    /// Whether other commands wait until this one has its answer.
    #[must_use]
    pub fn is_one_at_a_time(&self) -> bool {
        self.prepared.listen.as_ref().is_some_and(|listen| listen.one_at_a_time)
    }

    /// How long the device may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.prepared.timeout
    }

    /// What its reply would prove.
    #[must_use]
    pub fn confirm(&self) -> Confirm {
        self.prepared.confirm
    }

    /// The response where no reply is waited for.
    #[must_use]
    pub fn unconfirmed(&self) -> Option<Response> {
        (self.confirm() == Confirm::None).then(|| self.prepared.unconfirmed())
    }

    /// What a reply would mean.
    #[must_use]
    pub fn judge(&self, reply: BenchReply) -> Judged {
        let BenchReply { topic, payload, retained, user } = reply;
        let heard = Heard { topic, payload: payload.into(), retained, user };
        match self.prepared.judge(&heard, false) {
            Verdict::Ignored(reason) => Judged::Ignored(reason),
            Verdict::Answered(response) => Judged::Answered(response),
        }
    }
}

impl From<&Outgoing> for Message {
    fn from(message: &Outgoing) -> Self {
        Self {
            topic: message.topic.clone(),
            payload: String::from_utf8_lossy(&message.payload).into_owned(),
            qos: message.qos,
        }
    }
}
