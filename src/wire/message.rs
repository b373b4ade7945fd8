//! The envelope, from a tree and back.

use serde_json::Value;

use super::fields::{Fields, MAX_INTEGER, checked, choice, integer, list, string};
use super::object::{members, one, text, unless_empty};
use super::{Fault, command, response};
use crate::openc2::{Content, Headers, Members, Message, Notification, Nsid};

const MESSAGE: [&str; 3] = ["headers", "body", "signature"];
const HEADERS: [&str; 4] = ["request_id", "created", "from", "to"];

pub(super) fn read(value: &Value) -> Result<Message, Fault> {
    let fields = Fields::closed(value, "a message", &MESSAGE)?;
    Ok(Message {
        headers: fields.optional("headers", headers)?.unwrap_or_default(),
        content: fields.required("body", body)?,
        signature: fields.optional("signature", string)?,
    })
}

/// `to` is an array, also for one recipient: its multiplicity is 0..*, and
/// such a field "is either omitted or is an array" (section 3.1.3). To read
/// a lone string as well would be a second spelling of the same message, which
/// other consumers on the same topic refuse.
fn headers(value: &Value) -> Result<Headers, Fault> {
    let fields = Fields::open(value, "headers")?;
    Ok(Headers {
        request_id: fields.optional("request_id", string)?,
        created: fields.optional("created", |it| integer(it, "milliseconds", MAX_INTEGER))?,
        from: fields.optional("from", string)?,
        to: fields.optional("to", recipients)?.unwrap_or_default(),
        others: fields.others(&HEADERS).map(|(name, it)| (name.clone(), it.clone())).collect(),
    })
}

fn recipients(value: &Value) -> Result<Vec<String>, Fault> {
    let recipients = list(value, "an array of recipients", string)?;
    if recipients.is_empty() {
        return Err(Fault::expected("at least one recipient, or no such member", value));
    }
    Ok(recipients)
}

fn body(value: &Value) -> Result<Content, Fault> {
    match choice(value, "kind of body, openc2")? {
        ("openc2", value) => content(value).map_err(|fault| fault.inside("openc2")),
        (name, _) => Err(Fault::new("expected openc2, the one kind of body".into()).inside(name)),
    }
}

fn content(value: &Value) -> Result<Content, Fault> {
    let (name, value) = choice(value, "of request, response and notification")?;
    let content = match name {
        "request" => command::read(value).map(Content::Request),
        "response" => response::read(value).map(Content::Response),
        "notification" => notification(value).map(Content::Notification),
        _ => Err(Fault::new("expected request, response or notification".to_owned())),
    };
    content.map_err(|fault| fault.inside(name))
}

fn notification(value: &Value) -> Result<Notification, Fault> {
    let fields = Fields::open(value, "a notification")?;
    let mut members = Members::new();
    for (name, value) in fields.others(&[]) {
        checked::<Nsid>(&Value::from(name.as_str())).map_err(|fault| fault.inside(name))?;
        members.insert(name.clone(), value.clone());
    }
    Ok(Notification { members })
}

pub(super) fn write(message: &Message) -> Value {
    let (kind, content) = match &message.content {
        Content::Request(it) => ("request", command::write(it)),
        Content::Response(it) => ("response", response::write(it)),
        Content::Notification(it) => ("notification", it.members.clone().into()),
    };
    members([
        ("headers", unless_empty(write_headers(&message.headers))),
        ("body", Some(one("openc2", one(kind, content)))),
        ("signature", message.signature.as_ref().map(text)),
    ])
    .into()
}

fn write_headers(headers: &Headers) -> Members {
    let mut written = members([
        ("request_id", headers.request_id.as_ref().map(text)),
        ("created", headers.created.map(Value::from)),
        ("from", headers.from.as_ref().map(text)),
        ("to", (!headers.to.is_empty()).then(|| headers.to.clone().into())),
    ]);
    written.extend(headers.others.clone());
    written
}
