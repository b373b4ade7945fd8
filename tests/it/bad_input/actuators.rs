//! Actuators that fail, that are busy, and that may not be asked so often.

use serde_json::{Value as Json, json};

use super::topics;
use crate::support::probe::{act, acts, install};
use crate::support::scene::{Scene, letter, query_features};

/// The same command, and no response is wanted.
fn silent(mut command: Json) -> Json {
    command["args"] = json!({"response_requested": "none"});
    command
}

/// L11-3.3.1.4-2, L11-3.3.2-1.
#[tokio::test]
async fn an_actuator_that_fails_or_lies_is_told_of_with_status_and_reason() {
    let test = "an_actuator_that_fails_or_lies_is_told_of_with_status_and_reason";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    #[rustfmt::skip]
    let cases = [
        // does          profile    status  the text says
        ("fail",         "x-probe", 500,    "code 3"),
        ("crash",        "x-probe", 500,    "SIGKILL"),
        ("nothing",      "x-probe", 500,    "without a response"),
        ("garbage",      "x-probe", 500,    "lied"),
        ("other",        "x-probe", 500,    "lied"),
        ("unending",     "x-probe", 500,    "102"),
        ("unknown",      "x-probe", 500,    "lied"),
        ("twice",        "x-probe", 500,    "answered twice"),
        ("afterwards",   "x-probe", 500,    "answered and then failed"),
        ("usage",        "x-probe", 400,    "code 64"),
        ("unavailable",  "x-probe", 503,    "code 69"),
        ("unsupported",  "x-probe", 501,    "code 78"),
        ("hang",         "x-dead",  500,    "the outcome is unknown"),
    ];
    for (does, profile, status, says) in cases {
        let id = format!("loud-{does}");
        scene.send("device/gateway-1", &letter(&id, &act(does, profile))).await;
        let answer = scene.answered(&id, status).await;
        assert!(answer.text().contains(says), "{does}: {:?}", answer.text());
        assert_eq!(answer.topic(), "rsp/soar-1");
        let id = format!("silent-{does}");
        scene.send("device/gateway-1", &letter(&id, &silent(act(does, profile)))).await;
    }
    let answers = scene.until_idle().await;
    assert!(answers.is_empty(), "{answers:?}");

    let counters = scene.settled().await;
    assert_eq!(counters["answered"], cases.len() as u64 + scene.markers(), "{counters}");
    assert_eq!(counters["silent"], cases.len(), "{counters}");
    let entries = scene.journal();
    for (does, _, status, says) in cases {
        for (id, class) in
            [(format!("loud-{does}"), "answered"), (format!("silent-{does}"), "silent")]
        {
            let entry = entries.iter().find(|entry| entry["request_id"] == id).expect("is kept");
            assert_eq!(
                (&entry["class"], &entry["status"]),
                (&json!(class), &json!(status)),
                "{id}"
            );
            assert!(entry["text"].as_str().unwrap().contains(says), "{entry}");
            let kinds: Vec<Json> = scene.shown(entry)["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["kind"].clone())
                .collect();
            assert!(
                kinds.starts_with(&[json!("accepted"), json!("started"), json!("outcome")]),
                "{id}: {kinds:?}"
            );
        }
        assert_eq!(acts(&scene, does), 2, "{does}: each was tried once");
    }
    let hanging = scene.bridge.log_line("oc2::command", "silent-hang");
    assert!(hanging.contains(" status=500 "), "{hanging}");
    let reason = "reason=\"Actuator timeout: no response within ";
    assert!(hanging.contains(reason) && hanging.contains("outcome is unknown"), "{hanging}");

    // It said that nothing was begun: it may try again. The others never do.
    scene
        .send("device/gateway-1", &letter("loud-unavailable", &act("unavailable", "x-probe")))
        .await;
    scene.answered("loud-unavailable", 503).await;
    scene.send("device/gateway-1", &letter("loud-fail", &act("fail", "x-probe"))).await;
    scene.answered("loud-fail", 500).await;
    assert_eq!((acts(&scene, "unavailable"), acts(&scene, "fail")), (3, 2));
    assert_eq!(scene.settled().await["repeated"], 1);
}

#[tokio::test]
async fn a_full_queue_is_answered_503_and_a_repetition_is_judged_afresh() {
    let test = "a_full_queue_is_answered_503_and_a_repetition_is_judged_afresh";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let mut gate = install(&scene);
    scene.bridge.run();

    let wait = act("wait", "x-slow");
    for id in ["running", "waiting"] {
        scene.send("device/gateway-1", &letter(id, &wait)).await;
    }
    scene.send("device/gateway-1", &letter("turned-away", &wait)).await;
    let answer = scene.answered("turned-away", 503).await;
    assert!(answer.text().contains("queue of actuator \"slow\" is full"), "{answer:?}");
    let line = scene.bridge.log_line("oc2::command", "turned-away");
    assert!(line.contains(" status=503 "), "{line}");
    let reason = r#"reason="the queue of actuator \"slow\" is full; try again later""#;
    assert!(line.contains(reason), "{line}");
    scene.send("device/gateway-1", &letter("silently", &silent(wait.clone()))).await;
    assert!(scene.until_marker().await.is_empty());

    // One that is busy disturbs no other.
    scene.send("device/gateway-1", &letter("elsewhere", &act("work", "x-probe"))).await;
    scene.answered("elsewhere", 200).await;
    assert_eq!(scene.bridge.counters()["in_progress"], 2);

    for id in ["running", "waiting"] {
        gate.let_one_pass();
        scene.answered(id, 200).await;
    }
    scene.send("device/gateway-1", &letter("turned-away", &wait)).await;
    gate.let_one_pass();
    scene.answered("turned-away", 200).await;
    assert_eq!(acts(&scene, "wait"), 3);

    let counters = scene.settled().await;
    assert_eq!((&counters["refused"], &counters["silent"]), (&json!(1), &json!(1)), "{counters}");
    assert_eq!(counters["repeated"], 0, "{counters}");
    let statuses: Vec<_> = scene.journal().iter().map(|entry| entry["status"].clone()).collect();
    assert_eq!(statuses, [200, 200, 503, 503, 200, 200]);
}

/// L11-4.1-6: what is said is what is enforced.
#[tokio::test]
async fn a_rate_limit_that_is_passed_is_answered_503() {
    let test = "a_rate_limit_that_is_passed_is_answered_503";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let ask = query_features(&json!(["rate_limit"]));
    scene.send("device/limited", &letter("first", &ask)).await;
    assert_eq!(*scene.answered("first", 200).await.results(), json!({"rate_limit": 2}));
    scene.send("device/limited", &letter("second", &act("work", "x-probe"))).await;
    scene.answered("second", 200).await;
    for _ in 0..2 {
        scene.send("device/limited", &letter("third", &act("work", "x-probe"))).await;
        let answer = scene.answered("third", 503).await;
        assert!(
            answer.text().contains("limited takes 2 commands a minute; try again in"),
            "{answer:?}"
        );
    }
    // What is known already costs nothing of it.
    scene.send("device/limited", &letter("second", &act("work", "x-probe"))).await;
    scene.answered("second", 200).await;
    scene.send("device/limited", &letter("silently", &silent(act("work", "x-probe")))).await;
    assert!(scene.until_marker().await.is_empty());
    assert_eq!(acts(&scene, "work"), 1);

    let counters = scene.settled().await;
    let expected =
        [("answered", 2 + scene.markers()), ("refused", 2), ("repeated", 1), ("silent", 1)];
    for (class, count) in expected {
        assert_eq!(counters[class], count, "{class}: {counters}");
    }
    let entries = scene.journal();
    let third = entries.iter().filter(|entry| entry["request_id"] == "third");
    assert!(third.clone().all(|entry| entry["class"] == "refused"), "judged afresh");
    assert_eq!(third.count(), 2);
}
