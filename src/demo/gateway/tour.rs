//! The tour of the gateway: requests whose answers are known beforehand.

mod judge;
mod steps;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use steps::STEPS;

use super::{Door, WELL_KNOWN, message};
use crate::demo::BoxError;
use crate::demo::devices::Snapshot;
use crate::demo::house::{DeviceName, Devices};
use crate::demo::tour::parse;

/// Sends requests: all that the tour wants of a client of the door.
pub trait Caller: Send + Sync + Sized {
    /// Gets ready to call this door, and connects to nobody yet.
    fn new(door: &Door) -> Result<Self, BoxError>;

    /// Sends a request, and returns what came back; or why nothing did.
    fn call(&self, request: &Request) -> impl Future<Output = Result<Reply, BoxError>> + Send;
}

/// A request to the door.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Where to.
    pub path: String,
    /// What is posted; without it, what is there is read.
    pub message: Option<Value>,
    /// `Prefer` of what is posted (RFC 7240).
    pub prefer: &'static str,
    /// Whether the client shows its certificate.
    pub is_known: bool,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Where the command can be asked after.
    pub location: Option<String>,
    /// The body, as text.
    pub body: String,
}

/// One stop of the tour.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it shows.
    pub title: &'static str,
    /// What is asked.
    pub ask: Ask,
    /// What must come back.
    pub expected: Expected,
    /// What devices are afterwards, and how many orders each has obeyed since the tour began.
    pub devices: &'static [(DeviceName, &'static str, u64)],
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// A command is posted.
    Post(Posted),
    /// What is there below the place that the last answer named is read.
    There(&'static str),
    /// This path is read.
    Path(&'static str),
}

/// A command that is posted.
#[derive(Clone, Copy, Debug)]
pub struct Posted {
    /// `headers.request_id`. The same again is a repetition.
    pub request_id: &'static str,
    /// `headers.to`.
    pub to: &'static [&'static str],
    /// `headers.from`; empty is left to the certificate.
    pub from: &'static str,
    /// The command, as JSON.
    pub command: &'static str,
    /// `Prefer`.
    pub prefer: &'static str,
    /// Whether the client shows its certificate.
    pub is_known: bool,
}

/// What must come back.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Nothing: the door refuses the connection.
    Refused,
    /// An OpenC2 response with this status and somewhere in its text this, and in it those of
    /// these consumers; its HTTP status is the same.
    Response(u16, &'static str, &'static [(&'static str, u16)]),
    /// The response that came last, byte for byte.
    Same,
    /// HTTP 202: it was recorded, and `Location` says where to ask.
    Begun,
    /// These events in this order, and in those called `response` these consumers.
    Events(&'static [&'static str], &'static [&'static str]),
    /// A command that has ended with this status, and in its response those of these consumers.
    Ended(u16, &'static [(&'static str, u16)]),
    /// A list with at least these consumers.
    Consumers(&'static [&'static str]),
}

/// What the tour remembers from one step for the next.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    location: String,
    body: String,
}

/// What came of a step.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was sent.
    pub request: Request,
    /// What came back, or why nothing did.
    pub reply: Result<Reply, String>,
    /// How long that took.
    pub elapsed: Duration,
    /// The devices that are watched in this step, as they are now.
    pub devices: Vec<(DeviceName, Snapshot)>,
    /// What is not as it should be, a sentence each; empty is right.
    pub wrong: Vec<String>,
}

/// Sends the request of a step and judges what comes of it.
pub async fn take(
    step: &Step,
    memory: &mut Memory,
    caller: &impl Caller,
    devices: &Devices,
) -> Outcome {
    let request = step.ask.request(&memory.location);
    let sent = Instant::now();
    let reply = caller.call(&request).await.map_err(|error| error.to_string());
    let elapsed = sent.elapsed();
    let mut wrong = judge::faults(&step.expected, &reply, &memory.body);
    // A consumer answers once its device has: who has the answer can rely on the state.
    let watched = step.devices.iter().map(|(name, ..)| (*name, devices.get(*name).snapshot()));
    let watched: Vec<_> = watched.collect();
    wrong.extend(judge::faults_of_devices(step.devices, &watched));
    if let Ok(reply) = &reply {
        memory.body.clone_from(&reply.body);
        if let Some(location) = &reply.location {
            memory.location.clone_from(location);
        }
    }
    Outcome { request, reply, elapsed, devices: watched, wrong }
}

impl Ask {
    fn request(self, location: &str) -> Request {
        let read = |path: String| Request { path, message: None, prefer: "", is_known: true };
        match self {
            Self::Path(path) => read(path.to_owned()),
            Self::There(rest) => read(format!("{location}{rest}")),
            Self::Post(Posted { request_id, to, from, command, prefer, is_known }) => {
                let mut message = message(request_id, to, &parse(command));
                if !from.is_empty() {
                    message["headers"]["from"] = from.into();
                }
                let path = WELL_KNOWN.to_owned();
                Request { path, message: Some(message), prefer, is_known }
            }
        }
    }
}

impl Request {
    /// `GET` or `POST`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.message.is_some() { "POST" } else { "GET" }
    }

    /// The request as JSON, for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { path, message, prefer, is_known } = self;
        let mut shown = json!({ "method": self.method(), "path": path, "certificate": is_known });
        if let Some(message) = message {
            shown["prefer"] = (*prefer).into();
            shown["message"] = message.clone();
        }
        shown
    }
}

impl Reply {
    /// The body, where it is JSON; else as text.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| self.body.as_str().into())
    }

    /// The responses in an OpenC2 response that sums up, or in the record of a command that
    /// ended with one.
    #[must_use]
    pub fn responses(&self) -> Vec<Value> {
        let body = self.value();
        let message = if body["response"].is_object() { &body["response"] } else { &body };
        let results = &message["body"]["openc2"]["response"]["results"];
        results["x-oc2b"]["responses"].as_array().cloned().unwrap_or_default()
    }

    /// Server-sent events: name and data of each.
    #[must_use]
    pub fn events(&self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        let mut name = "";
        for line in self.body.lines() {
            if let Some(said) = line.strip_prefix("event: ") {
                name = said;
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data = serde_json::from_str(data).unwrap_or_else(|_| data.into());
                events.push((name.to_owned(), data));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::demo::house::CONSUMERS;

    #[test]
    fn every_step_can_be_read_and_is_told_apart() {
        let mut ids = BTreeSet::new();
        for step in STEPS {
            for (_, state, _) in step.devices {
                assert!(serde_json::from_str::<Value>(state).is_ok(), "{state}");
            }
            let Ask::Post(Posted { request_id, command, .. }) = step.ask else { continue };
            assert!(serde_json::from_str::<Value>(command).is_ok(), "{command}");
            let is_repetition = matches!(step.expected, Expected::Same);
            assert_eq!(ids.insert(request_id), !is_repetition, "{request_id}");
        }
        let is_there = |id: &&str| CONSUMERS.iter().any(|consumer| consumer.id == *id);
        assert!(super::super::THREE.iter().all(is_there));
    }
}
