//! Programs that do what programs do, and what becomes of their commands.

mod examples;
mod oneshot;
mod perform;
mod rules;
mod stream;
mod surroundings;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use super::message::{Request, Source};
use super::setting::Patience;
use super::{Exec, ExecConfig};
use crate::actuator::Progress;
use crate::dispatch::{Errand, Report, Ticket};

/// How long anything may take that should happen at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Between two looks at something that no event tells of.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);

/// What a good program answers to command 7.
const RESPONSE: &str = r#"echo '{"type":"response","id":"7","response":{"status":200}}'"#;

/// For tests that wait for every one of these.
const IMPATIENT: Patience = Patience {
    kill_grace: Duration::from_millis(200),
    ready_within: Duration::from_millis(500),
    ping_after: Duration::from_mins(1),
    pong_within: Duration::from_millis(200),
    first_restart: Duration::from_millis(5),
    last_restart: Duration::from_millis(20),
};

/// A shell script in a directory of its own, where it also works.
struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// The script begins by leaving its process id in `pids`.
    fn new(script: &str) -> Self {
        let dir = TempDir::new().unwrap();
        write_program(
            &dir.path().join("program"),
            &format!("#!/bin/sh\necho $$ >> {}/pids\n{script}\n", dir.path().display()),
        );
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> ExecConfig {
        ExecConfig {
            command: vec![self.path("program").to_str().unwrap().to_owned()],
            timeout: AT_ONCE,
            allow_root: true,
            work_dir: Some(self.dir.path().to_owned()),
            ..ExecConfig::default()
        }
    }

    fn exec(&self) -> Exec {
        exec(self.config())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// How many processes of the program were started.
    fn starts(&self) -> usize {
        self.read("pids").lines().count()
    }

    /// Nobody of any process group of the program is left, dead or alive.
    async fn assert_nothing_left(&self, story: &str) {
        let pids = self.read("pids");
        let groups: Vec<&str> = pids.lines().collect();
        assert!(!groups.is_empty(), "{story}: it was never started");
        let deadline = Instant::now() + AT_ONCE;
        loop {
            let left = members(&groups);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{story}: these are left: {left:?}");
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }
}

/// Those who are in one of the process groups. Orphans that have died are
/// no business of ours any more: init reaps them.
fn members(groups: &[&str]) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    lines
        .filter(|stat| {
            let (_, rest) = stat.rsplit_once(") ").unwrap();
            let fields: Vec<&str> = rest.split(' ').collect();
            let (state, parent, group) = (fields[0], fields[1], fields[2]);
            groups.contains(&group) && (state != "Z" || parent == std::process::id().to_string())
        })
        .collect()
}

/// Written by another process: were the file open in ours, then a child that
/// another test starts just now would hold it open, and it could not be run.
fn write_program(path: &Path, text: &str) {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "umask 022; cat > \"$1\" && chmod 0755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

fn exec(config: ExecConfig) -> Exec {
    Exec::with_patience("probe", config, IMPATIENT).unwrap()
}

/// Limits that a test can pass quickly.
fn with_small_limits(mut config: ExecConfig) -> ExecConfig {
    let bytes = |bytes: usize| bytes.try_into().unwrap();
    config.limits.response_bytes = bytes(1000);
    config.limits.progress_bytes = bytes(500);
    config.limits.stderr_bytes_per_minute = bytes(4096);
    config
}

fn request(id: u64, command: Value) -> Request {
    Request {
        errand: Errand::Perform,
        id: id.to_string(),
        source: Source {
            producer: "soc-1".to_owned(),
            topic: "ap/x-probe".to_owned(),
            consumer: "gateway-1".to_owned(),
            request_id: format!("r-{id}"),
            command_id: format!("r-{id}"),
        },
        command,
    }
}

fn unheard() -> Progress {
    Progress { ticket: Ticket(7), reports: mpsc::channel(1).0, cancelled: CancellationToken::new() }
}

/// Has a command carried out; answers status and text.
async fn ask(exec: &Exec, id: u64, command: Value) -> (u64, String) {
    told(exec.carry_out(request(id, command), unheard()).await)
}

/// Command 7.
async fn ask_7(exec: &Exec) -> (u64, String) {
    ask(exec, 7, json!({"action": "query", "target": {"properties": []}})).await
}

fn told(answer: Result<Value, Fault>) -> (u64, String) {
    match answer {
        Ok(response) => (response["status"].as_u64().unwrap(), String::new()),
        Err(fault) => (u64::from(fault.status().code()), fault.to_string()),
    }
}

/// Waits for something that no event tells of.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + AT_ONCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {AT_ONCE:?}: {what}");
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}
