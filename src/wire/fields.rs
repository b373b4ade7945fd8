//! How values are taken out of a tree, with a fault that says where and why not.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use super::Fault;
use crate::openc2::{Members, Nsid, Status};

/// Longest piece of a sender's text that a fault repeats, in characters.
const EXCERPT_CHARS: usize = 80;
/// Largest integer of I-JSON (RFC 7493, section 2.2): 2^53 - 1.
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;

impl Fault {
    /// A fault of the value that is being read, with status 400. The reason
    /// repeats nothing of what its sender wrote.
    pub(super) fn new(reason: String) -> Self {
        Self { pointer: String::new(), reason, unquoted: None, status: Status::BadRequest }
    }

    /// A fault whose reason repeats a word of the sender's, and what to say without that word.
    pub fn quoting(unquoted: impl Into<String>, reason: String) -> Self {
        Self { unquoted: Some(unquoted.into()), ..Self::new(reason) }
    }

    /// Something else stands there than was expected.
    pub(super) fn expected(what: impl Display, found: &Value) -> Self {
        Self::found(format!("expected {what}"), &excerpt(found))
    }

    /// The sentence, and what the sender wrote instead, as its end.
    fn found(unquoted: String, found: &str) -> Self {
        let reason = format!("{unquoted}, found {found}");
        Self::quoting(unquoted, reason)
    }

    /// What is wrong, without where, and without a word of the sender's: this
    /// may stand in a log for which nobody has asked for messages.
    #[must_use]
    pub fn unquoted(&self) -> &str {
        self.unquoted.as_deref().unwrap_or(&self.reason)
    }

    /// The same fault, seen from the object or array around it.
    pub(super) fn inside(mut self, step: &str) -> Self {
        let step = cut(step).replace('~', "~0").replace('/', "~1");
        self.pointer.insert_str(0, &format!("/{step}"));
        self
    }
}

/// The value in a few words: escaped, and short whatever it is.
fn excerpt(value: &Value) -> String {
    match value {
        Value::String(text) => cut(&format!("{:?}", cut(text))),
        Value::Array(elements) if elements.is_empty() => "an empty array".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        _ => value.to_string(),
    }
}

/// A name out of a message, as a fault repeats it.
pub(super) fn quoted(name: &str) -> String {
    cut(&format!("{:?}", cut(name)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The members of an object; an empty one is refused, since no object of the
/// language may be empty but for specifiers.
pub(super) struct Fields<'v> {
    what: &'static str,
    members: &'v Members,
}

impl<'v> Fields<'v> {
    /// An object with these members and no others.
    pub(super) fn closed(
        value: &'v Value,
        what: &'static str,
        known: &[&str],
    ) -> Result<Self, Fault> {
        let fields = Self::open(value, what)?;
        let unknown = fields.others(known).next();
        match unknown {
            None => Ok(fields),
            Some((name, _)) => {
                let known = known.join(", ");
                Err(Fault::new(format!("no member of {what}, which has {known}")).inside(name))
            }
        }
    }

    /// An object that may have other members.
    pub(super) fn open(value: &'v Value, what: &'static str) -> Result<Self, Fault> {
        match value.as_object() {
            Some(members) if !members.is_empty() => Ok(Self { what, members }),
            _ => Err(Fault::expected(format_args!("{what} with at least one member"), value)),
        }
    }

    pub(super) fn required<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Value) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.optional(name, read)?
            .ok_or_else(|| Fault::new(format!("{name} is missing in {}", self.what)))
    }

    pub(super) fn optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Value) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        read(value).map(Some).map_err(|fault| fault.inside(name))
    }

    /// The members that are none of these.
    pub(super) fn others(&self, known: &[&str]) -> impl Iterator<Item = (&'v String, &'v Value)> {
        self.members.iter().filter(|(name, _)| !known.contains(&name.as_str()))
    }

    /// The members that are none of these; each must be named by a namespace identifier.
    pub(super) fn extensions<T>(
        &self,
        known: &[&str],
        mut read: impl FnMut(&'v Value) -> Result<T, Fault>,
    ) -> Result<Vec<(String, T)>, Fault> {
        self.others(known)
            .map(|(name, value)| {
                name.parse::<Nsid>()
                    .map_err(|error| {
                        let (what, known) = (self.what, known.join(", "));
                        Fault::new(format!("in {what}, {error}, or one of {known}"))
                    })
                    .and_then(|_| read(value))
                    .map(|value| (name.clone(), value))
                    .map_err(|fault| fault.inside(name))
            })
            .collect()
    }
}

