//! Every response that the bridge makes is valid by the schema of its version.

use super::*;
use crate::trust::UnverifiedSignatures;
use crate::wire::{self, Encoding, Limits};

/// Judges a response by the schemas of the versions that its consumer speaks.
///
/// Every story of the quiet room passes through here with all that it answers.
pub(super) fn assert_valid(house: &House, payload: &[u8]) -> Value {
    let shown = wire::shown_by(payload, &house.library.languages());
    let shown = shown.expect("a response is a message");
    let from = shown["headers"]["from"].as_str();
    let consumer = from.and_then(|from| house.consumers.with_id(from));
    // One that left with a reload answers as it was.
    let versions = consumer.map_or(Version::ALL.to_vec(), |it| it.versions.clone());
    let languages: Vec<_> = versions.iter().map(|it| house.library.language(*it)).collect();
    let read = wire::read_by(payload, Encoding::of(payload), Limits::default(), &languages);
    read.unwrap_or_else(|unreadable| panic!("{versions:?}: {}: {shown}", unreadable.fault));
    shown
}

/// A consumer that speaks one version, with all three actuators.
fn speaker(version: Version) -> House {
    let mut house = house();
    house.consumers = Consumers::from_iter([Consumer {
        id: "gateway-1".to_owned(),
        actuators: vec!["wall".to_owned(), "probe".to_owned(), "lamp".to_owned()],
        versions: vec![version],
        rate_limit: NonZeroU32::new(600),
    }]);
    house
}

/// A room in which what is written in one encoding, in one version, is asked and answered.
struct Talk {
    room: Room,
    version: Version,
    encoding: Encoding,
    asked: u32,
    /// Every response, as JSON.
    responses: Vec<Value>,
}

impl Talk {
    fn new(version: Version, encoding: Encoding, rules: Rules) -> Self {
        let room = Room::with(speaker(version), rules);
        Self { room, version, encoding, asked: 0, responses: Vec::new() }
    }

    fn asks(&mut self, command: &Value) -> Seen {
        self.asked += 1;
        let message = message(&format!("r-{}", self.asked), command);
        self.says(&message)
    }

    fn says(&mut self, message: &Value) -> Seen {
        let text = message.to_string();
        let library = &self.room.dispatcher.house.library;
        let language = library.language(self.version);
        // What is malformed has no numbers to be written by.
        let cbor = wire::from_json(text.as_bytes(), language).ok();
        let cbor = cbor.filter(|_| self.encoding == Encoding::Cbor);
        let encoding = if cbor.is_some() { Encoding::Cbor } else { Encoding::Json };
        let mut inbound = self.room.inbound("device/gateway-1", cbor.unwrap_or(text.into()));
        inbound.declared.encoding = Some(encoding.as_str().to_owned());
        inbound.declared.is_utf8 = None;
        let seen = self.room.takes(inbound);
        self.hears(seen, encoding)
    }

    fn ends(&mut self, seen: &Seen, response: Response) {
        let ended = self.room.ends(seen.starts[0].ticket, response);
        self.hears(ended, self.encoding);
    }

    fn hears(&mut self, seen: Seen, encoding: Encoding) -> Seen {
        for outgoing in &seen.responses {
            assert_eq!(Encoding::of(&outgoing.payload), encoding, "as its command was written");
            let shown = assert_valid(&self.room.dispatcher.house, &outgoing.payload);
            self.responses.push(shown["body"]["openc2"]["response"].clone());
        }
        seen
    }

    fn statuses(&self) -> Vec<u64> {
        self.responses.iter().map(|it| it["status"].as_u64().unwrap()).collect()
    }
}

/// `deny slpf:rule_number`, as each version writes it.
fn deny_rule(version: Version, args: &Value) -> Value {
    let target = match version {
        Version::V1_0 => json!({"slpf": {"rule_number": 7}}),
        Version::V1_1 => json!({"slpf:rule_number": 7}),
    };
    let mut command = json!({"action": "deny", "target": target});
    if !args.is_null() {
        command["args"] = args.clone();
    }
    command
}

