//! The four families, the mistakes people make in maps, and the way of a command over a puppet broker.

mod families;
mod machine;
mod mistakes;
mod puppet;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::config::{DeviceConfig, MapConfig, read_maps};
use super::judge::{Heard, Verdict};
use super::plan::{Plan, Request};
use crate::openc2::{Response, Status};

/// Stands for the client identifier of the bridge.
const REPLY_SRC: &str = "oc2b-1";

/// A device `plug-1`; `config` is what stands in its table.
fn config(config: &str) -> DeviceConfig {
    toml::from_str(config).unwrap()
}

fn plan(device: &str) -> Arc<Plan> {
    plan_with("", device)
}

fn plan_with(maps: &str, device: &str) -> Arc<Plan> {
    let maps: BTreeMap<String, MapConfig> = read_maps(maps).unwrap();
    Arc::new(Plan::new("plug-1", &config(device), &maps, REPLY_SRC).unwrap())
}

#[expect(clippy::needless_pass_by_value, reason = "callers write json!({...})")]
fn request(action: &str, target: &str, value: Value) -> Request {
    Request {
        command: json!({"action": action, "target": {target: value}}),
        request_id: "r-1".to_owned(),
        producer: "soc-1".to_owned(),
        consumer: "gateway-1".to_owned(),
    }
}

fn heard(topic: &str, payload: impl Into<String>) -> Heard {
    let payload = payload.into().into();
    Heard { topic: topic.to_owned(), payload, retained: false, user: Vec::new() }
}

/// A response as a line: status, then results or text.
fn line(response: &Response) -> String {
    let results = response.results.as_ref();
    let results = results.map(|results| Value::Object(results.extensions.clone()).to_string());
    let parts = [Some(response.status.to_string()), results, response.status_text.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ignored(_) => "ignored".to_owned(),
        Verdict::Answered(response) => line(response),
    }
}

fn is_refused(response: &Response, status: Status, part: &str) -> bool {
    response.status == status
        && response.status_text.as_ref().is_some_and(|text| text.contains(part))
}
