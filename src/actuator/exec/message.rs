//! What the bridge and a program say to one another: an object of JSON on each line.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::escape::printable;
use crate::dispatch::{Address, Errand, Work};
use crate::openc2::Members;
use crate::wire;

/// Version of this grammar.
const VERSION: u8 = 1;

/// A command as its program is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) errand: Errand,
    /// Number in the journal, as text: no two commands share it.
    pub(super) id: String,
    pub(super) source: Source,
    /// The command, as it stands in a message.
    pub(super) command: Value,
}

/// Where a command came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Source {
    pub(super) producer: String,
    /// `all`, `ap/<profile>` or `device/<id>`.
    pub(super) topic: String,
    pub(super) consumer: String,
    pub(super) request_id: String,
    /// `command_id`, or `request_id` where the command has none (Language v1.1, section 3.3.1).
    pub(super) command_id: String,
}

impl From<&Work> for Request {
    fn from(work: &Work) -> Self {
        let topic = match &work.address {
            Address::All => "all".to_owned(),
            Address::Profile(profile) => format!("ap/{profile}"),
            Address::Device(id) => format!("device/{id}"),
        };
        Self {
            errand: work.errand,
            id: work.ticket.to_string(),
            source: Source {
                producer: work.producer.clone(),
                topic,
                consumer: work.consumer.clone(),
                request_id: work.request_id.clone(),
                command_id: work.command_id.clone(),
            },
            command: wire::command_to_json(&work.command),
        }
    }
}

impl Request {
    /// The line that hands it over; the program has `remaining` to answer.
    pub(super) fn line(&self, remaining: Duration) -> Vec<u8> {
        let deadline_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        let Self { id, source, command, errand } = self;
        write(&match errand {
            Errand::Perform => ToProgram::Command { id, deadline_ms, source, command },
            Errand::Stop => ToProgram::Stop { id, deadline_ms, source, command },
            Errand::Probe => ToProgram::Probe { id, deadline_ms, source, command },
        })
    }
}

/// The first line to a program that stays.
pub(super) fn hello(actuator: &str, config: &Members) -> Vec<u8> {
    write(&ToProgram::Hello { actuator, config })
}

/// Asks a program to give up a command.
pub(super) fn cancel(id: &str) -> Vec<u8> {
    write(&ToProgram::Cancel { id })
}

