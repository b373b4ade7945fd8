//! What others may add to the language: names that no schema here has.

use crate::encoding::source::Key;
use crate::format;
use crate::jadn::{Taking, Unknown};
use crate::openc2::TargetName;

use super::Version;

/// Which unknown names a version takes for those of profiles that are not known here.
pub(super) fn added(version: Version) -> Taking {
    match version {
        Version::V1_0 => added_10,
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
        (of, Key::Integer(_)) if unknown.is_extensible && !of.contains(':') => Ok(()),
        ("Target", Key::Text(name)) => target(name),
        ("OpenC2-Event", Key::Text(name)) => namespace(name),
        (of, Key::Text(name)) if unknown.is_extensible && !of.contains(':') => namespace(name),
        _ => no(),
    }
}

/// Where the profiles of language 1.0 stand (CSD07, sections 3.3.3 and 3.3.4): those of private
/// enterprises by their numbers in `extension`, those of no standard by names that begin with
/// `x-` in `extension_unr`, and those of a standard beside both.
///
/// A target that a profile here does not have is no fault of the message: it is not implemented.
fn added_10(unknown: &Unknown<'_>) -> Result<(), String> {
    let place = unknown.type_name;
    let is_closed = matches!(place, "Headers" | "OpenC2-Response" | "OpenC2-Event");
    if !unknown.is_extensible || is_closed {
        return added_to(unknown, target_10);
    }
    let is_of_profile = place.ends_with(":Target");
    let name = match &unknown.key {
        Key::Integer(_) if is_of_profile => return Ok(()),
        Key::Text(name) => name,
        Key::Integer(_) => return added_to(unknown, target_10),
    };
    if is_of_profile {
        return format::target_name(name).map_err(|flaw| format!("nor a name: {flaw}"));
    }
    if place.starts_with("PE-") {
        let is_number = name.parse::<u32>().is_ok_and(|number| number.to_string() == **name);
        return if is_number {
            Ok(())
        } else {
            Err("nor the number of a private enterprise".to_owned())
        };
    }
    added_to(unknown, target_10)?;
    match (place.starts_with("Unr-"), Version::is_unregistered(name)) {
        (true, false) => Err("nor a profile of no standard, whose name begins with x-".to_owned()),
        (false, true) => Err("and what begins with x- stands in extension_unr".to_owned()),
        _ => Ok(()),
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
