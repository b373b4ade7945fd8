//! A real broker, and what goes wrong with it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use openc2_bridge::mqtt::link::{Link, LinkSettings, Properties, Publication, Taken};

use crate::support::broker::private_broker;
use crate::support::client::Client;
use crate::support::packet::Packet;
use crate::support::proxy::Proxy;
use crate::support::{brokers, down, kept, message, soon, subscribed, unique, up};

const OPEN: &str = "allow_anonymous true\n";

/// Trap 11, with the settings that are shipped: nothing queued is lost by SIGKILL.
#[tokio::test]
async fn commands_queued_at_a_broker_that_is_killed_arrive_after_its_restart() {
    let name = "commands_queued_at_a_broker_that_is_killed_arrive_after_its_restart";
    let Some(mut broker) = private_broker(name, OPEN) else { return };
    let settings = || subscribed(broker.port(), "Faults1", &["oc2/cmd/all"]);
    let (link, mut events) = Link::open(settings());
    assert!(!up(&mut events).await);
    link.close(Duration::ZERO).await;

    let mut producer = Client::connect(broker.port(), "FaultsProducer").await;
    for number in 0..20 {
        let command = format!("command {number}.");
        producer.publish("oc2/cmd/all", &command, 1, Vec::new()).await;
    }
    broker.has_stored("command 19.").await;
    let settings = settings();
    assert!(broker.kill_and_restart(true));

    // A new link is what a new process has: it takes the kept session up (trap 5).
    let (link, mut events) = Link::open(settings);
    let mut seen = Vec::new();
    for _ in 0..20 {
        let delivery = message(&mut events).await;
        link.acknowledge(delivery.receipt);
        seen.push(String::from_utf8(delivery.payload.to_vec()).unwrap());
    }
    assert_eq!(seen, (0..20).map(|number| format!("command {number}.")).collect::<Vec<_>>());
    assert_eq!(link.statistics().sessions_lost, 0);
    link.close(Duration::from_secs(1)).await;
}

/// The fault cell "broker SIGKILL and restart without its session store".
#[tokio::test]
async fn a_broker_that_has_forgotten_us_is_an_alarm() {
    let test = "a_broker_that_has_forgotten_us_is_an_alarm";
    let Some(mut broker) = private_broker(test, OPEN) else { return };
    let (link, mut events) = Link::open(subscribed(broker.port(), "Faults2", &["oc2/cmd/all"]));
    up(&mut events).await;
    assert!(broker.kill_and_restart(false));
    assert!(!up(&mut events).await);
    assert_eq!(link.statistics().sessions_lost, 1);
    let mut producer = Client::connect(broker.port(), "FaultsProducer2").await;
    producer.publish("oc2/cmd/all", "again", 1, Vec::new()).await;
    assert_eq!(message(&mut events).await.payload.as_ref(), b"again");
}

/// The fault cell "connection cut": ten times, with publications and commands on their
/// way. None of either is lost.
#[tokio::test]
async fn nothing_is_lost_when_the_connection_is_cut() {
    const CUTS: usize = 10;
    const EACH: usize = 20;
    for broker in brokers("nothing_is_lost_when_the_connection_is_cut").await {
        eprintln!("on {broker}");
        let proxy = Proxy::start(broker.port()).await;
        let (link, mut events) =
            Link::open(subscribed(proxy.port(), &unique("Faults3"), &["faults3/in"]));
        up(&mut events).await;
        let mut other = Client::connect(broker.port(), "FaultsProducer3").await;
        let mut listener = Client::connect(broker.port(), "FaultsListener3").await;
        listener.subscribe("faults3/out", 0x01).await;

        let mut publishing = Vec::new();
        let mut commands = BTreeSet::new();
        for cut in 0..CUTS {
            for number in 0..EACH {
                let text = format!("{cut}-{number}");
                other.publish("faults3/in", &text, 1, Vec::new()).await;
                let publication = Publication {
                    topic: "faults3/out".to_owned(),
                    payload: text.into(),
                    qos: 1,
                    properties: Properties::default(),
                };
                let sent = soon("handed over", link.send(publication)).await.unwrap();
                publishing.push(tokio::spawn(sent.taken()));
            }
            proxy.cut();
            proxy.restore();
            while commands.len() < (cut + 1) * EACH {
                let delivery = message(&mut events).await;
                link.acknowledge(delivery.receipt);
                commands.insert(String::from_utf8(delivery.payload.to_vec()).unwrap());
            }
        }
        let mut heard = BTreeSet::new();
        for one in publishing {
            assert_eq!(soon("taken", one).await.unwrap().unwrap(), Taken::Delivered, "{broker}");
        }
        while heard.len() < CUTS * EACH {
            heard.insert(String::from_utf8(listener.message().await.payload).unwrap());
        }
        assert_eq!(commands, heard, "{broker}");
        let statistics = link.statistics();
        assert_eq!(statistics.sessions_lost, 0, "{broker}");
        assert!(statistics.failed >= 1, "{broker}: {statistics:?}");
    }
}

