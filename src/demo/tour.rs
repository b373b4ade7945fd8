//! The tour: commands whose answers are known beforehand.

mod steps;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

pub use steps::STEPS;

use super::BoxError;
use super::devices::Snapshot;
use super::house::{DeviceName, Devices};

/// Longest wait for the answers to a command.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to listen for an answer that must not come.
const SILENCE: Duration = Duration::from_millis(300);
/// Longest wait for a device whose command is not answered.
const DEVICE_PATIENCE: Duration = Duration::from_secs(2);

/// Sends commands and collects answers: all that the tour wants of a producer.
pub trait Producer: Send + Sized {
    /// Connects to this broker.
    fn connect(broker_url: &str) -> impl Future<Output = Result<Self, BoxError>> + Send;

    /// Sends a command, and returns once `order.answers` have come or `order.wait`
    /// is over; where no answer is expected, after all of `order.wait`.
    fn send(&mut self, order: &Order)
    -> impl Future<Output = Result<Vec<Answer>, BoxError>> + Send;

    /// Disconnects.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A command to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// `headers.request_id`. The same again is a repetition.
    pub request_id: String,
    /// Whom it is for.
    pub to: To,
    /// What stands in `body.openc2.request`, right or wrong.
    pub command: Value,
    /// How many answers to wait for.
    pub answers: usize,
    /// How long to wait for them.
    pub wait: Duration,
}

/// Whom a command is for: the three kinds of command topic (Transfer via MQTT v1.0, section 2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// One consumer.
    Device(&'static str),
    /// Every consumer that implements the profile.
    Profile(&'static str),
    /// Every consumer.
    All,
}

/// A response, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `headers.from`.
    pub from: String,
    /// Status code.
    pub status: u16,
    /// For people.
    pub text: Option<String>,
    /// The results as they stand in the message.
    pub results: Option<Value>,
    /// From publishing the command to receiving this.
    pub elapsed: Duration,
}

/// One stop of the tour.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it shows.
    pub title: &'static str,
    /// Whom the command is for.
    pub to: To,
    /// The command, as JSON.
    pub command: &'static str,
    /// What makes its request id: the same word again is a repetition.
    pub request: &'static str,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    /// From whom, in any order; nobody else may answer.
    pub from: &'static [&'static str],
    /// Status of each answer.
    pub status: u16,
    /// Somewhere in the results of each answer; JSON, empty for anything.
    pub results: &'static str,
    /// Somewhere in the text of each answer.
    pub text: &'static str,
    /// What a device is afterwards, and how many orders it has obeyed since the tour began.
    pub device: Option<(DeviceName, &'static str, u64)>,
}

/// What came of a step.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was sent.
    pub order: Order,
    /// What came back, in order of arrival.
    pub answers: Vec<Answer>,
    /// The device that is watched in this step, as it is now.
    pub device: Option<(DeviceName, Snapshot)>,
    /// What is not as it should be, a sentence each; empty is right.
    pub wrong: Vec<String>,
}

/// Sends the command of a step and judges what comes of it.
///
/// `run` makes the request ids of this tour differ from those of any other.
pub async fn take(
    step: &Step,
    run: &str,
    producer: &mut impl Producer,
    devices: &Devices,
) -> Result<Outcome, BoxError> {
    let expected = step.expected;
    let order = Order {
        request_id: format!("tour-{run}-{}", step.request),
        to: step.to,
        command: parse(step.command),
        answers: expected.from.len(),
        wait: if expected.from.is_empty() { SILENCE } else { PATIENCE },
    };
    let answers = producer.send(&order).await?;
    let device = match expected.device {
        Some((name, state, acts)) => {
            // Who answers has acted; only of a silent one nobody knows when.
            let patience = if order.answers == 0 { DEVICE_PATIENCE } else { Duration::ZERO };
            let is_right =
                |seen: &Snapshot| seen.acts == acts && covers(&seen.state, &parse(state));
            let mut snapshots = devices.get(name).snapshots();
            // Late or gone: the judge will see it.
            let _late = timeout(patience, snapshots.wait_for(is_right)).await;
            Some((name, devices.get(name).snapshot()))
        }
        None => None,
    };
    let wrong = faults(&expected, &answers, device.as_ref().map(|(_, snapshot)| snapshot));
    Ok(Outcome { order, answers, device, wrong })
}

/// What is not as it should be.
fn faults(expected: &Expected, answers: &[Answer], device: Option<&Snapshot>) -> Vec<String> {
    let mut wrong = Vec::new();

    let mut from: Vec<&str> = answers.iter().map(|answer| answer.from.as_str()).collect();
    let mut expected_from = expected.from.to_vec();
    from.sort_unstable();
    expected_from.sort_unstable();
    if from != expected_from {
        wrong.push(format!("answers must come from {expected_from:?}, they came from {from:?}"));
    }
    for answer in answers {
        let Answer { from, status, text, results, .. } = answer;
        if !expected.from.is_empty() && *status != expected.status {
            wrong.push(format!("{from} must answer {}, not {status}", expected.status));
        }
        if !text.as_deref().unwrap_or_default().contains(expected.text) {
            wrong.push(format!("the text of {from} must say {:?}", expected.text));
        }
        if !expected.results.is_empty()
            && !holds(results.as_ref().unwrap_or(&Value::Null), &parse(expected.results))
        {
            wrong.push(format!("the results of {from} must hold {}", expected.results));
        }
    }
    if let (Some((name, state, acts)), Some(snapshot)) = (expected.device, device) {
        let name = name.as_str();
        if !covers(&snapshot.state, &parse(state)) {
            wrong.push(format!("the {name} must be {state}, it is {}", snapshot.state));
        }
        if snapshot.acts != acts {
            wrong.push(format!("the {name} must have acted {acts} times, not {}", snapshot.acts));
        }
    }
    wrong
}

