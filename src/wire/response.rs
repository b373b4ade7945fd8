//! Responses, from a tree and back.

use serde_json::Value;

use super::Fault;
use super::fields::{Fields, checked, integer, list, named, set, string};
use super::object::{members, text, unless_empty};
use crate::openc2::{Action, Members, Nsid, Pairs, Response, Results, Status, TargetName, Version};

const RESPONSE: [&str; 3] = ["status", "status_text", "results"];
const RESULTS: [&str; 4] = ["versions", "profiles", "pairs", "rate_limit"];

pub(super) fn read(value: &Value) -> Result<Response, Fault> {
    let fields = Fields::closed(value, "a response", &RESPONSE)?;
    Ok(Response {
        status: fields.required("status", status)?,
        status_text: fields.optional("status_text", string)?,
        results: fields.optional("results", results)?,
    })
}

fn status(value: &Value) -> Result<Status, Fault> {
    let code = integer(value, "a status", u64::MAX).ok();
    code.and_then(Status::from_code).ok_or_else(|| {
        let codes = Status::ALL.map(|status| status.code().to_string()).join(", ");
        Fault::expected(format_args!("a status ({codes})"), value)
    })
}

fn results(value: &Value) -> Result<Results, Fault> {
    let fields = Fields::open(value, "results")?;
    Ok(Results {
        versions: fields
            .optional("versions", |it| set(it, "an array of versions", checked::<Version>))?
            .map(|versions| versions.into_iter().map(String::from).collect()),
        profiles: fields
            .optional("profiles", |it| list(it, "an array of profiles", checked::<Nsid>))?
            .map(|profiles| profiles.into_iter().map(String::from).collect()),
        pairs: fields.optional("pairs", pairs)?,
        rate_limit: fields.optional("rate_limit", rate_limit)?,
        extensions: fields.extensions(&RESULTS, extension)?.into_iter().collect(),
    })
}

fn pairs(value: &Value) -> Result<Pairs, Fault> {
    let fields = Fields::open(value, "pairs")?;
    let targets = |value| set(value, "an array of targets", checked::<TargetName>);
    fields
        .others(&[])
        .map(|(name, value)| {
            let action = Value::from(name.as_str());
            named(&action, "an action", &Action::ALL, Action::as_str)
                .and_then(|action| Ok((action, targets(value)?)))
                .map_err(|fault| fault.inside(name))
        })
        .collect()
}

fn rate_limit(value: &Value) -> Result<f64, Fault> {
    value
        .as_f64()
        .filter(|&number| number >= 0.0)
        .ok_or_else(|| Fault::expected("commands a minute, a number from 0", value))
}

/// Results of a profile: whatever the profile says, but not nothing.
fn extension(value: &Value) -> Result<Value, Fault> {
    if value.as_object().is_some_and(Members::is_empty) {
        return Err(Fault::expected("at least one result of the profile", value));
    }
    Ok(value.clone())
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
