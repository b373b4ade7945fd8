//! The journal cannot be written any more: no room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::oracle::{Declared, Terms};
use super::scene::{CONCURRENCY, PATIENCE, RATE, Scene, has_python};
use crate::support::broker::{Broker, quick_broker};
use crate::support::packet::Packet;
use crate::support::proxy::{Proxy, Seen};

/// Largest file, in blocks, and which one comes to its end first: the log is moved into the database
/// at some 2100 blocks and begins anew.
const CASES: [(u32, &str); 2] = [(1000, "log"), (2600, "database")];

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
    assert_eq!(status.code(), Some(74), "{status}");
    scene.bridge.wait_for("the journal cannot be written or read: ");
    tokio::time::sleep(MEANWHILE).await;
    sending.stop().await;

    let acknowledged = acknowledged(&proxy.seen());
    let journal = scene.bridge.journal();
    let recorded: BTreeSet<_> =
        journal.iter().filter_map(|entry| entry["request_id"].as_str()).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !recorded.contains(id.as_str())).collect();
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
