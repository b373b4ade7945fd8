//! The sample files of the checkout, as they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Said, Started, checkout, make_certs, oc2, within};
use crate::support::broker::{self, Broker};
use crate::support::{skip, tools};

/// The bridge on the two sample files, unchanged; only the broker and the folder of the journal,
/// which would be in the checkout, are said otherwise.
struct Sample {
    bridge: std::process::Child,
    broker: Broker,
    folder: TempDir,
}

impl Sample {
    fn start(test: &str) -> Option<Self> {
        let broker = broker::private_broker(test, "allow_anonymous true\n")?;
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let bridge = oc2()
            .args(["run", "--config", "bridge.toml", "--topics", "topics.toml"])
            .arg("--broker")
            .arg(format!("mqtt://127.0.0.1:{}", broker.port()))
            .arg("--journal-dir")
            .arg(folder.path().join("journal"))
            .current_dir(checkout(""))
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let sample = Self { bridge, broker, folder };
        within("the bridge is ready", move || {
            while !fs::read_to_string(&log).unwrap().contains("ready: ") {
                std::thread::yield_now();
            }
        });
        Some(sample)
    }

    fn oc2(&self, words: &[&str]) -> Said {
        let url = format!("mqtt://127.0.0.1:{}", self.broker.port());
        let mut command = oc2();
        command
            .args(words)
            .current_dir(checkout(""))
            .envs([("OC2_BROKER", &url), ("OC2_MQTT_URL", &url)])
            .env("OC2_JOURNAL_DIR", self.folder.path().join("journal"))
            .env("XDG_STATE_HOME", self.folder.path());
        Started::new(command).ended()
    }

    /// A foreign program: `PORT` in its arguments is the broker's.
    fn foreign(&self, program: &str, arguments: &[&str]) -> Said {
        let port = self.broker.port().to_string();
        let mut command = Command::new(program);
        command.args(arguments.iter().map(|it| it.replace("PORT", &port)));
        Started::new(command).ended()
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.bridge.kill();
        let _reaped = self.bridge.wait();
    }
}

fn status_of(response: &str) -> Value {
    let message: Value =
        serde_json::from_str(response).unwrap_or_else(|e| panic!("{e}: {response}"));
    message["body"]["openc2"]["response"]["status"].clone()
}

/// What the comments in topics.toml tell people to send.
#[test]
fn the_commands_in_the_samples_comments_work() {
    let test = "the_commands_in_the_samples_comments_work";
    let Some(sample) = Sample::start(test) else { return };
    let sample_file = fs::read_to_string(checkout("topics.toml")).unwrap();
    let shown: Vec<_> =
        sample_file.lines().filter_map(|line| line.strip_prefix("#     oc2 ")).collect();
    assert_eq!(shown.len(), 3, "one for each actuator");
    for line in shown {
        let words = format!("{line} --expect 1");
        let words = shell_words(&words);
        let said = sample.oc2(&words);
        // The plug is not there: that is what it must say.
        let code = i32::from(line.contains("x-iot"));
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        let told = if code == 0 { "200" } else { "503" };
        assert!(said.out.contains(told), "{line}: {said:?}");
    }
    let pairs = sample.oc2(&["query", "pairs", "--device=gateway-1", "--json"]).json();
    let set = &pairs[0]["results"]["pairs"]["set"];
    assert_eq!(*set, json!(["x-iot:switch"]), "the plug is no dimmer");
}

/// And the README, in its order.
#[test]
fn the_commands_of_the_readme_work() {
    let test = "the_commands_of_the_readme_work";
    let Some(sample) = Sample::start(test) else { return };
    let readme = fs::read_to_string(checkout("README.md")).unwrap();
    let shown = readme.lines().filter_map(|line| line.strip_prefix("$ oc2 "));
    let mut tried = 0;
    for line in shown.filter(|line| !line.starts_with("run ")) {
        let said = sample.oc2(&shell_words(line));
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        tried += 1;
    }
    assert!(tried >= 4, "only {tried}");
}

/// As a shell does it where single quotes are the only quotes.
fn shell_words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

const QUERY: &str = r#"{"headers":{"request_id":"REQUEST","from":"ann"},
"body":{"openc2":{"request":{"action":"query","target":{"features":["versions"]}}}}}"#;

