//! Few files, little memory, and a journal in which very much has happened already.

use std::time::{Duration, Instant};

use super::oracle::Declared;
use super::scene::{PATIENCE, RATE, Scene, has_python};
use crate::support::bridge::READY;
use crate::support::broker::quick_broker;
use crate::support::large_journal::{Past, fill};
use crate::support::memory_limit::MemoryLimit;
use crate::support::reliability::{row, times};

/// Files that the bridge may have open.
const FILES: u32 = 64;

/// Memory that it may use.
const MIB: u64 = 1024 * 1024;
const MEMORY_MIB: u64 = 64;

/// How long commands come in beside those that wait.
const LOAD_FOR: Duration = Duration::from_secs(2);

/// Longest time from the start until commands are taken.
const READY_WITHIN: Duration = Duration::from_secs(3);

fn past(scene: &Scene, answered: usize, waiting: usize) -> Past<'_> {
    Past {
        consumer: scene.name(),
        actuator: "witness",
        target: "x-witness:mark",
        answered: answered as u64,
        waiting: waiting as u64,
    }
}

/// How long it takes from the start until commands are taken.
fn start(scene: &mut Scene) -> Duration {
    let began = Instant::now();
    scene.bridge.spawn();
    scene.bridge.wait_for(READY);
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_few_files_and_little_memory_it_works_beside_very_many_that_wait() {
    let test = "with_few_files_and_little_memory_it_works_beside_very_many_that_wait";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let mut scene = Scene::prepare("limits", declared, "", broker.port(), broker.port()).await;
    let waiting = times(100_000, 1_000_000);
    fill(&scene.bridge.path("journal"), past(&scene, 0, waiting)).await;

    // Where no group can be made the figure alone has to do, and the row says so.
    let limit = MemoryLimit::new(MEMORY_MIB * MIB);
    let enter = limit.as_ref().map_or("true".to_owned(), MemoryLimit::enter);
    scene.bridge.live_under(&format!("ulimit -n {FILES}; {enter}"));
    let ready = start(&mut scene);
    let is_enforced = limit.as_ref().is_some_and(|limit| limit.holds(scene.bridge.pid()));
    assert!(is_enforced || limit.is_none(), "there is a group, and the bridge is not in it");
    let sending = scene.load.keep_sending(RATE);
    tokio::time::sleep(LOAD_FOR).await;
    sending.stop().await;
    assert!(scene.load.is_answered_within(PATIENCE).await);

    let (sent, effects) = (scene.load.sent().len(), scene.effects().len());
    let most = scene.bridge.most_resident_bytes();
    row(
        13,
        format!("{FILES} files and {MEMORY_MIB} MiB of memory, {waiting} commands waiting"),
        &[
            ("memory limit", &if is_enforced { "enforced by the kernel" } else { "measured only" }),
            ("sent", &sent),
            ("carried out", &effects),
            ("ready after", &format!("{:.2} s", ready.as_secs_f64())),
            ("most memory", &format!("{} MiB", most / MIB)),
        ],
    );
    assert_eq!(effects, sent);
    assert_eq!(scene.counters().in_progress, waiting as u64);
    assert!(most <= MEMORY_MIB * MIB, "{most}");
    assert!(scene.bridge.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_large_journal_it_is_ready_soon() {
    let test = "on_a_large_journal_it_is_ready_soon";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let declared = Declared::NotIdempotent;
    let mut scene = Scene::prepare("large", declared, "", broker.port(), broker.port()).await;
    let (answered, waiting) = (times(100_000, 1_000_000), times(10_000, 100_000));
    fill(&scene.bridge.path("journal"), past(&scene, answered, waiting)).await;

    let ready = start(&mut scene);
    row(
        26,
        format!("start with {answered} answered and {waiting} waiting commands"),
        &[("ready after", &format!("{:.2} s", ready.as_secs_f64()))],
    );
    assert_eq!(scene.counters().in_progress, waiting as u64);
    assert!(ready <= READY_WITHIN, "{ready:?}");
}
