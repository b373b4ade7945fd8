//! What bad input gets, from the wire to the wire: bytes are published, and what comes
//! back, what the journal holds and what was counted is asserted.

mod actuators;
mod brokers;
mod cases;
mod flood;
mod repeated;
mod spelling;

use serde_json::Value as Json;

use crate::support::probe;
use crate::support::scene::Scene;
use cases::{Case, Expect, cases};

/// One consumer for everything, and one that may be asked only twice a minute.
fn topics() -> String {
    let consumers = r#"
[[consumer]]
id = "gateway-1"
actuators = ["probe", "dead", "slow"]

[[consumer]]
id = "limited"
actuators = ["probe"]
rate-limit = 2
"#;
    let probe = probe::actuator("probe", "x-probe", "specifiers = { asset_id = \"30\" }");
    let dead = probe::actuator("dead", "x-dead", "timeout = \"300ms\"\nconcurrency = 8");
    let slow = probe::actuator("slow", "x-slow", "queue = 1\ntimeout = \"10m\"");
    [consumers, &probe, &dead, &slow].concat()
}

/// Cases published before their answers are taken in; the bridge commits them together.
const AT_A_TIME: usize = 32;

/// How a case is published.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    /// As MQTT 5 clients do, or as those of MQTT 3.1.1.
    has_properties: bool,
    /// With `response_requested: none`.
    wants_silence: bool,
}

const WAYS: [Way; 4] = [
    Way { name: "with-properties", has_properties: true, wants_silence: false },
    Way { name: "without-properties", has_properties: false, wants_silence: false },
    Way { name: "none-with-properties", has_properties: true, wants_silence: true },
    Way { name: "none-without-properties", has_properties: false, wants_silence: true },
];

/// Every row of the table that needs no memory and no actuator.
///
/// MQTT-3.2-5, MQTT-3.2-6, MQTT-3.2-7, MQTT-3.2-8, MQTT-3.2-10, L11-3.2-1, L11-3.2-3, L11-3.2-4,
/// L11-3.3.1-2, L11-3.3.1.1-1, L11-3.3.1.2-1, L11-3.1.4-1, L11-3.3.1.4-1, L11-3.3.1.4-2,
/// L11-3.3.2-1, L11-3.4-2, L11-3.4.2-1, L11-5.4-2.
#[tokio::test]
async fn what_is_wrong_with_a_message_is_answered_recorded_and_counted() {
    let test = "what_is_wrong_with_a_message_is_answered_recorded_and_counted";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = probe::install(&scene);
    scene.bridge.run();

    let mut published = Vec::new();
    for case in cases() {
        for way in WAYS.into_iter().filter(|way| case.can_go(*way)) {
            let id = format!("{}.{}", case.name.replace(' ', "-"), way.name);
            published.push((case.clone(), way, id));
        }
    }
    let mut complaints = Vec::new();
    for some in published.chunks(AT_A_TIME) {
        let mut markers = Vec::new();
        for (case, way, id) in some {
            scene.post(1, "device/gateway-1", case.publish(*way, id)).await;
            markers.push(scene.mark().await);
        }
        for ((case, way, id), marker) in some.iter().zip(markers) {
            let answers = scene.until(marker).await;
            complaints.extend(case.complaint(*way, id, &answers));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let counters = scene.settled().await;
    assert_counters(&counters, &published, scene.markers());
    assert_journal(&scene, &published);
}

/// Every message is in the class that its row says.
fn assert_counters(counters: &Json, published: &[(Case, Way, String)], markers: u64) {
    let in_class = |class: &str| {
        let with = published.iter().filter(|(case, way, _)| case.class(*way) == Some(class));
        with.count() as u64
    };
    let unread = published.iter().filter(|(case, _, _)| case.expect == Expect::Unread).count();
    let bare = published.iter().filter(|(_, way, _)| !way.has_properties).count();
    assert_eq!(counters["answered"], in_class("answered") + markers, "{counters}");
    for class in ["refused", "silent", "repeated"] {
        assert_eq!(counters[class], in_class(class), "{class}: {counters}");
    }
    assert_eq!(counters["dropped"], in_class("dropped") + unread as u64, "{counters}");
    assert_eq!(counters["unread"], unread, "{counters}");
    assert_eq!(counters["without_properties"], bare, "{counters}");
}

/// Every message of which anything was read is in the journal with its end, in order.
fn assert_journal(scene: &Scene, published: &[(Case, Way, String)]) {
    let entries = scene.journal();
    let mut kept = entries.iter();
    for (case, way, id) in published {
        let Some(class) = case.class(*way) else { continue };
        let entry = kept.next().unwrap_or_else(|| panic!("{id} is not in the journal"));
        assert_eq!(entry["state"], "ended", "{id}: {entry}");
        assert_eq!(entry["class"], class, "{id}: {entry}");
        assert_eq!(entry["status"].as_u64(), case.status(), "{id}: {entry}");
        let text = entry["text"].as_str().unwrap_or_default();
        assert!(text.contains(case.says), "{id}: {text:?} does not say {:?}", case.says);
        if let Some(known) = entry["request_id"].as_str() {
            assert_eq!(known, id, "{entry}");
        }
        if way.has_properties && !way.wants_silence {
            let shown = scene.shown(entry);
            let message = String::from_utf8_lossy(&case.payload(id, false)).into_owned();
            assert_eq!(shown["message"], message, "{id}: kept as it came");
            assert_eq!(shown["response"].is_null(), class == "dropped", "{id}: {shown}");
        }
    }
    assert_eq!(kept.next(), None, "nothing else is in the journal");
}
