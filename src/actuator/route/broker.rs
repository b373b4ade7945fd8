//! One connection as a producer, and the consumers that were heard over it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use crate::dispatch::{Address, Late};
use crate::format;
use crate::mqtt::MqttConfig;
use crate::mqtt::client_id::random_client_id;
use crate::mqtt::link::{Link, LinkSettings};
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::openc2::Status;
use crate::producer::{self, Arrival, Outgoing, Producer, State};
use crate::wire;

/// How often consumers are asked for their features.
const ASK_EVERY: Duration = Duration::from_mins(5);

/// When they are asked for the second time: who starts together with the bridge, or comes back
/// with the broker, may have missed the first.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A consumer that is heard and has not said what it has is asked by itself, this often at most.
const ASK_ONE_EVERY: Duration = Duration::from_secs(10);

/// So many of these questions may be open at a time; who is heard meanwhile is asked the next time.
const MOST_QUESTIONS: usize = 16;

/// How long their answers are waited for.
const ASK_FOR: Duration = Duration::from_secs(10);

/// How long a consumer counts as there after it was heard.
const SEEN_FOR: Duration = Duration::from_mins(15);

/// Consumers that are remembered.
const MOST_SEEN: usize = 10_000;

/// What they are asked for.
const FEATURES: [&str; 3] = ["profiles", "versions", "pairs"];

/// Why a connection cannot be set up.
pub type BrokerError = Box<dyn std::error::Error + Send + Sync>;

/// A broker, as a producer uses it.
#[derive(Debug)]
pub struct Broker {
    producer: Producer,
    seen: Mutex<BTreeMap<String, Seen>>,
    /// Whether it finds out who is there.
    asks: AtomicBool,
    /// For questions to one consumer.
    questions: Arc<Semaphore>,
}

/// A consumer that was heard.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    /// The same in milliseconds since 1970-01-01T00:00:00Z, for people.
    at_ms: u64,
    /// What it said of itself, once it was asked: profiles, versions, pairs.
    features: Option<Value>,
    /// When it was asked by itself.
    asked: Option<Instant>,
    /// It has answered the question, with features or without.
    is_done: bool,
}

impl Seen {
    /// Whether it is to be asked by itself.
    fn is_unknown(&self) -> bool {
        !self.is_done && self.asked.is_none_or(|asked| asked.elapsed() >= ASK_ONE_EVERY)
    }

    fn has(&self, profile: &str) -> bool {
        let listed = self.features.as_ref().and_then(|features| features["profiles"].as_array());
        listed.into_iter().flatten().any(|it| it == profile)
    }
}

/// What there is to know from what a consumer said.
enum Heard {
    /// It is there.
    Anything,
    /// What it has, if it says so.
    Features(Option<Value>),
}

impl Broker {
    /// Connects in the background, and stays connected. Must be called within a tokio runtime.
    ///
    /// The session is a clean one: what the broker forgets is published again. Answers to
    /// which nobody listens are given away, where there is somebody to take them.
    pub fn open(
        config: &MqttConfig,
        identity: &TopicLevel,
        prefix: &TopicPrefix,
        strays: Option<mpsc::Sender<Late>>,
    ) -> Result<Arc<Self>, BrokerError> {
        let settings = LinkSettings {
            purpose: "relayed commands",
            subscriptions: producer::subscriptions(prefix, identity),
            ..LinkSettings::clean(config, random_client_id()?)?
        };
        let (link, events) = Link::open(settings);
        let (identity, prefix) = (identity.clone(), prefix.clone());
        let producer = match strays {
            Some(strays) => Producer::giving_away(strays, link, events, identity, prefix),
            None => Producer::new(link, events, identity, prefix),
        };
        let questions = Arc::new(Semaphore::new(MOST_QUESTIONS));
        let (seen, asks) = (Mutex::default(), AtomicBool::new(false));
        Ok(Arc::new(Self { producer, seen, asks, questions }))
    }

    /// Finds out, now and then, who is there; and what those have that are heard in between.
    pub fn ask_around(self: &Arc<Self>) {
        self.asks.store(true, Ordering::Relaxed);
        tokio::spawn(ask_around(Arc::downgrade(self)));
    }

    pub(super) fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Waits until it is connected, and both response topics are listened to.
    pub(super) async fn up(&self) {
        if self.producer.state().wait_for(|state| state.is_up).await.is_err() {
            // The bridge is ending.
            std::future::pending::<()>().await;
        }
    }

    /// The same, but no longer than until the connection is lost, or does not come about:
    /// whether it is up.
    pub(super) async fn up_or_lost(&self) -> bool {
        let mut state = self.producer.state();
        let known = state.wait_for(|state| state.is_up || state.trouble.is_some()).await;
        known.is_ok_and(|state| state.is_up)
    }

