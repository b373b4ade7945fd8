//! Commands in CBOR, as a stranger writes it by the numbers of the standard's tables.

use ciborium::Value as Cbor;
use serde_json::{Value as Json, json};

use super::topics;
use crate::support::packet::Publish;
use crate::support::probe::{act, acts, install};
use crate::support::scene::{Answer, Scene, declared, letter, qos_1};

/// The same with numbers for the keys that are numbers.
fn numbered(it: &Json) -> Cbor {
    match it {
        Json::Object(members) => Cbor::Map(
            members
                .iter()
                .map(|(key, value)| {
                    let key = key.parse::<i64>().map_or_else(|_| key.as_str().into(), Cbor::from);
                    (key, numbered(value))
                })
                .collect(),
        ),
        Json::Array(elements) => Cbor::Array(elements.iter().map(numbered).collect()),
        other => Cbor::serialized(other).unwrap(),
    }
}

fn bytes(message: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&numbered(message), &mut bytes).unwrap();
    bytes
}

fn publish(payload: Vec<u8>) -> Publish {
    Publish { payload, properties: declared("req", "cbor", 0), ..qos_1() }
}

/// Language v1.1, sections 3.2 to 3.4, by number: headers are 1 to 4, a command an
/// array of action, target, arguments, actuator and id.
fn message(request_id: &str, command: &Json) -> Json {
    json!([{"1": request_id, "3": "soar-1"}, {"1": {"1": command}}])
}

/// `set x-probe:act`: names that the bridge has no schema for stay names.
fn acting(what: &str, more: &Json) -> Json {
    json!([15, {"x-probe:act": {"do": what}}, more, {"x-wall": {}}])
}

/// Status and request id, as they stand in the bytes.
fn told(answer: &Answer) -> (Option<i128>, Option<String>) {
    let message: Cbor = ciborium::from_reader(answer.payload()).expect("it is CBOR");
    let message = message.as_array().expect("a message is a Record, and those are arrays");
    let member = |of: &Cbor, id: i64| {
        let members = of.as_map().expect("it is a map").iter();
        members.clone().find(|(key, _)| *key == Cbor::from(id)).map(|(_, value)| value.clone())
    };
    let request_id = member(&message[0], 1).and_then(|it| it.into_text().ok());
    let content = member(&message[1], 1).expect("the body is openc2");
    let response = member(&content, 2).expect("it is a response");
    let status = response.as_array().and_then(|fields| fields[0].as_integer());
    (status.map(i128::from), request_id)
}

/// MQTT-3.2-3 and MQTT-3.2-6 for CBOR: what is asked in CBOR is answered in CBOR, and said
/// to be that.
#[tokio::test]
async fn a_command_in_cbor_is_carried_out_and_answered_in_cbor() {
    let test = "a_command_in_cbor_is_carried_out_and_answered_in_cbor";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let mut gate = install(&scene);
    scene.bridge.run();

    // 4: {1: ...}: response_requested is status.
    let tell = message("told", &acting("tell", &json!({"4": 2})));
    scene.post(1, "device/gateway-1", publish(bytes(&tell))).await;
    for (status, text) in [(102, ""), (102, "half")] {
        let answer = scene.answered("told", status).await;
        assert_eq!(told(&answer), (Some(status.into()), Some("told".to_owned())));
        assert_eq!(answer.text(), text);
    }
    gate.let_one_pass();
    let answer = scene.answered("told", 200).await;
    assert_eq!((told(&answer).0, answer.text()), (Some(200), "done"));

    // [3, {9: [3]}] is query features pairs.
    let query = message("asked", &json!([3, {"9": [3]}]));
    scene.post(1, "device/gateway-1", publish(bytes(&query))).await;
    let answer = scene.answered("asked", 200).await;
    assert_eq!(told(&answer).0, Some(200));
    assert_eq!(answer.results()["pairs"]["set"], json!(["x-probe:act"]));

    let entries = scene.journal();
    assert_eq!(entries.len(), 2);
    let shown = scene.shown(&entries[0]);
    let kept: Json = serde_json::from_str(shown["message"].as_str().unwrap()).unwrap();
    assert_eq!(kept["body"]["openc2"]["request"]["target"], json!({"x-probe:act": {"do": "tell"}}));
    assert_eq!(shown["response"]["body"]["openc2"]["response"]["status"], json!(200));
}

/// MQTT-2.5-1 across encodings: the same command again, in the other one.
#[tokio::test]
async fn a_repetition_in_the_other_encoding_is_known() {
    let test = "a_repetition_in_the_other_encoding_is_known";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let in_json = letter("again", &act("work", "x-wall"));
    let in_cbor = bytes(&message("again", &acting("work", &Json::Null)));
    scene.post(1, "device/gateway-1", publish(in_cbor.clone())).await;
    let first = scene.answered("again", 200).await;
    scene.send("device/gateway-1", &in_json).await;
    assert_eq!(scene.answered("again", 200).await.payload(), first.payload());
    scene.post(1, "device/gateway-1", publish(in_cbor)).await;
    assert_eq!(scene.answered("again", 200).await.payload(), first.payload());

    let other = bytes(&message("again", &acting("fail", &Json::Null)));
    scene.post(1, "device/gateway-1", publish(other)).await;
    let refused = scene.answered("again", 400).await;
    assert_eq!(told(&refused).0, Some(400));
    assert_eq!((acts(&scene, "work"), acts(&scene, "fail")), (1, 0));
}

/// MQTT-3.2-6 for CBOR that is broken: whoever can be answered is, in CBOR.
#[tokio::test]
async fn broken_cbor_is_refused_in_cbor_where_its_sender_was_seen() {
    let test = "broken_cbor_is_refused_in_cbor_where_its_sender_was_seen";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let whole = bytes(&message("cut", &acting("work", &Json::Null)));
    let port = message("port", &json!([6, {"15": [null, 70_000]}]));
    let unknown = message("unknown", &json!([6, {"4711": 0}]));
    #[rustfmt::skip]
    let cases = [
        ("cut",     whole[..whole.len() - 3].to_vec(), 400, "/body/openc2/request"),
        ("port",    bytes(&port),                      400, "/body/openc2/request/target/ipv4_connection/src_port"),
        ("unknown", bytes(&unknown),                   501, "no target has the number 4711"),
    ];
    for (id, payload, status, says) in cases {
        scene.post(1, "device/gateway-1", publish(payload)).await;
        let answer = scene.answered(id, status).await;
        assert_eq!(told(&answer), (Some(status.into()), Some(id.to_owned())));
        assert!(answer.text().contains(says), "{answer:?}");
    }
    scene.post(1, "device/gateway-1", publish(whole[..4].to_vec())).await;
    assert!(scene.until_idle().await.is_empty(), "nobody can be answered");
    assert_eq!(acts(&scene, "work"), 0);
}
