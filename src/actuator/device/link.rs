//! One connection to the broker for all devices of a bridge.
//!
//! It is not the connection that commands come in on: it begins with a clean session, so that a reply
//! that the broker kept for us cannot confirm a command that came later.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::judge::Heard;
use super::plan::Filter;
use super::topic;
use crate::dispatch::Receipt;
use crate::mqtt::link::{
    Delivery, Link, LinkError, LinkEvent, LinkEvents, Publication, Subscription, Taken,
};

/// Messages that a waiting command may be behind with, before more are lost to it.
const HEARD_MESSAGES: usize = 64;
/// Pause after a subscription was refused.
const RETRY: Duration = Duration::from_secs(5);
/// The quality of service replies are subscribed with.
const REPLY_QOS: u8 = 1;
/// Largest number given to the first command, so that the numbers stay below 2^31 for a while:
/// small devices know no larger ones.
const FIRST_SEQ_MASK: u64 = 0x3fff_ffff;

/// A future that a [`Broker`] returns.
pub(super) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a [`DeviceLink`] needs of an MQTT connection.
pub(super) trait Broker: Send + Sync {
    fn subscribe(&self, subscriptions: Vec<Subscription>) -> Pending<'_, Result<(), LinkError>>;
    fn publish(&self, publication: Publication) -> Pending<'_, Result<Taken, LinkError>>;
    fn acknowledge(&self, receipt: Receipt);
    fn close(&self, grace: Duration) -> Pending<'_, ()>;
}

impl Broker for Link {
    fn subscribe(&self, subscriptions: Vec<Subscription>) -> Pending<'_, Result<(), LinkError>> {
        Box::pin(self.subscribe(subscriptions))
    }

    fn publish(&self, publication: Publication) -> Pending<'_, Result<Taken, LinkError>> {
        Box::pin(self.publish(publication))
    }

    fn acknowledge(&self, receipt: Receipt) {
        self.acknowledge(receipt);
    }

    fn close(&self, grace: Duration) -> Pending<'_, ()> {
        Box::pin(self.close(grace))
    }
}

/// The connection that all devices of a bridge share. Cloning gives another handle to it.
#[derive(Clone)]
pub struct DeviceLink {
    hub: Arc<Hub>,
}

struct Hub {
    broker: Box<dyn Broker>,
    reply_src: String,
    next_seq: AtomicU64,
    /// Ends the two tasks.
    stop: CancellationToken,
    connection: watch::Sender<Connection>,
    /// Counts changes of `Board::filters` and `Board::last`.
    changes: watch::Sender<u64>,
    /// There is something to subscribe to.
    wanted: Notify,
    /// Only ever held for the length of a look: no await, no callback.
    board: Mutex<Board>,
}

/// State of the connection. Each new one has a new number, so that a short break is seen as well.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Connection {
    pub up: bool,
    number: u64,
}

impl Connection {
    /// There has been none yet: the bridge has only just started.
    pub(super) fn is_first(self) -> bool {
        self.number == 0
    }
}

#[derive(Default)]
struct Board {
    /// What devices need, by filter.
    filters: HashMap<String, Watched>,
    /// The last message on topics where it counts.
    last: HashMap<String, Heard>,
    /// Commands that wait for a reply, by a number of their own.
    waiting: HashMap<u64, (String, mpsc::Sender<Heard>)>,
    next_waiting: u64,
    /// Where only one command at a time may wait.
    lines: HashMap<String, Arc<Semaphore>>,
}

#[derive(Clone, Copy, Default)]
struct Watched {
    keeps_last: bool,
    granted: bool,
}

impl fmt::Debug for DeviceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLink").field("reply_src", &self.hub.reply_src).finish_non_exhaustive()
    }
}

impl DeviceLink {
    /// Takes over a connection. It must have a client identifier of its own and a clean start.
    ///
    /// `reply_src` is a topic level that nobody else uses, such as the client identifier: devices
    /// that know where a request came from answer to `<reply_src>/...`.
    #[must_use]
    pub fn start(link: Link, events: LinkEvents, reply_src: impl Into<String>) -> Self {
        Self::over(Box::new(link), events, reply_src.into())
    }

