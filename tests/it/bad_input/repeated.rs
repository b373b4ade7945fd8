//! The same `request_id` again.

use serde_json::{Value as Json, json};

use super::topics;
use crate::support::packet::Publish;
use crate::support::probe::{act, acts, install};
use crate::support::scene::{Scene, letter, qos_1, query_features};

/// MQTT-2.5-1, L11-3.2-3.
#[tokio::test]
async fn a_repetition_acts_once_and_is_answered_with_the_same_bytes() {
    let test = "a_repetition_acts_once_and_is_answered_with_the_same_bytes";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let mut answered = 0;
    #[rustfmt::skip]
    let cases = [
        // command                                                     status
        (act("work", "x-probe"),                                       200),
        (act("fail", "x-probe"),                                       500),
        (json!({"action": "scan", "target": {"x-probe:act": {}}}),     501),
        (query_features(&json!(["pairs"])),                            200),
    ];
    for (number, (command, status)) in cases.iter().enumerate() {
        let id = format!("r-{number}");
        scene.send("device/gateway-1", &letter(&id, command)).await;
        let first = scene.answered(&id, *status).await;
        for _ in 0..2 {
            scene.send("device/gateway-1", &letter(&id, command)).await;
            let again = scene.answered(&id, *status).await;
            assert_eq!(again.payload(), first.payload());
            assert_eq!(again.topic(), first.topic());
            answered += 1;
        }
    }

    // Neither the topic nor the transport nor the order of members are content.
    let reordered = r#" { "body": {"openc2": {"request": {"actuator": {"x-probe": {}},
        "target": {"x-probe:act": {"do": "work"}}, "action": "set"}}},
        "headers": {"from": "soar-1", "created": 5, "request_id": "r-0"} }"#;
    let publish = Publish { payload: reordered.as_bytes().to_vec(), ..qos_1() };
    scene.post(1, "ap/x-dead", publish).await;
    scene.answered("r-0", 200).await;

    assert!(scene.until_idle().await.is_empty());
    assert_eq!((acts(&scene, "work"), acts(&scene, "fail")), (1, 1));
    let counters = scene.settled().await;
    assert_eq!(counters["repeated"], answered + 1, "{counters}");
    let repeated: Vec<Json> =
        scene.journal().into_iter().filter(|entry| entry["class"] == "repeated").collect();
    assert_eq!(repeated.len(), answered + 1, "each is kept");
}

#[tokio::test]
async fn a_repetition_of_what_is_under_way_changes_nothing() {
    let test = "a_repetition_of_what_is_under_way_changes_nothing";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let mut gate = install(&scene);
    scene.bridge.run();

    // Nothing was answered yet: nothing to repeat.
    let wait = letter("complete", &act("wait", "x-slow"));
    scene.send("device/gateway-1", &wait).await;
    scene.send("device/gateway-1", &wait).await;
    assert!(scene.until_marker().await.is_empty());
    gate.let_one_pass();
    scene.answered("complete", 200).await;

    // What was answered last is said again.
    let mut wait = letter("status", &act("wait", "x-slow"));
    wait["body"]["openc2"]["request"]["args"] = json!({"response_requested": "status"});
    scene.send("device/gateway-1", &wait).await;
    let first = scene.answered("status", 102).await;
    scene.send("device/gateway-1", &wait).await;
    let again = scene.answered("status", 102).await;
    assert_eq!(again.payload(), first.payload());
    gate.let_one_pass();
    scene.answered("status", 200).await;

    assert!(scene.until_idle().await.is_empty());
    assert_eq!(acts(&scene, "wait"), 2);
    assert_eq!(scene.settled().await["repeated"], 2);
}

#[tokio::test]
async fn the_same_id_with_another_content_is_refused_and_the_first_stays() {
    let test = "the_same_id_with_another_content_is_refused_and_the_first_stays";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let command = letter("r", &act("work", "x-probe"));
    scene.send("device/gateway-1", &command).await;
    let first = scene.answered("r", 200).await;

    scene.send("device/gateway-1", &letter("r", &act("repeat", "x-probe"))).await;
    let refused = scene.answered("r", 400).await;
    assert!(refused.text().contains("this request_id was used before"), "{refused:?}");
    let mut silent = letter("r", &act("repeat", "x-probe"));
    silent["body"]["openc2"]["request"]["args"] = json!({"response_requested": "none"});
    scene.send("device/gateway-1", &silent).await;
    assert!(scene.until_marker().await.is_empty());

    scene.send("device/gateway-1", &command).await;
    assert_eq!(scene.answered("r", 200).await.payload(), first.payload());

    // An id is its producer's own.
    let mut of_another = letter("r", &act("repeat", "x-probe"));
    of_another["headers"]["from"] = json!("soar-2");
    scene.send("device/gateway-1", &of_another).await;
    assert_eq!(scene.answered("r", 200).await.topic(), "rsp/soar-2");

    assert_eq!((acts(&scene, "work"), acts(&scene, "repeat")), (1, 1));
    let counters = scene.settled().await;
    let expected =
        [("answered", 2 + scene.markers()), ("refused", 1), ("silent", 1), ("repeated", 1)];
    for (class, count) in expected {
        assert_eq!(counters[class], count, "{class}: {counters}");
    }
    let classes: Vec<_> = scene.journal().iter().map(|entry| entry["class"].clone()).collect();
    assert_eq!(classes, ["answered", "refused", "silent", "repeated", "answered"]);
}

/// Who wants no response may leave `request_id` out; then the bytes are the id.
#[tokio::test]
async fn a_command_without_an_id_is_known_by_its_bytes() {
    let test = "a_command_without_an_id_is_known_by_its_bytes";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let mut command = letter("-", &act("work", "x-probe"));
    let now_ms = openc2_bridge::producer::now_ms();
    command["headers"] = json!({"from": "soar-1", "created": now_ms});
    command["body"]["openc2"]["request"]["args"] = json!({"response_requested": "none"});
    scene.send("device/gateway-1", &command).await;
    scene.send("device/gateway-1", &command).await;
    assert!(scene.until_idle().await.is_empty());
    assert_eq!(acts(&scene, "work"), 1, "the same message");
    command["headers"]["created"] = json!(now_ms + 1);
    scene.send("device/gateway-1", &command).await;
    assert!(scene.until_idle().await.is_empty());
    assert_eq!(acts(&scene, "work"), 2, "the same command, sent anew");

    let counters = scene.settled().await;
    assert_eq!((&counters["silent"], &counters["repeated"]), (&json!(2), &json!(1)), "{counters}");
}
