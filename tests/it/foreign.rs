//! Producers that are not ours: paho-mqtt for Python, and the clients of mosquitto.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value as Json, json};

use crate::support::scene::{PRODUCER, Scene, letter, query_features};
use crate::support::skip;

const TOPICS: &str = r#"
[[consumer]]
id = "gateway-1"
actuators = ["eye"]

[actuator.eye]
kind = "log"
profile = "x-probe"
"#;

/// Longest wait of a client, in seconds.
const WAIT: &str = "10";

async fn scene(test: &str) -> Option<Scene> {
    Scene::open(test, "gateway-1", "", TOPICS).await
}

/// What [`TOPICS`] answer to `query features profiles`.
fn assert_answers(message: &Json, request_id: &str) {
    assert_eq!(message["headers"]["request_id"], request_id);
    assert_eq!(message["headers"]["from"], "gateway-1");
    let response = &message["body"]["openc2"]["response"];
    assert_eq!(*response, json!({"status": 200, "results": {"profiles": ["x-probe"]}}));
}

/// The interpreter with paho-mqtt, if there is one.
fn python(test: &str) -> Option<PathBuf> {
    let Some(python) = std::env::var_os("OC2_TEST_PYTHON").map(PathBuf::from) else {
        skip(test, "OC2_TEST_PYTHON is not set");
        return None;
    };
    let has_paho = Command::new(&python)
        .args(["-c", "import paho.mqtt.client"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_paho {
        skip(test, &format!("{} has no paho-mqtt", python.display()));
        return None;
    }
    Some(python)
}

/// MQTT-3.2-1, MQTT-3.2-3, MQTT-3.2-4, MQTT-3.2-5, MQTT-3.2-6, L11-3.2-3.
#[tokio::test]
async fn paho_is_answered_over_both_versions_of_mqtt_and_with_qos_1_and_2() {
    let test = "paho_is_answered_over_both_versions_of_mqtt_and_with_qos_1_and_2";
    let Some(python) = python(test) else { return };
    let Some(mut scene) = scene(test).await else { return };

    let cases = [("5", "1"), ("5", "2"), ("311", "1"), ("311", "2"), ("311", "0")];
    for (version, qos) in cases {
        let id = format!("paho-{version}-{qos}");
        let message = letter(&id, &query_features(&json!(["profiles"])));
        let output = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/producer.py"))
            .args([&scene.broker.port().to_string(), &scene.prefix, "device/gateway-1"])
            .args([version, qos, &message.to_string()])
            .output()
            .unwrap();
        scene.others_sent(1);
        let heard: Json = only_line(&output);
        assert_answers(&heard["message"], &id);
        assert_eq!(heard["topic"], format!("{}/rsp/{PRODUCER}", scene.prefix));
        assert_eq!((&heard["qos"], &heard["retain"]), (&json!(1), &json!(false)));
        let properties = match version {
            "5" => json!({
                "PayloadFormatIndicator": 1,
                "ContentType": "application/openc2",
                "UserProperty": [["msgType", "rsp"], ["encoding", "json"]],
            }),
            _ => json!({}),
        };
        assert_eq!(heard["properties"], properties, "{id}");
    }
    let counters = scene.settled().await;
    assert_eq!(counters["answered"], cases.len(), "{counters}");
    assert_eq!(counters["without_properties"], 3, "{counters}");
}

/// Nothing but what Debian has: a command in a file, one line in a shell.
///
/// MQTT-3.2-10: the client asks for the response on a topic of its own choice in the
/// Response Topic property; it is answered where the standard says, which it listens to.
#[tokio::test]
async fn mosquitto_rr_is_answered() {
    let test = "mosquitto_rr_is_answered";
    let Some(mut scene) = scene(test).await else { return };
    let response_topic = format!("{}/rsp/{PRODUCER}", scene.prefix);
    let cases: [(&str, &str, &[&str]); 3] = [
        ("rr-properties", "5", &REQUEST_PROPERTIES),
        ("rr-bare", "5", &[]),
        ("rr-3.1.1", "311", &[]),
    ];
    for (id, version, properties) in cases {
        let message = letter(id, &query_features(&json!(["profiles"])));
        let Some(mut client) = mosquitto(test, "mosquitto_rr", &scene) else { return };
        let output = client
            .args(["-V", version, "-q", "1", "-W", WAIT, "-e", &response_topic])
            .args(["-t", &command_topic(&scene), "-m", &message.to_string()])
            .args(properties)
            .output()
            .unwrap();
        scene.others_sent(1);
        assert_answers(&only_line(&output), id);
    }
    let counters = scene.settled().await;
    assert_eq!(counters["answered"], cases.len(), "{counters}");
    // MQTT 5 has told the bridge of the Response Topic, and MQTT 3.1.1 has not.
    assert_eq!(counters["tolerated"], 2, "{counters}");
    assert_eq!(counters["without_properties"], 2, "{counters}");
}

/// MQTT-3.3-2: who listens to `oc2/rsp` alone hears the response all the same.
#[tokio::test]
async fn what_mosquitto_pub_sends_is_answered_where_mosquitto_sub_listens() {
    let test = "what_mosquitto_pub_sends_is_answered_where_mosquitto_sub_listens";
    let Some(mut scene) = scene(test).await else { return };
    // Nobody but them: then the producer's own topic has no listener.
    scene.stop_listening().await;
    for (version, qos) in [("5", "1"), ("5", "2"), ("311", "1"), ("311", "0")] {
        let id = format!("pub-{version}-{qos}");
        let topic = format!("{}/rsp", scene.prefix);
        let Some(client) = mosquitto(test, "mosquitto_sub", &scene) else { return };
        let mut listener = line_by_line(&client);
        listener.args(["-V", version, "-q", "1", "-W", WAIT, "-C", "1", "-d", "-t", &topic]);
        let mut listener = Listening::start(listener);

        let message = letter(&id, &query_features(&json!(["profiles"])));
        let Some(mut client) = mosquitto(test, "mosquitto_pub", &scene) else { return };
        let sent = client
            .args(["-V", version, "-q", qos, "-t", &command_topic(&scene)])
            .args(["-m", &message.to_string()])
            .args(if version == "5" { &REQUEST_PROPERTIES[..] } else { &[] })
            .output()
            .unwrap();
        assert!(sent.status.success(), "{sent:?}");
        scene.others_sent(1);
        assert_answers(&listener.message(), &id);
    }
    assert_eq!(scene.settled().await["answered"], 4);
    // None got lost on the producer's own topic, where nobody was.
    assert_eq!(scene.bridge.status()["mqtt"]["unheard"], 0);
}

/// What Transfer via MQTT v1.0, section 3.2, wants beside the payload.
const REQUEST_PROPERTIES: [&str; 18] = [
    "-D",
    "publish",
    "payload-format-indicator",
    "1",
    "-D",
    "publish",
    "content-type",
    "application/openc2",
    "-D",
    "publish",
    "user-property",
    "msgType",
    "req",
    "-D",
    "publish",
    "user-property",
    "encoding",
    "json",
];

fn command_topic(scene: &Scene) -> String {
    format!("{}/cmd/device/gateway-1", scene.prefix)
}

/// One of Debian's mosquitto-clients, told where the broker is.
fn mosquitto(test: &str, program: &str, scene: &Scene) -> Option<Command> {
    let is_there = Command::new(program)
        .arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !is_there {
        skip(test, &format!("no {program}"));
        return None;
    }
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &scene.broker.port().to_string()]);
    Some(command)
}

/// The same, and each line it prints comes at once: it gathers them before a pipe.
fn line_by_line(command: &Command) -> Command {
    let mut prefixed = Command::new("stdbuf");
    prefixed.arg("--output=L").arg(command.get_program()).args(command.get_args());
    prefixed
}

/// The JSON that a client has printed.
fn only_line(output: &Output) -> Json {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A `mosquitto_sub` that has its subscription.
struct Listening {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Listening {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("Subscribed") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "never subscribed");
        }
        Self { child, output }
    }

    /// The message it has waited for; then it ends.
    fn message(&mut self) -> Json {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success(), "nothing came: {text}");
        let line = text.lines().find(|line| line.starts_with('{')).expect("a message");
        serde_json::from_str(line).unwrap()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
