//! Examples that others wrote, and what we say to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use openc2_bridge::openc2::{TargetName, UnknownTarget};
use openc2_bridge::wire::{self, Encoding, Fault, Limits};
use serde_json::{Value, json};

use crate::support::tools::say;

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

/// A message of the collection.
struct Sample {
    id: String,
    kind: Value,
    /// `good`, `bad`, or `conflict` where its authors differ among themselves.
    label: String,
    content: Value,
}

impl Sample {
    /// Name of its target, or nothing.
    fn target(&self) -> &str {
        let members = self.content["target"].as_object();
        members.and_then(|members| members.keys().next()).map_or("", String::as_str)
    }

    fn results(&self) -> &Value {
        &self.content["results"]
    }

    /// Targets of all actions in `pairs`, as text.
    fn paired(&self) -> impl Iterator<Item = &str> {
        let actions = self.results()["pairs"].as_object().into_iter().flat_map(|it| it.values());
        actions.filter_map(Value::as_array).flatten().filter_map(Value::as_str)
    }
}

/// Messages on which we differ from the verdict that comes with them, or on
/// which their authors differ.
struct Dispute {
    applies: fn(&Sample) -> bool,
    /// What we say to them.
    good: bool,
    /// Why. Sections are those of Language v1.1.
    because: &'static str,
}

const DISPUTES: &[Dispute] = &[
    Dispute {
        applies: |it| it.content.get("profile").is_some(),
        good: false,
        because: "3.3.1: a command has no such member; drafts of 2.0 do",
    },
    Dispute {
        applies: |it| {
            let name = it.target();
            !name.is_empty() && name.parse::<TargetName>() == Err(UnknownTarget::NotCore)
        },
        good: false,
        because: "3.1.4: a target of a profile is nsid:name; drafts write nsid/name or nest it",
    },
    Dispute {
        applies: |it| it.content["actuator"].as_object().is_some_and(|it| it.len() == 2),
        good: false,
        because: "3.3.1.3: an actuator is a choice, so there is one",
    },
    Dispute {
        applies: |it| it.id == "f1abcea76142",
        good: false,
        because: "3.3.1: this is a bill of materials and no command",
    },
    Dispute {
        applies: |it| it.content["target"]["features"][0] == "args",
        good: false,
        because: "3.4.2.4: four features, and this is none of them",
    },
    Dispute {
        applies: |it| it.id == "fec223eb3cb8",
        good: false,
        because: "3.4.2.12: a namespace identifier has at most 16 characters",
    },
    Dispute {
        applies: |it| it.id == "2bbb77590888",
        good: true,
        because: "3.1.4: without x- it is a standard profile; that we know none of that name is \
                  for the dispatcher to say (501)",
    },
    Dispute {
        applies: |it| it.target().starts_with("x-ctxd:") || it.id == "a412eca1888c",
        good: true,
        because: "3.1.4: what a profile allows is known to its schema, not to the language",
    },
    Dispute {
        applies: |it| it.target().starts_with("x__acme:c"),
        good: true,
        because: "3.4.2.12: the type sets a length and no pattern that two underscores would break",
    },
    Dispute {
        applies: |it| it.target() == "ipv4_net" || it.id == "d5d4005b909a",
        good: true,
        because: "3.4.1.9: an address and a prefix; nothing forbids host bits",
    },
    Dispute {
        applies: |it| it.id == "4cc8dc760f74",
        good: true,
        because: "3.4.1.5: a consumer behaves as if a repeated feature stood there once",
    },
    Dispute {
        applies: |it| it.content["status"] == 201,
        good: false,
        because: "3.3.2.1: not in the list",
    },
    Dispute {
        applies: |it| it.results().is_array(),
        good: false,
        because: "3.3.2.2: results are a map",
    },
    Dispute {
        applies: |it| it.results() == &json!({}) || it.results()["x-acme"] == json!({}),
        good: false,
        because: "3.3.2.2 and 3.1.2: a map that is there has at least one member",
    },
    Dispute {
        applies: |it| it.results()["versions"][0] == "1.0-draft-2019-02",
        good: false,
        because: "3.4.2.17: a version is Major.Minor",
    },
    Dispute {
        applies: |it| it.results()["profiles"][0].as_str().is_some_and(|it| it.contains("://")),
        good: false,
        because: "3.3.2.2: profiles are namespace identifiers; in 1.0 they were URIs",
    },
    Dispute {
        applies: |it| {
            let pairs = it.results()["pairs"].as_object();
            pairs.is_some_and(|it| it.values().any(Value::is_object))
                || it.paired().any(|target| target.contains('/'))
        },
        good: false,
        because: "3.4.2.1: from actions to names of targets; drafts sort by profile or write /",
    },
    Dispute {
        applies: |it| matches!(it.id.as_str(), "5e3baeec4ed6" | "79a3e47c3254" | "626883cc03f0"),
        good: true,
        because: "3.4.2.1: which pairs and results a profile has, its schema knows",
    },
    Dispute {
        applies: |it| it.results().get("binary_ref.x_type").is_some(),
        good: false,
        because: "3.1.4: results of a profile stand under its identifier, and this is too long",
    },
    Dispute {
        applies: |it| matches!(it.id.as_str(), "0905dba58246" | "151a5655578e"),
        good: true,
        because: "3.3.2.2: all of it has the type of the table or stands under an identifier",
    },
];

/// All messages of a collection made from public repositories, which is not
/// part of this project: `OC2_VECTORS_DIR` says where it is.
#[test]
fn messages_of_others_get_their_verdict_or_the_reason_why_not() {
    let Some(folder) = env::var_os("OC2_VECTORS_DIR").map(PathBuf::from) else {
        // They are no part of this project, so that even CI may be without them.
        return say("skipped: messages_of_others: OC2_VECTORS_DIR does not say where they are");
    };
    let mut is_used = vec![false; DISPUTES.len()];
    for sample in samples(&folder) {
        let dispute = DISPUTES.iter().position(|dispute| (dispute.applies)(&sample));
        let (good, because) = match (dispute, sample.label.as_str()) {
            (Some(at), label) => {
                is_used[at] |= label != if DISPUTES[at].good { "good" } else { "bad" };
                (DISPUTES[at].good, DISPUTES[at].because)
            }
            (None, "good") => (true, "its authors say so"),
            (None, "bad") => (false, "its authors say so"),
            (None, label) => panic!("{}: {label}, and nobody has decided", sample.id),
        };
        let verdict = verdict(&sample.kind, &sample.content);
        assert_eq!(verdict.is_ok(), good, "{}: {because}: {verdict:?}", sample.id);
    }
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
            label: text(&line["label"]),
            kind: line["kind"].take(),
            content: line["content"].take(),
        }
    };
    text.lines().map(sample).collect()
}
