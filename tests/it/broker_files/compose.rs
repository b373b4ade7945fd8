//! What docker-compose.yml runs, without containers: its script, its broker, its bridge, and the
//! commands that it tells people to type.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{Broker, free_port, said, until};
use crate::source;
use crate::support::bridge::Bridge;
use crate::support::tools::{self, command, skip};

/// A checkout with nothing in it but broker/, and what the script has made of it.
struct Checkout {
    folder: TempDir,
    mqtt: u16,
    /// For the health check.
    plain: u16,
}

impl Checkout {
    fn make(test: &str) -> Option<Self> {
        for tool in ["mosquitto", "mosquitto_pub", "openssl"] {
            if !tools::has(tool, test) {
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        if fs::metadata(folder.path()).unwrap().uid() != 0 {
            skip(test, "giving keys away is for root");
            return None;
        }
        let copied = Command::new("cp")
            .args(["-R", "--", &source::root().join("broker").display().to_string()])
            .arg(folder.path())
            .status();
        assert!(copied.unwrap().success());
        for name in ["for-bridge", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Some(Self { folder, mqtt: free_port(), plain: free_port() })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The broker's folder is what `broker/mosquitto.conf` calls certs.
    fn make_certificates(&self) {
        let mut script = Command::new("broker/compose/certs.sh");
        let made = script.args(["certs", "for-bridge"]).current_dir(self.path()).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
    }

    /// The broker, with the listeners of the container on ports of ours.
    fn start_broker(&self) -> Broker {
        let listeners = self.path().join("broker/listeners");
        fs::remove_dir_all(&listeners).unwrap();
        fs::rename(self.path().join("broker/compose"), &listeners).unwrap();
        let moved = |name: &str, from: &str, to: String| {
            let file = listeners.join(name);
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.contains(from), "{text}");
            fs::write(&file, text.replace(from, &to)).unwrap();
        };
        // As root, mosquitto would become a user who may not write here.
        fs::write(listeners.join("root.conf"), "user root\n").unwrap();
        moved("tls.conf", "listener 8883", format!("listener {} 127.0.0.1", self.mqtt));
        moved("health.conf", "listener 1883 ", format!("listener {} ", self.plain));
        let mut mosquitto = command("mosquitto");
        mosquitto.args(["-c", "broker/mosquitto.conf"]).current_dir(self.path());
        let broker = Broker(mosquitto.stderr(Stdio::null()).spawn().unwrap());
        until("mosquitto listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, self.mqtt)).is_ok());
        broker
    }

    /// The bridge, with the file of the container, its paths and addresses here.
    fn start_bridge(&self, bridge_toml: &str) -> Bridge {
        let certs = format!("\"{}/", self.path().join("for-bridge").display());
        let settings =
            bridge_toml.replace("\"/certs/", &certs).replace("\"0.0.0.0:8443\"", "\"127.0.0.1:0\"");
        let examples = format!("\"{}/", source::root().join("examples").display());
        let topics = fs::read_to_string(source::root().join("topics.toml")).unwrap();
        let url = format!("mqtts://localhost:{}", self.mqtt);
        Bridge::start(&url, &settings, &topics.replace("\"examples/", &examples))
    }

    /// In the shell of whoever pastes it, after the line before it.
    fn paste(&self, line: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.path().join("certs/compose"));
        shell.env("OC2_CA_FILE", "ca.crt").env("XDG_STATE_HOME", self.path());
        shell.output().unwrap()
    }

    fn publish(&self, topic: &str) -> Output {
        let mut client = command("mosquitto_pub");
        client.args([
            "-V",
            "mqttv5",
            "-p",
            &self.plain.to_string(),
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            "ok",
        ]);
        client.output().unwrap()
    }
}

/// The commands of the comment, each in one line, and those of the README.
fn told() -> Vec<String> {
    let compose = fs::read_to_string(source::root().join("docker-compose.yml")).unwrap();
    let lines = compose.lines().filter_map(|line| line.strip_prefix("#     "));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", "");
    let readme = fs::read_to_string(source::root().join("README.md")).unwrap();
    let lines = text.lines().chain(readme.lines());
    let is_told = |line: &&str| line.starts_with("oc2 ") && line.contains("localhost:8");
    lines.filter(is_told).map(str::to_owned).collect()
}

#[test]
fn what_compose_starts_is_reached_as_it_says_and_by_nobody_without_a_certificate() {
    let test = "what_compose_starts_is_reached_as_it_says_and_by_nobody_without_a_certificate";
    let Some(checkout) = Checkout::make(test) else { return };
    let settings = fs::read_to_string(checkout.path().join("broker/compose/bridge.toml")).unwrap();
    checkout.make_certificates();

    // Each has its own, and no other.
    for (folder, user, files) in [
        ("certs", 1883, ["ca.crt", "server.crt", "server.key"]),
        ("for-bridge", 10001, ["bridge.crt", "bridge.key", "ca.crt"]),
    ] {
        let folder = checkout.path().join(folder);
        let is_file = |it: &fs::DirEntry| it.file_type().unwrap().is_file();
        let mut found: Vec<_> =
            fs::read_dir(folder).unwrap().map(Result::unwrap).filter(is_file).collect();
        found.sort_by_key(fs::DirEntry::file_name);
        let names: Vec<_> = found.iter().map(fs::DirEntry::file_name).collect();
        assert_eq!(names, files);
        for file in found {
            let about = file.metadata().unwrap();
            assert_eq!((about.uid(), about.mode() & 0o777), (user, 0o400), "{file:?}");
        }
    }

    let _broker = checkout.start_broker();
    let bridge = checkout.start_bridge(&settings);
    let door = bridge.log_line("openc2_bridge::https", "commands may be posted");
    let door = door.rsplit(':').next().unwrap().trim().to_owned();
    let commands = told();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for line in commands {
        let line = line
            .replace("oc2 ", &format!("{} ", env!("CARGO_BIN_EXE_oc2")))
            .replace("localhost:8883", &format!("localhost:{}", checkout.mqtt))
            .replace("localhost:8443", &format!("localhost:{door}"));
        let answered = checkout.paste(&line);
        assert!(answered.status.success(), "{line}\n{}", said(&answered));
        assert!(said(&answered).contains(" 200 "), "{line}\n{}", said(&answered));
        let (nobody, _papers) = line.split_once(" --cert-file").expect("a certificate");
        let refused = checkout.paste(&format!("{nobody} --connect-wait 1s"));
        assert_eq!(refused.status.code(), Some(69), "{nobody}\n{}", said(&refused));
    }

    let healthy = checkout.publish("healthcheck");
    assert!(healthy.status.success() && !said(&healthy).contains("Not auth"), "{}", said(&healthy));
    let other = checkout.publish("oc2/cmd/all");
    assert!(said(&other).contains("Not authorized"), "{}", said(&other));
}
