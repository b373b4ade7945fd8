//! What a message says of itself, whether or not the rest of it can be read.

use serde_json::Value;

use super::{Glimpse, Kind};

/// Looks at a message of which perhaps only the beginning is there.
pub(super) fn glimpse(message: &Value) -> Glimpse {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let headers = &message["headers"];
    let content = &message["body"]["openc2"];
    Glimpse {
        from: text(&headers["from"]),
        request_id: text(&headers["request_id"]),
        to: headers["to"].as_array().into_iter().flatten().filter_map(text).collect(),
        kind: content
            .as_object()
            .and_then(|content| content.keys().find_map(|name| Kind::from_member(name))),
        wants_silence: content["request"]["args"]["response_requested"] == "none",
        anything: message.is_object(),
    }
}

impl Kind {
    fn from_member(name: &str) -> Option<Self> {
        match name {
            "request" => Some(Self::Request),
            "response" => Some(Self::Response),
            "notification" => Some(Self::Notification),
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
            assert_eq!(glimpse(&message), seen, "{message}");
        }
    }
}
