//! `query features`, which every consumer answers (Language v1.1, section 4.1).

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::topics;
use crate::support::probe::install;
use crate::support::scene::{Answer, Scene, letter, query_features};

/// Every action of the language (Language v1.1, section 3.3.1.1).
const ACTIONS: [&str; 20] = [
    "scan",
    "locate",
    "query",
    "deny",
    "contain",
    "allow",
    "start",
    "stop",
    "restart",
    "cancel",
    "set",
    "update",
    "redirect",
    "create",
    "delete",
    "detonate",
    "restore",
    "copy",
    "investigate",
    "remediate",
];

/// L11-4.1-1, L11-4.1-3, L11-4.1-4, L11-4.1-6, L11-3.3.2.2-1, L11-3.4.1.5-2.
#[tokio::test]
async fn each_feature_is_answered_with_what_it_is() {
    let test = "each_feature_is_answered_with_what_it_is";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let pairs = json!({"query": ["command", "features", "properties"], "cancel": ["command"],
        "set": ["x-probe:act"]});
    #[rustfmt::skip]
    let cases = [
        // features                                          consumer      results
        (json!([]),                                          "gateway-1",  Json::Null),
        (json!(["versions"]),                                "gateway-1",  json!({"versions": ["1.1"]})),
        (json!(["profiles"]),                                "gateway-1",  json!({"profiles": ["x-wall", "x-lamp"]})),
        (json!(["profiles"]),                                "lamp-2",     json!({"profiles": ["x-lamp"]})),
        (json!(["pairs"]),                                   "gateway-1",  json!({"pairs": pairs})),
        (json!(["rate_limit"]),                              "gateway-1",  json!({"rate_limit": 5000})),
        // Where there is no limit, there is nothing to say.
        (json!(["rate_limit"]),                              "lamp-2",     Json::Null),
        (json!(["versions", "versions"]),                    "lamp-2",     json!({"versions": ["1.1"]})),
        (json!(["rate_limit", "pairs", "profiles", "versions"]), "gateway-1",
            json!({"versions": ["1.1"], "profiles": ["x-wall", "x-lamp"], "pairs": pairs, "rate_limit": 5000})),
    ];
    for (number, (features, consumer, results)) in cases.iter().enumerate() {
        let id = format!("features-{number}");
        scene.send(&format!("device/{consumer}"), &letter(&id, &query_features(features))).await;
        let answer = scene.answered(&id, 200).await;
        assert_eq!(answer.results(), results, "{features} of {consumer}");
        assert_eq!(answer.from(), Some(*consumer));
    }
    // Everybody answers for itself.
    let everybody = letter("everybody", &query_features(&json!(["versions"])));
    scene.send_to(2, "all", &everybody).await;
    let both: BTreeSet<_> =
        scene.until_marker().await.iter().map(|it| it.from().unwrap().to_owned()).collect();
    assert!(both.iter().eq(["gateway-1", "lamp-2"]), "{both:?}");

    let counters = scene.settled().await;
    assert_eq!(counters["answered"], cases.len() as u64 + 2 + scene.markers(), "{counters}");
}

/// L11-4.1-2.
#[tokio::test]
async fn query_features_takes_no_argument_but_how_to_answer() {
    let test = "query_features_takes_no_argument_but_how_to_answer";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    #[rustfmt::skip]
    let cases = [
        // args                                                       status  is silence
        (json!({"response_requested": "complete"}),                   200,    false),
        (json!({"response_requested": "none"}),                       200,    true),
        (json!({"response_requested": "ack"}),                        400,    false),
        (json!({"response_requested": "status"}),                     400,    false),
        (json!({"start_time": 5}),                                    400,    false),
        (json!({"duration": 5}),                                      400,    false),
        (json!({"x-wall": {"a": 1}}),                                 400,    false),
        (json!({"response_requested": "complete", "stop_time": 5}),   400,    false),
        (json!({"response_requested": "none", "stop_time": 5}),       400,    true),
    ];
    for (number, (args, status, is_silence)) in cases.iter().enumerate() {
        let id = format!("args-{number}");
        let mut command = query_features(&json!(["versions"]));
        command["args"] = args.clone();
        scene.send("device/gateway-1", &letter(&id, &command)).await;
        let answers = scene.until_marker().await;
        let statuses: Vec<_> = answers.iter().map(Answer::status).collect();
        assert_eq!(statuses, Vec::from_iter((!is_silence).then_some(*status)), "{args}");
    }
    scene.settled().await;
    // What happened is kept in any case.
    let kept: Vec<_> = scene.journal().iter().filter_map(|it| it["status"].as_u64()).collect();
    assert_eq!(kept, cases.map(|(_, status, _)| status));
}

/// L11-4.1-5, L11-3.3.1.1-1: what `pairs` lists is accepted, and nothing else is.
#[tokio::test]
async fn pairs_is_exactly_what_is_accepted() {
    let test = "pairs_is_exactly_what_is_accepted";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    scene.send("device/gateway-1", &letter("pairs", &query_features(&json!(["pairs"])))).await;
    let pairs = scene.answered("pairs", 200).await.results()["pairs"].clone();
    let targets = [
        json!({"features": []}),
        json!({"properties": ["load"]}),
        json!({"x-probe:act": {"do": "work"}}),
        json!({"x-probe:other": {"do": "work"}}),
        json!({"ipv4_net": "192.0.2.0/24"}),
        json!({"device": {"hostname": "h"}}),
        // Known here, and not at work any more.
        json!({"command": "query-properties"}),
    ];
    for action in ACTIONS {
        for target in &targets {
            let name = target.as_object().unwrap().keys().next().unwrap();
            let listed = pairs[action].as_array();
            let is_listed = listed.is_some_and(|listed| listed.contains(&json!(name)));
            let id = format!("{action}-{name}");
            let command = json!({"action": action, "target": target});
            scene.send("device/gateway-1", &letter(&id, &command)).await;
            let answer = scene.answer().await;
            assert_eq!(answer.request_id(), Some(id.as_str()));
            // The probe has nothing to say of properties; it was asked all the same.
            assert_eq!(answer.status() == 501, !is_listed, "{id}: {answer:?}");
        }
    }
    let counters = scene.settled().await;
    let listed: usize =
        pairs.as_object().unwrap().values().map(|it| it.as_array().unwrap().len()).sum();
    assert_eq!(counters["answered"], listed + 1, "{counters}");
    assert_eq!(counters["refused"], ACTIONS.len() * targets.len() - listed, "{counters}");
}
