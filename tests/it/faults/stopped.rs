//! The bridge is told to stop while it is busy.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, RATE, Scene, balanced, has_python};
use crate::support::bridge::READY;
use crate::support::broker::quick_broker;
use crate::support::random::Random;

const STOPS: usize = 5;

/// Time that a bridge has between being ready and being stopped.
const SHORTEST_LIFE: Duration = Duration::from_millis(50);
const LONGEST_LIFE: Duration = Duration::from_millis(400);

/// Nothing is in doubt after it: what was started had the time to finish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_stopped_under_load_finishes_what_it_started_and_loses_nothing() {
    let test = "a_bridge_that_is_stopped_under_load_finishes_what_it_started_and_loses_nothing";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let mut scene = Scene::start("stopped", declared, broker.port(), broker.port()).await;
    let mut random = Random::for_test("bridge stopped");
    let mut slowest = Duration::ZERO;
    let mut left = 0;

    let sending = scene.load.keep_sending(RATE);
    for _ in 0..STOPS {
        std::thread::sleep(random.between(SHORTEST_LIFE, LONGEST_LIFE));
        let asked = Instant::now();
        let status = scene.bridge.terminate();
        slowest = slowest.max(asked.elapsed());
        assert!(status.success(), "{status}");
        left += balanced(counters(&scene.bridge.wait_for("counters="))).in_progress;
        scene.bridge.spawn();
        scene.bridge.wait_for(READY);
    }
    sending.stop().await;
    let is_answered = scene.load.is_answered_within(PATIENCE).await;

    let what =
        format!("bridge stopped {STOPS} times, left for the next {left}, slowest stop {slowest:?}");
    let verdict = scene.verdict(&what, Terms { declared, at_work: 0 }).await;
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(scene.counters().in_progress, 0);
}

/// The counters in the line with which the bridge says goodbye.
fn counters(line: &str) -> Value {
    let (_, json) = line.split_once("counters=").expect("it was looked for");
    let json = json.trim_matches('"').replace("\\\"", "\"");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {line}"))
}
