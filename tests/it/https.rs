//! The HTTPS door, from foreign clients' side.

mod command_line;
mod described;
mod events;
mod exchange;
mod full;
mod head;
mod http;
mod relay;
mod resources;
mod route;
mod share;
mod stalled;
mod tls;
mod too_long;
mod withdraw;

use serde_json::Value as Json;

use crate::support::curl::{self, Reply, Waiting, has_curl};
use crate::support::papers::Papers;
use crate::support::probe;
use crate::support::scene::Scene;
use crate::support::tools;

/// What a message is in HTTP (Transfer via HTTPS v1.1, section 3.3.1).
const OPENC2: &str = "application/openc2+json;version=1.0";

/// A gateway with an actuator that does as it is told, and a lamp with one of its own.
fn topics() -> String {
    let consumers = "
[[consumer]]
id = \"gateway-1\"
actuators = [\"wall\"]

[[consumer]]
id = \"lamp-2\"
actuators = [\"lamp\"]
";
    let wall = probe::actuator("wall", "x-wall", "concurrency = 4\nqueue = 200");
    let lamp = probe::actuator("lamp", "x-lamp", "");
    [consumers, &wall, &lamp].concat()
}

/// A bridge with its HTTPS door, and the certificates of those who call.
struct Site {
    scene: Scene,
    papers: Papers,
}

impl Site {
    /// `further` stands in `[https]`.
    async fn open(test: &str, further: &str) -> Option<Self> {
        let mut site = Self::prepare(test, further).await?;
        let _nobody_waits = probe::install(&site.scene);
        site.scene.bridge.run();
        Some(site)
    }

    async fn prepare(test: &str, further: &str) -> Option<Self> {
        Self::prepare_with(test, further, &topics()).await
    }

    /// The same with other consumers, actuators and routes.
    async fn prepare_with(test: &str, further: &str, topics: &str) -> Option<Self> {
        if !has_curl(test) || !tools::has("openssl", test) {
            return None;
        }
        let papers = Papers::new();
        papers.signed("soar-1", "ca", "subjectAltName=URI:urn:example:soar-1", "30");
        papers.signed("soar-2", "ca", "subjectAltName=DNS:soar-2.example", "30");
        papers.signed("stranger", "ca", "subjectAltName=DNS:stranger.example", "30");
        papers.signed("outsider", "other-ca", "subjectAltName=URI:urn:example:soar-1", "30");
        let path = |name: &str| papers.path(name).display().to_string();
        let settings = format!(
            "[https]\nlisten = \"127.0.0.1:0\"\ncert-file = \"{}\"\nkey-file = \"{}\"\n\
             client-ca-file = \"{}\"\n{further}\n[https.identities]\n\
             \"URI:urn:example:soar-1\" = \"soar-1\"\n\"DNS:soar-2.example\" = \"soar-2\"\n",
            path("server.pem"),
            path("server.key"),
            path("ca.pem"),
        );
        let scene = Scene::prepare(test, "gateway-1", &settings, topics).await?;
        Some(Self { scene, papers })
    }

    /// Where commands are posted.
    fn url(&self) -> String {
        format!("https://localhost:{}/.well-known/openc2", port(&self.scene))
    }

    /// What curl needs to be this producer.
    fn as_producer(&self, name: &str) -> Vec<String> {
        let path = |name: String| self.papers.path(&name).display().to_string();
        ["--cacert", "ca.pem", "--cert", &format!("{name}.pem"), "--key", &format!("{name}.key")]
            .chunks(2)
            .flat_map(|pair| [pair[0].to_owned(), path(pair[1].to_owned())])
            .collect()
    }

    /// Begins to post a message, as soar-1 and as the standard wants it.
    fn post(&self, message: &Json) -> Waiting {
        self.post_as("soar-1", &message.to_string(), &[])
    }

    fn post_as(&self, producer: &str, body: &str, further: &[&str]) -> Waiting {
        let mut arguments = self.as_producer(producer);
        let content_type = format!("Content-Type: {OPENC2}");
        let accept = format!("Accept: {OPENC2}");
        let fixed = ["-H", &content_type, "-H", &accept, "--data-binary", body, &self.url()];
        arguments.extend(fixed.into_iter().chain(further.iter().copied()).map(str::to_owned));
        curl::begin(arguments)
    }
}

/// The port of the running bridge's door, from the last line that says so.
fn port(scene: &Scene) -> u16 {
    scene.bridge.log_line("openc2_bridge::https", "commands may be posted");
    let log = scene.bridge.log();
    let line = log.lines().rfind(|line| line.contains("commands may be posted")).expect("a line");
    let digits = line.rsplit(':').next().expect("an address ends in its port");
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Checks what every response with an OpenC2 message has in common.
fn assert_openc2(reply: &Reply, request_id: &str) {
    assert_eq!(reply.header("content-type"), Some(OPENC2), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-cache"), "{reply:?}");
    assert_eq!(reply.json()["headers"]["request_id"], request_id, "{reply:?}");
    let status = reply.response()["status"].as_u64().expect("a status");
    let expected = if status == 102 { 200 } else { status };
    assert_eq!(u64::from(reply.status), expected, "{reply:?}");
}