/// Whether a value has all that is expected of it, and perhaps more.
pub(super) fn covers(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| {
                actual.get(name).is_some_and(|actual| covers(actual, expected))
            })
        }
        (Value::Array(actual), Value::Array(expected)) => {
            expected.iter().all(|expected| actual.iter().any(|actual| covers(actual, expected)))
        }
        _ => actual == expected,
    }
}

/// Whether a value, or a value anywhere in it, has all that is expected.
///
/// Under which name a profile puts its results is the profile's own business.
fn holds(actual: &Value, expected: &Value) -> bool {
    let inside = |value: &Value| holds(value, expected);
    covers(actual, expected)
        || match actual {
            Value::Object(members) => members.values().any(inside),
            Value::Array(items) => items.iter().any(inside),
            _ => false,
        }
}

/// JSON of the tables of tours.
pub(super) fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("a test reads every JSON text of the tour")
}

impl Order {
    /// The order as JSON, for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let to = match self.to {
            To::Device(id) => json!({ "device": id }),
            To::Profile(nsid) => json!({ "profile": nsid }),
            To::All => json!("all"),
        };
        json!({ "request_id": self.request_id, "to": to, "command": self.command })
    }
}

impl Answer {
    /// The answer as JSON, for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "from": self.from,
            "status": self.status,
            "status_text": self.text,
            "results": self.results,
            "elapsed_ms": self.elapsed.as_secs_f64() * 1000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Answer, Expected, STEPS, covers, faults, holds};
    use crate::demo::devices::Snapshot;
    use crate::demo::house::{CONSUMERS, DeviceName};

    #[test]
    fn every_step_can_be_read_and_asks_only_those_who_exist() {
        for step in STEPS {
            let Expected { from, results, device, .. } = step.expected;
            let texts = [Some(step.command), device.map(|(_, state, _)| state), Some(results)];
            for text in texts.into_iter().flatten().filter(|text| !text.is_empty()) {
                assert!(serde_json::from_str::<Value>(text).is_ok(), "{text}");
            }
            for id in from {
                assert!(CONSUMERS.iter().any(|consumer| consumer.id == *id), "{id}");
            }
        }
    }

    #[test]
    fn json_covers_less_json() {
        let cases = [
            (json!({"a": 1, "b": 2}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!([3, 2, 1]), json!([1, 2]), true),
            (json!([1]), json!([1, 2]), false),
            (json!({"a": [{"b": 1, "c": 2}]}), json!({"a": [{"b": 1}]}), true),
            (json!("a"), json!(["a"]), false),
        ];
        for (actual, expected, is_covered) in cases {
            assert_eq!(covers(&actual, &expected), is_covered, "{actual} {expected}");
        }
    }

    #[test]
    fn results_are_found_wherever_they_are() {
        let results = json!({ "x-iot": { "light": { "state": "on", "level": 120 } } });
        assert!(holds(&results, &json!({ "state": "on", "level": 120 })));
        assert!(!holds(&results, &json!({ "state": "on", "level": 121 })));
        assert!(!holds(&Value::Null, &json!({ "state": "on" })));
    }

    #[test]
    fn every_fault_is_named() {
        let expected = Expected {
            from: &["plug"],
            status: 200,
            results: r#"{"on":true}"#,
            text: "done",
            device: Some((DeviceName::Plug, r#"{"POWER1":"ON"}"#, 1)),
        };
        let right = Answer {
            from: "plug".to_owned(),
            status: 200,
            text: Some("all done".to_owned()),
            results: Some(json!({ "x": { "on": true } })),
            elapsed: Duration::ZERO,
        };
        let is_on = Snapshot { state: json!({ "POWER1": "ON", "POWER2": "OFF" }), acts: 1 };
        let is_off = Snapshot { state: json!({ "POWER1": "OFF" }), acts: 1 };
        let acted_twice = Snapshot { acts: 2, ..is_on.clone() };
        #[rustfmt::skip]
        let cases = [
            (vec![right.clone()],                                    &is_on,       None),
            (vec![],                                                 &is_on,       Some("answers must come from")),
            (vec![right.clone(), right.clone()],                     &is_on,       Some("answers must come from")),
            (vec![Answer { status: 500, ..right.clone() }],          &is_on,       Some("must answer 200, not 500")),
            (vec![Answer { text: None, ..right.clone() }],           &is_on,       Some("must say \"done\"")),
            (vec![Answer { results: None, ..right.clone() }],        &is_on,       Some("must hold {\"on\":true}")),
            (vec![Answer { from: "lamp".to_owned(), ..right.clone() }], &is_on,    Some("they came from [\"lamp\"]")),
            (vec![right.clone()],                                    &is_off,      Some("must be {\"POWER1\":\"ON\"}")),
            (vec![right.clone()],                                    &acted_twice, Some("must have acted 1 times, not 2")),
        ];
        for (answers, snapshot, complaint) in cases {
            let wrong = faults(&expected, &answers, Some(snapshot)).join("; ");
            match complaint {
                None => assert_eq!(wrong, ""),
                Some(complaint) => assert!(wrong.contains(complaint), "{complaint}: {wrong}"),
            }
        }
    }
}
