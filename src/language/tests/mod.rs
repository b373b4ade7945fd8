//! Profiles read, and put into both versions of the language.

use serde_json::{Value, json};

mod subset;

use super::{Language, Profile, Version};
use crate::encoding::json::JsonSource;
use crate::jadn::{Form, NodeId, Problem, Tape};

/// Nesting that every test message stays within.
const DEPTH: usize = 32;

const SLPF: &str = include_str!("../../../schemas/slpf-1.0.jadn");
const X_IOT: &str = include_str!("../../../schemas/x-iot-1.0.jadn");

fn profiles() -> [Profile; 2] {
    [SLPF, X_IOT].map(|file| Profile::read(file.as_bytes()).unwrap())
}

fn with_profiles(version: Version) -> Language {
    Language::compile(version, &profiles()).unwrap()
}

fn fault(language: &Language, root: NodeId, value: &Value) -> Option<String> {
    let text = value.to_string();
    let mut source = JsonSource::new(text.as_bytes(), DEPTH);
    let mut tape = Tape::default();
    let verdict = language.schema().judge(root, &mut source, Form::VERBOSE, &mut tape);
    verdict.err().map(|fault| fault.pointer)
}

/// A command in the least message around it.
fn request(command: &Value) -> Value {
    json!({"body": {"openc2": {"request": command}}})
}

#[test]
fn a_message_is_judged_with_its_envelope_in_both_versions() {
    for version in Version::ALL {
        let language = with_profiles(version);
        let message = json!({
            "headers": {"request_id": "1", "created": 1, "from": "p", "to": ["c"]},
            "body": {"openc2": {"request": {"action": "query", "target": {"features": []}}}},
            "signature": "a..b",
        });
        assert_eq!(fault(&language, language.message(), &message), None, "{version}");
        let no_body = json!({"headers": {"request_id": "1"}});
        assert!(fault(&language, language.message(), &no_body).is_some(), "{version}");
    }
}

/// Shows L11-3.1.4-1 for what profiles add.
#[test]
fn what_a_profile_adds_stands_under_its_namespace() {
    let rule = json!({"slpf:rule_number": 7});
    let light = json!({"x-iot:light": {"level": 50}});
    let too_bright = json!({"x-iot:light": {"level": 101}});
    let nested_rule = json!({"slpf": {"rule_number": 7}});
    let nested_light = json!({"extension_unr": {"x-iot": {"light": {"level": 50}}}});
    let net = json!({"ipv4_net": "198.51.100.0/24"});
    let address = json!({"ip_addr": "xjNkAQ"});
    let id = json!({"asset_id": "a"});
    let insert = json!({"slpf": {"insert_rule": 1}});
    let sideways = json!({"slpf": {"direction": "sideways"}});
    #[rustfmt::skip]
    let cases = [
        // target          args       actuator                              1.0    1.1
        (&rule,         None,            None,                               false, true),
        (&nested_rule,  None,            None,                               true,  false),
        (&light,        None,            None,                               false, true),
        (&too_bright,   None,            None,                               false, false),
        (&nested_light, None,            None,                               true,  false),
        (&net,          Some(&insert),   Some(json!({"slpf": id})),          false, true),
        (&address,      Some(&insert),   Some(json!({"slpf": id})),          true,  false),
        (&net,          Some(&sideways), None,                               false, false),
        (&address,      Some(&sideways), None,                               false, false),
        (&net,          None,            Some(json!({"x-iot": id})),         false, true),
        (&address, None, Some(json!({"extension_unr": {"x-iot": id}})),      true,  false),
        (&net,          None,            Some(json!({"slpf": {"colour": 1}})), false, false),
    ];
    for (target, args, actuator, is_10, is_11) in cases {
        let mut command = json!({"action": "deny", "target": target});
        if let Some(args) = args {
            command["args"] = args.clone();
        }
        if let Some(actuator) = actuator {
            command["actuator"] = actuator;
        }
        for (version, is_valid) in [(Version::V1_0, is_10), (Version::V1_1, is_11)] {
            let language = with_profiles(version);
            let fault = fault(&language, language.message(), &request(&command));
            assert_eq!(fault.is_none(), is_valid, "{version} {command}: {fault:?}");
        }
    }
}

