//! A broker, a bridge beside it, and a producer who counts what it sends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use openc2_bridge::language::Library;
use openc2_bridge::wire::{self, Encoding, Limits};
use serde_json::{Value as Json, json};

use super::bridge::Bridge;
use super::broker::{Broker, broker};
use super::client::Client;
use super::packet::{Properties, Publish, Value, id, property, user};
use super::soon;

/// The producer of [`letter`].
pub const PRODUCER: &str = "soar-1";

/// The statuses of the language (Language v1.1, section 3.3.2.1).
const STATUSES: [u64; 9] = [102, 200, 400, 401, 403, 404, 500, 501, 503];

/// Between two looks at a number that has to come.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Subscription options: `QoS` 1, Retain As Published.
const AS_PUBLISHED: u8 = 0x09;

/// A stage on which one story is told.
pub struct Scene {
    pub bridge: Bridge,
    /// What every topic begins with: `oc2`, or a word of its own on a broker of others.
    pub prefix: String,
    /// The one whom markers address.
    consumer: &'static str,
    producer: Client,
    /// Hears everything on the response topics.
    ears: Client,
    /// Messages published, each once for every consumer that it addresses.
    sent: u64,
    markers: u32,
    pub broker: Broker,
}

impl Scene {
    /// Starts everything; `None`, said aloud, where there is no broker.
    pub async fn open(
        test: &str,
        consumer: &'static str,
        bridge_toml: &str,
        topics_toml: &str,
    ) -> Option<Self> {
        let mut scene = Self::prepare(test, consumer, bridge_toml, topics_toml).await?;
        scene.bridge.run();
        Some(scene)
    }

    /// The same; the bridge is not started yet, so that programs can be put into its folder.
    pub async fn prepare(
        test: &str,
        consumer: &'static str,
        bridge_toml: &str,
        topics_toml: &str,
    ) -> Option<Self> {
        let broker = broker(test)?;
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        Some(Self::beside(broker, &url, consumer, bridge_toml, topics_toml).await)
    }

