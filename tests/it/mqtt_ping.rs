//! When PINGREQ is on the wire. Real time, since it is the wire's time that counts.

use std::time::{Duration, Instant};

use openc2_bridge::mqtt::config::{KeepAlive, MaximumPacketSize};
use openc2_bridge::mqtt::link::{Link, LinkSettings, Taken};

use crate::support::double::{Double, Guest};
use crate::support::packet::{Packet, Value, id};
use crate::support::{down, kept, message, outcome, publish, subscribed, up};

const KEEP_ALIVE: u16 = 2;

/// Allowed for scheduling, within what is left of 95% of two seconds after one.
const DUE: Duration = Duration::from_millis(1_900);

fn short(settings: LinkSettings) -> LinkSettings {
    LinkSettings { keep_alive: KeepAlive::try_from(KEEP_ALIVE).unwrap(), ..settings }
}

/// Expects a PINGREQ by 95% of the keep-alive, and answers it.
async fn ping(guest: &mut Guest) {
    let since = Instant::now();
    assert_eq!(guest.next().await, Some(Packet::PingReq));
    let after = since.elapsed();
    assert!(after <= DUE, "{after:?}");
    assert!(after >= Duration::from_millis(500), "too early: {after:?}");
    guest.send(&Packet::PingResp).await;
}

/// Shows MQTT-3.4-1 (trap 10).
#[tokio::test]
async fn a_ping_is_on_the_wire_by_95_percent_of_the_keep_alive() {
    let broker = Double::start().await;
    let (_link, _events) = Link::open(short(subscribed(broker.port(), "Id1", &["a"])));
    let mut guest = broker.welcome(false, Vec::new()).await;
    assert_eq!(guest.connect.keep_alive, KEEP_ALIVE);
    ping(&mut guest).await;
    ping(&mut guest).await;
}

/// Shows MQTT-3.4-1 for a link without subscriptions.
#[tokio::test]
async fn a_link_without_subscriptions_pings_as_well() {
    let broker = Double::start().await;
    let (_link, _events) = Link::open(short(kept(broker.port(), "Id1")));
    let mut guest = broker.welcome(false, Vec::new()).await;
    ping(&mut guest).await;
}

/// Shows MQTT-3.4-1 with a Server Keep Alive (trap 10): it holds for its connection only.
#[tokio::test]
async fn the_brokers_keep_alive_overrides_ours_until_the_next_connection() {
    let broker = Double::start().await;
    let (_link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let theirs = vec![(id::SERVER_KEEP_ALIVE, Value::Two(KEEP_ALIVE))];
    let mut guest = broker.welcome(false, theirs).await;
    assert_eq!(guest.connect.keep_alive, 60);
    ping(&mut guest).await;
    drop(guest);
    down(&mut events).await;
    assert_eq!(broker.guest().await.connect.keep_alive, 60);
}

/// Pings go on while the owner reads nothing and the Receive Maximum is used up.
#[tokio::test]
async fn a_slow_owner_does_not_stop_the_pings() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(short(subscribed(broker.port(), "Id1", &["a"])));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    for packet in 1..=16 {
        guest.deliver("a", packet).await;
    }
    for _ in 0..500 {
        let publish = crate::support::packet::Publish {
            topic: "a".to_owned(),
            ..crate::support::packet::Publish::default()
        };
        guest.send(&Packet::Publish(publish)).await;
    }
    ping(&mut guest).await;
    let statistics = link.statistics();
    assert_eq!(statistics.received, 516);
    assert!(statistics.qos0_dropped > 0, "what has no room is counted: {statistics:?}");
    assert_eq!(statistics.failed, 0);
}

/// Mosquitto sends all that it has queued when it takes a session up again, whatever our
/// Receive Maximum says. To leave it for that would bring the same packets without end.
#[tokio::test]
async fn a_broker_that_is_over_our_receive_maximum_is_put_up_with() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(subscribed(broker.port(), "Id1", &["a"]));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    let over = 40 * 16;
    for packet in 1..=over {
        guest.deliver("a", packet).await;
    }
    for packet in 1..=over {
        link.acknowledge(message(&mut events).await.receipt);
        assert_eq!(guest.next().await, Some(Packet::PubAck { packet, reason: 0 }));
    }
    assert_eq!(link.statistics().failed, 0);
}

/// What is held is bounded all the same: in bytes.
#[tokio::test]
async fn a_broker_that_sends_more_bytes_than_we_take_is_left() {
    let broker = Double::start().await;
    let settings = LinkSettings {
        receive_maximum: 1.try_into().unwrap(),
        maximum_packet_size: MaximumPacketSize::try_from(MaximumPacketSize::LEAST).unwrap(),
        ..subscribed(broker.port(), "Id1", &["a"])
    };
    let (_link, mut events) = Link::open(settings);
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    for packet in 1..=2 {
        let publish = crate::support::packet::Publish {
            qos: 1,
            topic: "a".to_owned(),
            packet,
            payload: vec![b'x'; 3_000],
            ..crate::support::packet::Publish::default()
        };
        guest.send(&Packet::Publish(publish)).await;
    }
    let reason = down(&mut events).await;
    assert!(reason.contains("Receive Maximum exceeded (0x93)"), "{reason}");
}

/// A broker that keeps the connection and reads nothing blocks the library in the middle of
/// sending, where it cannot ping: noticed by the broker's silence, and nothing is lost.
#[tokio::test]
async fn a_broker_that_stops_reading_is_left_and_nothing_is_lost() {
    const PUBLICATIONS: usize = 100;
    let large = "x".repeat(200_000);
    let broker = Double::start().await;
    let (link, mut events) = Link::open(short(subscribed(broker.port(), "Id1", &["a"])));
    let guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    let mut publishing = Vec::new();
    for _ in 0..PUBLICATIONS {
        publishing.push(publish(&link, &large).await);
    }
    let reason = down(&mut events).await;
    assert!(reason.contains("silent"), "{reason}");
    drop(guest);

    let mut guest = broker.guest().await;
    guest.connack(true, 0, Vec::new()).await;
    let mut taken = 0;
    while taken < PUBLICATIONS {
        match guest.next().await.expect("a packet") {
            Packet::Publish(publish) => {
                assert_eq!(publish.payload.len(), large.len());
                guest.puback(publish.packet, 0).await;
                taken += 1;
            }
            Packet::Subscribe { packet, .. } => {
                guest.send(&Packet::SubAck { packet, codes: vec![2] }).await;
            }
            Packet::PingReq => guest.send(&Packet::PingResp).await,
            other => panic!("{other:?}"),
        }
    }
    for one in publishing {
        assert_eq!(outcome(one).await.unwrap(), Taken::Delivered);
    }
}

#[tokio::test]
async fn a_broker_that_answers_no_ping_is_left() {
    let broker = Double::start().await;
    let (_link, mut events) = Link::open(short(subscribed(broker.port(), "Id1", &["a"])));
    let mut guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
    assert_eq!(guest.next().await, Some(Packet::PingReq));
    let reason = down(&mut events).await;
    assert!(reason.contains("PINGREQ"), "{reason}");
    let _next = broker.welcome(true, Vec::new()).await;
}
