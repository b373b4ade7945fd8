//! The bridge as users run it: the `oc2` binary with two files in a folder of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for the bridge to take commands, or to end: for one that hangs, on any machine.
/// How fast it is, is looked at where it matters.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the bridge logs once it takes commands.
pub const READY: &str = "ready: commands are being taken";

/// A running `oc2 run`. Killed when dropped.
pub struct Bridge {
    dir: TempDir,
    child: Option<Child>,
    lines: Option<mpsc::Receiver<String>>,
    environment: Vec<(String, String)>,
    /// The program, and its arguments, that starts it and everything that is run beside it; none
    /// as a rule.
    starter: Vec<String>,
    /// What a shell does before it becomes the bridge; nothing as a rule.
    first: String,
}

impl Bridge {
    /// Writes both files and starts; returns once commands are being taken.
    pub fn start(broker_url: &str, bridge_toml: &str, topics_toml: &str) -> Self {
        let mut bridge = Self::prepare(broker_url, bridge_toml, topics_toml);
        bridge.run();
        bridge
    }

    /// Writes both files. `{dir}` in either stands for the bridge's folder.
    pub fn prepare(broker_url: &str, bridge_toml: &str, topics_toml: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let bridge = Self {
            dir,
            child: None,
            lines: None,
            environment: vec![("OC2_MQTT_URL".to_owned(), broker_url.to_owned())],
            starter: Vec::new(),
            first: String::new(),
        };
        let folder = bridge.dir().display().to_string();
        let settings = format!(
            "{}\n[journal]\ndir = \"{folder}/journal\"\n",
            bridge_toml.replace("{dir}", &folder)
        );
        std::fs::write(bridge.path("bridge.toml"), settings).expect("bridge.toml is written");
        bridge.write_topics(topics_toml);
        bridge
    }

    /// Replaces topics.toml; SIGHUP makes the bridge read it.
    pub fn write_topics(&self, topics_toml: &str) {
        let text = topics_toml.replace("{dir}", &self.dir().display().to_string());
        std::fs::write(self.path("topics.toml"), text).expect("topics.toml is written");
    }

