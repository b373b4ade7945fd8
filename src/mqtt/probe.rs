//! What a broker grants and refuses, found out by trying.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::client_id::random_client_id;
use super::config::MqttConfig;
use super::door::CommandTopics;
use super::link::{Link, LinkEvent, LinkSettings, Publication, Session, Subscription, Taken};
use super::openc2_properties;
use super::topics::{self, TopicLevel};
use crate::format::duration;
use crate::wire::{Encoding, Kind};

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
/// thrown out; what the broker grants may depend on that identifier. It connects
/// twice, to see whether its session is kept meanwhile, and ends that session
/// afterwards. Each trial waits at most `patience`.
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
    // As the bridge will connect, so that the broker says what it makes of that.
    let kept = LinkSettings { session: Session::kept(config, false), ..settings.clone() };
    let accepted = Connected::open(kept.clone(), patience).await;
    let verdict = accepted.as_ref().map(|_| "accepted").map_err(Clone::clone);
    let mut findings = vec![Finding::new(format!("connect to {}", config.url), verdict)];
    let Ok(first) = accepted else { return findings };
    findings.push(Finding::new("encryption", Ok(encryption(config))));
    first.link.close(patience).await;
    match Connected::open(kept, patience).await {
        Ok(again) => {
            findings.push(Finding::new("session", session(config, &again)));
            findings.extend(rights(&again.link, commands, patience).await);
            again.link.close(patience).await;
        }
        Err(error) => findings.push(Finding::new("session", Err::<String, _>(error))),
    }
    // A clean start ends the session. Where it does not come about, the broker ends it in time.
    if let Ok(last) = Connected::open(settings, patience).await {
        last.link.close(patience).await;
    }
    findings
}

/// A connection to try things on.
struct Connected {
    link: Link,
    session_present: bool,
}

impl Connected {
    async fn open(settings: LinkSettings, patience: Duration) -> Result<Self, String> {
        let (link, mut events) = Link::open(settings);
        let event = timeout(patience, events.recv()).await;
        let failure = match event {
            Ok(Some(LinkEvent::Up { session_present })) => {
                // Whoever does not read holds the connection up.
                tokio::spawn(async move { while events.recv().await.is_some() {} });
                return Ok(Self { link, session_present });
            }
            Ok(Some(LinkEvent::Down { reason, .. })) => reason,
            Ok(Some(LinkEvent::Message(_)) | None) => "the connection was closed".to_owned(),
            Err(_) => format!("no answer in {patience:?}"),
        };
        link.close(patience).await;
        Err(failure)
    }
}

/// What has become of the session of the connection before this one.
fn session(config: &MqttConfig, again: &Connected) -> Result<String, String> {
    let asked = config.session_expiry;
    let granted = again.link.session_expiry().unwrap_or(asked);
    if asked.is_zero() {
        return Ok("not kept, as session-expiry says".to_owned());
    }
    if !again.session_present {
        return Err("the broker had not kept it over a disconnect".to_owned());
    }
    if granted < asked {
        let (granted, asked) = (duration::format(granted), duration::format(asked));
        return Err(format!("kept for {granted} after a disconnect, and not for {asked}"));
    }
    Ok(format!("kept for {} after a disconnect", duration::format(granted)))
}

/// What may be subscribed to and published.
async fn rights(link: &Link, commands: &CommandTopics, patience: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    for filter in commands.filters() {
        let subscription = Subscription::openc2(filter.clone());
        let verdict = match timeout(patience, link.subscribe_and_tell(vec![subscription])).await {
            // One was asked for.
            Ok(Ok(granted)) => Ok(format!("granted, QoS {}", granted[0])),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no SUBACK in {patience:?}")),
        };
        findings.push(Finding::new(format!("subscribe to {filter}"), verdict));
    }
    let nobody = TopicLevel::try_from(NOBODY.to_owned()).expect("it is one level");
    for topic in [topics::rsp(&commands.prefix, Some(&nobody)), topics::rsp(&commands.prefix, None)]
    {
        let verdict = publish(link, topic.clone(), patience).await;
        findings.push(Finding::new(format!("publish on {topic}"), verdict));
    }
    findings
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
        properties: openc2_properties(Kind::Notification, Encoding::Json),
    };
    match timeout(patience, link.publish(publication)).await {
        Ok(Ok(Taken::Delivered)) => Ok("taken".to_owned()),
        Ok(Ok(Taken::NoMatchingSubscribers)) => Ok("taken; nobody listens there now".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no PUBACK in {patience:?}")),
    }
}
