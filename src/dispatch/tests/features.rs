//! Language 1.0 beside 1.1, and what a consumer says of itself in each.

use serde_json::{Value, json};

use super::{Room, house, message};
use crate::dispatch::{House, Rules};
use crate::encoding::json::JsonSource;
use crate::jadn::{Bounds, Form, Package, Schema, Tape, resolve};
use crate::language::Version;
use crate::openc2::{Action, Response, Results, Status, TargetName};

/// The house, and its first consumer speaks these versions. It can deny in 1.0 as well.
fn speaking(versions: &[Version]) -> House {
    let mut house = house();
    let mut consumers = house.consumers.to_vec();
    consumers[0].versions = versions.to_vec();
    house.consumers = consumers.into_iter().collect();
    let wall = house.actuators.get_mut("wall").unwrap();
    let deny = wall.pairs.get_mut(&Action::Deny).unwrap();
    deny.extend([TargetName::IpAddr, TargetName::IpConnection, TargetName::Device]);
    house
}

fn room(versions: &[Version]) -> Room {
    Room::with(speaking(versions), Rules::default())
}

const OLD: [Version; 1] = [Version::V1_0];
const NEW: [Version; 1] = [Version::V1_1];
const BOTH: [Version; 2] = [Version::V1_1, Version::V1_0];

/// Status of the answer to a command, 0 where it is started.
fn status(room: &mut Room, id: usize, command: &Value) -> u64 {
    let seen = room.hears("device/gateway-1", &message(&format!("r-{id}"), command));
    if seen.starts.is_empty() { seen.answer().0 } else { 0 }
}

fn answer(room: &mut Room, command: &Value) -> Value {
    let seen = room.hears("device/gateway-1", &message("r-0", command));
    seen.answer().1["body"]["openc2"]["response"].take()
}

/// L10-3.3.1.1-1, L10-3.3.1.2-1, L10-3.4.1.9-1, L10-3.3.4-1: a command is decided by the newest
/// version that its consumer lists and in which it is valid.
#[test]
fn a_command_is_decided_by_the_versions_that_its_consumer_lists() {
    let of = |target: Value| json!({"action": "deny", "target": target});
    let named = |target: Value| {
        json!({"action": "query", "target": target,
        "actuator": {"extension_unr": {"x-probe": {}}}})
    };
    #[rustfmt::skip]
    let cases = [
        // command                                                                  1.0  1.1  both
        (of(json!({"ipv4_net": "192.0.2.0/24"})),                                   400, 0,   0),
        (of(json!({"ip_addr": "192.0.2.1"})),                                       0,   400, 0),
        (of(json!({"ip_addr": "wAACAQ"})),                                          0,   400, 0),
        (of(json!({"ip_addr": "2001:db8::1"})),                                     0,   400, 0),
        (of(json!({"ip_addr": "192.0.2.0/24"})),                                    400, 400, 400),
        (of(json!({"ip_connection": {"src_addr": "192.0.2.1", "dst_addr": "192.0.2.2"}})), 0, 400, 0),
        (of(json!({"ip_connection": {"src_addr": "192.0.2.1", "dst_addr": "::1"}})), 400, 400, 400),
        (of(json!({"device": {"hostname": "a.example", "description": "a"}})),      0,   400, 0),
        (of(json!({"device": {"device_id": "a"}})),                                 400, 0,   0),
        (of(json!({"extension": {"32473": {"lens": 1}}})),                          501, 400, 501),
        (of(json!({"extension_unr": {"x-foo.com": {"lens": 1}}})),                  501, 400, 501),
        (of(json!({"slpf": {"rule_number": 7}})),                                   0,   400, 0),
        (of(json!({"slpf": {"rule_number": "7"}})),                                 400, 400, 400),
        (of(json!({"slpf:rule_number": 7})),                                        400, 0,   0),
        (json!({"action": "dney", "target": {"ip_addr": "192.0.2.1"}}),             400, 400, 400),
        (json!({"action": "deny", "target": {"ip_addr": "192.0.2.1", "uri": "a:b"}}), 400, 400, 400),
        (json!({"action": "scan", "target": {"ip_addr": "192.0.2.1"}}),             501, 400, 501),
        (named(json!({"properties": ["load"]})),                                    0,   400, 0),
    ];
    for (versions, column) in [(&OLD[..], 0), (&NEW[..], 1), (&BOTH[..], 2)] {
        let mut room = room(versions);
        for (id, (command, old, new, both)) in cases.iter().enumerate() {
            let expected = [old, new, both][column];
            // Every command that was started ends, so that there is room for the next.
            let seen = room.hears("device/gateway-1", &message(&format!("r-{id}"), command));
            let status = if seen.starts.is_empty() { seen.answer().0 } else { 0 };
            assert_eq!(status, *expected, "{versions:?} {command}: {seen:?}");
            for work in seen.starts {
                room.ends(work.ticket, Response::new(Status::Ok));
            }
        }
    }
}

