//! The journal cannot be written any more: there is no room, or the disk fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::oracle::{Declared, Terms};
use super::scene::{CONCURRENCY, PATIENCE, RATE, Scene, has_python, until};
use crate::support::broker::{Broker, quick_broker};
use crate::support::load::Sending;
use crate::support::packet::Packet;
use crate::support::proxy::{Proxy, Seen};
use crate::support::reliability::{row, times};
use crate::support::small_disk::SmallDisk;
use crate::support::{skip, tools};

/// Largest file, in blocks, and which one comes to its end first: the log is moved into the database
/// at some 2100 blocks and begins anew.
const CASES: [(u32, &str); 2] = [(1000, "log"), (2600, "database")];

/// The small disk, and what of it is held in reserve; in bytes.
const DISK_BYTES: u64 = 16 * 1024 * 1024;
const RESERVE_BYTES: u64 = 1024 * 1024;

/// Commands a second while it is full: what the broker can keep for a minute.
const FULL_RATE: u32 = 100;

/// Commands carried out before anything happens to the disk.
const UNDER_WAY: usize = 100;

/// As systemd does it.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// What makes calls of the C library fail where it is told to.
const FIU_LIBRARIES: [&str; 2] =
    ["/usr/lib/fiu/fiu_run_preload.so", "/usr/lib/fiu/fiu_posix_preload.so"];

/// Bridges that may fail to begin their program under libfiu, one after the other.
const MOST_STARTS: u32 = 5;

/// The next fsync or fdatasync fails, and no other: who tried it again would succeed.
const FAIL_ONE_SYNC: &str = "enable name=posix/io/sync/*,onetime";

/// What the bridge ends with when the journal cannot be written (`EX_IOERR`).
const CANNOT_WRITE: Option<i32> = Some(74);

/// What is sent after the bridge has ended, and so is waiting when it is back.
const MEANWHILE: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_cannot_write_its_journal_ends_and_loses_nothing_it_acknowledged() {
    let test = "a_bridge_that_cannot_write_its_journal_ends_and_loses_nothing_it_acknowledged";
    if !has_python(test) {
        return;
    }
    for (blocks, file) in CASES {
        let Some(broker) = quick_broker(test) else { return };
        run_out_of_room(&broker, blocks, file).await;
    }
}

