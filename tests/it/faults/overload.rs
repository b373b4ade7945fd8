//! Ten times as much comes in as can be carried out.

use std::time::{Duration, Instant};

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, Scene, Setting, has_python};
use crate::support::broker::quick_broker;
use crate::support::reliability::{is_soak, row};

/// One at a time, and it sleeps for 2 × [`WORK`] at each: 10 a second at most. That is long beside
/// the commit between one command and the next, which takes longer the more there is to write
/// beside it, and would be measured otherwise.
const CONCURRENCY: usize = 1;
const WORK: Duration = Duration::from_millis(50);

/// Commands that may wait; more get 503.
const QUEUE: usize = 20;

/// Commands a second of which the witness just cannot do all, to find its peak; and ten times what
/// it can do at most.
const FULL: u32 = 15;
const OVERLOAD: u32 = 100;

/// The peak and the overload are measured in turn, so that both see what else the machine has to
/// do, and of each the median counts. The peak comes first and last. A long run has one overload
/// without a pause.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(3);
const LONG_PEAK: Duration = Duration::from_secs(20);
const LONG_OVERLOAD: Duration = Duration::from_mins(1);

/// Least share of the peak that must be carried out under overload, in percent.
const LEAST_GOODPUT: f64 = 90.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_load_is_refused_in_words_and_what_can_be_done_is_done() {
    let test = "ten_times_the_load_is_refused_in_words_and_what_can_be_done_is_done";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let limits = Setting { concurrency: CONCURRENCY, queue: QUEUE, ..Setting::of(declared) };
    let setting = Setting { work: WORK, ..limits };
    let mut scene = Scene::set_up("overload", setting, broker.port(), broker.port()).await;
    scene.bridge.run();

    let (turns, peak, overload) =
        if is_soak() { (1, LONG_PEAK, LONG_OVERLOAD) } else { (TURNS, TURN, TURN) };
    let mut peaks = vec![carried_out(&scene, FULL, peak).await];
    let mut goodputs = Vec::new();
    for _ in 0..turns {
        goodputs.push(carried_out(&scene, OVERLOAD, overload).await);
        peaks.push(carried_out(&scene, FULL, peak).await);
    }
    let stopped = Instant::now();
    let is_answered = scene.load.is_answered_within(PATIENCE).await;
    let drained = format!("{:.1} s", stopped.elapsed().as_secs_f64());

    let mut verdict = scene.verdict("overload", Terms { declared, at_work: 0 }).await;
    let refused = verdict.take_refusals(503);
    println!("peaks {peaks:.1?}, under overload {goodputs:.1?}");
    let (peak, goodput) = (median(peaks), median(goodputs));
    let secs = overload.as_secs();
    let long = if turns == 1 { format!("{secs} s") } else { format!("{secs} s, {turns} times") };
    row(
        24,
        format!("ten times the load ({OVERLOAD} commands a second) for {long}"),
        &[
            ("sent", &verdict.sent),
            ("lost", &verdict.lost),
            ("refused with 503", &refused),
            ("carried out", &format!("{goodput:.1} of {peak:.1} a second")),
            ("the last answer after", &drained),
            ("breaches of the promise", &verdict.breaches.len()),
        ],
    );
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert!(refused > 0, "it was no overload");
    assert!(goodput * 100.0 >= peak * LEAST_GOODPUT, "{goodput:.1} of {peak:.1}");
    assert_eq!(verdict.done + refused, verdict.sent);
    assert_eq!(scene.counters().in_progress, 0);
}

/// Effects a second while so many commands a second come in; from when the witness is busy.
async fn carried_out(scene: &Scene, rate: u32, time: Duration) -> f64 {
    const WARM_UP: Duration = Duration::from_millis(500);
    let sending = scene.load.keep_sending(rate);
    tokio::time::sleep(WARM_UP).await;
    let (began, before) = (Instant::now(), scene.effects().len());
    tokio::time::sleep(time).await;
    let effects = u32::try_from(scene.effects().len() - before).expect("not that many");
    let took = began.elapsed();
    sending.stop().await;
    f64::from(effects) / took.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
