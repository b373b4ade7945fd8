//! Settings of `[mqtt]` that decide what is taken and where answers go.

use serde_json::json;

use crate::support::packet::Publish;
use crate::support::scene::{Scene, letter, qos_1, query_features, text};

const TOPICS: &str = "[[consumer]]\nid = \"gateway-1\"\n";

/// A command of an MQTT 3.1.1 client, where they are not wanted: dropped, counted and kept.
#[tokio::test]
async fn commands_without_properties_can_be_refused() {
    let test = "commands_without_properties_can_be_refused";
    let settings = "[mqtt]\naccept-without-properties = false\n";
    let Some(mut scene) = Scene::open(test, "gateway-1", settings, TOPICS).await else { return };
    let command = letter("bare", &query_features(&json!([])));
    let bare = Publish { payload: text(&command), ..qos_1() };
    scene.post(1, "device/gateway-1", bare).await;
    assert!(scene.until_marker().await.is_empty(), "it is not answered");

    let counters = scene.settled().await;
    assert_eq!((&counters["dropped"], &counters["without_properties"]), (&json!(1), &json!(1)));
    let kept = scene.journal().into_iter().find(|entry| entry["class"] == "dropped").unwrap();
    let why = kept["text"].as_str().unwrap();
    assert!(why.contains("accept-without-properties"), "{why}");
}

/// MQTT-3.2-10: where responses go is the consumer's to choose, between the two topics.
#[tokio::test]
async fn responses_go_where_the_setting_says() {
    let test = "responses_go_where_the_setting_says";
    #[rustfmt::skip]
    let cases: [(&str, &[&str]); 3] = [
        ("producer", &["rsp/soar-1"]),
        ("shared",   &["rsp"]),
        ("both",     &["rsp", "rsp/soar-1"]),
    ];
    for (setting, expected) in cases {
        let settings = format!("[mqtt]\nresponses = \"{setting}\"\n");
        let opened = Scene::open(test, "gateway-1", &settings, TOPICS).await;
        let Some(mut scene) = opened else { return };
        scene.send("device/gateway-1", &letter("where", &query_features(&json!([])))).await;
        let mut topics = Vec::new();
        for _ in expected {
            topics.push(scene.answered("where", 200).await.topic().to_owned());
        }
        topics.sort();
        assert_eq!(topics, expected, "{setting}");
    }
}
