//! The bridge ends at every place at which a crash makes a difference.

use std::time::Duration;

use openc2_bridge::fail_point::PLACES;

use super::oracle::{Declared, Terms};
use super::scene::{CONCURRENCY, PATIENCE, Scene, Sum, has_python};
use crate::support::bridge::READY;
use crate::support::broker::quick_broker;
use crate::support::random::Random;
use crate::support::reliability::times;

/// Commands a second.
const RATE: u32 = 100;

/// A place is passed so often, at most, before the bridge ends there.
const PASSES: u64 = 20;

/// Places that a start comes by once.
const AT_START: [&str; 2] = ["before-recover", "after-recover"];

/// Between an end and the next start: something is waiting then.
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_ends_at_any_fail_point_loses_nothing_and_does_nothing_twice() {
    let test = "a_bridge_that_ends_at_any_fail_point_loses_nothing_and_does_nothing_twice";
    if !has_python(test) {
        return;
    }
    let mut random = Random::for_test(test);
    let scenes = times(1, 10);
    for declared in [Declared::Idempotent, Declared::NotIdempotent] {
        let mut sum = Sum::default();
        for _ in 0..scenes {
            let Some(broker) = quick_broker(test) else { return };
            let name = format!("fail-points-{declared:?}").to_lowercase();
            let mut scene = Scene::prepare(&name, declared, "", broker.port(), broker.port()).await;
            // From here on the broker keeps what comes for it.
            scene.bridge.run();
            scene.bridge.kill();
            let sending = scene.load.keep_sending(RATE);
            for place in PLACES {
                let passes = if AT_START.contains(&place) { 0 } else { random.below(PASSES) };
                scene.bridge.set("OC2_FAIL_POINT", &format!("{place}:{passes}"));
                scene.bridge.spawn();
                let status = scene.bridge.ended();
                assert_eq!(status.code(), None, "{place}: {status}");
                tokio::time::sleep(PAUSE).await;
            }
            scene.bridge.unset("OC2_FAIL_POINT");
            scene.bridge.spawn();
            scene.bridge.wait_for(READY);
            sending.stop().await;
            assert!(scene.load.is_answered_within(PATIENCE).await);

            let terms = Terms { declared, at_work: PLACES.len() * CONCURRENCY };
            let verdict = scene.verdict("ended at each fail point", terms).await;
            assert_eq!(verdict.breaches, [].into());
            assert_eq!(scene.counters().in_progress, 0);
            sum.add(&verdict);
        }
        let variant = match declared {
            Declared::Idempotent => "idempotent",
            Declared::NotIdempotent => "not idempotent",
        };
        let what = format!("ended at each of {} fail points, {variant}", PLACES.len());
        sum.print(3, what, declared, &[("times each", &scenes)]);
    }
}
