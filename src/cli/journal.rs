//! `oc2 journal`: what came, from whom, and what became of it.

mod guard;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::output::{self, Screen, Style, escape_line, json_lines, status_style, table};
use super::schemas::SchemasArgs;
use super::{Exit, Failure, units};
use crate::dispatch::IN_DOUBT;
use crate::journal::{self, Answer, AskError, JournalError, Listing, Request, State, Truth};
use crate::language::Library;
use crate::{format, wire};

const EXAMPLES: &str = "\
Examples:
  oc2 journal list
  oc2 journal list --state started
  oc2 journal list --producer soar-1 --limit 200 --json
  oc2 journal show 42
  oc2 journal show 42 --schemas schemas
  oc2 journal show 95ad511c-3339-4111-9c47-9156c47d37d3
  oc2 journal list --state in-doubt
  oc2 journal resolve 42 --as done --text 'the valve is closed, I looked'
  oc2 journal export > march.jsonl && oc2 journal verify march.jsonl

It asks the running bridge, or reads the folder where none runs.";

/// Arguments of `oc2 journal`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct JournalArgs {
    #[command(subcommand)]
    question: Question,
    /// The journal's folder: [journal] dir of bridge.toml
    #[arg(long, value_name = "DIR", global = true, env = "OC2_JOURNAL_DIR")]
    #[arg(default_value = "journal", hide_env_values = true)]
    dir: PathBuf,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

/// What to ask the journal.
#[derive(Clone, Debug, Eq, PartialEq, clap::Subcommand)]
pub enum Question {
    /// The latest commands, newest first
    List(ListArgs),
    /// All there is about one command
    Show {
        /// Its number in the list, or its `request_id`
        id: String,
        #[command(flatten)]
        schemas: SchemasArgs,
    },
    /// How the running bridge is: its counters and its connection
    Status,
    /// Whether every record is the one that was written, and none is missing
    Verify(guard::VerifyArgs),
    /// All records as lines of JSON, each with its link of the chain
    Export,
    /// Settle a command in doubt: record what you found out, and tell its producer
    Resolve(ResolveArgs),
    /// Go on with what is left of a journal that is not as it was left; not while a bridge runs on it
    AcceptLoss(guard::AcceptLossArgs),
}

/// What became of a command in doubt.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub struct ResolveArgs {
    /// Its number in the list, or its `request_id`
    pub id: String,
    /// What became of it: done is answered with 200, failed with 500
    #[arg(long = "as", value_name = "OUTCOME", value_parser = ["done", "failed"])]
    pub truth: String,
    /// What you found out; its producer reads it
    #[arg(long, value_name = "WORDS")]
    pub text: String,
}

/// Which commands to list.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value = "50")]
    pub limit: usize,
    /// Only those in this state
    #[arg(long, value_parser = ["accepted", "started", "ended", "in-doubt"])]
    pub state: Option<String>,
    /// Only those for this consumer
    #[arg(long, value_name = "ID")]
    pub consumer: Option<String>,
    /// Only those of this producer
    #[arg(long, value_name = "ID")]
    pub producer: Option<String>,
}

/// Asks the running bridge, or the journal itself where none runs.
pub fn run(args: &JournalArgs) -> Result<Exit, Failure> {
    let request = match &args.question {
        Question::Verify(which) => return guard::verify(&args.dir, which, args.json),
        Question::Export => return guard::export(&args.dir),
        Question::AcceptLoss(why) => return guard::accept_loss(&args.dir, why, args.json),
        Question::List(which) => Request::List(Listing {
            limit: which.limit,
            state: which.state.as_deref().and_then(state_named),
            consumer: which.consumer.clone(),
            producer: which.producer.clone(),
            ..Listing::default()
        }),
        Question::Show { id, .. } => Request::Show { id: id.clone() },
        Question::Resolve(ResolveArgs { id, truth, text }) => Request::Resolve {
            id: id.clone(),
            truth: if truth == "done" { Truth::Done } else { Truth::Failed },
            text: text.clone(),
        },
        Question::Status => Request::Status,
    };
    let mut found = super::runtime()?.block_on(ask(&args.dir, request))?;
    if let Question::Show { schemas, .. } = &args.question {
        let library = schemas.library()?;
        for detail in &mut found {
            read_cbor(detail, &library);
        }
    }
    print(args, &found)
}

async fn ask(dir: &Path, request: Request) -> Result<Vec<Value>, Failure> {
    Ok(match journal::ask(dir, request).await.map_err(failure)? {
        Answer::List(entries) => entries.iter().map(as_json).collect(),
        Answer::Show(details) => details.iter().map(as_json).collect(),
        Answer::Check(check) => vec![as_json(&check)],
        Answer::Exported(lines) => lines.iter().map(as_json).collect(),
        Answer::Resolved(ticket) => vec![serde_json::json!({ "resolved": ticket })],
        Answer::Status(status) => vec![status],
    })
}

