//! The consumer's door: commands in, responses out.

use std::num::NonZeroU16;
use std::time::Duration;

use openc2_bridge::dispatch::{Address, Declared, Inbound, OutboxId, Outgoing, Ticket};
use openc2_bridge::mqtt::MqttConfig;
use openc2_bridge::mqtt::config::{MaxInflight, Responses};
use openc2_bridge::mqtt::door::{Alarm, CommandTopics, Door, DoorEvent, DoorHandle, DoorSettings};
use openc2_bridge::mqtt::topics::TopicLevel;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::client::Client;
use crate::support::double::{Double, Guest};
use crate::support::packet::{Packet, Publish, Value, id, property, user};
use crate::support::{brokers, soon, url};

/// A door, what it tells, and the folder it keeps its identifier in.
struct Opened {
    door: DoorHandle,
    events: mpsc::Receiver<DoorEvent>,
    folder: TempDir,
}

fn topics(profiles: &[&str], devices: &[&str]) -> CommandTopics {
    let levels =
        |names: &[&str]| names.iter().map(|name| TopicLevel::try_from(*name).unwrap()).collect();
    CommandTopics {
        profiles: levels(profiles),
        devices: levels(devices),
        ..CommandTopics::default()
    }
}

fn config(port: u16) -> MqttConfig {
    MqttConfig {
        url: url(port),
        backoff_min: Duration::from_millis(20),
        backoff_max: Duration::from_millis(100),
        ..MqttConfig::default()
    }
}

fn open_in(folder: TempDir, config: &MqttConfig, topics: CommandTopics) -> Opened {
    let settings =
        DoorSettings { state_folder: folder.path().to_owned(), has_history: false, topics };
    let (door, events) = Door::open(config, &settings).unwrap();
    Opened { door, events, folder }
}

fn open(config: &MqttConfig) -> Opened {
    open_in(tempfile::tempdir().unwrap(), config, topics(&["slpf"], &["zulu"]))
}

impl Opened {
    async fn event(&mut self) -> DoorEvent {
        soon("an event", self.events.recv()).await.expect("the door is open")
    }

    async fn up(&mut self) {
        while !matches!(self.event().await, DoorEvent::Up { .. }) {}
    }

    async fn inbound(&mut self) -> Inbound {
        loop {
            if let DoorEvent::Inbound(inbound) = self.event().await {
                return inbound;
            }
        }
    }

    /// The next response that was taken over, and whether anybody listens.
    async fn published(&mut self) -> (u64, bool) {
        loop {
            if let DoorEvent::Published { id, heard } = self.event().await {
                return (id.0, heard);
            }
        }
    }

    /// The next response that was given back, and how long to wait.
    async fn refused(&mut self) -> (u64, Duration) {
        loop {
            if let DoorEvent::Refused { id, again_in } = self.event().await {
                return (id.0, again_in);
            }
        }
    }

    async fn alarm(&mut self) -> Alarm {
        loop {
            if let DoorEvent::Alarm(alarm) = self.event().await {
                return alarm;
            }
        }
    }
}

fn response(number: u64, producer: Option<&str>) -> Outgoing {
    Outgoing {
        id: OutboxId(number),
        ticket: Ticket(number),
        producer: producer.map(ToOwned::to_owned),
        payload: format!("{{\"response\":{number}}}").into(),
    }
}

/// Reads a response and says what the broker made of it.
async fn take(guest: &mut Guest, reason: u8) -> Publish {
    let publish = guest.publish().await;
    guest.puback(publish.packet, reason).await;
    publish
}

/// Shows MQTT-3.3-1 and MQTT-3.3-4 for a consumer.
#[tokio::test]
async fn a_consumer_subscribes_to_the_topics_of_the_transfer_specification() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    let asked = guest.grant().await;
    let expected = ["oc2/cmd/all", "oc2/cmd/ap/slpf", "oc2/cmd/device/zulu"];
    assert_eq!(asked, expected.map(|filter| (filter.to_owned(), 0x0E)));
    opened.up().await;
    assert!(opened.door.is_up());
}

