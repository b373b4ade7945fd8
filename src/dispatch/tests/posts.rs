//! Stories of what is posted by HTTPS, and of who waits for the answer.

use serde_json::{Value, json};

use super::{NOW, Room, Seen, deny, deny_and, face, house, message, ok};
use crate::dispatch::{Caller, Consumer, Consumers, Effect, Event, House, Reply, Rules, SUMMARY};
use crate::language::{Library, LowerCaseHex, Version};
use crate::openc2::{Response, Status};
use crate::wire;

impl Room {
    /// soar-1 posts a message.
    fn posts(&mut self, message: &Value) -> Seen {
        self.posts_as("soar-1", None, message.to_string())
    }

    fn posts_as(&mut self, identity: &str, request_id: Option<&str>, payload: String) -> Seen {
        let caller = Caller {
            identity: Some(identity.to_owned()),
            request_id: request_id.map(str::to_owned),
            ..Caller::default()
        };
        let mut inbound = self.inbound("all", payload);
        inbound.caller = Some(caller);
        self.takes(inbound)
    }
}

impl Seen {
    /// The one answer to a POST, as HTTP has it: status, and the whole message.
    fn reply(&self) -> (u16, Value) {
        assert_eq!(self.replies.len(), 1, "{self:?}");
        assert!(self.responses.is_empty(), "nothing is published: {self:?}");
        read(&self.replies[0])
    }
}

fn read(reply: &Reply) -> (u16, Value) {
    let message: Value = serde_json::from_slice(reply.payload.as_ref().expect("a body")).unwrap();
    let said = message["body"]["openc2"]["response"]["status"].as_u64();
    assert_eq!(said, Some(reply.status.code().into()), "{message}");
    (reply.status.code(), message)
}

fn to(consumers: &[&str], mut message: Value) -> Value {
    message["headers"]["to"] = json!(consumers);
    message
}

fn set_light() -> Value {
    json!({"action": "set", "target": {"x-iot:light": {"state": "on"}}})
}

#[test]
fn a_posted_command_is_answered_once_it_has_ended_and_nothing_is_published() {
    let mut room = Room::new();
    let seen = room.posts(&to(&["gateway-1"], message("r-1", &deny())));
    assert_eq!((seen.starts.len(), seen.replies.len()), (1, 0));

    let seen = room.ends(seen.starts[0].ticket, ok());
    let (status, answer) = seen.reply();
    assert_eq!((status, &answer["headers"]["from"]), (200, &json!("gateway-1")));
    assert_eq!(answer["headers"]["request_id"], "r-1");
    let ends: Vec<_> = seen.records.iter().map(|record| &record.event).collect();
    assert!(matches!(ends[..], [Event::Outcome(_), Event::Answered { .. }]), "{ends:?}");
}

#[test]
fn what_the_message_leaves_out_comes_from_the_request_and_the_certificate() {
    let mut room = Room::new();
    let mut bare = to(&["gateway-1"], message("", &deny()));
    bare["headers"] = json!({"to": ["gateway-1"]});

    let seen = room.posts_as("soar-1", Some("x-1"), bare.to_string());
    assert_eq!(
        (seen.starts[0].producer.as_str(), seen.starts[0].request_id.as_str()),
        ("soar-1", "x-1")
    );
    let (_, answer) = room.ends(seen.starts[0].ticket, ok()).reply();
    assert_eq!(answer["headers"]["request_id"], "x-1");
    assert_eq!(answer["headers"]["to"], json!(["soar-1"]));

    let (status, answer) = room.posts_as("soar-1", None, bare.to_string()).reply();
    assert_eq!((status, answer["headers"].get("request_id")), (400, None));
}

