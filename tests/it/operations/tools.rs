//! `oc2 send`, `query`, `watch` and `journal`, with a bridge that answers.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};

use super::Desk;

const MESSAGE: &str = r#"{"headers": {"request_id": "by-hand", "from": "ann"},
"body": {"openc2": {"request": {"action": "deny", "target": {"ipv4_net": "192.0.2.7"}}}}}"#;

#[test]
fn a_command_can_be_sent_in_every_form() {
    let test = "a_command_can_be_sent_in_every_form";
    let Some(desk) = Desk::open(test, "") else { return };
    let write = |name: &str, text: &str| std::fs::write(desk.bridge.path(name), text).unwrap();
    write("message.json", MESSAGE);
    write("command.json", r#"{"action": "query", "target": {"features": ["versions"]}}"#);
    write("broken.json", r#"{"action": "#);

    #[rustfmt::skip]
    let cases = [
        // words                                                         exit  says
        ("send deny ipv4_net 192.0.2.1 --device gateway-1",                 0, "gateway-1         200"),
        ("send deny ipv4_net 192.0.2.1 --profile x-eye --expect 2",         0, "gateway-2         200"),
        ("send deny ipv4_net 192.0.2.1 --all --expect 2",                   0, "gateway-1         200"),
        ("send --file message.json --device gateway-2",                     0, "gateway-2         200"),
        ("send --file command.json --device gateway-2",                     0, "    versions    1.1"),
        ("send deny ipv4_net 192.0.2.1 --device gateway-1 --dry-run",       0, r#""ipv4_net":"192.0.2.1""#),
        ("query versions --device gateway-1",                               0, "    versions    1.1"),
        ("query features pairs --device gateway-2",                         0, "                deny: ipv4_net"),
        ("query profiles --wait 300ms",                                     0, "    profiles    x-slow, x-eye"),
        ("send detonate file {\"name\":\"a\"} --device gateway-1",          1, "501"),
        ("send deny ipv4_net 300.0.0.1 --device gateway-1 --no-check",      1, "400"),
        ("send deny ipv4_net 192.0.2.1 --device nobody",                    2, "nobody has subscribed"),
        ("send deny ipv4_net 192.0.2.1 --all --expect 3 --wait 500ms",      2, "2 of 3 responses"),
        ("send deny ipv4_net 192.0.2.1",                                   64, "--device"),
        ("send deny ipv4_net 300.0.0.1 --device gateway-1",                65, "at /target/ipv4_net"),
        ("send --file broken.json --device gateway-1",                     65, "not sent"),
        ("send query features --all --broker mqtt://127.0.0.1:1 --connect-wait 200ms", 69, "mqtt://127.0.0.1:1"),
        ("watch --topic a/#/b",                                            64, "no topic filter"),
        ("run --broker foo",                                               78, "--broker: mqtt.url: "),
        ("map lint command.json",                                          65, "command.json:1: no good map: "),
        ("map lint missing.toml",                                          74, "cannot read missing.toml"),
        ("watch --broker mqtt://127.0.0.1:1 --connect-wait 200ms",         69, "mqtt://127.0.0.1:1"),
    ];
    for (words, code, says) in cases {
        let said = desk.oc2(words);
        assert_eq!(said.code, Some(code), "{words}: {said:?}");
        assert!(said.out.contains(says) || said.err.contains(says), "{words}: {said:?}");
    }
    // As it would be sent, and yet one line that a program can read.
    let [shown] = &desk.oc2("send --file message.json --device gateway-2 --dry-run").json()[..]
    else {
        panic!("one line")
    };
    assert_eq!(shown, &serde_json::from_str::<Value>(MESSAGE).unwrap());
    let [answer] = &desk.oc2("query versions --device gateway-1 --json").json()[..] else {
        panic!("one line")
    };
    assert_eq!((&answer["from"], &answer["status"]), (&json!("gateway-1"), &json!(200)));
    assert_eq!(answer["results"], json!({ "versions": ["1.1"] }));
    assert!(answer["elapsed_ms"].is_f64());
}

#[test]
fn two_producers_at_once_do_not_disturb_each_other() {
    let test = "two_producers_at_once_do_not_disturb_each_other";
    let Some(desk) = Desk::open(test, "") else { return };
    // The first waits for its answer as long as the others are there.
    let pulling = desk.start(super::PULL);
    desk.begun();
    let others = [1, 2].map(|_| desk.start("query versions --device gateway-1 --json"));
    for other in others {
        let said = other.ended();
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    desk.finish(200);
    assert_eq!(pulling.ended().code, Some(0));
    let mut producers: Vec<Value> =
        desk.oc2("journal list --json").json().iter().map(|it| it["producer"].clone()).collect();
    producers.dedup();
    assert!(producers.len() > 1, "each had a name of its own: {producers:?}");
}

#[test]
fn the_journal_tells_what_came_while_the_bridge_runs_and_after() {
    let test = "the_journal_tells_what_came_while_the_bridge_runs_and_after";
    let Some(mut desk) = Desk::open(test, "") else { return };
    let by_hand = "send deny ipv4_net 192.0.2.1 --device gateway-1 --from ann --request-id by-hand";
    assert_eq!(desk.oc2(by_hand).code, Some(0));

    let status = desk.oc2("journal status");
    assert!(status.out.contains("counters.answered                    1"), "{}", status.out);
    let while_it_runs = desk.oc2("journal show by-hand --json").json();
    assert!(desk.bridge.terminate().success());
    assert_eq!(desk.oc2("journal status").code, Some(69));
    // The broker's word on the response may have been written meanwhile.
    let afterwards = desk.oc2("journal show by-hand --json").json();
    for entry in [&while_it_runs[0], &afterwards[0]] {
        assert_eq!((&entry["producer"], &entry["status"]), (&json!("ann"), &json!(200)));
        assert_eq!((&entry["actuator"], &entry["consumer"]), (&json!("eye"), &json!("gateway-1")));
    }

    let list = desk.oc2("journal list");
    assert!(list.out.contains("ann"), "{list:?}");
    let shown = desk.oc2("journal show 1");
    for line in ["command     1  deny ipv4_net", "request_id  by-hand", "producer    ann"] {
        assert!(shown.out.lines().any(|it| it == line), "{line}\n{}", shown.out);
    }
    for kind in ["accepted", "started", "outcome", "answered"] {
        assert!(shown.out.contains(&format!(" ms  {kind}")), "{kind}\n{}", shown.out);
    }
    assert_eq!(desk.oc2("journal show nothing").code, Some(1));
    let nowhere = desk.oc2("journal list --dir nowhere");
    assert_eq!(nowhere.code, Some(74));
    assert!(nowhere.err.contains("there is no journal in nowhere; --dir"), "{nowhere:?}");
}

#[test]
fn a_watcher_sees_a_command_paired_with_its_response() {
    let test = "a_watcher_sees_a_command_paired_with_its_response";
    let Some(desk) = Desk::open(test, "") else { return };
    let mut watching = desk.start("watch --json --count 2");
    let mut stderr = BufReader::new(watching.0.as_mut().unwrap().stderr.take().unwrap());
    let following =
        stderr.by_ref().lines().map_while(Result::ok).find(|it| it.contains("following"));
    assert_eq!(following.as_deref(), Some("oc2: following oc2/#"));
    assert_eq!(desk.oc2("query versions --device gateway-1 --from ann").code, Some(0));
    let seen = watching.ended();
    let [command, response] = &seen.json()[..] else { panic!("{seen:?}") };
    assert_eq!((&command["from"], &command["to"]), (&json!("ann"), &json!("gateway-1")));
    assert_eq!(command["command"], "query features");
    assert_eq!((&response["from"], &response["status"]), (&json!("gateway-1"), &json!(200)));
    assert_eq!(response["command"], "query features", "paired");
    assert!(response["elapsed_ms"].is_f64());
}
