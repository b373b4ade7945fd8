//! Versions of the language, and what profiles add to it: who reads a command how.

use super::*;

/// A consumer that speaks 1.1, one that speaks 1.0, and one that speaks both.
fn speakers() -> House {
    let mut house = house();
    let speaker = |id: &str, versions: &[Version]| Consumer {
        id: id.to_owned(),
        actuators: vec!["wall".to_owned()],
        versions: versions.to_vec(),
        rate_limit: None,
    };
    house.consumers = Consumers::from_iter([
        speaker("newer", &[Version::V1_1]),
        speaker("older", &[Version::V1_0]),
        speaker("both", &[Version::V1_1, Version::V1_0]),
    ]);
    house
}

fn query(features: &[&str]) -> Value {
    json!({"action": "query", "target": {"features": features}})
}

/// Each consumer's answer, by its name.
fn answers(seen: &Seen) -> BTreeMap<String, Value> {
    let read = |outgoing: &Outgoing| {
        let message: Value = serde_json::from_slice(&outgoing.payload).unwrap();
        let from = message["headers"]["from"].as_str().unwrap().to_owned();
        (from, message["body"]["openc2"]["response"].clone())
    };
    seen.responses.iter().map(read).collect()
}

/// Shows L10-3.3.1.2-1 and L10-3.3.2-1: each consumer decides by the newest of its own versions,
/// and answers in its shape.
#[test]
fn a_consumer_reads_by_its_own_versions_and_answers_in_their_shape() {
    #[rustfmt::skip]
    let cases = [
        // command                                                               newer  older  both
        (query(&["versions"]),                                                   [200,  200,   200]),
        (json!({"action": "deny", "target": {"ip_addr": "192.0.2.1"}}),          [400,  501,   501]),
        (json!({"action": "deny", "target": {"ipv6_net": "2001:db8::/32"}}),     [501,  400,   501]),
        (json!({"action": "deny", "target": {"extension_unr": {"x-a": {"b": 1}}}}), [400, 501, 501]),
        (json!({"action": "deny", "target": {"ip_addr": "192.0.2"}}),            [400,  400,   400]),
    ];
    for (number, (command, statuses)) in cases.into_iter().enumerate() {
        let mut room = Room::with(speakers(), Rules::default());
        let seen = room.hears("all", &message(&format!("r-{number}"), &command));
        let answers = answers(&seen);
        let found = ["newer", "older", "both"].map(|id| answers[id]["status"].as_u64().unwrap());
        assert_eq!(found, statuses, "{command}: {answers:?}");
    }

    let mut room = Room::with(speakers(), Rules::default());
    let answers = answers(&room.hears("all", &message("shape", &query(&["pairs"]))));
    let pairs = |id: &str, pointer: &str| answers[id].pointer(pointer).cloned();
    assert_eq!(pairs("newer", "/results/pairs/query"), Some(json!(["command", "features"])));
    assert_eq!(pairs("both", "/results/pairs/query"), Some(json!(["command", "features"])));
    // 1.0 has no ipv4_net, and names a profile where its targets are meant.
    let listed =
        json!([["query", ["command", "features"]], ["deny", ["slpf"]], ["cancel", ["command"]]]);
    assert_eq!(pairs("older", "/pairs"), Some(listed), "{answers:?}");
}

/// What a profile's schema says of its targets, arguments and results holds.
#[test]
fn a_profile_decides_what_stands_under_its_name() {
    let set = |target: Value| json!({"action": "set", "target": target});
    #[rustfmt::skip]
    let cases = [
        (set(json!({"x-iot:light": {"state": "on", "level": 50}})),              None),
        (set(json!({"x-iot:light": {"state": "maybe"}})),                        Some("/body/openc2/request/target/x-iot:light/state")),
        (set(json!({"x-iot:light": {"level": 101}})),                            Some("/body/openc2/request/target/x-iot:light/level")),
        (json!({"action": "deny", "target": {"ipv4_net": "192.0.2.0/24"}, "args": {"slpf": {"direction": "up"}}}),
         Some("/body/openc2/request/args/slpf/direction")),
        (json!({"action": "deny", "target": {"ipv4_net": "192.0.2.0/24"}, "actuator": {"slpf": {"asset_id": 30}}}),
         Some("/body/openc2/request/actuator/slpf/asset_id")),
    ];
    for (number, (command, pointer)) in cases.into_iter().enumerate() {
        let mut room = Room::new();
        let seen = room.hears("device/gateway-1", &message(&format!("r-{number}"), &command));
        match pointer {
            None => assert_eq!(seen.starts.len(), 1, "{command}: {seen:?}"),
            Some(pointer) => {
                assert_eq!(seen.answer().0, 400, "{command}");
                assert!(seen.text().contains(&format!("at {pointer:?}")), "{}", seen.text());
            }
        }
    }

    let mut room = Room::new();
    let seen = room.hears("device/gateway-1", &message("results", &deny()));
    let results = Results {
        extensions: json!({"slpf": {"rule_number": "seven"}}).as_object().unwrap().clone(),
        ..Results::default()
    };
    let seen = room.ends(seen.starts[0].ticket, Response { results: Some(results), ..ok() });
    assert_eq!(seen.answer().0, 500);
    assert!(seen.text().contains("/results/slpf/rule_number"), "{}", seen.text());
}
