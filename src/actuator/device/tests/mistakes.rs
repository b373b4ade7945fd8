//! What people get wrong in maps, and what they are told.

use super::super::map::lint;
use super::super::plan::DeviceError;
use super::super::{builtin, check};
use super::*;

/// A map with one good command, into which a mistake is written.
fn mistakes(publish: &str, rest: &str) -> Vec<String> {
    let text = format!(
        "[[map.own.command]]\non = {{ action = 'set', target = 'x-iot:switch' }}\npublish = {{ {publish} }}\n{rest}\n"
    );
    let maps = read_maps(&text).unwrap();
    lint("own", &maps["own"]).iter().map(ToString::to_string).collect()
}

const PUBLISH: &str = "topic = 't', payload = '1'";
const REPLY: &str = "reply = { topic = 'r', match = 'true' }";

#[test]
fn mistakes_are_named_with_their_place() {
    #[rustfmt::skip]
    let cases = [
        ("topic = 't', payload = '{{ target.state | uper }}'", REPLY, "map own, command 1, publish.payload, line 1: unknown filter \"uper\""),
        ("topic = 't', payload = \"a\\n{{ 1 is evn }}\"", REPLY, "map own, command 1, publish.payload, line 2: unknown test \"evn\""),
        ("topic = 't', payload = '{{ target. }}'", REPLY, "map own, command 1, publish.payload, line 1: syntax error"),
        ("topic = 't', payload = '{{ target'", REPLY, "map own, command 1, publish.payload, line 1: syntax error: opened here and never closed"),
        ("topic = 't', payload = '{% if x %}'", REPLY, "map own, command 1, publish.payload, line 1: syntax error"),
        ("topic = 't', payload = '{{ tagret.state }}'", REPLY, "map own, command 1, publish.payload: tagret is not known here"),
        ("topic = 't', payload = '{{ json.state }}'", REPLY, "map own, command 1, publish.payload: json is known in replies only"),
        ("topic = 't', payload = '{{ opne(1) }}'", REPLY, "map own, command 1, publish.payload: opne is not known here"),
        ("topic = 't', payload = '1', json = {}", REPLY, "map own, command 1, publish: has payload and json"),
        ("topic = 't', json = { a = { b = ['{{ x }}'] } }", REPLY, "map own, command 1, publish.json.a.b.0: x is not known here"),
        ("topic = 't/+'", REPLY, "map own, command 1, publish.topic: a topic to publish to has no +"),
        (PUBLISH, "", "map own, command 1, reply: is missing; if sending is enough, write confirm = \"none\""),
        (PUBLISH, "confirm = 'none'\nreply = { topic = 'r', match = 'true' }", "map own, command 1, confirm: is none, so reply would never be looked at"),
        (PUBLISH, "confirm = 'id'\nreply = { topic = 'r', match = 'true' }", "map own, command 1, confirm: neither reply.match nor reply.topic uses seq or request_id"),
        (PUBLISH, "reply = { topic = 'r', match = '{{ true }}' }", "map own, command 1, reply.match: is an expression already: write it without {{ }}"),
        (PUBLISH, "reply = { topic = 'r', match = 'jsno.a == 1' }", "map own, command 1, reply.match: jsno is not known here"),
        (PUBLISH, "reply = { topic = 'r', match = 'true', text = 'x' }", "map own, command 1, reply.text: is for replies that are not ok"),
        (PUBLISH, "reply = { topic = 'r#', match = 'true' }", "map own, command 1, reply.topic: + is a whole level, and # the last one"),
        (PUBLISH, "reply = { topic = 'r', match = 'true', last = true }", "map own, command 1, reply.last: is for commands that publish nothing"),
        (PUBLISH, "reply = { topic = 'r', match = 'true', timeout = '2s' }\nprobe = { after = '2s', topic = 'p' }", "map own, command 1, probe.after: is not before reply.timeout"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\nresult = { x-iot = 'on' }", "map own, command 1, result.x-iot: is a table"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\nresult = { 'x-iot:light' = {} }", "map own, command 1, result.x-iot:light: results stand under a namespace identifier"),
        (PUBLISH, "takes = { state = 'vlaue == 1' }\nreply = { topic = 'r', match = 'true' }", "map own, command 1, takes.state: vlaue is not known here"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\n[[map.own.command]]\non = { action = 'switch', target = 'device' }\npublish = { topic = 't' }\nconfirm = 'none'", "map own, command 2, on.action: \"switch\" is none of the twenty actions of OpenC2"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\n[[map.own.command]]\non = { action = 'set', target = 'lamp' }\npublish = { topic = 't' }\nconfirm = 'none'", "map own, command 2, on.target: \"lamp\" is no target"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\n[[map.own.command]]\non = { action = 'query', target = 'features' }\npublish = { topic = 't' }\nconfirm = 'none'", "map own, command 2, on.target: features are answered by the bridge"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\n[[map.own.command]]\non = { action = ['deny', 'set'], target = 'x-iot:switch' }\npublish = { topic = 't' }\nconfirm = 'none'", "map own, command 2, on: an earlier command of this map has the same pair"),
        (PUBLISH, "reply = { topic = 'r', match = 'true' }\n[map.own.online]\ntopic = 'x/{{ target.name }}'\nwhen = 'true'", "map own, online.topic: "),
    ];
    for (publish, rest, expected) in cases {
        let found = mistakes(publish, rest);
        assert!(
            found.iter().any(|mistake| mistake.starts_with(expected)),
            "{publish} {rest}\nwanted {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn all_mistakes_come_in_one_run() {
    let found = mistakes(
        "topic = 't/#', payload = '{{ a | b }}{{ c is d }}'",
        "reply = { topic = 'r', match = 'x', ok = 'y', text = '{{ z }}' }",
    );
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn mistakes_of_form_carry_line_and_column() {
    #[rustfmt::skip]
    let cases = [
        ("[map.a]\ncomand = []", "unknown field `comand`"),
        ("[[map.a.command]]\non = { action = 1, target = 'device' }", "a text or a list of texts"),
        ("[[map.a.command]]\non = { action = 'set', target = 'device' }\npublish = { topic = 't', qos = 2 }", "qos is 2, allowed are 0 and 1"),
        ("[[map.a.command]]\non = { action = 'set', target = 'device' }\nreply = { topic = 't', match = 'x', timeout = '5 s' }", "\"5 s\" is no time"),
        ("[[map.a.command]]\non = { action = 'set', target = 'device' }\nreply = { topic = 't', match = 'x', timeout = '0s' }", "out of range"),
        ("[[map.a.command]]\non = { action = 'set', target = 'device' }\nreply = { topic = 't', match = 'x', timeout = '61m' }", "out of range"),
        ("[[map.a.command]]\non = { action = 'set', target = 'device' }\nconfirm = 'maybe'", "unknown variant `maybe`"),
    ];
    for (text, complaint) in cases {
        let error = read_maps(text).unwrap_err().to_string();
        assert!(error.contains(complaint) && error.contains("line "), "{text}: {error}");
    }
}

#[test]
fn a_device_gives_what_its_map_needs() {
    let maps = BTreeMap::new();
    let error = |device| check("plug-1", &config(device), &maps).unwrap_err().to_string();

    assert_eq!(
        error("map = 'tasmato'"),
        "actuator plug-1: there is no map \"tasmato\"; there are homeassistant, shelly, tasmota, zigbee2mqtt"
    );
    let missing = error("map = 'tasmota'");
    let needs = "actuator plug-1: not what the map \"tasmota\" needs: ";
    assert_eq!(missing, format!("{needs}v.topic is not given"), "once, however often it is used");
    let wildcard = error("map = 'tasmota'\nvars = { topic = 'a+' }");
    assert_eq!(wildcard, format!("{needs}v.topic is \"a+\": no part of a topic"));
    let silent = error("map = 'homeassistant'\nvars = { command_topic = 'c' }");
    assert!(silent.contains("confirm = \"none\""), "{silent}");

    let unknown = toml::from_str::<DeviceConfig>("map = 'a'\nvar = {}").unwrap_err().to_string();
    assert!(unknown.contains("unknown field `var`"), "{unknown}");
}

#[test]
fn a_map_of_the_operator_replaces_a_built_in_one() {
    let maps = read_maps(
        "[[map.tasmota.command]]\non = { action = 'copy', target = 'file' }\npublish = { topic = 't' }\nconfirm = 'none'",
    )
    .unwrap();
    let device = check("plug-1", &config("map = 'tasmota'"), &maps).unwrap();
    assert_eq!(device.pairs.len(), 1);
}

#[test]
fn a_default_may_stand_in_for_a_missing_variable() {
    let maps = read_maps(
        "[[map.own.command]]\non = { action = 'start', target = 'device' }\npublish = { topic = \"a/{{ v.b | default('c') }}\" }\nconfirm = 'none'",
    )
    .unwrap();
    check("plug-1", &config("map = 'own'"), &maps).unwrap();
}

#[test]
fn the_maps_we_ship_are_clean() {
    for (name, map) in builtin::maps() {
        assert_eq!(lint(name, map), [], "{name}");
        assert!(!map.about.is_empty(), "{name}");
    }
    assert_eq!(builtin::maps().len(), builtin::SOURCES.len());
    let unknown = Plan::new("x", &config("map = 'nothing'"), &BTreeMap::new(), "r").unwrap_err();
    assert!(matches!(unknown, DeviceError::UnknownMap { .. }));
}

#[test]
fn the_maps_in_the_manual_are_clean() {
    let manual = include_str!("../../../../docs/devices.md");
    let blocks = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let maps: BTreeMap<_, _> = blocks.flat_map(|block| read_maps(block).unwrap()).collect();
    assert!(!maps.is_empty());
    for (name, map) in maps {
        assert_eq!(lint(&name, &map), [], "{name}");
    }
}