async fn run_out_of_room(broker: &Broker, blocks: u32, file: &str) {
    let proxy = Proxy::start(broker.port()).await;
    let declared = Declared::NotIdempotent;
    let name = format!("{file}-full");
    let mut scene = Scene::prepare(&name, declared, "", proxy.port(), broker.port()).await;
    scene.bridge.limit_files(Some(blocks));
    scene.bridge.run();

    let sending = scene.load.keep_sending(RATE);
    let status = scene.bridge.ended();
    assert_eq!(status.code(), CANNOT_WRITE, "{status}");
    scene.bridge.wait_for("the journal cannot be written or read: ");
    tokio::time::sleep(MEANWHILE).await;
    sending.stop().await;

    let acknowledged = acknowledged(&proxy.seen());
    let recorded = recorded(&scene);
    let lost: Vec<_> = acknowledged.iter().filter(|id| !recorded.contains_key(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and not recorded: {lost:?}");
    assert!(!acknowledged.is_empty());

    scene.bridge.limit_files(None);
    scene.bridge.run();
    let is_answered = scene.load.is_answered_within(PATIENCE).await;
    let (recorded, acknowledged) = (recorded.len(), acknowledged.len());
    let what = format!("{file} full after {recorded} recorded, {acknowledged} acknowledged");
    let verdict = scene.verdict(&what, Terms { declared, at_work: CONCURRENCY }).await;
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(scene.counters().in_progress, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_under_load_and_then_freed_costs_nothing_that_was_acknowledged() {
    let test = "a_disk_that_is_full_under_load_and_then_freed_costs_nothing_that_was_acknowledged";
    let Some(full) = FullDisk::under_load(test, false).await else { return };
    let FullDisk { mut scene, proxy, disk, sending, full_since, broker: _broker } = full;
    let declared = Declared::NotIdempotent;
    let full_for = Duration::from_secs(times(6, 60) as u64);
    let mut starts_in_vain = 0;
    while full_since.elapsed() < full_for {
        tokio::time::sleep(RESTART_AFTER).await;
        scene.bridge.spawn();
        let status = scene.bridge.ended();
        assert_eq!(status.code(), CANNOT_WRITE, "{status}");
        starts_in_vain += 1;
    }
    let acknowledged = acknowledged(&proxy.seen());
    disk.free();
    let freed = Instant::now();
    scene.bridge.run();
    let ready = format!("{:.2} s", freed.elapsed().as_secs_f64());
    sending.stop().await;
    let is_answered = scene.load.is_answered_within(PATIENCE).await;

    let terms = Terms { declared, at_work: CONCURRENCY };
    let verdict = scene.verdict("disk full, then freed", terms).await;
    let recorded = recorded(&scene);
    let lost = acknowledged.iter().filter(|id| !recorded.contains_key(*id)).count();
    row(
        9,
        format!(
            "disk full for {} s at {FULL_RATE} commands a second, then freed",
            full_for.as_secs()
        ),
        &[
            ("sent", &verdict.sent),
            ("acknowledged before", &acknowledged.len()),
            ("of these lost", &lost),
            ("starts in vain meanwhile", &starts_in_vain),
            ("ready again after", &ready),
            ("answered \"in doubt\"", &verdict.in_doubt),
            ("breaches of the promise", &verdict.breaches.len()),
        ],
    );
    assert_eq!(lost, 0);
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert!(starts_in_vain > 0);
    assert!(!acknowledged.is_empty());
}

/// The control: a bridge that acknowledges first and writes then does lose commands.
#[cfg(feature = "fail-points")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_acknowledges_before_it_records_is_caught_by_a_full_disk() {
    // What fails first may be the record of an outcome, and then nothing is lost: about every
    // second time.
    const MOST_DISKS: u32 = 20;
    let test = "a_bridge_that_acknowledges_before_it_records_is_caught_by_a_full_disk";
    let (mut disks, mut lost) = (0, 0);
    while lost == 0 {
        assert!(disks < MOST_DISKS, "{disks} disks were full and nothing was lost");
        disks += 1;
        let Some(full) = FullDisk::under_load(test, true).await else { return };
        let FullDisk { mut scene, proxy, disk, sending, broker: _broker, .. } = full;
        sending.stop().await;
        let acknowledged = acknowledged(&proxy.seen());
        disk.free();
        // A bridge without the mistake looks what is there.
        scene.bridge.unset("OC2_ACKNOWLEDGE_EARLY");
        scene.bridge.run();
        let recorded = recorded(&scene);
        lost = acknowledged.iter().filter(|id| !recorded.contains_key(*id)).count();
    }
    row(
        9,
        "control: a full disk with PUBACK before the record",
        &[("disks", &disks), ("lost", &lost)],
    );
}

/// A bridge that has ended because its disk is full, while commands come in.
struct FullDisk {
    scene: Scene,
    proxy: Proxy,
    disk: SmallDisk,
    sending: Sending,
    full_since: Instant,
    broker: Broker,
}

impl FullDisk {
    async fn under_load(test: &str, acknowledges_early: bool) -> Option<Self> {
        if !has_python(test) {
            return None;
        }
        let broker = quick_broker(test)?;
        let proxy = Proxy::start(broker.port()).await;
        let name = format!("disk-full-{acknowledges_early}");
        let declared = Declared::NotIdempotent;
        let mut scene = Scene::prepare(&name, declared, "", proxy.port(), broker.port()).await;
        let disk = SmallDisk::new(test, &scene.bridge.path("journal"), DISK_BYTES)?;
        scene.bridge.start_by(&disk.lead().each_ref().map(String::as_str));
        scene.bridge.set("OC2_JOURNAL_RESERVE", &RESERVE_BYTES.to_string());
        if acknowledges_early {
            scene.bridge.set("OC2_ACKNOWLEDGE_EARLY", "1");
        }
        scene.journal_is_at(disk.path());
        scene.bridge.run();

        let sending = scene.load.keep_sending(FULL_RATE);
        until("it is at work", || scene.effects().len() >= UNDER_WAY);
        disk.fill();
        let full_since = Instant::now();
        let status = scene.bridge.ended();
        assert_eq!(status.code(), CANNOT_WRITE, "{status}");
        scene.bridge.wait_for("the disk is full");
        Some(Self { scene, proxy, disk, sending, full_since, broker })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_is_not_tried_again_and_nothing_of_its_batch_is_acknowledged() {
    let test = "a_sync_that_fails_is_not_tried_again_and_nothing_of_its_batch_is_acknowledged";
    if !has_python(test) || !has_libfiu(test) {
        return;
    }
    let failures = times(3, 20);
    let mut sum = SyncFailed::default();
    for _ in 0..failures {
        let Some(failed) = sync_failed(test, false).await else { return };
        sum.add(&failed);
    }
    row(
        10,
        format!("a sync fails under load, {failures} times"),
        &[
            ("sent", &sum.sent),
            ("acknowledged before", &sum.acknowledged),
            ("acknowledged of the batch that failed", &sum.of_failed_batch),
        ],
    );
    assert_eq!(sum.of_failed_batch, 0);
}

/// The control: of a bridge that acknowledges first and syncs then, the same count is not 0.
#[cfg(feature = "fail-points")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_acknowledges_before_it_syncs_is_caught_by_a_sync_that_fails() {
    // What fails first may be the sync of an outcome, while no command is on its way.
    const MOST_FAILURES: usize = 20;
    let test = "a_bridge_that_acknowledges_before_it_syncs_is_caught_by_a_sync_that_fails";
    let (mut failures, mut sum) = (0, SyncFailed::default());
    if !has_python(test) || !has_libfiu(test) {
        return;
    }
    while sum.of_failed_batch == 0 {
        assert!(failures < MOST_FAILURES, "{failures} syncs failed: {sum:?}");
        failures += 1;
        let Some(failed) = sync_failed(test, true).await else { return };
        sum.add(&failed);
    }
    row(
        10,
        "control: a sync that fails, with PUBACK before the record",
        &[
            ("failed", &failures),
            ("acknowledged before", &sum.acknowledged),
            ("acknowledged of the batch that failed", &sum.of_failed_batch),
        ],
    );
}

/// Whether calls of the C library can be made to fail.
fn has_libfiu(test: &str) -> bool {
    let has_it = FIU_LIBRARIES.iter().all(|library| Path::new(library).exists());
    if !has_it {
        skip(test, "no libfiu");
    }
    has_it
}

/// What became of the commands around a sync that failed.
#[derive(Debug, Default)]
struct SyncFailed {
    sent: usize,
    acknowledged: usize,
    /// Acknowledged, and not durable for certain before the sync failed.
    of_failed_batch: usize,
}

impl SyncFailed {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.of_failed_batch += other.of_failed_batch;
    }
}

/// A bridge of which one sync fails under load. Without the mistake it keeps the promise.
async fn sync_failed(test: &str, acknowledges_early: bool) -> Option<SyncFailed> {
    let broker = quick_broker(test)?;
    let proxy = Proxy::start(broker.port()).await;
    let declared = Declared::NotIdempotent;
    let name = format!("sync-{acknowledges_early}");
    let mut scene = Scene::prepare(&name, declared, "", proxy.port(), broker.port()).await;
    let control = scene.bridge.path("fiu").display().to_string();
    scene.bridge.set("LD_PRELOAD", &FIU_LIBRARIES.join(" "));
    scene.bridge.set("FIU_CTRL_FIFO", &control);
    scene.bridge.set("FIU_ENABLE", "");
    if acknowledges_early {
        scene.bridge.set("OC2_ACKNOWLEDGE_EARLY", "1");
    }
    scene.bridge.run();
    let mut starts = 1;
    while !begins_its_program(scene.bridge.pid()) {
        assert!(starts < MOST_STARTS, "{starts} bridges did not begin their program");
        starts += 1;
        // The child has what the bridge had open, the journal's lock included.
        let stuck = children(scene.bridge.pid());
        scene.bridge.kill();
        let killed = Command::new("kill").arg("-KILL").args(stuck.split_whitespace()).status();
        assert!(killed.expect("kill runs").success());
        scene.bridge.run();
    }

    let sending = scene.load.keep_sending(RATE);
    until("it is at work", || scene.effects().len() >= UNDER_WAY);
    let pid = scene.bridge.pid().to_string();
    let told =
        tools::command("fiu-ctrl").args(["-f", &control, "-c", FAIL_ONE_SYNC, &pid]).status();
    assert!(told.expect("fiu-ctrl runs").success());
    let status = scene.bridge.ended();
    assert_eq!(status.code(), CANNOT_WRITE, "{status}");
    sending.stop().await;
    let durable = durable_ticket(&scene.bridge.path("journal/journal.head"));
    let acknowledged = acknowledged(&proxy.seen());

    scene.bridge.unset("LD_PRELOAD");
    scene.bridge.unset("OC2_ACKNOWLEDGE_EARLY");
    scene.bridge.run();
    if !acknowledges_early {
        assert!(scene.load.is_answered_within(PATIENCE).await);
        let terms = Terms { declared, at_work: CONCURRENCY };
        let verdict = scene.verdict("a sync fails", terms).await;
        assert_eq!(verdict.breaches, [].into());
    }
    // What the failed sync was to make durable may be there all the same. It must not have
    // been acknowledged.
    let recorded = recorded(&scene);
    let is_of_it = |id: &&String| recorded.get(*id).is_none_or(|ticket| *ticket > durable);
    Some(SyncFailed {
        sent: scene.load.sent().len(),
        acknowledged: acknowledged.len(),
        of_failed_batch: acknowledged.iter().filter(is_of_it).count(),
    })
}

/// The process numbers of the children of a process.
fn children(process: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .collect()
}

/// Whether the bridge comes to run its program. libfiu has a lock: a child that is forked while
/// another thread holds it waits for ever, before it becomes the program.
fn begins_its_program(bridge: u32) -> bool {
    const SOON: Duration = Duration::from_secs(3);
    let arguments = |process: &str| std::fs::read(format!("/proc/{process}/cmdline")).ok();
    let own = arguments(&bridge.to_string());
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if children(bridge).split_whitespace().any(|child| {
            let its = arguments(child);
            its.is_some() && its != own
        }) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// The highest ticket that is durable for certain: what `journal.head` says, in the newer of its slots.
fn durable_ticket(head: &Path) -> u64 {
    const SLOT_BYTES: usize = 64;
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    let slots = std::fs::read(head).expect("journal.head");
    let slots =
        slots.chunks_exact(SLOT_BYTES).map(|slot| (number(&slot[..8]), number(&slot[8..16])));
    slots.max().expect("two slots").1
}

/// The ticket of each command in the journal, by `request_id`.
fn recorded(scene: &Scene) -> BTreeMap<String, u64> {
    let entry = |entry: &Value| {
        let ticket = entry["ticket"].as_u64().expect("a ticket");
        Some((entry["request_id"].as_str()?.to_owned(), ticket))
    };
    scene.bridge.journal().iter().filter_map(entry).collect()
}

/// `request_id` of every command that the bridge has acknowledged on the wire.
fn acknowledged(seen: &[Seen]) -> BTreeSet<String> {
    let mut delivered: BTreeMap<(usize, u16), String> = BTreeMap::new();
    let mut acknowledged = BTreeSet::new();
    for Seen { is_up, connection, packet, .. } in seen {
        match packet {
            Packet::Publish(publish) if !is_up => {
                let message: Value = serde_json::from_slice(&publish.payload).expect("JSON");
                let id = message["headers"]["request_id"].as_str().expect("an id").to_owned();
                delivered.insert((*connection, publish.packet), id);
            }
            Packet::PubAck { packet, .. } if *is_up => {
                acknowledged.extend(delivered.get(&(*connection, *packet)).cloned());
            }
            _ => {}
        }
    }
    acknowledged
}