/// A command comes in with all that the transport says of it.
#[tokio::test]
async fn a_command_comes_in_and_is_acknowledged_when_the_daemon_says_so() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    let properties = vec![
        (id::PAYLOAD_FORMAT, Value::Byte(1)),
        (id::CONTENT_TYPE, Value::Text("application/openc2".to_owned())),
        (id::RESPONSE_TOPIC, Value::Text("oc2/cmd/all".to_owned())),
        (id::USER_PROPERTY, Value::Pair("msgType".to_owned(), "req".to_owned())),
        (id::USER_PROPERTY, Value::Pair("encoding".to_owned(), "json".to_owned())),
        (id::USER_PROPERTY, Value::Pair("msgType".to_owned(), "rsp".to_owned())),
    ];
    guest
        .send(&Packet::Publish(Publish {
            qos: 1,
            retain: true,
            topic: "oc2/cmd/ap/slpf".to_owned(),
            packet: 11,
            properties,
            payload: b"{}".to_vec(),
            ..Publish::default()
        }))
        .await;
    let inbound = opened.inbound().await;
    assert_eq!(inbound.address, Address::Profile("slpf".to_owned()));
    assert_eq!(inbound.payload.as_ref(), b"{}");
    assert!(inbound.retained);
    let expected = Declared {
        content_type: Some("application/openc2".to_owned()),
        msg_type: Some("req".to_owned()),
        encoding: Some("json".to_owned()),
        is_utf8: Some(true),
        has_response_topic: true,
        // The two that the message above has.
        twofold: Some("msgType"),
        hops: 0,
    };
    assert_eq!(inbound.declared, expected);
    opened.door.acknowledge(inbound.receipt);
    assert_eq!(guest.next().await, Some(Packet::PubAck { packet: 11, reason: 0 }));
}

/// Shows MQTT-3.2-1 to MQTT-3.2-7 for a response, and MQTT-3.2-10.
#[tokio::test]
async fn a_response_is_published_as_the_transfer_specification_wants() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    opened.up().await;
    opened.door.respond(response(1, Some("omega"))).unwrap();
    let publish = guest.publish().await;
    assert_eq!(publish.topic, "oc2/rsp/omega");
    assert_eq!((publish.qos, publish.retain, publish.dup), (1, false, false));
    let of = |id| property(&publish.properties, id);
    assert_eq!(of(id::PAYLOAD_FORMAT), Some(&Value::Byte(1)));
    assert_eq!(of(id::CONTENT_TYPE), Some(&Value::Text("application/openc2".to_owned())));
    assert_eq!(user(&publish.properties, "msgType"), Some("rsp"));
    assert_eq!(user(&publish.properties, "encoding"), Some("json"));
    assert_eq!(publish.properties.len(), 4, "and nothing else, above all no Response Topic");
    assert_eq!(publish.payload, b"{\"response\":1}");
    // Nothing is reported before the PUBACK.
    assert!(opened.events.try_recv().is_err());
    guest.puback(publish.packet, 0).await;
    assert_eq!(opened.published().await, (1, true));
}

