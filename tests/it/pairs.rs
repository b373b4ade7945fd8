//! What `query features pairs` says is what is accepted.

use std::collections::BTreeSet;

use openc2_bridge::config::Topics;
use openc2_bridge::dispatch::{
    Address, Declared, Dispatcher, Effect, Event, Inbound, OutboxId, Receipt, Report, Rules, Ticket,
};
use openc2_bridge::language::Library;
use openc2_bridge::openc2::{Action, Response, Status};
use serde_json::{Value, json};

use crate::source;

/// A value of each target, good in the language and in the profiles that are built in.
fn targets() -> Vec<Value> {
    let connection = json!({"protocol": "tcp"});
    #[rustfmt::skip]
    let core = vec![
        json!({"artifact": {"mime_type": "text/plain"}}), json!({"command": "c-1"}),
        json!({"device": {"device_id": "plug-1"}}), json!({"domain_name": "a.example"}),
        json!({"email_addr": "a@example.org"}), json!({"features": ["pairs"]}),
        json!({"file": {"name": "a"}}), json!({"idn_domain_name": "a.example"}),
        json!({"idn_email_addr": "a@example.org"}), json!({"ipv4_net": "192.0.2.0/24"}),
        json!({"ipv6_net": "2001:db8::/32"}), json!({"ipv4_connection": connection}),
        json!({"ipv6_connection": connection}), json!({"iri": "https://a.example/"}),
        json!({"mac_addr": "00:00:5E:00:53:01"}), json!({"process": {"pid": 1}}),
        json!({"properties": ["state"]}), json!({"uri": "https://a.example/"}),
    ];
    #[rustfmt::skip]
    let extensions = [
        json!({"slpf:rule_number": 1}), json!({"x-iot:switch": {"state": "on"}}),
        json!({"x-iot:light": {"state": "on"}}), json!({"x-probe:level": 1}), json!({"x-log:line": "a"}),
        json!({"x-nobody:thing": 1}),
    ];
    core.into_iter().chain(extensions).collect()
}

fn name(target: &Value) -> String {
    target.as_object().unwrap().keys().next().unwrap().clone()
}

/// Sends a command to a consumer, and ends it where it is started. Status, and the results.
fn ask(room: &mut Dispatcher, consumer: &str, id: u64, command: &Value) -> (u64, Value) {
    let message = json!({
        "headers": {"request_id": format!("r-{id}"), "from": "p", "created": 1_700_000_000_000_u64},
        "body": {"openc2": {"request": command}},
    });
    let opened = room.open(Inbound {
        receipt: Receipt(id),
        address: Address::Device(consumer.to_owned()),
        payload: message.to_string().into(),
        declared: Declared::default(),
        retained: false,
        // More than the rate limit would not be.
        received_ms: 1_700_000_000_000 + id * 60_000,
        caller: None,
    });
    let known = vec![None; opened.keys().len()];
    let effects = room.admit(opened, &known, &[]);
    if let Some(work) = effects.iter().find_map(|it| match it {
        Effect::Start(work) => Some(work),
        _ => None,
    }) {
        let outcome = Response::new(Status::Ok).into();
        room.report(Report::Outcome { ticket: work.ticket, outcome }, 0);
        return (0, Value::Null);
    }
    let response = effects.iter().find_map(|it| match it {
        Effect::Respond(outgoing) => Some(&outgoing.payload),
        _ => None,
    });
    let response: Value = serde_json::from_slice(response.expect("it is answered")).unwrap();
    let response = &response["body"]["openc2"]["response"];
    (response["status"].as_u64().unwrap(), response["results"].clone())
}

fn room(topics: &Topics) -> Dispatcher {
    Dispatcher::new(topics.house.clone(), Rules::default(), Ticket(0), OutboxId(0))
}

/// L11-4.1-5: all 20 actions with all targets, core and of profiles, to every consumer of the
/// sample files: what its pairs have is carried out or answered, and all else gets 501.
#[test]
fn every_pair_that_a_consumer_tells_is_accepted_and_no_other() {
    let topics = Topics::load(&source::root().join("topics.toml"), &Library::built_in()).unwrap();
    let walls = "[[consumer]]\nid = \"wall\"\nactuators = [\"slpf\", \"any\"]\n\
        [actuator.slpf]\nkind = \"log\"\nprofile = \"slpf\"\n\
        [actuator.any]\nkind = \"log\"\nprofile = \"x-log\"\npairs = { scan = [\"uri\", \"x-log:line\"] }\n\
        [[device]]\nid = \"lamp\"\nap = [\"x-iot\"]\nmap = \"zigbee2mqtt\"\nvars = { name = \"lamp\" }\n";
    let walls =
        Topics::parse(&source::root().join("walls.toml"), walls, &Library::built_in()).unwrap();
    let mut id = 0;
    for topics in [topics, walls] {
        let mut room = room(&topics);
        for consumer in &topics.house.consumers {
            id += 1;
            let asked = json!({"action": "query", "target": {"features": ["pairs"]}});
            let (status, results) = ask(&mut room, &consumer.id, id, &asked);
            assert_eq!(status, 200);
            let pairs = results["pairs"].as_object().unwrap();
            let told: BTreeSet<(String, String)> = pairs
                .iter()
                .flat_map(|(action, targets)| {
                    let targets = targets.as_array().unwrap().iter();
                    targets.map(|it| (action.clone(), it.as_str().unwrap().to_owned()))
                })
                .collect();
            let mut accepted = BTreeSet::new();
            for action in Action::ALL {
                for target in targets() {
                    id += 1;
                    let command = json!({"action": action.as_str(), "target": target});
                    match ask(&mut room, &consumer.id, id, &command).0 {
                        0 | 200 => drop(accepted.insert((action.to_string(), name(&target)))),
                        // It is understood, and there is no such command.
                        404 if name(&target) == "command" => {
                            accepted.insert((action.to_string(), name(&target)));
                        }
                        status => assert_eq!(status, 501, "{}: {command}", consumer.id),
                    }
                }
            }
            assert_eq!(accepted, told, "{}", consumer.id);
        }
    }
}

