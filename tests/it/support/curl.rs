//! curl, the foreign client of the HTTPS tests.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::str::FromStr;

use serde_json::Value as Json;

use super::skip;

/// What curl says of a response, in front of its body.
const HEAD_ENDS: &str = "\r\n\r\n";

/// Longest wait of curl, in seconds.
const WAIT: &str = "60";

/// Whether there is curl; said aloud where there is none.
pub fn has_curl(test: &str) -> bool {
    let is_there = Command::new("curl").arg("--version").output().is_ok();
    if !is_there {
        skip(test, "there is no curl");
    }
    is_there
}

/// A response of HTTP.
#[derive(Debug)]
pub struct Reply {
    pub version: String,
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands there twice: {self:?}");
        value
    }

    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `body.openc2.response`.
    pub fn response(&self) -> Json {
        self.json()["body"]["openc2"]["response"].clone()
    }

    fn read(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
        let mut rest = text.as_str();
        loop {
            let (head, after) = rest.split_once(HEAD_ENDS).unwrap_or_else(|| panic!("{output:?}"));
            let mut lines = head.lines();
            let first = lines.next().expect("a status line");
            let mut words = first.split(' ');
            let version = words.next().expect("a version").to_owned();
            let status = words.next().and_then(|it| it.parse().ok()).expect("a status");
            // 100 Continue.
            if status < 200 {
                rest = after;
                continue;
            }
            let headers = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            return Self { version, status, headers, body: after.to_owned() };
        }
    }
}

/// Begins a request; curl's own settings play no part.
pub fn begin<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Waiting {
    Waiting(spawn(&["--include"], arguments))
}

/// Begins to read server-sent events.
pub fn follow<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Stream {
    let mut child = spawn(&["--no-buffer", "--fail"], arguments);
    let lines = BufReader::new(child.stdout.take().expect("piped"));
    Stream { child, lines }
}

fn spawn<S: AsRef<OsStr>>(how: &[&str], arguments: impl IntoIterator<Item = S>) -> Child {
    Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", WAIT])
        .args(how)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("curl starts")
}

/// Server-sent events, as they come.
pub struct Stream {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// One of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    pub id: u64,
    pub name: String,
    pub data: Json,
}

impl Stream {
    /// The next event; `None` where the stream ends, or curl will wait no longer.
    pub fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (None, None, None);
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("curl writes lines") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => id = Some(u64::from_str(value).expect("a number")),
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).expect("JSON")),
                // A comment.
                Some(("", _)) => {}
                None if line.trim_end().is_empty() => {
                    if let (Some(id), Some(name), Some(data)) = (id, name.take(), data.take()) {
                        return Some(Event { id, name, data });
                    }
                }
                _ => panic!("no line of an event: {line:?}"),
            }
        }
    }

    /// What is left of it, to its end.
    pub fn rest(mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A request that is under way.
pub struct Waiting(Child);

impl Waiting {
    /// What came of it; the error is curl's exit code.
    pub fn ended(self) -> Result<Reply, i32> {
        let output = self.0.wait_with_output().expect("curl ends");
        match output.status.code() {
            Some(0) => Ok(Reply::read(&output)),
            code => Err(code.unwrap_or(-1)),
        }
    }

    pub fn reply(self) -> Reply {
        self.ended().unwrap_or_else(|code| panic!("curl ended with {code}"))
    }

    /// Hangs up.
    pub fn abandon(mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it can be waited for");
    }
}
