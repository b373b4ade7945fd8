//! Responses, from a message that its schema found valid, and back.

use serde_json::Value;

use super::Fault;
use super::object::{members, text, unless_empty};
use super::values::{at, checked, list, required, string};
use crate::jadn::View;
use crate::language::Version;
use crate::openc2::{self, Action, Members, Nsid, Pairs, Response, Results, Status, TargetName};

pub(super) fn read(it: View<'_>, _version: Version) -> Result<Response, Fault> {
    let mut status = None;
    let mut response = Response::new(Status::Ok);
    for (name, it) in it.entries() {
        match &*name {
            "status" => status = Some(at(&name, self::status(it))?),
            "status_text" => response.status_text = Some(string(it)),
            "results" => response.results = Some(at(&name, results(it))?),
            _ => {}
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

fn results(it: View<'_>) -> Result<Results, Fault> {
    let mut results = Results::default();
    for (name, it) in it.entries() {
        match &*name {
            "versions" => {
                let versions = list(it, |it| checked::<openc2::Version>(it).map(String::from));
                results.versions = Some(at(&name, versions)?);
            }
            "profiles" => {
                let profiles = list(it, |it| checked::<Nsid>(it).map(String::from));
                results.profiles = Some(at(&name, profiles)?);
            }
            "pairs" => results.pairs = Some(at(&name, pairs(it))?),
            "rate_limit" => results.rate_limit = Some(it.number()),
            _ => {
                let value = at(&name, extension(it))?;
                results.extensions.insert(name.into_owned(), value);
            }
        }
    }
    Ok(results)
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
    ]);
    written.extend(results.extensions.clone());
    written
}

fn write_pairs(pairs: &Pairs) -> Value {
    pairs
        .iter()
        .map(|(action, targets)| (action.to_string(), targets.iter().map(text).collect::<Value>()))
        .collect::<Members>()
        .into()
}

/// A number; without a fraction where it has none.
fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and compared afterwards")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "asks whether it is exact")]
    let is_whole = whole as f64 == number;
    if is_whole { whole.into() } else { number.into() }
}
