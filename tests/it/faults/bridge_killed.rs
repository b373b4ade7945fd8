//! The bridge is killed, again and again, at any moment.

use std::time::{Duration, Instant};

use super::oracle::{Declared, Terms};
use super::scene::{CONCURRENCY, PATIENCE, RATE, Scene, has_python};
use crate::support::bridge::READY;
use crate::support::broker::quick_broker;
use crate::support::random::Random;

const KILLS: usize = 25;

/// Time that a bridge has to live, from its start: some do not even get ready.
const SHORTEST_LIFE: Duration = Duration::from_millis(10);
const LONGEST_LIFE: Duration = Duration::from_millis(500);

/// Longest time from the start to `ready`, for 99 of 100.
const READY_AGAIN: Duration = Duration::from_secs(2);

/// Both variants, one after the other: they would be in each other's way on two cores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_killed_25_times_loses_nothing_and_does_nothing_twice() {
    let test = "a_bridge_that_is_killed_25_times_loses_nothing_and_does_nothing_twice";
    if !has_python(test) {
        return;
    }
    for declared in [Declared::Idempotent, Declared::NotIdempotent] {
        let Some(broker) = quick_broker(test) else { return };
        let name = format!("killed-{declared:?}").to_lowercase();
        let mut scene = Scene::start(&name, declared, broker.port(), broker.port()).await;
        let mut random = Random::for_test(&format!("bridge killed, {declared:?}"));
        let mut ready_after = Vec::new();

        let sending = scene.load.keep_sending(RATE);
        for _ in 0..KILLS {
            let started = Instant::now();
            let killed_at = started + random.between(SHORTEST_LIFE, LONGEST_LIFE);
            if scene.bridge.wait_until(READY, killed_at).is_some() {
                ready_after.push(started.elapsed());
            }
            std::thread::sleep(killed_at.saturating_duration_since(Instant::now()));
            scene.bridge.kill();
            scene.bridge.spawn();
        }
        scene.bridge.wait_for(READY);
        sending.stop().await;

        let is_answered = scene.load.is_answered_within(PATIENCE).await;
        let terms = Terms { declared, at_work: KILLS * CONCURRENCY };
        ready_after.sort();
        let slowest = ready_after[ready_after.len() * 99 / 100];
        let what =
            format!("bridge killed {KILLS} times, {declared:?}, ready again p99 {slowest:?}");
        let verdict = scene.verdict(&what, terms).await;
        assert_eq!(verdict.breaches, [].into());
        assert!(is_answered);
        assert!(slowest <= READY_AGAIN, "ready again after {slowest:?}");
        // A test that never interrupts anything shows nothing.
        assert!(verdict.in_doubt + verdict.twice > 0, "no kill hit a command at work");
        assert_eq!(scene.counters().in_progress, 0);
        assert!(scene.bridge.terminate().success());
    }
}
