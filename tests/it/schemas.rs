//! `oc2 schema` as a user starts it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const LANGUAGE: &str = "schemas/oc2ls-1.1.jadn";
const PROFILE: &str = "schemas/slpf-1.0.jadn";

/// Runs `oc2 schema` in the folder of the project, with something on standard input.
fn oc2_schema(words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oc2"))
        .arg("schema")
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has ended already reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_schemas_of_the_project_are_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|it| it == "jadn") {
            let checked = oc2_schema(&["check", "--gaps", path.to_str().unwrap()], "");
            assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn a_mistake_in_a_schema_is_told_and_ends_with_65() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.jadn");
    fs::write(&file, r#"{"info": {"package": "p"}, "types": [["A", "ArrayOf", ["*B"]]]}"#).unwrap();
    let name = file.to_str().unwrap();
    let checked = oc2_schema(&["check", name], "");
    assert_eq!(checked.status.code(), Some(65));
    assert_eq!(text(&checked.stdout), format!("{name}: A: no type \"B\" is defined\n"));
    let checked = oc2_schema(&["check", "--json", name], "");
    let line: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(line["place"], "A");
    let checked = oc2_schema(&["check", "--gaps", name], "");
    assert_eq!(checked.status.code(), Some(0));
    assert!(text(&checked.stdout).contains("warning: not defined, so never valid: B"));
}

/// The language is there for whoever imports it, of either version, as it is for the bridge; and
/// a profile is checked as one.
#[test]
fn a_profile_may_use_the_language_and_is_checked_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x-a.jadn");
    let name = file.to_str().unwrap();
    let profile = r#"{
        "info": {"package": "urn:x:a", "exports": ["Actuator", "Target", "Pairs"],
            "namespaces": {"ls": "LANGUAGE"}},
        "types": [
            ["Actuator", "Choice", [], "", [[2050, "x-a", "Specifiers"]]],
            ["Specifiers", "Map", [], "", [[1, "host", "ls:Hostname", ["[0"]]]],
            ["Target", "Choice", [], "", [[1, "port", "ls:Port"]]],
            ["Pairs", "Map", [], "", [[15, "set", "Ports", ["[0"]]]],
            ["Ports", "Enumerated", [], "", [[1, "x-a:port"]]]
        ]
    }"#;
    for language in
        ["http://oasis-open.org/openc2/oc2ls/v1.1", "oasis-open.org/openc2/v1.0/openc2-lang"]
    {
        fs::write(&file, profile.replace("LANGUAGE", language)).unwrap();
        let checked = oc2_schema(&["check", name], "");
        let in_order = format!("{name} is in order (types: 5, JADN v1.0 CS01, profile x-a)\n");
        assert_eq!((text(&checked.stdout), checked.status.code()), (in_order, Some(0)));
        let of = ["--schema", name, "--type", "Target"];
        let made = oc2_schema(&[&["example"][..], &of].concat(), "");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        assert!(made["port"].is_u64(), "{made}");
        let judged = oc2_schema(&[&["validate"][..], &of, &["-"]].concat(), r#"{"port": 70000}"#);
        assert_eq!(judged.status.code(), Some(65));
        let schema =
            oc2_schema(&["convert", name, "--to", "json-schema", "--type", "Specifiers"], "");
        let schema = text(&schema.stdout);
        assert!(schema.contains("Hostname") && !schema.contains("\"host\": false"), "{schema}");
    }
    let mistakes = [
        ("ls:Port", "ls:Prot", "Target.port: no type \"ls:Prot\" is defined"),
        ("LANGUAGE", "urn:x:else", "never valid: ls:Hostname, ls:Port"),
    ];
    for (good, bad, told) in mistakes {
        let bad = profile
            .replace(good, bad)
            .replace("LANGUAGE", "http://oasis-open.org/openc2/oc2ls/v1.1");
        fs::write(&file, bad.replace("\"Actuator\"", "\"Actuater\"")).unwrap();
        let checked = oc2_schema(&["check", name], "");
        assert!(text(&checked.stdout).contains(told), "{}", text(&checked.stdout));
    }
    #[rustfmt::skip]
    let mistakes = [
        ("2050",          "50",          "Actuator.x-a: the number of a profile is at least 1000"),
        ("x-a:port",      "x-a:prot",    "Ports.x-a:prot: there is no such row in Target, whose names here begin with x-a:"),
        ("[\"Target\", ", "[\"Targets\", ", "Targets: no message can have this type"),
        ("[15, \"set\"",  "[15, \"sett\"", "Pairs.sett: \"sett\" is none of the twenty actions"),
    ];
    for (good, bad, told) in mistakes {
        let language = "http://oasis-open.org/openc2/oc2ls/v1.1";
        fs::write(&file, profile.replace("LANGUAGE", language).replacen(good, bad, 1)).unwrap();
        let checked = oc2_schema(&["check", name], "");
        let said = text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(65), "{said}");
        assert!(
            said.lines().any(|line| line.starts_with(&format!("{name}: {told}"))),
            "{told}: {said}"
        );
    }
}

