//! A producer that sends commands at a fixed rate, whatever comes back, and keeps what it sent and heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use openc2_bridge::dispatch::Address;
use openc2_bridge::mqtt::link::{Delivery, Link, LinkEvent, LinkEvents, LinkSettings};
use openc2_bridge::mqtt::topics::TopicPrefix;
use openc2_bridge::producer::{Envelope, Outgoing, now_ms};
use openc2_bridge::wire;
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{subscribed, up};

/// Commands without a response at which a stream waits: half of what the tests' brokers keep for
/// a session, and they drop what is more.
const MOST_UNANSWERED: usize = 5_000;

/// What starts later does so after this time; in milliseconds.
const LATER_MS: u64 = 150;

/// How long what is limited has, to begin and to last; in milliseconds.
const LIMIT_MS: u64 = 500;

/// The start of what is cancelled before it begins; in milliseconds from now.
const LONG_MS: u64 = 3_600_000;

/// What a command is there to show. All but plain ones and cancels are for an actuator that can be
/// asked after a crash what was done, and that has a free hand as a rule.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// It is carried out.
    #[default]
    Plain,
    /// Its effect is to end a moment later.
    Limited,
    /// Nothing more is the matter with it.
    Asked,
    /// It is cancelled as soon as it is sent.
    Cancelled,
    /// It cancels the one before it.
    Cancel,
}

/// What a mixed stream sends, at each tick the next. Every second time around all but those that
/// are asked after and those that cancel have a later start.
const MIX: [&[Kind]; 8] = [
    &[Kind::Plain],
    &[Kind::Cancelled, Kind::Cancel],
    &[Kind::Plain],
    &[Kind::Limited],
    &[Kind::Plain],
    &[Kind::Cancelled, Kind::Cancel],
    &[Kind::Plain],
    &[Kind::Asked],
];

/// A response as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub topic: String,
    pub payload: Bytes,
}

/// One connection that stays, and what went over it. Cloning gives another handle.
#[derive(Clone)]
pub struct Load {
    link: Link,
    name: Arc<str>,
    to: Arc<Address>,
    book: Arc<Book>,
}

#[derive(Default)]
struct Book {
    pages: Mutex<Pages>,
    news: Notify,
}

#[derive(Default)]
struct Pages {
    sent: BTreeMap<String, Outgoing>,
    /// Those of them that are not plain.
    kinds: BTreeMap<String, Kind>,
    unanswered: BTreeMap<String, Outgoing>,
    heard: Vec<Heard>,
}

/// A stream of commands. Ends with [`Sending::stop`].
pub struct Sending {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Load {
    /// Connects as this producer, and listens to both response topics.
    pub async fn start(port: u16, name: &str, consumer: &str) -> Self {
        let own = format!("oc2/rsp/{name}");
        let settings = LinkSettings {
            receive_maximum: 256.try_into().unwrap(),
            ..subscribed(port, name, &["oc2/rsp", &own])
        };
        let (link, mut events) = Link::open(settings);
        up(&mut events).await;
        let load = Self {
            link,
            name: name.into(),
            to: Arc::new(Address::Device(consumer.to_owned())),
            book: Arc::default(),
        };
        tokio::spawn(load.clone().listen(events));
        load
    }

    async fn listen(self, mut events: LinkEvents) {
        while let Some(event) = events.recv().await {
            if let LinkEvent::Message(delivery) = event {
                self.take(&delivery);
                self.link.acknowledge(delivery.receipt);
            }
        }
    }

    fn take(&self, delivery: &Delivery) {
        let message: Json = serde_json::from_slice(&delivery.payload).expect("a response is JSON");
        let is_final = message["body"]["openc2"]["response"]["status"] != 102;
        let id = message["headers"]["request_id"].as_str().unwrap_or_default();
        let heard = Heard { topic: delivery.topic.clone(), payload: delivery.payload.clone() };
        let mut pages = self.book.pages.lock().unwrap();
        if is_final {
            pages.unanswered.remove(id);
        }
        pages.heard.push(heard);
        self.book.news.notify_waiters();
    }

    /// Sends one command; returns its `request_id` once it is handed over.
    pub async fn send(&self) -> String {
        self.send_one(Kind::Plain, false).await
    }

    async fn send_one(&self, kind: Kind, is_later: bool) -> String {
        let outgoing = {
            let mut pages = self.book.pages.lock().unwrap();
            let number = pages.sent.len();
            let command = command(kind, number, is_later);
            let envelope = Envelope {
                request_id: format!("{}-{number:06}", self.name),
                ..Envelope::new(&*self.name)
            };
            let outgoing =
                Outgoing::command(envelope, wire::command_from_json(&command).expect("a command"));
            let id = outgoing.request_id().expect("it was given one").to_owned();
            pages.sent.insert(id.clone(), outgoing.clone());
            if kind != Kind::Plain {
                pages.kinds.insert(id.clone(), kind);
            }
            pages.unanswered.insert(id, outgoing.clone());
            outgoing
        };
        self.publish(&outgoing).await;
        outgoing.request_id().expect("it was given one").to_owned()
    }

