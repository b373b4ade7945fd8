//! How fast a message is judged by a schema: bytes to verdict, with the tape, in JSON and
//! in CBOR, beside `serde_json` alone and beside `serde_json` with the `jsonschema` crate
//! on the JSON Schema that our own converter makes. And how long it takes to load the
//! language with five profiles.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use openc2_bridge::jadn::{Bounds, Form, Package, Schema, Tape, resolve};
use openc2_bridge::language::{Language, Profile, Version};
use serde_json::Value;

const LANGUAGE: &str = include_str!("../schemas/oc2ls-1.1.jadn");
const SLPF: &str = include_str!("../schemas/slpf-1.0.jadn");
const IOT: &str = include_str!("../schemas/x-iot-1.0.jadn");

/// Where criterion writes what it has measured.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/criterion");

/// The two commands, as groups of measurements.
const ANNEX: &str = "annex C.2";
const LONG: &str = "2 KiB";

/// What is measured of each.
const JSON: &str = "ours, with the tape";
const CBOR: &str = "ours, with the tape, in CBOR";
const PARSED: &str = "serde_json alone";
const OTHER: &str = "serde_json and jsonschema";

/// And of schema files.
const LOADING: &str = "load the language and five profiles";

/// Nesting that messages stay within, as the bridge has it by default.
const DEPTH: usize = 32;

/// The command of language 1.1, annex C.2.
const COMMAND: &str = r#"{"action":"deny","target":{"ipv4_connection":{"protocol":"tcp",
"src_addr":"1.2.3.4","src_port":10996,"dst_addr":"198.2.3.4","dst_port":80}},
"args":{"start_time":1534775460000,"duration":500,"response_requested":"ack"},
"command_id":"dc5-1"}"#;

fn schema() -> Schema {
    let package = Package::read(LANGUAGE.as_bytes()).expect("the language's schema can be read");
    let merged = resolve(&package, &[]).expect("it imports nothing");
    Schema::compile(&merged.package, &merged.undefined, Bounds::default())
        .expect("it has no mistake")
}

/// A command of 2 KiB: a process with its parents.
fn long_command() -> String {
    let mut process =
        r#"{"pid":1,"name":"init","command_line":"/sbin/init --switched-root --system"}"#
            .to_owned();
    for pid in 2..12 {
        process = format!(
            r#"{{"pid":{pid},"name":"worker-{pid}","cwd":"/var/lib/worker/{pid}","executable":{{"name":"worker","path":"/usr/libexec/worker-{pid}"}},"command_line":"/usr/libexec/worker --number {pid} --quiet","parent":{process}}}"#
        );
    }
    format!(r#"{{"action":"stop","target":{{"process":{process}}}}}"#)
}

/// The two profiles of the project, and three more that differ from the larger one in
/// name and number alone.
fn profiles() -> Vec<String> {
    let more = (1..=3).map(|at| {
        SLPF.replace("/ap-slpf\"", &format!("/ap-slpf{at}\""))
            .replace("\"slpf:", &format!("\"slpf{at}:"))
            .replace("[1024, \"slpf\"", &format!("[{}, \"slpf{at}\"", 3000 + at))
    });
    [SLPF.to_owned(), IOT.to_owned()].into_iter().chain(more).collect()
}

/// From files to what judges messages.
fn load(profiles: &[String]) -> Language {
    black_box(Package::read(LANGUAGE.as_bytes()).expect("the language's schema can be read"));
    let profiles: Vec<_> = profiles
        .iter()
        .map(|file| Profile::read(file.as_bytes()).expect("it is a profile"))
        .collect();
    Language::compile(Version::V1_1, &profiles).expect("they fit the language")
}

fn judge(c: &mut Criterion) {
    let schema = schema();
    let root = schema.type_named("OpenC2-Command").expect("the language has commands");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema.to_json_schema(root))
        .expect("what we write is a JSON Schema");
    let long = long_command();
    for (name, text) in [(ANNEX, COMMAND), (LONG, long.as_str())] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut tape = Tape::default();
        let verdict = schema.judge_bytes(root, text.as_bytes(), Form::VERBOSE, DEPTH, &mut tape);
        verdict.expect("the message is valid");
        let value: Value = serde_json::from_str(text).expect("the message is JSON");
        assert!(validator.is_valid(&value), "the message is valid there as well");
        group.bench_function(JSON, |b| {
            b.iter(|| {
                let bytes = black_box(text.as_bytes());
                schema.judge_bytes(root, bytes, Form::VERBOSE, DEPTH, &mut tape).is_ok()
            });
        });
        let cbor = schema
            .transcode(root, text.as_bytes(), Form::VERBOSE, Form::CBOR, DEPTH)
            .expect("the message is valid");
        group.bench_function(CBOR, |b| {
            b.iter(|| {
                schema.judge_bytes(root, black_box(&cbor), Form::CBOR, DEPTH, &mut tape).is_ok()
            });
        });
        group.bench_function(PARSED, |b| {
            b.iter(|| serde_json::from_slice::<Value>(black_box(text.as_bytes())).is_ok());
        });
        group.bench_function(OTHER, |b| {
            b.iter(|| {
                let value: Value = serde_json::from_slice(black_box(text.as_bytes()))
                    .expect("the message is JSON");
                validator.is_valid(&value)
            });
        });
        group.finish();
    }
    c.bench_function("load the language", |b| b.iter(self::schema));
    let files = profiles();
    c.bench_function(LOADING, |b| b.iter(|| load(&files)));
}

/// The median of a measurement, in nanoseconds, as criterion has written it down.
fn median_ns(of: &str) -> Option<f64> {
    let file = Path::new(RESULTS).join(of).join("new/estimates.json");
    let estimates: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// The table of the README.
fn table() -> Option<String> {
    let mut lines = vec![
        "| median, nanoseconds | annex C.2 | 2 KiB |".to_owned(),
        "| --- | ---: | ---: |".to_owned(),
    ];
    let row = |what: &str, of: &dyn Fn(&str) -> Option<String>| {
        Some(format!("| {what} | {} | {} |", of(ANNEX)?, of(LONG)?))
    };
    let time = |bench: &str, group: &str| median_ns(&format!("{group}/{bench}"));
    for (what, bench) in [
        ("`oc2`, JSON to verdict and tape", JSON),
        ("`oc2`, CBOR to verdict and tape", CBOR),
        ("`serde_json`, JSON to `Value`", PARSED),
        ("`serde_json` and `jsonschema`, JSON to verdict", OTHER),
    ] {
        lines.push(row(what, &|group| Some(format!("{:.0}", time(bench, group)?)))?);
    }
    for (what, bench) in [
        ("times the rate of `serde_json` and `jsonschema`", OTHER),
        ("times the rate of `serde_json` alone", PARSED),
    ] {
        let ratio = |group: &str| Some(format!("{:.2}", time(bench, group)? / time(JSON, group)?));
        lines.push(row(what, &ratio)?);
    }
    let loading_ms = median_ns(LOADING)? / 1e6;
    lines.push(format!("\nThe language and five profiles are loaded in {loading_ms:.2} ms."));
    Some(lines.join("\n"))
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .output_directory(Path::new(RESULTS))
        .configure_from_args();
    judge(&mut criterion);
    criterion.final_summary();
    // What cargo says when it wants figures: without it, what is there is from another run.
    let is_measured = std::env::args().any(|word| word == "--bench");
    // There is none where only a part was measured.
    if let Some(table) = table().filter(|_| is_measured) {
        println!("\n{table}");
    }
}
