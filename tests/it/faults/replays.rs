//! Commands sent again, by whomever and whenever, and clocks that are wrong: nothing acts twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use openc2_bridge::producer::now_ms;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::scene::PATIENCE;
use crate::support::client::Client;
use crate::support::packet::Publish;
use crate::support::probe::{act, acts, actuator, install};
use crate::support::reliability::{row, times};
use crate::support::scene::{Scene, letter, well_formed};
use crate::support::skip;

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
pub(super) fn has_other_clocks(test: &str) -> bool {
    let has_them = Path::new(LIBRARY).exists();
    if !has_them {
        skip(test, "no libfaketime");
    }
    has_them
}

/// Lets the bridge see the clock that the file `clock` in its folder says, such as `+1d`.
pub(super) fn with_other_clock(scene: &mut Scene) {
    let file = scene.bridge.path("clock").display().to_string();
    scene.bridge.set("LD_PRELOAD", LIBRARY);
    scene.bridge.set("FAKETIME_TIMESTAMP_FILE", &file);
    scene.bridge.set("FAKETIME_NO_CACHE", "1");
    scene.bridge.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    set_clock(scene, "+0");
}

/// Sets that clock.
pub(super) fn set_clock(scene: &Scene, by: &str) {
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
    let rounds = times(2, 17);
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
    replay(&mut scene, &captured, rounds).await;
    assert_eq!(acts(&scene, "work"), COMMANDS, "at once");

    // Killed, and with the clock a day ahead, past the window, and set back again.
    let mut replays = rounds * COMMANDS;
    for clock in ["+0", "+1d", "+8d", "+0", "-1d", "+10y"] {
        scene.bridge.kill();
        set_clock(&scene, clock);
        scene.bridge.run();
        replay(&mut scene, &captured, rounds).await;
        replays += rounds * COMMANDS;
        assert_eq!(acts(&scene, "work"), COMMANDS, "{clock}");
    }
    let again = acts(&scene, "work") - COMMANDS;
    row(
        14,
        format!("{replays} replays: at once, after a restart, and under six clocks"),
        &[("commands", &COMMANDS), ("carried out again", &again)],
    );
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
    let mut slowest = Duration::ZERO;
    for (clock, text) in steps {
        let set = Instant::now();
        set_clock(&scene, clock);
        let told = scene.bridge.wait_until(text, set + SOON);
        assert!(told.is_some(), "{clock}: no {text:?} in {:?}", set.elapsed());
        slowest = slowest.max(set.elapsed());
        // Half a day from now is over when the clock is a day ahead, and not before.
        if clock == "+1d" {
            scene.answered("later", 200).await;
        }
        let is_due = matches!(clock, "+1d" | "+10y") || acts(&scene, "work") > 0;
        assert_eq!(acts(&scene, "work"), usize::from(is_due), "{clock}");
    }
    let counters = scene.bridge.counters();
    assert_eq!(counters["clock_suspect"], true);
    assert_eq!(counters["clock_jumps"], steps.len());
    row(
        16,
        "clock set by -1 day, +1 day and +10 years while the bridge runs, and back",
        &[
            ("alarms", &steps.len()),
            ("slowest alarm", &format!("{:.1} s", slowest.as_secs_f64())),
            ("commands carried out before their time or twice", &(acts(&scene, "work") - 1)),
        ],
    );
}

/// MQTT-2.5-1, L11-3.2-3: over several connections, with DUP and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sent_fifty_times_from_four_connections_acts_once_and_all_get_the_same_answer() {
    const TIMES: usize = 50;
    const CONNECTIONS: usize = 4;
    // As many messages at a time as the broker keeps for one client.
    const AT_ONCE: usize = 20;
    let commands = times(AT_ONCE, 10 * AT_ONCE);
    let test = "a_command_sent_fifty_times_from_four_connections_acts_once";
    let Some(mut scene) = scene(test).await else { return };
    scene.bridge.run();
    let messages = captured(commands);
    let topic = format!("{}/cmd/device/gateway-1", scene.prefix);

    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        let name = format!("Storm{number}x{}", std::process::id());
        clients.push(Client::connect(scene.broker.port(), &name).await);
    }
    let mut answers = Vec::new();
    for messages in messages.chunks(AT_ONCE) {
        let storm = clients.into_iter().enumerate().map(|(number, mut client)| {
            let (topic, messages) = (topic.clone(), messages.to_vec());
            tokio::spawn(async move {
                for time in (number..TIMES).step_by(CONNECTIONS) {
                    for message in &messages {
                        let (dup, topic) = (time % 2 == 1, topic.clone());
                        client.post(Publish { dup, topic, ..well_formed(message) }).await;
                    }
                }
                client
            })
        });
        let senders: Vec<_> = storm.collect();
        clients = Vec::new();
        for sender in senders {
            clients.push(timeout(PATIENCE, sender).await.expect("all are sent").unwrap());
        }
        scene.others_sent((messages.len() * TIMES) as u64);
        answers.extend(scene.until_idle().await);
    }

    // The bytes of all answers to a command are the same where there is one for each command.
    let different: BTreeSet<(Option<&str>, &[u8])> =
        answers.iter().map(|answer| (answer.request_id(), answer.payload())).collect();
    assert_eq!(different.len(), commands);
    assert_eq!(acts(&scene, "work"), commands);
    let counters = scene.settled().await;
    assert_eq!(counters["repeated"], commands * TIMES - commands, "{counters}");
    row(
        15,
        format!(
            "{commands} commands sent {TIMES} times each, with DUP and without, \
             over {CONNECTIONS} connections at once"
        ),
        &[
            ("effects", &acts(&scene, "work")),
            ("answers", &answers.len()),
            ("different ones", &different.len()),
        ],
    );
}
