//! One connection, kept up: subscriptions, acknowledgements, sessions, and the end.

use std::time::{Duration, Instant};

use openc2_bridge::mqtt::link::{
    Link, LinkError, LinkSettings, Publication, Session, Subscription, Taken,
};

use crate::support::double::Double;
use crate::support::packet::{Packet, Publish, Raw};
use crate::support::{down, kept, message, outcome, publication, publish, soon, subscribed, up};

/// Shows MQTT-3.3-4: Maximum QoS 2, No Local, Retain As Published, Retain Handling 0;
/// and of a shared subscription No Local 0 (trap 12).
#[tokio::test]
async fn subscription_options_are_those_of_the_transfer_specification() {
    let broker = Double::start().await;
    let filters = ["oc2/cmd/all", "$share/two/oc2/cmd/all"];
    let (_link, mut events) = Link::open(subscribed(broker.port(), "Id1", &filters));
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    let asked = guest.grant().await;
    assert_eq!(
        asked,
        [("oc2/cmd/all".to_owned(), 0x0E), ("$share/two/oc2/cmd/all".to_owned(), 0x0A)]
    );
    assert!(!up(&mut events).await);
}

/// Trap 6: a kept session has its subscriptions already; they are asked for all the same.
#[tokio::test]
async fn subscriptions_are_repeated_at_every_connection() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    let later = tokio::spawn({
        let link = link.clone();
        async move { link.subscribe(vec![Subscription::openc2("b".to_owned())]).await }
    });
    assert_eq!(guest.grant().await, [("b".to_owned(), 0x0E)]);
    soon("granted", later).await.unwrap().unwrap();
    drop(guest);

    let mut guest = broker.guest().await;
    guest.connack(true, 0, Vec::new()).await;
    let asked = guest.grant().await;
    assert!(asked.iter().map(|(filter, _)| filter.as_str()).eq(["a", "b"]));
    assert!(up(&mut events).await);

    let ending = tokio::spawn({
        let link = link.clone();
        async move { link.unsubscribe(vec!["a".to_owned()]).await }
    });
    let Some(Packet::Unsubscribe { packet, filters }) = guest.next().await else { panic!() };
    assert_eq!(filters, ["a"]);
    guest.send(&Packet::UnsubAck { packet, codes: vec![0] }).await;
    soon("ended", ending).await.unwrap().unwrap();
    drop(guest);

    let mut guest = broker.guest().await;
    guest.connack(true, 0, Vec::new()).await;
    assert_eq!(guest.grant().await, [("b".to_owned(), 0x0E)]);
}

/// Shows MQTT-3.3-5, and MQTT-3.5-1 for SUBACK.
#[tokio::test]
async fn a_subscription_refused_or_granted_with_less_is_an_error_and_tried_again() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a", "b", "c"]));
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    let Some(Packet::Subscribe { packet, .. }) = guest.next().await else { panic!() };
    guest.send(&Packet::SubAck { packet, codes: vec![0x87, 0x01, 0x00] }).await;
    let reason = down(&mut events).await;
    assert!(reason.contains("a: Not authorized (0x87)"), "{reason}");
    assert!(reason.contains("c: granted with QoS 0 (0x00) only"), "{reason}");
    assert!(!reason.contains("b:"), "{reason}");
    assert_eq!(link.statistics().subscriptions_refused, 2);
    assert!(!link.is_up());

    let again = guest.grant().await;
    assert!(again.iter().map(|(filter, _)| filter.as_str()).eq(["a", "c"]));
    up(&mut events).await;
    assert!(link.is_up());

    let refused = tokio::spawn({
        let link = link.clone();
        async move { link.subscribe(vec![Subscription::openc2("d".to_owned())]).await }
    });
    let Some(Packet::Subscribe { packet, .. }) = guest.next().await else { panic!() };
    guest.send(&Packet::SubAck { packet, codes: vec![0x8F] }).await;
    let error = soon("refused", refused).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("d: Topic Filter invalid (0x8F)"), "{error}");
}

/// MQTT 5 section 4.6: PUBACK packets leave in the order in which the PUBLISH packets came.
#[tokio::test]
async fn acknowledgements_leave_when_asked_for_and_in_the_order_of_arrival() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let mut guest = broker.welcome(false, Vec::new()).await;
    for packet in [7, 3, 9] {
        guest.deliver("a", packet).await;
    }
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(message(&mut events).await.receipt);
    }
    for receipt in [receipts[2], receipts[1], receipts[0]] {
        link.acknowledge(receipt);
    }
    for packet in [7, 3, 9] {
        assert_eq!(guest.next().await, Some(Packet::PubAck { packet, reason: 0 }));
    }
}