/// Where responses go, by the setting `responses` and by who listens (trap 4).
#[tokio::test]
async fn responses_find_their_topic() {
    const OWN: &str = "oc2/rsp/omega";
    const SHARED: &str = "oc2/rsp";
    use Responses::{Both, Producer, Shared};
    #[rustfmt::skip]
    let cases = [
        // setting   producer        topics, and whether somebody listens there    heard
        (Producer, Some("omega"), vec![(OWN, true)],                     true),
        (Producer, Some("omega"), vec![(OWN, false), (SHARED, true)],    true),
        (Producer, Some("omega"), vec![(OWN, false), (SHARED, false)],   false),
        (Producer, None,          vec![(SHARED, true)],                  true),
        (Producer, Some("a/b"),   vec![(SHARED, true)],                  true),
        (Producer, Some("#"),     vec![(SHARED, false)],                 false),
        (Producer, Some(""),      vec![(SHARED, true)],                  true),
        (Shared,   Some("omega"), vec![(SHARED, true)],                  true),
        (Both,     Some("omega"), vec![(OWN, true), (SHARED, false)],    true),
        (Both,     Some("omega"), vec![(OWN, false), (SHARED, true)],    true),
        (Both,     Some("omega"), vec![(OWN, false), (SHARED, false)],   false),
        (Both,     None,          vec![(SHARED, true)],                  true),
    ];
    for (responses, producer, expected, heard) in cases {
        let broker = Double::start().await;
        let mut opened = open(&MqttConfig { responses, ..config(broker.port()) });
        let mut guest = broker.welcome(false, Vec::new()).await;
        opened.door.respond(response(7, producer)).unwrap();
        for (topic, listens) in expected {
            let publish = take(&mut guest, if listens { 0 } else { 0x10 }).await;
            assert_eq!(publish.topic, topic, "{responses:?} {producer:?}");
        }
        assert_eq!(opened.published().await, (7, heard), "{responses:?} {producer:?}");
        assert_eq!(opened.door.statistics().unheard, u64::from(!heard));
    }
}

#[tokio::test]
async fn responses_leave_in_the_order_in_which_they_are_given() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    for number in 0..100 {
        opened.door.respond(response(number, Some("omega"))).unwrap();
    }
    for number in 0..100 {
        let publish = take(&mut guest, 0).await;
        assert_eq!(publish.payload, format!("{{\"response\":{number}}}").into_bytes());
    }
    for _ in 0..100 {
        opened.published().await;
    }
    assert_eq!(opened.door.responses_free(), DoorHandle::MAX_OUTSTANDING_RESPONSES);
}

/// What is confirmed makes room for the next one, where few may be unconfirmed.
#[tokio::test]
async fn more_responses_than_may_be_unconfirmed_are_all_published() {
    const MOST: u16 = 2;
    const RESPONSES: u64 = 20;
    let broker = Double::start().await;
    let max_inflight = MaxInflight::try_from(MOST).unwrap();
    let mut opened = open(&MqttConfig { max_inflight, ..config(broker.port()) });
    let mut guest = broker.welcome(false, Vec::new()).await;
    for number in 0..RESPONSES {
        opened.door.respond(response(number, Some("omega"))).unwrap();
    }
    for number in 0..RESPONSES {
        let publish = take(&mut guest, 0).await;
        assert_eq!(publish.payload, format!("{{\"response\":{number}}}").into_bytes());
    }
    for number in 0..RESPONSES {
        assert_eq!(opened.published().await, (number, true));
    }
}

/// The fault cell "session lost with publishes outstanding".
#[tokio::test]
async fn what_a_lost_session_swallowed_is_published_again() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    for number in 1..=3 {
        opened.door.respond(response(number, None)).unwrap();
        guest.publish().await;
    }
    drop(guest);
    let mut guest = broker.welcome(false, Vec::new()).await;
    let mut published = Vec::new();
    for _ in 1..=3 {
        assert!(!take(&mut guest, 0).await.dup, "it is a new publication");
        published.push(opened.published().await);
    }
    published.sort_unstable();
    assert_eq!(published, [(1, true), (2, true), (3, true)]);
    assert_eq!(opened.door.statistics().published_again, 3);
    assert_eq!(opened.door.statistics().link.sessions_lost, 1);
}

