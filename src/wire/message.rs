//! The envelope, from a message that its schema found valid, and back.

use serde_json::Value;

use super::object::{members, one, text, unless_empty};
use super::values::{at, list, natural, required, string};
use super::{Fault, command, response};
use crate::jadn::View;
use crate::language::Version;
use crate::openc2::{Content, Headers, Members, Message, Notification};

pub(super) fn read(it: View<'_>, version: Version) -> Result<Message, Fault> {
    let mut headers = Headers::default();
    let (mut content, mut signature) = (None, None);
    for (name, it) in it.entries() {
        match &*name {
            "headers" => headers = at(&name, self::headers(it))?,
            "body" => content = Some(at(&name, body(it, version))?),
            "signature" => signature = Some(string(it)),
            _ => {}
        }
    }
    Ok(Message { headers, content: required(content, "body", "a message")?, signature })
}

fn headers(it: View<'_>) -> Result<Headers, Fault> {
    let mut headers = Headers::default();
    for (name, it) in it.entries() {
        match &*name {
            "request_id" => headers.request_id = Some(string(it)),
            "created" => headers.created = Some(at(&name, natural(it))?),
            "from" => headers.from = Some(string(it)),
            "to" => headers.to = list(it, |it| Ok(string(it)))?,
            _ => {
                headers.others.insert(name.into_owned(), it.to_json());
            }
        }
    }
    Ok(headers)
}

fn body(it: View<'_>, version: Version) -> Result<Content, Fault> {
    let (kind, it) = required(it.chosen(), "openc2", "a body")?;
    at(&kind, content(it, version))
}

fn content(it: View<'_>, version: Version) -> Result<Content, Fault> {
    let (kind, it) = required(it.chosen(), "request", "a body")?;
    let content = match &*kind {
        "request" => command::read(it, version).map(Content::Request),
        "response" => response::read(it, version).map(Content::Response),
        _ => Ok(Content::Notification(notification(it))),
    };
    at(&kind, content)
}

fn notification(it: View<'_>) -> Notification {
    let mut members = Members::new();
    for (name, it) in it.entries() {
        members.insert(name.into_owned(), it.to_json());
    }
    Notification { members }
}

pub(super) fn write(message: &Message, version: Version) -> Value {
    let (kind, content) = match &message.content {
        Content::Request(it) => ("request", command::write(it)),
        Content::Response(it) if version == Version::V1_0 => ("response", response::write_10(it)),
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