/// Trap 2: it must neither tear the new connection down, nor acknowledge another message
/// that happens to have the same Packet Identifier.
#[tokio::test]
async fn a_late_acknowledgement_does_nothing_on_the_new_connection() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let mut guest = broker.welcome(false, Vec::new()).await;
    guest.deliver("a", 1).await;
    let old = message(&mut events).await.receipt;
    drop(guest);
    down(&mut events).await;
    link.acknowledge(old);

    let mut guest = broker.welcome(true, Vec::new()).await;
    guest.deliver("a", 1).await;
    guest.deliver("a", 2).await;
    let first = message(&mut events).await.receipt;
    let second = message(&mut events).await.receipt;
    link.acknowledge(old);
    link.acknowledge(second);
    link.acknowledge(first);
    assert_eq!(guest.next().await, Some(Packet::PubAck { packet: 1, reason: 0 }));
    assert_eq!(guest.next().await, Some(Packet::PubAck { packet: 2, reason: 0 }));
    let statistics = link.statistics();
    assert_eq!((statistics.late_acknowledgements, statistics.failed), (2, 1));
}

/// Shows MQTT-3.2-1 for a command that comes with QoS 2: PUBREC only once it is
/// acknowledged, PUBCOMP after PUBREL, and a repetition is not delivered again.
#[tokio::test]
async fn qos_2_has_its_full_handshake_across_a_reconnect() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let mut guest = broker.welcome(false, Vec::new()).await;
    let publish = Publish { qos: 2, topic: "a".to_owned(), packet: 5, ..Publish::default() };
    guest.send(&Packet::Publish(publish.clone())).await;
    let delivery = message(&mut events).await;
    assert_eq!(delivery.qos, 2);
    link.acknowledge(delivery.receipt);
    assert_eq!(guest.next().await, Some(Packet::PubRec { packet: 5, reason: 0 }));
    drop(guest);

    // The PUBREC was lost: the broker sends the message again.
    let mut guest = broker.welcome(true, Vec::new()).await;
    guest.send(&Packet::Publish(Publish { dup: true, ..publish })).await;
    assert_eq!(guest.next().await, Some(Packet::PubRec { packet: 5, reason: 0 }));
    guest.send(&Packet::PubRel { packet: 5, reason: 0 }).await;
    assert_eq!(guest.next().await, Some(Packet::PubComp { packet: 5, reason: 0 }));
    guest.deliver("a", 6).await;
    assert_eq!(message(&mut events).await.qos, 1, "the repetition was not delivered");
}

/// Traps 4 and 11: whoever published is told, and the loss is counted.
#[tokio::test]
async fn a_lost_session_is_an_alarm_and_fails_what_was_unconfirmed() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(kept(broker.port(), "Id1"));
    let mut guest = broker.welcome(false, Vec::new()).await;
    assert!(!up(&mut events).await);
    assert_eq!(link.statistics().sessions_lost, 0, "the first connection has nothing to lose");
    let publishing = publish(&link, "x").await;
    guest.publish().await;
    drop(guest);

    let _guest = broker.welcome(false, Vec::new()).await;
    assert!(!up(&mut events).await);
    assert!(matches!(outcome(publishing).await, Err(LinkError::SessionReset)));
    assert_eq!(link.statistics().sessions_lost, 1);
}

/// Trap 11 after a restart of the process: what the session file knows counts.
#[tokio::test]
async fn a_session_lost_while_we_were_away_is_an_alarm_as_well() {
    let broker = Double::start().await;
    let session = Session::Kept { expiry_secs: 600, is_known: true };
    let (link, mut events) = Link::open(LinkSettings { session, ..kept(broker.port(), "Id1") });
    let _guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    assert_eq!(link.statistics().sessions_lost, 1);
}

