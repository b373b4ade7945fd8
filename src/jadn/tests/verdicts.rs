//! Messages judged by schemas.

use serde_json::json;

use super::*;
use crate::encoding::source::{Key, Source};
use crate::jadn::{Names, Records, Unknown};

const SEEDS: u64 = 300;

/// Shows JADN-2.1-1, JADN-2.1.2-1, JADN-2.1.3-1, JADN-3-1 and JADN-3.2-1: every
/// built-in type, by good and bad values.
#[test]
fn every_type_takes_what_it_should_and_nothing_else() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str], &[&str])] = &[
        (r#"["T", "Boolean"]"#, &["true", " false "], &["1", "null", r#""true""#]),
        (r#"["T", "Null"]"#, &["null"], &["0", "[]"]),
        (r#"["T", "Any"]"#, &["null", "[1, {\"a\": 2}]"], &["[1, {\"a\": 2, \"a\": 3}]", "[", "\"\\ud800\""]),
        (r#"["T", "Integer"]"#, &["0", "-9007199254740991", "200.0", "2e2"], &["1.5", "\"1\"", "9007199254740992", "01"]),
        (r#"["T", "Integer", ["{0", "}65535"]]"#, &["0", "65535"], &["-1", "65536"]),
        (r#"["T", "Integer", ["/u8"]]"#, &["255"], &["256", "-1"]),
        (r#"["T", "Integer", ["/u64"]]"#, &[r#""18446744073709551615""#, r#""0""#, "5", "9007199254740991"], &[r#""18446744073709551616""#, "-1", "1.5", "9007199254740992", r#""-1""#, r#""01""#]),
        (r#"["T", "Integer", ["/u8", "}300"]]"#, &["255"], &["256", "300"]),
        (r#"["T", "ArrayOf", ["*U", "q"]], ["U", "Integer", ["/u64"]]"#, &[r#"[1, "2"]"#], &[r#"[1, "1"]"#]),
        (r#"["T", "Number", ["/f16"]]"#, &["65504", "-65504.0", "0.1"], &["65505", "-1e10"]),
        (r#"["T", "Number", ["/f32"]]"#, &["3.4028234663852886e38", "-3.4028234663852886e38"], &["3.41e38", "-1e300"]),
        (r#"["T", "Number", ["/f16", "y0", "z1e9"]]"#, &["0", "65504"], &["-1", "1e6"]),
        (r#"["T", "Number", ["y0", "z1"]]"#, &["0", "0.5", "1"], &["-0.1", "1.1", "1e400"]),
        (r#"["T", "String", ["{1", "}3"]]"#, &[r#""a""#, r#""äöü""#, r#""\u00fcab""#], &[r#""""#, r#""abcd""#, "5"]),
        (r#"["T", "String", ["}3"]]"#, &[r#""""#, r#""abc""#, r#""äöü""#], &[r#""abcd""#, r#""äöüß""#, r#""\ud800""#, "5"]),
        (r#"["T", "String", ["%^\\S{0,3}$"]]"#, &[r#""""#, r#""abc""#], &[r#""a b""#, r#""abcd""#, r#""\ufeff""#]),
        (r#"["T", "String", ["%^\\d+$"]]"#, &[r#""12""#], &[r#""١٢""#]),
        (r#"["T", "String", ["/hostname"]]"#, &[r#""a.example""#], &[r#""a_b..""#]),
        (r#"["T", "Binary"]"#, &[r#""""#, r#""AQID""#], &[r#""AQID==""#, r#""A""#, r#""AR""#]),
        (r#"["T", "Binary", ["{2", "}2"]]"#, &[r#""AQI""#], &[r#""AQ""#, r#""AQID""#]),
        (r#"["T", "Binary", ["/x"]]"#, &[r#""0AFF""#], &[r#""0AF""#, r#""xx""#]),
        (r#"["T", "Binary", ["/ipv4-addr"]]"#, &[r#""10.0.0.1""#], &[r#""10.0.0""#, r#""::1""#]),
        (r#"["T", "Binary", ["/ipv6-addr"]]"#, &[r#""2001:DB8::1""#], &[r#""10.0.0.1""#, r#""::1%eth0""#]),
        (r#"["T", "Array", ["/ipv6-net"], "", [[1, "a", "Binary", ["/ipv6-addr"]], [2, "p", "Integer", ["[0"]]]]"#, &[r#""2001:db8::/32""#, r#""::1""#], &[r#""::1/129""#, r#""10.0.0.0/8""#]),
        (r#"["T", "String", ["/email"]]"#, &[r#""a@b.example""#], &[r#""a b@c""#]),
        (r#"["T", "String", ["/uri"]]"#, &[r#""https://a.example/""#], &[r#""/a""#]),
        (r#"["T", "Binary", ["/eui"]]"#, &[r#""01:23:45:67:89:AB""#], &[r#""01:23:45""#]),
        (r#"["T", "Array", ["/ipv4-net"], "", [[1, "a", "Binary", ["/ipv4-addr"]], [2, "p", "Integer", ["[0"]]]]"#, &[r#""10.0.0.0/8""#, r#""10.1.2.3""#], &[r#""10.0.0.0/33""#, "[1]"]),
        (r#"["T", "Enumerated", [], "", [[1, "a"], [2, "b"]]]"#, &[r#""a""#, r#""\u0062""#], &[r#""c""#, "1"]),
        (r#"["T", "Enumerated", ["="], "", [[1, "a"], [2, "b"]]]"#, &["1", "2.0"], &["3", r#""a""#]),
        (r##"["T", "Enumerated", ["#R"]], ["R", "Record", [], "", [[1, "a", "Integer"], [2, "b", "Integer"]]]"##, &[r#""b""#], &[r#""c""#]),
        (r#"["T", "Enumerated", [">R"]], ["R", "Record", [], "", [[1, "a", "Integer"], [2, "b", "R2", ["<"]]]], ["R2", "Map", [], "", [[1, "c", "Integer"]]]"#, &[r#""a""#, r#""b/c""#], &[r#""b""#, r#""c""#]),
        (r#"["T", "Choice", [], "", [[1, "a", "Integer"], [2, "b", "String"]]]"#, &[r#"{"a": 1}"#, r#"{"b": ""}"#], &["{}", r#"{"c": 1}"#, r#"{"a": 1, "b": ""}"#, r#"{"a": ""}"#, "[1]"]),
        (r#"["T", "Choice", ["="], "", [[1, "a", "Integer"], [2, "b", "String"]]]"#, &[r#"{"1": 1}"#], &[r#"{"a": 1}"#, r#"{"01": 1}"#]),
        // Zero is a number like any other, and no joker.
        (r#"["T", "Map", ["=", "{1"], "", [[3, "a", "Integer", ["[0"]], [0, "b", "String", ["[0"]]]]"#, &[r#"{"0": "x"}"#, r#"{"3": 1}"#], &[r#"{"0": 1}"#, r#"{"-0": "x"}"#, r#"{"00": "x"}"#]),
        (r#"["T", "Array", [], "", [[1, "a", "Integer"], [2, "b", "String", ["[0"]], [3, "c", "Boolean", ["[0"]]]]"#, &["[1]", r#"[1, "s"]"#, "[1, null, true]"], &["[]", "[null]", "[1, 2]", "[1, null, true, 4]", "{}"]),
        (r#"["T", "ArrayOf", ["*Integer", "{1", "}2"]]"#, &["[1]", "[1, 1]"], &["[]", "[1, 2, 3]", r#"["a"]"#]),
        (r#"["T", "ArrayOf", ["*String", "q"]]"#, &[r#"["a", "b"]"#, "[]"], &[r#"["a", "b", "\u0061"]"#]),
        (r#"["T", "ArrayOf", ["*R", "s"]], ["R", "Map", [], "", [[1, "a", "Integer", ["[0"]], [2, "b", "Integer", ["[0"]]]]"#, &[r#"[{"a": 1}, {"b": 1}]"#], &[r#"[{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]"#]),
        (r#"["T", "Map", ["{1"], "", [[1, "a", "Integer", ["[0"]], [2, "b", "Integer", ["[0"]]]]"#, &[r#"{"a": 1}"#, r#"{"b": 2, "a": 1}"#], &["{}", r#"{"a": 1, "a": 2}"#, r#"{"a": 1, "\u0061": 2}"#, r#"{"c": 1}"#]),
        (r#"["T", "Map", ["="], "", [[1, "a", "Integer"]]]"#, &[r#"{"1": 1}"#], &[r#"{"a": 1}"#]),
        (r#"["T", "Record", [], "", [[1, "a", "Integer"], [2, "b", "Integer", ["[0"]]]]"#, &[r#"{"a": 1}"#, r#"{"b": 1, "a": 2}"#], &["{}", r#"{"b": 1}"#, "[1, 2]", r#"{"a": null}"#]),
        (r#"["T", "MapOf", ["+K", "*Integer", "{1"]], ["K", "Enumerated", [], "", [[1, "a"], [2, "b"]]]"#, &[r#"{"a": 1}"#], &["{}", r#"{"c": 1}"#, r#"{"a": "x"}"#, r#"{"a": 1, "a": 2}"#]),
        (r#"["T", "MapOf", ["+String", "*Any"]]"#, &["{}", r#"{"x": [1]}"#], &[r#"{"x": 1, "x": 1}"#]),
        // Multiplicity.
        (r#"["T", "Map", [], "", [[1, "a", "Integer", ["[0", "]0"]]]]"#, &["{}", r#"{"a": [1, 2]}"#], &[r#"{"a": 1}"#, r#"{"a": []}"#]),
        (r#"["T", "Map", [], "", [[1, "a", "Integer", ["[2", "]3"]]]]"#, &[r#"{"a": [1, 2]}"#], &["{}", r#"{"a": [1]}"#, r#"{"a": [1, 2, 3, 4]}"#]),
        // A tag says which alternative stands there, before it or after it.
        (
            r##"["T", "Record", [], "", [[1, "v", "V", ["&k"]], [2, "k", "Enumerated", ["#V"]]]], ["V", "Choice", [], "", [[1, "i", "Integer"], [2, "s", "String"]]]"##,
            &[r#"{"k": "i", "v": 1}"#, r#"{"v": "x", "k": "s"}"#],
            &[r#"{"k": "i", "v": "x"}"#, r#"{"v": 1, "k": "s"}"#, r#"{"k": "i", "v": {"i": 1}}"#, r#"{"v": 1}"#],
        ),
        // A type that contains itself.
        (r#"["T", "Map", [], "", [[1, "t", "T", ["[0"]]]]"#, &["{}", r#"{"t": {"t": {}}}"#], &[r#"{"t": {"t": {"x": 1}}}"#]),
    ];
    for (types, good, bad) in cases {
        let file = cs01(types);
        assert_eq!(problems(&file), [""; 0], "{types}");
        let schema = compiled(&file);
        for text in *good {
            assert_eq!(judge(&schema, "T", text, Form::VERBOSE), Ok(()), "{types}: {text}");
        }
        for text in *bad {
            assert!(judge(&schema, "T", text, Form::VERBOSE).is_err(), "{types}: {text}");
        }
    }
}

/// Shows JADN-2.1.4-1: a derived enumeration as CSD01 writes it, and what may be empty there.
#[test]
fn csd01_has_its_own_spelling() {
    let schema = compiled(&csd01(
        r#"["T", "Map", [], "", [[1, "one", "C", ["[0", "*"], ""], [2, "many", "C", ["[0", "]0", "*"], ""]]],
           ["C", "Choice", [], "", [[1, "a", "Integer", [], ""], [2, "b", "Integer", [], ""]]]"#,
    ));
    let good = [r#"{"one": "a"}"#, r#"{"many": ["a", "b"]}"#, r#"{"many": []}"#];
    let bad = [r#"{"one": {"a": 1}}"#, r#"{"many": ["c"]}"#, r#"{"many": "a"}"#];
    for text in good {
        assert_eq!(judge(&schema, "T", text, Form::VERBOSE), Ok(()), "{text}");
    }
    for text in bad {
        assert!(judge(&schema, "T", text, Form::VERBOSE).is_err(), "{text}");
    }
}

/// Shows JADN-4.1-1: the bounds of a package hold where a type has none of its own.
#[test]
fn bounds_of_the_package_are_defaults() {
    let types = r#"["T", "Record", [], "", [[1, "s", "String", ["[0"], ""], [2, "m", "M", ["[0"], ""],
        [3, "b", "Binary", ["[0"], ""], [4, "l", "L", ["[0"], ""]]],
        ["M", "String", ["]9"], ""], ["L", "ArrayOf", ["*Integer"], ""]"#;
    let bounds = r#""example.org/p", "bounds": [40, 4, 2, 3]"#;
    let schema = compiled(&csd01(types).replace(r#""example.org/p""#, bounds));
    for (text, is_good) in [
        (r#"{"s": "abcd"}"#, true),
        (r#"{"s": "abcde"}"#, false),
        (r#"{"m": "abcdefghi"}"#, true),
        (r#"{"m": "abcdefghij"}"#, false),
        (r#"{"b": "AQI"}"#, true),
        (r#"{"b": "AQID"}"#, false),
        (r#"{"l": [1, 2, 3]}"#, true),
        (r#"{"l": [1, 2, 3, 4]}"#, false),
        (r#"{"l": [1000000000, 2000000000, 3000000]}"#, true),
        (r#"{"l": [1000000000, 2000000000, 30000000]}"#, false),
    ] {
        assert_eq!(judge(&schema, "T", text, Form::VERBOSE).is_ok(), is_good, "{text}");
    }
}

#[test]
fn a_fault_says_where_what_was_expected_and_what_stood_there() {
    let schema = compiled(LANGUAGE_11);
    let cases = [
        (
            r#"{"action": "deny", "target": {"ipv4_connection": {"dst_port": 70000}}}"#,
            "/target/ipv4_connection/dst_port: expected Port, an integer from 0 to 65535, found 70000",
        ),
        (r#"{"action": "deny"}"#, ": target is missing in OpenC2-Command"),
        (
            r#"{"action": "query", "target": {"features": ["pairs", "pairs"]}}"#,
            "/target/features: expected Features, no element twice",
        ),
        (
            r#"{"action": "deny", "target": {"file": {"nam\u0000e": "x"}}}"#,
            "/target/file/nam\u{0}e: no field of File, which has name, path, hashes",
        ),
        (
            r#"{"action": "deny", "target": {"file": {}}}"#,
            "/target/file: expected File with at least one member, found 0",
        ),
        (
            r#"{"action": "deny", "target": 5, "#,
            "/target: expected Target, an object with exactly one member, found 5",
        ),
        (r#"{"action": "deny", "#, ": byte 19: the text ends too early"),
    ];
    for (text, fault) in cases {
        let found = judge(&schema, "OpenC2-Command", text, Form::VERBOSE).unwrap_err();
        assert_eq!(found.to_string(), fault, "{text}");
    }
}

#[test]
fn all_faults_come_on_request() {
    let schema = compiled(LANGUAGE_11);
    let text = r#"{"action": "denyy", "target": {"ipv4_connection": {"dst_port": 70000, "protocol": "x",
        "y": [1]}}, "args": {"duration": -1, "response_requested": "ack"}, "args": 5}"#;
    let root = schema.type_named("OpenC2-Command").unwrap();
    let mut source = JsonSource::new(text.as_bytes(), DEPTH);
    let faults = schema.judge_all(root, &mut source, Form::VERBOSE);
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/action",
            "/target/ipv4_connection/dst_port",
            "/target/ipv4_connection/protocol",
            "/target/ipv4_connection/y",
            "/args/duration",
            "/args",
        ]
    );
}

/// What is wrong with one element says nothing of another: two that are wrong are not the same twice.
#[test]
fn all_faults_of_a_set_are_those_of_its_elements() {
    let schema = compiled(&cs01(
        r#"["T", "ArrayOf", ["*R", "q"]], ["R", "Record", [], "", [[1, "a", "Integer"], [2, "b", "C"]]],
           ["C", "Choice", [], "", [[1, "c", "Integer"]]]"#,
    ));
    let text = r#"[{"a": "x", "b": {"c": 1}}, {"a": "y", "b": {"c": 1}}, {"a": 1, "b": {"c": "z"}}, 5,
        {"a": 1, "b": {"c": 1}}, 6, {"a": 1, "b": {"c": 1}}]"#;
    let root = schema.type_named("T").unwrap();
    let faults =
        schema.judge_all(root, &mut JsonSource::new(text.as_bytes(), DEPTH), Form::VERBOSE);
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/0/a", "/1/a", "/2/b/c", "/3", "/5", ""]);
    assert_eq!(faults.last().unwrap().reason, "expected T, no element twice");
}

/// Compact JSON has numbers for names, and arrays for records.
#[test]
fn compact_json_is_read_by_the_same_table() {
    let schema = compiled(&cs01(
        r#"["T", "Record", [], "", [[1, "a", "E"], [2, "b", "M", ["[0"]], [3, "c", "Integer", ["[0"]]]],
           ["E", "Enumerated", [], "", [[5, "five"]]], ["M", "Map", [], "", [[7, "seven", "Integer"]]]"#,
    ));
    let concise = Form { names: Names::Names, records: Records::Arrays, has_octets: false };
    for (text, form, is_good) in [
        ("[5]", Form::COMPACT, true),
        (r#"[5, {"7": 1}, 3]"#, Form::COMPACT, true),
        ("[5, null, 3]", Form::COMPACT, true),
        (r#"["five"]"#, Form::COMPACT, false),
        (r#"["five", {"seven": 1}]"#, concise, true),
        (r#"["five", {"7": 1}]"#, concise, false),
        (r#"{"a": "five"}"#, Form::COMPACT, false),
    ] {
        assert_eq!(judge(&schema, "T", text, form).is_ok(), is_good, "{text}");
    }
}

#[test]
fn what_is_made_up_is_valid_and_what_is_spoilt_is_not() {
    for (file, roots) in [
        (LANGUAGE_11, &["Message", "OpenC2-Command", "OpenC2-Response"][..]),
        (LANGUAGE_10, &["OpenC2-Command", "OpenC2-Response"]),
        (META_10, &["Schema"]),
    ] {
        let schema = compiled(file);
        for root in roots {
            let node = schema.type_named(root).unwrap();
            let (mut made, mut spoilt) = (0, 0);
            for seed in 0..SEEDS {
                if let Some(value) = schema.example(node, seed) {
                    made += 1;
                    let text = value.to_string();
                    assert_eq!(
                        judge(&schema, root, &text, Form::VERBOSE),
                        Ok(()),
                        "{root}: {text}"
                    );
                    assert_eq!(schema.example(node, seed), Some(value));
                }
                if let Some(mutant) = schema.mutant(node, seed) {
                    spoilt += 1;
                    assert!(
                        !is_valid(&schema, root, &mutant.message),
                        "{root}: {} at {}: {}",
                        mutant.wrong,
                        mutant.pointer,
                        mutant.message
                    );
                }
            }
            assert!(made > SEEDS / 3, "{root}: {made} made");
            assert!(spoilt > SEEDS / 3, "{root}: {spoilt} spoilt");
        }
    }
}

#[test]
fn the_tape_holds_what_the_message_holds() {
    let schema = compiled(LANGUAGE_11);
    let text =
        r#"{"target": {"ipv4_net": "10.0.0.0/8"}, "action": "deny", "args": {"duration": 500}}"#;
    let mut tape = Tape::default();
    let root = schema.type_named("OpenC2-Command").unwrap();
    let mut source = JsonSource::new(text.as_bytes(), DEPTH);
    schema.judge(root, &mut source, Form::VERBOSE, &mut tape).unwrap();
    let command = tape.view(&schema, text.as_bytes()).unwrap();
    assert_eq!(command.type_name(), "OpenC2-Command");
    assert_eq!(command.field("action").unwrap().item(), Some(("deny", 6)));
    let (target, value) = command.field("target").unwrap().chosen().unwrap();
    assert_eq!((&*target, &*value.text()), ("ipv4_net", "10.0.0.0/8"));
    let duration = command.field("args").unwrap().field("duration").unwrap();
    assert_eq!(duration.mark().number, 500);
    assert!(command.field("actuator").is_none());
    assert_eq!(source.offset(), text.len());
}

const ADDED: &str = r#"{"info": {"package": "http://a.example/b"}, "types": [
  ["Args", "Map", ["{1", "X"], "", [[1, "time", "Integer", ["[0"], ""]]],
  ["Target", "Choice", ["X"], "", [[1, "file", "String", [], ""]]],
  ["Closed", "Map", [], "", [[1, "time", "Integer", ["[0"], ""]]],
  ["Names", "ArrayOf", ["*#Target", "q"], "", []],
  ["Counts", "MapOf", ["+#Target", "*Integer"], "", []],
  ["All", "Record", [], "", [
    [1, "args", "Args", ["[0"], ""],
    [2, "target", "Target", ["[0"], ""],
    [3, "closed", "Closed", ["[0"], ""],
    [4, "names", "Names", ["[0"], ""],
    [5, "counts", "Counts", ["[0"], ""]
  ]]
]}"#;

/// Keys that begin with `x-`, where a type says that others may add to it.
fn with_an_x(unknown: &Unknown<'_>) -> Result<(), String> {
    match unknown.key {
        _ if !unknown.is_extensible => Err(String::new()),
        Key::Text(name) if name.starts_with("x-") => Ok(()),
        _ => Err("those of others begin with x-".to_owned()),
    }
}

#[test]
fn a_type_that_others_add_to_takes_their_keys_and_the_others_do_not() {
    let schema = compiled(ADDED).taking(with_an_x);
    let root = schema.type_named("All").unwrap();
    let mut tape = Tape::default();
    let good = json!({
        "args": {"x-a": {"b": [1, null]}, "time": 5, "x-c": "\u{e9}\n"},
        "target": {"x-a:b": false},
        "names": ["x-a:b", "file", "x-c:d"],
        "counts": {"file": 1}
    });
    let text = good.to_string().replace("x-c\"", "\\u0078-c\"");
    let mut source = JsonSource::new(text.as_bytes(), DEPTH);
    schema.judge(root, &mut source, Form::VERBOSE, &mut tape).unwrap();
    let all = tape.view(&schema, text.as_bytes()).unwrap();
    assert_eq!(all.to_json(), good);
    let args: Vec<_> = all.field("args").unwrap().entries().collect();
    let known: Vec<_> = args.iter().map(|(name, it)| (&**name, it.is_known())).collect();
    assert_eq!(known, [("x-a", false), ("time", true), ("x-c", false)]);

    let bad = [
        (r#"{"args":{"y":1}}"#, "/args/y"),
        (r#"{"args":{"x-a":1,"x-a":1}}"#, "/args"),
        (r#"{"args":{"x-a":1,"\u0078-a":1}}"#, "/args"),
        (r#"{"args":{"x-a":{"b":1,"b":1}}}"#, "/args/x-a"),
        (r#"{"target":{"x-a":1,"x-b":1}}"#, "/target"),
        (r#"{"target":{"x-a":1,"file":"f"}}"#, "/target"),
        (r#"{"target":{"file":"f","x-a":1}}"#, "/target"),
        (r#"{"closed":{"x-a":1}}"#, "/closed/x-a"),
        (r#"{"names":["x-a","x-a"]}"#, "/names"),
        (r#"{"names":["y"]}"#, "/names/0"),
    ];
    for (text, pointer) in bad {
        let mut source = JsonSource::new(text.as_bytes(), DEPTH);
        let fault = schema.judge(root, &mut source, Form::VERBOSE, &mut tape).unwrap_err();
        assert_eq!(fault.pointer, pointer, "{text}: {fault}");
    }
}
