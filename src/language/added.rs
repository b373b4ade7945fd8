//! What others may add to the language: names that no schema here has.

use crate::encoding::source::Key;
use crate::format;
use crate::jadn::{Taking, Unknown};
use crate::openc2::TargetName;

use super::Version;

/// Which unknown names a version takes for those of profiles that are not known here.
pub(super) fn added(version: Version) -> Taking {
    match version {
        Version::V1_0 => |unknown| added_to(unknown, target_10),
        Version::V1_1 => |unknown| match &unknown.key {
            Key::Text("extension" | "extension_unr") if unknown.type_name != "Headers" => {
                Err("which language 1.0 alone has".to_owned())
            }
            _ => added_to(unknown, target_11),
        },
    }
}

/// A header may have any name (Language v1.1, section 3.2); targets,
/// specifiers, arguments, results and events have those of profiles (section
/// 3.1.4). What a profile has inside is its own, and nothing is added to it.
fn added_to(unknown: &Unknown<'_>, target: fn(&str) -> Result<(), String>) -> Result<(), String> {
    let no = || Err(String::new());
    match (unknown.type_name, &unknown.key) {
        ("Headers", _) => Ok(()),
        // Nobody asks us what an unknown profile answers in 1.0, where it stands beside the status.
        ("OpenC2-Response", _) => no(),
        // In CBOR they are numbers.
        (name, Key::Integer(_)) if unknown.is_extensible && !name.contains(':') => Ok(()),
        ("Target", Key::Text(name)) => target(name),
        ("OpenC2-Event", Key::Text(name)) => namespace(name),
        (of, Key::Text(name)) if unknown.is_extensible && !of.contains(':') => namespace(name),
        _ => no(),
    }
}

fn namespace(name: &str) -> Result<(), String> {
    format::nsid(name).map_err(|flaw| format!("nor a namespace identifier: {flaw}"))
}

/// Language 1.1 names a target of a profile `nsid:name`.
fn target_11(name: &str) -> Result<(), String> {
    match name.parse::<TargetName>() {
        Ok(TargetName::Extension { .. }) => Ok(()),
        Ok(_) => Err(String::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// Language 1.0 has the targets of a profile inside its namespace identifier. A
/// target that only 1.1 has is none: it is malformed there, and no profile here.
fn target_10(name: &str) -> Result<(), String> {
    match name.parse::<TargetName>() {
        Ok(TargetName::Extension { .. }) | Err(_) => namespace(name),
        Ok(_) => Err(String::new()),
    }
}
