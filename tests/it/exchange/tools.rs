//! The tools beside a bridge, as a user starts them: `oc2 send` and `oc2 watch`.

use std::process::{Output, Stdio};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::scene::Scene;
use crate::support::soon;

/// A profile that no program has built in.
const HEAT: &str = r#"{
 "info": {"package": "urn:example:x-heat:1.0", "exports": ["Actuator", "Target", "Args", "Pairs"]},
 "types": [
  ["Actuator", "Choice", [], "", [[2100, "x-heat", "Specifiers", [], ""]]],
  ["Pairs", "Map", ["{1"], "", [[15, "set", "Set-Targets", ["[0", "]0"], ""]]],
  ["Set-Targets", "Enumerated", [], "", [[1, "x-heat:setpoint", ""], [2, "x-heat:rooms", ""], [3, "x-heat:note", ""]]],
  ["Target", "Choice", [], "", [[1, "setpoint", "Setpoint", [], ""], [2, "rooms", "Rooms", [], ""], [3, "note", "Note", [], ""]]],
  ["Setpoint", "Record", [], "", [[1, "celsius", "Number", ["y5", "z30"], ""], [2, "mode", "Mode", ["[0"], ""]]],
  ["Rooms", "ArrayOf", ["*Note", "{1", "q"], "", []],
  ["Note", "String", ["{1", "}20"], "", []],
  ["Args", "Map", ["{1"], "", [[1, "mode", "Mode", [], ""]]],
  ["Mode", "Enumerated", [], "", [[1, "comfort", ""], [2, "eco", ""]]],
  ["Specifiers", "Map", [], "", [[1, "room", "String", ["[0"], ""]]]
 ]
}"#;

const TOPICS: &str = r#"
[[consumer]]
id = "home"
actuators = ["hall"]

[actuator.hall]
kind = "log"
profile = "x-heat"
"#;

const BRIDGE: &str = "[schemas]\ndir = \"{dir}/schemas\"\n";

/// A bridge that has the profile.
async fn home(test: &str) -> Option<Scene> {
    let mut scene = Scene::prepare(test, "home", BRIDGE, TOPICS).await?;
    std::fs::create_dir(scene.bridge.path("schemas")).unwrap();
    std::fs::write(scene.bridge.path("schemas/x-heat.jadn"), HEAT).unwrap();
    scene.bridge.run();
    Some(scene)
}