/// Some editors put one before a text.
#[test]
fn a_byte_order_mark_is_called_by_its_name() {
    let of = ["validate", "--schema", LANGUAGE, "--type", "OpenC2-Command"];
    for more in [&["-"][..], &["--all", "-"], &["--encoding", "json", "-"]] {
        let good =
            "\u{feff}{\"action\": \"deny\", \"target\": {\"ipv4_net\": \"198.51.100.0/24\"}}";
        let judged = oc2_schema(&[&of[..], more].concat(), good);
        assert_eq!(judged.status.code(), Some(65));
        let said = text(&judged.stdout);
        assert!(said.contains("a byte order mark, which no JSON begins with"), "{said}");
    }
}

#[test]
fn a_message_is_judged_by_a_type() {
    let of = ["--schema", LANGUAGE, "--type", "OpenC2-Command"];
    let validate = |more: &[&str], message: &str| {
        let words = [&["validate"], &of[..], more, &["-"]].concat();
        let judged = oc2_schema(&words, message);
        (judged.status.code(), text(&judged.stdout))
    };
    let good = r#"{"action": "deny", "target": {"ipv4_net": "198.51.100.0/24"}}"#;
    assert_eq!(validate(&[], good), (Some(0), "- is valid\n".to_owned()));
    let bad = r#"{"action": "denyy", "target": {"ipv4_connection": {"dst_port": 70000}}}"#;
    let (code, said) = validate(&[], bad);
    assert_eq!(code, Some(65));
    assert!(said.starts_with("-: /action: expected Action (scan, "), "{said}");
    let (_, said) = validate(&["--all"], bad);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("/target/ipv4_connection/dst_port: expected Port"), "{said}");
    let (_, said) = validate(&["--json"], bad);
    let line: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(line["faults"][0]["pointer"], "/action");
}

#[test]
fn an_unknown_type_or_a_missing_file_is_named() {
    let asked = oc2_schema(&["example", "--schema", LANGUAGE, "--type", "OpenC2-Comand"], "");
    assert_eq!(asked.status.code(), Some(64));
    let said = text(&asked.stderr);
    let begin = "the schema has no type \"OpenC2-Comand\"; did you mean `OpenC2-Command`? It has Action, Action-Targets, ";
    assert!(said.contains(begin), "{said}");
    let asked = oc2_schema(&["check", "no-such-file.jadn"], "");
    assert_eq!(asked.status.code(), Some(74));
}

#[test]
fn what_is_made_up_is_judged_as_it_was_meant() {
    let of = ["--schema", LANGUAGE, "--type", "OpenC2-Command"];
    for seed in ["1", "2", "3"] {
        for (wrong, code) in [(&[][..], 0), (&["--wrong"], 65)] {
            let made = oc2_schema(&[&["example", "--seed", seed], &of[..], wrong].concat(), "");
            assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
            let words = [&["validate"], &of[..], &["-"]].concat();
            let judged = oc2_schema(&words, &text(&made.stdout));
            assert_eq!(judged.status.code(), Some(code), "{}", text(&made.stdout));
        }
    }
}

