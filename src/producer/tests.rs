//! A producer in front of a puppet broker.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::mqtt::link::{Delivery, Properties, Publication, Subscription};

/// What the puppet broker was told, in order.
#[derive(Clone, Debug)]
enum Told {
    Subscribe(Vec<String>),
    Publish(Publication),
    Acknowledge(Receipt),
    Close,
}

/// A broker that grants everything and delivers what the test hands it.
#[derive(Clone)]
struct Puppet {
    told: Arc<Mutex<Vec<Told>>>,
    takes: Taken,
}

impl Puppet {
    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    fn acknowledged(&self) -> Vec<u64> {
        let receipt = |told| if let Told::Acknowledge(Receipt(n)) = told { Some(n) } else { None };
        self.told().into_iter().filter_map(receipt).collect()
    }

    async fn has_acknowledged(&self, number: u64) {
        while !self.acknowledged().contains(&number) {
            tokio::task::yield_now().await;
        }
    }
}

impl Connection for Puppet {
    async fn subscribe(&self, subscriptions: Vec<Subscription>) -> Result<(), LinkError> {
        let filters = subscriptions.into_iter().map(|subscription| subscription.filter);
        self.note(Told::Subscribe(filters.collect()));
        Ok(())
    }

    async fn publish(&self, publication: Publication) -> Result<Taken, LinkError> {
        self.note(Told::Publish(publication));
        Ok(self.takes)
    }

    fn acknowledge(&self, receipt: Receipt) {
        self.note(Told::Acknowledge(receipt));
    }

    async fn close(&self, _grace: Duration) {
        self.note(Told::Close);
    }
}

fn producer(takes: Taken) -> (Producer<Puppet>, Puppet, mpsc::Sender<LinkEvent>) {
    let puppet = Puppet { told: Arc::default(), takes };
    let (says, events) = mpsc::channel(8);
    let producer = Producer::new(
        puppet.clone(),
        events,
        topic_level("soar-1").unwrap(),
        TopicPrefix::default(),
    );
    (producer, puppet, says)
}

fn command(request_id: &str) -> Outgoing {
    Outgoing::as_written(Bytes::from_static(b"{}"), Some(request_id.to_owned()))
}

fn response(number: u64, from: &str, request_id: &str, status: u16) -> LinkEvent {
    let message = json!({
        "headers": { "request_id": request_id, "created": 1_700_000_000_000_u64, "from": from },
        "body": { "openc2": { "response": { "status": status, "results": { "x-probe": { "level": 5 } } } } },
    });
    LinkEvent::Message(Delivery {
        receipt: Receipt(number),
        topic: "oc2/rsp/soar-1".to_owned(),
        payload: message.to_string().into(),
        qos: 1,
        retained: false,
        dup: false,
        properties: Properties {
            user: vec![("msgType".to_owned(), "rsp".to_owned())],
            ..Properties::default()
        },
    })
}

