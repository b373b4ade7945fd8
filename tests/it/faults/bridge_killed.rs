//! The bridge is killed, again and again, at any moment.

use std::time::{Duration, Instant};

use super::oracle::{Declared, Terms, Verdict};
use super::scene::{CONCURRENCY, PATIENCE, Scene, Sum, has_python};
use crate::support::bridge::{Bridge, READY};
use crate::support::broker::quick_broker;
use crate::support::random::Random;
use crate::support::reliability::times;

/// Commands a second.
const RATE: u32 = 500;

/// Kills in one scene. A long run has several: what a journal shows of itself has a bound.
const KILLS: usize = 25;

/// Time that a bridge has to live, from its start: some do not even get ready.
const SHORTEST_LIFE: Duration = Duration::from_millis(10);
const LONGEST_LIFE: Duration = Duration::from_millis(500);

/// Longest time from the start to `ready`, for 99 of 100, without what the bridge waited for a
/// processor that others had.
const READY_AGAIN: Duration = Duration::from_secs(2);

/// Both variants, one after the other: they would be in each other's way on two cores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice() {
    let test = "a_bridge_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice";
    if !has_python(test) {
        return;
    }
    for declared in [Declared::Idempotent, Declared::NotIdempotent] {
        let mut sum = Sum::default();
        let mut ready_after = Vec::new();
        let (scenes, kills) = (times(1, 4), KILLS);
        for _ in 0..scenes {
            let run = KilledRun { declared, kills, acknowledges_early: false };
            let Some((verdict, mut waits)) = run.play(test).await else { return };
            assert_eq!(verdict.breaches, [].into());
            // A test that never interrupts anything shows nothing.
            assert!(verdict.in_doubt + verdict.twice > 0, "no kill hit a command at work");
            sum.add(&verdict);
            ready_after.append(&mut waits);
        }
        ready_after.sort();
        let slowest = ready_after[(ready_after.len() - 1) * 99 / 100];
        let (number, variant) = match declared {
            Declared::Idempotent => (1, "idempotent"),
            Declared::NotIdempotent => (2, "not idempotent"),
        };
        let kills = scenes * kills;
        let what = format!("bridge killed {kills} times at {RATE} commands a second, {variant}");
        let seconds = format!("{:.2} s", slowest.as_secs_f64());
        sum.print(number, what, declared, &[("ready again (p99)", &seconds)]);
        assert!(slowest <= READY_AGAIN, "ready again after {slowest:?}");
    }
}

/// The control: a bridge that acknowledges first and writes then does lose commands,
/// and the test above would say so.
#[cfg(feature = "fail-points")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_acknowledges_before_it_records_is_caught_losing_commands() {
    let test = "a_bridge_that_acknowledges_before_it_records_is_caught_losing_commands";
    if !has_python(test) {
        return;
    }
    let mut kills = 0;
    let lost = loop {
        let declared = Declared::Idempotent;
        let run = KilledRun { declared, kills: 4, acknowledges_early: true };
        let Some((verdict, _)) = run.play(test).await else { return };
        kills += run.kills;
        if verdict.lost > 0 {
            break verdict.lost;
        }
        assert!(kills < KILLS, "killed {kills} times and nothing was lost");
    };
    crate::support::reliability::row(
        1,
        "control: bridge killed, with PUBACK before the record",
        &[("killed", &kills), ("lost", &lost)],
    );
}

/// The time since the bridge was started, without what it waited for a processor.
fn own_time(bridge: &Bridge, started: Instant) -> Duration {
    started.elapsed().saturating_sub(bridge.waited_for_a_processor())
}

struct KilledRun {
    declared: Declared,
    kills: usize,
    /// The mistake of the control.
    acknowledges_early: bool,
}

impl KilledRun {
    /// The verdict, and how long the bridge took to be ready where it lived to be so.
    async fn play(&self, test: &str) -> Option<(Verdict, Vec<Duration>)> {
        /// How long the control waits for what is lost.
        const IN_VAIN: Duration = Duration::from_secs(5);
        let Self { declared, kills, acknowledges_early } = *self;
        let broker = quick_broker(test)?;
        let name = format!("killed-{declared:?}-{acknowledges_early}").to_lowercase();
        let mut scene = Scene::prepare(&name, declared, "", broker.port(), broker.port()).await;
        if acknowledges_early {
            scene.bridge.set("OC2_ACKNOWLEDGE_EARLY", "1");
        }
        scene.bridge.run();
        let mut random = Random::for_test(&format!("bridge killed, {declared:?}"));
        let mut ready_after = Vec::new();

        let sending = scene.load.keep_sending(RATE);
        for kill in 0..kills {
            let started = Instant::now();
            // Every second one lives so long after it is ready, which a busy machine puts off.
            let gets_ready = kill % 2 == 1;
            if gets_ready {
                scene.bridge.wait_for(READY);
                ready_after.push(own_time(&scene.bridge, started));
            }
            let killed_at = Instant::now() + random.between(SHORTEST_LIFE, LONGEST_LIFE);
            if !gets_ready && scene.bridge.wait_until(READY, killed_at).is_some() {
                ready_after.push(own_time(&scene.bridge, started));
            }
            std::thread::sleep(killed_at.saturating_duration_since(Instant::now()));
            scene.bridge.kill();
            scene.bridge.spawn();
        }
        let started = Instant::now();
        scene.bridge.wait_for(READY);
        ready_after.push(own_time(&scene.bridge, started));
        sending.stop().await;

        let patience = if acknowledges_early { IN_VAIN } else { PATIENCE };
        let stopped = Instant::now();
        let is_answered = scene.load.is_answered_within(patience).await;
        println!("the last answer after {:?}", stopped.elapsed());
        let terms = Terms { declared, at_work: kills * CONCURRENCY };
        let verdict = scene.verdict(&format!("bridge killed {kills} times"), terms).await;
        if !acknowledges_early {
            assert!(is_answered);
            assert_eq!(scene.counters().in_progress, 0);
            assert!(scene.bridge.terminate().success());
        }
        Some((verdict, ready_after))
    }
}
