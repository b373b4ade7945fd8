//! The consumer's door: commands come in, responses go out.
//!
//! It judges nothing. A message on a command topic becomes an [`Inbound`] with a receipt; it is
//! acknowledged when the daemon says so. A response is published until the
//! broker has confirmed it, and only then is it reported as published.

mod porter;
mod responder;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use super::client_id::{SessionFile, SessionFileError};
use super::config::{ConfigError, MqttConfig};
use super::link::{Link, LinkError, LinkSettings, Statistics, Subscription};
use super::topics::{self, TopicLevel, TopicPrefix};
use crate::dispatch::{Inbound, OutboxId, Outgoing, Receipt};
use porter::Porter;
use responder::{Job, Responder};

/// Events that may wait for the daemon. Further deliveries wait at the broker, which
/// sends no more than our Receive Maximum before they are acknowledged.
const EVENTS: usize = 256;

/// What the door has to know beside the `[mqtt]` table.
#[derive(Clone, Debug)]
pub struct DoorSettings {
    /// Folder for the Client Identifier, unless the `[mqtt]` table names a file.
    pub state_folder: PathBuf,
    /// Commands were taken before in this folder, so there was an identifier.
    pub has_history: bool,
    /// Which commands to listen to.
    pub topics: CommandTopics,
}

/// The command topics of all consumers of this bridge.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CommandTopics {
    /// What stands before `/cmd` and `/rsp`.
    pub prefix: TopicPrefix,
    /// Profiles that some consumer implements.
    pub profiles: BTreeSet<TopicLevel>,
    /// Ids of the consumers.
    pub devices: BTreeSet<TopicLevel>,
}

impl CommandTopics {
    /// The topic filters to subscribe to (Transfer via MQTT v1.0, section 3.3). None
    /// where there is no consumer.
    #[must_use]
    pub fn filters(&self) -> BTreeSet<String> {
        if self.devices.is_empty() {
            return BTreeSet::new();
        }
        let profiles = self.profiles.iter().map(|one| topics::cmd_profile(&self.prefix, one));
        let devices = self.devices.iter().map(|one| topics::cmd_device(&self.prefix, one));
        std::iter::once(topics::cmd_all(&self.prefix)).chain(profiles).chain(devices).collect()
    }
}

/// The topics as the tasks need them.
#[derive(Debug)]
struct Named {
    prefix: TopicPrefix,
    filters: BTreeSet<String>,
}

impl Named {
    fn new(topics: &CommandTopics) -> Arc<Self> {
        Arc::new(Self { prefix: topics.prefix.clone(), filters: topics.filters() })
    }
}

/// What both tasks of a door have.
#[derive(Clone)]
struct Parts {
    link: Link,
    events: mpsc::Sender<DoorEvent>,
    named: watch::Receiver<Arc<Named>>,
    counted: Arc<watch::Sender<DoorStatistics>>,
}

/// What the door tells the daemon.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most of them are commands")]
pub enum DoorEvent {
    /// A command came. To be acknowledged with its receipt.
    Inbound(Inbound),
    /// The broker has taken a response over.
    Published {
        /// Which.
        id: OutboxId,
        /// Somebody has subscribed to the topic it was published on.
        heard: bool,
    },
    /// The broker does not take a response. The door has it no longer: it is to be given to
    /// [`DoorHandle::respond_again`] later.
    Refused {
        /// Which.
        id: OutboxId,
        /// How long to wait until then: longer each time.
        again_in: Duration,
    },
    /// Connected, and every subscription granted.
    Up {
        /// The broker had kept our session.
        session_present: bool,
    },
    /// Not connected, or not with every subscription; the door tries again by itself.
    Down {
        /// Why, with the reason code by name.
        reason: String,
    },
    /// Something that a person should look at.
    Alarm(Alarm),
}

/// Something that a person should look at. All of it is in the log as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// The broker has forgotten our session, and the commands that were queued in it.
    SessionLost,
    /// Another client uses our Client Identifier.
    SessionTakenOver,
    /// A subscription was refused, or granted with less than `QoS` 1.
    SubscriptionRefused {
        /// Filters and reason codes.
        reason: String,
    },
    /// The broker does not take a response. Told once of each; [`DoorEvent::Refused`] follows.
    ResponseRefused {
        /// Which.
        id: OutboxId,
        /// Why, with the reason code by name.
        reason: String,
    },
}

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file with the Client Identifier cannot be used.
    #[error(transparent)]
    SessionFile(#[from] SessionFileError),
}

/// What the door has counted, beside its link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct DoorStatistics {
    /// Of the connection.
    pub link: Statistics,
    /// Messages on topics that are no command topic of ours: acknowledged and dropped.
    pub unknown_topic: u64,
    /// Responses that nobody had subscribed to.
    pub unheard: u64,
    /// Responses published once more, for any reason.
    pub published_again: u64,
}

/// The door itself: opens handles.
#[derive(Debug)]
pub struct Door;

/// A handle to the door. Cloning gives another.
#[derive(Clone, Debug)]
pub struct DoorHandle {
    link: Link,
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    named: watch::Sender<Arc<Named>>,
    counted: watch::Receiver<DoorStatistics>,
}

