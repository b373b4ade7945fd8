//! What is wrong with a message: where, why, and how that can be said without a word of its sender's.

use std::fmt::Display;

use serde_json::Value;

use super::Fault;
use crate::jadn;
use crate::openc2::Status;

/// Longest piece of a sender's text that a fault repeats, in characters.
const EXCERPT_CHARS: usize = 80;

impl Fault {
    /// A fault of the value that is being read, with status 400. The reason
    /// repeats nothing of what its sender wrote.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            pointer: String::new(),
            reason: reason.into(),
            unquoted: None,
            status: Status::BadRequest,
        }
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
    pub(super) fn found(unquoted: String, found: &str) -> Self {
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

/// What a schema finds wrong: its reasons are the schema's words, and what
/// stood there is the sender's.
impl From<Box<jadn::Fault>> for Fault {
    fn from(fault: Box<jadn::Fault>) -> Self {
        let jadn::Fault { pointer, reason, found, is_of_encoding, .. } = *fault;
        let fault = match found {
            Some(found) => Self::found(reason, &found),
            // A name that stands twice is the one thing that is repeated there.
            None if is_of_encoding && reason.contains('"') => {
                Self::quoting("a member name stands there twice", reason)
            }
            None => Self::new(reason),
        };
        Self { pointer, ..fault }
    }
}

/// The value in a few words: escaped, and short whatever it is.
fn excerpt(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(elements) if elements.is_empty() => "an empty array".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        _ => value.to_string(),
    }
}

/// A text out of a message, as a fault repeats it.
pub(super) fn quoted(text: &str) -> String {
    cut(&format!("{:?}", cut(text)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
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
}
