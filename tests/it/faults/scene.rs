//! What every story here needs: a bridge with the witness behind it, and a producer.

use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openc2_bridge::dispatch::Counters;
use openc2_bridge::journal::{Answer as Found, Entry, Listing, Request, ask};
use serde_json::Value;

use super::oracle::{Answer, Declared, Evidence, Terms, Verdict, judge};
use crate::support::bridge::Bridge;
use crate::support::load::Load;
use crate::support::poster::{Posted, Poster};
use crate::support::{reliability, skip};

/// Commands a second.
pub const RATE: u32 = 200;

/// Commands that the witness has at the same time.
pub const CONCURRENCY: usize = 16;

/// How long the witness is at a command before the effect, and as long after it.
const WORK: Duration = Duration::from_millis(5);

/// Longest wait for the last responses of a run.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Comes back at once.
const HURRIED: &str = "
[mqtt]
backoff-min = '10ms'
backoff-max = '100ms'
[limits]
drain = '5s'
";

/// Waits a second or two before it connects again, and notices a dead connection soon.
const PATIENT: &str = "
[mqtt]
keep-alive = 2
backoff-min = '2s'
backoff-max = '2s'
";

/// What a scene is set up with.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub declared: Declared,
    /// The file in its folder without which the witness does not answer; empty: it always does.
    pub gate: &'a str,
    pub concurrency: usize,
    /// How long the witness is at a command before the effect, and as long after it.
    pub work: Duration,
    /// Commands that may wait for the witness.
    pub queue: usize,
    /// Waits before it connects again.
    pub is_patient: bool,
    /// Has a second actuator, for commands that are limited or asked after, and takes what is
    /// posted.
    pub is_mixed: bool,
}

impl Setting<'_> {
    pub fn of(declared: Declared) -> Self {
        Self {
            declared,
            gate: "",
            concurrency: CONCURRENCY,
            work: WORK,
            queue: 10_000,
            is_patient: false,
            is_mixed: false,
        }
    }
}

