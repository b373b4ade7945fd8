//! A command, ready to be sent. Pure.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::compile::DEFAULT_TIMEOUT;
use super::config::Confirm;
use super::engine::{Scope, TemplateError};
use super::map::{Body, Entry, Message, Reply};
use super::plan::Plan;
use super::refusal::Refusal;
use crate::openc2::Status;

/// Longest payload sent to a device, in bytes.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// What comes of a command before anything is sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Arc<Plan>,
    /// Index of its entry in the map.
    entry: usize,
    /// What templates see of it.
    pub(super) scope: Scope,
    /// What to send; absent where the device's last words are read.
    pub message: Option<Outgoing>,
    /// What to listen to; absent where nothing is waited for.
    pub listen: Option<Listen>,
    /// What to ask when it stays silent, and after how long.
    pub probe: Option<(Duration, Outgoing)>,
    /// What to ask when it is not known whether it did it, after a crash.
    question: Option<Outgoing>,
    /// How long to wait in all.
    pub timeout: Duration,
    /// What a reply proves.
    pub confirm: Confirm,
    /// Nothing is to be done: the message is the question whether it was.
    pub is_asking: bool,
    /// Properties that were asked for; none means all.
    pub asked: Vec<String>,
}

/// A message for the device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Outgoing {
    pub topic: String,
    pub payload: Bytes,
    pub qos: u8,
}

/// Where the answer will come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Listen {
    pub filter: String,
    /// Only one command may wait here at a time: replies do not say which one they answer.
    pub one_at_a_time: bool,
    /// Judge the last message seen here instead of waiting for a new one.
    pub last: bool,
}

impl Prepared {
    /// Renders everything that a command may send, so that nothing can fail half-way.
    pub(super) fn new(plan: Arc<Plan>, index: usize, scope: Scope) -> Result<Self, Refusal> {
        let entry = &plan.map.entries[index];
        let message = entry.message.as_ref().map(|message| message.render(&scope)).transpose()?;
        let listen = entry.reply.as_ref().map(|reply| reply.listen(&scope)).transpose()?;
        let question = match &entry.probe {
            Some(probe) => Some(probe.message.render(&scope)?),
            None => None,
        };
        let after = entry.probe.as_ref().and_then(|probe| probe.after);
        let probe = after.zip(question.clone());
        let timeout = entry.reply.as_ref().map_or(DEFAULT_TIMEOUT, |reply| reply.timeout);
        let confirm = entry.confirm;
        Ok(Self {
            plan,
            entry: index,
            scope,
            message,
            listen,
            probe,
            question,
            timeout,
            confirm,
            is_asking: false,
            asked: Vec::new(),
        })
    }

    /// The same with the question in place of the command: was it done?
    pub(super) fn asking(mut self) -> Result<Self, Refusal> {
        self.probe = None;
        match self.question.take() {
            Some(question) => Ok(Self { message: Some(question), is_asking: true, ..self }),
            None => {
                Err(Refusal::new(Status::InternalError, "the map has no probe for this command"))
            }
        }
    }

    /// Sending is enough, by the operator's word. What is only read is not sent.
    pub(super) fn without_confirmation(&mut self) {
        if self.message.is_some() {
            self.listen = None;
            self.probe = None;
            self.confirm = Confirm::None;
        }
    }

    /// The table of the map that this is about.
    pub(super) fn entry(&self) -> &Entry {
        &self.plan.map.entries[self.entry]
    }
}

impl Message {
    fn render(&self, scope: &Scope) -> Result<Outgoing, Refusal> {
        let topic = self.topic.render(scope)?;
        let payload = match &self.body {
            Body::Text(text) => text.render(scope)?,
            Body::Json(shape) => shape.render(scope)?.unwrap_or_default().to_string(),
        };
        if payload.len() > MAX_PAYLOAD_BYTES {
            let reason = format!("the payload has more than {MAX_PAYLOAD_BYTES} bytes");
            return Err(TemplateError::new(reason).into());
        }
        Ok(Outgoing { topic, payload: payload.into(), qos: self.qos.level() })
    }
}

impl Reply {
    fn listen(&self, scope: &Scope) -> Result<Listen, Refusal> {
        let filter = self.topic.render(scope)?;
        Ok(Listen { filter, one_at_a_time: !self.has_id && !self.last, last: self.last })
    }
}
