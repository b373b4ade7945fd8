//! Commands sent again, by whomever and whenever, and clocks that are wrong: nothing acts twice.

use std::path::Path;
use std::time::{Duration, Instant};

use openc2_bridge::producer::now_ms;
use serde_json::{Value as Json, json};

use crate::support::client::Client;
use crate::support::packet::Publish;
use crate::support::probe::{act, acts, actuator, install};
use crate::support::scene::{Answer, Scene, letter, well_formed};
use crate::support::{skip, soon};

/// The clock that the bridge sees, where it is another than that of the machine.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// How soon the log tells of a clock that was set.
const SOON: Duration = Duration::from_secs(5);

fn topics() -> String {
    let consumer = "[[consumer]]\nid = \"gateway-1\"\nactuators = [\"probe\"]\n";
    let probe = actuator("probe", "x-probe", "concurrency = 8\nqueue = 10000");
    format!("{consumer}{probe}")
}

async fn scene(test: &str) -> Option<Scene> {
    let scene = Scene::prepare(test, "gateway-1", "", &topics()).await?;
    let _gate = install(&scene);
    Some(scene)
}

/// Commands as they are captured: `created` is now.
fn captured(count: usize) -> Vec<Json> {
    (0..count)
        .map(|number| {
            let mut message = letter(&format!("replay-{number}"), &act("work", "x-probe"));
            message["headers"]["created"] = json!(now_ms());
            message
        })
        .collect()
}

/// Whether the bridge can be given another clock.
fn has_other_clocks(test: &str) -> bool {
    let has_them = Path::new(LIBRARY).exists();
    if !has_them {
        skip(test, "no libfaketime");
    }
    has_them
}

/// Lets the bridge see the clock that the file `clock` in its folder says, such as `+1d`.
fn with_other_clock(scene: &mut Scene) {
    let file = scene.bridge.path("clock").display().to_string();
    scene.bridge.set("LD_PRELOAD", LIBRARY);
    scene.bridge.set("FAKETIME_TIMESTAMP_FILE", &file);
    scene.bridge.set("FAKETIME_NO_CACHE", "1");
    scene.bridge.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    set_clock(scene, "+0");
}

/// Sets that clock.
fn set_clock(scene: &Scene, by: &str) {
    let new = scene.bridge.path("clock.new");
    std::fs::write(&new, format!("{by}\n")).unwrap();
    std::fs::rename(new, scene.bridge.path("clock")).unwrap();
}

async fn replay(scene: &mut Scene, captured: &[Json], rounds: usize) {
    for _ in 0..rounds {
        for message in captured {
            scene.send("device/gateway-1", message).await;
        }
        scene.until_idle().await;
    }
}

#[tokio::test]
async fn replays_act_never_again_at_once_after_a_restart_and_after_the_window() {
    const COMMANDS: usize = 100;
    const ROUNDS: usize = 4;
    let test = "replays_act_never_again_at_once_after_a_restart_and_after_the_window";
    if !has_other_clocks(test) {
        return;
    }
    let Some(mut scene) = scene(test).await else { return };
    with_other_clock(&mut scene);
    scene.bridge.run();
    let captured = captured(COMMANDS);
    replay(&mut scene, &captured, 1).await;
    assert_eq!(acts(&scene, "work"), COMMANDS);

    // Killed, and with the clock a day ahead, past the window, and set back again.
    let mut replays = 0;
    for clock in ["+0", "+1d", "+8d", "+0", "-1d", "+10y"] {
        scene.bridge.kill();
        set_clock(&scene, clock);
        scene.bridge.run();
        replay(&mut scene, &captured, ROUNDS).await;
        replays += ROUNDS * COMMANDS;
        assert_eq!(acts(&scene, "work"), COMMANDS, "{clock}");
    }
    println!("{replays} replays of {COMMANDS} commands under six clocks: 0 carried out");
}

#[tokio::test]
async fn a_clock_that_is_set_is_an_alarm_and_moves_what_is_due() {
    let test = "a_clock_that_is_set_is_an_alarm_and_moves_what_is_due";
    if !has_other_clocks(test) {
        return;
    }
    let Some(mut scene) = scene(test).await else { return };
    with_other_clock(&mut scene);
    scene.bridge.run();
    let mut later = letter("later", &act("work", "x-probe"));
    later["body"]["openc2"]["request"]["args"] = json!({"start_time": now_ms() + 43_200_000});
    scene.send("device/gateway-1", &later).await;
    scene.until_marker().await;

    let steps = [
        // clock   the log says
        ("-1d", "the clock was set back"),
        ("+0", "the clock was set forward"),
        ("+1d", "the clock was set forward"),
        ("+10y", "the clock was set forward"),
        ("+0", "behind what it said before"),
    ];
    for (clock, text) in steps {
        let set = Instant::now();
        set_clock(&scene, clock);
        let told = scene.bridge.wait_until(text, set + SOON);
        assert!(told.is_some(), "{clock}: no {text:?} in {:?}", set.elapsed());
        // Half a day from now is over when the clock is a day ahead, and not before.
        if clock == "+1d" {
            scene.answered("later", 200).await;
        }
        let is_due = matches!(clock, "+1d" | "+10y") || acts(&scene, "work") > 0;
        assert_eq!(acts(&scene, "work"), usize::from(is_due), "{clock}");
    }
    assert_eq!(scene.bridge.counters()["clock_suspect"], true);
    assert_eq!(scene.bridge.counters()["clock_jumps"], 5);
}

/// MQTT-2.5-1, L11-3.2-3: over several connections, with DUP and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sent_fifty_times_from_four_connections_acts_once_and_all_get_the_same_answer() {
    const COMMANDS: usize = 20;
    const TIMES: usize = 50;
    const CONNECTIONS: usize = 4;
    let test = "a_command_sent_fifty_times_from_four_connections_acts_once";
    let Some(mut scene) = scene(test).await else { return };
    scene.bridge.run();
    let messages = captured(COMMANDS);
    let topic = format!("{}/cmd/device/gateway-1", scene.prefix);

    let mut senders = Vec::new();
    for number in 0..CONNECTIONS {
        let name = format!("Storm{number}x{}", std::process::id());
        let mut client = Client::connect(scene.broker.port(), &name).await;
        let (topic, messages) = (topic.clone(), messages.clone());
        senders.push(tokio::spawn(async move {
            for time in (number..TIMES).step_by(CONNECTIONS) {
                for message in &messages {
                    let dup = time % 2 == 1;
                    let topic = topic.clone();
                    client.post(Publish { dup, topic, ..well_formed(message) }).await;
                }
            }
        }));
    }
    for sender in senders {
        soon("all are sent", sender).await.unwrap();
    }
    scene.others_sent((COMMANDS * TIMES) as u64);

    let answers = scene.until_idle().await;
    for message in &messages {
        let request_id = message["headers"]["request_id"].as_str();
        let payloads: Vec<&[u8]> = answers
            .iter()
            .filter(|answer| answer.request_id() == request_id)
            .map(Answer::payload)
            .collect();
        assert!(!payloads.is_empty(), "{request_id:?} is answered");
        assert!(payloads.iter().all(|payload| *payload == payloads[0]), "{request_id:?}");
    }
    assert_eq!(acts(&scene, "work"), COMMANDS);
    let counters = scene.settled().await;
    assert_eq!(counters["repeated"], COMMANDS * TIMES - COMMANDS, "{counters}");
    println!(
        "{COMMANDS} commands sent {TIMES} times each from {CONNECTIONS} connections: {COMMANDS} effects, \
         {} answers, one for each command",
        answers.len()
    );
}