fn within(secs: u64) -> Instant {
    Instant::now() + Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn a_producer_listens_before_it_speaks() {
    let (producer, puppet, _says) = producer(Taken::Delivered);
    producer.subscribe().await.unwrap();
    let responses = producer.send(&command("r"), &Address::Device("d".to_owned())).await.unwrap();
    assert_eq!(responses.taken(), Some(Taken::Delivered));
    producer.close().await;

    let told = puppet.told();
    let [Told::Subscribe(filters), Told::Publish(publication), Told::Close] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(filters, &["oc2/rsp", "oc2/rsp/soar-1"]);
    assert_eq!(publication.topic, "oc2/cmd/device/d");
}

/// L11-3.2-2: a fresh version 4 UUID for every command.
#[tokio::test(start_paused = true)]
async fn an_envelope_is_fresh_each_time() {
    let (producer, ..) = producer(Taken::Delivered);
    let (one, other) = (producer.envelope(), producer.envelope());
    assert_ne!(one.request_id, other.request_id);
    assert_eq!(uuid::Uuid::parse_str(&one.request_id).unwrap().get_version_num(), 4);
    assert_eq!(one.from, "soar-1");
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_said_at_once() {
    let (producer, ..) = producer(Taken::NoMatchingSubscribers);
    let responses = producer.send(&command("r"), &Address::All).await.unwrap();
    assert_eq!(responses.taken(), Some(Taken::NoMatchingSubscribers));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let (producer, _puppet, _says) = producer(Taken::Delivered);
    let mut responses = producer.send(&command("r"), &Address::All).await.unwrap();
    let before = Instant::now();
    assert_eq!(responses.next(within(5)).await, None);
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_told_with_its_reason() {
    let (producer, _puppet, says) = producer(Taken::Delivered);
    let mut state = producer.state();
    says.send(LinkEvent::Up { session_present: false }).await.unwrap();
    state.wait_for(|state| state.is_up).await.unwrap();
    says.send(LinkEvent::Down { reason: "Session taken over".to_owned(), is_refusal: false })
        .await
        .unwrap();
    state.wait_for(|state| !state.is_up).await.unwrap();
    assert_eq!(producer.state().borrow().trouble.as_deref(), Some("Session taken over"));
}

#[tokio::test(start_paused = true)]
async fn bad_names_never_reach_the_broker() {
    let (producer, puppet, _says) = producer(Taken::Delivered);
    let refused = producer.send(&command("r"), &Address::Device("a/#".to_owned())).await;
    assert!(matches!(refused, Err(ProducerError::BadLevel(_))));
    assert!(puppet.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn responses_go_to_their_command_and_are_acknowledged() {
    let (producer, puppet, says) = producer(Taken::Delivered);
    let mut mine = producer.send(&command("mine"), &Address::All).await.unwrap();
    let mut other = producer.send(&command("other"), &Address::All).await.unwrap();
    for event in [
        response(1, "gateway-1", "other", 200),
        response(2, "gateway-1", "mine", 102),
        response(3, "gateway-1", "mine", 200),
        response(4, "gateway-1", "mine", 200),
        response(5, "gateway-1", "a stranger's", 200),
        response(6, "gateway-2", "mine", 500),
    ] {
        says.send(event).await.unwrap();
    }

    let mut heard = Vec::new();
    while let Some(arrival) = mine.next(within(1)).await {
        let Arrival::Answer(answer) = arrival else { panic!("{arrival:?}") };
        assert_eq!(answer.results, Some(json!({ "x-probe": { "level": 5 } })));
        heard.push((answer.from.unwrap(), answer.response.status.code()));
    }
    let heard: Vec<_> = heard.iter().map(|(from, status)| (from.as_str(), *status)).collect();
    assert_eq!(heard, [("gateway-1", 102), ("gateway-1", 200), ("gateway-2", 500)]);
    assert!(other.next(within(1)).await.is_some());

    assert_eq!(puppet.acknowledged(), [1, 2, 3, 4, 5, 6]);
    let counts = producer.state().borrow().counts;
    assert_eq!(counts, Counts { unclaimed: 1, repeated: 1, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn a_full_house_acknowledges_late_and_loses_nothing() {
    const MORE: u64 = 5;
    let all = u64::try_from(RESPONSES_WAITING).unwrap() + MORE;
    let (producer, puppet, says) = producer(Taken::Delivered);
    let mut slow = producer.send(&command("slow"), &Address::All).await.unwrap();
    let flood = tokio::spawn(async move {
        for number in 0..all {
            says.send(response(number, &format!("d{number}"), "slow", 200)).await.unwrap();
        }
        says
    });
    // A command can be sent all the same.
    let mut state = producer.state();
    drop(tokio::time::timeout(Duration::from_secs(1), state.changed()).await);
    assert_eq!(puppet.acknowledged().len(), RESPONSES_WAITING);
    drop(producer.send(&command("other"), &Address::All).await.unwrap());

    let mut heard = 0;
    while slow.next(within(1)).await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, all);
    assert_eq!(puppet.acknowledged(), (0..all).collect::<Vec<_>>());
    drop(flood.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn who_drops_the_responses_holds_up_nobody() {
    let (producer, puppet, says) = producer(Taken::Delivered);
    let gone = producer.send(&command("gone"), &Address::All).await.unwrap();
    drop(gone);
    let mut here = producer.send(&command("here"), &Address::All).await.unwrap();
    for number in 0..100 {
        says.send(response(number, "d", "gone", 200)).await.unwrap();
    }
    says.send(response(100, "d", "here", 200)).await.unwrap();
    assert!(here.next(within(1)).await.is_some());
    assert_eq!(puppet.acknowledged().len(), 101);
}

/// The last words to commands for which nobody waits any more go where they are wanted, each once,
/// also those that had come when their exchange was closed.
#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_given_away() {
    let puppet = Puppet { told: Arc::default(), takes: Taken::Delivered };
    let (says, events) = mpsc::channel(8);
    let (strays_in, mut strays) = mpsc::channel(2);
    let identity = topic_level("soar-1").unwrap();
    let producer =
        Producer::giving_away(strays_in, puppet.clone(), events, identity, TopicPrefix::default());
    let mut responses = producer.listen(Some("r")).await.unwrap();
    says.send(response(1, "fw-1", "r", 200)).await.unwrap();
    says.send(response(2, "fw-2", "r", 404)).await.unwrap();
    assert!(responses.next(within(1)).await.is_some());
    puppet.has_acknowledged(2).await;
    let rest = responses.rest().await;
    assert!(matches!(&*rest, [Arrival::Answer(answer)] if answer.from.as_deref() == Some("fw-2")));

    for (number, from, request_id, status) in [
        (3, "fw-3", "r", 102),
        (4, "fw-3", "r", 200),
        (5, "fw-1", "another", 500),
        // There is room for two: this one is lost, and held up nobody.
        (6, "fw-4", "r", 200),
    ] {
        says.send(response(number, from, request_id, status)).await.unwrap();
    }
    puppet.has_acknowledged(6).await;
    let taken: Vec<_> = std::iter::from_fn(|| strays.try_recv().ok())
        .map(|Late { id, from, response }| (id, from, response.status.code()))
        .collect();
    let expected = [("r", "fw-3", 200), ("another", "fw-1", 500)];
    assert_eq!(taken, expected.map(|(id, from, status)| (id.to_owned(), from.to_owned(), status)));
}
