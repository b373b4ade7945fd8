//! What goes out over a link, and what the broker makes of it.

use std::time::Duration;

use openc2_bridge::mqtt::link::{Link, LinkError, Taken};

use crate::support::double::Double;
use crate::support::packet::{Packet, Value, id};
use crate::support::{kept, message, outcome, publication, publish, soon, subscribed, up};

/// Shows MQTT-3.5-1 for PUBACK (trap 4).
#[tokio::test]
async fn the_reason_of_a_puback_comes_back() {
    let broker = Double::start().await;
    let (link, _events) = Link::open(kept(broker.port(), "Id1"));
    let mut guest = broker.welcome(false, Vec::new()).await;
    let cases = [
        (0x00, Ok(Taken::Delivered)),
        (0x10, Ok(Taken::NoMatchingSubscribers)),
        (0x87, Err("Not authorized (0x87)")),
        (0x97, Err("Quota exceeded (0x97)")),
        (0x99, Err("Payload format invalid (0x99)")),
    ];
    for (reason, expected) in cases {
        let publishing = publish(&link, "x").await;
        let packet = guest.publish().await.packet;
        guest.puback(packet, reason).await;
        match (outcome(publishing).await, expected) {
            (Ok(taken), Ok(expected)) => assert_eq!(taken, expected),
            (Err(LinkError::Refused { reason }), Err(name)) => assert_eq!(reason, name),
            (other, expected) => panic!("{other:?}, expected {expected:?}"),
        }
    }
    assert_eq!(link.statistics().failed, 0, "a refused publication costs no connection");
}

/// Trap 8: checked before it is sent, since one that is sent costs the connection, for ever.
#[tokio::test]
async fn a_publication_above_the_brokers_limits_is_refused_here() {
    let broker = Double::start().await;
    let (link, _events) = Link::open(kept(broker.port(), "Id1"));
    let limit = vec![(id::MAXIMUM_PACKET_SIZE, Value::Four(100))];
    let mut guest = broker.welcome(false, limit).await;
    let error = soon("refused", link.publish(publication(&"x".repeat(100)))).await.unwrap_err();
    assert!(matches!(error, LinkError::TooLarge { size: 114, limit: 100 }), "{error:?}");

    // 100 bytes exactly: fixed header 2, topic 2 + 7, identifier 2, properties 1.
    let fits = publish(&link, &"x".repeat(86)).await;
    let raw = guest.publish().await;
    assert_eq!(raw.payload.len(), 86);
    guest.puback(raw.packet, 0).await;
    assert_eq!(outcome(fits).await.unwrap(), Taken::Delivered);
    let error = soon("refused", link.publish(publication(&"x".repeat(87)))).await.unwrap_err();
    assert!(matches!(error, LinkError::TooLarge { size: 101, .. }), "{error:?}");
    drop(guest);

    let no_qos = vec![(id::MAXIMUM_QOS, Value::Byte(0))];
    let _guest = broker.welcome(true, no_qos).await;
    let error = soon("refused", async {
        loop {
            match link.publish(publication("x")).await {
                Err(LinkError::Refused { reason }) => return reason,
                other => drop(other),
            }
        }
    });
    assert!(error.await.contains("QoS not supported (0x9B)"));
}

/// Trap 8, the rare way: it fitted when it was sent, and the next connection takes less.
#[tokio::test]
async fn a_publication_that_no_longer_fits_does_not_reconnect_for_ever() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(kept(broker.port(), "Id1"));
    let mut guest = broker.welcome(false, Vec::new()).await;
    let large = publish(&link, &"x".repeat(500)).await;
    assert_eq!(guest.publish().await.payload.len(), 500);
    drop(guest);

    let limit = || vec![(id::MAXIMUM_PACKET_SIZE, Value::Four(100))];
    let mut guest = broker.guest().await;
    guest.connack(true, 0, limit()).await;
    assert!(matches!(outcome(large).await, Err(LinkError::SessionReset)));
    drop(guest);
    // The library takes one more attempt to accept a session it was made to forget.
    let mut guest = broker.guest().await;
    guest.connack(true, 0, limit()).await;
    let mut guest = match guest.next().await {
        None => broker.welcome(true, limit()).await,
        Some(Packet::Unsubscribe { packet, .. }) => {
            guest.send(&Packet::UnsubAck { packet, codes: vec![0x11] }).await;
            guest
        }
        other => panic!("{other:?}"),
    };
    up(&mut events).await;
    let small = publish(&link, "x").await;
    let packet = guest.publish().await.packet;
    guest.puback(packet, 0).await;
    assert_eq!(outcome(small).await.unwrap(), Taken::Delivered);
}

