//! Examples that others wrote, and what we say to them.

mod disputes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use openc2_bridge::encoding::source::Key;
use openc2_bridge::jadn::{Bounds, Form, Package, Schema, Tape, Unknown, resolve};
use openc2_bridge::openc2::{Nsid, TargetName};
use openc2_bridge::wire::{self, Encoding, Fault, Limits};
use serde_json::{Value, json};

use crate::support::tools::say;
use disputes::{DISPUTES, Sample};

/// The examples of both language specifications and of the MQTT specification.
///
/// Those of version 1.0 are written for another language: where 1.1 says
/// otherwise they are refused, and the file says where.
///
/// Shows L11-3.2-4, L11-3.1.4-1, L11-3.3.2.2-1.
#[test]
fn the_standards_own_examples_get_the_verdict_they_should() {
    for (name, example) in examples() {
        let verdict = verdict(&example["kind"], &example["content"]);
        match &example["verdict"]["fault-at"] {
            Value::String(place) => {
                let fault = verdict.expect_err(&name);
                assert!(fault.pointer.ends_with(place), "{name}: {fault}");
            }
            _ => verdict.unwrap_or_else(|fault| panic!("{name}: {fault}")),
        }
    }
}

/// Examples from the folder `tests/vectors`, by file name.
pub fn examples() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = fs::read_dir(folder).expect("the folder is there");
    files
        .map(|file| file.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("the example can be read");
            (name, serde_json::from_str(&text).expect("the example is JSON"))
        })
        .collect()
}

/// Reads a message, or a command or response inside the least message around it.
fn verdict(kind: &Value, content: &Value) -> Result<(), Fault> {
    let message = as_message(kind, content).to_string();
    wire::read(message.as_bytes(), Encoding::Json, Limits::default())
        .map(drop)
        .map_err(|unreadable| unreadable.fault)
}

/// The message that an example is, or is the content of.
pub fn as_message(kind: &Value, content: &Value) -> Value {
    match kind.as_str() {
        Some("command") => json!({"body": {"openc2": {"request": content}}}),
        Some("response") => json!({"body": {"openc2": {"response": content}}}),
        _ => content.clone(),
    }
}

/// A version of the language that messages of the collection belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Language 1.0 as it was published in 2019 (CS01 and CS02), by the file of the committee
    /// (1.0.1, in the JADN between CSD01 and CS01).
    Published1_0,
    /// Language 1.1 CSD01. Drafts of 1.1 and of 2.0 have no schema, and are held against it.
    V1_1,
}

impl Version {
    /// The versions that the authors of a message name.
    fn of(names: &Value) -> Vec<Self> {
        let names: Vec<_> =
            names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut versions = Vec::new();
        if names.iter().any(|name| name.contains("v1.0")) {
            versions.push(Self::Published1_0);
        }
        if names.iter().any(|name| name.starts_with("v1.1") || name.starts_with("v2.0")) {
            versions.push(Self::V1_1);
        }
        versions
    }
}

/// The published schemas of language 1.0.1 and of its packet filter.
fn published(folder: &Path) -> Schema {
    let folder = folder.join("../schemas/published");
    let read = |name: &str| {
        let file = fs::read(folder.join(name)).expect("the published schema is there");
        Package::read(&file).expect("the published schema can be read")
    };
    let merged = resolve(&read("oc2ls-v1.0.1.jadn"), &[]).expect("it imports nothing");
    let schema = Schema::compile(&merged.package, &merged.undefined, Bounds::default());
    schema.expect("it is in order").taking(of_a_profile)
}

/// What profiles add to language 1.0 (CS02, section 3.1.4): the file has the language alone.
fn of_a_profile(unknown: &Unknown<'_>) -> Result<(), String> {
    let is_added = match (unknown.type_name, &unknown.key) {
        ("Target", Key::Text(name)) => matches!(name.parse(), Ok(TargetName::Extension { .. })),
        ("Args" | "Actuator" | "Results", Key::Text(name)) => name.parse::<Nsid>().is_ok(),
        _ => false,
    };
    if is_added { Ok(()) } else { Err(String::new()) }
}

fn verdict_by(schema: &Schema, sample: &Sample) -> Result<(), String> {
    let root = if sample.kind == "command" { "OpenC2-Command" } else { "OpenC2-Response" };
    let root = schema.type_named(root).expect("the language has it");
    let text = sample.content.to_string();
    let mut tape = Tape::default();
    let verdict = schema.judge_bytes(root, text.as_bytes(), Form::VERBOSE, 32, &mut tape);
    verdict.map_err(|fault| fault.to_string())
}

/// All messages of a collection made from public repositories, which is not
/// part of this project, each by the versions that it belongs to:
/// `OC2_VECTORS_DIR` says where it is.
#[test]
fn messages_of_others_get_their_verdict_or_the_reason_why_not() {
    let Some(folder) = env::var_os("OC2_VECTORS_DIR").map(PathBuf::from) else {
        // They are no part of this project, so that even CI may be without them.
        return say("skipped: messages_of_others: OC2_VECTORS_DIR does not say where they are");
    };
    let published = published(&folder);
    let mut is_used = vec![false; DISPUTES.len()];
    let (mut judged, mut surprises) = (0, Vec::new());
    for sample in samples(&folder) {
        assert!(!sample.versions.is_empty(), "{} belongs to no version", sample.id);
        for &version in &sample.versions {
            let applies =
                |it: &disputes::Dispute| it.of.contains(&version) && (it.applies)(&sample);
            let (good, because) = match (DISPUTES.iter().position(applies), sample.label.as_str()) {
                (Some(at), label) => {
                    is_used[at] |= label != if DISPUTES[at].good { "good" } else { "bad" };
                    (DISPUTES[at].good, DISPUTES[at].because)
                }
                (None, "good") => (true, "its authors say so"),
                (None, "bad") => (false, "its authors say so"),
                (None, label) => panic!("{}: {label}, and nobody has decided", sample.id),
            };
            let verdict = match version {
                Version::Published1_0 => verdict_by(&published, &sample),
                Version::V1_1 => {
                    verdict(&sample.kind, &sample.content).map_err(|fault| fault.to_string())
                }
            };
            if verdict.is_ok() != good {
                let id = &sample.id;
                surprises.push(format!("{id} by {version:?}: {because}: {verdict:?}"));
            }
            judged += 1;
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    assert!(judged > 250, "{judged}");
    for (dispute, is_used) in DISPUTES.iter().zip(is_used) {
        assert!(is_used, "nothing in the collection is about: {}", dispute.because);
    }
}

fn samples(folder: &Path) -> Vec<Sample> {
    let text = fs::read_to_string(folder.join("messages.jsonl")).expect("the collection is there");
    let sample = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("each line is JSON");
        let text = |value: &Value| value.as_str().expect("it is text").to_owned();
        Sample {
            id: text(&line["id"]),
            versions: Version::of(&line["versions"]),
            label: text(&line["label"]),
            kind: line["kind"].take(),
            content: line["content"].take(),
        }
    };
    text.lines().map(sample).collect()
}
