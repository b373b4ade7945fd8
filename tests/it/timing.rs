//! Commands that begin or end at a given time, through the bridge as users run it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::support::probe::{act, acts, actuator, install};
use crate::support::scene::{Answer, Scene, letter};
use crate::support::soon;

/// How far from its time anything may happen, in milliseconds.
const ON_TIME_MS: u64 = 1_000;

/// Between two looks for something that no event tells of.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

fn topics() -> String {
    let consumer = "[[consumer]]\nid = \"gateway-1\"\nactuators = [\"probe\"]\n";
    let probe = actuator("probe", "x-probe", "understands = [\"stop\"]\nconcurrency = 4");
    format!("{consumer}{probe}")
}

async fn scene(test: &str, bridge_toml: &str) -> Option<Scene> {
    let mut scene = Scene::prepare(test, "gateway-1", bridge_toml, &topics()).await?;
    let _gate = install(&scene);
    scene.bridge.run();
    Some(scene)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

fn timed(what: &str, args: &Json) -> Json {
    let mut command = act(what, "x-probe");
    command["args"] = args.clone();
    command
}

/// When this happened to the one command of the journal that has this request id.
fn at_ms(scene: &Scene, request_id: &str, kind: &str) -> Option<u64> {
    let entries = scene.journal();
    let entry = entries.iter().find(|entry| entry["request_id"] == request_id)?;
    let shown = scene.shown(entry);
    let records = shown["records"].as_array().unwrap();
    records.iter().find(|record| record["kind"] == kind)?["at_ms"].as_u64()
}

async fn until_it_is_so(what: &str, mut is_so: impl FnMut() -> bool) {
    soon(what, async {
        while !is_so() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}

/// The response of this status to this command. A bridge that was killed may have said
/// others once more: it had not heard yet that they had arrived.
async fn answered(scene: &mut Scene, request_id: &str, status: u64) -> Answer {
    loop {
        let answer = scene.answer().await;
        if (answer.request_id(), answer.status()) == (Some(request_id), status) {
            return answer;
        }
    }
}

fn assert_on_time(what: &str, at_ms: u64, due_ms: u64) {
    assert!(at_ms >= due_ms, "{what} came {} ms early", due_ms - at_ms);
    assert!(at_ms - due_ms <= ON_TIME_MS, "{what} came {} ms late", at_ms - due_ms);
}

/// L11-3.3.1.4-1, L11-3.3.1.4-3: start and stop by the clock, also where the bridge was killed in between.
#[tokio::test]
async fn a_command_starts_and_ends_at_its_times_even_if_the_bridge_is_killed_in_between() {
    let test = "a_command_starts_and_ends_at_its_times_even_if_the_bridge_is_killed_in_between";
    let Some(mut scene) = scene(test, "").await else { return };
    let start = now_ms() + 4_000;
    let args = json!({"start_time": start, "duration": 2_000, "response_requested": "status"});
    scene.send("device/gateway-1", &letter("timed", &timed("work", &args))).await;
    answered(&mut scene, "timed", 102).await;
    assert_eq!(acts(&scene, "work"), 0);
    scene.bridge.kill();
    scene.bridge.run();
    assert_eq!(acts(&scene, "work"), 0, "not before its time");

    answered(&mut scene, "timed", 200).await;
    assert_on_time("the start", at_ms(&scene, "timed", "started").unwrap(), start);
    assert_eq!(acts(&scene, "stop work"), 0);
    scene.bridge.kill();
    scene.bridge.run();

    until_it_is_so("the end of the effect", || acts(&scene, "stop work") > 0).await;
    until_it_is_so("its record", || at_ms(&scene, "timed", "stopped").is_some()).await;
    assert_on_time("the end", at_ms(&scene, "timed", "stopped").unwrap(), start + 2_000);
    scene.bridge.kill();
    scene.bridge.run();
    scene.until_marker().await;
    assert_eq!((acts(&scene, "work"), acts(&scene, "stop work")), (1, 1));
}

/// L11-3.3.1.4-1: what comes too late for its start is never passed over in silence.
#[tokio::test]
async fn a_start_that_was_missed_is_refused_or_runs_late_and_is_an_alarm() {
    let test = "a_start_that_was_missed_is_refused_or_runs_late_and_is_an_alarm";
    for (missed, status, done) in [("refuse", 500, 0), ("run", 200, 1)] {
        let settings = format!("[time]\nlate = '0s'\nmissed = '{missed}'");
        let Some(mut scene) = scene(test, &settings).await else { return };
        let start = now_ms() + 1_500;
        let command = timed("work", &json!({"start_time": start}));
        scene.send("device/gateway-1", &letter("missed", &command)).await;
        scene.until_marker().await;
        scene.bridge.kill();
        until_it_is_so("its time", || now_ms() > start + 100).await;
        scene.bridge.run();
        let answer = answered(&mut scene, "missed", status).await;
        assert_eq!(answer.text().contains("start_time was missed"), done == 0, "{answer:?}");
        assert_eq!(acts(&scene, "work"), done, "{missed}");
        scene.bridge.log_line("oc2::alarm", "was to start");
        assert_eq!(scene.bridge.counters()["starts_missed"], 1);
    }
}

fn about(action: &str, name: &str) -> Json {
    json!({"action": action, "target": {"command": name}})
}

/// A program that would work for ten minutes, and a command for tomorrow.
#[tokio::test]
async fn a_producer_can_cancel_what_waits_and_what_is_at_work_and_ask_after_both() {
    let test = "a_producer_can_cancel_what_waits_and_what_is_at_work_and_ask_after_both";
    let Some(mut scene) = scene(test, "").await else { return };
    let tomorrow = json!({"start_time": now_ms() + 86_400_000});
    scene.send("device/gateway-1", &letter("later", &timed("work", &tomorrow))).await;
    scene.send("device/gateway-1", &letter("hung", &act("hang", "x-probe"))).await;
    until_it_is_so("it hangs", || acts(&scene, "hang") == 1).await;

    for (number, (name, state)) in [("later", "waiting"), ("hung", "running")].iter().enumerate() {
        let id = format!("ask-{number}");
        scene.send("device/gateway-1", &letter(&id, &about("query", name))).await;
        let answer = scene.answered(&id, 200).await;
        assert_eq!(answer.results()["x-oc2b"]["command"]["state"], *state, "{name}");
    }
    scene.send("device/gateway-1", &letter("no-1", &about("cancel", "later"))).await;
    let both = [scene.answer().await, scene.answer().await];
    let status = |id: &str| {
        let answer = both.iter().find(|answer| answer.request_id() == Some(id));
        answer.unwrap_or_else(|| panic!("{id}: {both:?}")).status()
    };
    assert_eq!((status("no-1"), status("later")), (200, 500));

    scene.send("device/gateway-1", &letter("no-2", &about("cancel", "hung"))).await;
    scene.answered("no-2", 200).await;
    let ended = scene.answered("hung", 500).await;
    assert!(ended.text().contains("cancelled by its producer"), "{ended:?}");
    scene.send("device/gateway-1", &letter("no-3", &about("cancel", "hung"))).await;
    let answer = scene.answered("no-3", 200).await;
    assert!(answer.text().contains("had ended with status 500"), "{answer:?}");
    scene.send("device/gateway-1", &letter("no-4", &about("cancel", "never"))).await;
    scene.answered("no-4", 404).await;
    assert_eq!(scene.bridge.counters()["in_progress"], 0);
    assert_eq!(acts(&scene, "work"), 0);
}
