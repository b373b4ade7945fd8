//! The broker is killed, with the configuration that is shipped and with its own defaults.

use std::time::Duration;

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, RATE, Scene, Sum, has_python};
use crate::support::broker::{forgetful_broker, shipped_broker};
use crate::support::random::Random;
use crate::support::reliability::times;
use crate::support::soon;

/// Kills, and those of a long run.
const KILLS: usize = 5;
const MANY_KILLS: usize = 20;

/// Time that a broker has to live.
const SHORTEST_LIFE: Duration = Duration::from_millis(200);
const LONGEST_LIFE: Duration = Duration::from_millis(800);

/// What a producer waits for a response before it sends the command again.
const PRODUCER_WAITS: Duration = Duration::from_secs(1);

/// Between two looks at a number that has to come.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// In the line of the log that says that the broker has forgotten us.
const SESSION_LOST: &str = "alarm=\"session lost\"";

/// A PUBACK of mosquitto leaves a moment before its write to disk, so that the last commands and
/// responses can be lost in it. A producer that goes by responses finds out, and sends again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_again_and_again_costs_nothing_but_time() {
    let test = "a_broker_that_is_killed_again_and_again_costs_nothing_but_time";
    if !has_python(test) {
        return;
    }
    let Some(mut broker) = shipped_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let scene = Scene::start("broker-killed", declared, broker.port(), broker.port()).await;
    let mut random = Random::for_test("broker killed");
    let kills = times(KILLS, MANY_KILLS);

    let sending = scene.load.keep_sending(RATE);
    for _ in 0..kills {
        tokio::time::sleep(random.between(SHORTEST_LIFE, LONGEST_LIFE)).await;
        broker.kill();
        broker.restart();
    }
    tokio::time::sleep(SHORTEST_LIFE).await;
    sending.stop().await;
    let (is_answered, sent_again) =
        scene.load.is_answered_by_insisting(PRODUCER_WAITS, PATIENCE).await;

    let link = scene.bridge.status()["mqtt"]["link"].clone();
    let what = format!(
        "broker killed {kills} times, sent again {sent_again}, sessions lost {}",
        link["sessions_lost"]
    );
    let verdict = scene.verdict(&what, Terms { declared, at_work: 0 }).await;
    let mut sum = Sum::default();
    sum.add(&verdict);
    let what = format!("mosquitto killed {kills} times, configuration as shipped");
    let lost = &link["sessions_lost"];
    sum.print(6, what, declared, &[("sent again", &sent_again), ("sessions lost", lost)]);
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(link["sessions_lost"], 0, "{link}");
    let counters = scene.counters();
    assert_eq!(counters.in_progress, 0);
    assert_eq!(counters.received - counters.repeated, verdict.sent as u64, "{counters:?}");
}

/// Mosquitto without a word about keeping forgets the session and all that waited in it. The bridge
/// notices each time and says so, and a command that is sent again is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgets_the_session_is_noticed_and_a_repeated_command_is_answered() {
    let test = "a_broker_that_forgets_the_session_is_noticed_and_a_repeated_command_is_answered";
    if !has_python(test) {
        return;
    }
    let Some(mut broker) = forgetful_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let scene = Scene::start("broker-forgets", declared, broker.port(), broker.port()).await;
    let mut random = Random::for_test("broker forgets");
    let kills = times(KILLS, MANY_KILLS);

    let sending = scene.load.keep_sending(RATE);
    for kill in 1..=kills {
        tokio::time::sleep(random.between(SHORTEST_LIFE, LONGEST_LIFE)).await;
        broker.kill();
        broker.restart();
        // Before that there is no session that could be lost.
        soon("the loss is noticed", async {
            while lost_sessions(&scene) < Some(kill as u64) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }
    sending.stop().await;
    let (is_answered, sent_again) =
        scene.load.is_answered_by_insisting(PRODUCER_WAITS, PATIENCE).await;

    let noticed = lost_sessions(&scene);
    let alarms = scene.bridge.log().matches(SESSION_LOST).count();
    let verdict = scene.verdict("broker forgets", Terms { declared, at_work: 0 }).await;
    let mut sum = Sum::default();
    sum.add(&verdict);
    let what = format!("mosquitto killed {kills} times, its own defaults");
    sum.print(6, what, declared, &[("sent again", &sent_again), ("alarms", &alarms)]);
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!((noticed, alarms), (Some(kills as u64), kills));
    assert!(sent_again > 0, "nothing was lost");
}

fn lost_sessions(scene: &Scene) -> Option<u64> {
    scene.bridge.status()["mqtt"]["link"]["sessions_lost"].as_u64()
}
