//! `oc2 status`: what became of a command that nobody waited for; and `oc2 consumers`.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::gateway::{self, Asked, GatewayArgs};
use super::output::{status_style, table};
use super::responses;
use super::schemas::SchemasArgs;
use super::{Exit, Failure, Screen, escape_line, tell, units};
use crate::https::Answer;
use crate::language::Library;
use crate::producer::Arrival;

const EXAMPLES: &str = "\
Examples:
  oc2 send deny uri http://a.example/ --device fw-1 --async --url https://bridge.example/
  oc2 status 5e1f0c0a-9d1c-4d0e-8a54-2b8f4a5b6c7d --wait 30s --url https://bridge.example/

Exit codes: 0 it ended with 2xx, 1 it did not or is not there, 2 it has not ended, 64 usage,
69 no bridge.";

const CONSUMERS_EXAMPLES: &str = "\
Examples:
  oc2 consumers --url https://bridge.example/
  oc2 consumers --url https://bridge.example/ --cert ann.pem --key ann.key --json";

/// Where commands are asked after.
const COMMANDS: &str = "/v1/commands";

/// Where consumers are listed.
const CONSUMERS: &str = "/v1/consumers";

/// Arguments of `oc2 status`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// What `oc2 send --async` printed
    id: String,
    /// How long to wait for its end
    #[arg(long, short, value_name = "TIME", value_parser = units::duration, default_value = "0s")]
    wait: Duration,
    /// Print it as the bridge has it, one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    schemas: SchemasArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Arguments of `oc2 consumers`.
#[derive(Debug, clap::Args)]
#[command(after_help = CONSUMERS_EXAMPLES)]
pub struct ConsumersArgs {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Asks what became of a command, and prints it.
pub fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let library = args.schemas.library()?;
    let path = path_of(&args.id, args.wait)?;
    let asked = Instant::now();
    let Some(answer) = ask(&args.gateway, &path, args.wait)? else { return Ok(Exit::Interrupted) };
    if answer.status == 404 {
        tell("the bridge knows no such command, or none of this certificate");
        return Ok(Exit::NotOk);
    }
    let found = read(&answer)?;
    // What went to several consumers there is several commands.
    let commands = match &found["commands"] {
        Value::Array(several) => match each(args, several, asked + args.wait)? {
            Some(commands) => commands,
            None => return Ok(Exit::Interrupted),
        },
        _ => vec![found],
    };
    let mut screen = Screen::stdout();
    for command in &commands {
        if args.json {
            screen.json(command)?;
        } else {
            show(command, &library, &mut screen)?;
        }
    }
    Ok(exit(&commands))
}

/// The commands of a list, with the responses that a list leaves out, each once it has ended or
/// when the time is over; `None` where Ctrl-C came first.
fn each(
    args: &StatusArgs,
    listed: &[Value],
    until: Instant,
) -> Result<Option<Vec<Value>>, Failure> {
    let mut commands = Vec::with_capacity(listed.len());
    for listed in listed {
        let id = listed["id"].as_str().unwrap_or_default();
        let wait = until.saturating_duration_since(Instant::now());
        let Some(answer) = ask(&args.gateway, &path_of(id, wait)?, wait)? else { return Ok(None) };
        // The journal may have let it go meanwhile.
        commands.push(if answer.status == 404 { listed.clone() } else { read(&answer)? });
    }
    Ok(Some(commands))
}

/// Lists the consumers that the bridge has heard of late.
pub fn consumers(args: &ConsumersArgs) -> Result<Exit, Failure> {
    let Some(answer) = ask(&args.gateway, CONSUMERS, Duration::ZERO)? else {
        return Ok(Exit::Interrupted);
    };
    let found = read(&answer)?;
    let consumers = found["consumers"].as_array().cloned().unwrap_or_default();
    let mut screen = Screen::stdout();
    if args.json {
        for consumer in &consumers {
            screen.json(consumer)?;
        }
        return Ok(Exit::Success);
    }
    if consumers.is_empty() {
        tell("no consumer was heard on the broker of late");
        return Ok(Exit::Success);
    }
    let rows: Vec<Vec<String>> = consumers
        .iter()
        .map(|consumer| {
            let seen = consumer["seen_ms"].as_u64().map_or_else(dash, units::timestamp);
            vec![
                cell(&consumer["id"]),
                seen,
                list(&consumer["profiles"]),
                list(&consumer["versions"]),
            ]
        })
        .collect();
    for line in table(&["ID", "HEARD", "PROFILES", "VERSIONS"], &rows) {
        screen.line(&line)?;
    }
    Ok(Exit::Success)
}

/// The path of a command: of its id, or as `oc2 send --async` printed it.
fn path_of(id: &str, wait: Duration) -> Result<String, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if id.strip_prefix(COMMANDS).is_some_and(|rest| rest.starts_with('?')) {
        return Ok(id.to_owned());
    }
    if id.is_empty() || !id.chars().all(is_plain) {
        let sentence = "ID is what oc2 send --async printed: letters, digits and dashes";
        return Err(Failure::say(Exit::Usage, sentence));
    }
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Ok(format!("{COMMANDS}/{id}?wait={secs}"))
}