/// Trap 11: the alarm reaches the daemon.
#[tokio::test]
async fn a_lost_session_and_a_takeover_are_alarms() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    drop(broker.welcome(false, Vec::new()).await);
    let mut guest = broker.welcome(false, Vec::new()).await;
    assert_eq!(opened.alarm().await, Alarm::SessionLost);
    guest.send(&Packet::Disconnect { reason: 0x8E, properties: Vec::new() }).await;
    assert_eq!(opened.alarm().await, Alarm::SessionTakenOver);
}

/// The broker keeps what waits for a name that nobody knows any more.
#[tokio::test]
async fn an_identifier_that_is_gone_is_a_lost_session_where_commands_were_taken_before() {
    const NO_BROKER: u16 = 1;
    for has_history in [false, true] {
        let broker = Double::start().await;
        let folder = tempfile::tempdir().unwrap();
        let state_folder = folder.path().to_owned();
        let topics = topics(&["slpf"], &["zulu"]);
        let settings = DoorSettings { state_folder, has_history, topics };
        // It ends before the broker is there: the next start knows of it as well.
        drop(Door::open(&config(NO_BROKER), &settings).unwrap());
        let (door, events) = Door::open(&config(broker.port()), &settings).unwrap();
        let mut opened = Opened { door, events, folder };
        let _guest = broker.welcome(false, Vec::new()).await;
        if has_history {
            assert_eq!(opened.alarm().await, Alarm::SessionLost);
        } else {
            opened.up().await;
        }
        let lost = opened.door.statistics().link.sessions_lost;
        assert_eq!(lost, u64::from(has_history));
    }
}

/// Trap 4: other reason codes: keep, back off, raise an alarm.
#[tokio::test]
async fn a_refused_response_is_an_alarm_and_tried_until_it_is_taken() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    opened.door.respond(response(1, Some("omega"))).unwrap();
    let first = take(&mut guest, 0x97).await;
    let expected = Alarm::ResponseRefused {
        id: OutboxId(1),
        reason: "the broker refused: Quota exceeded (0x97)".to_owned(),
    };
    assert_eq!(opened.alarm().await, expected);
    // The door gives it back, and has room for others meanwhile.
    let mut waits = vec![opened.refused().await];
    assert_eq!(opened.door.responses_free(), DoorHandle::MAX_OUTSTANDING_RESPONSES);
    opened.door.respond_again(response(1, Some("omega")), 1).unwrap();
    let second = take(&mut guest, 0x97).await;
    waits.push(opened.refused().await);
    opened.door.respond_again(response(1, Some("omega")), 2).unwrap();
    let third = take(&mut guest, 0).await;
    assert!(waits[1].1 > Duration::ZERO && waits.iter().all(|(id, _)| *id == 1), "{waits:?}");
    assert_eq!(first.payload, second.payload);
    assert_eq!(first.payload, third.payload);
    assert_eq!(opened.published().await, (1, true));
    assert_eq!(opened.door.statistics().published_again, 2);
}

/// Trap 8: a response too large for this broker costs no connection and no other response.
#[tokio::test]
async fn a_response_too_large_for_the_broker_stays_behind_alone() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let limit = vec![(id::MAXIMUM_PACKET_SIZE, Value::Four(200))];
    let mut guest = broker.welcome(false, limit).await;
    let large = Outgoing { payload: vec![b' '; 300].into(), ..response(1, None) };
    opened.door.respond(large).unwrap();
    opened.door.respond(response(2, None)).unwrap();
    take(&mut guest, 0).await;
    let Alarm::ResponseRefused { id, reason } = opened.alarm().await else { panic!() };
    assert_eq!(id, OutboxId(1));
    assert!(reason.contains("the broker takes 200"), "{reason}");
    assert_eq!(opened.published().await, (2, true));
    assert_eq!(opened.door.statistics().link.failed, 0);
}

