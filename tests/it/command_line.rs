//! `oc2` as a user starts it, and what it puts on the wire.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value as Json, json};
use tokio::process::{Child, Command};

use crate::support::double::{Double, Guest};
use crate::support::packet::{Packet, Publish, Value, id, property, user};
use crate::support::soon;

/// Starts `oc2` with a state folder and a broker of the test's own.
fn oc2(state: &Path, port: u16, words: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_oc2"))
        .args(words.split_whitespace())
        .env_clear()
        .env("USER", "ann")
        .env("XDG_STATE_HOME", state)
        .env("OC2_BROKER", format!("mqtt://127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn ended(child: Child) -> Output {
    soon("the end of oc2", child.wait_with_output()).await.unwrap()
}

/// A broker that grants the subscriptions and takes the command.
async fn takes_one_command(broker: &Double) -> (Guest, Vec<(String, u8)>, Publish) {
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    let filters = granted(&mut guest).await;
    let publish = guest.publish().await;
    guest.puback(publish.packet, 0).await;
    (guest, filters, publish)
}

/// Grants the next SUBSCRIBE; an UNSUBSCRIBE before it is confirmed.
async fn granted(guest: &mut Guest) -> Vec<(String, u8)> {
    loop {
        let filters = guest.grant().await;
        if !filters.is_empty() {
            return filters;
        }
    }
}

fn response(to: &Publish, from: &str, status: u16) -> Packet {
    let command: Json = serde_json::from_slice(&to.payload).unwrap();
    let message = json!({
        "headers": { "request_id": command["headers"]["request_id"], "from": from },
        "body": { "openc2": { "response": { "status": status, "status_text": "\u{1b}[2J" } } },
    });
    Packet::Publish(Publish {
        qos: 1,
        topic: "oc2/rsp/oc2-ann-0".to_owned(),
        packet: 7,
        payload: message.to_string().into_bytes(),
        ..Publish::default()
    })
}

/// Shows MQTT-3.1-1, MQTT-3.1-2, MQTT-3.1-4, MQTT-2.10-1 (CONNECT), MQTT-3.2-1, MQTT-3.2-2,
/// MQTT-3.2-3, MQTT-3.2-4, MQTT-3.2-5, MQTT-3.2-6, MQTT-3.2-7, MQTT-3.2-8, MQTT-3.2-9, MQTT-3.2-11
/// (PUBLISH), MQTT-3.3-2, MQTT-3.3-3, MQTT-3.3-4 (SUBSCRIBE), L11-3.2-1 and L11-3.2-2 for a producer.
#[tokio::test]
async fn a_command_leaves_as_the_transfer_specification_wants() {
    let (broker, state) = (Double::start().await, tempfile::tempdir().unwrap());
    let sending = oc2(state.path(), broker.port(), "send query features pairs --device gateway-1");
    let (mut guest, filters, publish) = takes_one_command(&broker).await;

    let connect = &guest.connect;
    assert_eq!(
        (connect.version, connect.flags, connect.rest),
        (5, 0, 0),
        "no clean start, no will"
    );
    assert!((1..=23).contains(&connect.client_id.len()));
    assert!(connect.client_id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let stored = state.path().join("openc2-bridge/producer/0");
    assert_eq!(std::fs::read_to_string(stored).unwrap(), connect.client_id);
    assert_eq!(property(&connect.properties, id::SESSION_EXPIRY), Some(&Value::Four(60)));

    // Maximum QoS 2, No Local, Retain As Published, Retain Handling 0.
    let options = 2 | 1 << 2 | 1 << 3;
    let mut filters = filters;
    filters.sort();
    assert_eq!(
        filters,
        [("oc2/rsp".to_owned(), options), ("oc2/rsp/oc2-ann-0".to_owned(), options)]
    );

    assert_eq!((publish.qos, publish.retain, publish.dup), (1, false, false));
    assert_eq!(publish.topic, "oc2/cmd/device/gateway-1");
    let of = |id| property(&publish.properties, id);
    assert_eq!(of(id::PAYLOAD_FORMAT), Some(&Value::Byte(1)));
    assert_eq!(of(id::CONTENT_TYPE), Some(&Value::Text("application/openc2".to_owned())));
    assert_eq!(of(id::RESPONSE_TOPIC), None);
    assert_eq!(user(&publish.properties, "msgType"), Some("req"));
    assert_eq!(user(&publish.properties, "encoding"), Some("json"));
    let message: Json = serde_json::from_slice(&publish.payload).unwrap();
    assert_eq!(message["headers"]["from"], "oc2-ann-0");
    assert!(message["headers"]["created"].is_u64());
    let request_id = message["headers"]["request_id"].as_str().unwrap();
    let uuid: Vec<_> = request_id.split('-').map(str::len).collect();
    assert_eq!((uuid, request_id.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'4'));
    assert_eq!(
        message["body"],
        json!({ "openc2": { "request": { "action": "query", "target": { "features": ["pairs"] } } } })
    );

    guest.send(&response(&publish, "gateway-1", 200)).await;
    let output = ended(sending).await;
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with("gateway-1         200"), "{shown}");
    assert!(shown.ends_with("\\u{1b}[2J\n"), "{shown}");
}

#[tokio::test]
async fn the_exit_code_says_how_it_went() {
    let cases = [
        (Some(200), "--json", 0),
        (Some(404), "--json", 1),
        (None, "--wait 50ms", 2),
        (Some(102), "--wait 300ms", 2),
        (Some(102), "--response-requested ack", 0),
        (None, "--response-requested none", 0),
    ];
    for (status, flags, code) in cases {
        let (broker, state) = (Double::start().await, tempfile::tempdir().unwrap());
        let words = format!("send set x-probe:level 5 --device gateway-1 {flags}");
        let sending = oc2(state.path(), broker.port(), &words);
        let (mut guest, _, publish) = takes_one_command(&broker).await;
        if let Some(status) = status {
            guest.send(&response(&publish, "gateway-1", status)).await;
        }
        let output = ended(sending).await;
        assert_eq!(output.status.code(), Some(code), "{status:?} {flags}: {output:?}");
        if flags == "--json" {
            let line: Json = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&line["from"], &line["status"]), (&json!("gateway-1"), &json!(status)));
        }
    }
}