/// Consumers on one topic may speak different versions, and each decides for itself.
#[test]
fn each_consumer_on_a_topic_reads_by_its_own_versions() {
    let mut house = speaking(&OLD);
    let mut consumers = house.consumers.to_vec();
    consumers[1].id = "gateway-2".to_owned();
    consumers[1].actuators = vec!["wall".to_owned()];
    house.consumers = consumers.into_iter().collect();
    house.actuators.get_mut("wall").unwrap().queue = 8;
    let mut room = Room::with(house, Rules::default());
    let statuses = |seen: super::Seen| {
        let started: Vec<_> = seen.starts.iter().map(|it| it.consumer.clone()).collect();
        let refused: Vec<_> = seen
            .responses
            .iter()
            .map(|it| {
                serde_json::from_slice::<Value>(&it.payload).unwrap()["headers"]["from"].clone()
            })
            .collect();
        (started, refused)
    };
    let command = json!({"action": "deny", "target": {"ipv4_net": "192.0.2.0/24"}});
    let seen = room.hears("ap/slpf", &message("r-1", &command));
    let ticket = seen.starts[0].ticket;
    assert_eq!(statuses(seen), (vec!["gateway-2".to_owned()], vec![json!("gateway-1")]));
    room.ends(ticket, Response::new(Status::Ok));
    let command = json!({"action": "deny", "target": {"ip_addr": "192.0.2.1"}});
    let seen = room.hears("ap/slpf", &message("r-2", &command));
    assert_eq!(statuses(seen), (vec!["gateway-1".to_owned()], vec![json!("gateway-2")]));
}

/// L10-3.3.2-1, L10-3.3.1.4-1: results of 1.0 stand beside the status, those of profiles of no
/// standard in `extension_unr`; and without `response_requested` the outcome is answered.
#[test]
fn a_response_has_the_shape_of_the_version_of_its_command() {
    let results = |profile: &str| {
        let extensions = json!({profile: {"rule_number": 7}}).as_object().unwrap().clone();
        let results = Results { extensions, ..Results::default() };
        Response { results: Some(results), ..Response::with_text(Status::Ok, "done") }
    };
    let old = json!({"action": "deny", "target": {"ip_addr": "192.0.2.1"}});
    let new = json!({"action": "deny", "target": {"ipv4_net": "192.0.2.1"}});
    #[rustfmt::skip]
    let cases = [
        (&old, "slpf",   json!({"status": 200, "status_text": "done", "slpf": {"rule_number": 7}})),
        (&old, "x-wall", json!({"status": 200, "status_text": "done", "extension_unr": {"x-wall": {"rule_number": 7}}})),
        (&new, "slpf",   json!({"status": 200, "status_text": "done", "results": {"slpf": {"rule_number": 7}}})),
    ];
    let mut room = room(&BOTH);
    for (id, (command, profile, expected)) in cases.into_iter().enumerate() {
        let seen = room.hears("device/gateway-1", &message(&format!("r-{id}"), command));
        let seen = room.ends(seen.starts[0].ticket, results(profile));
        let (_, message) = seen.answer();
        assert_eq!(message["body"]["openc2"]["response"], expected);
    }
}

/// L10-4-1, L11-4.1-3, L11-4.1-4, L11-4.1-5: what a consumer says of itself, in both versions.
#[test]
fn features_are_told_in_the_shape_of_the_version() {
    let all = json!({"action": "query", "target": {"features": ["versions", "profiles", "pairs", "rate_limit"]}});
    let old = answer(&mut room(&OLD), &all);
    assert_eq!(old["versions"], json!(["1.0"]));
    let slpf = "oasis-open.org/openc2/v1.0/ap-slpf";
    assert_eq!(old["profiles"], json!([slpf, "x-probe", "urn:x-openc2-bridge:profile:x-iot:1.0"]));
    assert_eq!(
        old["pairs"],
        json!([
            ["query", ["command", "features", "properties"]],
            ["deny", ["device", "ip_addr", "ip_connection", "slpf"]],
            ["cancel", ["command"]],
            ["set", ["extension_unr"]],
        ])
    );
    let new = answer(&mut room(&BOTH), &all);
    assert_eq!(new["results"]["versions"], json!(["1.1", "1.0"]));
    assert_eq!(new["results"]["profiles"], json!(["slpf", "x-probe", "x-iot"]));
    assert_eq!(
        new["results"]["pairs"],
        json!({
            "query": ["command", "features", "properties"],
            "cancel": ["command"],
            "deny": ["device", "ipv4_net", "slpf:rule_number"],
            "set": ["x-iot:light"],
        })
    );
}

