//! `oc2 map`: device maps, without a broker.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Exit;
use crate::actuator::device::{
    self, Bench, BenchReply, DeviceConfig, Judged, MapConfig, MapError, Message, Sent, Trial,
    Unconfirmed, Vars,
};
use crate::openc2::Response;

/// What templates see as `seq`, and devices as `id`, unless `--seq` says otherwise.
const SEQ: u64 = 1;

/// What to do with maps.
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// List the maps there are, and the commands they know
    List(ListArgs),
    /// Print a map that comes with the bridge, to read or to begin from
    Show(ShowArgs),
    /// Look for mistakes in the maps of files; without a file, in those that come with the bridge
    Lint(LintArgs),
    /// Show what a map would publish for a command, and how it would judge replies
    Test(Box<TestArgs>),
}

/// Arguments of `oc2 map list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Files with more maps, such as topics.toml
    #[arg(long, value_name = "FILE")]
    maps: Vec<PathBuf>,
    /// A line of JSON for each map
    #[arg(long)]
    json: bool,
}

/// Arguments of `oc2 map show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Name of the map
    map: String,
}

/// Arguments of `oc2 map lint`.
#[derive(Args, Debug)]
pub struct LintArgs {
    /// Files with maps, such as topics.toml
    files: Vec<PathBuf>,
    /// A line of JSON for each mistake
    #[arg(long)]
    json: bool,
}

/// Arguments of `oc2 map test`.
#[derive(Args, Debug)]
#[command(after_help = TEST_HELP)]
pub struct TestArgs {
    /// Name of the map
    map: String,
    /// File with a command, or with a whole message
    #[arg(long, value_name = "FILE")]
    command: PathBuf,
    /// A variable of the device; JSON, or plain text
    #[arg(long = "var", value_name = "KEY=VALUE")]
    vars: Vec<String>,
    /// A reply to judge: topic, space, payload
    #[arg(long = "reply", value_name = "TOPIC PAYLOAD")]
    replies: Vec<String>,
    /// File with replies to judge: {"topic", "payload", "retained", "user"}, or a list of these
    #[arg(long = "reply-file", value_name = "FILE")]
    reply_files: Vec<PathBuf>,
    /// Files with more maps, such as topics.toml
    #[arg(long, value_name = "FILE")]
    maps: Vec<PathBuf>,
    /// Name of the device
    #[arg(long, default_value = "device-1")]
    device: String,
    /// Number of the command, which devices send back
    #[arg(long, default_value_t = SEQ)]
    seq: u64,
    /// Name that devices answer to
    #[arg(long, default_value = "oc2-map-test")]
    reply_src: String,
    /// Try it as a device with confirm = "none"
    #[arg(long)]
    unconfirmed: bool,
    /// One JSON value
    #[arg(long)]
    json: bool,
}

const TEST_HELP: &str = "\
Exit codes: 0 the command would be sent; 1 it would be refused, or a given reply means failure;
65 the map or the command is not valid.

  oc2 map test tasmota --var topic=plug --command on.json --reply 'stat/plug/RESULT {\"POWER\":\"ON\"}'";