#[tokio::test]
async fn responses_on_their_way_are_bounded_and_giving_one_does_not_wait() {
    let broker = Double::start().await;
    let opened = open(&config(broker.port()));
    let most = u64::try_from(DoorHandle::MAX_OUTSTANDING_RESPONSES).unwrap();
    for number in 0..most {
        opened.door.respond(response(number, None)).unwrap();
    }
    assert_eq!(opened.door.responses_free(), 0);
    let back = opened.door.respond(response(most, None)).unwrap_err();
    assert_eq!(back.id, OutboxId(most));
}

/// MQTT 3.1.1 has no properties: the door says so, and leaves it to others to judge.
#[tokio::test]
async fn a_command_without_properties_is_handed_on_as_such() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    opened.up().await;
    guest.deliver("oc2/cmd/all", 1).await;
    let inbound = opened.inbound().await;
    assert_eq!(inbound.declared, Declared::default());
    opened.door.acknowledge(inbound.receipt);
    assert_eq!(guest.next().await, Some(Packet::PubAck { packet: 1, reason: 0 }));
}

/// Trap 6: a subscription from an earlier configuration that we know nothing of.
#[tokio::test]
async fn a_message_on_a_topic_that_is_not_ours_is_acknowledged_and_its_subscription_ended() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(true, Vec::new()).await;
    opened.up().await;
    guest.deliver("oc2/cmd/device/yankee", 1).await;
    let mut answers = [guest.next().await.unwrap(), guest.next().await.unwrap()];
    answers.sort_by_key(|packet| matches!(packet, Packet::Unsubscribe { .. }));
    assert_eq!(answers[0], Packet::PubAck { packet: 1, reason: 0 });
    let Packet::Unsubscribe { filters, .. } = &answers[1] else { panic!("{answers:?}") };
    assert_eq!(filters, &["oc2/cmd/device/yankee"]);
    assert_eq!(opened.door.statistics().unknown_topic, 1);
}

/// Trap 6 across a restart: what the configuration no longer names is ended at once.
#[tokio::test]
async fn a_restart_ends_subscriptions_that_are_no_longer_named() {
    let broker = Double::start().await;
    let before = topics(&[], &["yankee", "zulu"]);
    let mut opened = open_in(tempfile::tempdir().unwrap(), &config(broker.port()), before);
    let guest = broker.welcome(false, Vec::new()).await;
    opened.up().await;
    drop(guest);
    let Opened { door, folder, .. } = opened;
    door.close(Duration::ZERO).await;

    let _opened = open_in(folder, &config(broker.port()), topics(&[], &["zulu"]));
    let mut guest = broker.guest().await;
    guest.connack(true, 0, Vec::new()).await;
    let asked = guest.grant().await;
    assert!(
        asked.iter().map(|(filter, _)| filter.as_str()).eq(["oc2/cmd/all", "oc2/cmd/device/zulu"])
    );
    let Some(Packet::Unsubscribe { filters, .. }) = guest.next().await else { panic!() };
    assert_eq!(filters, ["oc2/cmd/device/yankee"]);
}

/// A reload: the new is subscribed, the old unsubscribed, the rest untouched.
#[tokio::test]
async fn other_topics_can_be_listened_to_while_running() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.welcome(false, Vec::new()).await;
    opened.up().await;
    let reload = tokio::spawn({
        let door = opened.door.clone();
        async move { door.resubscribe(&topics(&["slpf", "x-iot"], &["zulu2"])).await }
    });
    let (mut subscribed, mut unsubscribed) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        match guest.next().await.unwrap() {
            Packet::Subscribe { packet, filters, .. } => {
                guest.send(&Packet::SubAck { packet, codes: vec![2; filters.len()] }).await;
                subscribed.extend(filters.into_iter().map(|(filter, _)| filter));
            }
            Packet::Unsubscribe { packet, filters } => {
                guest.send(&Packet::UnsubAck { packet, codes: vec![0; filters.len()] }).await;
                unsubscribed.extend(filters);
            }
            other => panic!("{other:?}"),
        }
    }
    soon("reloaded", reload).await.unwrap().unwrap();
    assert_eq!(subscribed, ["oc2/cmd/ap/x-iot", "oc2/cmd/device/zulu2"]);
    assert_eq!(unsubscribed, ["oc2/cmd/device/zulu"]);
    guest.deliver("oc2/cmd/device/zulu2", 1).await;
    assert_eq!(opened.inbound().await.address, Address::Device("zulu2".to_owned()));
}

