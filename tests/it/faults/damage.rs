//! Files of the journal that are lost, put back or overwritten, and clocks that were wrong: the ways
//! out that docs/reliability.md describes.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use openc2_bridge::producer::now_ms;
use serde_json::{Value as Json, json};

use super::replays::{has_other_clocks, set_clock, with_other_clock};
use super::scene::until;
use crate::support::probe::{act, acts, actuator, install};
use crate::support::scene::{Scene, letter};

/// The journal cannot be used.
const IO: Option<i32> = Some(74);

/// A file has a mistake.
const CONFIG: Option<i32> = Some(78);

const NINE_YEARS_MS: u64 = 9 * 365 * 86_400_000;

async fn scene(test: &str) -> Option<Scene> {
    let consumer = "[[consumer]]\nid = \"gateway-1\"\nactuators = [\"probe\"]\n";
    let probe = actuator("probe", "x-probe", "concurrency = 8");
    Scene::prepare(test, "gateway-1", "", &format!("{consumer}{probe}")).await
}

/// A command that is created now.
fn created_now(request_id: &str, what: &str) -> Json {
    let mut message = letter(request_id, &act(what, "x-probe"));
    message["headers"]["created"] = json!(now_ms());
    message
}

async fn status_of(scene: &mut Scene, message: &Json) -> u64 {
    scene.send("device/gateway-1", message).await;
    scene.answer().await.status()
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", file.display());
    }
}

/// What happens to the files of a journal, what is said of it, and what is done before the loss
/// is accepted.
struct Story {
    what: &'static str,
    harm: fn(journal: &Path, older: &Path),
    told: &'static str,
    first: fn(journal: &Path),
    /// The older of the commands is still there.
    has_older: bool,
}

const STORIES: [Story; 3] = [
    Story {
        what: "a database restored without its head",
        harm: |journal, older| {
            fs::copy(older.join("journal.db"), journal.join("journal.db")).unwrap();
        },
        told: "records that were durable are gone",
        first: |_| {},
        has_older: true,
    },
    Story {
        what: "an older folder put back, and its head taken away",
        harm: |journal, older| {
            fs::copy(older.join("journal.db"), journal.join("journal.db")).unwrap();
            fs::remove_file(journal.join("journal.head")).unwrap();
        },
        told: "journal.head is missing",
        first: |_| {},
        has_older: true,
    },
    Story {
        what: "an overwritten database",
        harm: |journal, _| {
            let mut bytes = fs::read(journal.join("journal.db")).unwrap();
            bytes[..4096].fill(0x5a);
            fs::write(journal.join("journal.db"), bytes).unwrap();
        },
        told: "Move journal.db and journal.db-wal into another folder, leave journal.head",
        first: |journal| {
            fs::rename(journal.join("journal.db"), journal.join("kept-aside")).unwrap();
            remove(&journal.join("journal.db-wal"));
        },
        has_older: false,
    },
];

/// The command that was lost comes again, with the headers that it had: it is not idempotent.
#[tokio::test]
async fn a_lost_command_that_comes_again_does_not_run_again() {
    let test = "a_lost_command_that_comes_again_does_not_run_again";
    for story in STORIES {
        let Some(mut scene) = scene(test).await else { return };
        let _gate = install(&scene);
        let (journal, older) = (scene.bridge.path("journal"), scene.bridge.path("older"));
        let (early, late) = (created_now("early", "work"), created_now("late", "work"));
        scene.bridge.run();
        assert_eq!(status_of(&mut scene, &early).await, 200);
        scene.bridge.terminate();
        fs::create_dir(&older).unwrap();
        fs::copy(journal.join("journal.db"), older.join("journal.db")).unwrap();
        scene.bridge.run();
        assert_eq!(status_of(&mut scene, &late).await, 200);
        scene.bridge.terminate();
        remove(&journal.join("journal.db-wal"));
        (story.harm)(&journal, &older);

        scene.bridge.spawn();
        assert_eq!(scene.bridge.ended().code(), IO, "{}", story.what);
        let log = scene.bridge.log();
        assert!(log.contains(story.told), "{}: {log}", story.what);
        let verified = scene.bridge.oc2(&["journal", "verify"]);
        let said = String::from_utf8([verified.stdout, verified.stderr].concat()).unwrap();
        assert!(!verified.status.success(), "{}: {said}", story.what);
        assert!(said.contains("oc2 journal accept-loss"), "{}: the next step: {said}", story.what);
        (story.first)(&journal);
        let accepted = scene.bridge.oc2(&["journal", "accept-loss", "--text", "test"]);
        let said = String::from_utf8_lossy(&accepted.stdout);
        assert!(accepted.status.success(), "{}: {accepted:?}", story.what);
        assert!(said.contains("is refused from now on"), "{}: {said}", story.what);
        assert!(said.contains("anew, with a new `created`"), "{}: {said}", story.what);

        scene.bridge.run();
        assert_eq!(status_of(&mut scene, &late).await, 400, "{}", story.what);
        let of_older = if story.has_older { 200 } else { 400 };
        assert_eq!(status_of(&mut scene, &early).await, of_older, "{}", story.what);
        assert_eq!(acts(&scene, "work"), 2, "{}: nothing acts again", story.what);
        assert_eq!(status_of(&mut scene, &created_now("late", "work")).await, 200);
        assert_eq!(acts(&scene, "work"), 3, "{}: but what is meant anew", story.what);
    }
}