    /// The bridge finds its broker at `url`, where a proxy may stand.
    pub async fn beside(
        broker: Broker,
        url: &str,
        consumer: &'static str,
        bridge_toml: &str,
        topics_toml: &str,
    ) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let prefix = if broker.is_private() { "oc2".to_owned() } else { format!("oc2-{name}") };
        let topics_toml = format!("prefix = \"{prefix}\"\n{topics_toml}");
        let mut ears = Client::connect(broker.port(), &format!("Ears{name}")).await;
        ears.subscribe(&format!("{prefix}/rsp/#"), AS_PUBLISHED).await;
        Self {
            bridge: Bridge::prepare(url, bridge_toml, &topics_toml),
            prefix,
            consumer,
            producer: Client::connect(broker.port(), &format!("Producer{name}")).await,
            ears,
            sent: 0,
            markers: 0,
            broker,
        }
    }

    /// Publishes a command with the properties of the standard on `<prefix>/cmd/<to>`.
    pub async fn send(&mut self, to: &str, message: &Json) {
        self.send_to(1, to, message).await;
    }

    /// The same, where it addresses so many consumers.
    pub async fn send_to(&mut self, addressed: usize, to: &str, message: &Json) {
        self.post(addressed, to, well_formed(message)).await;
    }

    /// Publishes anything on `<prefix>/cmd/<to>`, where it addresses so many consumers.
    pub async fn post(&mut self, addressed: usize, to: &str, publish: Publish) {
        let topic = format!("{}/cmd/{to}", self.prefix);
        self.producer.post(Publish { topic, ..publish }).await;
        self.sent += addressed as u64;
    }

    /// Counts what somebody else has published.
    pub fn others_sent(&mut self, messages: u64) {
        self.sent += messages;
    }

    /// Leaves the response topics to others.
    pub async fn stop_listening(&mut self) {
        self.ears.unsubscribe(&format!("{}/rsp/#", self.prefix)).await;
    }

    /// The next response.
    pub async fn answer(&mut self) -> Answer {
        Answer::read(self.ears.message().await, &self.prefix)
    }

    /// The next response of this status to this command, and no other before it.
    pub async fn answered(&mut self, request_id: &str, status: u64) -> Answer {
        let answer = self.answer().await;
        assert_eq!(
            (answer.request_id(), answer.status()),
            (Some(request_id), status),
            "{answer:?}"
        );
        answer
    }

    /// What comes back before the answer to a command that is sent now: everything there
    /// is to come, of messages that no actuator works on.
    pub async fn until_marker(&mut self) -> Vec<Answer> {
        let marker = self.mark().await;
        self.until(marker).await
    }

    /// Sends a command whose answer comes after all that was answered before it.
    pub async fn mark(&mut self) -> Marker {
        self.markers += 1;
        let marker = Marker(format!("marker-{}", self.markers));
        let mut message = letter(&marker.0, &query_features(&json!([])));
        message["headers"]["from"] = json!("marker");
        self.send(&format!("device/{}", self.consumer), &message).await;
        marker
    }

    /// What comes back before the answer to that command.
    pub async fn until(&mut self, marker: Marker) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            let answer = self.answer().await;
            if answer.request_id() == Some(&marker.0) {
                assert_eq!((answer.status(), answer.topic()), (200, "rsp/marker"));
                return answers;
            }
            answers.push(answer);
        }
    }

    /// What comes back until nothing is in progress any more.
    pub async fn until_idle(&mut self) -> Vec<Answer> {
        // The first marker: all that was sent has come in, and may be in progress.
        let mut answers = self.until_marker().await;
        self.busy_with(0).await;
        answers.extend(self.until_marker().await);
        answers
    }

    /// Waits until so many commands are in progress.
    pub async fn busy_with(&self, commands: u64) {
        soon("so many in progress", async {
            let mut looks = tokio::time::interval(LOOK_AGAIN);
            while self.bridge.counters()["in_progress"] != commands {
                looks.tick().await;
            }
        })
        .await;
    }

    /// Waits until the bridge has taken in all that was sent; checks that its counters add
    /// up to exactly that, and returns them.
    pub async fn settled(&self) -> Json {
        self.busy_with(0).await;
        let counters = self.bridge.counters();
        let count = |name: &str| counters[name].as_u64().unwrap_or_else(|| panic!("{counters}"));
        let classes = ["answered", "silent", "refused", "repeated", "dropped", "in_progress"];
        let in_classes: u64 = classes.map(count).iter().sum();
        assert_eq!(count("received") + count("recovered"), in_classes, "{counters}");
        assert_eq!(count("received"), self.sent, "the producer has sent so many: {counters}");
        counters
    }

    /// Every entry of the journal, oldest first, without those of markers.
    pub fn journal(&self) -> Vec<Json> {
        let mut entries = self.lines(&["journal", "list", "--json", "--limit", "10000"]);
        entries.reverse();
        entries.retain(|entry| entry["producer"] != "marker");
        entries
    }

    /// All the journal has on a ticket.
    pub fn shown(&self, entry: &Json) -> Json {
        self.lines(&["journal", "show", "--json", &entry["ticket"].to_string()]).remove(0)
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Json> {
        let output = self.bridge.oc2(arguments);
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Markers sent so far.
    pub fn markers(&self) -> u64 {
        u64::from(self.markers)
    }
}

/// A command that is sent for the sake of its answer.
#[must_use]
pub struct Marker(String);

/// A response, taken from the wire.
#[derive(Debug)]
pub struct Answer {
    topic: String,
    payload: Vec<u8>,
    message: Json,
}

impl Answer {
    /// Reads a PUBLISH, and checks all that every response has in common.
    fn read(publish: Publish, prefix: &str) -> Self {
        let Publish { dup: _, qos, retain, topic, packet: _, properties, payload } = publish;
        assert_eq!((qos, retain), (1, false), "{topic}");
        let (format, encoding) = match Encoding::of(&payload) {
            Encoding::Json => (1, "json"),
            Encoding::Cbor => (0, "cbor"),
        };
        assert_eq!(property(&properties, id::PAYLOAD_FORMAT), Some(&Value::Byte(format)));
        let content_type = Value::Text("application/openc2".to_owned());
        assert_eq!(property(&properties, id::CONTENT_TYPE), Some(&content_type));
        assert_eq!(user(&properties, "msgType"), Some("rsp"));
        assert_eq!(user(&properties, "encoding"), Some(encoding));
        assert_eq!(property(&properties, id::RESPONSE_TOPIC), None);
        let message = wire::shown(&payload).expect("it is an OpenC2 message");
        let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
        let read = wire::read_any(&payload, limits, Library::built_in_once());
        let fault = read.err().map(|unreadable| unreadable.fault);
        assert_eq!(fault, None, "every response is valid by the schema of its version: {message}");
        let topic = topic.strip_prefix(prefix).and_then(|topic| topic.strip_prefix('/'));
        let answer = Self { topic: topic.expect("our prefix").to_owned(), payload, message };
        assert!(STATUSES.contains(&answer.status()), "{answer:?}");
        assert!(answer.message["headers"]["created"].is_u64(), "{answer:?}");
        assert!(answer.from().is_some(), "{answer:?}");
        answer
    }

    /// Without the prefix: `rsp`, `rsp/soar-1`.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn message(&self) -> &Json {
        &self.message
    }

    pub fn status(&self) -> u64 {
        let status = &self.message["body"]["openc2"]["response"]["status"];
        status.as_u64().unwrap_or_else(|| panic!("no status: {self:?}"))
    }

    pub fn text(&self) -> &str {
        let text = &self.message["body"]["openc2"]["response"]["status_text"];
        text.as_str().unwrap_or_default()
    }

    pub fn results(&self) -> &Json {
        &self.message["body"]["openc2"]["response"]["results"]
    }

    pub fn request_id(&self) -> Option<&str> {
        self.message["headers"]["request_id"].as_str()
    }

    /// The consumer.
    pub fn from(&self) -> Option<&str> {
        self.message["headers"]["from"].as_str()
    }
}

