//! The embedded broker against plain peers.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{BrokerError, EmbeddedBroker};
use crate::mqtt::link::{Properties, Subscription};
use crate::mqtt::peer::{Peer, PeerMessage, PeerOptions};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_message_arrives_with_its_properties_unchanged() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let mut reader = peer(&broker, "reader").await;
    let writer = peer(&broker, "writer").await;
    reader.subscribe(vec![filter("a/+")]).await.unwrap();
    let message = PeerMessage {
        properties: Properties {
            is_utf8: Some(true),
            content_type: Some("application/openc2".to_owned()),
            response_topic: Some("b/c".to_owned()),
            expiry_secs: None,
            user: vec![
                ("msgType".to_owned(), "req".to_owned()),
                ("encoding".to_owned(), "json".to_owned()),
                ("encoding".to_owned(), "twice".to_owned()),
            ],
        },
        ..PeerMessage::new("a/b", "{}")
    };

    writer.publish(message.clone()).await.unwrap();

    assert_eq!(next(&mut reader).await, message, "QoS 1 in, QoS 1 out");
}

#[tokio::test]
async fn a_message_of_nearly_a_mebibyte_passes() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let mut reader = peer(&broker, "reader").await;
    reader.subscribe(vec![filter("a")]).await.unwrap();
    let message = PeerMessage::new("a", vec![b'x'; 1024 * 1024 - 100]);

    reader.publish(message.clone()).await.unwrap();

    assert!(next(&mut reader).await == message, "and a MiB is too much to print");
}

#[tokio::test]
async fn no_local_keeps_a_clients_own_messages_away() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let mut talker = peer(&broker, "talker").await;
    let other = peer(&broker, "other").await;
    talker.subscribe(vec![Subscription { no_local: true, ..filter("a") }]).await.unwrap();

    talker.publish(PeerMessage::new("a", "mine")).await.unwrap();
    other.publish(PeerMessage::new("a", "yours")).await.unwrap();

    assert_eq!(next(&mut talker).await.payload, "yours");
}

#[tokio::test]
async fn a_kept_session_gets_what_came_meanwhile_in_order() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let kept = PeerOptions {
        clean_start: false,
        session_expiry_secs: 60,
        ..PeerOptions::new(broker.url(), "kept")
    };
    let first = Peer::connect(kept.clone()).await.unwrap();
    assert!(!first.session_present());
    first.subscribe(vec![filter("a")]).await.unwrap();
    first.disconnect().await;

    let writer = peer(&broker, "writer").await;
    for number in 0..5 {
        writer.publish(PeerMessage::new("a", number.to_string())).await.unwrap();
    }

    let mut second = Peer::connect(kept).await.unwrap();
    assert!(second.session_present());
    for number in 0..5 {
        assert_eq!(next(&mut second).await.payload, number.to_string());
    }
}

#[tokio::test]
async fn a_retained_message_waits_for_subscribers_and_an_empty_one_removes_it() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let writer = peer(&broker, "writer").await;
    let retained = PeerMessage { retain: true, ..PeerMessage::new("a", "kept") };
    writer.publish(retained.clone()).await.unwrap();

    let mut late = peer(&broker, "late").await;
    late.subscribe(vec![filter("a")]).await.unwrap();
    assert_eq!(next(&mut late).await, retained);

    writer.publish(PeerMessage { payload: "".into(), ..retained }).await.unwrap();
    let mut later = peer(&broker, "later").await;
    later.subscribe(vec![filter("a")]).await.unwrap();
    later.publish(PeerMessage::new("a", "first")).await.unwrap();
    assert_eq!(next(&mut later).await.payload, "first");
}

#[tokio::test]
async fn a_retained_will_is_spoken_for_a_client_that_vanishes_and_not_for_one_that_leaves() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let mut watcher = peer(&broker, "watcher").await;
    watcher
        .subscribe(vec![Subscription { retain_as_published: true, ..filter("+/lwt") }])
        .await
        .unwrap();
    let with_will = |id: &str| PeerOptions {
        will: Some(PeerMessage {
            retain: true,
            ..PeerMessage::new(format!("{id}/lwt"), "Offline")
        }),
        ..PeerOptions::new(broker.url(), id)
    };

    Peer::connect(with_will("leaver")).await.unwrap().disconnect().await;
    drop(Peer::connect(with_will("vanisher")).await.unwrap());

    let will = next(&mut watcher).await;
    assert_eq!((will.topic.as_str(), will.retain), ("vanisher/lwt", true));
}

#[tokio::test]
async fn a_client_of_mqtt_3_1_1_is_welcome() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", broker.port())).await.unwrap();

    // CONNECT, protocol level 4, clean session, keep-alive 60 s, client identifier "old".
    socket.write_all(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03old").await.unwrap();

    let mut connack = [0; 4];
    timeout(DEADLINE, socket.read_exact(&mut connack)).await.unwrap().unwrap();
    assert_eq!(connack, [0x20, 0x02, 0x00, 0x00]);
}

#[tokio::test]
async fn a_stop_cuts_every_client_and_frees_the_port() {
    let broker = EmbeddedBroker::start(0).await.unwrap();
    let port = broker.port();
    let mut client = peer(&broker, "client").await;

    broker.stop().await;

    assert_eq!(timeout(DEADLINE, client.receive()).await.unwrap(), None);
    let again = EmbeddedBroker::start(port).await.unwrap();
    assert_eq!(again.port(), port);
    peer(&again, "client").await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();

    let error = EmbeddedBroker::start(port).await.unwrap_err();

    assert!(matches!(&error, BrokerError::Listen { port: named, .. } if *named == port));
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}: ")), "{error}");
}

async fn peer(broker: &EmbeddedBroker, client_id: &str) -> Peer {
    Peer::connect(PeerOptions::new(broker.url(), client_id)).await.unwrap()
}

async fn next(peer: &mut Peer) -> PeerMessage {
    timeout(DEADLINE, peer.receive()).await.expect("nothing came").expect("the connection is gone")
}

fn filter(filter: &str) -> Subscription {
    Subscription {
        filter: filter.to_owned(),
        qos: 1,
        no_local: false,
        retain_as_published: false,
        retain_handling: 0,
    }
}
