//! What every story here needs: a bridge with the witness behind it, and a producer.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use openc2_bridge::dispatch::Counters;
use serde_json::Value;

use super::oracle::{Answer, Declared, Evidence, Terms, Verdict, judge};
use crate::support::bridge::Bridge;
use crate::support::load::Load;
use crate::support::skip;

/// Commands a second.
pub const RATE: u32 = 200;

/// Commands that the witness has at the same time.
pub const CONCURRENCY: usize = 8;

/// Longest wait for the last responses of a run, on a machine with much else to do.
pub const PATIENCE: Duration = Duration::from_mins(1);

const BRIDGE: &str = "
[mqtt]
backoff-min = '10ms'
backoff-max = '100ms'
[limits]
drain = '5s'
";

/// A bridge, and who sends to it.
pub struct Scene {
    pub bridge: Bridge,
    pub load: Load,
    /// The consumer, and part of the producer's name: no other test uses it.
    name: String,
}

impl Scene {
    /// A scene that runs already: the bridge at one port, the producer at another.
    pub async fn start(name: &str, declared: Declared, bridge_port: u16, load_port: u16) -> Self {
        let mut scene = Self::prepare(name, declared, "", bridge_port, load_port).await;
        scene.bridge.run();
        scene
    }

    /// A scene whose bridge has yet to be started. `gate` is the file in its folder without
    /// which the witness does not answer; empty: it always does.
    pub async fn prepare(
        name: &str,
        declared: Declared,
        gate: &str,
        bridge_port: u16,
        load_port: u16,
    ) -> Self {
        // A broker that outlives the run must not mistake it for the one before.
        let name = format!("{name}{}", std::process::id());
        let gate = if gate.is_empty() { String::new() } else { format!(", '{{dir}}/{gate}'") };
        let topics = format!(
            "[[consumer]]
            id = '{name}'
            actuators = ['witness']
            [actuator.witness]
            kind = 'exec'
            profile = 'x-witness'
            pairs = {{ set = ['x-witness:mark'] }}
            command = ['{{dir}}/witness.py', '{{dir}}/effects'{gate}]
            mode = 'stream'
            allow-root = true
            idempotent = {}
            concurrency = {CONCURRENCY}
            queue = 10000",
            declared == Declared::Idempotent
        );
        let url = format!("mqtt://127.0.0.1:{bridge_port}");
        let bridge = Bridge::prepare(&url, BRIDGE, &topics);
        bridge.program("witness.py", include_str!("witness.py"));
        let load = Load::start(load_port, &format!("producer-{name}"), &name).await;
        Self { bridge, load, name }
    }

    /// `request_id` of every effect, from the disk.
    pub fn effects(&self) -> Vec<String> {
        let trace = fs::read_to_string(self.trace()).unwrap_or_default();
        trace.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn trace(&self) -> PathBuf {
        self.bridge.path("effects")
    }

    /// `request_id` and class of all that the journal has from our producer.
    fn recorded(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let journal = self.bridge.journal();
        let ours = journal.iter().filter(|entry| entry["consumer"] == self.name.as_str());
        ours.map(|entry| (text(&entry["request_id"]), text(&entry["class"]))).collect()
    }

    /// What was seen, with repetitions counted apart.
    async fn evidence(&self) -> (Evidence, u64) {
        let (repeated, recorded): (Vec<_>, Vec<_>) =
            self.recorded().into_iter().partition(|(_, class)| class == "repeated");
        let heard = self.load.heard(0).await;
        let evidence = Evidence {
            sent: self.load.sent().into_iter().collect(),
            effects: self.effects(),
            answers: heard.iter().map(|heard| Answer::read(&heard.payload)).collect(),
            recorded: recorded.into_iter().map(|(request_id, _)| request_id).collect(),
        };
        (evidence, repeated.len() as u64)
    }

    /// Judges all there is to see, and prints the line of figures.
    pub async fn verdict(&self, what: &str, terms: Terms) -> Verdict {
        let (evidence, repetitions) = self.evidence().await;
        let verdict = judge(&evidence, terms);
        let Verdict { sent, done, in_doubt, twice, lost, ref breaches } = verdict;
        println!(
            "{what}: sent {sent}, answered 200 {done}, in doubt {in_doubt}, effects twice {twice}, \
             lost {lost}, repetitions {repetitions}, responses {}, breaches {}",
            evidence.answers.len(),
            breaches.len()
        );
        verdict
    }

    /// The counters of the running bridge. They must balance.
    pub fn counters(&self) -> Counters {
        balanced(self.bridge.counters())
    }
}

/// Counters that add up.
pub fn balanced(counters: Value) -> Counters {
    let counters: Counters = serde_json::from_value(counters).expect("counters");
    assert!(counters.balance(), "{counters:?}");
    counters
}

/// Whether the witness can run. Without Python the test is left out, said aloud; with `CI=1`
/// that is a failure.
pub fn has_python(test: &str) -> bool {
    // As the actuator's environment has it.
    let mut python = Command::new("/usr/bin/env");
    python.args(["-i", "PATH=/usr/bin:/bin", "python3", "--version"]);
    let ran = python.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has_it = ran.is_ok_and(|status| status.success());
    if !has_it {
        skip(test, "no python3");
    }
    has_it
}