impl Door {
    /// Opens the door. Must be called within a tokio runtime.
    ///
    /// Makes the Client Identifier where there is none yet. Whether the broker is there
    /// is not waited for: [`DoorEvent::Up`] says so.
    pub fn open(
        config: &MqttConfig,
        settings: &DoorSettings,
    ) -> Result<(DoorHandle, mpsc::Receiver<DoorEvent>), OpenError> {
        let path = config.client_id_path(&settings.state_folder);
        let mut session = SessionFile::open(&path)?;
        let named = Named::new(&settings.topics);
        if session.is_new() && settings.has_history {
            // The broker has these subscriptions, for a name that nobody knows any more. That
            // is a session that will not be there: the link counts it and tells the daemon.
            session.remember(named.filters.clone())?;
            tracing::error!(
                alarm = "session lost",
                "{} is gone, although the journal has commands: the broker knows us by another name \
                 from now on, and what waits there for the old one does not come",
                path.display()
            );
        }
        let link_settings = LinkSettings {
            purpose: "commands",
            subscriptions: named.filters.iter().cloned().map(Subscription::openc2).collect(),
            ..LinkSettings::kept(config, &session)?
        };
        let (link, link_events) = Link::open(link_settings);

        let (events, events_out) = mpsc::channel(EVENTS);
        let (jobs, jobs_in) = mpsc::channel(DoorHandle::MAX_OUTSTANDING_RESPONSES);
        let (counted, counted_out) = watch::channel(DoorStatistics::default());
        let (named, named_out) = watch::channel(named);
        let parts =
            Parts { link: link.clone(), events, named: named_out, counted: Arc::new(counted) };
        tokio::spawn(Responder::new(config, parts.clone(), jobs_in).run());
        let porter = Porter { parts, session, seen: Statistics::default() };
        tokio::spawn(porter.run(link_events));
        let room = Arc::new(Semaphore::new(DoorHandle::MAX_OUTSTANDING_RESPONSES));
        Ok((DoorHandle { link, jobs, room, named, counted: counted_out }, events_out))
    }
}

impl DoorHandle {
    /// Responses that may be given to the door before the first of them is published.
    pub const MAX_OUTSTANDING_RESPONSES: usize = 512;

    /// Tells the broker that it may forget a message. Of a connection that is gone: does nothing.
    pub fn acknowledge(&self, receipt: Receipt) {
        self.link.acknowledge(receipt);
    }

    /// Publishes a response, now or as soon as that is possible; [`DoorEvent::Published`] says
    /// when it is done, or [`DoorEvent::Refused`] that the broker does not take it. Does not wait.
    ///
    /// # Errors
    ///
    /// Gives the response back when [`Self::MAX_OUTSTANDING_RESPONSES`] are on their way, or
    /// the door is closed.
    pub fn respond(&self, response: Outgoing) -> Result<(), Box<Outgoing>> {
        self.respond_again(response, 0)
    }

    /// The same for a response that the broker has refused so often before.
    ///
    /// # Errors
    ///
    /// As [`Self::respond`].
    pub fn respond_again(&self, response: Outgoing, refusals: u32) -> Result<(), Box<Outgoing>> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return Err(Box::new(response));
        };
        self.jobs.try_send(Job::new(response, refusals, permit)).map_err(|error| {
            let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) =
                error;
            Box::new(job.into_response())
        })
    }

    /// Responses for which there is room at this moment.
    #[must_use]
    pub fn responses_free(&self) -> usize {
        self.room.available_permits()
    }

    /// Listens to these topics instead.
    ///
    /// Returns when the broker has granted what is new and ended what is no longer named;
    /// without a connection that is after the next one. What is refused is tried again.
    pub async fn resubscribe(&self, topics: &CommandTopics) -> Result<(), LinkError> {
        let wanted = Named::new(topics);
        let before = self.named.send_replace(Arc::clone(&wanted));
        let new = wanted.filters.difference(&before.filters);
        let new = new.cloned().map(Subscription::openc2).collect();
        let old = before.filters.difference(&wanted.filters).cloned().collect();
        let (subscribed, unsubscribed) =
            tokio::join!(self.link.subscribe(new), self.link.unsubscribe(old));
        subscribed.and(unsubscribed)
    }

    /// What has been counted so far.
    #[must_use]
    pub fn statistics(&self) -> DoorStatistics {
        DoorStatistics { link: self.link.statistics(), ..*self.counted.borrow() }
    }

    /// Connected, and every subscription granted.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.link.is_up()
    }

    /// Disconnects cleanly, waiting at most `grace` for responses on their way.
    ///
    /// The events must go on being read meanwhile. Responses that do not make it are still in the outbox. The session stays at the broker.
    pub async fn close(&self, grace: Duration) {
        let all = u32::try_from(Self::MAX_OUTSTANDING_RESPONSES).expect("a small number");
        // Without a connection there is nothing to wait for.
        let grace = if self.link.is_connected() { grace } else { Duration::ZERO };
        let begun = tokio::time::Instant::now();
        // Whether they all made it or not: no further ones.
        let _waited = tokio::time::timeout(grace, self.room.acquire_many(all)).await;
        self.room.close();
        self.link.close(grace.saturating_sub(begun.elapsed())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows MQTT-3.3-1: what a consumer subscribes to.
    #[test]
    fn consumers_listen_to_all_to_their_profiles_and_to_their_own_topic() {
        let level = |text: &str| TopicLevel::try_from(text).unwrap();
        let topics = CommandTopics {
            prefix: TopicPrefix::default(),
            profiles: [level("iota"), level("alpha")].into(),
            devices: [level("zulu")].into(),
        };
        assert!(topics.filters().iter().eq([
            "oc2/cmd/all",
            "oc2/cmd/ap/alpha",
            "oc2/cmd/ap/iota",
            "oc2/cmd/device/zulu"
        ]));
        assert!(CommandTopics::default().filters().is_empty());
    }
}
