//! Simulated devices that speak what real ones speak.
//!
//! Each is a pure state machine, [`Device`]: messages in, messages out.
//! [`RunningDevice`] puts one on a broker, any broker.

mod shelly;
mod tasmota;
mod zigbee2mqtt;

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use shelly::ShellySwitch;
pub use tasmota::TasmotaPlug;
pub use zigbee2mqtt::ZigbeeLamp;

use crate::mqtt::link::Subscription;
use crate::mqtt::peer::{Peer, PeerError, PeerMessage, PeerOptions};

/// How long a device waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

/// A device: what it does with a message, without broker and clock.
pub trait Device: Send + Sync + 'static {
    /// Its MQTT Client Identifier.
    fn client_id(&self) -> String;

    /// Topic filters it subscribes to.
    fn filters(&self) -> Vec<String>;

    /// What it says when it comes on line.
    fn announce(&self) -> Vec<Publish>;

    /// What is said of it when it has gone.
    fn will(&self) -> Publish;

    /// Takes a message, and answers as the real one would.
    fn handle(&mut self, topic: &str, payload: &[u8]) -> Vec<Publish>;

    /// How it is, seen by somebody who stands before it.
    fn snapshot(&self) -> Snapshot;
}

/// A message that a device publishes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: String,
    /// RETAIN flag.
    pub retain: bool,
}

impl Publish {
    /// A message that is not kept.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), retain: false }
    }

    /// A message that the broker keeps for later subscribers.
    #[must_use]
    pub fn retained(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { retain: true, ..Self::new(topic, payload) }
    }
}

/// How a device is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Its state, in words of its own.
    pub state: Value,
    /// How many orders it has obeyed, also those that changed nothing.
    pub acts: u64,
}

/// A device on a broker. Dropping it is pulling its plug: the broker speaks its will.
#[derive(Debug)]
pub struct RunningDevice {
    snapshots: watch::Receiver<Snapshot>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningDevice {
    /// Connects it, and returns once it hears and has announced itself.
    pub async fn start(device: impl Device, url: &str) -> Result<Self, PeerError> {
        let (seen, snapshots) = watch::channel(device.snapshot());
        let stop = CancellationToken::new();
        let peer = come_on_line(&device, url).await?;
        let task = tokio::spawn(live(device, url.to_owned(), peer, seen, stop.clone()));
        Ok(Self { snapshots, stop, task })
    }

    /// How it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    /// How it is, now and after every order: for those who wait for a change.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.clone()
    }

    /// Switches it off properly: it says so and leaves.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // It ends by itself; a panic in it has been reported by the runtime.
        let _ended = (&mut self.task).await;
    }
}

impl Drop for RunningDevice {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn come_on_line(device: &impl Device, url: &str) -> Result<Peer, PeerError> {
    let options = PeerOptions {
        will: Some(message(device.will())),
        ..PeerOptions::new(url, device.client_id())
    };
    let peer = Peer::connect(options).await?;
    let subscriptions = device.filters().into_iter().map(|filter| Subscription {
        filter,
        qos: 1,
        no_local: false,
        retain_as_published: false,
        // An order that somebody left on the broker is old: not for us.
        retain_handling: 2,
    });
    peer.subscribe(subscriptions.collect()).await?;
    for publish in device.announce() {
        peer.publish(message(publish)).await?;
    }
    Ok(peer)
}

/// Serves orders until `stop`, and comes back whenever the connection is gone.
async fn live(
    mut device: impl Device,
    url: String,
    mut peer: Peer,
    seen: watch::Sender<Snapshot>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                // The broker may be gone already; then it has spoken the will.
                let _gone = peer.publish(message(device.will())).await;
                return peer.disconnect().await;
            }
            () = serve(&mut device, &mut peer, &seen) => {}
        }
        peer = tokio::select! {
            () = stop.cancelled() => return,
            peer = come_back(&device, &url) => peer,
        };
    }
}

/// Serves orders until the connection is gone.
async fn serve(device: &mut impl Device, peer: &mut Peer, seen: &watch::Sender<Snapshot>) {
    while let Some(order) = peer.receive().await {
        let answers = device.handle(&order.topic, &order.payload);
        // First the deed, then the word: who has the answer can rely on the state.
        seen.send_replace(device.snapshot());
        for answer in answers {
            if let Err(error) = peer.publish(message(answer)).await {
                tracing::debug!(device = device.client_id(), %error, "an answer was lost");
            }
        }
    }
}

