//! The broker is killed, with the configuration that is shipped.

use std::time::Duration;

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, RATE, Scene, has_python};
use crate::support::broker::shipped_broker;
use crate::support::random::Random;

const KILLS: usize = 5;

/// Time that a broker has to live.
const SHORTEST_LIFE: Duration = Duration::from_millis(200);
const LONGEST_LIFE: Duration = Duration::from_millis(800);

/// What a producer waits for a response before it sends the command again.
const PRODUCER_WAITS: Duration = Duration::from_secs(1);

/// A PUBACK of mosquitto leaves a moment before its write to disk, so that the last commands and
/// responses can be lost in it. A producer that goes by responses finds out, and sends again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_5_times_costs_nothing_but_time() {
    let test = "a_broker_that_is_killed_5_times_costs_nothing_but_time";
    if !has_python(test) {
        return;
    }
    let Some(mut broker) = shipped_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let scene = Scene::start("broker-killed", declared, broker.port(), broker.port()).await;
    let mut random = Random::for_test("broker killed");

    let sending = scene.load.keep_sending(RATE);
    for _ in 0..KILLS {
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
        "broker killed {KILLS} times, sent again {sent_again}, sessions lost {}",
        link["sessions_lost"]
    );
    let verdict = scene.verdict(&what, Terms { declared, at_work: 0 }).await;
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(link["sessions_lost"], 0, "{link}");
    let counters = scene.counters();
    assert_eq!(counters.in_progress, 0);
    assert_eq!(counters.received - counters.repeated, verdict.sent as u64, "{counters:?}");
}
