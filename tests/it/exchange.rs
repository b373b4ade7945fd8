//! Good commands, from the wire to the wire: who is addressed, who answers, how often and
//! with what.

mod cbor;
mod features;
mod packets;
mod settings;
mod tools;

use serde_json::{Value as Json, json};

use crate::support::probe::{self, act, acts, install};
use crate::support::scene::{Scene, letter, query_features};

/// A gateway with two actuators, and a lamp with one that the gateway has as well.
fn topics() -> String {
    let consumers = r#"
[[consumer]]
id = "gateway-1"
actuators = ["wall", "lamp"]
rate-limit = 5000

[[consumer]]
id = "lamp-2"
actuators = ["lamp"]
"#;
    let wall = probe::actuator("wall", "x-wall", "specifiers = { asset_id = \"30\" }");
    let lamp = probe::actuator("lamp", "x-lamp", "concurrency = 2");
    [consumers, &wall, &lamp].concat()
}

/// Status and text of each response.
type Said = &'static [(u64, &'static str)];

/// Who answers, and with which status.
type Answers = &'static [(&'static str, u64)];

/// `set x-probe:act`, for whoever supports it.
fn anybody(what: &str) -> Json {
    json!({"action": "set", "target": {"x-probe:act": {"do": what}}})
}

/// L11-3.3.1.4-2, L11-3.3.1.4-3, L11-3.3.1.4-4, L11-3.3.1.4-5.
#[tokio::test]
async fn the_producer_gets_the_responses_it_asked_for() {
    let test = "the_producer_gets_the_responses_it_asked_for";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let mut gate = install(&scene);
    scene.bridge.run();

    #[rustfmt::skip]
    let cases: [(Option<&str>, Said, Said); 5] = [
        // asked           while it works              at the end
        (Some("none"),     &[],                        &[]),
        (Some("ack"),      &[(102, "")],               &[]),
        (Some("status"),   &[(102, ""), (102, "half")], &[(200, "done")]),
        (Some("complete"), &[],                        &[(200, "done")]),
        (None,             &[],                        &[(200, "done")]),
    ];
    for (asked, while_it_works, at_the_end) in cases {
        let id = format!("asked-{}", asked.unwrap_or("nothing"));
        let mut command = act("tell", "x-wall");
        if let Some(asked) = asked {
            command["args"] = json!({"response_requested": asked});
        }
        scene.send("device/gateway-1", &letter(&id, &command)).await;
        for &(status, text) in while_it_works {
            let answer = scene.answered(&id, status).await;
            assert_eq!((answer.text(), answer.topic()), (text, "rsp/soar-1"), "{id}");
        }
        scene.busy_with(1).await;
        assert!(scene.until_marker().await.is_empty(), "{id}: nothing else while it works");
        gate.let_one_pass();
        for &(status, text) in at_the_end {
            assert_eq!(scene.answered(&id, status).await.text(), text, "{id}");
        }
        assert!(scene.until_idle().await.is_empty(), "{id}: nothing else at the end");
    }

    assert_eq!(acts(&scene, "tell"), cases.len());
    let counters = scene.settled().await;
    assert_eq!((&counters["silent"], &counters["refused"]), (&json!(1), &json!(0)), "{counters}");
    for entry in scene.journal() {
        assert_eq!((&entry["status"], &entry["text"]), (&json!(200), &json!("done")), "{entry}");
    }
}

/// MQTT-3.2-8, L11-3.2-3: one command, and each consumer answers for itself.
#[tokio::test]
async fn who_is_addressed_answers_once() {
    let test = "who_is_addressed_answers_once";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    #[rustfmt::skip]
    let cases: [(&str, &[(&str, &str)]); 5] = [
        // topic               who answers, by which actuator
        ("all",                &[("gateway-1", "wall"), ("lamp-2", "lamp")]),
        ("ap/x-lamp",          &[("gateway-1", "lamp"), ("lamp-2", "lamp")]),
        ("ap/x-wall",          &[("gateway-1", "wall")]),
        ("device/lamp-2",      &[("lamp-2", "lamp")]),
        ("device/gateway-1",   &[("gateway-1", "wall")]),
    ];
    for (to, who) in cases {
        let id = format!("to-{}", to.replace('/', "-"));
        scene.send_to(who.len(), to, &letter(&id, &anybody("work"))).await;
        let mut from = Vec::new();
        for _ in who {
            let answer = scene.answered(&id, 200).await;
            assert_eq!(answer.message()["headers"]["to"], json!(["soar-1"]));
            from.push(answer.from().unwrap().to_owned());
        }
        from.sort();
        assert!(from.iter().eq(who.iter().map(|(consumer, _)| consumer)), "{to}: {from:?}");
    }
    assert!(scene.until_idle().await.is_empty());

    let messages: Vec<_> = cases.iter().flat_map(|(_, who)| *who).collect();
    assert_eq!(acts(&scene, "work"), messages.len());
    let counters = scene.settled().await;
    assert_eq!(counters["answered"], messages.len() as u64 + scene.markers(), "{counters}");
    assert_eq!(counters["deliveries"], cases.len() as u64 + scene.markers(), "{counters}");
    let entries = scene.journal();
    let kept = entries.iter().map(|it| (it["consumer"].as_str(), it["actuator"].as_str()));
    assert!(kept.eq(messages.iter().map(|(one, other)| (Some(*one), Some(*other)))), "{entries:?}");
}