/// Shows MQTT-3.3-5 and MQTT-3.5-1 as the daemon sees them.
#[tokio::test]
async fn a_refused_subscription_is_an_alarm() {
    let broker = Double::start().await;
    let mut opened = open(&config(broker.port()));
    let mut guest = broker.guest().await;
    guest.connack(false, 0, Vec::new()).await;
    let Some(Packet::Subscribe { packet, .. }) = guest.next().await else { panic!() };
    guest.send(&Packet::SubAck { packet, codes: vec![0x02, 0x87, 0x02] }).await;
    let Alarm::SubscriptionRefused { reason } = opened.alarm().await else { panic!() };
    assert!(reason.contains("oc2/cmd/ap/slpf: Not authorized (0x87)"), "{reason}");
}

/// The daemon's own pace: no more than our Receive Maximum is ever taken in.
#[tokio::test]
async fn the_receive_maximum_is_announced_as_configured() {
    let broker = Double::start().await;
    let receive_maximum = NonZeroU16::new(3).unwrap();
    let _opened =
        open(&MqttConfig { receive_maximum: Some(receive_maximum), ..config(broker.port()) });
    let connect = broker.guest().await.connect;
    assert_eq!(property(&connect.properties, id::RECEIVE_MAXIMUM), Some(&Value::Two(3)));
}

/// Against a real broker, from a foreign client and back to it, with QoS 1, 2 and MQTT 3.1.1.
#[tokio::test]
async fn a_foreign_client_is_heard_and_answered() {
    let test = "a_foreign_client_is_heard_and_answered";
    for broker in brokers(test).await {
        eprintln!("on {broker}");
        let device = format!("door-{}", std::process::id());
        let device_topics = topics(&[], &[&device]);
        let mut opened =
            open_in(tempfile::tempdir().unwrap(), &config(broker.port()), device_topics);
        opened.up().await;
        let topic = format!("oc2/cmd/device/{device}");
        let mut client = Client::connect(broker.port(), "DoorProducer5").await;
        let mut old = Client::connect_3(broker.port(), "DoorProducer3").await;
        client.publish(&topic, "one", 1, Vec::new()).await;
        assert_eq!(opened.acknowledged().await, "one", "{broker}");
        client.publish(&topic, "two", 2, Vec::new()).await;
        assert_eq!(opened.acknowledged().await, "two", "{broker}");
        old.publish(&topic, "three", 1, Vec::new()).await;
        assert_eq!(opened.acknowledged().await, "three", "{broker}");

        // Nobody has subscribed to either topic of this producer, and then somebody has.
        if broker.tells_that_nobody_listens(test) {
            opened.door.respond(response(1, Some("door-producer"))).unwrap();
            assert_eq!(opened.published().await, (1, false), "{broker}");
        }
        client.subscribe("oc2/rsp/door-producer", 0x01).await;
        opened.door.respond(response(2, Some("door-producer"))).unwrap();
        assert_eq!(opened.published().await, (2, true), "{broker}");
        let publish = client.message().await;
        assert_eq!(publish.payload, b"{\"response\":2}", "{broker}");
        assert_eq!(user(&publish.properties, "msgType"), Some("rsp"), "{broker}");
        opened.door.close(Duration::from_secs(1)).await;
    }
}

impl Opened {
    /// The next command's payload; it is acknowledged.
    async fn acknowledged(&mut self) -> String {
        let inbound = self.inbound().await;
        self.door.acknowledge(inbound.receipt);
        String::from_utf8(inbound.payload.to_vec()).unwrap()
    }
}