/// A bridge, and who sends to it.
pub struct Scene {
    pub bridge: Bridge,
    pub load: Load,
    /// The consumer, and part of the producer's name: no other test uses it.
    name: String,
    /// The journal's folder, as it is seen from here.
    journal: PathBuf,
    /// What was posted, and where it can be.
    posted: Posted,
    door: u16,
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
        let setting = Setting { gate, ..Setting::of(declared) };
        Self::set_up(name, setting, bridge_port, load_port).await
    }

    /// The same, as it is set.
    pub async fn set_up(
        name: &str,
        setting: Setting<'_>,
        bridge_port: u16,
        load_port: u16,
    ) -> Self {
        let Setting { declared, gate, concurrency, work, queue, is_patient, is_mixed } = setting;
        // A broker that outlives the run must not mistake it for the one before.
        let name = format!("{name}{}", std::process::id());
        let gate = if gate.is_empty() { String::new() } else { format!(", '{{dir}}/{gate}'") };
        let (second, more, door) = if is_mixed {
            (", 'asked'", asked(concurrency, queue), free_port())
        } else {
            ("", String::new(), 0)
        };
        let topics = format!(
            "[[consumer]]
            id = '{name}'
            actuators = ['witness'{second}]
            [actuator.witness]
            kind = 'exec'
            profile = 'x-witness'
            pairs = {{ set = ['x-witness:mark'] }}
            command = ['{{dir}}/witness.py', '{}', '{{dir}}/effects'{gate}]
            mode = 'stream'
            allow-root = true
            idempotent = {}
            concurrency = {concurrency}
            queue = {queue}
            {more}",
            work.as_secs_f64(),
            declared == Declared::Idempotent
        );
        let url = format!("mqtt://127.0.0.1:{bridge_port}");
        let settings = if is_patient { PATIENT } else { HURRIED };
        let https = format!("{settings}[https]\nlisten = '127.0.0.1:{door}'\ntesting = true\n");
        let settings = if is_mixed { &https } else { settings };
        let bridge = Bridge::prepare(&url, settings, &topics);
        bridge.program("witness.py", include_str!("witness.py"));
        let load = Load::start(load_port, &format!("producer-{name}"), &name).await;
        let journal = bridge.path("journal");
        Self { bridge, load, name, journal, posted: Posted::default(), door }
    }

    /// `request_id` of every effect, from the disk.
    pub fn effects(&self) -> Vec<String> {
        self.trace("effects")
    }

    /// `request_id` of every effect that was ended, as often as it was.
    pub fn ended(&self) -> Vec<String> {
        self.trace("effects.ended")
    }

    /// The journal's folder is elsewhere, as it is seen from here.
    pub fn journal_is_at(&mut self, folder: PathBuf) {
        self.journal = folder;
    }

    /// The consumer.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn trace(&self, name: &str) -> Vec<String> {
        let trace = fs::read_to_string(self.bridge.path(name)).unwrap_or_default();
        trace.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// `request_id` and class of all that the journal has from our producer.
    async fn recorded(&self) -> Vec<(String, String)> {
        let mut recorded = Vec::new();
        let mut before = None;
        loop {
            let (limit, consumer) = (Listing::LIMIT_MAX, Some(self.name.clone()));
            let listing = Listing { limit, before, consumer, ..Listing::default() };
            let answer =
                ask(&self.journal, Request::List(listing)).await.expect("the journal answers");
            let Found::List(entries) = answer else { panic!("no list: {answer:?}") };
            let Some(last) = entries.last() else { return recorded };
            before = Some(last.ticket);
            recorded.extend(entries.into_iter().map(|Entry { request_id, class, .. }| {
                (request_id.unwrap_or_default(), class.unwrap_or_default())
            }));
        }
    }

    /// What was seen, with repetitions counted apart.
    async fn evidence(&self) -> (Evidence, u64) {
        let (repeated, recorded): (Vec<_>, Vec<_>) =
            self.recorded().await.into_iter().partition(|(_, class)| class == "repeated");
        let heard = self.load.heard(0).await;
        let heard = heard.iter().map(|heard| &heard.payload[..]);
        let Posted { sent: posted, heard: replies, .. } = &self.posted;
        let evidence = Evidence {
            sent: self.load.sent().into_iter().chain(posted.iter().cloned()).collect(),
            kinds: self.load.kinds(),
            effects: self.effects(),
            ended: self.ended(),
            answers: heard.chain(replies.iter().map(Vec::as_slice)).map(Answer::read).collect(),
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

/// An actuator that can be asked what it has done, and that can end it. It takes longer, so that
/// a crash finds it at work.
fn asked(concurrency: usize, queue: usize) -> String {
    let work_s = 4.0 * WORK.as_secs_f64();
    format!(
        "[actuator.asked]
        kind = 'exec'
        profile = 'x-asked'
        pairs = {{ set = ['x-asked:mark'] }}
        command = ['{{dir}}/witness.py', '{work_s}', '{{dir}}/effects']
        mode = 'stream'
        allow-root = true
        understands = ['stop', 'probe']
        concurrency = {concurrency}
        queue = {queue}"
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it has one").port()
}

/// Looks again and again, and gives up after [`PATIENCE`].
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// What a scene that is mixed can do besides.
#[cfg_attr(
    not(feature = "fail-points"),
    expect(dead_code, reason = "only the fail points are shown under a load of every kind")
)]
impl Scene {
    /// Begins to post commands.
    pub fn keep_posting(&self, every: Duration) -> Poster {
        Poster::start(self.door, &self.name, every)
    }

    /// What was posted is judged with the rest.
    pub fn posted(&mut self, posted: Posted) {
        self.posted = posted;
    }

    /// How many commands were posted.
    pub fn posts(&self) -> usize {
        self.posted.sent.len()
    }

    /// `request_id` of every command that was asked after, as often as it was.
    pub fn asked(&self) -> Vec<String> {
        self.trace("effects.asked")
    }
}

/// What several scenes came to.
#[derive(Debug, Default)]
pub struct Sum {
    sent: usize,
    in_doubt: usize,
    again: usize,
    lost: usize,
    breaches: usize,
}

impl Sum {
    pub fn add(&mut self, verdict: &Verdict) {
        self.sent += verdict.sent;
        self.in_doubt += verdict.in_doubt;
        self.again += verdict.twice;
        self.lost += verdict.lost;
        self.breaches += verdict.breaches.len();
    }

    /// Prints the row of the table with this number.
    pub fn print(
        &self,
        number: u8,
        what: impl Display,
        declared: Declared,
        more: &[(&str, &dyn Display)],
    ) {
        let Self { sent, in_doubt, again, lost, breaches } = self;
        let mut showed: Vec<(&str, &dyn Display)> = vec![("sent", sent), ("lost", lost)];
        showed.push(match declared {
            Declared::Idempotent => ("run again as declared", again),
            Declared::NotIdempotent => ("done twice", again),
        });
        showed.push(("answered \"in doubt\"", in_doubt));
        showed.extend_from_slice(more);
        showed.push(("breaches of the promise", breaches));
        reliability::row(number, what, &showed);
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
