//! A broker in memory, whose strings the test pulls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::super::link::{Broker, DeviceLink, Pending};
use super::super::perform::perform;
use super::super::plan::{Plan, Request};
use super::REPLY_SRC;
use crate::dispatch::{Errand, Receipt};
use crate::mqtt::link::{
    Delivery, LinkError, LinkEvent, Properties, Publication, Subscription, Taken,
};
use crate::openc2::Response;

/// How the puppet takes publications.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mood {
    Takes,
    HasNoSubscribers,
    Refuses,
    LosesTheSession,
    SaysNothing,
}

/// The test's end of the strings.
pub(super) struct Stage {
    pub link: DeviceLink,
    pub published: mpsc::UnboundedReceiver<Publication>,
    pub subscribed: Arc<Mutex<Vec<Subscription>>>,
    mood: watch::Sender<Mood>,
    grants: watch::Sender<bool>,
    events: mpsc::Sender<LinkEvent>,
    acknowledged: mpsc::UnboundedReceiver<Receipt>,
    next_receipt: u64,
}

struct Puppet {
    published: mpsc::UnboundedSender<Publication>,
    subscribed: Arc<Mutex<Vec<Subscription>>>,
    mood: watch::Receiver<Mood>,
    grants: watch::Receiver<bool>,
    acknowledged: mpsc::UnboundedSender<Receipt>,
}

impl Broker for Puppet {
    fn subscribe(&self, subscriptions: Vec<Subscription>) -> Pending<'_, Result<(), LinkError>> {
        let mut grants = self.grants.clone();
        Box::pin(async move {
            grants.wait_for(|grants| *grants).await.map_err(|_| LinkError::Closed)?;
            self.subscribed.lock().unwrap().extend(subscriptions);
            Ok(())
        })
    }

    fn publish(&self, publication: Publication) -> Pending<'_, Result<Taken, LinkError>> {
        let mood = *self.mood.borrow();
        self.published.send(publication).unwrap();
        Box::pin(async move {
            match mood {
                Mood::Takes => Ok(Taken::Delivered),
                Mood::HasNoSubscribers => Ok(Taken::NoMatchingSubscribers),
                Mood::Refuses => Err(LinkError::Refused { reason: "Not authorized".to_owned() }),
                Mood::LosesTheSession => Err(LinkError::SessionReset),
                Mood::SaysNothing => std::future::pending().await,
            }
        })
    }

    fn acknowledge(&self, receipt: Receipt) {
        // The test may be over.
        let _gone = self.acknowledged.send(receipt);
    }

    fn close(&self, _grace: Duration) -> Pending<'_, ()> {
        Box::pin(async {})
    }
}

impl Stage {
    /// A connection that is up, to a broker that grants everything.
    pub(super) async fn up() -> Self {
        let mut stage = Self::down();
        stage.connect().await;
        stage
    }

    /// A connection that is not up yet.
    pub(super) fn down() -> Self {
        let (published_sender, published) = mpsc::unbounded_channel();
        let (acknowledged_sender, acknowledged) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::channel(8);
        let subscribed = Arc::default();
        let (mood, grants) = (watch::Sender::new(Mood::Takes), watch::Sender::new(true));
        let puppet = Puppet {
            published: published_sender,
            subscribed: Arc::clone(&subscribed),
            mood: mood.subscribe(),
            grants: grants.subscribe(),
            acknowledged: acknowledged_sender,
        };
        let link = DeviceLink::over(Box::new(puppet), event_receiver, REPLY_SRC.to_owned());
        Self { link, published, subscribed, mood, grants, events, acknowledged, next_receipt: 0 }
    }

    pub(super) async fn connect(&mut self) {
        self.events.send(LinkEvent::Up { session_present: false }).await.unwrap();
        self.link.connection().wait_for(|connection| connection.up).await.unwrap();
    }

    pub(super) async fn break_connection(&mut self) {
        self.events
            .send(LinkEvent::Down { reason: "cut".to_owned(), is_refusal: false })
            .await
            .unwrap();
        self.link.connection().wait_for(|connection| !connection.up).await.unwrap();
    }

    pub(super) fn mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(super) fn grants(&self, grants: bool) {
        self.grants.send_replace(grants);
    }

    /// A device says something; returns when the link has heard it.
    pub(super) async fn say(&mut self, topic: &str, payload: &str) {
        self.deliver(topic, payload, false).await;
    }

    /// The broker hands out what it kept.
    pub(super) async fn say_retained(&mut self, topic: &str, payload: &str) {
        self.deliver(topic, payload, true).await;
    }

    async fn deliver(&mut self, topic: &str, payload: &str, retained: bool) {
        self.next_receipt += 1;
        let receipt = Receipt(self.next_receipt);
        let delivery = Delivery {
            receipt,
            topic: topic.to_owned(),
            payload: payload.to_owned().into(),
            qos: 1,
            retained,
            dup: false,
            properties: Properties::default(),
        };
        self.events.send(LinkEvent::Message(delivery)).await.unwrap();
        assert_eq!(self.acknowledged.recv().await, Some(receipt));
    }

    /// The next message to a device: topic and payload.
    pub(super) async fn published(&mut self) -> (String, String) {
        let publication = self.published.recv().await.unwrap();
        (publication.topic, String::from_utf8(publication.payload.to_vec()).unwrap())
    }

    /// Nothing has been sent to any device since the last look.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.published.try_recv().is_err()
    }

    /// Begins to carry out a command.
    pub(super) fn perform(&self, plan: &Arc<Plan>, request: Request) -> JoinHandle<Response> {
        self.sent_to(plan, request, Errand::Perform)
    }

    /// Begins to do something about a command.
    pub(super) fn sent_to(
        &self,
        plan: &Arc<Plan>,
        request: Request,
        errand: Errand,
    ) -> JoinHandle<Response> {
        self.link.watch(plan.filters());
        let (plan, link) = (Arc::clone(plan), self.link.clone());
        tokio::spawn(async move { perform(&plan, &link, &request, errand).await.response })
    }
}
