//! Bridges that point at one another, and a consumer on another broker.

use serde_json::json;

use super::{Site, to, topics};
use crate::support::bridge::Bridge;
use crate::support::broker::broker;
use crate::support::probe::{self, act, acts_in, install_in};
use crate::support::scene::{Scene, letter};

/// Here, posted commands go by MQTT to edge-1, and there by HTTPS back here: one hop, and
/// what is carried out is carried out once.
#[tokio::test]
async fn two_bridges_that_point_at_one_another_act_once() {
    let test = "two_bridges_that_point_at_one_another_act_once";
    let topics = topics(&["match = { device = \"edge-*\" }"]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    site.scene.bridge.run();
    let path = |name: &str| site.papers.path(name).display().to_string();
    let there = format!(
        "prefix = \"{}\"
[[consumer]]
id = \"edge-1\"
actuators = [\"wall\", \"back\"]
{}
[actuator.back]
kind = \"https\"
profile = \"x-back\"
pairs = {{ set = [\"x-probe:act\"], deny = [\"uri\"] }}
url = \"https://localhost:{}/\"
ca-file = {:?}
cert-file = {:?}
key-file = {:?}
from = \"soar-1\"
",
        site.scene.prefix,
        probe::actuator("wall", "x-wall", ""),
        super::super::port(&site.scene),
        path("ca.pem"),
        path("soar-1.pem"),
        path("soar-1.key"),
    );
    let url = format!("mqtt://127.0.0.1:{}", site.scene.broker.port());
    let mut other = Bridge::prepare(&url, "", &there);
    let _gate = install_in(&other);
    other.run();

    let reply = site.post(&to(&["edge-1"], "r-1", "x-wall")).reply();
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = site.post(&to(&["edge-1"], "r-2", "x-back")).reply();
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(reply.json()["headers"]["from"], "edge-1");
    assert_eq!(acts_in(&other, "work"), 1);
    // What went back was never posted here.
    let posted = site.scene.journal().into_iter().filter(|entry| entry["producer"] == "soar-1");
    assert_eq!(posted.count(), 2);
}

/// `kind = "mqtt"`: a consumer on another broker carries out what comes by this one.
#[tokio::test]
async fn a_consumer_on_another_broker_carries_a_command_out() {
    let test = "a_consumer_on_another_broker_carries_a_command_out";
    let Some(far) = broker(test) else { return };
    let far_url = format!("mqtt://127.0.0.1:{}", far.port());
    let prefix = crate::support::unique("far");
    let there = format!(
        "prefix = \"{prefix}\"\n[[consumer]]\nid = \"plc-1\"\nactuators = [\"wall\"]\n{}",
        probe::actuator("wall", "x-wall", "")
    );
    let mut plant = Bridge::prepare(&far_url, "", &there);
    let _gate = install_in(&plant);
    plant.run();
    let here = format!(
        "[[consumer]]
id = \"edge-1\"
actuators = [\"plant\", \"gone\"]

[actuator.plant]
kind = \"mqtt\"
profile = \"x-wall\"
pairs = {{ set = [\"x-probe:act\"] }}
url = \"{far_url}\"
prefix = \"{prefix}\"
to = \"plc-1\"
from = \"edge-1\"

[actuator.gone]
kind = \"mqtt\"
profile = \"x-gone\"
url = \"{far_url}\"
prefix = \"{prefix}\"
to = \"plc-2\"
from = \"edge-1\"
timeout = \"1s\"
"
    );
    let Some(mut near) = Scene::open(test, "edge-1", "", &here).await else { return };
    near.send("device/edge-1", &letter("r-1", &act("work", "x-wall"))).await;
    let answer = near.answered("r-1", 200).await;
    assert_eq!(
        (answer.from(), answer.results()),
        (Some("edge-1"), &json!({"x-probe": {"did": "work"}}))
    );
    assert_eq!(acts_in(&plant, "work"), 1);
    assert_eq!(plant.journal()[0]["producer"], "edge-1");

    let command = json!({"action": "deny", "target": {"uri": "http://a.example"}, "actuator": {"x-gone": {}}});
    near.send("device/edge-1", &letter("r-2", &command)).await;
    let answer = near.answered("r-2", 500).await;
    assert!(answer.text().contains("the outcome is unknown"), "{answer:?}");
}
