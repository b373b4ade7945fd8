//! The connection between bridge and broker is cut, again and again.

use std::time::Duration;

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, RATE, Scene, has_python};
use crate::support::broker::quick_broker;
use crate::support::proxy::Proxy;
use crate::support::random::Random;

const CUTS: usize = 10;

/// Time between two cuts.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(400);

/// Each second connection ends with a reset, which also loses what the proxy had taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_10_times_loses_nothing_and_keeps_its_session() {
    let test = "a_connection_that_is_cut_10_times_loses_nothing_and_keeps_its_session";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let proxy = Proxy::start(broker.port()).await;
    let declared = Declared::NotIdempotent;
    let scene = Scene::start("link-cut", declared, proxy.port(), broker.port()).await;
    let mut random = Random::for_test("connection cut");

    let sending = scene.load.keep_sending(RATE);
    for cut in 0..CUTS {
        tokio::time::sleep(random.between(SHORTEST, LONGEST)).await;
        proxy.be_rude(cut % 2 == 0);
        proxy.cut();
        proxy.restore();
    }
    tokio::time::sleep(SHORTEST).await;
    sending.stop().await;
    let is_answered = scene.load.is_answered_within(PATIENCE).await;

    let link = scene.bridge.status()["mqtt"]["link"].clone();
    let what = format!("connection cut {CUTS} times, sessions lost {}", link["sessions_lost"]);
    let verdict = scene.verdict(&what, Terms { declared, at_work: 0 }).await;
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(link["sessions_lost"], 0, "{link}");
    assert!(link["failed"].as_u64() >= Some(CUTS as u64 / 2), "{link}");
    let counters = scene.counters();
    assert_eq!(counters.in_progress, 0);
    assert_eq!(counters.received - counters.repeated, verdict.sent as u64, "{counters:?}");
}