/// A command in its envelope, of [`PRODUCER`].
pub fn letter(request_id: &str, command: &Json) -> Json {
    json!({
        "headers": {"request_id": request_id, "from": PRODUCER},
        "body": {"openc2": {"request": command}},
    })
}

pub fn query_features(features: &Json) -> Json {
    json!({"action": "query", "target": {"features": features}})
}

/// The bytes of a message.
pub fn text(message: &Json) -> Vec<u8> {
    message.to_string().into_bytes()
}

/// The properties of a request (Transfer via MQTT v1.0, section 3.2).
pub fn request() -> Properties {
    declared("req", "json", 1)
}

/// Such properties, true or not.
pub fn declared(msg_type: &str, encoding: &str, payload_format: u8) -> Properties {
    let pair = |name: &str, value: &str| {
        (id::USER_PROPERTY, Value::Pair(name.to_owned(), value.to_owned()))
    };
    vec![
        (id::PAYLOAD_FORMAT, Value::Byte(payload_format)),
        (id::CONTENT_TYPE, Value::Text("application/openc2".to_owned())),
        pair("msgType", msg_type),
        pair("encoding", encoding),
    ]
}

/// A PUBLISH of a message, with the properties of a request; without a topic.
pub fn well_formed(message: &Json) -> Publish {
    Publish { payload: text(message), properties: request(), ..qos_1() }
}

/// A PUBLISH with `QoS` 1 to fill in.
pub fn qos_1() -> Publish {
    Publish { qos: 1, ..Publish::default() }
}