/// Shows L11-3.1.4-1: arguments, specifiers and targets of a profile are checked by its schema: what is
/// malformed gets 400 with the place, and a namespace that nobody here has 501.
#[test]
fn what_a_profile_has_is_checked_by_its_schema() {
    let topics = "[[consumer]]\nid = \"wall\"\nactuators = [\"slpf\"]\n\
        [actuator.slpf]\nkind = \"log\"\nprofile = \"slpf\"\n";
    let file = source::root().join("walls.toml");
    let topics = Topics::parse(&file, topics, &Library::built_in()).unwrap();
    let deny = |args: Value, actuator: Value| {
        let mut command = json!({"action": "deny", "target": {"ipv4_net": "192.0.2.1"}});
        if !args.is_null() {
            command["args"] = args;
        }
        if !actuator.is_null() {
            command["actuator"] = actuator;
        }
        command
    };
    let none = Value::Null;
    let eleven: Vec<_> = (0..11).map(|it| it.to_string()).collect();
    #[rustfmt::skip]
    let cases = [
        (deny(json!({"slpf": {"drop_process": "reject"}}), none.clone()),           0,   ""),
        (deny(json!({"slpf": {"insert_rule": 1234, "persistent": false}}), none.clone()), 0, ""),
        (deny(json!({"slpf": {"direction": "sideways"}}), none.clone()),            400, "/args/slpf/direction"),
        (deny(json!({"slpf": {"insert_rule": "7"}}), none.clone()),                 400, "/args/slpf/insert_rule"),
        (deny(json!({"slpf": {"insert_rule": 1.5}}), none.clone()),                 400, "/args/slpf/insert_rule"),
        (deny(json!({"slpf": {"speed": 1}}), none.clone()),                         400, "/args/slpf/speed"),
        (deny(json!({"slpf": {}}), none.clone()),                                   400, "/args/slpf"),
        (deny(json!({"x-foo": {"speed": 1}}), none.clone()),                        501, ""),
        (deny(none.clone(), json!({"slpf": {}})),                                   0,   ""),
        (deny(none.clone(), json!({"slpf": {"asset_tuple": eleven}})),              400, "/actuator/slpf/asset_tuple"),
        (deny(none.clone(), json!({"slpf": {"asset_id": 5}})),                      400, "/actuator/slpf/asset_id"),
        (deny(none.clone(), json!({"slpf": {"asset_id": "5"}})),                    404, ""),
        (deny(none.clone(), json!({"er": {}})),                                     501, ""),
        (json!({"action": "delete", "target": {"slpf:rule_number": 5}}),            0,   ""),
        (json!({"action": "delete", "target": {"slpf:rule_number": "5"}}),          400, "/target/slpf:rule_number"),
        (json!({"action": "delete", "target": {"slpf:rule_number": [1, 2]}}),       400, "/target/slpf:rule_number"),
        (json!({"action": "delete", "target": {"slpf:rule": 5}}),                   501, ""),
        (json!({"action": "delete", "target": {"ipv4_net": "192.0.2.1"}}),          501, ""),
        (json!({"action": "query", "target": {"slpf:rule_number": 5}}),             501, ""),
    ];
    let mut room = room(&topics);
    for (id, (command, expected, place)) in (1..).zip(cases) {
        let message = json!({
            "headers": {"request_id": format!("r-{id}"), "from": "p"},
            "body": {"openc2": {"request": command}},
        });
        let inbound = Inbound {
            receipt: Receipt(id),
            address: Address::Device("wall".to_owned()),
            payload: message.to_string().into(),
            declared: Declared::default(),
            retained: false,
            received_ms: id,
            caller: None,
        };
        let opened = room.open(inbound);
        let known = vec![None; opened.keys().len()];
        let effects = room.admit(opened, &known, &[]);
        let said = effects.iter().find_map(|it| match it {
            Effect::Record(records) => records.iter().find_map(|it| match &it.event {
                Event::Outcome(concluded) => Some((concluded.status, concluded.text.clone())),
                _ => None,
            }),
            _ => None,
        });
        let (status, text) = said.unwrap_or_default();
        assert_eq!(status.unwrap_or(0), expected, "{command}: {text:?}");
        assert!(text.unwrap_or_default().contains(place), "{command}: {place}");
        for effect in effects {
            if let Effect::Start(work) = effect {
                let outcome = Response::new(Status::Ok).into();
                room.report(Report::Outcome { ticket: work.ticket, outcome }, 0);
            }
        }
    }
}
