//! What a broker grants and refuses, found out by trying.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::client_id::random_client_id;
use super::config::MqttConfig;
use super::door::CommandTopics;
use super::link::{Link, LinkEvent, LinkEvents, LinkSettings, Publication, Subscription, Taken};
use super::openc2_properties;
use super::topics::{self, TopicLevel};
use crate::format::duration;
use crate::wire::Kind;

/// The producer that is nobody, whose response topic is published to.
const NOBODY: &str = "oc2-check";

/// Something that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it went, either way in a few words.
    pub verdict: Result<String, String>,
}

impl Finding {
    fn new(what: impl Into<String>, verdict: Result<impl Into<String>, String>) -> Self {
        Self { what: what.into(), verdict: verdict.map(Into::into) }
    }
}

/// Connects with these settings, and tries what the bridge will do.
///
/// Under a Client Identifier of its own, so that a bridge that runs is not
/// thrown out; what the broker grants may depend on that identifier. Each
/// trial waits at most `patience`.
pub async fn probe(
    config: &MqttConfig,
    commands: &CommandTopics,
    patience: Duration,
) -> Vec<Finding> {
    let opened = random_client_id().map_err(|error| error.to_string()).and_then(|client_id| {
        LinkSettings::clean(config, client_id).map_err(|error| error.to_string())
    });
    let settings = match opened {
        Ok(settings) => settings,
        Err(error) => return vec![Finding::new("settings", Err::<String, _>(error))],
    };
    let (link, mut events) = Link::open(settings);
    let connected = timeout(patience, connected(&mut events)).await;
    let connected = connected.unwrap_or_else(|_| Err(format!("no answer in {patience:?}")));
    let mut findings = vec![Finding::new(format!("connect to {}", config.url), connected.clone())];
    if connected.is_ok() {
        // Whoever does not read holds the connection up.
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        findings.push(Finding::new("encryption", Ok(encryption(config))));
        findings.push(Finding::new(
            "session",
            Ok(format!("kept for {} after a disconnect", duration::format(config.session_expiry))),
        ));
        for filter in commands.filters() {
            let subscription = Subscription::openc2(filter.clone());
            let granted = timeout(patience, link.subscribe(vec![subscription])).await;
            let verdict = match granted {
                Ok(Ok(())) => Ok("granted, QoS 1 or more"),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no SUBACK in {patience:?}")),
            };
            findings.push(Finding::new(format!("subscribe to {filter}"), verdict));
        }
        let nobody = TopicLevel::try_from(NOBODY.to_owned()).expect("it is one level");
        for topic in
            [topics::rsp(&commands.prefix, Some(&nobody)), topics::rsp(&commands.prefix, None)]
        {
            let verdict = publish(&link, topic.clone(), patience).await;
            findings.push(Finding::new(format!("publish on {topic}"), verdict));
        }
    }
    link.close(patience).await;
    findings
}

async fn connected(events: &mut LinkEvents) -> Result<String, String> {
    match events.recv().await {
        Some(LinkEvent::Up { .. }) => Ok("accepted".to_owned()),
        Some(LinkEvent::Down { reason }) => Err(reason),
        Some(LinkEvent::Message(_)) | None => Err("the connection was closed".to_owned()),
    }
}

fn encryption(config: &MqttConfig) -> &'static str {
    match (config.url.is_tls(), config.cert_file.is_some()) {
        (false, _) => "none: for tests only",
        (true, false) => "TLS, the broker's certificate is valid",
        (true, true) => "TLS, the broker's certificate is valid, ours was shown",
    }
}

/// A notification that says nothing, to see whether it may be published.
async fn publish(link: &Link, topic: String, patience: Duration) -> Result<String, String> {
    let publication = Publication {
        topic,
        payload: Bytes::from_static(
            br#"{"headers":{"from":"oc2-check"},"body":{"openc2":{"notification":{"x-oc2":{"check":true}}}}}"#,
        ),
        qos: 1,
        properties: openc2_properties(Kind::Notification),
    };
    match timeout(patience, link.publish(publication)).await {
        Ok(Ok(Taken::Delivered)) => Ok("taken".to_owned()),
        Ok(Ok(Taken::NoMatchingSubscribers)) => Ok("taken; nobody listens there now".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no PUBACK in {patience:?}")),
    }
}
