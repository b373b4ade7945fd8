//! The way of a command, with a puppet for a broker and time that stands still until nobody else moves.

use std::time::Duration;

use tokio::time::Instant;

use super::puppet::{Mood, Stage};
use super::*;
use crate::dispatch::Errand;

const PLUG: &str = "map = 'tasmota'\nvars = { topic = 'plug' }";
const LAMP: &str = "map = 'zigbee2mqtt'\nvars = { name = 'lamp' }";
const SHELLY: &str = "map = 'shelly'\nvars = { prefix = 'shelly' }";
const HA: &str =
    "map = 'homeassistant'\nvars = { command_topic = 'x/set', state_topic = 'x/state' }";
const RESULT: &str = "stat/plug/RESULT";

fn switch(state: &str) -> Request {
    request("set", "x-iot:switch", json!({"state": state}))
}

/// `json.id` of what a Shelly was sent.
fn id(payload: &str) -> u64 {
    serde_json::from_str::<Value>(payload).unwrap()["id"].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_confirms_the_command() {
    let mut stage = Stage::up().await;
    let answer = stage.perform(&plan(PLUG), switch("on"));

    assert_eq!(stage.published().await, ("cmnd/plug/POWER1".to_owned(), "ON".to_owned()));
    stage.say(RESULT, r#"{"POWER2":"ON"}"#).await;
    stage.say_retained(RESULT, r#"{"POWER1":"OFF"}"#).await;
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;

    assert_eq!(line(&answer.await.unwrap()), r#"200 {"x-iot":{"state":"on","confirmed":"echo"}}"#);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_made_once_and_before_the_first_command() {
    let mut stage = Stage::up().await;
    stage.grants(false);
    let plug = plan(PLUG);
    let answer = stage.perform(&plug, switch("on"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.is_quiet(), "nothing is sent before the reply can be heard");

    stage.grants(true);
    stage.published().await;
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    answer.await.unwrap();
    let answer = stage.perform(&plug, switch("on"));
    stage.published().await;
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    answer.await.unwrap();

    let mut subscribed = stage.subscribed.lock().unwrap().clone();
    subscribed.sort_by(|a, b| a.filter.cmp(&b.filter));
    let found: Vec<_> = subscribed.iter().map(|s| (s.filter.as_str(), s.retain_handling)).collect();
    assert_eq!(found, [(RESULT, 2), ("tele/plug/LWT", 0)]);
}

#[tokio::test(start_paused = true)]
async fn without_the_brokers_grant_nothing_is_sent() {
    let mut stage = Stage::up().await;
    stage.grants(false);
    let response = stage.perform(&plan(PLUG), switch("on")).await.unwrap();
    assert!(is_refused(&response, Status::ServiceUnavailable, "not granted"), "{response:?}");
    assert!(stage.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_command_expires_with_the_patience_of_who_sent_it() {
    let mut stage = Stage::up().await;
    let answer = stage.perform(&plan(&format!("{LAMP}\ntimeout = '2500ms'")), switch("on"));

    let command = stage.published.recv().await.unwrap();
    assert_eq!(command.properties.expiry_secs, Some(3));
    assert_eq!(command.qos, 1);
    let probe = stage.published.recv().await.unwrap();
    assert_eq!(probe.topic, "zigbee2mqtt/lamp/get");
    assert_eq!(probe.properties.expiry_secs, Some(1), "half a second is left");
    answer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_device_is_asked_and_its_state_confirms() {
    let mut stage = Stage::up().await;
    let begun = Instant::now();
    let answer = stage.perform(&plan(LAMP), switch("on"));

    assert_eq!(stage.published().await.0, "zigbee2mqtt/lamp/set");
    let probe = stage.published().await;
    assert_eq!(probe, ("zigbee2mqtt/lamp/get".to_owned(), r#"{"state":""}"#.to_owned()));
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    stage.say("zigbee2mqtt/lamp", r#"{"state":"ON"}"#).await;

    assert_eq!(line(&answer.await.unwrap()), r#"200 {"x-iot":{"state":"on","confirmed":"state"}}"#);
}

#[tokio::test(start_paused = true)]
async fn what_an_asked_device_says_is_state_and_no_echo() {
    let maps = r#"
        [[map.own.command]]
        on = { action = "set", target = "x-iot:switch" }
        publish = { topic = "set", payload = "{{ target.state }}" }
        reply = { topic = "state", match = "payload == target.state" }
        probe = { after = "1s", topic = "get" }
    "#;
    let mut stage = Stage::up().await;
    let device = plan_with(maps, "map = 'own'");
    let answer = stage.perform(&device, switch("on"));
    stage.published().await;
    stage.say("state", "on").await;
    assert_eq!(line(&answer.await.unwrap()), r#"200 {"x-iot":{"confirmed":"echo"}}"#);

    let answer = stage.perform(&device, switch("on"));
    stage.published().await;
    assert_eq!(stage.published().await.0, "get");
    stage.say("state", "on").await;
    assert_eq!(line(&answer.await.unwrap()), r#"200 {"x-iot":{"confirmed":"state"}}"#);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_an_unknown_outcome() {
    let mut stage = Stage::up().await;
    let begun = Instant::now();
    let response = stage.perform(&plan(PLUG), switch("on")).await.unwrap();

    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert!(
        is_refused(&response, Status::InternalError, "within 5s: the outcome is unknown"),
        "{response:?}"
    );
    stage.published().await;
    assert!(stage.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_offline_is_not_waited_for() {
    let mut stage = Stage::up().await;
    let plug = plan(PLUG);
    stage.link.watch(plug.filters());
    stage.say_retained("tele/plug/LWT", "Offline").await;
    let begun = Instant::now();
    let response = stage.perform(&plug, switch("on")).await.unwrap();
    assert!(is_refused(&response, Status::ServiceUnavailable, "offline"), "{response:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(stage.is_quiet());

    stage.say("tele/plug/LWT", "Online").await;
    let answer = stage.perform(&plug, switch("on"));
    stage.published().await;
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    assert_eq!(answer.await.unwrap().status, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_the_answer_comes_at_once() {
    let mut stage = Stage::up().await;
    let begun = Instant::now();
    for _ in 0..2 {
        stage.break_connection().await;
        let response = stage.perform(&plan(PLUG), switch("on")).await.unwrap();
        assert!(is_refused(&response, Status::ServiceUnavailable, "is down"), "{response:?}");
        stage.connect().await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(stage.is_quiet());
}

/// After a start of the bridge there may be something to do at once.
#[tokio::test(start_paused = true)]
async fn the_first_connection_is_waited_for_as_long_as_the_device_would_be() {
    let mut stage = Stage::down();
    let begun = Instant::now();
    let response = stage.perform(&plan(PLUG), switch("on")).await.unwrap();
    assert!(is_refused(&response, Status::ServiceUnavailable, "is down"), "{response:?}");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert!(stage.is_quiet());

    let performing = stage.perform(&plan(PLUG), switch("on"));
    stage.connect().await;
    assert_eq!(stage.published().await.1, "ON");
    stage.say("stat/plug/RESULT", r#"{"POWER1":"ON"}"#).await;
    assert_eq!(performing.await.unwrap().status, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
    let mut stage = Stage::up().await;
    let begun = Instant::now();
    let answer = stage.perform(&plan(PLUG), switch("on"));
    stage.published().await;
    stage.break_connection().await;
    stage.connect().await;

    let response = answer.await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "broke"), "{response:?}");
    assert!(is_refused(&response, Status::InternalError, "the outcome is unknown"), "{response:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_says_of_the_command_decides_at_once() {
    #[rustfmt::skip]
    let cases = [
        (Mood::HasNoSubscribers, Status::ServiceUnavailable, "nobody listens on cmnd/plug/POWER1"),
        (Mood::Refuses,          Status::InternalError,      "not sent to the device: the broker refused: Not authorized"),
        (Mood::LosesTheSession,  Status::InternalError,      "the outcome is unknown"),
    ];
    for (mood, status, part) in cases {
        let stage = Stage::up().await;
        stage.mood(mood);
        let begun = Instant::now();
        let response = stage.perform(&plan(PLUG), switch("on")).await.unwrap();
        assert!(is_refused(&response, status, part), "{mood:?}: {response:?}");
        assert_eq!(begun.elapsed(), Duration::ZERO, "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_counts_before_the_brokers_own_word() {
    let mut stage = Stage::up().await;
    stage.mood(Mood::SaysNothing);
    let answer = stage.perform(&plan(PLUG), switch("on"));
    stage.published().await;
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    assert_eq!(answer.await.unwrap().status, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn two_commands_on_one_reply_topic_go_one_after_the_other() {
    let mut stage = Stage::up().await;
    // Two actuators: two relays of one strip, which answer on the same topic.
    let relay = |n| plan(&format!("map = 'tasmota'\nvars = {{ topic = 'plug', relay = {n} }}"));
    let first = stage.perform(&relay(1), switch("on"));
    assert_eq!(stage.published().await.0, "cmnd/plug/POWER1");
    let second = stage.perform(&relay(2), switch("on"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.is_quiet(), "the second waits for its turn");

    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    assert_eq!(first.await.unwrap().status, Status::Ok);
    assert_eq!(stage.published().await.0, "cmnd/plug/POWER2");
    stage.say(RESULT, r#"{"POWER2":"ON"}"#).await;
    assert_eq!(second.await.unwrap().status, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_get_a_turn_has_sent_nothing() {
    let mut stage = Stage::up().await;
    let first = stage.perform(&plan(&format!("{PLUG}\ntimeout = '60s'")), switch("on"));
    stage.published().await;
    let response = stage.perform(&plan(PLUG), switch("off")).await.unwrap();

    assert!(is_refused(&response, Status::ServiceUnavailable, "busy"), "{response:?}");
    assert!(stage.is_quiet());
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn commands_with_numbers_are_under_way_together() {
    let mut stage = Stage::up().await;
    let shelly = plan(SHELLY);
    let first = stage.perform(&shelly, switch("on"));
    let first_id = id(&stage.published().await.1);
    let second = stage.perform(&shelly, switch("off"));
    let second_id = id(&stage.published().await.1);
    assert_ne!(first_id, second_id);

    let reply = |id: u64, was: bool| json!({"id": id, "result": {"was_on": was}}).to_string();
    stage.say("oc2b-1/rpc", &reply(second_id, true)).await;
    assert_eq!(
        line(&second.await.unwrap()),
        r#"200 {"x-iot":{"state":"off","was_on":true,"confirmed":"id"}}"#
    );
    stage.say("oc2b-1/rpc", &reply(first_id, false)).await;
    assert_eq!(
        line(&first.await.unwrap()),
        r#"200 {"x-iot":{"state":"on","was_on":false,"confirmed":"id"}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_with_a_number_does_not_confirm_the_next_command() {
    let mut stage = Stage::up().await;
    let shelly = plan(SHELLY);
    let first = stage.perform(&shelly, switch("on"));
    let first_id = id(&stage.published().await.1);
    assert_eq!(first.await.unwrap().status, Status::InternalError);

    let second = stage.perform(&shelly, switch("on"));
    stage.published().await;
    stage.say("oc2b-1/rpc", &json!({"id": first_id, "result": {}}).to_string()).await;
    let response = second.await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "unknown"), "{response:?}");
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_without_a_number_does_not_confirm_the_next_command() {
    let mut stage = Stage::up().await;
    let plug = plan(PLUG);
    let first = stage.perform(&plug, switch("on"));
    stage.published().await;
    assert_eq!(first.await.unwrap().status, Status::InternalError);

    // The next command stays back until the late reply is in: then it cannot be mistaken.
    let second = stage.perform(&plug, switch("on"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.is_quiet());
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    assert_eq!(stage.published().await.0, "cmnd/plug/POWER1");
    let response = second.await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "unknown"), "{response:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_device_does_not_hold_the_next_command_back_for_ever() {
    let mut stage = Stage::up().await;
    let plug = plan(PLUG);
    stage.perform(&plug, switch("on")).await.unwrap();
    stage.published().await;
    let given_up = Instant::now();

    let answer = stage.perform(&plug, switch("on"));
    stage.published().await;
    assert_eq!(given_up.elapsed(), Duration::from_millis(2_500), "half of its timeout");
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    assert_eq!(answer.await.unwrap().status, Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_command_does_not_confirm_it() {
    let mut stage = Stage::up().await;
    let plug = plan(PLUG);
    stage.link.watch(plug.filters());
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    let response = stage.perform(&plug, switch("on")).await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "unknown"), "{response:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_do_without_confirmation() {
    let mut stage = Stage::up().await;
    let optimistic =
        plan("map = 'homeassistant'\nvars = { command_topic = 'x/set' }\nconfirm = 'none'");
    let response = stage.perform(&optimistic, switch("on")).await.unwrap();

    assert_eq!(stage.published().await, ("x/set".to_owned(), "ON".to_owned()));
    assert_eq!(
        line(&response),
        r#"200 {"x-iot":{"confirmed":"none"}} sent; the device is not asked whether it did it"#
    );
    stage.mood(Mood::HasNoSubscribers);
    let response = stage.perform(&optimistic, switch("on")).await.unwrap();
    assert_eq!(response.status, Status::ServiceUnavailable);
    stage.mood(Mood::SaysNothing);
    let response = stage.perform(&optimistic, switch("on")).await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "unknown"), "{response:?}");
}

#[tokio::test(start_paused = true)]
async fn last_words_are_read_where_a_device_cannot_be_asked() {
    let mut stage = Stage::up().await;
    let device = plan(HA);
    let query = || request("query", "properties", json!([]));
    let response = stage.perform(&device, query()).await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "not told its state yet"), "{response:?}");

    stage.say_retained("x/state", "OFF").await;
    let response = stage.perform(&device, query()).await.unwrap();
    assert_eq!(line(&response), r#"200 {"x-iot":{"state":"off","confirmed":"state"}}"#);
    stage.say("x/state", "ON").await;
    let response = stage.perform(&device, query()).await.unwrap();
    assert_eq!(line(&response), r#"200 {"x-iot":{"state":"on","confirmed":"state"}}"#);
    assert!(stage.is_quiet(), "it is not asked");

    // Whatever happened while nobody listened: what was said before is no state any more.
    stage.break_connection().await;
    stage.connect().await;
    let response = stage.perform(&device, query()).await.unwrap();
    assert!(is_refused(&response, Status::InternalError, "not told its state yet"), "{response:?}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_without_a_word_to_the_device() {
    let mut stage = Stage::up().await;
    let response = stage.perform(&plan(PLUG), switch("explode")).await.unwrap();
    assert_eq!(response.status, Status::BadRequest);
    let response = stage.perform(&plan(PLUG), request("copy", "file", json!({}))).await.unwrap();
    assert_eq!(response.status, Status::NotImplemented);
    assert!(stage.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_replies_costs_no_memory_and_stops_no_answer() {
    let mut stage = Stage::up().await;
    let answer = stage.perform(&plan(PLUG), switch("on"));
    stage.published().await;
    for _ in 0..1_000 {
        stage.say(RESULT, r#"{"POWER2":"ON"}"#).await;
    }
    stage.say(RESULT, r#"{"POWER1":"ON"}"#).await;
    assert_eq!(answer.await.unwrap().status, Status::Ok);
}

/// What each map sends when the time of a command is over, and when it is not known whether it was done.
#[tokio::test(start_paused = true)]
async fn every_map_can_end_what_it_switches_on() {
    let start = || request("start", "device", json!({}));
    #[rustfmt::skip]
    let cases = [
        // device   command         topic                   payload
        (PLUG,      switch("on"),   "cmnd/plug/POWER1",     "OFF"),
        (PLUG,      switch("off"),  "cmnd/plug/POWER1",     "ON"),
        (PLUG,      start(),        "cmnd/plug/POWER1",     "OFF"),
        (LAMP,      switch("on"),   "zigbee2mqtt/lamp/set", r#""OFF""#),
        (SHELLY,    switch("on"),   "shelly/rpc",           r#""on":false"#),
        (SHELLY,    start(),        "shelly/rpc",           r#""on":false"#),
        (HA,        switch("on"),   "x/set",                "OFF"),
    ];
    for (device, request, topic, payload) in cases {
        let mut stage = Stage::up().await;
        let ending = stage.sent_to(&plan(device), request, Errand::Stop);
        let (found, sent) = stage.published().await;
        assert_eq!(found, topic, "{device}");
        assert!(sent.contains(payload), "{device}: {sent}");
        ending.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_asked_what_it_did_and_is_told_nothing() {
    #[rustfmt::skip]
    let cases = [
        // it answers               status                    the text says
        (r#"{"POWER1":"ON"}"#,      Status::Ok,               ""),
        (r#"{"POWER1":"OFF"}"#,     Status::InternalError,    "the relay is OFF"),
        ("",                        Status::InternalError,    "the outcome is unknown"),
    ];
    for (answer, status, text) in cases {
        let mut stage = Stage::up().await;
        let asking = stage.sent_to(&plan(PLUG), switch("on"), Errand::Probe);
        assert_eq!(stage.published().await, ("cmnd/plug/POWER1".to_owned(), String::new()));
        if !answer.is_empty() {
            stage.say("stat/plug/RESULT", answer).await;
        }
        let response = asking.await.unwrap();
        assert_eq!(response.status, status, "{answer}");
        assert!(response.status_text.unwrap_or_default().contains(text), "{answer}");
        assert!(stage.is_quiet(), "{answer}: it was only asked");
    }
}
