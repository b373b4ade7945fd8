//! What an operator does, from start to stop, with the `oc2` binary and a real mosquitto.

mod checking;
mod ending;
mod logs;
mod reloading;
mod samples;
mod settling;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::bridge::Bridge;
use crate::support::broker::{self, Broker};

/// A program that begins, says so, and ends when it is told with which status. It does both through
/// FIFOs beside it.
const SLOW: &str = r#"#!/bin/sh
IFS= read -r line
id=${line#*'"id":"'}; id=${id%%\"*}
echo begun >"${0%/*}/begun"
IFS= read -r status <"${0%/*}/gate"
echo "{\"type\":\"response\",\"id\":\"$id\",\"response\":{\"status\":$status}}"
"#;

/// A consumer with the slow program and a log, and one with the log alone.
const TOPICS: &str = r#"
[[consumer]]
id = "gateway-1"
actuators = ["slow", "eye"]

[[consumer]]
id = "gateway-2"
actuators = ["eye"]

[actuator.slow]
kind = "exec"
profile = "x-slow"
pairs = { set = ["x-slow:lever"] }
command = ["slow"]
timeout = "20s"
allow-root = true

[actuator.eye]
kind = "log"
profile = "x-eye"
pairs = { deny = ["ipv4_net"] }
"#;

/// The words that make the slow program begin.
const PULL: &str = "send set x-slow:lever 1 --device gateway-1 --wait 20s";

/// A broker, the bridge beside it, and somebody who works with both.
struct Desk {
    bridge: Bridge,
    broker: Broker,
}

impl Desk {
    /// With these lines in bridge.toml and [`TOPICS`]; `None` where there is no mosquitto.
    fn open(test: &str, bridge_toml: &str) -> Option<Self> {
        Self::open_with(test, bridge_toml, &[])
    }

    /// The same, with more files in the bridge's folder.
    fn open_with(test: &str, bridge_toml: &str, files: &[(&str, &str)]) -> Option<Self> {
        let broker = broker::private_broker(test, "allow_anonymous true\n")?;
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        let mut bridge = Bridge::prepare(&url, bridge_toml, TOPICS);
        bridge.program("slow", SLOW);
        for fifo in ["begun", "gate"] {
            let made = Command::new("mkfifo").arg(bridge.path(fifo)).status();
            assert!(made.expect("mkfifo runs").success());
        }
        for (name, text) in files {
            std::fs::write(bridge.path(name), text).expect("a file is written");
        }
        bridge.run();
        Some(Self { bridge, broker })
    }

    /// Starts another `oc2`, with words that are parted by white space.
    fn start(&self, words: &str) -> Started {
        let state = self.bridge.path("state");
        let mut command = oc2();
        command
            .args(words.split_whitespace())
            .current_dir(self.bridge.dir())
            .env("OC2_BROKER", format!("mqtt://127.0.0.1:{}", self.broker.port()))
            .env("OC2_JOURNAL_DIR", self.bridge.path("journal"))
            .env("XDG_STATE_HOME", state);
        Started::new(command)
    }

    /// The same, to its end.
    fn oc2(&self, words: &str) -> Said {
        self.start(words).ended()
    }

    /// Waits until the slow program has begun.
    fn begun(&self) {
        let fifo = self.bridge.path("begun");
        within("the slow program begins", move || std::fs::read_to_string(fifo).unwrap());
    }

    /// Lets the slow program end with this status.
    fn finish(&self, status: u16) {
        let fifo = self.bridge.path("gate");
        within("the slow program listens", move || std::fs::write(fifo, format!("{status}\n")))
            .unwrap();
    }
}

/// `oc2` without anything of our own environment but `PATH`.
fn oc2() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oc2"));
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// A process that was started. Killed when dropped.
struct Started(Option<Child>);

impl Started {
    fn new(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().expect("it starts")))
    }

    /// What it has said, and its exit code.
    fn ended(mut self) -> Said {
        let child = self.0.take().expect("not ended yet");
        let Output { status, stdout, stderr } =
            within("the end of a command", move || child.wait_with_output().unwrap());
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// What a command has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// A JSON object a line.
    fn json(&self) -> Vec<Value> {
        let object = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(object).collect()
    }
}

/// What must happen before the test's patience ends.
fn within<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody waits any more where it came too late.
        let _late = done.send(act());
    });
    result.recv_timeout(2 * PATIENCE).unwrap_or_else(|_| panic!("never: {what}"))
}

/// An authority and certificates, as the broker's own script makes them; `false` without openssl.
fn make_certs(folder: &Path) -> bool {
    let script = checkout("broker/certs.sh");
    let made = Command::new(script).arg(folder).arg("localhost").stdout(Stdio::null()).status();
    made.is_ok_and(|status| status.success())
}

/// A file of the checkout.
fn checkout(file: &str) -> PathBuf {
    crate::source::root().join(file)
}