/// Shows MQTT-3.3-5 and MQTT-3.5-1 for a producer: what the broker refuses is told, by name.
#[tokio::test]
async fn what_the_broker_refuses_is_told() {
    let (broker, state) = (Double::start().await, tempfile::tempdir().unwrap());
    let sending = oc2(state.path(), broker.port(), "send query features --all");
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    let packet = loop {
        match guest.next().await.expect("a SUBSCRIBE") {
            Packet::Subscribe { packet, .. } => break packet,
            Packet::Unsubscribe { packet, filters } => {
                guest.send(&Packet::UnsubAck { packet, codes: vec![0; filters.len()] }).await;
            }
            other => panic!("{other:?}"),
        }
    };
    guest.send(&Packet::SubAck { packet, codes: vec![0x87, 2] }).await;
    let output = ended(sending).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(told.contains("Not authorized"), "{told}");

    let sending = oc2(state.path(), broker.port(), "send query features --device nobody");
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    granted(&mut guest).await;
    let publish = guest.publish().await;
    guest.puback(publish.packet, 0x10).await;
    let output = ended(sending).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nobody has subscribed"));
}

#[tokio::test]
async fn mistakes_never_reach_the_broker() {
    let (broker, state) = (Double::start().await, tempfile::tempdir().unwrap());
    let cases = [
        ("send query features", 64, "--device"),
        ("send deny uri --all", 64, "target uri needs a VALUE"),
        ("send dney uri http://a.example/ --all", 65, "at /action"),
        ("send deny ipv4_net 300.0.0.1 --all", 65, "at /target/ipv4_net"),
        ("send query features --device a/b", 64, "cannot be in a topic"),
        ("send --file /nonexistent --all", 74, "cannot read /nonexistent"),
        ("query pairs --broker http://a.example", 78, "mqtt"),
        ("watch --broker mqtt://192.0.2.1", 78, "unencrypted"),
    ];
    for (words, code, complaint) in cases {
        let output = ended(oc2(state.path(), broker.port(), words)).await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words}: {told}");
        assert!(told.contains(complaint), "{words}: {told}");
    }
}

#[tokio::test]
async fn a_watcher_leaves_nothing_behind_and_sees_everything() {
    let (broker, state) = (Double::start().await, tempfile::tempdir().unwrap());
    let watching = oc2(state.path(), broker.port(), "watch --count 2 --json");
    let mut guest = broker.guest().await;
    assert_eq!(guest.connect.flags, 0x02, "Clean Start");
    assert_eq!(property(&guest.connect.properties, id::SESSION_EXPIRY), Some(&Value::Four(0)));
    guest.connack(false, 0, Vec::new()).await;
    let filters = granted(&mut guest).await;
    assert_eq!(filters, [("oc2/#".to_owned(), 1 | 1 << 3)]);

    let command = json!({
        "headers": { "request_id": "r-1", "from": "soar-1" },
        "body": { "openc2": { "request": { "action": "query", "target": { "features": [] } } } },
    });
    let command = Publish {
        topic: "oc2/cmd/all".to_owned(),
        payload: command.to_string().into_bytes(),
        ..Publish::default()
    };
    guest.send(&Packet::Publish(command.clone())).await;
    guest.send(&response(&command, "gateway-1", 200)).await;
    let output = ended(watching).await;
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<Json> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(lines[0]["command"], "query features");
    assert_eq!((&lines[0]["from"], &lines[0]["to"]), (&json!("soar-1"), &json!("all")));
    assert_eq!(
        (&lines[1]["status"], &lines[1]["command"]),
        (&json!(200), &json!("query features"))
    );
    assert!(lines[1]["elapsed_ms"].is_f64());
}