fn each_manner() -> impl Iterator<Item = (Version, Encoding)> {
    let versions = Version::ALL.into_iter();
    versions.flat_map(|version| [(version, Encoding::Json), (version, Encoding::Cbor)])
}

/// Shows L11-3.3.2-1 and L10-3.3.2-1: every status but 403, which only who posts can get (see
/// `posts`), in both versions and both encodings.
#[test]
fn every_status_has_the_shape_of_its_version() {
    for (version, encoding) in each_manner() {
        let mut talk = Talk::new(version, encoding, Rules::default());
        let rule = deny_rule(version, &Value::Null);
        let results = |value: Value| {
            let extensions = value.as_object().unwrap().clone();
            Some(Results { extensions, ..Results::default() })
        };

        let seen = talk.asks(&deny_rule(version, &json!({"response_requested": "status"})));
        talk.ends(
            &seen,
            Response { results: results(json!({"slpf": {"rule_number": 7}})), ..ok() },
        );
        let seen = talk.asks(&rule);
        talk.ends(&seen, Response::with_text(Status::NotFound, "no rule \u{1f525} 7"));
        let seen = talk.asks(&rule);
        let unknown = results(json!({"x-else": {"what": [null, 1.5, "a"]}}));
        talk.ends(&seen, Response { results: unknown, ..ok() });
        let seen = talk.asks(&rule);
        let wrong = results(json!({"slpf": {"rule_number": "seven"}}));
        talk.ends(&seen, Response { results: wrong, ..ok() });
        let seen = talk.asks(&rule);
        talk.ends(&seen, Response::new(Status::Processing));
        assert_eq!(talk.statuses(), [102, 200, 404, 200, 500, 500], "{version} {encoding:?}");

        talk.responses.clear();
        let mut malformed = rule.clone();
        malformed["action"] = json!("zap");
        talk.asks(&malformed);
        talk.asks(&json!({"action": "scan", "target": {"domain_name": "a.example"}}));
        let mut elsewhere = rule.clone();
        elsewhere["actuator"] = json!({"slpf": {"asset_id": "31"}});
        talk.asks(&elsewhere);
        // One works, one waits, and a third finds no room.
        talk.asks(&rule);
        talk.asks(&rule);
        talk.asks(&rule);
        assert_eq!(talk.statuses(), [400, 501, 404, 503], "{version} {encoding:?}");

        let trust = TrustConfig { signatures: UnverifiedSignatures::Refuse };
        let mut talk = Talk::new(version, encoding, Rules { trust, ..Rules::default() });
        let mut signed = message("signed", &rule);
        signed["signature"] = json!("e30..AA");
        talk.says(&signed);
        assert_eq!(talk.statuses(), [401], "{version} {encoding:?}");
    }
}

/// Every set of features that can be asked for, in both versions and both encodings.
#[test]
fn every_answer_about_features_has_the_shape_of_its_version() {
    const FEATURES: [&str; 5] = ["versions", "profiles", "pairs", "rate_limit", "schema"];
    for (version, encoding) in each_manner() {
        let known = if version == Version::V1_0 { 5 } else { 4 };
        let mut talk = Talk::new(version, encoding, Rules::default());
        for set in 0..1 << known {
            talk.responses.clear();
            let asked: Vec<_> =
                (0..known).filter(|at| set >> at & 1 == 1).map(|at| FEATURES[at]).collect();
            talk.asks(&json!({"action": "query", "target": {"features": asked}}));
            let [response] = &talk.responses[..] else { panic!("{version} {asked:?}") };
            assert_eq!(response["status"], 200);
            let told = if version == Version::V1_0 { response } else { &response["results"] };
            for feature in asked {
                assert!(!told[feature].is_null(), "{version} {encoding:?} {feature}: {response}");
            }
            talk.room.now_ms += 60_000;
        }
    }
}