/// Trap 5: leans on the internals of the library, so it is tested.
#[tokio::test]
async fn a_new_process_takes_up_the_session_the_broker_has_kept() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    for _ in 0..3 {
        // The first of these connections is the one of a new process.
        let mut guest = broker.welcome(true, Vec::new()).await;
        assert!(up(&mut events).await);
        guest.deliver("a", 1).await;
        link.acknowledge(message(&mut events).await.receipt);
        assert_eq!(guest.next().await, Some(Packet::PubAck { packet: 1, reason: 0 }));
        let publishing = publish(&link, "x").await;
        let packet = guest.publish().await.packet;
        guest.puback(packet, 0).await;
        assert_eq!(outcome(publishing).await.unwrap(), Taken::Delivered);
        drop(guest);
        down(&mut events).await;
    }
    assert_eq!(link.statistics().sessions_lost, 0);
}

/// The fault cell "a client takes over our Client Identifier": back off, alarm, never fight.
#[tokio::test]
async fn a_takeover_is_an_alarm_and_not_a_fight() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(kept(broker.port(), "Id1"));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    guest.send(&Packet::Disconnect { reason: 0x8E, properties: Vec::new() }).await;
    let since = Instant::now();
    let reason = down(&mut events).await;
    assert!(reason.contains("Session taken over (0x8E)"), "{reason}");
    assert_eq!(link.statistics().takeovers, 1);
    let _guest = broker.guest().await;
    // Half of the three seconds set for these tests; ordinary waits are below 0.1 s.
    assert!(since.elapsed() >= Duration::from_millis(1_500), "{:?}", since.elapsed());
}

/// Trap 9: a broker that throws us out at once is not stormed.
#[tokio::test]
async fn waits_grow_while_connections_do_not_last() {
    let broker = Double::start().await;
    let backoff = (Duration::from_millis(50), Duration::from_millis(400));
    let (_link, _events) = Link::open(LinkSettings { backoff, ..kept(broker.port(), "Id1") });
    let since = Instant::now();
    for _ in 0..6 {
        drop(broker.welcome(true, Vec::new()).await);
    }
    // At least half of 50, 100, 200, 400 and 400 ms.
    assert!(since.elapsed() >= Duration::from_millis(575), "{:?}", since.elapsed());
}

#[tokio::test]
async fn closing_waits_for_what_is_being_sent_and_says_goodbye() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    guest.deliver("a", 1).await;
    let receipt = message(&mut events).await.receipt;
    let publishing = publish(&link, "last words").await;
    let packet = guest.publish().await.packet;
    link.acknowledge(receipt);
    let closing = tokio::spawn({
        let link = link.clone();
        async move { link.close(Duration::from_secs(5)).await }
    });
    assert_eq!(guest.next().await, Some(Packet::PubAck { packet: 1, reason: 0 }));
    guest.puback(packet, 0).await;
    assert_eq!(outcome(publishing).await.unwrap(), Taken::Delivered);
    assert!(matches!(guest.next().await, Some(Packet::Disconnect { reason: 0, .. })));
    // What comes too late makes no reset of it, which could take the above away.
    guest.deliver("a", 2).await;
    assert_eq!(Raw::read(&mut guest.stream).await.unwrap(), None);
    drop(guest);
    soon("closed", closing).await.unwrap();
    assert!(matches!(link.publish(publication("x")).await, Err(LinkError::Closed)));
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn closing_gives_up_when_the_grace_is_over() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(kept(broker.port(), "Id1"));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    let publishing = publish(&link, "never confirmed").await;
    guest.publish().await;
    soon("closed", link.close(Duration::from_millis(50))).await;
    assert!(matches!(guest.next().await, Some(Packet::Disconnect { reason: 0, .. })));
    assert!(matches!(outcome(publishing).await, Err(LinkError::Closed)));
}

#[tokio::test]
async fn closing_without_a_broker_is_immediate() {
    let broker = Double::start().await;
    let port = broker.port();
    drop(broker);
    let (link, mut events) = Link::open(kept(port, "Id1"));
    down(&mut events).await;
    let since = Instant::now();
    soon("closed", link.close(Duration::from_secs(5))).await;
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn topics_that_are_none_are_refused() {
    let (link, _events) = Link::open(kept(1, "Id1"));
    for topic in ["", "a/+", "#", "a\0b"] {
        let publication = Publication { topic: topic.to_owned(), ..publication("x") };
        let error = link.publish(publication).await.unwrap_err();
        assert!(matches!(error, LinkError::BadTopic { .. }), "{topic:?}: {error:?}");
    }
    let error = link.subscribe(vec![Subscription::openc2("a/#/b".to_owned())]).await.unwrap_err();
    assert!(matches!(error, LinkError::BadTopic { .. }), "{error:?}");
}
