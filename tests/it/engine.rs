//! The engine of schemas, on very many messages.

use openc2_bridge::jadn::{Bounds, Form, NodeId, Package, Schema, resolve};
use serde_json::Value;

/// Nesting that every message stays within.
const DEPTH: usize = 32;

const LANGUAGE_11: &str = include_str!("../../schemas/oc2ls-1.1.jadn");
const LANGUAGE_10: &str = include_str!("../../schemas/oc2ls-1.0-csd07.jadn");
const META_10: &str = include_str!("../../schemas/jadn-1.0-csd07.jadn");

fn compiled(file: &str) -> Schema {
    let package = Package::read(file.as_bytes()).unwrap();
    let merged = resolve(&package, &[]).unwrap().with_gaps();
    Schema::compile(&merged.package, &merged.undefined, Bounds::default()).unwrap()
}

fn is_valid(schema: &Schema, root: NodeId, message: &Value) -> bool {
    let mut tape = openc2_bridge::jadn::Tape::default();
    let text = message.to_string();
    schema.judge_bytes(root, text.as_bytes(), Form::VERBOSE, DEPTH, &mut tape).is_ok()
}

/// 100,000 made-up messages, half of them wrong in one way: our own verdict, and that
/// of our JSON Schema by another implementation.
#[test]
fn our_json_schema_agrees_with_us() {
    let mut compared = 0;
    for (file, roots) in [
        (LANGUAGE_11, &["Message", "OpenC2-Command", "OpenC2-Response"][..]),
        (LANGUAGE_10, &["OpenC2-Command", "OpenC2-Response"]),
    ] {
        let schema = compiled(file);
        for root in roots {
            let node = schema.type_named(root).unwrap();
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema.to_json_schema(node))
                .unwrap();
            for seed in 0..12_500 {
                let good = schema.example(node, seed);
                let bad = schema.mutant(node, seed).map(|it| it.message);
                for message in [good, bad].into_iter().flatten() {
                    let ours = is_valid(&schema, node, &message);
                    assert_eq!(validator.is_valid(&message), ours, "{root}: {message}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared >= 100_000, "{compared}");
}

#[test]
fn json_becomes_cbor_and_the_same_json_again_100_000_times() {
    let mut compared = 0;
    for (file, roots) in [
        (LANGUAGE_11, &["Message", "OpenC2-Command", "OpenC2-Response"][..]),
        (LANGUAGE_10, &["OpenC2-Command", "OpenC2-Response"]),
        (META_10, &["Schema"]),
    ] {
        let schema = compiled(file);
        for root in roots {
            let root = schema.type_named(root).unwrap();
            for message in (0..16_700).filter_map(|seed| schema.example(root, seed)) {
                assert_eq!(through_cbor(&schema, root, &message), message);
                compared += 1;
            }
        }
    }
    assert!(compared >= 100_000, "{compared}");
}

/// Messages that others wrote: our JSON Schema says the same of each as we do, and what
/// is valid goes to CBOR and comes back.
///
/// They are no part of this project: `OC2_VECTORS_DIR` says where they are.
#[test]
fn the_messages_of_others_get_one_verdict_and_come_back_from_cbor() {
    let Some(folder) = std::env::var_os("OC2_VECTORS_DIR") else {
        eprintln!("left out: OC2_VECTORS_DIR does not say where the messages of others are");
        return;
    };
    let file = std::path::PathBuf::from(folder).join("messages.jsonl");
    let messages: Vec<Value> = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (mut compared, mut came_back) = (0, 0);
    for file in [LANGUAGE_11, LANGUAGE_10] {
        let schema = compiled(file);
        for (kind, root) in [("command", "OpenC2-Command"), ("response", "OpenC2-Response")] {
            let root = schema.type_named(root).unwrap();
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema.to_json_schema(root))
                .unwrap();
            for message in messages.iter().filter(|it| it["kind"] == kind) {
                let content = &message["content"];
                let ours = is_valid(&schema, root, content);
                assert_eq!(validator.is_valid(content), ours, "{message}");
                compared += 1;
                if ours {
                    let back = through_cbor(&schema, root, content);
                    assert!(means_the_same(&back, content), "{back}: {message}");
                    came_back += 1;
                }
            }
        }
    }
    assert!(compared > 300 && came_back > 50, "{compared}, {came_back}");
}

/// Whether two messages differ at most in how octets are spelled: hexadecimal digits in
/// either case, and IPv6 in any spelling of RFC 4291, come back in the one that is sent.
fn means_the_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let same = |(name, it)| b.get(name).is_some_and(|other| means_the_same(it, other));
            a.len() == b.len() && a.iter().all(same)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| means_the_same(a, b))
        }
        (Value::String(a), Value::String(b)) => {
            let range = |text: &str| {
                let (addr, prefix) = text.split_once('/').unwrap_or((text, ""));
                addr.parse::<std::net::Ipv6Addr>().ok().map(|addr| (addr, prefix.to_owned()))
            };
            let is_hex = |it: &str| it.bytes().all(|it| it.is_ascii_hexdigit() || it == b':');
            a == b
                || (is_hex(a) && a.eq_ignore_ascii_case(b))
                || (range(a).is_some() && range(a) == range(b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn through_cbor(schema: &Schema, root: NodeId, message: &Value) -> Value {
    let there = message.to_string().into_bytes();
    let cbor = schema.transcode(root, &there, Form::VERBOSE, Form::CBOR, DEPTH).unwrap();
    let back = schema
        .transcode(root, &cbor, Form::CBOR, Form::VERBOSE, DEPTH)
        .unwrap_or_else(|fault| panic!("{message}: {cbor:02x?}: {fault}"));
    serde_json::from_slice(&back).unwrap()
}