#[test]
fn what_cannot_be_accepted_is_answered_at_once() {
    let silent = json!({"response_requested": "none"});
    let mut response = message("r", &deny());
    response["body"] = json!({"openc2": {"response": {"status": 200}}});
    #[rustfmt::skip]
    let cases = [
        // posted                                                       status  text
        ("{".to_owned(),                                                  400, "no I-JSON"),
        (r#"["headers"]"#.to_owned(),                                     400, ""),
        (to(&["gateway-1"], message("r", &json!({"action": "zap"}))).to_string(),             400, "action"),
        (response.to_string(),                                            400, "response"),
        (to(&["nobody"], message("r", &deny())).to_string(),              404, "no consumer here is addressed"),
        (to(&["lamp-2"], message("r", &deny())).to_string(),              501, "does not support"),
        (message("r", &json!({"action": "deny", "target": {"ipv4_net": "192.0.2.0/24"}, "actuator": {"er": {}}})).to_string(),
                                                                          404, "er"),
        (to(&["gateway-1", "lamp-2"], message("r", &json!({"action": "zap"}))).to_string(),
                                                                          400, "2 of 2"),
    ];
    for (posted, status, text) in cases {
        let seen = Room::new().posts_as("soar-1", Some("x"), posted.clone());
        let (code, answer) = seen.reply();
        let said = answer["body"]["openc2"]["response"]["status_text"].as_str().unwrap_or("");
        assert!(code == status && said.contains(text), "{posted}: {code} {said}");
        assert!(answer["headers"]["request_id"].is_string(), "{answer}");
    }

    let mut room = Room::new();
    let (status, _) = room.posts_as("soar-2", None, message("r", &deny()).to_string()).reply();
    assert_eq!(status, 403, "the certificate is another's");
    let seen = room.posts(&to(&["gateway-1"], message("r-2", &deny_and(&silent))));
    assert_eq!((seen.starts.len(), seen.replies[0].payload.as_ref()), (1, None));
}

#[test]
fn who_asks_for_an_acknowledgement_is_answered_102_and_who_asks_for_the_status_waits() {
    let mut room = Room::new();
    let ack = json!({"response_requested": "ack"});
    let seen = room.posts(&to(&["gateway-1"], message("r-1", &deny_and(&ack))));
    assert_eq!(seen.reply().0, 102);
    assert_eq!(seen.starts.len(), 1);
    let seen = room.ends(seen.starts[0].ticket, ok());
    assert!(seen.replies.is_empty() && seen.responses.is_empty());
    assert_eq!(room.posts(&to(&["gateway-1"], message("r-1", &deny_and(&ack)))).reply().0, 102);

    let status = json!({"response_requested": "status"});
    let seen = room.posts(&to(&["gateway-1"], message("r-2", &deny_and(&status))));
    assert!(seen.replies.is_empty() && seen.responses.is_empty());
    assert_eq!(room.ends(seen.starts[0].ticket, ok()).reply().0, 200);
}

#[test]
fn the_same_post_again_joins_the_wait_or_gets_the_same_bytes() {
    let mut room = Room::new();
    let command = to(&["gateway-1"], message("r-1", &deny()));
    let first = room.posts(&command);
    let second = room.posts(&command);
    assert!(second.starts.is_empty() && second.replies.is_empty());

    let ended = room.ends(first.starts[0].ticket, ok());
    assert_eq!(ended.replies.len(), 2, "both callers are answered");
    assert_eq!(ended.replies[0].payload, ended.replies[1].payload);

    let third = room.posts(&command);
    assert_eq!(third.replies[0].payload, ended.replies[0].payload);
    assert!(third.starts.is_empty());
    let other = deny_and(&json!({"response_requested": "complete"}));
    assert_eq!(room.posts(&to(&["gateway-1"], message("r-1", &other))).reply().0, 400);
}

#[test]
fn several_consumers_are_summed_up_in_one_response() {
    let cases = [
        ([Status::Ok, Status::Ok], 200, "2 of 2 answered in time"),
        ([Status::Ok, Status::InternalError], 200, "2 of 2 answered in time, 1 failed"),
        ([Status::NotFound, Status::InternalError], 500, "2 of 2 answered in time, 2 failed"),
        ([Status::NotFound, Status::NotFound], 404, "2 of 2 answered in time, 2 failed"),
    ];
    for (outcomes, status, text) in cases {
        let mut house = house();
        for face in house.actuators.values_mut() {
            face.concurrency = 2;
        }
        let mut room = Room::with(house, Rules::default());
        let seen = room.posts(&message("r-1", &set_light()));
        assert_eq!(seen.starts.len(), 2);
        let tickets: Vec<_> = seen.starts.iter().map(|work| work.ticket).collect();
        let first = room.ends(tickets[0], Response::new(outcomes[0]));
        assert!(first.replies.is_empty(), "one of two is not yet an answer");

        let (code, answer) = room.ends(tickets[1], Response::new(outcomes[1])).reply();
        let response = &answer["body"]["openc2"]["response"];
        assert_eq!((code, response["status_text"].as_str()), (status, Some(text)));
        let summary = &response["results"][SUMMARY];
        assert_eq!((&summary["expected"], &summary["answered"]), (&json!(2), &json!(2)));
        let said: Vec<_> = summary["responses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["from"].as_str().unwrap(), one["status"].as_u64().unwrap()))
            .collect();
        let codes = outcomes.map(|status| u64::from(status.code()));
        assert_eq!(said, [("gateway-1", codes[0]), ("lamp-2", codes[1])]);
    }
}

#[test]
fn who_has_waited_long_enough_is_told_503_and_finds_the_answer_later() {
    let mut room = Room::new();
    let command = to(&["gateway-1"], message("r-1", &deny()));
    let seen = room.posts(&command);
    let receipt = super::Receipt(room.receipts);

    let effects = room.dispatcher.give_up(receipt, NOW);
    let [Effect::Reply(reply)] = &effects[..] else { panic!("{effects:?}") };
    let (status, answer) = read(reply);
    assert_eq!((status, &answer["headers"]["request_id"]), (503, &json!("r-1")));
    let summary = &answer["body"]["openc2"]["response"]["results"][SUMMARY];
    assert_eq!((&summary["expected"], &summary["answered"]), (&json!(1), &json!(0)));
    assert_eq!(room.dispatcher.give_up(receipt, NOW), [], "once is enough");

    assert!(room.ends(seen.starts[0].ticket, ok()).replies.is_empty());
    assert_eq!(room.posts(&command).reply().0, 200);
}

#[test]
fn after_a_crash_nothing_is_published_and_the_same_post_gets_the_answer() {
    let mut room = Room::new();
    let command = to(&["gateway-1"], message("r-1", &deny()));
    let started = room.posts(&command).starts[0].ticket;
    let seen = room.restarts(house());
    assert!(seen.responses.is_empty(), "in doubt, and for its caller alone: {seen:?}");
    assert_eq!(room.records.last().map(|record| record.ticket), Some(started));
    assert_eq!(room.posts(&command).reply().0, 500);
}

#[test]
fn a_repetition_by_the_other_door_is_answered_there_as_well() {
    let mut room = Room::new();
    let command = to(&["gateway-1"], message("r-1", &deny()));
    let posted = room.posts(&command);
    assert!(room.hears("device/gateway-1", &command).is_silent());
    let ended = room.ends(posted.starts[0].ticket, ok());
    assert_eq!((ended.replies.len(), ended.responses.len()), (1, 1));

    let command = to(&["gateway-1"], message("r-2", &deny()));
    let heard = room.hears("device/gateway-1", &command);
    assert!(room.posts(&command).replies.is_empty());
    let ended = room.ends(heard.starts[0].ticket, ok());
    assert_eq!((ended.replies.len(), ended.responses.len()), (1, 1));
}

/// Whoever says to be another is answered himself, and what he did is his own in the journal.
#[test]
fn who_names_another_is_answered_as_who_he_is() {
    #[rustfmt::skip]
    let cases = [
        // posted by soar-2, from soar-1                                             status
        (to(&["gateway-1"], message("r", &deny())),                                     403),
        (to(&["gateway-1"], message("r", &json!({"action": "zap"}))),                   400),
        (to(&["nobody"], message("r", &deny())),                                        404),
        (message("r", &set_light()),                                                    403),
    ];
    for (posted, status) in cases {
        let mut room = Room::new();
        let seen = room.posts_as("soar-2", None, posted.to_string());
        let (code, answer) = seen.reply();
        assert_eq!((code, &answer["headers"]["to"]), (status, &json!(["soar-2"])), "{posted}");
        for record in &seen.records {
            if let Event::Accepted(accepted) = &record.event {
                assert_eq!(accepted.producer.as_deref(), Some("soar-2"), "{posted}");
            }
        }
    }
}

/// What no consumer says is said by the bridge, in its own name.
#[test]
fn the_bridge_itself_speaks_in_its_own_name() {
    let from = |seen: &Seen| seen.reply().1["headers"]["from"].clone();
    let two = message("r-1", &set_light());
    let nobody = to(&["nobody"], message("r-2", &deny()));
    let only = || {
        let one = house().consumers[0].clone();
        House { consumers: Consumers::from_iter([one]), ..house() }
    };
    #[rustfmt::skip]
    let houses = [
        // house                                                        its name
        (House { producer: Some("bridge-1".to_owned()), ..house() },     json!("bridge-1")),
        (House { producer: Some("bridge-1".to_owned()), ..only() },      json!("bridge-1")),
        (only(),                                                         json!("gateway-1")),
        (house(),                                                        Value::Null),
    ];
    for (mut house, name) in houses {
        for face in house.actuators.values_mut() {
            face.queue = 8;
        }
        let mut room = Room::with(house, Rules::default());
        let unread = room.posts_as("soar-1", Some("x"), "{".to_owned());
        assert_eq!((from(&unread), unread.reply().0), (name.clone(), 400), "unreadable text");
        let unknown = room.posts(&nobody);
        assert_eq!((from(&unknown), unknown.reply().0), (name.clone(), 404), "for nobody here");

        let mut inbound = room.inbound("all", message("r-3", &set_light()).to_string());
        let identity = Some("soar-1".to_owned());
        inbound.caller = Some(Caller { identity, will_not_wait: true, ..Caller::default() });
        let begun = room.takes(inbound);
        assert_eq!((from(&begun), begun.reply().0), (name.clone(), 102), "a 202");

        room.posts(&two);
        let effects = room.dispatcher.give_up(super::Receipt(room.receipts), NOW);
        let given_up = room.see(effects);
        assert_eq!((from(&given_up), given_up.reply().0), (name, 503), "a wait that is over");
    }
}

/// A profile that is not built in has numbers in CBOR that only this house knows.
#[test]
fn an_answer_in_cbor_about_a_profile_of_ones_own_keeps_its_status() {
    const HEAT: &str = r#"{"info": {"package": "urn:example:x-heat:1.0"}, "types": [
        ["Actuator", "Choice", [], "", [[2100, "x-heat", "Specifiers", [], ""]]],
        ["Pairs", "Map", ["{1"], "", [[15, "set", "Set-Targets", ["[0", "]0"], ""]]],
        ["Set-Targets", "Enumerated", [], "", [[1, "x-heat:note", ""]]],
        ["Target", "Choice", [], "", [[1, "note", "String", [], ""]]],
        ["Specifiers", "Map", [], "", [[1, "room", "String", ["[0"], ""]]]]}"#;
    let mut house = house();
    house.library = Library::with(&[HEAT.into()], LowerCaseHex::default()).unwrap();
    house.actuators.insert("hall".to_owned(), face("x-heat", &[("set", &["x-heat:note"])]));
    house.consumers = Consumers::from_iter([Consumer {
        id: "home".to_owned(),
        actuators: vec!["hall".to_owned()],
        versions: vec![Version::V1_1],
        rate_limit: None,
    }]);
    let language = house.library.clone();
    let language = language.language(Version::V1_1);
    let mut room = Room::with(house, Rules::default());
    let query = json!({"action": "query", "target": {"features": ["pairs"]}});
    let query = to(&["home"], message("r", &query)).to_string();
    let query = wire::from_json(query.as_bytes(), language).unwrap();
    let mut inbound = room.inbound("all", query);
    inbound.declared.encoding = Some("cbor".to_owned());
    inbound.declared.is_utf8 = None;
    inbound.caller = Some(Caller {
        identity: Some("soar-1".to_owned()),
        request_id: None,
        hops: 0,
        withdraws: None,
        will_not_wait: false,
        will_wait: false,
    });
    let seen = room.takes(inbound);
    assert_eq!(seen.replies[0].status, Status::Ok);
    let payload = seen.replies[0].payload.as_ref().unwrap();
    let shown = wire::shown_by(payload, &[language]).unwrap();
    let pairs = &shown["body"]["openc2"]["response"]["results"]["pairs"];
    assert_eq!(pairs["set"], json!(["x-heat:note"]));
}
