//! The broker takes no responses for one producer.

use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::broker::private_broker;
use crate::support::client::Client;
use crate::support::scene::{query_features, request};

/// More than the door has in hand at a time, and the journal is read ahead of it.
const REFUSED: usize = 1100;

const TOPICS: &str = "
[[consumer]]
id = 'gateway-1'
actuators = ['eye']

[actuator.eye]
kind = 'log'
profile = 'x-probe'
";

const COMMANDS: &str = "oc2/cmd/device/gateway-1";

/// Comes back soon to what was refused.
const SETTINGS: &str = "[mqtt]\nbackoff-min = '50ms'\nbackoff-max = '200ms'\n";

#[tokio::test]
async fn responses_that_the_broker_always_refuses_hold_up_no_others_and_leave_when_it_takes_them() {
    let test =
        "responses_that_the_broker_always_refuses_hold_up_no_others_and_leave_when_it_takes_them";
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("acl");
    std::fs::write(&list, "topic readwrite #\ntopic deny oc2/rsp/mallory\n").unwrap();
    let lines = format!(
        "allow_anonymous true\nautosave_on_changes false\nautosave_interval 0\nmax_queued_messages 10000\nmax_inflight_messages 0\nacl_file {}\n",
        list.display()
    );
    let Some(broker) = private_broker(test, &lines) else { return };
    let mut bridge = Bridge::start(&broker.url(), SETTINGS, TOPICS);

    let mut producers = Client::connect(broker.port(), "Producers").await;
    producers.subscribe("oc2/rsp/alice", 1).await;
    for number in 0..REFUSED {
        producers.publish(COMMANDS, &query(&format!("m{number}"), "mallory"), 1, request()).await;
    }
    bridge.log_line("response refused", "Not authorized");
    for number in 0..10 {
        let id = format!("a{number}");
        producers.publish(COMMANDS, &query(&id, "alice"), 1, request()).await;
        let response = producers.message().await;
        let response: serde_json::Value = serde_json::from_slice(&response.payload).unwrap();
        assert_eq!(response["headers"]["request_id"], id);
    }

    // Somebody mends the access list. The broker reads it again.
    std::fs::write(&list, "topic readwrite #\n").unwrap();
    broker.reload();
    producers.subscribe("oc2/rsp/mallory", 1).await;
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < REFUSED {
        let response = producers.message().await;
        let response: serde_json::Value = serde_json::from_slice(&response.payload).unwrap();
        answered.insert(response["headers"]["request_id"].as_str().unwrap().to_owned());
    }
    assert!(bridge.terminate().success());
}

fn query(request_id: &str, producer: &str) -> String {
    json!({
        "headers": {"request_id": request_id, "from": producer},
        "body": {"openc2": {"request": query_features(&json!([]))}},
    })
    .to_string()
}