async fn come_back(device: &impl Device, url: &str) -> Peer {
    loop {
        sleep(RECONNECT_AFTER).await;
        match come_on_line(device, url).await {
            Ok(peer) => return peer,
            Err(error) => {
                tracing::debug!(device = device.client_id(), %error, "still off line");
            }
        }
    }
}

fn message(publish: Publish) -> PeerMessage {
    PeerMessage { retain: publish.retain, ..PeerMessage::new(publish.topic, publish.payload) }
}

/// `ON` or `OFF`, as most devices write it.
fn on_off(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

#[cfg(all(test, feature = "embedded-broker"))]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use tokio::time::timeout;

    use super::{RunningDevice, ShellySwitch, Snapshot, TasmotaPlug};
    use crate::demo::broker::EmbeddedBroker;
    use crate::mqtt::link::Subscription;
    use crate::mqtt::peer::{Peer, PeerMessage, PeerOptions};

    /// Far more than anything here takes.
    const DEADLINE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_device_has_acted_when_its_answer_arrives() {
        let broker = EmbeddedBroker::start(0).await.unwrap();
        let switch =
            RunningDevice::start(ShellySwitch::new("shelly"), &broker.url()).await.unwrap();
        let mut person = person(&broker.url(), &["me/rpc"]).await;

        let order = r#"{"id":1,"src":"me","method":"Switch.Set","params":{"id":0,"on":true}}"#;
        person.publish(PeerMessage::new("shelly/rpc", order)).await.unwrap();

        let answer = next(&mut person).await;
        assert_eq!(switch.snapshot(), Snapshot { state: json!({ "output": true }), acts: 1 });
        assert_eq!(
            answer.payload,
            r#"{"id":1,"src":"shelly","dst":"me","result":{"was_on":false}}"#
        );
    }

    #[tokio::test]
    async fn a_device_comes_back_when_the_broker_does() {
        let broker = EmbeddedBroker::start(0).await.unwrap();
        let (url, port) = (broker.url(), broker.port());
        let plug = RunningDevice::start(TasmotaPlug::new("desk", 1), &url).await.unwrap();
        broker.stop().await;
        let _broker = EmbeddedBroker::start(port).await.unwrap();

        let mut person = person(&url, &["tele/desk/LWT", "stat/desk/POWER"]).await;
        assert_eq!(next(&mut person).await.payload, "Online");
        person.publish(PeerMessage::new("cmnd/desk/POWER", "ON")).await.unwrap();

        assert_eq!(next(&mut person).await.payload, "ON");
        assert_eq!(plug.snapshot().state, json!({ "POWER": "ON" }));
    }

    #[tokio::test]
    async fn everybody_learns_when_a_device_is_gone_whichever_way_it_goes() {
        let broker = EmbeddedBroker::start(0).await.unwrap();
        let mut person = person(&broker.url(), &["tele/+/LWT"]).await;

        let plug = RunningDevice::start(TasmotaPlug::new("one", 1), &broker.url()).await.unwrap();
        assert_eq!(next(&mut person).await, PeerMessage::new("tele/one/LWT", "Online"));
        plug.stop().await;
        assert_eq!(next(&mut person).await, PeerMessage::new("tele/one/LWT", "Offline"));

        let plug = RunningDevice::start(TasmotaPlug::new("two", 1), &broker.url()).await.unwrap();
        assert_eq!(next(&mut person).await, PeerMessage::new("tele/two/LWT", "Online"));
        drop(plug);
        assert_eq!(next(&mut person).await, PeerMessage::new("tele/two/LWT", "Offline"));
    }

    async fn person(url: &str, filters: &[&str]) -> Peer {
        let peer = Peer::connect(PeerOptions::new(url, "person")).await.unwrap();
        let subscriptions = filters.iter().map(|filter| Subscription {
            filter: (*filter).to_owned(),
            qos: 1,
            no_local: false,
            retain_as_published: false,
            retain_handling: 0,
        });
        peer.subscribe(subscriptions.collect()).await.unwrap();
        peer
    }

    async fn next(peer: &mut Peer) -> PeerMessage {
        timeout(DEADLINE, peer.receive())
            .await
            .expect("nothing came")
            .expect("the connection is gone")
    }
}