#[tokio::test]
async fn a_client_id_that_is_gone_is_a_lost_session_and_one_that_is_none_ends_the_bridge() {
    let test = "a_client_id_that_is_gone_is_a_lost_session_and_one_that_is_none_ends_the_bridge";
    let Some(mut scene) = scene(test).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();
    assert_eq!(status_of(&mut scene, &created_now("1", "work")).await, 200);
    scene.bridge.terminate();

    let client_id = scene.bridge.path("journal").join("client-id");
    for (content, complaint) in
        [(&b""[..], "is no client identifier"), (b"\xff\xfe", "did not contain valid UTF-8")]
    {
        fs::write(&client_id, content).unwrap();
        scene.bridge.spawn();
        assert_eq!(scene.bridge.ended().code(), CONFIG, "{complaint}");
        let log = scene.bridge.log();
        assert!(log.contains(complaint), "{complaint}: {log}");
    }

    fs::remove_file(&client_id).unwrap();
    scene.bridge.run();
    scene.bridge.log_line("alarm=\"session lost\"", "client-id is gone");
    assert_eq!(scene.bridge.status()["mqtt"]["link"]["sessions_lost"], 1);
    assert_eq!(status_of(&mut scene, &created_now("2", "work")).await, 200);
    scene.bridge.terminate();
    scene.bridge.run();
    assert_eq!(scene.bridge.status()["mqtt"]["link"]["sessions_lost"], 0, "once");
    scene.bridge.terminate();

    // With the name that an older log has, what waited in the session comes.
    let log = scene.bridge.log();
    let connected = log.lines().find_map(|line| line.split_once("client_id="));
    let (_, rest) = connected.expect("it was connected");
    fs::write(&client_id, rest.split_whitespace().next().unwrap()).unwrap();
    scene.bridge.run();
    let log = scene.bridge.log();
    let last = log.lines().rfind(|line| line.contains("session_present=")).unwrap();
    assert!(last.contains("session_present=true"), "{last}");
}

#[tokio::test]
async fn a_clock_that_was_ten_years_ahead_is_trusted_by_one_start() {
    let test = "a_clock_that_was_ten_years_ahead_is_trusted_by_one_start";
    if !has_other_clocks(test) {
        return;
    }
    let Some(mut scene) = scene(test).await else { return };
    let _gate = install(&scene);
    with_other_clock(&mut scene);
    scene.bridge.set("OC2_JOURNAL_KEEP_COUNT", "2");
    set_clock(&scene, "+10y");
    scene.bridge.run();
    for number in 1..=4 {
        let message = letter(&format!("ahead-{number}"), &act("work", "x-probe"));
        assert_eq!(status_of(&mut scene, &message).await, 200);
    }
    let forgotten_ms = |scene: &Scene| {
        let forgotten_ms = scene.bridge.status()["journal"]["forgotten_ms"].as_u64();
        forgotten_ms.expect("a time")
    };
    until("some are forgotten", || forgotten_ms(&scene) > now_ms() + NINE_YEARS_MS);
    scene.bridge.terminate();

    set_clock(&scene, "+0");
    scene.bridge.run();
    assert_eq!(status_of(&mut scene, &created_now("untrusted", "work")).await, 400);
    assert_eq!(scene.bridge.counters()["clock_suspect"], true);
    scene.bridge.terminate();

    scene.bridge.set("OC2_TIME_TRUST_CLOCK", "true");
    for start in 1..=3 {
        scene.bridge.run();
        scene.bridge.unset("OC2_TIME_TRUST_CLOCK");
        // As many as make those of the wrong clock leave.
        for number in 1..=3 {
            let message = created_now(&format!("trusted-{start}-{number}"), "work");
            assert_eq!(status_of(&mut scene, &message).await, 200, "{start} {number}");
        }
        until("they have left", || scene.bridge.journal().len() <= 2);
        assert!(forgotten_ms(&scene) <= now_ms(), "start {start}");
        assert_eq!(scene.bridge.counters()["clock_suspect"], false, "start {start}");
        scene.bridge.terminate();
    }
}

#[tokio::test]
async fn a_command_in_doubt_is_an_alarm_that_says_what_to_do() {
    let test = "a_command_in_doubt_is_an_alarm_that_says_what_to_do";
    let Some(mut scene) = scene(test).await else { return };
    let mut gate = install(&scene);
    scene.bridge.run();
    scene.send("device/gateway-1", &created_now("1", "wait")).await;
    until("it is at work", || acts(&scene, "wait") == 1);
    scene.bridge.kill();
    scene.bridge.run();
    scene.answered("1", 500).await;
    let line = scene.bridge.log_line("oc2::alarm", "command 1 is in doubt");
    assert!(line.contains(" WARN ") && line.contains("`oc2 journal resolve 1`"), "{line}");
    gate.let_one_pass();
}
