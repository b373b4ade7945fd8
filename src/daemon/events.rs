//! What happens to a command, for who follows it: out of its records.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::dispatch::SUMMARY;
use crate::https::Happened;
use crate::journal::{Detail, Step};

/// The events of a command, in order. Each record makes at most two, and their numbers are
/// made of the record's own: so they are the same whenever they are asked for.
pub(super) fn of(detail: &Detail) -> Vec<Happened> {
    let mut events = Vec::new();
    let (mut is_late, mut is_heard) = (false, false);
    for step in &detail.records {
        let mut happened = |name: &'static str, place: u64, mut facts: Map<String, Value>| {
            facts.insert("at_ms".to_owned(), step.at_ms.into());
            let number = 2 * step.seq + place;
            events.push(Happened { number, name, facts: facts.into() });
        };
        let word = |is_late| if is_late { "late" } else { "response" };
        match step.kind.as_str() {
            "accepted" => happened("accepted", 0, accepted(detail)),
            "progress" => {
                let consumer = &detail.entry.consumer;
                happened(word(is_late), 0, members(json!({"from": consumer, "status": 102})));
            }
            "heard" => {
                is_heard = true;
                happened(word(step.facts.contains_key("late")), 0, heard(step));
            }
            "overdue" => {
                is_late = true;
                happened("timeout", 0, ended(step));
            }
            "outcome" => {
                // Of several, each was told when it came.
                if !is_heard && step.facts.contains_key("response") {
                    happened(word(is_late), 0, said(detail, step));
                }
                is_late = true;
                let mut facts = ended(step);
                if let Some(response) = last_response(detail, step) {
                    facts.insert("response".to_owned(), response.clone());
                }
                happened("done", 1, facts);
            }
            // Somebody has found out what became of it.
            "resolved" => happened("late", 0, said(detail, step)),
            _ => {}
        }
    }
    events
}

/// What consumers elsewhere have answered so far, in order.
pub(super) fn answers(detail: &Detail) -> Vec<Value> {
    let heard_in = detail.records.iter().filter(|step| step.kind == "heard");
    heard_in
        .map(|step| {
            let mut facts = heard(step);
            facts.insert("at_ms".to_owned(), step.at_ms.into());
            facts.into()
        })
        .collect()
}

/// Who has answered of several.
pub(super) fn heard_from(detail: &Detail) -> BTreeSet<String> {
    let heard_in = detail.records.iter().filter(|step| step.kind == "heard");
    heard_in.filter_map(|step| Some(step.facts.get("from")?.as_str()?.to_owned())).collect()
}

/// Until when answers are taken after the end.
pub(super) fn late_until(detail: &Detail) -> Option<u64> {
    let outcome = detail.records.iter().rfind(|step| step.kind == "outcome")?;
    outcome.facts.get("late_until_ms")?.as_u64()
}

/// For how long something may yet come after the end: the time is not over, and somebody has
/// not answered whose answer is expected.
pub(super) fn open_for(detail: &Detail, now_ms: u64) -> Option<Duration> {
    let summary = &detail.response.as_ref()?["body"]["openc2"]["response"]["results"][SUMMARY];
    let expected = summary["expected"].as_u64()?;
    let until_ms = late_until(detail)?;
    let is_open = now_ms < until_ms && (heard_from(detail).len() as u64) < expected;
    is_open.then(|| Duration::from_millis(until_ms - now_ms))
}

fn accepted(detail: &Detail) -> Map<String, Value> {
    let entry = &detail.entry;
    members(json!({
        "producer": entry.producer,
        "request_id": entry.request_id,
        "consumer": entry.consumer,
        "command": entry.summary,
    }))
}

/// Who, whether late, and the members of the response.
fn heard(step: &Step) -> Map<String, Value> {
    let mut facts = step.facts.clone();
    if let Some(Value::Object(response)) = facts.remove("response") {
        facts.extend(response);
    }
    facts
}

/// The response that a record holds: who says what. Of a response that another has come
/// after only the status is at hand.
fn said(detail: &Detail, step: &Step) -> Map<String, Value> {
    let Some(message) = last_response(detail, step) else { return ended(step) };
    let mut facts = members(json!({"from": message["headers"]["from"]}));
    if let Value::Object(response) = &message["body"]["openc2"]["response"] {
        facts.extend(response.clone());
    }
    facts
}

fn ended(step: &Step) -> Map<String, Value> {
    let fact = |name: &str| step.facts.get(name).cloned().unwrap_or_default();
    members(json!({"status": fact("status"), "status_text": fact("text")}))
}

/// The response message of a record, if it is the last of the command.
fn last_response<'a>(detail: &'a Detail, step: &Step) -> Option<&'a Value> {
    let has_one = |step: &&Step| {
        step.kind == "progress" || step.kind != "heard" && step.facts.contains_key("response")
    };
    let last = detail.records.iter().rfind(has_one)?;
    detail.response.as_ref().filter(|_| last.seq == step.seq)
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
