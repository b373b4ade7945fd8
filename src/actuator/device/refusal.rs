//! Why a command is not sent to its device.

use serde_json::Value;

use super::engine::{Scope, TemplateError};
use super::map::Member;
use super::topic::TopicFault;
use crate::openc2::{Response, Status};

/// Longest `status_text`, in characters.
const MAX_TEXT_CHARS: usize = 500;

/// Nothing was sent, and this is the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub status: Status,
    /// For people.
    pub text: String,
}

impl Refusal {
    pub(super) fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        response(refusal.status, &refusal.text)
    }
}

impl From<TemplateError> for Refusal {
    fn from(error: TemplateError) -> Self {
        Self::new(Status::InternalError, format!("nothing was sent, the map failed: {error}"))
    }
}

impl From<TopicFault> for Refusal {
    fn from(fault: TopicFault) -> Self {
        match fault {
            TopicFault::Command(text) => Self::new(Status::BadRequest, text),
            TopicFault::Map(error) => error.into(),
        }
    }
}

/// A response whose text is not longer than it may be: devices may say a lot.
pub(super) fn response(status: Status, text: &str) -> Response {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => Response::with_text(status, format!("{}...", &text[..end])),
        None => Response::with_text(status, text),
    }
}

/// Whether the target has the members that the map takes, and no others: what is not understood
/// must not be answered with 200.
pub(super) fn check_members(
    takes: &[Member],
    target: &Value,
    scope: &Scope,
) -> Result<(), Refusal> {
    let bad = |text: String| Err(Refusal::new(Status::BadRequest, text));
    let Some(given) = target.as_object() else {
        return bad("the target is no map of members".to_owned());
    };
    if let Some(name) = given.keys().find(|name| takes.iter().all(|member| member.name != **name)) {
        let text = format!("the device does not support the member {name:?} of this target");
        return Err(Refusal::new(Status::NotImplemented, text));
    }
    if given.is_empty() {
        return bad("the target says nothing".to_owned());
    }
    for member in takes {
        match given.get(&member.name) {
            None if member.is_optional => {}
            None => return bad(format!("the target has no {:?}", member.name)),
            Some(value) => {
                let holds = member.when.holds(&scope.with([("value", value.clone())]));
                if !holds.unwrap_or(false) {
                    let text = format!(
                        "{} is {value}, but must be: {}",
                        member.name,
                        member.when.source()
                    );
                    return bad(text);
                }
            }
        }
    }
    Ok(())
}
