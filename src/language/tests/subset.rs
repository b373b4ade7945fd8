//! The schema of what one consumer accepts, where its profile has what JADN v1.0 CSD01 has not.

use super::*;
use crate::jadn::{Bounds, Package, Schema, resolve};
use crate::language::Accepted;
use crate::openc2::{Action, Members, Pairs};

/// A profile in words of JADN v1.0 CS01.
const X_A: &str = r#"{
    "info": {
        "package": "urn:x:a",
        "namespaces": {"ls": "http://oasis-open.org/openc2/oc2ls/v1.1"}
    },
    "types": [
        ["Actuator", "Choice", [], "", [[2050, "x-a", "Who"]]],
        ["Who", "MapOf", ["+String", "*Integer"], "", []],
        ["Target", "Choice", [], "", [
            [1, "heat", "Heat"], [2, "net", "ls:IPv4-Net"], [3, "notes", "Notes"],
            [4, "levels", "Levels"], [5, "raw", "Raw"], [6, "nets", "Nets"]
        ]],
        ["Heat", "Record", [], "", [[1, "celsius", "Number", ["y5", "z30"]]]],
        ["Notes", "MapOf", ["+String", "*String", "{1"], "", []],
        ["Rooms", "Enumerated", [], "", [[1, "hall"], [2, "attic"]]],
        ["Levels", "MapOf", ["+Rooms", "*Integer", "{1"], "", []],
        ["Raw", "Record", [], "", [
            [1, "value", "Any", ["[0"]], [2, "rooms", "Rooms", ["[0", "]0", "q"]],
            [3, "by_name", "MapOf", ["+#Heat", "*Integer", "[0"]]
        ]],
        ["Nets", "Record", [], "", [[1, "net", "ls:IPv4-Net"]]],
        ["Pairs", "Map", [], "", [[15, "set", "Set", ["[0"]]]],
        ["Set", "Enumerated", [], "", [
            [1, "x-a:heat"], [2, "x-a:net"], [3, "x-a:notes"], [4, "x-a:levels"], [5, "x-a:raw"],
            [6, "x-a:nets"]
        ]]
    ]
}"#;

/// Shows L10-B-1: what can be said is said exactly, and what cannot is told.
#[test]
fn what_the_old_dialect_cannot_say_is_told() {
    let profile = Profile::read(X_A.as_bytes()).unwrap();
    let names = profile.pairs()[&Action::Set].clone();
    let pairs = Pairs::from([(Action::Set, names)]);
    let language = Language::compile(Version::V1_0, &[profile]).unwrap();
    let own: Members = json!({"asset": 7}).as_object().unwrap().clone();
    let accepted =
        Accepted { consumer: "hall", pairs: &pairs, profiles: vec![("x-a", vec![&own])] };
    let told = language.subset(&accepted).to_json();
    let description = told["meta"]["description"].as_str().unwrap();
    assert_eq!(
        description,
        "What hall accepts. Not said here, since JADN v1.0 CSD01 cannot: \
         x-a:Heat.celsius is at least 5; x-a:Heat.celsius is at most 30; x-a:Notes is a map of any names; \
         x-a:Raw.rooms is without an element that stands twice; x-a:Raw-value is any value"
    );

    let package = Package::read(told.to_string().as_bytes()).unwrap();
    let merged = resolve(&package, &[]).unwrap();
    assert_eq!((merged.problems(), &merged.undefined), (vec![], &vec![]));
    let schema = Schema::compile(&merged.package, &[], Bounds::default()).unwrap();
    let root = schema.type_named("OpenC2-Command").unwrap();
    let set =
        |target: Value| json!({"action": "set", "target": {"extension_unr": {"x-a": target}}});
    let by = |specifiers: Value| {
        let mut command = set(json!({"heat": {"celsius": 20}}));
        command["actuator"] = json!({"extension_unr": {"x-a": specifiers}});
        command
    };
    #[rustfmt::skip]
    let cases = [
        // command                                          accepted told
        (set(json!({"heat": {"celsius": 20.5}})),            true,  true),
        (set(json!({"heat": {"celsius": "20"}})),            false, false),
        (set(json!({"heat": {"celsius": 40}})),              false, true),
        (set(json!({"net": "192.0.2.0/24"})),                false, false),
        (set(json!({"nets": {"net": "192.0.2.0/24"}})),      false, false),
        (set(json!({"levels": {"hall": 5}})),                true,  true),
        (set(json!({"levels": {"cellar": 5}})),              false, false),
        (set(json!({"levels": {}})),                         false, false),
        (set(json!({"notes": {"a": "b"}})),                  true,  false),
        (set(json!({"raw": {"rooms": ["hall"]}})),           true,  true),
        (set(json!({"raw": {"by_name": {"celsius": 5}}})),   true,  true),
        (set(json!({"raw": {"by_name": {"hall": 5}}})),      false, false),
        (set(json!({"raw": {"value": 5}})),                  true,  false),
        (by(json!({"asset": 7})),                            true,  true),
        (by(json!({"asset": "7"})),                          false, false),
    ];
    for (command, is_accepted, is_told) in cases {
        assert_eq!(
            fault(&language, language.command(), &command).is_none(),
            is_accepted,
            "{command}"
        );
        let text = command.to_string();
        let mut source = JsonSource::new(text.as_bytes(), DEPTH);
        let judged = schema.judge(root, &mut source, Form::VERBOSE, &mut Tape::default());
        assert_eq!(judged.is_ok(), is_told, "{command}: {judged:?}");
    }
}
