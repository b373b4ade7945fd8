//! What `query features pairs` says is what is accepted.

use std::collections::BTreeSet;

use openc2_bridge::config::Topics;
use openc2_bridge::dispatch::{
    Address, Consumer, Declared, Dispatcher, Effect, Event, Inbound, OutboxId, Receipt, Report,
    Rules, Ticket,
};
use openc2_bridge::language::{Library, Version};
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

/// The same in language 1.0, and what is a target in 1.1 alone.
fn targets_10() -> Vec<Value> {
    #[rustfmt::skip]
    let targets = vec![
        json!({"artifact": {"mime_type": "text/plain"}}), json!({"command": "Yy0x"}),
        json!({"device": {"hostname": "plug-1"}}), json!({"domain_name": "a.example"}),
        json!({"email_addr": "a@example.org"}), json!({"features": ["pairs"]}),
        json!({"file": {"name": "a"}}), json!({"ip_addr": "192.0.2.1"}),
        json!({"ip_connection": {"protocol": "tcp"}}), json!({"mac_addr": "AABeAFMB"}),
        json!({"process": {"pid": 1}}), json!({"properties": ["state"]}),
        json!({"uri": "https://a.example/"}), json!({"slpf": {"rule_number": 1}}),
        json!({"extension_unr": {"x-iot": {"switch": {"state": "on"}}}}),
        json!({"extension_unr": {"x-iot": {"light": {"state": "on"}}}}),
        json!({"extension_unr": {"x-probe": {"level": 1}}}), json!({"extension_unr": {"x-log": {"line": "a"}}}),
        // None of these is a target of anybody here.
        json!({"extension_unr": {"x-nobody": {"thing": 1}}}), json!({"extension_unr": {"x-iot": {"lamp": 1}}}),
        json!({"slpf": {"rule": 1}}), json!({"nobody": {"thing": 1}}), json!({"extension": {"32473": {"lens": 1}}}),
    ];
    targets
}

fn name(target: &Value) -> String {
    target.as_object().unwrap().keys().next().unwrap().clone()
}

