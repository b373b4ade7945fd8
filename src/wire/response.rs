//! Responses, from a message that its schema found valid, and back.

use serde_json::Value;

use super::Fault;
use super::command::is_nest;
use super::object::{members, text, unless_empty};
use super::values::{at, checked, list, named, required, string};
use crate::jadn::View;
use crate::language::Version;
use crate::openc2::{self, Action, Members, Nsid, Pairs, Response, Results, Status, TargetName};

pub(super) fn read(it: View<'_>, version: Version) -> Result<Response, Fault> {
    let mut status = None;
    let mut response = Response::new(Status::Ok);
    for (name, it) in it.entries() {
        match &*name {
            "status" => status = Some(at(&name, self::status(it))?),
            "status_text" => response.status_text = Some(string(it)),
            "results" if version != Version::V1_0 => {
                let results = response.results.get_or_insert_default();
                for (inner, it) in it.entries() {
                    at(&name, at(&inner, result(results, &inner, it, version)))?;
                }
            }
            // Language 1.0 has them beside the status (CSD07, section 3.3.2).
            _ => {
                let results = response.results.get_or_insert_default();
                at(&name, result(results, &name, it, version))?;
            }
        }
    }
    response.status = required(status, "status", "a response")?;
    Ok(response)
}

fn status(it: View<'_>) -> Result<Status, Fault> {
    let code = it.integer();
    let status = u64::try_from(code).ok().and_then(Status::from_code);
    status.ok_or_else(|| {
        let codes = Status::ALL.map(|status| status.code().to_string()).join(", ");
        Fault::found(format!("expected a status ({codes})"), &code.to_string())
    })
}

fn result(results: &mut Results, name: &str, it: View<'_>, version: Version) -> Result<(), Fault> {
    match name {
        "versions" => {
            let versions = list(it, |it| checked::<openc2::Version>(it).map(String::from));
            results.versions = Some(versions?);
        }
        "profiles" => {
            results.profiles = Some(list(it, |it| match version {
                // They are the unique names of their schemas there.
                Version::V1_0 => Ok(string(it)),
                Version::V1_1 => checked::<Nsid>(it).map(String::from),
            })?);
        }
        "pairs" if version == Version::V1_0 => results.pairs = Some(listed_pairs(it)?),
        "pairs" => results.pairs = Some(pairs(it)?),
        "rate_limit" => results.rate_limit = Some(it.number()),
        "schema" if version == Version::V1_0 => results.schema = Some(Box::new(it.to_json())),
        nest if is_nest(nest, version) => {
            for (profile, it) in it.entries() {
                let value = at(&profile, extension(it))?;
                results.extensions.insert(profile.into_owned(), value);
            }
        }
        _ => {
            results.extensions.insert(name.to_owned(), extension(it)?);
        }
    }
    Ok(())
}

fn pairs(it: View<'_>) -> Result<Pairs, Fault> {
    let mut pairs = Pairs::new();
    for (name, it) in it.entries() {
        let action = name.parse::<Action>().map_err(|_| Fault::new("expected an action"));
        let targets = at(&name, list(it, checked::<TargetName>))?;
        pairs.insert(at(&name, action)?, targets);
    }
    Ok(pairs)
}

/// Pairs as a list, each of an action and its targets (Language v1.0 CSD07, section 3.4.2.1).
///
/// A profile stands there for all of its targets, which is no name of one.
fn listed_pairs(it: View<'_>) -> Result<Pairs, Fault> {
    let mut pairs = Pairs::new();
    for it in it.children() {
        let mut both = it.children();
        let (Some(action), Some(targets)) = (both.next(), both.next()) else { continue };
        let action = named(action, &Action::ALL, Action::as_str)?;
        let targets = targets.children().filter_map(|it| it.text().parse().ok());
        pairs.entry(action).or_default().extend(targets);
    }
    Ok(pairs)
}

/// Results of a profile: whatever the profile says, but not nothing.
fn extension(it: View<'_>) -> Result<Value, Fault> {
    let value = it.to_json();
    if value.as_object().is_some_and(Members::is_empty) {
        return Err(Fault::expected("at least one result of the profile", &value));
    }
    Ok(value)
}

pub(super) fn write(response: &Response) -> Value {
    let results = response.results.as_ref().map(write_results);
    members([
        ("status", Some(response.status.code().into())),
        ("status_text", response.status_text.as_ref().map(text)),
        ("results", results.and_then(unless_empty)),
    ])
    .into()
}

fn write_results(results: &Results) -> Members {
    let mut written = members([
        ("versions", results.versions.clone().map(Value::from)),
        ("profiles", results.profiles.clone().map(Value::from)),
        ("pairs", results.pairs.as_ref().map(write_pairs)),
        ("rate_limit", results.rate_limit.map(number)),
        ("schema", results.schema.as_deref().cloned()),
    ]);
    written.extend(results.extensions.clone());
    written
}

fn write_pairs(pairs: &Pairs) -> Value {
    let mut written = Members::new();
    for (action, targets) in pairs {
        let targets: Vec<Value> =
            targets.iter().filter(|it| !TargetName::OF_1_0.contains(it)).map(text).collect();
        // A list of none is none (Language v1.1, section 3.4.2.1).
        if !targets.is_empty() {
            written.insert(action.to_string(), targets.into());
        }
    }
    written.into()
}

/// As language 1.0 has it: results beside the status, pairs as a list, and the
/// results of a profile that is not registered inside of `extension_unr` (CSD07,
/// sections 3.3.2, 3.3.3 and 3.3.4).
pub(super) fn write_10(response: &Response) -> Value {
    let mut written = members([
        ("status", Some(response.status.code().into())),
        ("status_text", response.status_text.as_ref().map(text)),
    ]);
    let Some(results) = &response.results else { return written.into() };
    written.extend(members([
        ("versions", results.versions.clone().map(Value::from)),
        ("profiles", results.profiles.clone().map(Value::from)),
        ("schema", results.schema.as_deref().cloned()),
        ("pairs", results.pairs.as_ref().map(list_pairs)),
        ("rate_limit", results.rate_limit.map(number)),
    ]));
    let mut unregistered = Members::new();
    for (profile, value) in &results.extensions {
        let into = if Version::is_unregistered(profile) { &mut unregistered } else { &mut written };
        into.insert(profile.clone(), value.clone());
    }
    written.extend(members([("extension_unr", unless_empty(unregistered))]));
    written.into()
}

fn list_pairs(pairs: &Pairs) -> Value {
    pairs
        .iter()
        .filter_map(|(action, targets)| {
            let mut names: Vec<String> = Vec::new();
            for target in targets.iter().filter(|it| !TargetName::NOT_OF_1_0.contains(it)) {
                let name = match target.profile() {
                    None => target.local(),
                    Some(profile) if Version::is_unregistered(profile) => "extension_unr",
                    // All of its targets are meant by its name.
                    Some(profile) => profile,
                };
                if !names.iter().any(|it| it == name) {
                    names.push(name.to_owned());
                }
            }
            (!names.is_empty()).then(|| Value::from(vec![text(action), names.into()]))
        })
        .collect()
}

/// A number; without a fraction where it has none.
fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and compared afterwards")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "asks whether it is exact")]
    let is_whole = whole as f64 == number;
    if is_whole { whole.into() } else { number.into() }
}