/// Shows messages in CBOR by these schemas, which may know names where the journal has numbers.
fn read_cbor(detail: &mut Value, library: &Library) {
    let read = |octets: &Value| {
        let octets = format::hex_octets(octets.as_str()?).ok()?;
        wire::shown_by(&octets, &library.languages())
    };
    if let Some(message) = read(&detail["message_cbor"]) {
        detail["message"] = message.to_string().into();
    }
    if let Some(response) = read(&detail["response_cbor"]) {
        detail["response"] = response;
    }
}

fn failure(error: AskError) -> Failure {
    let exit = match error {
        AskError::NotRunning { .. } => Exit::Unavailable,
        AskError::Refused { .. } => Exit::NotOk,
        AskError::Journal(JournalError::Missing { .. }) => {
            let hint = "--dir names its folder, [journal] dir of bridge.toml";
            return Failure::say(Exit::Io, format_args!("{error}; {hint}"));
        }
        _ => Exit::Io,
    };
    Failure::new(exit, error)
}

fn state_named(name: &str) -> Option<State> {
    match name {
        "accepted" => Some(State::Accepted),
        "started" => Some(State::Started),
        "ended" => Some(State::Ended),
        "in-doubt" => Some(State::InDoubt),
        _ => None,
    }
}

fn as_json(it: &impl serde::Serialize) -> Value {
    serde_json::to_value(it).expect("plain fields become JSON")
}

fn print(args: &JournalArgs, found: &[Value]) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    if args.json {
        for value in found {
            screen.json(value)?;
        }
    } else {
        let lines = match &args.question {
            Question::List(_) => list(found),
            Question::Show { .. } => {
                found.iter().flat_map(|detail| show(detail, &screen)).collect()
            }
            _ => found.iter().flat_map(status).collect(),
        };
        for line in lines {
            screen.line(&line)?;
        }
    }
    Ok(match (&args.question, found.is_empty()) {
        (Question::Show { .. }, true) => {
            super::tell("the journal knows no such command");
            Exit::NotOk
        }
        _ => Exit::Success,
    })
}

/// Each number on a line of its own, under the name it has in JSON.
fn status(status: &Value) -> Vec<String> {
    fn facts(path: &str, value: &Value, lines: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    facts(&path, value, lines);
                }
            }
            other => lines.push(format!("{path:<36} {}", escape_line(&other.to_string()))),
        }
    }
    let mut lines = Vec::new();
    facts("", status, &mut lines);
    lines
}

/// Entries as a table, in the order given.
fn list(entries: &[Value]) -> Vec<String> {
    let headings = ["ID", "ACCEPTED", "PRODUCER", "CONSUMER", "COMMAND", "STATE", "STATUS", "TOOK"];
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let time = entry["accepted_ms"].as_u64().map_or_else(dash, units::timestamp);
            vec![
                cell(entry, "ticket"),
                time,
                narrow(&cell(entry, "producer")),
                narrow(&cell(entry, "consumer")),
                narrow(&cell(entry, "summary")),
                state(entry),
                cell(entry, "status"),
                took(entry, "ended_ms").unwrap_or_else(dash),
            ]
        })
        .collect();
    table(&headings, &rows)
}

