//! What `oc2 map` prints, and how it ends.

use clap::Parser;
use serde_json::Value;

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
    let manual = include_str!("../../../docs/devices.md");
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
