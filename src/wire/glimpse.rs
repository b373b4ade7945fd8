//! What a message says of itself, whether or not the rest of it can be read.

use serde_json::Value;

use super::{Encoding, Glimpse, Kind};

/// Looks at a message of which perhaps only the beginning is there.
///
/// In CBOR a field has its number (Language v1.1, sections 3.2 and 3.3); one
/// by its name is wrong there, and is seen all the same.
pub(super) fn glimpse(message: &Value, encoding: Encoding) -> Glimpse {
    let is_cbor = encoding == Encoding::Cbor;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let member = |of, name, id| member(of, name, is_cbor.then_some(id));
    let headers = member(message, "headers", 1);
    let content = member(member(message, "body", 2), "openc2", 1);
    let args = member(member(content, "request", 1), "args", 3);
    let wanted = member(args, "response_requested", 4);
    Glimpse {
        from: text(member(headers, "from", 3)),
        request_id: text(member(headers, "request_id", 1)),
        to: member(headers, "to", 4).as_array().into_iter().flatten().filter_map(text).collect(),
        kind: content
            .as_object()
            .and_then(|content| content.keys().find_map(|name| Kind::from_member(name, is_cbor))),
        wants_silence: *wanted == "none" || (is_cbor && *wanted == 0),
        anything: message.is_object() || (is_cbor && message.is_array()),
    }
}

/// The names in a command that versions of the language and profiles differ in, each with the
/// type whose field it is; in CBOR their numbers.
pub(super) fn names(message: &Value, encoding: Encoding) -> Vec<(&'static str, &str)> {
    let is_cbor = encoding == Encoding::Cbor;
    let member = |of, name, id| member(of, name, is_cbor.then_some(id));
    let content = member(member(message, "body", 2), "openc2", 1);
    let command = member(content, "request", 1);
    [("target", 2, "Target"), ("args", 3, "Args"), ("actuator", 4, "Actuator")]
        .into_iter()
        .flat_map(|(name, id, of)| {
            let members = member(command, name, id).as_object().into_iter().flatten();
            members.map(move |(name, _)| (of, name.as_str()))
        })
        .collect()
}

/// A field by its name, or by its number; the fields of a Record stand by their number.
fn member<'v>(of: &'v Value, name: &str, id: Option<usize>) -> &'v Value {
    let found = match (of, id) {
        (Value::Object(members), None) => members.get(name),
        (Value::Object(members), Some(id)) => {
            members.get(name).or_else(|| members.get(&id.to_string()))
        }
        (Value::Array(fields), Some(id)) => fields.get(id - 1),
        _ => None,
    };
    found.unwrap_or(&Value::Null)
}

impl Kind {
    fn from_member(name: &str, is_cbor: bool) -> Option<Self> {
        match name {
            "request" => Some(Self::Request),
            "response" => Some(Self::Response),
            "notification" => Some(Self::Notification),
            "1" if is_cbor => Some(Self::Request),
            "2" if is_cbor => Some(Self::Response),
            "3" if is_cbor => Some(Self::Notification),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_is_there_is_seen() {
        let nothing = Glimpse::default();
        let some = |it: &str| Some(it.to_owned());
        let cases = [
            (json!(null), nothing.clone()),
            (json!([1]), nothing.clone()),
            (json!({}), Glimpse { anything: true, ..nothing.clone() }),
            (
                json!({"headers": {"from": 5, "request_id": "r", "to": ["a", 1, "b"]}}),
                Glimpse {
                    request_id: some("r"),
                    to: vec!["a".to_owned(), "b".to_owned()],
                    anything: true,
                    ..nothing.clone()
                },
            ),
            (
                json!({
                    "body": {"openc2": {"request": {"args": {"response_requested": "none"}}}},
                    "headers": {"from": "p"}
                }),
                Glimpse {
                    from: some("p"),
                    kind: Some(Kind::Request),
                    wants_silence: true,
                    anything: true,
                    ..nothing.clone()
                },
            ),
            (
                json!({"body": {"openc2": {"response": null}}}),
                Glimpse { kind: Some(Kind::Response), anything: true, ..nothing },
            ),
        ];
        for (message, seen) in cases {
            assert_eq!(glimpse(&message, Encoding::Json), seen, "{message}");
        }
    }

    #[test]
    fn in_cbor_fields_are_seen_by_number_and_by_name() {
        let seen = Glimpse {
            from: Some("p".to_owned()),
            request_id: Some("r".to_owned()),
            to: vec!["a".to_owned()],
            kind: Some(Kind::Request),
            wants_silence: true,
            anything: true,
        };
        let by_number =
            json!([{"3": "p", "1": "r", "4": ["a"]}, {"1": {"1": [3, null, {"4": 0}]}}]);
        let by_name = json!({
            "headers": {"from": "p", "request_id": "r", "to": ["a"]},
            "body": {"openc2": {"request": {"args": {"response_requested": "none"}}}}
        });
        for message in [&by_number, &by_name] {
            assert_eq!(glimpse(message, Encoding::Cbor), seen, "{message}");
        }
        assert_eq!(glimpse(&by_number, Encoding::Json), Glimpse::default());
    }
}