    async fn has_room(&self) {
        loop {
            let news = self.book.news.notified();
            if self.book.pages.lock().unwrap().unanswered.len() < MOST_UNANSWERED {
                return;
            }
            news.await;
        }
    }

    async fn publish(&self, outgoing: &Outgoing) {
        let publication = outgoing.publication(&TopicPrefix::default(), &self.to).expect("a topic");
        let sent = self.link.send(publication).await.expect("the link is open");
        // What the broker says of it proves nothing; the response does.
        tokio::spawn(sent.taken());
    }

    /// Sends so many commands a second from now on, as long as the broker has room for what the
    /// bridge has not taken: on a machine that is too busy it waits then.
    pub fn keep_sending(&self, per_second: u32) -> Sending {
        self.keep_sending_of(&[&[Kind::Plain]], per_second)
    }

    /// The same with commands of every kind.
    pub fn keep_sending_a_mix(&self, per_second: u32) -> Sending {
        self.keep_sending_of(&MIX, per_second)
    }

    fn keep_sending_of(&self, mix: &'static [&'static [Kind]], per_second: u32) -> Sending {
        let (stop, mut stopped) = watch::channel(false);
        let load = self.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / per_second);
            // Open loop: what was held up is made up for.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for tick in 0.. {
                ticks.tick().await;
                if *stopped.borrow_and_update() {
                    break;
                }
                tokio::select! {
                    () = load.has_room() => {}
                    // Whoever began this may have gone.
                    _ = stopped.changed() => break,
                };
                let is_later = mix.len() > 1 && tick / mix.len() % 2 == 1;
                for kind in mix[tick % mix.len()] {
                    load.send_one(*kind, is_later).await;
                }
            }
        });
        Sending { stop, task }
    }

    /// Waits for a final response to everything that was sent; `false`: not in time.
    pub async fn is_answered_within(&self, patience: Duration) -> bool {
        let all = async {
            loop {
                let news = self.book.news.notified();
                if self.book.pages.lock().unwrap().unanswered.is_empty() {
                    return;
                }
                news.await;
            }
        };
        timeout(patience, all).await.is_ok()
    }

    /// The same, as a producer does it that trusts no PUBACK: what has no response after `wait`
    /// is sent again, with the same `request_id`, and then after twice that time. Says also how
    /// many were sent again.
    pub async fn is_answered_by_insisting(
        &self,
        mut wait: Duration,
        patience: Duration,
    ) -> (bool, usize) {
        let mut sent_again = 0;
        let all = async {
            while !self.is_answered_within(wait).await {
                wait *= 2;
                let unanswered = self.book.pages.lock().unwrap().unanswered.clone();
                for outgoing in unanswered.values() {
                    self.publish(outgoing).await;
                    sent_again += 1;
                }
            }
        };
        let is_answered = timeout(patience, all).await.is_ok();
        (is_answered, sent_again)
    }

    /// Waits until so many responses have come, and returns all of them.
    pub async fn heard(&self, least: usize) -> Vec<Heard> {
        super::soon("responses", async {
            loop {
                let news = self.book.news.notified();
                let heard = self.book.pages.lock().unwrap().heard.clone();
                if heard.len() >= least {
                    return heard;
                }
                news.await;
            }
        })
        .await
    }

    /// What those commands are there to show that are not plain, by `request_id`.
    pub fn kinds(&self) -> BTreeMap<String, Kind> {
        self.book.pages.lock().unwrap().kinds.clone()
    }

    /// `request_id` of everything that was sent.
    pub fn sent(&self) -> Vec<String> {
        self.book.pages.lock().unwrap().sent.keys().cloned().collect()
    }
}

fn command(kind: Kind, number: usize, is_later: bool) -> Json {
    let mut args = json!({});
    let is_cancelled = kind == Kind::Cancelled;
    if is_later && matches!(kind, Kind::Plain | Kind::Limited | Kind::Cancelled) {
        let wait_ms = if is_cancelled { LONG_MS } else { LATER_MS };
        args["start_time"] = json!(now_ms() + wait_ms);
    }
    let mut command = match kind {
        Kind::Plain => json!({"action": "set", "target": {"x-witness:mark": number}}),
        Kind::Cancelled | Kind::Limited | Kind::Asked => {
            json!({"action": "set", "target": {"x-asked:mark": number}})
        }
        Kind::Cancel => {
            json!({"action": "cancel", "target": {"command": command_id(number - 1)}})
        }
    };
    if kind == Kind::Limited {
        args["duration"] = json!(LIMIT_MS);
    }
    if is_cancelled {
        command["command_id"] = json!(command_id(number));
    }
    if args != json!({}) {
        command["args"] = args;
    }
    command
}

/// What a command is called that is to be cancelled.
fn command_id(number: usize) -> String {
    format!("command-{number}")
}

impl Sending {
    /// Ends the stream; what was sent stays sent.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.expect("it does not panic");
    }
}
