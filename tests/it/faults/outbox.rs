//! A response that could not leave is in the journal, and leaves later: the same bytes.

use super::oracle::{Answer, Declared, Terms};
use super::scene::{PATIENCE, Scene, has_python, until};
use crate::support::broker::{private_broker, quick_broker};
use crate::support::packet::Packet;
use crate::support::proxy::Proxy;

const GATE: &str = "may-answer";

/// The broker goes away while the command is carried out, and the bridge is killed before it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_made_while_the_broker_was_away_leaves_after_the_restart_of_the_bridge() {
    let test = "a_response_made_while_the_broker_was_away_leaves_after_the_restart_of_the_bridge";
    if !has_python(test) {
        return;
    }
    let Some(mut broker) = private_broker(test, "allow_anonymous true\n") else { return };
    let declared = Declared::NotIdempotent;
    let (port, load_port) = (broker.port(), broker.port());
    let mut scene = Scene::prepare("outbox", declared, GATE, port, load_port).await;
    scene.bridge.run();

    scene.load.send().await;
    until("the effect", || !scene.effects().is_empty());
    broker.kill();
    std::fs::write(scene.bridge.path(GATE), "").unwrap();
    // It is in the journal, and nowhere else.
    until("the outcome", || scene.bridge.journal()[0]["state"] == "ended");
    scene.bridge.kill();
    let recorded = journal_files(&scene);

    broker.restart();
    scene.bridge.spawn();
    let response = scene.load.heard(1).await.swap_remove(0).payload;
    assert_eq!(Answer::read(&response).status, 200);
    let is_recorded = recorded.windows(response.len()).any(|bytes| bytes == response);
    assert!(is_recorded, "{}", String::from_utf8_lossy(&response));
    let verdict = scene.verdict("broker away", Terms { declared, at_work: 0 }).await;
    assert_eq!(verdict.breaches, [].into());
}

/// The database as it is on the disk, log included.
fn journal_files(scene: &Scene) -> Vec<u8> {
    let read = |name: &str| std::fs::read(scene.bridge.path("journal").join(name)).unwrap();
    [read("journal.db"), read("journal.db-wal")].concat()
}

/// The response leaves, its PUBACK does not arrive, and the bridge is killed: it leaves again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_was_not_confirmed_is_published_again_byte_for_byte() {
    let test = "a_response_that_was_not_confirmed_is_published_again_byte_for_byte";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let proxy = Proxy::start(broker.port()).await;
    let declared = Declared::NotIdempotent;
    let mut scene =
        Scene::prepare("unconfirmed", declared, GATE, proxy.port(), broker.port()).await;
    scene.bridge.run();

    scene.load.send().await;
    proxy.first("PUBACK", |seen| seen.is_up && matches!(seen.packet, Packet::PubAck { .. })).await;
    proxy.mute();
    std::fs::write(scene.bridge.path(GATE), "").unwrap();
    scene.load.heard(1).await;
    scene.bridge.kill();
    proxy.restore();
    scene.bridge.spawn();
    let heard = scene.load.heard(2).await;

    assert_eq!(heard[0].payload, heard[1].payload);
    assert_eq!(heard[0].topic, heard[1].topic);
    let published = proxy.sent(|packet| match packet {
        Packet::Publish(publish) => Some((publish.topic.clone(), publish.properties.clone())),
        _ => None,
    });
    let [first, again] = &published[..] else { panic!("{published:?}") };
    assert_eq!(first, again);
    assert!(scene.load.is_answered_within(PATIENCE).await);
    let verdict = scene.verdict("response not confirmed", Terms { declared, at_work: 0 }).await;
    assert_eq!(verdict.breaches, [].into());
    assert!(scene.bridge.terminate().success());
}