/// Asks a program whether it is still there.
pub(super) fn ping() -> Vec<u8> {
    write(&ToProgram::Ping)
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    #[serde(flatten)]
    message: &'a ToProgram<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ToProgram<'a> {
    Hello { actuator: &'a str, config: &'a Members },
    Command { id: &'a str, deadline_ms: u64, source: &'a Source, command: &'a Value },
    Stop { id: &'a str, deadline_ms: u64, source: &'a Source, command: &'a Value },
    Probe { id: &'a str, deadline_ms: u64, source: &'a Source, command: &'a Value },
    Cancel { id: &'a str },
    Ping,
}

fn write(message: &ToProgram) -> Vec<u8> {
    // Without white space: scripts rely on it, and no line feed can stand inside.
    let line = serde_json::to_vec(&Line { v: VERSION, message });
    let mut line = line.expect("every key is a string, and no value can fail");
    line.push(b'\n');
    line
}

/// What a program says. Members that are not named here are ignored.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum FromProgram {
    /// It takes commands now. What it says of its pairs and profiles is not
    /// asked for: those are the configuration's to say.
    Ready { v: u8 },
    /// How far it is.
    Progress { id: String, status_text: String },
    /// Done.
    Response { id: String, response: Value },
    /// It is still there.
    Pong,
}

/// Why a line says nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadLine {
    #[error("it printed a line that is not UTF-8")]
    NotUtf8,
    #[error("it printed a line that is no message ({reason})")]
    NotAMessage { reason: String },
    #[error("it speaks version {version} of the grammar, not {VERSION}")]
    OtherVersion { version: u8 },
}

/// Reads one line of a program.
pub(super) fn read(line: &[u8]) -> Result<FromProgram, BadLine> {
    let line = str::from_utf8(line).map_err(|_| BadLine::NotUtf8)?;
    let message = serde_json::from_str(line)
        .map_err(|error| BadLine::NotAMessage { reason: printable(&error.to_string()) })?;
    match message {
        FromProgram::Ready { v } if v != VERSION => Err(BadLine::OtherVersion { version: v }),
        message => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lines_to_a_program_are_those_of_the_manual() {
        let request = Request {
            errand: Errand::Perform,
            id: "7".to_owned(),
            source: Source {
                producer: "soc\n-1".to_owned(),
                topic: "ap/x-probe".to_owned(),
                consumer: "gateway-1".to_owned(),
                request_id: "r-1".to_owned(),
                command_id: "c-1".to_owned(),
            },
            command: json!({"action": "query", "target": {"properties": ["load"]}}),
        };
        let stop = Request { errand: Errand::Stop, ..request.clone() };
        let probe = Request { errand: Errand::Probe, ..request.clone() };
        let config = json!({"level": 3}).as_object().unwrap().clone();
        let cases = [
            (
                request.line(Duration::from_secs(10)),
                r#"{"v":1,"type":"command","id":"7","deadline_ms":10000,"source":{"producer":"soc\n-1","topic":"ap/x-probe","consumer":"gateway-1","request_id":"r-1","command_id":"c-1"},"command":{"action":"query","target":{"properties":["load"]}}}"#,
            ),
            (
                stop.line(Duration::from_secs(5)),
                r#"{"v":1,"type":"stop","id":"7","deadline_ms":5000,"source":{"producer":"soc\n-1","topic":"ap/x-probe","consumer":"gateway-1","request_id":"r-1","command_id":"c-1"},"command":{"action":"query","target":{"properties":["load"]}}}"#,
            ),
            (
                probe.line(Duration::from_secs(5)),
                r#"{"v":1,"type":"probe","id":"7","deadline_ms":5000,"source":{"producer":"soc\n-1","topic":"ap/x-probe","consumer":"gateway-1","request_id":"r-1","command_id":"c-1"},"command":{"action":"query","target":{"properties":["load"]}}}"#,
            ),
            (
                hello("probe", &config),
                r#"{"v":1,"type":"hello","actuator":"probe","config":{"level":3}}"#,
            ),
            (cancel("7"), r#"{"v":1,"type":"cancel","id":"7"}"#),
            (ping(), r#"{"v":1,"type":"ping"}"#),
        ];
        for (line, expected) in cases {
            assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
        }
    }

    #[test]
    fn a_line_of_a_program_is_a_message_or_nothing() {
        let not_a_message = |reason: &str| Err(BadLine::NotAMessage { reason: reason.to_owned() });
        let cases: [(&[u8], Result<FromProgram, BadLine>); 9] = [
            (
                br#"{"type":"ready","v":1,"pairs":{},"profiles":[]}"#,
                Ok(FromProgram::Ready { v: 1 }),
            ),
            (br#"{"type":"ready","v":2}"#, Err(BadLine::OtherVersion { version: 2 })),
            (br#"{"type":"ready"}"#, not_a_message("missing field `v`")),
            (b"{\"type\":\"pong\"}\r", Ok(FromProgram::Pong)),
            (
                br#"{"type":"progress","id":"7","status_text":"40 %"}"#,
                Ok(FromProgram::Progress { id: "7".to_owned(), status_text: "40 %".to_owned() }),
            ),
            (
                br#"{"type":"response","id":"7","response":{"status":200}}"#,
                Ok(FromProgram::Response { id: "7".to_owned(), response: json!({"status": 200}) }),
            ),
            (b"{\"type\":\"\xff\"}", Err(BadLine::NotUtf8)),
            (b"", not_a_message("EOF while parsing a value at line 1 column 0")),
            (
                b"{\"type\":\"\x1b[2J\"}",
                not_a_message(
                    "control character (\\\\u0000-\\\\u001F) found while parsing a string at line 1 column 10",
                ),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn what_a_program_made_up_is_escaped_where_it_is_named() {
        let Err(BadLine::NotAMessage { reason }) = read(br#"{"type":"\u001b[2J\u202e"}"#) else {
            panic!("it is no message");
        };
        assert!(reason.contains(r"\u{1b}[2J\u{202e}"), "{reason}");
    }
}