    /// The folder of the bridge's files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file in that folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Puts a program into the bridge's folder, as an actuator may be.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.path(name);
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o755)
            .open(&path)
            .expect("a program is written");
        file.write_all(text.as_bytes()).expect("a program is written");
        path
    }

    /// Sets an environment variable of the bridge for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Takes an environment variable back that was set.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// Lets the bridge write no file larger than this from the next start on: writing fails
    /// as on a full disk.
    ///
    /// The blocks are those of the shell: 512 or 1024 bytes.
    pub fn limit_files(&mut self, blocks: Option<u32>) {
        let Some(blocks) = blocks else {
            self.unset("OC2_JOURNAL_RESERVE");
            return self.live_under("");
        };
        // Which is a file as well, and a larger one.
        self.set("OC2_JOURNAL_RESERVE", "0");
        // Without the signal, the write fails with EFBIG.
        self.live_under(&format!("ulimit -f {blocks}; trap '' XFSZ"));
    }

    /// Lets a shell do this before it becomes the bridge, from the next start on: set limits.
    pub fn live_under(&mut self, script: &str) {
        script.clone_into(&mut self.first);
    }

    /// Lets this program start the bridge, and everything that is run beside it.
    pub fn start_by(&mut self, starter: &[&str]) {
        self.starter = starter.iter().map(|&word| word.to_owned()).collect();
    }

    /// Starts the bridge, and waits until it takes commands.
    pub fn run(&mut self) {
        self.spawn();
        self.wait_for(READY);
    }

    /// Starts the bridge without waiting.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut child = self
            .command()
            .arg("run")
            .arg("--config")
            .arg(self.path("bridge.toml"))
            .arg("--topics")
            .arg(self.path("topics.toml"))
            .env("XDG_STATE_HOME", self.path("state"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("oc2 starts");
        let stderr = child.stderr.take().expect("piped");
        let log = self.path("bridge.log");
        let (line_in, lines) = mpsc::channel();
        // Ends with the bridge's end of the pipe.
        std::thread::spawn(move || {
            let mut log = File::options().create(true).append(true).open(log).expect("a log");
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writeln!(log, "{line}").expect("the log takes a line");
                if line_in.send(line).is_err() {
                    // Nobody waits for a line any more; the log still wants them.
                }
            }
        });
        self.child = Some(child);
        self.lines = Some(lines);
    }

    /// The program, under the limits that it is to have.
    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_oc2");
        if self.first.is_empty() {
            return self.started(&[program]);
        }
        self.started(&["sh", "-c", &format!("{}; exec \"$0\" \"$@\"", self.first), program])
    }

    fn started(&self, words: &[&str]) -> Command {
        let mut words = self.starter.iter().map(String::as_str).chain(words.iter().copied());
        let mut command = without_settings(words.next().expect("a program"));
        command.args(words);
        command
    }

    /// Waits for a line of the log that holds this text, and returns it.
    pub fn wait_for(&mut self, text: &str) -> String {
        let found = self.wait_until(text, Instant::now() + PATIENCE);
        found.unwrap_or_else(|| panic!("no {text:?} in the log:\n{}", self.log()))
    }

    /// The same until a deadline; `None` where there was no such line by then.
    pub fn wait_until(&mut self, text: &str, deadline: Instant) -> Option<String> {
        let lines = self.lines.as_ref().expect("it runs");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).ok()?;
            if line.contains(text) {
                return Some(line);
            }
        }
    }

    /// The first line that the bridge logs, or has logged, with both of these in it.
    pub fn log_line(&self, target: &str, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let mut lines = log.lines();
            if let Some(line) = lines.find(|line| line.contains(target) && line.contains(text)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no {text:?} of {target} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything the bridge has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("bridge.log")).unwrap_or_default()
    }

    /// Process number of the running bridge.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// How long the one of its threads that waited longest has waited for a processor since the
    /// start: time that others took on this machine.
    pub fn waited_for_a_processor(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs");
        let waits = threads.map_while(Result::ok).filter_map(|thread| {
            // Nanoseconds that it ran, nanoseconds that it waited, times that it was put on one.
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').nth(1)?.parse().ok()
        });
        Duration::from_nanos(waits.max().unwrap_or_default())
    }

    /// SIGKILL: no goodbye.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
    }

    /// Sends a signal by name, such as TERM or HUP.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                child.kill().expect("it can be killed");
                child.wait().expect("it can be waited for");
                panic!("it did not end:\n{}", self.log());
            }
            // Nothing else of it: it may need the processor to come to its end.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGTERM, and the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// The most that was resident of the running bridge so far, in bytes.
    pub fn most_resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("its status");
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = most.and_then(|most| most.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("a number") * 1024
    }

    /// Resident memory of the running bridge, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("statm");
        let pages: u64 = statm.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("pages");
        pages * 4096
    }

    /// The counters of the running bridge.
    pub fn counters(&self) -> Value {
        self.status()["counters"].clone()
    }

    /// What the running bridge says of itself.
    pub fn status(&self) -> Value {
        let output = self.oc2(&["journal", "status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// All that is in the journal, newest first, whether the bridge runs or not.
    pub fn journal(&self) -> Vec<Value> {
        let output = self.oc2(&["journal", "list", "--json", "--limit", "10000"]);
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// Runs another `oc2` command beside it, with the same folder.
    pub fn oc2(&self, arguments: &[&str]) -> std::process::Output {
        self.started(&[env!("CARGO_BIN_EXE_oc2")])
            .args(arguments)
            .env("OC2_JOURNAL_DIR", self.path("journal"))
            .env("XDG_STATE_HOME", self.path("state"))
            .stdin(Stdio::null())
            .output()
            .expect("oc2 runs")
    }
}

/// A program without the settings that whoever runs the tests has in the environment.
fn without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OC2_") {
            command.env_remove(name);
        }
    }
    command
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already; either way nothing stays behind.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the bridge's log ---\n{}", self.log());
        }
    }
}