#[test]
fn a_schema_is_converted() {
    let converted = oc2_schema(&["convert", LANGUAGE, "--to", "jadn"], "");
    let written: Value = serde_json::from_slice(&converted.stdout).unwrap();
    let read: Value = serde_json::from_str(&fs::read_to_string(LANGUAGE).unwrap()).unwrap();
    assert_eq!(written, read);
    let words = ["convert", LANGUAGE, "--to", "json-schema", "--type", "OpenC2-Command"];
    let converted = oc2_schema(&words, "");
    let written: Value = serde_json::from_slice(&converted.stdout).unwrap();
    assert_eq!(written["$ref"], "#/$defs/OpenC2-Command");
    assert_eq!(written["$defs"]["Port"]["maximum"], 65535);
    let converted = oc2_schema(&["convert", LANGUAGE, "--to", "markdown"], "");
    let row = "| 1 | **action** | Action | 1 | The task or activity to be performed";
    assert!(text(&converted.stdout).contains(row));
    let converted = oc2_schema(&["convert", LANGUAGE, "--to", "mermaid"], "");
    assert!(text(&converted.stdout).starts_with("classDiagram\n  class "));
    let words = ["convert", "schemas/oc2ls-1.0-csd07.jadn", "--to", "jadn", "--dialect", "cs01"];
    let converted = oc2_schema(&words, "");
    let written: Value = serde_json::from_slice(&converted.stdout).unwrap();
    assert_eq!(written["info"]["package"], "oasis-open.org/openc2/v1.0/openc2-lang");
}

/// A message goes to CBOR and back, and is judged in both.
#[test]
fn a_message_is_converted_and_judged_in_each_encoding() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("message.cbor");
    let name = file.to_str().unwrap();
    let convert = |message: &str, to: &str, input: &str| {
        let words = ["convert", LANGUAGE, message, "--type", "OpenC2-Command", "--to", to];
        oc2_schema(&words, input)
    };
    let verbose = "{\"action\":\"deny\",\"target\":{\"ipv4_net\":\"10.0.0.0/8\"}}\n";
    let converted = convert("-", "cbor", verbose);
    assert_eq!(converted.stdout, b"\x82\x06\xa1\x0d\x82\x44\x0a\x00\x00\x00\x08");
    fs::write(&file, &converted.stdout).unwrap();
    assert_eq!(text(&convert(name, "json", "").stdout), verbose);
    assert_eq!(text(&convert(name, "compact-json", "").stdout), "[6,{\"13\":\"10.0.0.0/8\"}]\n");
    let of = ["--schema", LANGUAGE, "--type", "OpenC2-Command"];
    let judged = oc2_schema(&[&["validate"], &of[..], &[name]].concat(), "");
    assert_eq!(text(&judged.stdout), format!("{name} is valid\n"));
    fs::write(&file, b"\x82\x06\xa1\x0d\x82\x44\x0a\x00\x00\x00\x18\x21").unwrap();
    let judged = oc2_schema(&[&["validate", "--all"], &of[..], &[name]].concat(), "");
    assert_eq!(judged.status.code(), Some(65));
    assert!(text(&judged.stdout).contains("/target/ipv4_net: expected IPv4-Net"));
    let made = oc2_schema(&[&["example", "--cbor"], &of[..]].concat(), "");
    fs::write(&file, &made.stdout).unwrap();
    let judged = oc2_schema(&[&["validate", "--encoding", "cbor"], &of[..], &[name]].concat(), "");
    assert_eq!(judged.status.code(), Some(0), "{}", text(&judged.stdout));
    // Words that do not go together.
    for words in [
        &["convert", LANGUAGE, "--to", "cbor"][..],
        &["convert", LANGUAGE, name, "--to", "mermaid", "--type", "OpenC2-Command"],
    ] {
        assert_eq!(oc2_schema(words, "").status.code(), Some(64));
    }
}

