//! curl, the foreign client of the HTTPS tests.

use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};

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
    let child = Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--include", "--noproxy", "*"])
        .args(["--max-time", WAIT])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("curl starts");
    Waiting(child)
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