/// MQTT-2.4-1.
#[tokio::test]
async fn whom_to_does_not_name_neither_acts_nor_answers() {
    let test = "whom_to_does_not_name_neither_acts_nor_answers";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    #[rustfmt::skip]
    let cases: [(&str, Json, &[&str]); 6] = [
        // topic             to                                   who acts
        ("all",              json!(["lamp-2"]),                   &["lamp-2"]),
        ("all",              json!(["lamp-2", "gateway-1"]),      &["gateway-1", "lamp-2"]),
        ("all",              json!(["elsewhere"]),                &[]),
        ("ap/x-lamp",        json!(["gateway-1", "elsewhere"]),   &["gateway-1"]),
        ("device/lamp-2",    json!(["gateway-1"]),                &[]),
        ("device/lamp-2",    json!(["lamp-2"]),                   &["lamp-2"]),
    ];
    let mut expected = 0;
    for (number, (topic, to, who)) in cases.into_iter().enumerate() {
        let mut message = letter(&format!("to-{number}"), &anybody("work"));
        message["headers"]["to"] = to.clone();
        // What addresses nobody here still counts once.
        scene.send_to(who.len().max(1), topic, &message).await;
        let answers = scene.until_idle().await;
        let mut from: Vec<_> = answers.iter().filter_map(|answer| answer.from()).collect();
        from.sort_unstable();
        assert_eq!(from, who, "{topic} {to}");
        expected += who.len();
    }
    assert_eq!(acts(&scene, "work"), expected);
    assert_eq!(scene.settled().await["dropped"], 2);
}

#[tokio::test]
async fn specifiers_that_fit_nobody_are_silence_where_others_may_be_meant() {
    let test = "specifiers_that_fit_nobody_are_silence_where_others_may_be_meant";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    #[rustfmt::skip]
    let cases: [(&str, usize, Json, Answers); 6] = [
        // topic             counts  actuator                              who answers what
        ("all",              2,      json!({"x-wall": {"asset_id": "31"}}), &[]),
        ("ap/x-wall",        1,      json!({"x-wall": {"asset_id": "31"}}), &[]),
        ("device/gateway-1", 1,      json!({"x-wall": {"asset_id": "31"}}), &[("gateway-1", 404)]),
        ("device/lamp-2",    1,      json!({"x-wall": {"asset_id": "30"}}), &[("lamp-2", 501)]),
        ("all",              2,      json!({"x-wall": {"asset_id": "30"}}), &[("gateway-1", 200)]),
        ("ap/x-lamp",        2,      json!({"x-wall": {}}),                 &[("gateway-1", 200)]),
    ];
    for (number, (topic, addressed, actuator, who)) in cases.into_iter().enumerate() {
        let mut command = anybody("work");
        command["actuator"] = actuator.clone();
        scene.send_to(addressed, topic, &letter(&format!("for-{number}"), &command)).await;
        let answers = scene.until_idle().await;
        let said: Vec<_> = answers.iter().map(|it| (it.from().unwrap(), it.status())).collect();
        assert_eq!(said, who, "{topic} {actuator}");
    }
    assert_eq!(acts(&scene, "work"), 2);
    let counters = scene.settled().await;
    assert_eq!((&counters["dropped"], &counters["refused"]), (&json!(5), &json!(2)), "{counters}");
}

/// L11-3.3.1-1: what the actuator is told.
#[tokio::test]
async fn the_request_id_serves_as_command_id_where_there_is_none() {
    let test = "the_request_id_serves_as_command_id_where_there_is_none";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let mut with_id = act("repeat", "x-wall");
    with_id["command_id"] = json!("c-1");
    for (command, id) in [(act("repeat", "x-wall"), "r-1"), (with_id, "c-1")] {
        let request_id = if id == "r-1" { "r-1" } else { "r-2" };
        scene.send("device/gateway-1", &letter(request_id, &command)).await;
        let answer = scene.answered(request_id, 200).await;
        let heard = &answer.results()["x-probe"]["heard"];
        assert_eq!(heard["command"], command, "as it stands in the message");
        assert_eq!(
            heard["source"],
            json!({"producer": "soar-1", "topic": "device/gateway-1", "consumer": "gateway-1",
                "request_id": request_id, "command_id": id})
        );
    }
    scene.settled().await;
}

/// Whatever the members beside it hold, a good command is carried out.
#[tokio::test]
async fn harmless_habits_are_accepted_and_counted() {
    use crate::support::packet::{Publish, Value, id};
    use crate::support::scene::{declared, request, well_formed};

    let test = "harmless_habits_are_accepted_and_counted";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let with = |id: u8, text: &str| {
        let mut properties = request();
        properties.retain(|(other, _)| *other != id);
        properties.push((id, Value::Text(text.to_owned())));
        properties
    };
    #[rustfmt::skip]
    let cases = [
        // habit                     properties                                                counted as
        ("a-response-topic",         with(id::RESPONSE_TOPIC, "answers/here"),                  Some("tolerated")),
        ("msgType-request",          declared("request", "json", 1),                            Some("tolerated")),
        ("a-media-type",             with(id::CONTENT_TYPE, "application/openc2+json;version=1.0"), Some("tolerated")),
        ("no-properties",            Vec::new(),                                                Some("without_properties")),
        ("format-indicator-0",       declared("req", "json", 0),                                None),
        ("a-message-expiry",         [request(), vec![(id::MESSAGE_EXPIRY, Value::Four(60))]].concat(), None),
    ];
    for (name, properties, _) in &cases {
        let message = letter(name, &query_features(&json!([])));
        let publish = Publish { properties: properties.clone(), ..well_formed(&message) };
        scene.post(1, "device/gateway-1", publish).await;
        // Whatever Response Topic was asked for (MQTT-3.2-10 of the table).
        assert_eq!(scene.answered(name, 200).await.topic(), "rsp/soar-1", "{name}");
    }
    let counters = scene.settled().await;
    for name in ["tolerated", "without_properties"] {
        let count = cases.iter().filter(|(_, _, counted)| *counted == Some(name)).count();
        assert_eq!(counters[name], count, "{name}: {counters}");
    }
}