    pub(super) fn over(broker: Box<dyn Broker>, events: LinkEvents, reply_src: String) -> Self {
        // Not 1: a reply to a command of an earlier process must not fit one of this.
        let first_seq = 1 + (RandomState::new().build_hasher().finish() & FIRST_SEQ_MASK);
        let hub = Arc::new(Hub {
            broker,
            reply_src,
            next_seq: AtomicU64::new(first_seq),
            stop: CancellationToken::new(),
            connection: watch::Sender::default(),
            changes: watch::Sender::default(),
            wanted: Notify::new(),
            board: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&hub).listen(events));
        tokio::spawn(Arc::clone(&hub).keep_subscribed());
        Self { hub }
    }

    /// Disconnects cleanly, waiting at most `grace` for what is being sent.
    pub async fn close(&self, grace: Duration) {
        self.hub.stop.cancel();
        self.hub.broker.close(grace).await;
    }

    /// The topic level that devices answer to.
    pub(super) fn reply_src(&self) -> &str {
        &self.hub.reply_src
    }

    /// A number that no other command has.
    pub(super) fn next_seq(&self) -> u64 {
        self.hub.next_seq.fetch_add(1, Ordering::Relaxed)
    }

    /// Sees to it that these are subscribed to, from now on.
    pub(super) fn watch(&self, filters: &[Filter]) {
        let mut board = self.hub.board();
        for Filter { filter, keeps_last } in filters {
            let watched = board.filters.entry(filter.clone()).or_default();
            if *keeps_last && !watched.keeps_last {
                // Once more, because the retained message is wanted now.
                *watched = Watched { keeps_last: true, granted: false };
            }
        }
        drop(board);
        self.hub.wanted.notify_one();
    }

    /// State of the connection, and its changes.
    pub(super) fn connection(&self) -> watch::Receiver<Connection> {
        self.hub.connection.subscribe()
    }

