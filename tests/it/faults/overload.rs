//! Ten times as much comes in as can be carried out.

use std::time::{Duration, Instant};

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, Scene, Setting, has_python};
use crate::support::broker::quick_broker;
use crate::support::reliability::{is_soak, row, times};

/// One at a time: the witness needs some twenty milliseconds for each.
const CONCURRENCY: usize = 1;

/// Commands that may wait; more get 503.
const QUEUE: usize = 50;

/// Commands a second of which the witness just cannot do all, to find its peak.
const FULL: u32 = 100;

/// How long the peak is measured, and the overload; in seconds.
const PEAK_SECS: u64 = 3;
const OVERLOAD_SECS: usize = 6;
const LONG_OVERLOAD_SECS: usize = 60;

/// Least share of the peak that must be carried out under overload, in percent.
const LEAST_GOODPUT: u64 = 90;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_load_is_refused_in_words_and_what_can_be_done_is_done() {
    let test = "ten_times_the_load_is_refused_in_words_and_what_can_be_done_is_done";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let setting = Setting { concurrency: CONCURRENCY, queue: QUEUE, ..Setting::of(declared) };
    let mut scene = Scene::set_up("overload", setting, broker.port(), broker.port()).await;
    scene.bridge.run();

    let peak = goodput(&scene, FULL, Duration::from_secs(PEAK_SECS)).await;
    let load = u32::try_from(peak * 10).expect("not that fast");
    let secs = times(OVERLOAD_SECS, LONG_OVERLOAD_SECS);
    let under_load =
        goodput(&scene, load, Duration::from_secs(u64::try_from(secs).expect("not that long")))
            .await;
    let stopped = Instant::now();
    let is_answered = scene.load.is_answered_within(PATIENCE).await;
    let drained = format!("{:.1} s", stopped.elapsed().as_secs_f64());

    let mut verdict = scene.verdict("overload", Terms { declared, at_work: 0 }).await;
    let refused = verdict.take_refusals(503);
    let goodput = format!("{under_load} of {peak} a second");
    row(
        format!("ten times the load ({load} commands a second) for {secs} s"),
        &[
            ("sent", &verdict.sent),
            ("lost", &verdict.lost),
            ("refused with 503", &refused),
            ("carried out", &goodput),
            ("the last answer after", &drained),
            ("breaches of the promise", &verdict.breaches.len()),
        ],
    );
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert!(refused > 0, "it was no overload");
    // Over a few seconds on a machine with other things to do this says little.
    if is_soak() {
        assert!(under_load * 100 >= peak * LEAST_GOODPUT, "{under_load} of {peak}");
    }
    assert_eq!(verdict.done + refused, verdict.sent);
    assert_eq!(scene.counters().in_progress, 0);
}

/// Effects a second while so many commands a second come in; from when the witness is busy.
async fn goodput(scene: &Scene, rate: u32, time: Duration) -> u64 {
    const WARM_UP: Duration = Duration::from_secs(1);
    let sending = scene.load.keep_sending(rate);
    tokio::time::sleep(WARM_UP).await;
    let (began, before) = (Instant::now(), scene.effects().len());
    tokio::time::sleep(time).await;
    let effects = u128::try_from(scene.effects().len() - before).expect("not that many");
    let took = began.elapsed();
    sending.stop().await;
    u64::try_from(effects * 1000 / took.as_millis()).expect("not that many")
}
