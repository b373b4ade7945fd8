//! The message that goes out: put together or taken from a file, and checked.

use bytes::Bytes;
use serde_json::{Value, json};

use super::completion::targets;
use crate::config::nearest_of;
use crate::jadn::Content;
use crate::language::{Language, Library, Version};
use crate::openc2::{self, Action, Feature, Headers, ResponseType, Target, TargetName};
use crate::producer::{Envelope, Outgoing};
use crate::wire::{self, Encoding, Fault, Limits};

/// Where the command stands in a message.
const REQUEST_POINTER: &str = "/body/openc2/request";

/// What was given to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A whole message, to be sent byte for byte.
    Message(Bytes),
    /// A command as JSON text, to be put into a message.
    Command(String),
}

impl Given {
    /// Tells what a file holds: an object with an `action` or a `target` is a command, also where the
    /// other is misspelt; anything else is sent as it is.
    #[must_use]
    pub fn from_file(bytes: Vec<u8>) -> Self {
        let is_command = serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| {
            let has = |member| value.get(member).is_some();
            (has("action") || has("target")) && !has("body")
        });
        match String::from_utf8(bytes) {
            Ok(text) if is_command => Self::Command(text.trim().to_owned()),
            Ok(text) => Self::Message(text.into()),
            Err(not_text) => Self::Message(not_text.into_bytes().into()),
        }
    }
}

/// A message, and what must be known of it to wait for its responses.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The message.
    pub outgoing: Outgoing,
    /// What is wrong with it, if anything is.
    pub objection: Option<Objection>,
    /// Which responses it asks for.
    pub asks_for: ResponseType,
    /// Its `headers.from`.
    pub from: Option<String>,
    /// The newest version of the language in which it is valid; `None` where it is in none.
    pub version: Option<Version>,
}

/// Why a message should not be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Objection {
    #[error("{reason}{}", at(pointer))]
    Fault { pointer: String, reason: String },
    #[error("the message is a response or a notification, not a command")]
    NotACommand,
    #[error("the message has no headers.from: a consumer does not know whom to answer")]
    NoFrom,
    #[error("the message asks for a response and has no headers.request_id to know it by")]
    NoRequestId,
    #[error("a feature is asked for twice")]
    RepeatedFeature,
    #[error("profile {profile} has no target {target}{nearest}")]
    NoSuchTarget { profile: String, target: String, nearest: String },
    #[error("profile {profile} has no {action} {target}{others}")]
    NoSuchPair { profile: String, action: Action, target: String, others: String },
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" at {pointer}") }
}

impl Letter {
    /// A message around a command.
    #[must_use]
    pub fn around(
        envelope: &Envelope,
        command: &str,
        library: &Library,
        only: Option<Version>,
    ) -> Self {
        let payload = written(envelope, Some(&envelope.from), command);
        let mut letter = Self::as_written(payload, library, only);
        // Also where the command is so wrong that nothing could be read.
        letter.from = Some(envelope.from.clone());
        letter.outgoing = Outgoing::as_written(
            letter.outgoing.payload().clone(),
            Some(envelope.request_id.clone()),
        );
        // The user wrote the command only: point into that.
        if let Some(Objection::Fault { pointer, .. }) = &mut letter.objection
            && let Some(inside) = pointer.strip_prefix(REQUEST_POINTER)
        {
            *pointer = inside.to_owned();
        }
        letter
    }

    /// The same without `headers.from`: over HTTPS the certificate says it, and it need
    /// not be there (Transfer via HTTPS v1.1, section 3.3.2).
    #[must_use]
    pub fn without_from(
        envelope: &Envelope,
        command: &str,
        library: &Library,
        only: Option<Version>,
    ) -> Self {
        let letter = Self::around(envelope, command, library, only);
        let request_id = Some(envelope.request_id.clone());
        let outgoing = Outgoing::as_written(written(envelope, None, command), request_id);
        Self { outgoing, from: None, ..letter }
    }