/// Carries it out. Errors are about files and words; mistakes in maps are printed to `out`.
pub fn run(command: MapCommand, out: &mut dyn Write) -> Result<Exit> {
    match command {
        MapCommand::List(args) => list(&args, out),
        MapCommand::Show(args) => show(&args, out),
        MapCommand::Lint(args) => lint(&args, out),
        MapCommand::Test(args) => test(&args, out),
    }
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<Exit> {
    let own = read_files(&args.maps)?;
    let mut all: BTreeMap<&String, &MapConfig> = device::built_in_maps().iter().collect();
    all.extend(&own);
    for (name, map) in all {
        let commands = map.commands.iter().flat_map(|command| {
            command.on.action.0.iter().map(|action| format!("{action} {}", command.on.target))
        });
        let commands: Vec<String> = commands.collect();
        let needs: Vec<String> = device::needed_vars(name, map).into_iter().collect();
        let source = if own.contains_key(name) { "file" } else { "built in" };
        if args.json {
            let line = json!({"map": name, "source": source, "about": map.about, "vars": map.vars, "needs": needs, "commands": commands});
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{name} ({source}): {}", printable(&map.about))?;
        writeln!(out, "  needs     {}", or_nothing(needs.join(", ")))?;
        let defaults = map.vars.iter().map(|(name, value)| format!("{name} = {value}"));
        writeln!(out, "  defaults  {}", or_nothing(defaults.collect::<Vec<_>>().join(", ")))?;
        writeln!(out, "  commands  {}", commands.join(", "))?;
    }
    Ok(Exit::Success)
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<Exit> {
    let source = device::BUILT_IN_SOURCES.iter().find(|(name, _)| *name == args.map);
    let Some((_, text)) = source else {
        let known: Vec<_> = device::BUILT_IN_SOURCES.iter().map(|(name, _)| *name).collect();
        bail!("no map {:?} comes with the bridge; there are {}", args.map, known.join(", "));
    };
    out.write_all(text.as_bytes())?;
    Ok(Exit::Success)
}

fn lint(args: &LintArgs, out: &mut dyn Write) -> Result<Exit> {
    let mut mistakes = Vec::new();
    let mut maps = 0;
    if args.files.is_empty() {
        let built_in = device::built_in_maps();
        maps += built_in.len();
        mistakes.extend(built_in.iter().flat_map(|(name, map)| device::lint(name, map)));
    }
    for file in &args.files {
        let own = read_file(file)?;
        maps += own.len();
        for mistake in own.iter().flat_map(|(name, map)| device::lint(name, map)) {
            mistakes
                .push(MapError { map: format!("{} ({})", mistake.map, file.display()), ..mistake });
        }
    }
    for mistake in &mistakes {
        if args.json {
            let MapError { map, entry, key, line, reason } = mistake;
            let line =
                json!({"map": map, "command": entry, "key": key, "line": line, "reason": reason});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", printable(&mistake.to_string()))?;
        }
    }
    if !args.json {
        writeln!(out, "{maps} maps, {} mistakes", mistakes.len())?;
    }
    Ok(if mistakes.is_empty() { Exit::Success } else { Exit::BadInput })
}

fn test(args: &TestArgs, out: &mut dyn Write) -> Result<Exit> {
    let maps = read_files(&args.maps)?;
    let trial = read_trial(args)?;
    let replies = read_replies(args)?;
    let config = DeviceConfig {
        map: args.map.clone(),
        vars: args.vars.iter().map(|var| read_var(var)).collect::<Result<Vars>>()?,
        timeout: None,
        confirm: args.unconfirmed.then_some(Unconfirmed::None),
        names: Vec::new(),
    };
    let bench = match Bench::new(&args.device, &config, &maps, &args.reply_src) {
        Ok(bench) => bench,
        Err(error) => {
            if args.json {
                writeln!(out, "{}", json!({"error": error.to_string()}))?;
            } else {
                writeln!(out, "{}", printable(&error.to_string()))?;
            }
            return Ok(Exit::BadInput);
        }
    };
    let sent = match bench.send(trial) {
        Ok(sent) => sent,
        Err(refusal) => {
            if args.json {
                writeln!(out, "{}", json!({"response": response_json(&refusal)}))?;
            } else {
                writeln!(out, "nothing is published\nresponse   {}", response_line(&refusal))?;
            }
            return Ok(Exit::NotOk);
        }
    };
    let judged: Vec<_> =
        replies.into_iter().map(|reply| (reply.clone(), sent.judge(reply))).collect();
    if args.json {
        writeln!(out, "{}", report_json(&sent, &bench, &judged))?;
    } else {
        report(&sent, &bench, &judged, out)?;
    }
    let is_failure = |(_, judged): &(BenchReply, Judged)| match judged {
        Judged::Ignored(_) => false,
        Judged::Answered(response) => !response.status.is_success(),
    };
    Ok(if judged.iter().any(is_failure) { Exit::NotOk } else { Exit::Success })
}

fn report(
    sent: &Sent,
    bench: &Bench,
    judged: &[(BenchReply, Judged)],
    out: &mut dyn Write,
) -> Result<()> {
    let filters: Vec<_> = bench.filters().collect();
    writeln!(out, "subscribed {}", or_nothing(printable(&filters.join(", "))))?;
    match sent.message() {
        Some(message) => {
            let expiry = format!("message expiry {:?}", sent.timeout());
            print_message("publish", &message, &expiry, out)?;
        }
        None => writeln!(out, "publish    nothing: the last message is read")?,
    }
    if let Some((after, message)) = sent.probe() {
        print_message("probe", &message, &format!("after {after:?} without a reply"), out)?;
    }
    match sent.reply_filter() {
        Some(filter) => writeln!(
            out,
            "reply      on {} within {:?}, confirms by {}{}",
            printable(filter),
            sent.timeout(),
            sent.confirm().as_str(),
            if sent.is_one_at_a_time() { ", one command at a time" } else { "" },
        )?,
        None => writeln!(out, "reply      not waited for")?,
    }
    if let Some(response) = sent.unconfirmed() {
        writeln!(out, "response   {}", response_line(&response))?;
    }
    for (reply, judged) in judged {
        let payload = String::from_utf8_lossy(&reply.payload);
        let retained = if reply.retained { " (retained)" } else { "" };
        writeln!(
            out,
            "\nreply      {} {}{retained}",
            printable(&reply.topic),
            printable(&payload)
        )?;
        match judged {
            Judged::Ignored(reason) => writeln!(out, "match      no: {}", printable(reason))?,
            Judged::Answered(response) => {
                let ok = if response.status.is_success() { "yes" } else { "no" };
                writeln!(
                    out,
                    "match      yes\nok         {ok}\nresponse   {}",
                    response_line(response)
                )?;
            }
        }
    }
    Ok(())
}

fn print_message(label: &str, message: &Message, more: &str, out: &mut dyn Write) -> Result<()> {
    let Message { topic, payload, qos } = message;
    writeln!(out, "{label:10} {}", printable(topic))?;
    writeln!(out, "           {}", or_nothing(printable(payload)))?;
    writeln!(out, "           qos {qos}, not retained, {more}")?;
    Ok(())
}

fn report_json(sent: &Sent, bench: &Bench, judged: &[(BenchReply, Judged)]) -> Value {
    let message = |message: &Message| json!({"topic": message.topic, "payload": message.payload, "qos": message.qos, "retain": false});
    let replies = judged.iter().map(|(reply, judged)| {
        let (matches, reason, response) = match judged {
            Judged::Ignored(reason) => (false, Some(reason), None),
            Judged::Answered(response) => (true, None, Some(response)),
        };
        json!({
            "topic": reply.topic,
            "payload": String::from_utf8_lossy(&reply.payload),
            "retained": reply.retained,
            "match": matches,
            "reason": reason,
            "ok": response.map(|response| response.status.is_success()),
            "response": response.map(response_json),
        })
    });
    let replies: Vec<Value> = replies.collect();
    json!({
        "subscribed": bench.filters().collect::<Vec<_>>(),
        "publish": sent.message().as_ref().map(message),
        "probe": sent.probe().map(|(after, probe)| json!({"after_ms": millis(after), "publish": message(&probe)})),
        "reply_filter": sent.reply_filter(),
        "timeout_ms": millis(sent.timeout()),
        "confirms_by": sent.confirm().as_str(),
        "one_at_a_time": sent.is_one_at_a_time(),
        "response": sent.unconfirmed().as_ref().map(response_json),
        "replies": replies,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A response of a device: its results are all extensions.
fn response_json(response: &Response) -> Value {
    let mut json = Map::from_iter([("status".to_owned(), response.status.code().into())]);
    json.extend(response.status_text.clone().map(|text| ("status_text".to_owned(), text.into())));
    let results =
        response.results.as_ref().map(|results| Value::Object(results.extensions.clone()));
    json.extend(results.map(|results| ("results".to_owned(), results)));
    Value::Object(json)
}

fn response_line(response: &Response) -> String {
    printable(&response_json(response).to_string())
}

fn read_files(files: &[PathBuf]) -> Result<BTreeMap<String, MapConfig>> {
    let mut maps = BTreeMap::new();
    for file in files {
        maps.extend(read_file(file)?);
    }
    Ok(maps)
}

fn read_file(file: &Path) -> Result<BTreeMap<String, MapConfig>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    device::read_maps(&text).with_context(|| format!("{} holds no good maps", file.display()))
}

fn read_json(file: &Path) -> Result<Value> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// A bare command, or the command of a message with what its headers say.
fn read_trial(args: &TestArgs) -> Result<Trial> {
    let value = read_json(&args.command)?;
    let header = |name: &str, otherwise: &str| {
        value["headers"][name].as_str().unwrap_or(otherwise).to_owned()
    };
    let command = value.pointer("/body/openc2/request").unwrap_or(&value).clone();
    if !command["action"].is_string() || !command["target"].is_object() {
        bail!("{} holds no command: it needs action and target", args.command.display());
    }
    Ok(Trial {
        command,
        request_id: header("request_id", "map-test"),
        producer: header("from", "oc2"),
        consumer: args.device.clone(),
        seq: args.seq,
    })
}

fn read_var(var: &str) -> Result<(String, Value)> {
    let (name, value) =
        var.split_once('=').ok_or_else(|| anyhow!("{var:?} is no variable: write key=value"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

fn read_replies(args: &TestArgs) -> Result<Vec<BenchReply>> {
    let mut replies = Vec::new();
    for reply in &args.replies {
        let (topic, payload) = reply.split_once(' ').unwrap_or((reply, ""));
        replies.push(reply_of(topic, payload));
    }
    for file in &args.reply_files {
        let all = match read_json(file)? {
            Value::Array(all) => all,
            one => vec![one],
        };
        for reply in all {
            replies.push(read_reply(&reply).with_context(|| format!("in {}", file.display()))?);
        }
    }
    Ok(replies)
}

fn read_reply(reply: &Value) -> Result<BenchReply> {
    let topic = reply["topic"].as_str().ok_or_else(|| anyhow!("a reply needs a topic"))?;
    let payload = match &reply["payload"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let user = reply["user"].as_object().into_iter().flatten();
    let user = user.map(|(name, value)| {
        (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    let retained = reply["retained"].as_bool().unwrap_or(false);
    Ok(BenchReply { retained, user: user.collect(), ..reply_of(topic, &payload) })
}

fn reply_of(topic: &str, payload: &str) -> BenchReply {
    let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
    BenchReply { topic, payload, retained: false, user: Vec::new() }
}

/// Text that may come from anywhere, safe for a terminal.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "(nothing)".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: MapCommand,
    }

    /// What `oc2 map ...` prints, and whether it ends well; `{dir}` is a directory with these files.
    fn oc2_map(line: &[&str], files: &[(&str, &str)]) -> (String, Exit) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let path = dir.path().to_str().unwrap();
        let words = line.iter().map(|word| word.replace("{dir}", path));
        let line = Line::parse_from(["map".to_owned()].into_iter().chain(words));
        let mut out = Vec::new();
        let exit = run(line.command, &mut out).unwrap();
        (String::from_utf8(out).unwrap().replace(path, "{dir}"), exit)
    }

    const ON: &str = r#"{"action":"set","target":{"x-iot:switch":{"state":"on"}}}"#;

    #[test]
    fn a_map_is_tried_without_a_broker() {
        let (out, exit) = oc2_map(
            &[
                "test",
                "zigbee2mqtt",
                "--var",
                "name=lamp",
                "--command",
                "{dir}/on.json",
                "--reply",
                r#"zigbee2mqtt/lamp {"state":"OFF"}"#,
                "--reply",
                r#"zigbee2mqtt/lamp {"state":"ON"}"#,
            ],
            &[("on.json", ON)],
        );
        let expected = "\
subscribed zigbee2mqtt/lamp, zigbee2mqtt/lamp/availability
publish    zigbee2mqtt/lamp/set
           {\"state\":\"ON\"}
           qos 1, not retained, message expiry 8s
probe      zigbee2mqtt/lamp/get
           {\"state\":\"\"}
           qos 1, not retained, after 2s without a reply
reply      on zigbee2mqtt/lamp within 8s, confirms by state, one command at a time

reply      zigbee2mqtt/lamp {\"state\":\"OFF\"}
match      no: not so: json[v.state] == target.state | upper

reply      zigbee2mqtt/lamp {\"state\":\"ON\"}
match      yes
ok         yes
response   {\"status\":200,\"results\":{\"x-iot\":{\"state\":\"on\",\"confirmed\":\"state\"}}}
";
        assert_eq!(out, expected);
        assert_eq!(exit, Exit::Success);
    }

    #[test]
    fn the_manual_shows_what_is_printed() {
        let manual = include_str!("../../docs/devices.md");
        let (_, example) = manual.split_once("$ oc2 map test").unwrap();
        let (_, example) = example.split_once("'stat/plug/RESULT {\"POWER1\":\"ON\"}'\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let words = ["test", "tasmota", "--var", "topic=plug", "--command", "{dir}/on.json"];
        let replies = [
            "--reply",
            "stat/plug/RESULT {\"POWER2\":\"ON\"}",
            "--reply",
            "stat/plug/RESULT {\"POWER1\":\"ON\"}",
        ];
        let (out, _) = oc2_map(&[words.as_slice(), &replies].concat(), &[("on.json", ON)]);
        assert_eq!(out, example);
    }

    #[test]
    fn a_whole_message_and_a_file_of_replies_will_do_as_well() {
        let message =
            format!(r#"{{"headers":{{"request_id":"r"}},"body":{{"openc2":{{"request":{ON}}}}}}}"#);
        let replies = r#"[
            {"topic": "me/rpc", "payload": {"id": 7, "result": {"was_on": true}}},
            {"topic": "me/rpc", "payload": {"id": 7, "result": {}}, "retained": true},
            {"topic": "me/rpc", "payload": "{\"id\":7,\"error\":{\"message\":\"no\"}}"}
        ]"#;
        let (out, exit) = oc2_map(
            &[
                "test",
                "shelly",
                "--var",
                "prefix=p",
                "--command",
                "{dir}/m.json",
                "--json",
                "--reply-file",
                "{dir}/r.json",
                "--seq",
                "7",
                "--reply-src",
                "me",
            ],
            &[("m.json", &message), ("r.json", replies)],
        );
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["confirms_by"], "id");
        assert_eq!(report["publish"]["topic"], "p/rpc");
        let matches: Vec<_> =
            report["replies"].as_array().unwrap().iter().map(|r| &r["match"]).collect();
        assert_eq!(matches, [true, false, true]);
        assert_eq!(report["replies"][0]["response"]["status"], 200);
        assert_eq!(report["replies"][2]["response"]["status_text"], "no");
        assert_eq!(exit, Exit::NotOk, "a reply means failure");
    }

    #[test]
    fn a_refusal_is_shown_and_nothing_published() {
        let toggle = ON.replace("\"on\"", "\"toggle\"");
        let (out, exit) = oc2_map(
            &["test", "tasmota", "--var", "topic=t", "--command", "{dir}/c.json"],
            &[("c.json", &toggle)],
        );
        assert!(out.starts_with("nothing is published\nresponse   {\"status\":400"), "{out}");
        assert_eq!(exit, Exit::NotOk);
    }

    #[test]
    fn a_map_of_ones_own_is_linted_and_tried() {
        let maps = "prefix = 'oc2'\n[[map.own.command]]\non = { action = 'set', target = 'x-iot:switch' }\npublish = { topic = 't', payload = '{{ target.state | uper }}' }\nconfirm = 'none'";
        let files = [("topics.toml", maps), ("on.json", ON)];
        let (out, exit) = oc2_map(&["lint", "{dir}/topics.toml"], &files);
        assert_eq!(
            out,
            "map own ({dir}/topics.toml), command 1, publish.payload, line 1: unknown filter \"uper\"\n1 maps, 1 mistakes\n"
        );
        assert_eq!(exit, Exit::BadInput);

        let test = ["test", "own", "--maps", "{dir}/topics.toml", "--command", "{dir}/on.json"];
        let (out, exit) = oc2_map(&test, &files);
        assert!(out.contains("unknown filter"), "{out}");
        assert_eq!(exit, Exit::BadInput);

        let good = maps.replace("uper", "upper");
        let (out, exit) = oc2_map(&test, &[("topics.toml", &good), ("on.json", ON)]);
        assert!(out.contains("reply      not waited for"), "{out}");
        assert!(out.contains("\"confirmed\":\"none\""), "{out}");
        assert_eq!(exit, Exit::Success);
    }

    #[test]
    fn the_maps_that_come_with_the_bridge_are_listed_shown_and_clean() {
        let (out, _) = oc2_map(&["list"], &[]);
        assert!(out.contains("tasmota (built in)") && out.contains("needs     topic\n"), "{out}");
        let (out, _) = oc2_map(&["list", "--json"], &[]);
        let names: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["map"].clone())
            .collect();
        assert_eq!(names, ["homeassistant", "shelly", "tasmota", "zigbee2mqtt"]);
        let (out, _) = oc2_map(&["show", "shelly"], &[]);
        assert!(out.contains("[map.shelly]"), "{out}");
        assert_eq!(oc2_map(&["lint"], &[]), ("4 maps, 0 mistakes\n".to_owned(), Exit::Success));
    }

    #[test]
    fn foreign_text_cannot_talk_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
    }
}
