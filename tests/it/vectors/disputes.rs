//! Where we differ from the authors of messages, and why.

use openc2_bridge::openc2::{TargetName, UnknownTarget};
use serde_json::{Value, json};

use super::Version;

const BOTH: &[Version] = &[Version::Published1_0, Version::V1_1];
const V1_0: &[Version] = &[Version::Published1_0];
const V1_1: &[Version] = &[Version::V1_1];

/// A message of the collection.
pub struct Sample {
    pub id: String,
    /// Those that it belongs to.
    pub versions: Vec<Version>,
    pub kind: Value,
    /// `good`, `bad`, or `conflict` where its authors differ among themselves.
    pub label: String,
    pub content: Value,
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
pub struct Dispute {
    /// In which versions.
    pub of: &'static [Version],
    pub applies: fn(&Sample) -> bool,
    /// What we say to them.
    pub good: bool,
    /// Why. Sections are those of Language v1.1.
    pub because: &'static str,
}

pub const DISPUTES: &[Dispute] = &[
    Dispute {
        of: BOTH,
        applies: |it| it.content.get("profile").is_some(),
        good: false,
        because: "3.3.1: a command has no such member; drafts of 2.0 do",
    },
    Dispute {
        of: BOTH,
        applies: |it| {
            let name = it.target();
            !name.is_empty() && name.parse::<TargetName>() == Err(UnknownTarget::NotCore)
        },
        good: false,
        because: "3.1.4: a target of a profile is nsid:name; drafts write nsid/name or nest it",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.content["actuator"].as_object().is_some_and(|it| it.len() == 2),
        good: false,
        because: "3.3.1.3: an actuator is a choice, so there is one",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.id == "f1abcea76142",
        good: false,
        because: "3.3.1: this is a bill of materials and no command",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.content["target"]["features"][0] == "args",
        good: false,
        because: "3.4.2.4: four features, and this is none of them",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.id == "fec223eb3cb8",
        good: false,
        because: "3.4.2.12: a namespace identifier has at most 16 characters",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.id == "2bbb77590888",
        good: true,
        because: "3.1.4: without x- it is a standard profile; that we know none of that name is \
                  for the dispatcher to say (501)",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.target().starts_with("x-ctxd:") || it.id == "a412eca1888c",
        good: true,
        because: "3.1.4: what a profile allows is known to its schema, not to the language",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.target().starts_with("x__acme:c"),
        good: true,
        because: "3.4.2.12: the type sets a length and no pattern that two underscores would break",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.target() == "ipv4_net" || it.id == "d5d4005b909a",
        good: true,
        because: "3.4.1.9: an address and a prefix; nothing forbids host bits",
    },
    Dispute {
        of: V1_0,
        applies: |it| it.id == "4cc8dc760f74",
        good: false,
        because: "1.0, 3.4.2.4: no feature twice; that a consumer forgives it is no schema's to say",
    },
    Dispute {
        of: V1_1,
        applies: |it| it.id == "4cc8dc760f74",
        good: true,
        because: "3.4.1.5: a consumer behaves as if a repeated feature stood there once",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.content["status"] == 201,
        good: false,
        because: "3.3.2.1: not in the list",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.results().is_array(),
        good: false,
        because: "3.3.2.2: results are a map",
    },
    Dispute {
        of: V1_0,
        applies: |it| it.results()["x-acme"] == json!({}),
        good: true,
        because: "1.0, 3.1.4: that something must stand there, the file leaves to the profile",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.results() == &json!({}) || it.results()["x-acme"] == json!({}),
        good: false,
        because: "3.3.2.2 and 3.1.2: a map that is there has at least one member",
    },
    Dispute {
        of: V1_0,
        applies: |it| it.results()["versions"][0] == "1.0-draft-2019-02",
        good: true,
        because: "1.0, 3.4.2.16: a version is text, and its form a habit",
    },
    Dispute {
        of: V1_1,
        applies: |it| it.results()["versions"][0] == "1.0-draft-2019-02",
        good: false,
        because: "3.4.2.17: a version is Major.Minor",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.results()["profiles"][0].as_str().is_some_and(|it| it.contains("://")),
        good: false,
        because: "3.3.2.2: profiles are namespace identifiers; in 1.0 they were URIs",
    },
    Dispute {
        of: BOTH,
        applies: |it| {
            let pairs = it.results()["pairs"].as_object();
            pairs.is_some_and(|it| it.values().any(Value::is_object))
                || it.paired().any(|target| target.contains('/'))
        },
        good: false,
        because: "3.4.2.1: from actions to names of targets; drafts sort by profile or write /",
    },
    Dispute {
        of: BOTH,
        applies: |it| matches!(it.id.as_str(), "5e3baeec4ed6" | "79a3e47c3254" | "626883cc03f0"),
        good: true,
        because: "3.4.2.1: which pairs and results a profile has, its schema knows",
    },
    Dispute {
        of: BOTH,
        applies: |it| it.results().get("binary_ref.x_type").is_some(),
        good: false,
        because: "3.1.4: results of a profile stand under its identifier, and this is too long",
    },
    Dispute {
        of: BOTH,
        applies: |it| matches!(it.id.as_str(), "0905dba58246" | "151a5655578e"),
        good: true,
        because: "3.3.2.2: all of it has the type of the table or stands under an identifier",
    },
];
