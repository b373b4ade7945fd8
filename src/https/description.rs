//! What the door is, as `OpenAPI` 3.1 has it: for programs that read that.

/// The file itself. tests/it/https/described.rs holds the door to it.
pub(super) const TEXT: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::media::OPENC2;
    use super::super::request::{HOPS, PREFER, PREFERENCE_APPLIED, REQUEST_ID};
    use super::super::{follow, prefer, problem, request, resources};
    use super::*;
    use crate::openc2::{Action, ResponseType, Status};

    fn description() -> Value {
        serde_json::from_str(TEXT).unwrap()
    }

    /// Everything in a document, the document first.
    fn all<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        found.push(value);
        match value {
            Value::Array(items) => items.iter().for_each(|item| all(item, found)),
            Value::Object(members) => members.values().for_each(|item| all(item, found)),
            _ => {}
        }
    }

    #[test]
    fn it_is_of_this_version_and_every_reference_in_it_leads_somewhere() {
        let description = description();
        assert_eq!(description["openapi"], "3.1.0");
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
        let mut found = Vec::new();
        all(&description, &mut found);
        let references: BTreeSet<&str> =
            found.iter().filter_map(|it| it["$ref"].as_str()).collect();
        for reference in &references {
            let pointer = reference.strip_prefix('#').expect("in this file");
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
        for (kind, members) in description["components"].as_object().unwrap() {
            for name in members.as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                let is_used = references.contains(reference.as_str()) || kind == "securitySchemes";
                assert!(is_used, "{reference} is used nowhere");
            }
        }
    }

    /// What the door is strict about, the file says as well.
    #[test]
    fn it_says_what_the_door_reads() {
        let description = description();
        let parameters = &description["components"]["parameters"];
        let names: BTreeSet<String> = parameters
            .as_object()
            .unwrap()
            .values()
            .filter(|it| it["in"] == "header")
            .map(|it| it["name"].as_str().unwrap().to_ascii_lowercase())
            .collect();
        let read = [REQUEST_ID, HOPS, PREFER, follow::LAST_EVENT_ID];
        assert_eq!(names, read.iter().map(ToString::to_string).collect());
        let schema = |name: &str| &parameters[name]["schema"];
        assert_eq!(schema("RequestId")["maxLength"], request::MAX_REQUEST_ID);
        assert_eq!(schema("Prefer")["maxLength"], prefer::LONGEST);
        assert_eq!(schema("State")["enum"], serde_json::json!(resources::STATES));
        let (usual, most) = resources::PAGE;
        assert_eq!(
            (&schema("Limit")["default"], &schema("Limit")["maximum"]),
            (&usual.into(), &most.into())
        );
        assert_eq!(schema("Before")["maximum"], u64::MAX);
        assert_eq!(schema("LastEventId")["maximum"], u64::MAX);
        let headers = &description["components"]["headers"];
        assert_eq!(headers["RetryAfter"]["schema"]["const"], problem::RETRY_AFTER_SECS);
        let applied = &headers["PreferenceApplied"];
        assert!(applied.is_object(), "{PREFERENCE_APPLIED}");

        let schemas = &description["components"]["schemas"];
        let request = &schemas["Command"]["properties"];
        let actions: BTreeSet<&str> = request["action"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(actions, Action::ALL.map(Action::as_str).into());
        let wanted = &request["args"]["properties"]["response_requested"]["enum"];
        assert_eq!(wanted, &serde_json::json!(ResponseType::ALL.map(ResponseType::as_str)));
        let statuses = schemas["Response"]["properties"]["status"]["enum"].as_array().unwrap();
        let statuses: Vec<u64> = statuses.iter().filter_map(Value::as_u64).collect();
        assert_eq!(statuses, Status::ALL.map(|status| u64::from(status.code())));
        let mut found = Vec::new();
        all(&description, &mut found);
        let media: BTreeSet<&str> = found
            .iter()
            .filter_map(|it| it["content"].as_object())
            .flat_map(|content| content.keys().map(String::as_str))
            .collect();
        let ours = [OPENC2, "application/json", problem::MEDIA_TYPE, follow::EVENT_STREAM].into();
        assert_eq!(media, ours);
    }
}