    /// The same in CBOR.
    ///
    /// # Errors
    ///
    /// What CBOR has no way to say: what is not valid has no numbers there.
    pub fn in_cbor(self, library: &Library) -> Result<Self, Fault> {
        let payload = self.outgoing.payload();
        if Encoding::of(payload) == Encoding::Cbor {
            return Ok(self);
        }
        let languages = library.languages();
        let of_version = |it: &&Language| self.version.is_none_or(|own| own == it.version());
        let mut written = languages
            .into_iter()
            .filter(of_version)
            .map(|language| wire::from_json(payload, language));
        // The first that has a way to say it, else what the newest says.
        let first = written.next().expect("there is a language of each version");
        let payload = first.or_else(|fault| written.find_map(Result::ok).ok_or(fault))?;
        let request_id = self.outgoing.request_id().map(str::to_owned);
        Ok(Self { outgoing: Outgoing::as_written(payload, request_id), ..self })
    }

    /// A message as somebody wrote it. It is to be valid in `only` this version of the language,
    /// else in 1.1, or in 1.0 where it has words that 1.0 alone has.
    #[must_use]
    pub fn as_written(payload: Bytes, library: &Library, only: Option<Version>) -> Self {
        let mut languages = match only {
            Some(version) => vec![library.language(version)],
            None => library.languages().to_vec(),
        };
        let encoding = Encoding::of(&payload);
        let read = |languages: &[&Language]| {
            wire::read_by(&payload, encoding, Limits::default(), languages)
        };
        let mut letter = read(&languages);
        if only.is_none() && letter.as_ref().is_ok_and(|it| !has_words_of_its_own(it, library)) {
            // Valid in 1.0 by the way: there, less is asked of a command.
            languages.truncate(1);
            letter = read(&languages);
        }
        match letter {
            Ok(wire::Letter { message, manner, .. }) => {
                let asks_for = match &message.content {
                    openc2::Content::Request(command) => {
                        command.args.response_requested.unwrap_or_default()
                    }
                    openc2::Content::Response(_) | openc2::Content::Notification(_) => {
                        ResponseType::Complete
                    }
                };
                let objection = objection(&message.content, &message.headers, &payload, asks_for)
                    .or_else(|| no_such_target(&message.content, library))
                    .or_else(|| no_such_pair(&message.content, library));
                let Headers { request_id, from, .. } = message.headers;
                let outgoing = Outgoing::as_written(payload, request_id);
                Self { outgoing, objection, asks_for, from, version: Some(manner.version) }
            }
            Err(unreadable) => {
                let wire::Unreadable { fault, glimpse, .. } = *unreadable;
                let asks_for =
                    if glimpse.wants_silence { ResponseType::None } else { ResponseType::Complete };
                let hints = languages.iter().map(|language| near(&fault, &payload, language));
                let hint = hints.into_iter().find(|hint| !hint.is_empty()).unwrap_or_default();
                let outgoing = Outgoing::as_written(payload, glimpse.request_id);
                let reason = fault.reason + &hint;
                let objection = Objection::Fault { pointer: fault.pointer, reason };
                let (objection, from) = (Some(objection), glimpse.from);
                Self { outgoing, objection, asks_for, from, version: None }
            }
        }
    }
}