/// The fault cell "a client takes over our Client Identifier" at a broker that may give no
/// reason for it, as mosquitto 2.0.11 does not: two such clients wait longer each time.
#[tokio::test]
async fn two_clients_with_one_identifier_do_not_fight() {
    for broker in brokers("two_clients_with_one_identifier_do_not_fight").await {
        eprintln!("on {broker}");
        let settings = || LinkSettings {
            backoff: (Duration::from_millis(50), Duration::from_secs(1)),
            takeover_pause: Duration::from_millis(200),
            ..kept(broker.port(), &unique("Faults4"))
        };
        let (_one, mut events) = Link::open(settings());
        let (_other, _their_events) = Link::open(settings());
        let since = Instant::now();
        for _ in 0..5 {
            up(&mut events).await;
        }
        // At least half of 50, 100, 200 and 400 ms.
        assert!(since.elapsed() >= Duration::from_millis(375), "{broker}: {:?}", since.elapsed());
    }
}

/// The fault cell "stalled connection": it is noticed by the PINGREQ that stays unanswered.
#[tokio::test]
async fn a_stalled_connection_is_replaced() {
    for broker in brokers("a_stalled_connection_is_replaced").await {
        eprintln!("on {broker}");
        let proxy = Proxy::start(broker.port()).await;
        let settings = subscribed(proxy.port(), &unique("Faults5"), &["faults5"]);
        let keep_alive = 2.try_into().unwrap();
        let (link, mut events) = Link::open(LinkSettings { keep_alive, ..settings });
        up(&mut events).await;
        proxy.stall();
        let reason = down(&mut events).await;
        assert!(reason.contains("PINGREQ") || reason.contains("silent"), "{broker}: {reason}");
        proxy.restore();
        up(&mut events).await;
        assert_eq!(link.statistics().connected, 2, "{broker}");
    }
}

/// Shows MQTT-3.5-1 against a real broker.
#[tokio::test]
async fn a_topic_the_acl_forbids_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let acl = folder.path().join("acl");
    std::fs::write(&acl, "topic readwrite allowed/#\n").unwrap();
    let lines = format!("{OPEN}acl_file {}\n", acl.display());
    let Some(broker) = private_broker("a_topic_the_acl_forbids_is_named", &lines) else { return };
    let (link, _events) = Link::open(kept(broker.port(), &unique("Faults6")));
    let publication = Publication {
        topic: "forbidden".to_owned(),
        payload: "x".into(),
        qos: 1,
        properties: Properties::default(),
    };
    let error = soon("refused", link.publish(publication)).await.unwrap_err();
    assert!(error.to_string().contains("Not authorized (0x87)"), "{error}");
}

/// A real broker keeps the order, and our acknowledgements free its places.
#[tokio::test]
async fn many_more_commands_than_the_receive_maximum_come_in_order() {
    let test = "many_more_commands_than_the_receive_maximum_come_in_order";
    for broker in brokers(test).await {
        eprintln!("on {broker}");
        let proxy = Proxy::start(broker.port()).await;
        let (link, mut events) =
            Link::open(subscribed(proxy.port(), &unique("Faults7"), &["faults7"]));
        up(&mut events).await;
        let mut producer = Client::connect(broker.port(), "FaultsProducer7").await;
        let sending = tokio::spawn(async move {
            for number in 0..200 {
                let qos = 1 + number % 2;
                producer.publish("faults7", &number.to_string(), qos, Vec::new()).await;
            }
        });
        for number in 0..200 {
            let delivery = message(&mut events).await;
            assert_eq!(delivery.payload, number.to_string(), "{broker}");
            link.acknowledge(delivery.receipt);
        }
        soon("all sent", sending).await.unwrap();
        link.close(Duration::from_secs(1)).await;
        proxy.first("DISCONNECT", |seen| matches!(seen.packet, Packet::Disconnect { .. })).await;
        let acknowledged = proxy.sent(|packet| {
            matches!(packet, Packet::PubAck { .. } | Packet::PubRec { .. }).then_some(())
        });
        assert_eq!(acknowledged.len(), 200, "{broker}");
    }
}
