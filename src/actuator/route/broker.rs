//! One connection as a producer, and the consumers that were heard over it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::dispatch::Address;
use crate::mqtt::MqttConfig;
use crate::mqtt::client_id::random_client_id;
use crate::mqtt::link::{Link, LinkSettings};
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::producer::{self, Answer, Arrival, Outgoing, Producer, State};
use crate::wire;

/// How often consumers are asked for their features.
const ASK_EVERY: Duration = Duration::from_mins(5);

/// How long their answers are waited for.
const ASK_FOR: Duration = Duration::from_secs(10);

/// How long a consumer counts as there after it was heard.
const SEEN_FOR: Duration = Duration::from_mins(15);

/// Consumers that are remembered.
const MOST_SEEN: usize = 10_000;

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
    /// Those that it said it has.
    profiles: Vec<String>,
}

impl Broker {
    /// Connects in the background, and stays connected. Must be called within a tokio runtime.
    ///
    /// The session is a clean one: what the broker forgets is published again.
    pub fn open(
        config: &MqttConfig,
        identity: &TopicLevel,
        prefix: &TopicPrefix,
    ) -> Result<Arc<Self>, BrokerError> {
        let settings = LinkSettings {
            purpose: "relayed commands",
            subscriptions: producer::subscriptions(prefix, identity),
            ..LinkSettings::clean(config, random_client_id()?)?
        };
        let (link, events) = Link::open(settings);
        let producer = Producer::new(link, events, identity.clone(), prefix.clone());
        Ok(Arc::new(Self { producer, seen: Mutex::default() }))
    }

    /// Finds out, now and then, who is there.
    pub fn ask_around(self: &Arc<Self>) {
        tokio::spawn(ask_around(Arc::downgrade(self)));
    }

    pub(super) fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Connected, and both response topics are listened to.
    pub(super) fn is_up(&self) -> bool {
        self.producer.state().borrow().is_up
    }

    /// Waits until it is up.
    pub(super) async fn up(&self) {
        if self.producer.state().wait_for(|state| state.is_up).await.is_err() {
            // The bridge is ending.
            std::future::pending::<()>().await;
        }
    }

    /// A consumer was heard.
    pub(super) fn saw(&self, id: &str) {
        self.note(id, None);
    }

    /// Consumers that were heard of late, and that an address means.
    pub(super) fn seen(&self, address: &Address) -> Vec<String> {
        let seen = self.lock();
        let is_meant = |id: &str, profiles: &[String]| match address {
            Address::All => true,
            Address::Profile(profile) => profiles.contains(profile),
            Address::Device(device) => device == id,
        };
        seen.iter()
            .filter(|(id, it)| it.at.elapsed() < SEEN_FOR && is_meant(id, &it.profiles))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Disconnects.
    pub async fn close(&self) {
        self.producer.close().await;
    }

    fn note(&self, id: &str, profiles: Option<Vec<String>>) {
        let mut seen = self.lock();
        seen.retain(|_, it| it.at.elapsed() < SEEN_FOR);
        if seen.len() >= MOST_SEEN && !seen.contains_key(id) {
            return;
        }
        let at = Instant::now();
        let it = seen.entry(id.to_owned()).or_insert(Seen { at, profiles: Vec::new() });
        it.at = at;
        it.profiles = profiles.unwrap_or_else(|| std::mem::take(&mut it.profiles));
    }

    /// Asks all consumers for their features, and listens for a while.
    async fn ask(&self) {
        let features =
            json!({"action": "query", "target": {"features": ["profiles", "versions", "pairs"]}});
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
                self.note(from, Some(profiles(&answer)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The profiles that an answer to `query features` lists.
fn profiles(answer: &Answer) -> Vec<String> {
    let listed = answer.results.as_ref().and_then(|results| results["profiles"].as_array());
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    listed.map(str::to_owned).collect()
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