#[test]
fn clients_that_are_not_ours_are_answered() {
    let test = "clients_that_are_not_ours_are_answered";
    let Some(sample) = Sample::start(test) else { return };
    let topic = "oc2/cmd/device/gateway-1";

    let command = QUERY.replace("REQUEST", "rr");
    #[rustfmt::skip]
    let said = sample.foreign("mosquitto_rr", &[
        "-p", "PORT", "-V", "5", "-q", "1", "-t", topic, "-e", "oc2/rsp/ann", "-m", &command, "-W", "10",
    ]);
    assert_eq!(status_of(&said.out), 200, "{said:?}");

    // MQTT 3.1.1, which knows no properties; its response is in the journal.
    let command = QUERY.replace("REQUEST", "pub");
    #[rustfmt::skip]
    let said = sample.foreign("mosquitto_pub", &[
        "-p", "PORT", "-V", "311", "-q", "1", "-t", topic, "-m", &command,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // What comes after it in the same session is answered after it.
    assert_eq!(sample.oc2(&["query", "versions", "--device=gateway-1"]).code, Some(0));
    let shown = sample.oc2(&["journal", "show", "pub", "--json"]).json();
    assert_eq!(shown[0]["status"], 200, "{shown:?}");
}

/// A producer of its own, with the properties and options that the transfer specification wants.
const PAHO: &str = r#"
import json, sys
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho", protocol=mqtt.MQTTv5)

def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("oc2/rsp/paho", options=SubscribeOptions(qos=1, noLocal=True))

def on_subscribe(client, userdata, mid, reasons, properties):
    for action, target in (("query", {"properties": ["uptime"]}), ("deny", {"domain_name": "a.example"})):
        properties = Properties(PacketTypes.PUBLISH)
        properties.PayloadFormatIndicator = 1
        properties.ContentType = "application/openc2"
        properties.UserProperty = [("msgType", "req"), ("encoding", "json")]
        message = {
            "headers": {"request_id": action, "from": "paho"},
            "body": {"openc2": {"request": {"action": action, "target": target}}},
        }
        client.publish("oc2/cmd/device/gateway-1", json.dumps(message), qos=1, properties=properties)

responses = []
def on_message(client, userdata, message):
    responses.append(json.loads(message.payload))
    properties = dict(message.properties.UserProperty)
    assert properties == {"msgType": "rsp", "encoding": "json"}, properties
    if len(responses) == 2:
        client.disconnect()

client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()
for response in responses:
    print(json.dumps(response))
"#;

#[test]
fn a_producer_written_with_paho_is_answered() {
    let test = "a_producer_written_with_paho_is_answered";
    let python = std::env::var("OC2_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_paho = Command::new(&python).args(["-c", "import paho.mqtt.subscribeoptions"]).output();
    if !has_paho.is_ok_and(|said| said.status.success()) {
        return skip(test, "no paho-mqtt");
    }
    let Some(sample) = Sample::start(test) else { return };
    let said = sample.foreign(&python, &["-c", PAHO, "PORT"]);
    let responses: Vec<_> = said.out.lines().collect();
    assert_eq!(responses.len(), 2, "{said:?}");
    for response in responses {
        assert_eq!(status_of(response), 200, "{said:?}");
    }
}

/// Every file of the project with a block that begins with the name of one of the two files.
#[test]
fn every_configuration_that_is_shown_is_in_order() {
    if !tools::has("openssl", "every_configuration_that_is_shown_is_in_order") {
        return;
    }
    // Programs that examples speak of, where an installation would have them.
    let installed = tempfile::tempdir().unwrap();
    let mut files = vec![checkout("README.md")];
    files.extend(fs::read_dir(checkout("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut checked = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(file).unwrap();
        for (number, block) in text.split("```toml\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap();
            let (bridge, topics) = match block.lines().next().unwrap_or_default() {
                "# bridge.toml" => (block, "[[consumer]]\nid = \"c\"\n"),
                "# topics.toml" => ("", block),
                _ => continue,
            };
            let said = check_shown(installed.path(), bridge, topics);
            assert_eq!(said.code, Some(0), "block {} of {}: {said:?}", number + 1, file.display());
            checked += 1;
        }
    }
    assert!(checked >= 4, "only {checked}");
    let mut samples = oc2();
    samples.arg("check").current_dir(checkout(""));
    let said = Started::new(samples).ended();
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn check_shown(installed: &Path, bridge_toml: &str, topics_toml: &str) -> Said {
    const PROGRAMS: &str = "/usr/local/lib/oc2/";
    for program in topics_toml.split(PROGRAMS).skip(1) {
        let name = program.split('"').next().unwrap();
        let mut install = Command::new("install");
        install.args(["-m", "755", "/bin/true"]).arg(installed.join(name));
        assert!(install.status().unwrap().success());
    }
    let folder = tempfile::tempdir().unwrap();
    // What it calls its papers is what the script calls them.
    if bridge_toml.contains("\"certs/") {
        assert!(make_certs(&folder.path().join("certs")), "broker/certs.sh makes no certificates");
    }
    let programs = format!("{}/", installed.display());
    fs::write(folder.path().join("bridge.toml"), bridge_toml).unwrap();
    fs::write(folder.path().join("topics.toml"), topics_toml.replace(PROGRAMS, &programs)).unwrap();
    let mut command = oc2();
    command.arg("check").current_dir(folder.path());
    Started::new(command).ended()
}
