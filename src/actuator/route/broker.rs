//! One connection as a producer, and the consumers that were heard over it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::dispatch::{Address, Late};
use crate::mqtt::MqttConfig;
use crate::mqtt::client_id::random_client_id;
use crate::mqtt::link::{Link, LinkSettings};
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::producer::{self, Arrival, Outgoing, Producer, State};
use crate::wire;

/// How often consumers are asked for their features.
const ASK_EVERY: Duration = Duration::from_mins(5);

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
}

/// A consumer that was heard.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    /// The same in milliseconds since 1970-01-01T00:00:00Z, for people.
    at_ms: u64,
    /// What it said of itself, once it was asked: profiles, versions, pairs.
    features: Option<Value>,
}

impl Seen {
    fn has(&self, profile: &str) -> bool {
        let listed = self.features.as_ref().and_then(|features| features["profiles"].as_array());
        listed.into_iter().flatten().any(|it| it == profile)
    }
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
        Ok(Arc::new(Self { producer, seen: Mutex::default() }))
    }

    /// Finds out, now and then, who is there.
    pub fn ask_around(self: &Arc<Self>) {
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

    /// A consumer was heard.
    pub(super) fn saw(&self, id: &str) {
        self.note(id, None);
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

    fn note(&self, id: &str, features: Option<Value>) {
        let mut seen = self.lock();
        seen.retain(|_, it| it.at.elapsed() < SEEN_FOR);
        if seen.len() >= MOST_SEEN && !seen.contains_key(id) {
            return;
        }
        let (at, at_ms) = (Instant::now(), producer::now_ms());
        let before = seen.remove(id).and_then(|it| it.features);
        seen.insert(id.to_owned(), Seen { at, at_ms, features: features.or(before) });
    }

    /// Asks all consumers for their features, and listens for a while.
    async fn ask(&self) {
        let features = json!({"action": "query", "target": {"features": FEATURES}});
        let command = wire::command_from_json(&features).expect("it is one of the standard's");
        let outgoing = Outgoing::command(self.producer.envelope(), command);
        let until = Instant::now() + ASK_FOR;
        let mut responses = match self.producer.send(&outgoing, &Address::All).await {
            Ok(responses) => responses,
            Err(error) => {
                tracing::warn!(%error, "consumers cannot be asked for their features");
                return;
            }
        };
        while let Some(arrival) = responses.next(until).await {
            if let Arrival::Answer(answer) = arrival
                && let Some(from) = &answer.from
            {
                self.note(from, answer.results.clone());
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
    while state.wait_for(is_up).await.is_ok() {
        let Some(broker) = broker.upgrade() else { return };
        let asked = timeout(2 * ASK_FOR, broker.ask()).await;
        drop(broker);
        if asked.is_err() {
            continue;
        }
        tokio::select! {
            () = sleep(ASK_EVERY) => {}
            lost = state.wait_for(|state| !state.is_up) => if lost.is_err() { return },
        }
    }
}