/// Each file is told of, whatever is wrong with the others; what is imported is told of once.
#[test]
fn all_files_are_checked_in_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let root = r#"{"info": {"package": "r", "namespaces": {"b": "b"}},
        "types": [["A", "Record", [], "", [[1, "x", "b:B"], [2, "y", "b:Nope"]]]]}"#;
    let other = r#"{"info": {"package": "b"}, "types": [["B", "Strng"], ["C", "ArrayOf", ["*D"]],
        ["E", "Choice", [], "", [[1, "e", "String", ["[0"]]]]]}"#;
    fs::write(path("a.jadn"), root).unwrap();
    fs::write(path("b.jadn"), other).unwrap();
    let (a, b) = (path("a.jadn"), path("b.jadn"));
    let checked = oc2_schema(&["check", PROFILE, &a, "no-such-file.jadn", &b], "");
    assert_eq!(checked.status.code(), Some(65));
    assert_eq!(
        text(&checked.stdout),
        format!(
            "{PROFILE} is in order (types: 13, JADN v1.0 CS01, profile slpf)\n\
             {a}: A.y: no type \"b:Nope\" is defined\n\
             {b}: B: \"Strng\" is no base type\n\
             {b}: C: no type \"D\" is defined\n  \
             warning: E.e: one alternative stands there always; [0 says nothing\n"
        )
    );
    assert!(text(&checked.stderr).contains("cannot read no-such-file.jadn"));
    let checked = oc2_schema(&["check", PROFILE, "no-such-file.jadn"], "");
    assert_eq!(checked.status.code(), Some(74));
    assert!(text(&checked.stdout).contains("is in order"));
}

/// What `check` refuses is used, and not in silence.
#[test]
fn a_broken_schema_is_used_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.jadn");
    let types = r#"["A", "String", ["{3", "}2"]], ["B", "ArrayOf", ["*A", "}0"]], ["C", "ArrayOf", ["*Nope"]]"#;
    fs::write(&file, format!(r#"{{"info": {{"package": "p"}}, "types": [{types}]}}"#)).unwrap();
    let name = file.to_str().unwrap();
    let of = ["--schema", name, "--type", "B"];
    for words in [&[&["validate"], &of[..], &["-"]].concat(), &[&["example"], &of[..]].concat()] {
        let done = oc2_schema(words, "[]");
        let said = text(&done.stderr);
        assert!(
            said.contains(&format!("oc2: warning: {name}: A: at least 3 and at most 2\n")),
            "{said}"
        );
        assert!(
            said.contains(&format!("oc2: warning: {name}: not defined, so never valid: Nope\n")),
            "{said}"
        );
    }
}

#[test]
fn what_cannot_be_written_is_no_file() {
    let converted = |words: &[&str]| {
        let done =
            oc2_schema(&[&["convert", "schemas/x-iot-1.0.jadn", "--to"], words].concat(), "");
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, written, said) = converted(&["jadn", "--dialect", "csd01"]);
    assert_eq!((code, written.as_str()), (Some(65), ""));
    assert!(said.contains("Specifiers: CSD01 has no MapOf"), "{said}");
    // One type and what it needs; JADN is written as a whole.
    let (code, written, _) = converted(&["mermaid", "--type", "Specifiers"]);
    assert_eq!(code, Some(0));
    assert_eq!(written.matches("class ").count(), 1, "{written}");
    assert_eq!(converted(&["markdown", "--type", "Specifier"]).0, Some(64));
    assert_eq!(converted(&["jadn", "--type", "Specifiers"]).0, Some(64));
}

#[test]
fn an_example_that_no_memory_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("towers.jadn");
    let record = |at: usize| {
        let inner = if at == 12 { "Boolean".to_owned() } else { format!("R{}", at + 1) };
        let fields = (1..=10).map(|id| format!(r#"[{id}, "f{id}", "{inner}"]"#));
        format!(r#"["R{at}", "Record", [], "", [{}]]"#, fields.collect::<Vec<_>>().join(","))
    };
    let types: Vec<_> = (0..13).map(record).collect();
    fs::write(&file, format!(r#"{{"info": {{"package": "p"}}, "types": [{}]}}"#, types.join(",")))
        .unwrap();
    let of = ["--schema", file.to_str().unwrap(), "--type", "R0"];
    for words in
        [&[&["example"], &of[..]].concat(), &[&["example"], &of[..], &["--wrong"]].concat()]
    {
        let made = oc2_schema(words, "");
        assert_eq!(made.status.code(), Some(65));
        assert!(text(&made.stderr).contains("R0: no example: larger than 1048576 bytes"));
    }
}
