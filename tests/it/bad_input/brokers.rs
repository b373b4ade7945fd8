//! What the broker has a part in: retained messages, and packets that are too large.

use serde_json::json;

use super::topics;
use crate::support::packet::Publish;
use crate::support::probe::{act, acts, install};
use crate::support::scene::{Scene, letter, query_features, well_formed};

/// One that the broker kept from before is dropped, and so is one that only says it is to be kept.
#[tokio::test]
async fn a_retained_command_is_never_executed() {
    let test = "a_retained_command_is_never_executed";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);

    let retained = |id: &str, properties: bool| {
        let publish = well_formed(&letter(id, &act("work", "x-probe")));
        let properties = if properties { publish.properties.clone() } else { Vec::new() };
        Publish { retain: true, properties, ..publish }
    };
    // It addresses both consumers.
    scene.post(2, "ap/x-probe", retained("before", true)).await;
    scene.bridge.run();
    assert!(scene.until_marker().await.is_empty());

    scene.post(1, "device/gateway-1", retained("live", true)).await;
    scene.post(1, "device/gateway-1", retained("live-without-properties", false)).await;
    assert!(scene.until_marker().await.is_empty());

    // No payload ends what is kept, and is delivered as well.
    let nothing = Publish { retain: true, qos: 1, ..Publish::default() };
    scene.post(2, "ap/x-probe", nothing.clone()).await;
    scene.post(1, "device/gateway-1", nothing).await;
    assert!(scene.until_marker().await.is_empty());

    let counters = scene.settled().await;
    assert_eq!(counters["dropped"], 7, "{counters}");
    assert_eq!(acts(&scene, "work"), 0);
    let entries = scene.journal();
    let consumers: Vec<_> = entries.iter().map(|entry| entry["consumer"].clone()).collect();
    assert_eq!(consumers[..4], ["gateway-1", "limited", "gateway-1", "gateway-1"]);
    for entry in &entries {
        assert_eq!(entry["class"], "dropped", "{entry}");
        assert!(entry["text"].as_str().unwrap().contains("retained"), "{entry}");
    }
    // What it was can be read there.
    let shown = scene.shown(&entries[0]);
    assert!(shown["message"].as_str().unwrap().contains("\"before\""), "{shown}");
}

/// The bridge takes packets of 1 MiB; the broker keeps larger ones to itself.
#[tokio::test]
async fn a_packet_larger_than_the_bridge_takes_costs_no_connection() {
    let test = "a_packet_larger_than_the_bridge_takes_costs_no_connection";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let link = |scene: &Scene| scene.bridge.status()["mqtt"]["link"].clone();
    let before = link(&scene);
    let mut large = letter("large", &query_features(&json!([])));
    large["headers"]["x-pad"] = json!("x".repeat(1024 * 1024));
    // It addresses one consumer, and arrives at none.
    scene.post(0, "device/gateway-1", well_formed(&large)).await;
    assert!(scene.until_marker().await.is_empty());

    let after = link(&scene);
    for number in ["connected", "failed"] {
        assert_eq!(after[number], before[number], "{number}: {after}");
    }
    assert_eq!(scene.settled().await["dropped"], 0);
}