/// An object with exactly one member, whichever it is.
pub(super) fn choice<'v>(value: &'v Value, what: &str) -> Result<(&'v str, &'v Value), Fault> {
    let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
        return Err(Fault::expected(format_args!("exactly one {what}"), value));
    };
    match (members.iter().next(), members.len()) {
        (Some((name, value)), 1) => Ok((name, value)),
        (_, count) => {
            let names: Vec<_> = members.keys().map(String::as_str).take(3).collect();
            let names = quoted(&names.join(", "));
            Err(Fault::found(format!("expected exactly one {what}"), &format!("{count}: {names}")))
        }
    }
}

pub(super) fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| Fault::expected("a string", value))
}

pub(super) fn string(value: &Value) -> Result<String, Fault> {
    text(value).map(str::to_owned)
}

/// A text that must pass a check.
pub(super) fn checked<T: FromStr<Err: Display>>(value: &Value) -> Result<T, Fault> {
    // What the checks say of a text repeats nothing of it.
    text(value)?.parse().map_err(|error: T::Err| Fault::found(error.to_string(), &excerpt(value)))
}

/// A text that must be one of these names.
pub(super) fn named<T: Copy>(
    value: &Value,
    what: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, Fault> {
    let found = value.as_str().and_then(|text| all.iter().find(|&&it| name(it) == text));
    found.copied().ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|&it| name(it)).collect();
        Fault::expected(format_args!("{what} ({})", names.join(", ")), value)
    })
}

/// A whole number from 0 to `max`. `200.0` and `2e2` are whole, as JSON sees it.
pub(super) fn integer(value: &Value, what: &str, max: u64) -> Result<u64, Fault> {
    #[expect(clippy::cast_precision_loss, reason = "integers up to 2^53 - 1 are exact")]
    let in_range = 0.0..=max.min(MAX_INTEGER) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, whole")]
    let whole = |number: f64| {
        (number.fract() == 0.0 && in_range.contains(&number)).then_some(number as u64)
    };
    value
        .as_u64()
        .filter(|&number| number <= max.min(MAX_INTEGER))
        .or_else(|| value.as_f64().and_then(whole))
        .ok_or_else(|| {
            let max = if max < MAX_INTEGER { max.to_string() } else { "2^53 - 1".to_owned() };
            Fault::expected(format_args!("{what}, an integer from 0 to {max}"), value)
        })
}

/// An array, element by element.
pub(super) fn list<'v, T>(
    value: &'v Value,
    what: &str,
    mut read: impl FnMut(&'v Value) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let elements = value.as_array().ok_or_else(|| Fault::expected(what, value))?;
    elements
        .iter()
        .enumerate()
        .map(|(at, element)| read(element).map_err(|fault| fault.inside(&at.to_string())))
        .collect()
}

/// An array of one element or more, none of them twice.
pub(super) fn set<'v, T: Ord + Clone>(
    value: &'v Value,
    what: &str,
    read: impl FnMut(&'v Value) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let elements = list(value, what, read)?;
    if elements.is_empty() {
        return Err(Fault::expected(format_args!("{what}, at least one"), value));
    }
    let mut sorted = elements.clone();
    sorted.sort();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Fault::new(format!("expected {what}, none of them twice")));
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_fault_repeats_is_escaped_and_short() {
        assert_eq!(excerpt(&json!("a\u{202e}\n\"")), r#""a\u{202e}\n\"""#);
        assert_eq!(excerpt(&json!([[1], 2])), "an array");
        for long in ["x".repeat(1000), "\u{1}".repeat(1000)] {
            let fault = Fault::expected("less", &json!(long)).inside(&long);
            assert!(fault.reason.chars().count() < 120, "{}", fault.reason);
            assert!(fault.pointer.chars().count() < 90, "{}", fault.pointer);
        }
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        for (value, number) in [
            (json!(0), Some(0)),
            (json!(200.0), Some(200)),
            (json!(-0.0), Some(0)),
            (json!(MAX_INTEGER), Some(MAX_INTEGER)),
            (json!(MAX_INTEGER + 1), None),
            (json!(9_007_199_254_740_992.0), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!("1"), None),
            (json!(null), None),
        ] {
            assert_eq!(integer(&value, "it", u64::MAX).ok(), number, "{value}");
        }
        assert_eq!(integer(&json!(65_535), "a port", 65_535), Ok(65_535));
        let fault = integer(&json!(70_000), "a port", 65_535).unwrap_err();
        assert_eq!(fault.reason, "expected a port, an integer from 0 to 65535, found 70000");
    }
}