/// L10-B-1, L10-4-1: the schema that a consumer tells is one of CSD07, and takes what it accepts
/// and nothing else.
#[test]
fn the_schema_of_a_consumer_takes_exactly_what_it_accepts() {
    let asked = json!({"action": "query", "target": {"features": ["schema"]}});
    assert_eq!(status(&mut room(&NEW), 0, &asked), 400, "1.1 has no such feature");
    let schema = answer(&mut room(&BOTH), &asked)["schema"].take();
    assert_eq!(schema["meta"]["module"], "oasis-open.org/openc2/v1.0/openc2-lang");

    let package = Package::read(schema.to_string().as_bytes()).unwrap();
    let merged = resolve(&package, &[]).unwrap();
    assert_eq!(merged.problems(), []);
    assert_eq!(merged.undefined, [""; 0]);
    let schema = Schema::compile(&merged.package, &[], Bounds::default()).unwrap();
    let command_type = schema.type_named("OpenC2-Command").unwrap();
    let takes = |command: &Value| {
        let text = command.to_string();
        let mut source = JsonSource::new(text.as_bytes(), 32);
        schema.judge(command_type, &mut source, Form::VERBOSE, &mut Tape::default()).is_ok()
    };
    let mut room = room(&OLD);
    #[rustfmt::skip]
    let targets = [
        json!({"ip_addr": "192.0.2.1"}), json!({"ip_addr": "192.0.2"}), json!({"uri": "a:b"}),
        json!({"ip_connection": {"protocol": "tcp"}}), json!({"device": {"hostname": "a"}}),
        json!({"file": {"name": "a"}}), json!({"features": []}), json!({"properties": ["load"]}),
        json!({"slpf": {"rule_number": 1}}), json!({"slpf": {"rule_number": "1"}}),
        json!({"extension_unr": {"x-iot": {"light": {"level": 5}}}}),
        json!({"extension_unr": {"x-iot": {"light": {"level": 500}}}}),
        json!({"extension_unr": {"x-iot": {"switch": {"state": "on"}}}}),
        json!({"extension_unr": {"x-other": {"a": 1}}}), json!({"extension": {"32473": {"a": 1}}}),
    ];
    let mut accepted = 0;
    for (id, target) in targets.iter().enumerate() {
        for action in ["query", "deny", "set", "scan"] {
            let command = json!({"action": action, "target": target});
            let seen =
                room.hears("device/gateway-1", &message(&format!("{action}-{id}"), &command));
            let is_accepted = !seen.starts.is_empty() || seen.answer().0 == 200;
            accepted += u32::from(is_accepted);
            assert!(!is_accepted || takes(&command), "accepted, and not in the schema: {command}");
            for work in seen.starts {
                room.ends(work.ticket, Response::new(Status::Ok));
            }
        }
        // Which targets go with which actions the pairs say, and not the schema.
        let any = ["query", "deny", "set"].iter().enumerate().any(|(n, action)| {
            let command = json!({"action": action, "target": target});
            let seen = room.hears("device/gateway-1", &message(&format!("any-{id}-{n}"), &command));
            let is_accepted = !seen.starts.is_empty() || seen.answer().0 == 200;
            for work in seen.starts {
                room.ends(work.ticket, Response::new(Status::Ok));
            }
            is_accepted
        });
        assert_eq!(takes(&json!({"action": "deny", "target": target})), any, "{target}");
    }
    assert!(accepted >= 6, "only {accepted}");
    assert!(!takes(&json!({"action": "scan", "target": {"ip_addr": "192.0.2.1"}})));
    let by = |actuator: Value| json!({"action": "deny", "target": {"ip_addr": "192.0.2.1"}, "actuator": actuator});
    assert!(takes(&by(json!({"slpf": {"asset_id": "30"}}))));
    assert!(!takes(&by(json!({"extension_unr": {"x-foo": {}}}))));
}