/// The fault cell "Receive Maximum 2 with eight responses due": never more than two at
/// once, all eight in order, and acknowledgements go by them on a lane of their own.
#[tokio::test]
async fn the_brokers_receive_maximum_is_kept_and_holds_up_no_acknowledgement() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let two = vec![(id::RECEIVE_MAXIMUM, Value::Two(2))];
    let mut guest = broker.welcome(false, two).await;
    let mut publishing = Vec::new();
    for number in 0..8 {
        publishing.push(publish(&link, &number.to_string()).await);
    }
    let mut open = vec![guest.publish().await, guest.publish().await];
    for packet in 1..=8 {
        guest.deliver("a", packet).await;
    }
    for _ in 0..8 {
        link.acknowledge(message(&mut events).await.receipt);
    }
    for packet in 1..=8 {
        assert_eq!(guest.next().await, Some(Packet::PubAck { packet, reason: 0 }));
    }
    let mut payloads = Vec::new();
    while let Some(publish) = (!open.is_empty()).then(|| open.remove(0)) {
        guest.puback(publish.packet, 0).await;
        payloads.push(String::from_utf8(publish.payload).unwrap());
        if payloads.len() + open.len() < 8 {
            open.push(guest.publish().await);
        }
    }
    assert_eq!(payloads, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    for one in publishing {
        assert_eq!(outcome(one).await.unwrap(), Taken::Delivered);
    }
}

#[tokio::test]
async fn what_was_unconfirmed_is_published_again_in_order_when_the_session_is_kept() {
    let broker = Double::start().await;
    let (link, _events) = Link::open(kept(broker.port(), "Id1"));
    let two = || vec![(id::RECEIVE_MAXIMUM, Value::Two(2))];
    let mut guest = broker.welcome(false, two()).await;
    let mut publishing = Vec::new();
    for number in 0..8 {
        publishing.push(publish(&link, &number.to_string()).await);
    }
    let sent = [guest.publish().await, guest.publish().await];
    assert!(sent.iter().all(|publish| !publish.dup));
    drop(guest);

    let mut guest = broker.guest().await;
    guest.connack(true, 0, two()).await;
    let mut payloads = Vec::new();
    while payloads.len() < 8 {
        match guest.next().await.expect("a packet") {
            Packet::Publish(publish) => {
                assert_eq!(publish.dup, payloads.len() < 2, "{publish:?}");
                payloads.push(String::from_utf8(publish.payload).unwrap());
                guest.puback(publish.packet, 0).await;
            }
            Packet::Unsubscribe { packet, .. } => {
                guest.send(&Packet::UnsubAck { packet, codes: vec![0x11] }).await;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(payloads, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    for one in publishing {
        assert_eq!(outcome(one).await.unwrap(), Taken::Delivered);
    }
}

#[tokio::test]
async fn a_publication_taken_back_before_there_is_a_connection_is_never_sent() {
    let broker = Double::start().await;
    let (link, _events) = Link::open(kept(broker.port(), "Id1"));
    let early = tokio::time::timeout(Duration::from_millis(50), link.publish(publication("early")));
    assert!(early.await.is_err());
    let mut guest = broker.welcome(false, Vec::new()).await;
    let _publishing = publish(&link, "late").await;
    assert_eq!(guest.publish().await.payload, b"late");
}