#[test]
fn results_stand_beside_the_status_in_1_0_and_inside_results_in_1_1() {
    let beside = json!({"status": 200, "versions": ["1.0"], "slpf": {"rule_number": 7}});
    let inside = json!({"status": 200, "results": {"slpf": {"rule_number": 7}}});
    let without_status = json!({"versions": ["1.0"]});
    for (response, is_10, is_11) in
        [(beside, true, false), (inside, false, true), (without_status, false, false)]
    {
        for (version, is_valid) in [(Version::V1_0, is_10), (Version::V1_1, is_11)] {
            let language = with_profiles(version);
            let fault = fault(&language, language.response(), &response);
            assert_eq!(fault.is_none(), is_valid, "{version} {response}: {fault:?}");
        }
    }
}

#[test]
fn profiles_that_cannot_be_told_apart_are_refused() {
    let compile = |profiles: &[Profile]| {
        let problems = Language::compile(Version::V1_1, profiles).unwrap_err();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    let [slpf, iot] = profiles();
    assert_eq!(
        compile(&[slpf.clone(), slpf.clone()]),
        [r#"there are two profiles with the namespace identifier "slpf""#]
    );
    let same_number = X_IOT.replace("[2048, \"x-iot\"", "[1024, \"x-iot\"");
    let same_number = Profile::read(same_number.as_bytes()).unwrap();
    assert_eq!(
        compile(&[slpf, same_number]),
        [r#"Actuator.x-iot: the number 1024 is that of "slpf" as well"#]
    );
    // Targets of the same number do not get into one another's way.
    let same_targets = X_IOT.replace("[2048, \"switch\"", "[1024, \"switch\"");
    let same_targets = Profile::read(same_targets.as_bytes()).unwrap();
    let [slpf, _] = profiles();
    assert!(Language::compile(Version::V1_1, &[same_targets, slpf,]).is_ok());
    drop(iot);
}

#[test]
fn what_a_profile_must_have_is_named() {
    let of = |types: &str| {
        let file = format!(r#"{{"info": {{"package": "urn:x:p"}}, "types": [{types}]}}"#);
        let problems = Profile::read(file.as_bytes()).unwrap_err();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    let actuator = r#"["Actuator", "Choice", [], "", [[2050, "x-a", "Specifiers"]]],
        ["Specifiers", "Map", [], "", []]"#;
    let pairs = r#"["Pairs", "Map", [], "", [[3, "query", "Q", ["[0"]]]],
        ["Q", "Enumerated", [], "", [[9, "features"]]]"#;
    #[rustfmt::skip]
    let cases = [
        (String::new(), "a profile has a type Actuator"),
        (pairs.to_owned(), "a profile has a type Actuator"),
        (actuator.to_owned(), "a profile has a type Pairs"),
        (format!("{}, {pairs}", actuator.replace("2050", "5")), "Actuator.x-a: the number of a profile is at least 1000"),
        (format!("{}, {pairs}", actuator.replace("x-a", "x a")), "Actuator.x a: expected a namespace identifier"),
        (format!("{}, {pairs}", actuator.replace(r#""Specifiers", "Map", [], "", []"#, r#""Specifiers", "String""#)), "Actuator.x-a: its specifiers, Specifiers, are no Map"),
        (format!("{actuator}, {}", pairs.replace("query", "ask")), "Pairs.ask: \"ask\" is none of the twenty actions"),
        (format!("{actuator}, {}", pairs.replace("features", "feature")), "Q.feature: expected one of the eighteen targets"),
        (format!("{actuator}, {}", pairs.replace("features", "x-a:heat")), "Q.x-a:heat: there is no such row in Target"),
        (format!(r#"{actuator}, {pairs}, ["Target", "Choice", [], "", [[1, "heat", "Boolean"]]]"#), "Target.heat: no action in Pairs has this target"),
        (format!(r#"{actuator}, {pairs}, ["Args", "String"]"#), "Args: in a profile this is a Map with fields"),
        (format!(r#"{}, {}, ["Target", "Choice", [], "", [[1, "heat", "Boolean"]]]"#, actuator.replace("x-a", "x a"), pairs.replace("features", "x-b:heat")),
         "Q.x-b:heat: the names of Target begin with x a: here"),
        (format!(r#"{actuator}, {pairs}, ["Arguments", "Map", [], "", []]"#), "Arguments: no message can have this type: of a profile Actuator, Target, Args, Results and Pairs are taken up, and none of them leads to it; did you mean Args?"),
        (format!(r#"{actuator}, {pairs}, ["A", "ArrayOf", ["*B"]], ["B", "ArrayOf", ["*A"]]"#), "B: no message can have this type"),
        (format!(r#"{actuator}, {pairs}, ["A", "ArrayOf", ["*ls:Hostname"]]"#), "A: no type \"ls:Hostname\" is defined, nor imported"),
    ];
    for (types, complaint) in cases {
        let problems = of(&types);
        assert!(problems.iter().any(|it| it.starts_with(complaint)), "{types}: {problems:?}");
    }

    // One that only such a type leads to is not told beside it.
    let types = format!(
        r#"{actuator}, {pairs}, ["Result", "Map", [], "", [[1, "a", "A"]]], ["A", "String"]"#
    );
    let strays = of(&types);
    assert!(strays.len() == 1 && strays[0].ends_with("; did you mean Results?"), "{strays:?}");

    let exports = r#"{"info": {"package": "urn:x:p", "exports": ["Actuator", "Pair"]}, "types": ["#;
    let file = format!("{exports}{actuator}, {pairs}]}}");
    let problems = Profile::read(file.as_bytes()).unwrap_err();
    assert_eq!(problems[0].to_string(), "exports names \"Pair\", and no such type is defined");
}

/// One mistake is told once, and nothing that would follow from it.
#[test]
fn without_a_namespace_nothing_is_said_of_names_in_it() {
    let x_iot = X_IOT.replace(
        r#""Switches and lights"]
  ]]"#,
        r#""Switches and lights"], [2049, "x-ito", "Specifiers"]
  ]]"#,
    );
    let none = X_IOT.replace(r#"["Actuator", "Choice""#, r#"["Actuators", "Choice""#);
    #[rustfmt::skip]
    let cases = [
        (x_iot, "Actuator: it has 2 rows; a profile has one: its number, its namespace identifier and the type of its specifiers"),
        (none.replace(r#""Actuator","#, r#""Actuators","#), "a profile has a type Actuator: a Choice of one row, with its number, its namespace identifier and the type of its specifiers"),
    ];
    for (file, complaint) in cases {
        let problems = Profile::read(file.as_bytes()).unwrap_err();
        let mut problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        // What only the missing type led to is told as well: it has another name.
        problems.retain(|it| !it.contains("no message can have this type"));
        assert_eq!(problems, [complaint]);
    }
}

/// A profile may name types of the language, of whichever version it has in mind.
#[test]
fn a_profile_may_import_the_language() {
    let file = r#"{
        "info": {
            "package": "urn:x:p",
            "namespaces": {"ls": "http://oasis-open.org/openc2/oc2ls/v1.1"}
        },
        "types": [
            ["Actuator", "Choice", [], "", [[2050, "x-a", "Specifiers"]]],
            ["Specifiers", "Map", [], "", [[1, "hostname", "ls:Hostname", ["[0"]]]],
            ["Target", "Choice", [], "", [[1, "net", "ls:IPv4-Net"], [2, "port", "ls:Port"]]],
            ["Pairs", "Map", [], "", [[6, "deny", "Nets", ["[0"]]]],
            ["Nets", "Enumerated", [], "", [[1, "x-a:net"], [2, "x-a:port"]]]
        ]
    }"#;
    let profile = Profile::read(file.as_bytes()).unwrap();
    let language = Language::compile(Version::V1_1, std::slice::from_ref(&profile)).unwrap();
    let deny = |target: Value| json!({"action": "deny", "target": target});
    let good = deny(json!({"x-a:net": "198.51.100.0/24"}));
    assert_eq!(fault(&language, language.command(), &good), None);
    let bad = deny(json!({"x-a:port": 70000}));
    assert_eq!(fault(&language, language.command(), &bad).as_deref(), Some("/target/x-a:port"));
    // Version 1.0 has ports, and no type for IPv4 networks.
    let language = Language::compile(Version::V1_0, &[profile]).unwrap();
    let inside = |target: Value| deny(json!({"extension_unr": {"x-a": target}}));
    assert_eq!(fault(&language, language.command(), &inside(json!({"port": 80}))), None);
    assert!(
        fault(&language, language.command(), &inside(json!({"net": "198.51.100.0"}))).is_some()
    );
}