/// A cell that leaves room for the others, whatever somebody calls himself.
fn narrow(text: &str) -> String {
    const CHARS: usize = 40;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One command: what it is, its records with their times, its messages.
fn show<W: std::io::Write>(detail: &Value, screen: &Screen<W>) -> Vec<String> {
    const LABEL_CHARS: usize = 12;
    let mut lines = Vec::new();
    let mut fact = |label: &str, text: String| {
        lines.push(format!("{label:<LABEL_CHARS$}{text}"));
    };
    fact("command", format!("{}  {}", cell(detail, "ticket"), shown(detail, "summary")));
    for (label, name) in [
        ("request_id", "request_id"),
        ("producer", "producer"),
        ("consumer", "consumer"),
        ("actuator", "actuator"),
    ] {
        fact(label, shown(detail, name));
    }
    let status = match detail["status"].as_u64() {
        Some(status) => screen.paint(status_style(status), &status.to_string()),
        None => dash(),
    };
    let text = detail["text"].as_str().map_or_else(String::new, |text| format!("  {text}"));
    fact("state", format!("{}  {status}{}", state(detail), escape_line(&text)));
    for (label, name) in [("starts", "start_ms"), ("ends", "stop_ms")] {
        // What it was accepted with.
        if let Some(at_ms) = detail["records"][0][name].as_u64() {
            fact(label, units::timestamp(at_ms));
        }
    }
    if detail["unverified_signature"] == true {
        fact("signature", screen.paint(Style::Pending, "there is one; nobody has checked it"));
    }

    for record in detail["records"].as_array().into_iter().flatten() {
        let at = record["at_ms"].as_u64().map_or_else(dash, units::timestamp);
        let after = match (detail["accepted_ms"].as_u64(), record["at_ms"].as_u64()) {
            (Some(accepted), Some(at)) => format!("+{} ms", at.saturating_sub(accepted)),
            _ => String::new(),
        };
        let facts = facts(record);
        lines.push(format!("{at}  {after:>10}  {:<9} {facts}", shown(record, "kind")));
    }
    if let Some(message) = detail["message"].as_str() {
        lines.push(String::new());
        lines.push("message".to_owned());
        let json = serde_json::from_str(message);
        lines.extend(indented(&json.unwrap_or_else(|_| Value::String(message.to_owned()))));
    }
    if !detail["response"].is_null() {
        lines.push(String::new());
        lines.push("response".to_owned());
        lines.extend(indented(&detail["response"]));
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// What a record says beyond when and what, and beyond what stands above all
/// records, as `name=value`.
fn facts(record: &Value) -> String {
    const SHOWN_ELSEWHERE: [&str; 8] =
        ["seq", "at_ms", "kind", "key", "consumer", "producer", "request_id", "summary"];
    let members = record.as_object().into_iter().flatten();
    let rest = members
        .filter(|(name, value)| !SHOWN_ELSEWHERE.contains(&name.as_str()) && !value.is_null());
    let facts: Vec<_> =
        rest.map(|(name, value)| format!("{name}={}", output::json_line(value))).collect();
    escape_line(&facts.join(" "))
}

fn indented(value: &Value) -> Vec<String> {
    json_lines(value).into_iter().map(|line| format!("    {line}")).collect()
}

/// A member as text; a dash where there is none. The table escapes it.
fn cell(entry: &Value, name: &str) -> String {
    match &entry[name] {
        Value::Null => dash(),
        Value::String(text) if text.is_empty() => dash(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The same, escaped.
fn shown(entry: &Value, name: &str) -> String {
    escape_line(&cell(entry, name))
}

/// How far it has come; for one that ended, what became of it.
fn state(entry: &Value) -> String {
    let is_in_doubt = entry["text"].as_str().is_some_and(|text| text.starts_with(IN_DOUBT));
    if is_in_doubt && entry["status"] == 500 {
        return "in doubt".to_owned();
    }
    let name = if entry["class"].is_string() { "class" } else { "state" };
    shown(entry, name)
}

fn took(entry: &Value, until: &str) -> Option<String> {
    let ms = entry[until].as_u64()?.saturating_sub(entry["accepted_ms"].as_u64()?);
    Some(format!("{ms} ms"))
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Value {
        json!({
            "ticket": 42, "request_id": "r-1", "producer": "soar-1\u{1b}[2J", "consumer": "gateway-1",
            "summary": "set x-probe:level", "actuator": "probe", "state": "ended",
            "class": "answered", "status": 200, "text": "done", "accepted_ms": 1_795_458_523_123_u64,
            "started_ms": 1_795_458_523_125_u64, "ended_ms": 1_795_458_523_135_u64,
            "answered_ms": null,
        })
    }

    #[test]
    fn a_list_is_a_table() {
        let unread = json!({
            "ticket": 7, "request_id": null, "producer": null, "consumer": "", "summary": "",
            "state": "accepted", "class": null, "status": null, "accepted_ms": 0, "ended_ms": null,
        });
        assert_eq!(
            list(&[entry(), unread]),
            [
                "ID  ACCEPTED                  PRODUCER         CONSUMER   COMMAND            STATE     STATUS  TOOK",
                r"42  2026-11-23T18:28:43.123Z  soar-1\u{1b}[2J  gateway-1  set x-probe:level  answered  200     12 ms",
                "7   1970-01-01T00:00:00.000Z  -                -          -                  accepted  -       -",
            ]
        );
    }

    #[test]
    fn a_command_is_shown_with_its_records_and_messages() {
        let mut detail = entry();
        detail["unverified_signature"] = json!(true);
        detail["message"] = json!(r#"{"headers":{}}"#);
        detail["response"] = json!({ "body": "\u{9b}" });
        detail["records"] = json!([
            {
                "seq": 1, "at_ms": 1_795_458_523_123_u64, "kind": "accepted", "address": "device",
                "start_ms": 1_795_458_523_125_u64, "stop_ms": 1_795_458_600_000_u64,
            },
            { "seq": 2, "at_ms": 1_795_458_523_135_u64, "kind": "outcome", "status": 200, "text": "a\nb" },
        ]);
        assert_eq!(
            show(&detail, &Screen::plain(Vec::new())),
            [
                "command     42  set x-probe:level",
                "request_id  r-1",
                r"producer    soar-1\u{1b}[2J",
                "consumer    gateway-1",
                "actuator    probe",
                "state       answered  200  done",
                "starts      2026-11-23T18:28:43.125Z",
                "ends        2026-11-23T18:30:00.000Z",
                "signature   there is one; nobody has checked it",
                r#"2026-11-23T18:28:43.123Z       +0 ms  accepted  address="device" start_ms=1795458523125 stop_ms=1795458600000"#,
                r#"2026-11-23T18:28:43.135Z      +12 ms  outcome   status=200 text="a\nb""#,
                "",
                "message",
                "    {",
                r#"      "headers": {}"#,
                "    }",
                "",
                "response",
                "    {",
                r#"      "body": "\u009b""#,
                "    }",
            ]
        );
    }
}