fn written(envelope: &Envelope, from: Option<&str>, command: &str) -> Bytes {
    let mut headers = json!({
        "request_id": envelope.request_id,
        "created": envelope.created_ms,
    });
    if let Some(from) = from {
        headers["from"] = json!(from);
    }
    if !envelope.to.is_empty() {
        headers["to"] = json!(envelope.to);
    }
    format!(r#"{{"headers":{headers},"body":{{"openc2":{{"request":{command}}}}}}}"#).into()
}

/// Whether a command is one of the newest version, or has what an older one alone has.
fn has_words_of_its_own(letter: &wire::Letter, library: &Library) -> bool {
    let [newest, older] = library.languages();
    if letter.manner.version == newest.version() {
        return true;
    }
    let openc2::Content::Request(command) = &letter.message.content else { return true };
    let target = match &command.target {
        Target::Features(features) => return features.contains(&Feature::Schema),
        target => target.name(),
    };
    // The profiles of no standard, and all targets of profiles, stand in another place there.
    let mut profiles = command.args.extensions.keys();
    let actuator = command.actuator.as_ref();
    let is_elsewhere = target.profile().is_some()
        || profiles.any(|nsid| Version::is_unregistered(nsid))
        || actuator.is_some_and(|actuator| Version::is_unregistered(&actuator.profile));
    is_elsewhere || older.has_target(target) && !newest.has_target(target)
}

/// The target, action or argument that was perhaps meant.
fn near(fault: &Fault, payload: &[u8], language: &Language) -> String {
    // "expected Action (scan, ...), found ..." or "no alternative of Target, which has ...".
    let reason = fault.reason.trim_start_matches("expected ");
    let reason = reason.split_once(" of ").map_or(reason, |(_, rest)| rest);
    let of = reason.split([',', ';', ' ']).next().unwrap_or_default();
    let schema = language.schema();
    let known = language.package().types.iter().find(|it| it.name == of).map(|it| &it.content);
    let nearest = match known {
        Some(Content::Fields(_)) => {
            let found = fault.pointer.rsplit('/').next().unwrap_or_default();
            nearest_of(found, schema.fields_of(of))
        }
        Some(Content::Items(items)) => {
            let written = wire::shown(payload).unwrap_or_default();
            let found = written.pointer(&fault.pointer).and_then(Value::as_str);
            found.and_then(|found| nearest_of(found, items.iter().map(|item| item.name.as_str())))
        }
        _ => None,
    };
    nearest.map_or_else(String::new, |it| format!("; did you mean {it}?"))
}

/// A target that its profile, whose schema is known here, does not have.
fn no_such_target(content: &openc2::Content, library: &Library) -> Option<Objection> {
    let openc2::Content::Request(command) = content else { return None };
    let target = command.target.name();
    let profile = target.profile()?;
    let language = library.language(Version::V1_1);
    let target = target.to_string();
    if library.profile(profile).is_none() || targets(language).any(|it| it == target) {
        return None;
    }
    let nearest = nearest_of(&target, targets(language));
    let nearest = nearest.map_or_else(String::new, |it| format!("; did you mean {it}?"));
    Some(Objection::NoSuchTarget { profile: profile.to_owned(), target, nearest })
}

/// An action that a profile here does not have with a target: one of its own, or one that its
/// actuator is named for.
fn no_such_pair(content: &openc2::Content, library: &Library) -> Option<Objection> {
    let openc2::Content::Request(command) = content else { return None };
    let (action, target) = (command.action, command.target.name());
    // What the consumer answers itself, whatever its actuators are.
    let is_of_consumer = matches!(
        (action, target),
        (Action::Query, TargetName::Features | TargetName::Command)
            | (Action::Cancel, TargetName::Command)
    );
    let named = command.actuator.as_ref().map(|actuator| actuator.profile.as_str());
    let profiles = [target.profile(), named].into_iter().flatten();
    let lacking = profiles.filter_map(|nsid| library.profile(nsid)).find(|profile| {
        let targets = profile.pairs().get(&action);
        !targets.is_some_and(|targets| targets.contains(target))
    });
    let profile = lacking.filter(|_| !is_of_consumer)?;
    let others = profile.pairs().iter().filter(|(_, targets)| targets.contains(target));
    let others: Vec<_> = others.map(|(action, _)| action.as_str()).collect();
    let others = match others[..] {
        [] => String::new(),
        _ => format!("; with this target it has {}", others.join(", ")),
    };
    let (profile, target) = (profile.nsid().to_owned(), target.to_string());
    Some(Objection::NoSuchPair { profile, action, target, others })
}

/// What a producer must get right beyond what a reader would accept.
fn objection(
    content: &openc2::Content,
    headers: &Headers,
    payload: &[u8],
    asks_for: ResponseType,
) -> Option<Objection> {
    // What was read has each feature once.
    let written = wire::shown(payload).unwrap_or_default();
    let features = written.pointer("/body/openc2/request/target/features");
    let repeats = features.and_then(Value::as_array).is_some_and(|names| {
        names.iter().enumerate().any(|(index, name)| names[..index].contains(name))
    });
    if !matches!(content, openc2::Content::Request(_)) {
        Some(Objection::NotACommand)
    } else if headers.from.is_none() {
        Some(Objection::NoFrom)
    } else if headers.request_id.is_none() && asks_for != ResponseType::None {
        Some(Objection::NoRequestId)
    } else if repeats {
        Some(Objection::RepeatedFeature)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            request_id: "95ad511c-3339-4111-9c47-9156c47d37d3".to_owned(),
            created_ms: 1_700_000_000_000,
            from: "soar-1".to_owned(),
            to: Vec::new(),
        }
    }

    fn message(request: &str) -> String {
        format!(
            r#"{{"headers":{{"request_id":"95ad511c-3339-4111-9c47-9156c47d37d3","created":1700000000000,"from":"soar-1"}},"body":{{"openc2":{{"request":{request}}}}}}}"#
        )
    }

    #[test]
    fn a_file_holds_a_command_or_a_message() {
        let cases: [(&[u8], bool); 7] = [
            (br#" {"action":"query","target":{"features":[]}} "#, true),
            (br#"{"acton":"query","target":{"features":[]}}"#, true),
            (br#"{"headers":{},"body":{}}"#, false),
            (br#"{"action":"x","body":{}}"#, false),
            (b"[]", false),
            (b"not json", false),
            (b"\xff\xfe", false),
        ];
        for (bytes, is_command) in cases {
            let given = Given::from_file(bytes.to_vec());
            assert_eq!(matches!(given, Given::Command(_)), is_command, "{given:?}");
            if let Given::Message(kept) = given {
                assert_eq!(kept, bytes, "byte for byte");
            }
        }
    }

    /// L11-3.2-1, MQTT-3.2-7, MQTT-3.2-8: the headers of a command that we put together.
    #[test]
    fn a_command_gets_its_envelope() {
        let request = r#"{"action":"query","target":{"features":[]}}"#;
        let letter = Letter::around(&envelope(), request, &Library::built_in(), None);
        assert_eq!(letter.outgoing.payload(), message(request).as_bytes());
        assert_eq!(letter.outgoing.request_id(), Some("95ad511c-3339-4111-9c47-9156c47d37d3"));
        assert_eq!((letter.objection, letter.asks_for), (None, ResponseType::Complete));

        let to = vec!["gateway-1".to_owned()];
        let letter =
            Letter::around(&Envelope { to, ..envelope() }, request, &Library::built_in(), None);
        let sent: Value = serde_json::from_slice(letter.outgoing.payload()).unwrap();
        assert_eq!(sent["headers"]["to"], json!(["gateway-1"]));
    }

    #[test]
    fn mistakes_are_found_before_anything_is_sent() {
        let cases = [
            (r#"{"action":"dney","target":{"uri":"http://a.example/"}}"#, "at /action"),
            (r#"{"action":"dney","target":{"uri":"http://a.example/"}}"#, "did you mean deny?"),
            (r#"{"action":"deny","target":{"ipv4_net":"300.0.0.1"}}"#, "at /target/ipv4_net"),
            (
                r#"{"action":"set","target":{"x-iot:lihgt":{}}}"#,
                "has no target x-iot:lihgt; did you mean x-iot:light?",
            ),
            (r#"{"action":"deny","target":{}}"#, "at /target"),
            (r#"{"action":"deny","target":{"ipv4net":"10.0.0.1"}}"#, "did you mean ipv4_net?"),
            (
                r#"{"action":"set","target":{"x-iot:light":{"state":"of"}}}"#,
                "at /target/x-iot:light/state",
            ),
            (r#"{"action":"deny","target":{"uri":"http://a.example/"},"args":{}}"#, "at /args"),
            (r#"{"action":"query","target":{"features":["pairs","pairs"]}}"#, "twice"),
            // What a profile has no pair for.
            (
                r#"{"action":"stop","target":{"x-iot:light":{"state":"on"}}}"#,
                "profile x-iot has no stop x-iot:light; with this target it has set",
            ),
            (
                r#"{"action":"deny","target":{"uri":"a:b"},"actuator":{"slpf":{}}}"#,
                "profile slpf has no deny uri",
            ),
            (
                r#"{"action":"stop","target":{"extension_unr":{"x-iot":{"light":{"level":5}}}}}"#,
                "profile x-iot has no stop x-iot:light",
            ),
            // What language 1.0 alone has, with the place of the mistake there.
            (r#"{"action":"deny","target":{"ip_addr":"1.2.3.4.5"}}"#, "at /target/ip_addr"),
            (r#"{"action":"deny","target":{"file":{}}}"#, "at /target/file"),
            (r#"{"action":"deny","target":{"ip_adr":"1.2.3.4"}}"#, "did you mean ip_addr?"),
            (
                r#"{"action":"set","target":{"extension_unr":{"x-iot":{"light":{"level":500}}}}}"#,
                "at /target/extension_unr/x-iot/light/level",
            ),
        ];
        for (request, complaint) in cases {
            let objection = Letter::around(&envelope(), request, &Library::built_in(), None)
                .objection
                .unwrap_or_else(|| panic!("{request}"))
                .to_string();
            assert!(objection.contains(complaint), "{request}: {objection}");
        }
    }

    /// Either version will do, and CBOR has the numbers of the one that it is valid in.
    #[test]
    fn a_command_of_either_version_is_sent_in_either_encoding() {
        let library = Library::built_in();
        #[rustfmt::skip]
        let cases = [
            (r#"{"action":"query","target":{"features":["pairs"]}}"#,  Version::V1_1),
            (r#"{"action":"deny","target":{"ipv4_net":"192.0.2.1"},"actuator":{"slpf":{}}}"#, Version::V1_1),
            (r#"{"action":"query","target":{"command":"c-1"},"actuator":{"slpf":{}}}"#, Version::V1_1),
            (r#"{"action":"query","target":{"features":["schema"]}}"#, Version::V1_0),
            (r#"{"action":"deny","target":{"ip_addr":"192.0.2.1"}}"#,  Version::V1_0),
            (r#"{"action":"delete","target":{"slpf":{"rule_number":5}}}"#, Version::V1_0),
            (r#"{"action":"set","target":{"extension_unr":{"x-iot":{"light":{"level":5}}}}}"#, Version::V1_0),
        ];
        for (request, version) in cases {
            let letter = Letter::around(&envelope(), request, &library, None);
            assert_eq!((&letter.objection, letter.version), (&None, Some(version)), "{request}");
            let payload = letter.in_cbor(&library).unwrap().outgoing.payload().clone();
            assert_eq!(Encoding::of(&payload), Encoding::Cbor);
            let letter = Letter::as_written(payload.clone(), &library, None);
            assert_eq!((letter.objection, letter.version), (None, Some(version)), "{request}");
            let shown = wire::shown_by(&payload, &[library.language(version)]).unwrap();
            assert_eq!(shown["body"]["openc2"]["request"].to_string(), request);
        }
        // A mistake in 1.1 that is none in 1.0 can be sent by its numbers, where it is to be sent.
        let letter = Letter::around(
            &envelope(),
            r#"{"action":"deny","target":{"file":{}}}"#,
            &library,
            None,
        );
        assert!(letter.objection.is_some() && letter.in_cbor(&library).is_ok());
        // By one version alone, where that is wanted.
        #[rustfmt::skip]
        let cases = [
            (r#"{"action":"deny","target":{"ip_addr":"192.0.2.1"}}"#, Version::V1_1, false),
            (r#"{"action":"deny","target":{"ipv4_net":"192.0.2.1"}}"#, Version::V1_0, false),
            (r#"{"action":"deny","target":{"file":{}}}"#,             Version::V1_0, true),
            (r#"{"action":"deny","target":{"uri":"a:b"}}"#,           Version::V1_0, true),
        ];
        for (request, version, is_right) in cases {
            let letter = Letter::around(&envelope(), request, &library, Some(version));
            assert_eq!(letter.version, is_right.then_some(version), "{request}");
            assert_eq!(letter.objection.is_none(), is_right, "{request}");
        }
    }

    #[test]
    fn a_written_message_is_kept_byte_for_byte_and_checked() {
        let good = message(r#"{"action":"query","target":{"features":[]}}"#);
        let spaced = good.replace(':', " : ");
        let silent = message(
            r#"{"action":"query","target":{"features":[]},"args":{"response_requested":"none"}}"#,
        );
        let no_id = r#"{"headers":{"from":"a"},"body":{"openc2":{"request":{"action":"query","target":{"features":[]}}}}}"#;
        let no_from = r#"{"headers":{"request_id":"r"},"body":{"openc2":{"request":{"action":"query","target":{"features":[]}}}}}"#;
        let response = r#"{"headers":{"from":"a","request_id":"r"},"body":{"openc2":{"response":{"status":200}}}}"#;
        let cases = [
            (good.as_str(), None, ResponseType::Complete),
            (&spaced, None, ResponseType::Complete),
            (&silent, None, ResponseType::None),
            (no_id, Some(Objection::NoRequestId), ResponseType::Complete),
            (no_from, Some(Objection::NoFrom), ResponseType::Complete),
            (response, Some(Objection::NotACommand), ResponseType::Complete),
        ];
        for (text, objection, asks_for) in cases {
            let letter = Letter::as_written(
                Bytes::copy_from_slice(text.as_bytes()),
                &Library::built_in(),
                None,
            );
            assert_eq!(letter.outgoing.payload(), text.as_bytes());
            assert_eq!((letter.objection, letter.asks_for), (objection, asks_for), "{text}");
        }
    }
}