    /// A consumer was heard. If it has not said yet what it has, it is asked.
    pub(super) fn saw(self: &Arc<Self>, id: &str) {
        self.note(id, Heard::Anything);
        // Who has a name that cannot stand in a topic cannot be asked.
        if !self.asks.load(Ordering::Relaxed) || format::topic_level(id).is_err() {
            return;
        }
        let mut seen = self.lock();
        let Some(newcomer) = seen.get_mut(id).filter(|it| it.is_unknown()) else { return };
        let Ok(permit) = Arc::clone(&self.questions).try_acquire_owned() else { return };
        newcomer.asked = Some(Instant::now());
        drop(seen);
        let (broker, address) = (Arc::clone(self), Address::Device(id.to_owned()));
        tokio::spawn(async move {
            // Without a connection it waits for one, and is given up.
            let _in_time = timeout(2 * ASK_FOR, broker.ask(&address)).await;
            drop(permit);
        });
    }

    /// Consumers that were heard of late, and that an address means.
    pub(super) fn seen(&self, address: &Address) -> Vec<String> {
        let seen = self.lock();
        let is_meant = |id: &str, it: &Seen| match address {
            Address::All => true,
            Address::Profile(profile) => it.has(profile),
            Address::Device(device) => device == id,
        };
        seen.iter()
            .filter(|(id, it)| it.at.elapsed() < SEEN_FOR && is_meant(id, it))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Consumers that were heard of late, when, and what they said of themselves.
    #[must_use]
    pub fn consumers(&self) -> Value {
        let seen = self.lock();
        let of_late = seen.iter().filter(|(_, it)| it.at.elapsed() < SEEN_FOR);
        let shown = of_late.map(|(id, Seen { at_ms, features, .. })| {
            let mut shown = json!({"id": id, "seen_ms": at_ms});
            for name in FEATURES {
                if let Some(feature) = features.as_ref().and_then(|features| features.get(name)) {
                    shown[name] = feature.clone();
                }
            }
            shown
        });
        shown.collect()
    }

    /// Disconnects.
    pub async fn close(&self) {
        self.producer.close().await;
    }

    fn note(&self, id: &str, heard: Heard) {
        let mut seen = self.lock();
        seen.retain(|_, it| it.at.elapsed() < SEEN_FOR);
        if seen.len() >= MOST_SEEN && !seen.contains_key(id) {
            return;
        }
        let (at, at_ms) = (Instant::now(), producer::now_ms());
        let nothing = Seen { at, at_ms, features: None, asked: None, is_done: false };
        let consumer = seen.entry(id.to_owned()).or_insert(nothing);
        (consumer.at, consumer.at_ms) = (at, at_ms);
        if let Heard::Features(features) = heard {
            consumer.is_done = true;
            consumer.features = features.or(consumer.features.take());
        }
    }

    /// Asks the consumers at an address for their features, and listens for a while; to one
    /// alone, until it has answered.
    async fn ask(&self, address: &Address) {
        let features = json!({"action": "query", "target": {"features": FEATURES}});
        let command = wire::command_from_json(&features).expect("it is one of the standard's");
        let outgoing = Outgoing::command(self.producer.envelope(), command);
        let until = Instant::now() + ASK_FOR;
        let mut responses = match self.producer.send(&outgoing, address).await {
            Ok(responses) => responses,
            Err(error) => {
                tracing::warn!(%address, %error, "consumers cannot be asked for their features");
                return;
            }
        };
        while let Some(arrival) = responses.next(until).await {
            if let Arrival::Answer(answer) = arrival
                && let Some(from) = &answer.from
                && answer.is_final()
            {
                // Who has no time now is asked again.
                let is_busy = answer.response.status == Status::ServiceUnavailable;
                let features = Heard::Features(answer.results.clone());
                self.note(from, if is_busy { Heard::Anything } else { features });
                if matches!(address, Address::Device(id) if id == from) {
                    return;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks whenever there is a connection again, and every now and then.
async fn ask_around(broker: Weak<Broker>) {
    let Some(mut state) = broker.upgrade().map(|broker| broker.producer.state()) else { return };
    let is_up = |state: &State| state.is_up;
    let mut pause = ASK_AGAIN_AFTER;
    while state.wait_for(is_up).await.is_ok() {
        let Some(broker) = broker.upgrade() else { return };
        let next = Instant::now() + pause;
        let asked = timeout(2 * ASK_FOR, broker.ask(&Address::All)).await;
        drop(broker);
        if asked.is_err() {
            continue;
        }
        tokio::select! {
            () = sleep_until(next) => pause = ASK_EVERY,
            lost = state.wait_for(|state| !state.is_up) => match lost {
                Ok(_) => pause = ASK_AGAIN_AFTER,
                Err(_) => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_consumer_is_asked_until_it_has_said_what_it_has_and_not_too_often() {
        let (at, at_ms) = (Instant::now(), 0);
        let mut newcomer = Seen { at, at_ms, features: None, asked: None, is_done: false };
        assert!(newcomer.is_unknown());
        newcomer.asked = Some(Instant::now());
        assert!(!newcomer.is_unknown(), "it is being asked");
        tokio::time::advance(ASK_ONE_EVERY).await;
        assert!(newcomer.is_unknown(), "it did not answer");
        newcomer.is_done = true;
        assert!(!newcomer.is_unknown(), "it did, if only to say that it has nothing to say");
    }
}