/// The answer of the bridge; `None` where Ctrl-C came first.
fn ask(gateway: &GatewayArgs, path: &str, wait: Duration) -> Result<Option<Answer>, Failure> {
    match gateway.bridge()?.get(path, wait)? {
        Asked::Answered(answer) if answer.status == 200 || answer.status == 404 => Ok(Some(answer)),
        Asked::Answered(answer) => Err(gateway::refused(&answer)),
        Asked::Interrupted => Ok(None),
    }
}

fn read(answer: &Answer) -> Result<Value, Failure> {
    let not_ours = |_| Failure::say(Exit::Unavailable, "this is no bridge: its answer is no JSON");
    serde_json::from_slice(&answer.body).map_err(not_ours)
}

/// All have ended well; or one has not ended; or one has, and not well.
fn exit(commands: &[Value]) -> Exit {
    let is_good = |command: &Value| {
        command["status"].as_u64().is_some_and(|status| (200..300).contains(&status))
    };
    let has_ended = |command: &Value| !command["ended_ms"].is_null();
    let mut ended = commands.iter().filter(|command| has_ended(command));
    if commands.is_empty() || !ended.all(is_good) {
        Exit::NotOk
    } else if commands.iter().all(has_ended) {
        Exit::Success
    } else {
        Exit::NoResponse
    }
}

/// What it is, how far it has come, and who has said what.
fn show<W: Write>(
    command: &Value,
    library: &Library,
    screen: &mut Screen<W>,
) -> Result<(), Failure> {
    let status = match command["status"].as_u64() {
        Some(status) => screen.paint(status_style(status), &status.to_string()),
        None => dash(),
    };
    let text = command["status_text"].as_str().unwrap_or_default();
    for (label, value) in [
        ("command", format!("{}  {}", cell(&command["id"]), cell(&command["command"]))),
        ("request_id", cell(&command["request_id"])),
        ("producer", cell(&command["producer"])),
        ("consumer", cell(&command["consumer"])),
    ] {
        screen.line(&format!("{label:<12}{}", escape_line(&value)))?;
    }
    let state = escape_line(&cell(&command["state"]));
    screen.line(&format!("{:<12}{state}  {status}  {}", "state", escape_line(text)))?;
    for arrival in arrivals(command, library) {
        for line in responses::lines(&arrival, screen) {
            screen.line(&line)?;
        }
    }
    Ok(())
}

/// The responses: those of the end, or what there is of several before it.
fn arrivals(command: &Value, library: &Library) -> Vec<Arrival> {
    let since = &command["accepted_ms"];
    let answers = command["answers"].as_array();
    let so_far = answers.into_iter().flatten().map(|answer| {
        let took = gateway::between(since, &answer["at_ms"]);
        let mut response = answer.clone();
        if let Value::Object(members) = &mut response {
            // When it came, and whether late, is no part of it.
            members.retain(|name, _| !["at_ms", "late"].contains(&name.as_str()));
        }
        gateway::arrival(&response, took, library)
    });
    if answers.is_some() {
        return so_far.collect();
    }
    if command["response"].is_null() {
        return Vec::new();
    }
    gateway::arrivals(&command["response"], gateway::between(since, &command["ended_ms"]), library)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => dash(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> String {
    let names = value.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>().join(", ");
    if names.is_empty() { dash() } else { names }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_one_or_what_stands_for_several() {
        let wait = Duration::from_millis(1_500);
        let path = |id| path_of(id, wait).ok();
        assert_eq!(path("a-1").as_deref(), Some("/v1/commands/a-1?wait=2"));
        let several = "/v1/commands?request_id=r%201";
        assert_eq!(path(several).as_deref(), Some(several));
        for id in ["", "a/b", "a?b", "../x", "/v1/consumers", "é"] {
            assert_eq!(path(id), None, "{id:?}");
        }
    }

    #[test]
    fn the_exit_code_says_how_it_ended() {
        let ended = |status: u16| json!({"ended_ms": 1, "status": status});
        let pending = json!({"ended_ms": null, "status": null});
        for (commands, code) in [
            (vec![ended(200)], Exit::Success),
            (vec![ended(404)], Exit::NotOk),
            (vec![pending.clone()], Exit::NoResponse),
            (vec![ended(200), pending.clone()], Exit::NoResponse),
            (vec![ended(500), pending], Exit::NotOk),
            (vec![], Exit::NotOk),
        ] {
            assert_eq!(exit(&commands), code, "{commands:?}");
        }
    }

    #[test]
    fn a_command_is_shown_with_what_was_said() {
        let mut screen = Screen::plain(Vec::new());
        let command = json!({
            "id": "a-1", "command": "deny uri", "request_id": "r\u{1b}", "producer": "soar-1",
            "consumer": "gateway-1", "state": "started", "accepted_ms": 1000, "ended_ms": null,
            "answers": [{"from": "fw-1", "status": 404, "status_text": "no", "at_ms": 1250}],
        });
        show(&command, &Library::built_in(), &mut screen).unwrap();
        let shown = String::from_utf8(screen.into_inner()).unwrap();
        let expected = "\
command     a-1  deny uri
request_id  r\\u{1b}
producer    soar-1
consumer    gateway-1
state       started  -
fw-1              404   250.0 ms  no
";
        assert_eq!(shown, expected);
    }
}