/// `oc2` with these words, and others that have spaces.
fn oc2(scene: &Scene, words: &str, further: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oc2"));
    command
        .args(words.split_whitespace())
        .args(further)
        .env_clear()
        .env("USER", "ann")
        .env("XDG_STATE_HOME", scene.bridge.path("state"))
        .env("OC2_BROKER", format!("mqtt://127.0.0.1:{}", scene.broker.port()))
        .env("OC2_PREFIX", &scene.prefix)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(scene: &mut Scene, words: &str, further: &[&str]) -> Output {
    let output = soon("the end of oc2", oc2(scene, words, further).output()).await.unwrap();
    scene.others_sent(u64::from(output.status.code() == Some(0) && !words.contains("--dry-run")));
    output
}

/// `oc2 watch` of so many messages, once it has its subscription.
async fn watching(scene: &Scene, messages: usize) -> Child {
    let words = format!("watch --json --full --count {messages} --schemas");
    let schemas = scene.bridge.path("schemas").display().to_string();
    let mut child = oc2(scene, &words, &[&schemas]).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = soon("what oc2 watch follows", told.next_line()).await.unwrap().unwrap();
    assert!(first.contains("following"), "{first}");
    child
}

fn lines(output: &Output) -> Vec<Json> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// MQTT-3.2-3 and MQTT-3.2-6 for the producer in this project: a command that `oc2 send` writes in
/// CBOR is carried out and answered in CBOR, and `oc2 watch` shows both as the JSON that says the same.
#[tokio::test]
async fn what_is_sent_in_cbor_is_answered_in_cbor_and_watched_as_json() {
    let test = "what_is_sent_in_cbor_is_answered_in_cbor_and_watched_as_json";
    let Some(mut scene) = home(test).await else { return };
    let schemas = scene.bridge.path("schemas").display().to_string();
    let cbor = ["--json", "--encoding", "cbor", "--schemas", &schemas];
    let watch = watching(&scene, 4).await;

    let sent = run(&mut scene, "query features pairs --device home", &cbor).await;
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let told = &lines(&sent)[0];
    let pairs = &told["results"]["pairs"];
    let targets = json!(["x-heat:note", "x-heat:rooms", "x-heat:setpoint"]);
    assert_eq!((&told["status"], &pairs["set"]), (&json!(200), &targets));
    let id = told["request_id"].as_str().unwrap().to_owned();
    // In CBOR, the name of a target of a profile is a number.
    let sent = run(&mut scene, "send set setpoint celsius=21.5 --device home", &cbor).await;
    assert_eq!(lines(&sent)[0]["status"], json!(200), "{sent:?}");

    let watched = soon("the end of oc2 watch", watch.wait_with_output()).await.unwrap();
    let [command, response, setting, done] = &lines(&watched)[..] else { panic!("{watched:?}") };
    let target = json!({"x-heat:setpoint": {"celsius": 21.5}});
    assert_eq!(setting["message"]["body"]["openc2"]["request"]["target"], target);
    assert_eq!((&done["status"], &done["command"]), (&json!(200), &json!("set x-heat:setpoint")));
    assert_eq!(command["command"], "query features");
    let request = json!({"action": "query", "target": {"features": ["pairs"]}});
    assert_eq!(command["message"]["body"]["openc2"]["request"], request);
    assert_eq!(command["message"]["headers"]["request_id"], id.as_str());
    assert_eq!(
        (&response["status"], &response["command"]),
        (&json!(200), &json!("query features"))
    );
    let response = &response["message"]["body"]["openc2"]["response"];
    assert_eq!(response, &json!({"status": 200, "results": {"pairs": pairs}}));
    scene.settled().await;

    // The journal has numbers, for which the schemas have names.
    let dir = scene.bridge.path("journal").display().to_string();
    let words = ["--dir", &dir, "--json", "--schemas", &schemas];
    let kept = oc2(&scene, "journal show 2", &words).output().await.unwrap();
    let message = lines(&kept)[0]["message"].as_str().map(serde_json::from_str::<Json>);
    assert_eq!(message.unwrap().unwrap(), setting["message"]);
    assert_eq!(lines(&kept)[0]["response"]["body"]["openc2"]["response"]["status"], json!(200));
}

/// Targets of a profile of one's own: completed by its schema, explained by it, and made up by it.
#[tokio::test]
async fn a_profile_of_ones_own_completes_and_explains_what_is_typed() {
    let test = "a_profile_of_ones_own_completes_and_explains_what_is_typed";
    let Some(mut scene) = home(test).await else { return };
    let folder = scene.bridge.path("schemas").display().to_string();
    let schemas = ["--schemas", folder.as_str(), "--json"];

    #[rustfmt::skip]
    let carried_out = [
        // typed                                      the target that arrives
        ("set setpoint celsius=21.5,mode=eco",        json!({"x-heat:setpoint": {"celsius": 21.5, "mode": "eco"}})),
        ("set x-heat:rooms hall,5,hall",              json!({"x-heat:rooms": ["hall", "5"]})),
        ("set x-heat:note 5",                         json!({"x-heat:note": "5"})),
    ];
    for (typed, target) in carried_out {
        let sent = run(&mut scene, &format!("send {typed} --device home"), &schemas).await;
        assert_eq!(sent.status.code(), Some(0), "{typed}: {sent:?}");
        let entries = scene.journal();
        let kept = scene.shown(entries.last().unwrap())["message"].as_str().unwrap().to_owned();
        let kept: Json = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept["body"]["openc2"]["request"]["target"], target, "{typed}");
    }

    #[rustfmt::skip]
    let refused = [
        // typed                              exit  explained
        ("set setpoint",                      64, "target x-heat:setpoint needs a VALUE: x-heat:Setpoint, an object: celsius (required), mode"),
        ("set setpoint celsus=20",            64, "has no celsus; did you mean celsius?"),
        ("set setpoint celsius=40",           65, "expected x-heat:Setpoint.celsius, a number from 5 to 30, found 40 at /target/x-heat:setpoint/celsius"),
        ("set setpoint celsius=20,mode=ecco", 65, "found \"ecco\"; did you mean eco?"),
        ("set x-heat:setpiont {}",            65, "profile x-heat has no target x-heat:setpiont; did you mean x-heat:setpoint?"),
        ("sett setpoint celsius=20",          65, "did you mean set?"),
    ];
    for (typed, exit, explained) in refused {
        let sent = run(&mut scene, &format!("send {typed} --device home"), &schemas).await;
        let told = String::from_utf8_lossy(&sent.stderr).into_owned();
        assert_eq!(sent.status.code(), Some(exit), "{typed}: {told}");
        assert!(told.contains(explained), "{typed}: {told}");
    }
    scene.settled().await;
}

/// What is made up is carried out: it is valid by the schema that the consumer has.
#[tokio::test]
async fn an_example_is_sent_like_any_command() {
    let test = "an_example_is_sent_like_any_command";
    let Some(mut scene) = home(test).await else { return };
    let folder = scene.bridge.path("schemas").display().to_string();
    let further = ["--schemas", folder.as_str(), "--json"];
    for (target, seed) in [("setpoint", 1), ("setpoint", 2), ("rooms", 3), ("note", 4)] {
        let words = format!("send set {target} --example --seed {seed} --device home");
        let shown = run(&mut scene, &format!("{words} --dry-run"), &further).await;
        let shown = lines(&shown).remove(0)["body"]["openc2"]["request"].take();
        let sent = run(&mut scene, &words, &further).await;
        assert_eq!(lines(&sent)[0]["status"], json!(200), "{shown}");
        let entries = scene.journal();
        let kept = scene.shown(entries.last().unwrap())["message"].as_str().unwrap().to_owned();
        let kept: Json = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept["body"]["openc2"]["request"], shown, "the same number makes the same");
        let mode = shown["args"]["x-heat"]["mode"].as_str();
        assert!(matches!(mode, Some("comfort" | "eco")), "arguments are made up as well: {shown}");
    }
    // Without a number there is one for each time, and it is told.
    let sent = run(&mut scene, "send set note --example --device home", &further).await;
    let told = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert!(told.contains("made up; --seed "), "{told}");
    scene.settled().await;
}
