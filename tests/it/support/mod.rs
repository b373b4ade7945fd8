//! The little language of the tests.
#![expect(dead_code, reason = "not every test file uses every word")]

pub mod bridge;
pub mod broker;
pub mod client;
pub mod curl;
pub mod double;
pub mod large_journal;
pub mod load;
pub mod memory_limit;
pub mod packet;
pub mod papers;
pub mod poster;
pub mod probe;
pub mod proxy;
pub mod random;
pub mod reliability;
pub mod scene;
pub mod small_disk;
pub mod tools;

use std::future::Future;
use std::time::Duration;

use openc2_bridge::mqtt::config::{BrokerUrl, KeepAlive, MaxInflight, MaximumPacketSize};
use openc2_bridge::mqtt::link::{
    Delivery, Link, LinkError, LinkEvent, LinkEvents, LinkSettings, Properties, Publication,
    Session, Subscription, Taken,
};

pub use broker::brokers;
pub use tools::skip;

/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for what must happen; panics with its name when it does not.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Settings of a kept session that reconnects quickly.
pub fn kept(port: u16, client_id: &str) -> LinkSettings {
    LinkSettings {
        purpose: "tests",
        url: url(port),
        tls: None,
        credentials: None,
        client_id: client_id.to_owned(),
        session: Session::Kept { expiry_secs: 600, is_known: false },
        subscriptions: Vec::new(),
        keep_alive: KeepAlive::try_from(60).unwrap(),
        receive_maximum: 16.try_into().unwrap(),
        maximum_packet_size: MaximumPacketSize::default(),
        max_inflight: MaxInflight::try_from(100).unwrap(),
        connect_timeout: Duration::from_secs(5),
        backoff: (Duration::from_millis(20), Duration::from_millis(100)),
        takeover_pause: Duration::from_secs(3),
    }
}

/// As [`kept`], and subscribed from the beginning.
pub fn subscribed(port: u16, client_id: &str, filters: &[&str]) -> LinkSettings {
    let subscriptions =
        filters.iter().map(|filter| Subscription::openc2((*filter).to_owned())).collect();
    LinkSettings { subscriptions, ..kept(port, client_id) }
}

/// A name that no other run uses, for brokers that keep sessions from one run to the next.
pub fn unique(name: &str) -> String {
    format!("{name}{}", std::process::id())
}

/// An unencrypted broker on this machine.
pub fn url(port: u16) -> BrokerUrl {
    format!("mqtt://127.0.0.1:{port}").parse().unwrap()
}

/// Waits for the link to be up; says whether the broker had kept the session.
pub async fn up(events: &mut LinkEvents) -> bool {
    soon("up", async {
        loop {
            match events.recv().await.expect("the link is open") {
                LinkEvent::Up { session_present } => return session_present,
                LinkEvent::Down { .. } | LinkEvent::Message(_) => {}
            }
        }
    })
    .await
}

/// Waits for the link to be down; says why.
pub async fn down(events: &mut LinkEvents) -> String {
    soon("down", async {
        loop {
            if let LinkEvent::Down { reason, .. } = events.recv().await.expect("the link is open") {
                return reason;
            }
        }
    })
    .await
}

/// The next message.
pub async fn message(events: &mut LinkEvents) -> Delivery {
    soon("a message", async {
        loop {
            match events.recv().await.expect("the link is open") {
                LinkEvent::Message(delivery) => return delivery,
                // Shown where a test fails.
                LinkEvent::Down { reason, .. } => eprintln!("down: {reason}"),
                LinkEvent::Up { .. } => {}
            }
        }
    })
    .await
}

/// A message to `oc2/rsp`.
pub fn publication(payload: &str) -> Publication {
    Publication {
        topic: "oc2/rsp".to_owned(),
        payload: payload.to_owned().into(),
        qos: 1,
        properties: Properties::default(),
    }
}

/// Publishes in the background, in the order of the calls.
pub async fn publish(
    link: &Link,
    payload: &str,
) -> tokio::task::JoinHandle<Result<Taken, LinkError>> {
    let sent = soon("handed over", link.send(publication(payload))).await.unwrap();
    tokio::spawn(sent.taken())
}

pub async fn outcome(
    publishing: tokio::task::JoinHandle<Result<Taken, LinkError>>,
) -> Result<Taken, LinkError> {
    soon("an outcome", publishing).await.unwrap()
}
