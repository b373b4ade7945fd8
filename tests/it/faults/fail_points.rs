//! The bridge ends at every place at which a crash makes a difference.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use openc2_bridge::fail_point::PLACES;

use super::oracle::{Declared, Terms};
use super::scene::{CONCURRENCY, PATIENCE, Scene, Setting, Sum, has_python, until};
use crate::support::bridge::READY;
use crate::support::broker::quick_broker;
use crate::support::load::Kind;
use crate::support::random::Random;
use crate::support::reliability::times;

/// Commands a second, of every kind.
const RATE: u32 = 80;

/// Between two that are posted.
const POST_EVERY: Duration = Duration::from_millis(100);

/// A place is passed so often, at most, before the bridge ends there.
const PASSES: u64 = 20;

/// Places that a start comes by once, and those that only some commands come by.
const AT_START: [&str; 2] = ["before-recover", "after-recover"];
const SELDOM: [&str; 4] = ["before-cancel", "after-cancel", "before-reply", "after-reply"];
const SELDOM_PASSES: u64 = 3;

/// Between an end and the next start: something is waiting then.
const PAUSE: Duration = Duration::from_millis(20);

/// SIGABRT.
const ABORTED: Option<i32> = Some(6);

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
        let mut others = Others::default();
        for _ in 0..scenes {
            let Some(broker) = quick_broker(test) else { return };
            let name = format!("fail-points-{declared:?}").to_lowercase();
            let setting = Setting { is_mixed: true, ..Setting::of(declared) };
            let mut scene = Scene::set_up(&name, setting, broker.port(), broker.port()).await;
            // From here on the broker keeps what comes for it.
            scene.bridge.run();
            scene.bridge.kill();
            let sending = scene.load.keep_sending_a_mix(RATE);
            let posting = scene.keep_posting(POST_EVERY);
            for place in PLACES {
                let passes = match place {
                    _ if AT_START.contains(&place) => 0,
                    _ if SELDOM.contains(&place) => random.below(SELDOM_PASSES),
                    _ => random.below(PASSES),
                };
                scene.bridge.set("OC2_FAIL_POINT", &format!("{place}:{passes}"));
                scene.bridge.spawn();
                let status = scene.bridge.ended();
                assert_eq!(status.signal(), ABORTED, "{place}: {status}");
                scene.bridge.log_line("ended at the fail point ", &format!(" {place}."));
                tokio::time::sleep(PAUSE).await;
            }
            scene.bridge.unset("OC2_FAIL_POINT");
            scene.bridge.spawn();
            scene.bridge.wait_for(READY);
            sending.stop().await;
            assert!(scene.load.is_answered_within(PATIENCE).await);
            let posted = tokio::time::timeout(PATIENCE, posting.stop()).await;
            scene.posted(posted.expect("what is posted is answered"));
            until("all effects are ended", || scene.counters().in_effect == 0);

            let terms = Terms { declared, at_work: PLACES.len() * CONCURRENCY };
            let verdict = scene.verdict("ended at each fail point", terms).await;
            assert_eq!(verdict.breaches, [].into());
            assert_eq!(scene.counters().in_progress, 0);
            sum.add(&verdict);
            others.add(&scene);
        }
        let variant = match declared {
            Declared::Idempotent => "idempotent",
            Declared::NotIdempotent => "not idempotent",
        };
        let what = format!("ended at each of {} fail points, {variant}", PLACES.len());
        sum.print(
            3,
            what,
            declared,
            &[
                ("times each", &scenes),
                ("posted", &others.posted),
                ("cancelled", &others.cancelled),
                ("asked after", &others.asked),
                ("effects ended at their time", &others.ended),
                ("of these told again", &others.told_again),
            ],
        );
        // A test that never interrupts anything shows nothing.
        let Others { posted, cancelled, asked, ended, .. } = others;
        assert!(posted > 0 && cancelled > 0 && asked > 0 && ended > 0, "{others:?}");
    }
}

/// Commands that are not plain, over all scenes.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    posted: usize,
    cancelled: usize,
    /// Asked after, for a crash came before their outcome.
    asked: usize,
    ended: usize,
    /// A crash came before it was recorded that the effect had ended.
    told_again: usize,
}

impl Others {
    fn add(&mut self, scene: &Scene) {
        let distinct = |ids: &[String]| ids.iter().collect::<BTreeSet<_>>().len();
        let (asked, ended) = (scene.asked(), scene.ended());
        let kinds = scene.load.kinds();
        self.posted += scene.posts();
        self.cancelled += kinds.values().filter(|kind| **kind == Kind::Cancelled).count();
        self.asked += distinct(&asked);
        self.ended += distinct(&ended);
        self.told_again += ended.len() - distinct(&ended);
    }
}
