//! What the log of a running bridge holds, and what it does not.

use serde_json::{Value, json};

use super::{Desk, oc2};

const PASSWORD: &str = "PassWordCanary";
const PAYLOAD: &str = "PayloadCanary";

/// Everything at trace level, from a start to a stop, with one command that a program carries out
/// and one that is not understood.
fn log_of_a_day(test: &str, format: &str) -> Option<String> {
    let settings = "[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
        [mqtt]\nusername = \"bridge\"\npassword-file = \"{dir}/password\"\n";
    let mut desk =
        Desk::open_with(test, &settings.replace("{format}", format), &[("password", PASSWORD)])?;
    let pulling = desk.start(&super::PULL.replace(" 1 ", &format!(" {PAYLOAD} ")));
    desk.begun();
    desk.finish(200);
    assert_eq!(pulling.ended().code, Some(0));
    let wrong = format!("send deny ipv4_net {PAYLOAD} --device gateway-1 --no-check");
    assert_eq!(desk.oc2(&wrong).code, Some(1));
    desk.bridge.signal("TERM");
    // Its last words.
    desk.bridge.wait_for("counters");
    assert!(desk.bridge.ended().success());
    Some(desk.bridge.log())
}

#[test]
fn each_line_is_one_object_and_holds_no_secret_and_no_payload() {
    let test = "each_line_is_one_object_and_holds_no_secret_and_no_payload";
    let Some(log) = log_of_a_day(test, "json") else { return };
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for canary in [PASSWORD, PAYLOAD] {
        let told = log.lines().filter(|line| line.contains(canary)).collect::<Vec<_>>();
        assert!(told.is_empty(), "{canary}: {told:#?}");
    }

    let connected: Vec<_> = lines.iter().filter(|line| line["message"] == "connected").collect();
    assert!(connected.iter().all(|line| line["purpose"] == "commands"), "{connected:?}");
    assert!(!connected.is_empty());

    let commands: Vec<_> = lines.iter().filter(|line| line["source"] == "oc2::command").collect();
    assert_eq!(commands.len(), 2, "a line a command: {commands:?}");
    let [carried_out, refused] = commands[..] else { unreachable!() };
    for (name, value) in [
        ("consumer", json!("gateway-1")),
        ("action", json!("set")),
        ("target", json!("x-slow:lever")),
        ("actuator", json!("slow")),
        ("status", json!(200)),
    ] {
        assert_eq!(carried_out[name], value, "{name}: {carried_out}");
    }
    assert!(carried_out["request_id"].is_string() && carried_out["producer"].is_string());
    assert!(carried_out["duration_ms"].is_u64());
    assert_eq!((&refused["status"], &refused["class"]), (&json!(400), &json!("refused")));
    let reason = refused["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("expected IPv4-Net, a range of addresses: "),
        "what it says itself: {reason}"
    );
}

#[test]
fn text_is_a_line_an_event_and_as_discreet() {
    let test = "text_is_a_line_an_event_and_as_discreet";
    let Some(log) = log_of_a_day(test, "text") else { return };
    assert!(!log.contains(PASSWORD) && !log.contains(PAYLOAD), "{log}");
    let levels = [" ERROR ", "  WARN ", "  INFO ", " DEBUG ", " TRACE "];
    let strange = log.lines().find(|line| !levels.iter().any(|level| line.contains(level)));
    assert_eq!(strange, None);
}

#[test]
fn a_bridge_that_cannot_start_says_so_in_the_format_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bridge.toml"), "[log]\nformat = \"json\"\n").unwrap();
    std::fs::write(folder.path().join("topics.toml"), super::TOPICS).unwrap();
    std::fs::write(folder.path().join("journal"), "a file where a folder should be").unwrap();
    // So that the program of topics.toml is there.
    std::fs::write(folder.path().join("slow"), super::SLOW).unwrap();
    std::process::Command::new("chmod")
        .arg("755")
        .arg(folder.path().join("slow"))
        .status()
        .unwrap();
    let mut command = oc2();
    command.arg("run").current_dir(folder.path());
    let said = super::Started::new(command).ended();
    assert_eq!(said.code, Some(74), "{said:?}");
    let last: Value = serde_json::from_str(said.err.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["error"].as_str().unwrap().starts_with("the journal: "), "{last}");
}