    /// Waits until the broker has granted all of these.
    pub(super) async fn granted(&self, filters: &[Filter]) {
        let mut changes = self.hub.changes.subscribe();
        loop {
            if self.hub.board().are_granted(filters) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The last message on a topic that is watched for that.
    pub(super) fn last(&self, topic: &str) -> Option<Heard> {
        self.hub.board().last.get(topic).cloned()
    }

    /// Waits for a message on a topic that is watched for its last one.
    pub(super) async fn last_or_next(&self, topic: &str) -> Option<Heard> {
        let mut changes = self.hub.changes.subscribe();
        loop {
            if let Some(heard) = self.last(topic) {
                return Some(heard);
            }
            changes.changed().await.ok()?;
        }
    }

    /// Waits until no other command waits for a reply on this topic.
    pub(super) async fn turn(&self, topic: &str) -> Turn {
        let line = self.hub.board().line(topic);
        let permit = line.acquire_owned().await.expect("lines are never closed");
        Turn { _permit: permit }
    }

    /// Collects messages from now on.
    pub(super) fn listen(&self, filter: &str) -> Listener {
        let (sender, messages) = mpsc::channel(HEARD_MESSAGES);
        let mut board = self.hub.board();
        let number = board.next_waiting;
        board.next_waiting += 1;
        board.waiting.insert(number, (filter.to_owned(), sender));
        drop(board);
        Listener { hub: Arc::clone(&self.hub), number, messages }
    }

    /// Publishes and waits for the broker's word.
    pub(super) async fn publish(&self, publication: Publication) -> Result<Taken, LinkError> {
        self.hub.broker.publish(publication).await
    }
}

/// The right to wait for a reply on a topic; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// Messages for one command, until it is dropped.
pub(super) struct Listener {
    hub: Arc<Hub>,
    number: u64,
    messages: mpsc::Receiver<Heard>,
}

impl Listener {
    /// The next message.
    pub(super) async fn heard(&mut self) -> Option<Heard> {
        self.messages.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.board().waiting.remove(&self.number);
    }
}

impl Hub {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().expect("nobody panics while looking at the board")
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Hands out what comes in, until the connection is closed.
    async fn listen(self: Arc<Self>, mut events: LinkEvents) {
        while let Some(event) = events.recv().await {
            match event {
                LinkEvent::Up { .. } => self.connected(true),
                LinkEvent::Down { reason, .. } => {
                    tracing::warn!(reason, "the connection for devices is down");
                    // Who goes offline now does so unheard.
                    self.board().last.clear();
                    self.connected(false);
                }
                LinkEvent::Message(delivery) => self.deliver(delivery),
            }
        }
        self.connected(false);
    }

    fn connected(&self, up: bool) {
        self.connection.send_modify(|connection| {
            *connection = Connection { up, number: connection.number + 1 };
        });
    }

    fn deliver(&self, delivery: Delivery) {
        let Delivery { receipt, topic, payload, retained, properties, .. } = delivery;
        let heard = Heard { topic, payload, retained, user: properties.user };
        let mut board = self.board();
        for (filter, sender) in board.waiting.values() {
            if topic::takes_in(filter, &heard.topic) && sender.try_send(heard.clone()).is_err() {
                tracing::warn!(topic = %heard.topic.escape_debug(), "more replies than anybody can judge");
            }
        }
        let keeps = board.filters.get(&heard.topic).is_some_and(|watched| watched.keeps_last);
        if keeps {
            // An empty retained message is how a broker is told to forget one.
            if heard.payload.is_empty() {
                board.last.remove(&heard.topic);
            } else {
                board.last.insert(heard.topic.clone(), heard);
            }
        }
        drop(board);
        if keeps {
            self.changed();
        }
        self.broker.acknowledge(receipt);
    }

    /// Subscribes to what devices need. A task of its own: the other one must go on taking events
    /// while this one waits for the broker.
    async fn keep_subscribed(self: Arc<Self>) {
        let forever = async {
            loop {
                self.wanted.notified().await;
                while !self.subscribe().await {
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = forever => {}
        }
    }

    /// Subscribes to what is not granted yet; `false`: to be tried again.
    async fn subscribe(&self) -> bool {
        let missing = self.board().missing();
        if missing.is_empty() {
            return true;
        }
        let subscriptions = missing.iter().map(subscription).collect();
        if let Err(error) = self.broker.subscribe(subscriptions).await {
            tracing::error!(%error, "devices cannot be heard: a subscription failed");
            return matches!(error, LinkError::Closed);
        }
        self.board().grant(&missing);
        self.changed();
        true
    }
}

impl Board {
    fn are_granted(&self, filters: &[Filter]) -> bool {
        let is_granted =
            |filter: &Filter| self.filters.get(&filter.filter).is_some_and(|f| f.granted);
        filters.iter().all(is_granted)
    }

    fn missing(&self) -> Vec<Filter> {
        let missing = self.filters.iter().filter(|(_, watched)| !watched.granted);
        missing
            .map(|(filter, watched)| Filter {
                filter: filter.clone(),
                keeps_last: watched.keeps_last,
            })
            .collect()
    }

    fn grant(&mut self, filters: &[Filter]) {
        for Filter { filter, keeps_last } in filters {
            if let Some(watched) = self.filters.get_mut(filter) {
                // It may have been asked for again, with its retained message, in the meantime.
                watched.granted |= watched.keeps_last == *keeps_last;
            }
        }
    }

    fn line(&mut self, topic: &str) -> Arc<Semaphore> {
        // Lines where nobody waits and nobody is served are forgotten, so that topics that
        // commands make up do not pile up.
        self.lines.retain(|_, line| Arc::strong_count(line) > 1);
        let line = self.lines.entry(topic.to_owned());
        Arc::clone(line.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

fn subscription(filter: &Filter) -> Subscription {
    /// Retain Handling 0 and 2 (MQTT v5.0, section 3.8.3.1).
    const SEND_RETAINED: u8 = 0;
    const SEND_NO_RETAINED: u8 = 2;
    Subscription {
        filter: filter.filter.clone(),
        qos: REPLY_QOS,
        no_local: false,
        retain_as_published: false,
        retain_handling: if filter.keeps_last { SEND_RETAINED } else { SEND_NO_RETAINED },
    }
}