/// Sends a command to a consumer, and ends it where it is started. Status, and the response.
pub fn ask(room: &mut Dispatcher, consumer: &str, id: u64, command: &Value) -> (u64, Value) {
    // More than the rate limit would not be.
    let now_ms = 1_700_000_000_000 + id * 60_000;
    let message = json!({
        "headers": {"request_id": format!("r-{id}"), "from": "p", "created": now_ms},
        "body": {"openc2": {"request": command}},
    });
    let opened = room.open(Inbound {
        receipt: Receipt(id),
        address: Address::Device(consumer.to_owned()),
        payload: message.to_string().into(),
        declared: Declared::default(),
        retained: false,
        received_ms: now_ms,
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
    (response["status"].as_u64().unwrap(), response.clone())
}

/// The consumers of the sample files and some more, speaking these versions.
pub fn houses(versions: &[Version]) -> [Topics; 2] {
    let topics = Topics::load(&source::root().join("topics.toml"), &Library::built_in()).unwrap();
    let walls = "[[consumer]]\nid = \"wall\"\nactuators = [\"slpf\", \"any\"]\n\
        [actuator.slpf]\nkind = \"log\"\nprofile = \"slpf\"\nspecifiers = { asset_id = \"30\" }\n\
        [actuator.any]\nkind = \"log\"\nprofile = \"x-log\"\npairs = { scan = [\"uri\", \"x-log:line\"] }\n\
        [[device]]\nid = \"lamp\"\nap = [\"x-iot\"]\nmap = \"zigbee2mqtt\"\nvars = { name = \"lamp\" }\n\
        [[consumer]]\nid = \"iot\"\nactuators = [\"iota\"]\n\
        [actuator.iota]\nkind = \"log\"\nprofile = \"x-iot\"\nspecifiers = { asset_id = \"7\" }\n";
    let walls =
        Topics::parse(&source::root().join("walls.toml"), walls, &Library::built_in()).unwrap();
    [topics, walls].map(|mut topics| {
        let consumers = topics.house.consumers.iter().cloned();
        let speaking = |it: Consumer| Consumer { versions: versions.to_vec(), ..it };
        topics.house.consumers = consumers.map(speaking).collect();
        topics
    })
}

pub fn room(topics: &Topics) -> Dispatcher {
    Dispatcher::new(topics.house.clone(), Rules::default(), Ticket(0), OutboxId(0))
}

/// L11-4.1-5: all 20 actions with all targets, core and of profiles, to every consumer of the
/// sample files: what its pairs have is carried out or answered, and all else gets 501.
#[test]
fn every_pair_that_a_consumer_tells_is_accepted_and_no_other() {
    let mut id = 0;
    for topics in houses(&[Version::V1_1]) {
        let mut room = room(&topics);
        for consumer in &topics.house.consumers {
            id += 1;
            let asked = json!({"action": "query", "target": {"features": ["pairs"]}});
            let (status, response) = ask(&mut room, &consumer.id, id, &asked);
            assert_eq!(status, 200);
            let pairs = response["results"]["pairs"].as_object().unwrap();
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

/// L10-4-1: the same in language 1.0, where a profile stands in the pairs for its targets.
#[test]
fn every_pair_that_a_consumer_tells_in_1_0_is_accepted_and_no_other() {
    let mut id = 0;
    let mut profiles = BTreeSet::new();
    for topics in houses(&[Version::V1_0]) {
        let mut room = room(&topics);
        for consumer in &topics.house.consumers {
            id += 1;
            let asked = json!({"action": "query", "target": {"features": ["pairs"]}});
            let (status, response) = ask(&mut room, &consumer.id, id, &asked);
            assert_eq!(status, 200);
            let mut told = BTreeSet::new();
            for pair in response["pairs"].as_array().unwrap() {
                for target in pair[1].as_array().unwrap() {
                    told.insert((
                        pair[0].as_str().unwrap().to_owned(),
                        target.as_str().unwrap().to_owned(),
                    ));
                }
            }
            let mut accepted = BTreeSet::new();
            for action in Action::ALL {
                for target in targets_10() {
                    id += 1;
                    let command = json!({"action": action.as_str(), "target": target});
                    match ask(&mut room, &consumer.id, id, &command).0 {
                        0 | 200 => drop(accepted.insert((action.to_string(), name(&target)))),
                        404 if name(&target) == "command" => {
                            accepted.insert((action.to_string(), name(&target)));
                        }
                        status => assert_eq!(status, 501, "{}: {command}", consumer.id),
                    }
                }
            }
            assert_eq!(accepted, told, "{}", consumer.id);
            profiles.extend(told.into_iter().map(|(_, target)| target));
        }
    }
    assert!(profiles.contains("slpf") && profiles.contains("extension_unr"), "{profiles:?}");
}

/// Shows L10-3.3.4-1: in language 1.0 a profile stands in one place, and elsewhere it is a mistake:
/// there no schema would judge it.
#[test]
fn a_profile_of_1_0_stands_in_one_place() {
    let light = json!({"x-iot": {"light": {"level": 500}}});
    let rule = json!({"slpf": {"rule_number": "7"}});
    let set = |target: Value| json!({"action": "set", "target": target});
    let deny = |args: Value| json!({"action": "deny", "target": {"uri": "a:b"}, "args": args});
    let by =
        |actuator: Value| json!({"action": "deny", "target": {"uri": "a:b"}, "actuator": actuator});
    let args = json!({"slpf": {"direction": "sideways"}});
    #[rustfmt::skip]
    let cases = [
        (set(light.clone()),                              400, "/target/x-iot", "stands in extension_unr"),
        (set(json!({"extension": light})),                400, "/target/extension/x-iot", "private enterprise"),
        (set(json!({"extension_unr": light})),            400, "/target/extension_unr/x-iot/light/level", "from 1 to 100"),
        (set(json!({"extension_unr": {"x-iot": {"lamp": 5}}})), 501, "", "does not support set x-iot:lamp"),
        (set(json!({"extension_unr": {"x-iot": {"": 5}}})), 400, "/target/extension_unr/x-iot/", ""),
        (set(rule.clone()),                               400, "/target/slpf/rule_number", ""),
        (set(json!({"extension": rule})),                 400, "/target/extension/slpf", "private enterprise"),
        (set(json!({"extension_unr": rule})),             400, "/target/extension_unr/slpf", "begins with x-"),
        (set(json!({"extension": {"032473": {"lens": 1}}})), 400, "/target/extension/032473", "private enterprise"),
        (set(json!({"extension": {"32473": {"lens": 1}}})), 501, "", "does not support"),
        (deny(args.clone()),                              400, "/args/slpf/direction", ""),
        (deny(json!({"extension": args})),                400, "/args/extension/slpf", "private enterprise"),
        (deny(json!({"extension_unr": args})),            400, "/args/extension_unr/slpf", "begins with x-"),
        (by(json!({"extension": {"slpf": {}}})),          400, "/actuator/extension/slpf", "private enterprise"),
        (by(json!({"x-iot": {"asset_id": "7"}})),         400, "/actuator/x-iot", "stands in extension_unr"),
    ];
    let [_, topics] = houses(&[Version::V1_0]);
    let mut room = room(&topics);
    for (id, (command, expected, place, reason)) in (1..).zip(cases) {
        for consumer in ["wall", "iot"] {
            let (status, response) = ask(&mut room, consumer, 10 * id, &command);
            let text = response["status_text"].as_str().unwrap_or_default();
            assert_eq!(status, expected, "{command}: {text}");
            assert!(text.contains(place) && text.contains(reason), "{command}: {text}");
        }
    }
}

/// Of what several versions say of a command the reason counts of the one that knows its words.
#[test]
fn a_mistake_is_explained_by_the_version_that_has_the_target() {
    #[rustfmt::skip]
    let cases = [
        (json!({"action": "set", "target": {"extension_unr": {"x-iot": {"light": {"level": 500}}}}}),
         "from 1 to 100, found 500 at \"/body/openc2/request/target/extension_unr/x-iot/light/level\""),
        (json!({"action": "deny", "target": {"ip_addr": "1.2.3.4.5"}}),
         "an IP address"),
        (json!({"action": "deny", "target": {"file": {"name": "a"}}, "args": {"extension_unr": {"slpf": {"a": 1}}}}),
         "begins with x-"),
        (json!({"args": {"duration": -1}, "action": "deny", "target": {"ipv4_net": "1.2.3.4.5"}}),
         "/args/duration"),
        (json!({"action": "deny", "target": {"ipv4_net": "1.2.3.4.5"}}), "/target/ipv4_net"),
        (json!({"action": "set", "target": {"x-iot:light": {"level": 500}}}), "/target/x-iot:light/level"),
        (json!({"action": "set", "target": {"nothing": 5}}), "no alternative of Target"),
    ];
    for versions in [&[Version::V1_1, Version::V1_0][..]] {
        let [_, topics] = houses(versions);
        let mut room = room(&topics);
        for (id, (command, reason)) in (1..).zip(&cases) {
            let (status, response) = ask(&mut room, "iot", id, command);
            let text = response["status_text"].as_str().unwrap_or_default();
            assert_eq!(status, 400, "{command}: {text}");
            assert!(text.contains(reason), "{command}: {text}");
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
