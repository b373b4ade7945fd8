//! What a message of the device means for a command that waits. Pure.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::config::Confirm;
use super::engine::{Scope, TemplateError};
use super::map::Reply;
use super::prepared::Prepared;
use super::refusal::response;
use super::shape::Shape;
use super::topic;
use crate::openc2::{Response, Results, Status};

/// Longest reply that is looked at, in bytes.
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// A message that may be an answer.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub topic: String,
    pub payload: Bytes,
    pub retained: bool,
    pub user: Vec<(String, String)>,
}

/// What a message means for a command that waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// No answer to this command, and why.
    Ignored(String),
    /// The answer.
    Answered(Response),
}

impl Prepared {
    /// What a message means for this command. `probed`: the device has been asked for its state.
    pub(super) fn judge(&self, heard: &Heard, probed: bool) -> Verdict {
        let (Some(reply), Some(listen)) = (&self.entry().reply, &self.listen) else {
            return Verdict::Ignored("nothing is waited for".to_owned());
        };
        if heard.retained && !listen.last {
            return Verdict::Ignored("it is retained, so it is old".to_owned());
        }
        if !topic::takes_in(&listen.filter, &heard.topic) {
            return Verdict::Ignored(format!("it did not come on {}", listen.filter));
        }
        if heard.payload.len() > MAX_REPLY_BYTES {
            return Verdict::Ignored(format!("it has more than {MAX_REPLY_BYTES} bytes"));
        }
        let scope = self.scope.with(heard.names());
        match reply.matches.holds(&scope) {
            Ok(true) => {}
            Ok(false) => return Verdict::Ignored(format!("not so: {}", reply.matches.source())),
            Err(error) => return Verdict::Ignored(format!("reply.match: {error}")),
        }
        Verdict::Answered(match reply.ok.as_ref().map_or(Ok(true), |ok| ok.holds(&scope)) {
            Ok(true) => self.done(&scope, probed),
            Ok(false) => response(Status::InternalError, &reply.failure(&scope)),
            Err(error) => {
                response(Status::InternalError, &format!("the reply makes no sense: {error}"))
            }
        })
    }

    /// The answer where nothing confirms the command.
    pub(super) fn unconfirmed(&self) -> Response {
        let text = "sent; the device is not asked whether it did it";
        let results = Some(self.results(Confirm::None, &self.scope, &[]).unwrap_or_default());
        Response { status: Status::Ok, status_text: Some(text.to_owned()), results }
    }

    fn done(&self, scope: &Scope, probed: bool) -> Response {
        let confirm = match self.confirm {
            Confirm::Echo if probed => Confirm::State,
            confirm => confirm,
        };
        match self.results(confirm, scope, &self.entry().result) {
            Ok(results) if results.extensions.is_empty() => {
                Response::with_text(Status::NotFound, "the device has none of these properties")
            }
            Ok(results) => Response { results: Some(results), ..Response::new(Status::Ok) },
            // The device did it: a map that cannot say what it answered does not change that.
            Err(error) => {
                let results = self.results(confirm, scope, &[]).unwrap_or_default();
                let text = format!("done, but the result cannot be told: {error}");
                Response { results: Some(results), ..response(Status::Ok, &text) }
            }
        }
    }

    /// Results by namespace identifier, with the word on how the command was confirmed.
    fn results(
        &self,
        confirm: Confirm,
        scope: &Scope,
        shapes: &[(String, Shape)],
    ) -> Result<Results, TemplateError> {
        let mut extensions = Map::new();
        for (nsid, shape) in shapes {
            let mut table = match shape.render(scope)? {
                Some(Value::Object(table)) => table,
                _ => Map::new(),
            };
            table.retain(|name, _| self.asked.is_empty() || self.asked.contains(name));
            if !table.is_empty() {
                extensions.insert(nsid.clone(), Value::Object(table));
            }
        }
        if !self.asked.is_empty() && !shapes.is_empty() && extensions.is_empty() {
            return Ok(Results::default());
        }
        let own = extensions
            .entry(self.plan.map.profile.as_str())
            .or_insert_with(|| Value::Object(Map::new()));
        own["confirmed"] = confirm.as_str().into();
        Ok(Results { extensions, ..Results::default() })
    }
}

impl Reply {
    /// What the device says of a command it did not carry out.
    fn failure(&self, scope: &Scope) -> String {
        let text = self.text.as_ref().and_then(|text| text.render(scope).ok());
        text.filter(|text| !text.is_empty())
            .unwrap_or_else(|| "the device answered that it did not do it".to_owned())
    }
}

impl Heard {
    /// What templates see of it.
    pub(super) fn names(&self) -> Vec<(&'static str, Value)> {
        let user: Map<String, Value> =
            self.user.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let mut names = vec![
            ("topic", self.topic.as_str().into()),
            ("levels", self.topic.split('/').collect()),
            ("payload", String::from_utf8_lossy(&self.payload).into()),
            ("user", Value::Object(user)),
        ];
        // Not JSON: `json` is undefined, and so is all that stands in it.
        names.extend(serde_json::from_slice(&self.payload).ok().map(|json| ("json", json)));
        names
    }
}
