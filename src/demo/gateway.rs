//! The other half of the demo: a gateway. What is posted to it over HTTPS reaches the devices of
//! the house, which know nothing of HTTPS, by MQTT.
//!
//! It is a bridge of its own beside the one of the house, with its own files: it has no
//! consumers, only a door and a route. What is for a consumer of the bridge that it was posted
//! to never goes by a route, so one bridge alone would show nothing.

pub mod papers;
pub mod tour;

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use papers::Papers;

/// Who posts: the identity that the client's certificate stands for.
pub const PRODUCER: &str = "demo-soar";

/// Names of the server, for its certificate.
pub const SERVER: [&str; 2] = ["localhost", "127.0.0.1"];

/// The consumers of the house that commands are posted for.
pub const THREE: [&str; 3] = ["demo-plug", "demo-lamp", "demo-heater"];

/// Where commands are posted (Transfer via HTTPS v1.1, section 3.2.2).
pub const WELL_KNOWN: &str = "/.well-known/openc2";

/// What a message is in HTTP (section 3.3.1).
const CONTENT_TYPE: &str = "application/openc2+json;version=1.0";

/// The gateway as it is on MQTT.
const IDENTITY: &str = "demo-gateway";

/// The open door, and what one needs to come in.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificates.
    pub papers: Papers,
}

impl Door {
    /// `https://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

/// The gateway's bridge.toml: for this broker, with its door on this port of 127.0.0.1, its files
/// in this folder, and this much in its log.
#[must_use]
pub fn bridge_toml(
    broker_url: &str,
    port: u16,
    dir: &Path,
    papers: &Papers,
    log_level: &str,
) -> String {
    let (certificate, key) = papers.server();
    let [authority, certificate, key] = [papers.authority(), certificate, key];
    let [authority, certificate, key] = [authority.display(), certificate.display(), key.display()];
    let dir = dir.display();
    format!(
        r#"# How the gateway of the demo runs.

[mqtt]
url = "{broker_url}"
client-id-file = "{dir}/client-id"

[https]
listen = "127.0.0.1:{port}"
cert-file = "{certificate}"
key-file = "{key}"
client-ca-file = "{authority}"

[https.identities]
"DNS:{PRODUCER}" = "{PRODUCER}"

[journal]
dir = "{dir}/journal"

[log]
level = "{log_level}"
"#
    )
}

/// The gateway's topics.toml.
#[must_use]
pub fn topics_toml() -> String {
    format!(
        r#"# What the gateway of the demo is on MQTT: a producer, with no consumer of its own.

prefix = "oc2"
producer = "{IDENTITY}"

# What is posted for these goes on to them, and all of them are to answer.
[[route]]
match = {{ device = "demo-*" }}
via = "mqtt"
collect = "all"
wait = "10s"
queue = true
"#
    )
}

/// A message with this command for these consumers.
#[must_use]
pub fn message(request_id: &str, to: &[&str], command: &Value) -> Value {
    json!({
        "headers": { "request_id": request_id, "to": to },
        "body": { "openc2": { "request": command } },
    })
}

/// What a person can paste into a shell, each with what it shows.
#[must_use]
pub fn to_paste(program: &str, door: &Door) -> [(&'static str, String); 3] {
    let url = door.url();
    let (certificate, key) = door.papers.client();
    let [authority, certificate, key] =
        [door.papers.authority(), certificate, key].map(|path| quoted(&path.to_string_lossy()));
    let papers = format!("--cacert {authority} --cert {certificate} --key {key}");
    let switch = |request_id: &str, state: &str| {
        let command = json!({ "action": "set", "target": { "x-iot:switch": { "state": state } } });
        message(request_id, &THREE, &command)
    };
    let on = switch("3b0f2f6a-8c1e-4d53-9a57-6f0b9f1d2c01", "on");
    let off = switch("3b0f2f6a-8c1e-4d53-9a57-6f0b9f1d2c02", "off");
    let program = quoted(program);
    let [first, second, third] = THREE;
    [
        (
            "One POST, and one response with the answers of all three",
            format!(
                "curl {papers} \\\n  -H 'Content-Type: {CONTENT_TYPE}' \\\n  -d '{on}' \\\n  \
                 -w '\\n' {url}{WELL_KNOWN}"
            ),
        ),
        (
            "The same without waiting; and then what happens, as it happens",
            format!(
                "where=$(curl -sS {papers} \\\n  -H 'Content-Type: {CONTENT_TYPE}' -H 'Prefer: \
                 respond-async' \\\n  -d '{off}' \\\n  -D - -o /dev/null {url}{WELL_KNOWN} | tr -d \
                 '\\r' | sed -n 's/^location: //p')\n\
                 curl -N {papers} \\\n  \"{url}$where/events\""
            ),
        ),
        (
            "The same with oc2",
            format!(
                "{program} send query features profiles --device {first} --to {second} --to \
                 {third} \\\n  --url {url} --ca {authority} --cert {certificate} --key {key}"
            ),
        ),
    ]
}

/// A word for a shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (word, written) in [
            ("target/release/oc2", "target/release/oc2"),
            ("/tmp/my files/ca.crt", "'/tmp/my files/ca.crt'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}
