//! Stories of the quiet room: inputs on the left, effects on the right.

mod absent;
mod cancel;
mod features;
mod force;
mod late;
mod posts;
mod reasons;
mod recorded;
mod replays;
mod routes;
mod shapes;
mod time;
mod versions;
mod withdraw;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::openc2::{Pairs, Response, Results, Status, TargetName};

const NOW: u64 = 1_700_000_000_000;

/// A quiet room, the journal's memory of keys, and everything that was recorded.
struct Room {
    dispatcher: Dispatcher,
    memory: HashMap<Key, Known>,
    records: Vec<Record>,
    now_ms: u64,
    receipts: u64,
}

impl Room {
    fn new() -> Self {
        Self::with(house(), Rules::default())
    }

    fn with(house: House, rules: Rules) -> Self {
        Self {
            dispatcher: Dispatcher::new(house, rules, Ticket(0), OutboxId(0)),
            memory: HashMap::new(),
            records: Vec::new(),
            now_ms: NOW,
            receipts: 0,
        }
    }

    fn inbound(&mut self, topic: &str, payload: impl Into<Bytes>) -> Inbound {
        self.receipts += 1;
        Inbound {
            receipt: Receipt(self.receipts),
            address: address(topic),
            payload: payload.into(),
            declared: properties(),
            retained: false,
            received_ms: self.now_ms,
            caller: None,
        }
    }

    fn takes(&mut self, inbound: Inbound) -> Seen {
        let (receipt, is_posted) = (inbound.receipt, inbound.caller.is_some());
        let mut opened = self.dispatcher.open(inbound);
        if let Some((producer, name)) = self.dispatcher.may_follow(&opened) {
            let found = recorded::called(&self.records, &producer, &name);
            opened = self.dispatcher.follow(opened, found);
        }
        self.dispatcher.before_recall();
        let known: Vec<_> = opened.keys().iter().map(|key| self.memory.get(key).cloned()).collect();
        let named: Vec<_> = match opened.number() {
            Some(ticket) => vec![recorded::numbered(&self.records, ticket)],
            None => {
                opened.names().iter().map(|name| recorded::named(&self.records, name)).collect()
            }
        };
        let effects = self.dispatcher.admit(opened, &known, &named);
        let is_acknowledged = effects.contains(&Effect::Acknowledge(receipt));
        assert_ne!(is_acknowledged, is_posted, "a PUBLISH is acknowledged: {effects:?}");
        self.see(effects)
    }

    fn hears(&mut self, topic: &str, message: &Value) -> Seen {
        let inbound = self.inbound(topic, message.to_string());
        self.takes(inbound)
    }

    fn ends(&mut self, ticket: Ticket, response: Response) -> Seen {
        let effects = self
            .dispatcher
            .report(Report::Outcome { ticket, outcome: response.into() }, self.now_ms);
        self.see(effects)
    }

    /// Keeps what the journal would keep, and checks the order of effects.
    fn see(&mut self, effects: Vec<Effect>) -> Seen {
        let mut seen = Seen::default();
        let mut last_rank = 0;
        for effect in effects {
            let rank = match &effect {
                Effect::Record(_) => 0,
                Effect::Acknowledge(_) => 1,
                Effect::Start(_)
                | Effect::Cancel(_)
                | Effect::Respond(_)
                | Effect::Reply(_)
                | Effect::Log(_)
                | Effect::Alarm(_) => 2,
            };
            assert!(rank >= last_rank, "recorded, acknowledged, started: in this order");
            last_rank = rank;
            match effect {
                Effect::Record(records) => seen.records = records,
                Effect::Start(work) => seen.starts.push(*work),
                Effect::Respond(outgoing) => {
                    shapes::assert_valid(&self.dispatcher.house, &outgoing.payload);
                    seen.responses.push(outgoing);
                }
                Effect::Reply(reply) => {
                    if let Some(payload) = &reply.payload {
                        shapes::assert_valid(&self.dispatcher.house, payload);
                    }
                    seen.replies.push(*reply);
                }
                Effect::Log(line) => seen.lines.push(*line),
                Effect::Alarm(alarm) => seen.alarms.push(alarm),
                Effect::Cancel(ticket) => seen.cancels.push(ticket),
                Effect::Acknowledge(_) => {}
            }
        }
        self.remember(&seen.records);
        assert!(self.dispatcher.counters().balance(), "{:?}", self.dispatcher.counters());
        seen
    }

    fn remember(&mut self, records: &[Record]) {
        self.records.extend_from_slice(records);
        for Record { ticket, event, .. } in records {
            match event {
                Event::Accepted(accepted) => {
                    if let Some(key) = &accepted.key {
                        let known = Known {
                            ticket: *ticket,
                            digest: accepted.digest,
                            response: None,
                            ended: false,
                        };
                        let before = self.memory.insert(key.clone(), known);
                        assert_eq!(before, None, "a key has one owner");
                    }
                }
                Event::Progress { response } => {
                    for known in self.memory.values_mut().filter(|known| known.ticket == *ticket) {
                        known.response = Some(response.payload.clone());
                    }
                }
                Event::Outcome(concluded) if concluded.remembered => {
                    for known in self.memory.values_mut().filter(|known| known.ticket == *ticket) {
                        known.ended = true;
                        if let Some(response) = &concluded.response {
                            known.response = Some(response.payload.clone());
                        }
                    }
                }
                Event::Outcome(_) => self.memory.retain(|_, known| known.ticket != *ticket),
                Event::Started
                | Event::Resolved { .. }
                | Event::Cancelled
                | Event::Answered { .. }
                | Event::Heard(_)
                | Event::Overdue { .. }
                | Event::Stopped { .. } => {}
            }
        }
    }

    /// The bridge stops and starts again, with what the journal holds.
    fn restarts(&mut self, house: House) -> Seen {
        let (begun, waiting) = recorded::recovered(&self.records);
        let last = self.dispatcher.last_ticket;
        let last_outbox = self.dispatcher.last_outbox;
        self.dispatcher = Dispatcher::new(house, self.dispatcher.rules, last, last_outbox);
        let effects = self.dispatcher.recover(begun, waiting, self.now_ms);
        let mut seen = self.see(effects);
        seen.add(self.keeps_time());
        seen
    }

    /// The clock says so much now.
    fn at(&mut self, now_ms: u64) -> Seen {
        self.now_ms = now_ms;
        self.keeps_time()
    }

    /// Sees to what is due, as the daemon does.
    fn keeps_time(&mut self) -> Seen {
        let mut seen = Seen::default();
        loop {
            while let Some(after) = self.dispatcher.wants_page() {
                self.dispatcher.page(recorded::due(&self.records, after, 3));
            }
            let is_due = self.dispatcher.next_due_ms().is_some_and(|due_ms| due_ms <= self.now_ms);
            if is_due {
                let effects = self.dispatcher.tick(self.now_ms);
                seen.add(self.see(effects));
            }
            let wanted = self.dispatcher.wanted();
            if wanted.is_empty() && !is_due {
                return seen;
            }
            let found = recorded::unfinished(&self.records, &wanted);
            let effects = self.dispatcher.fetched(found, self.now_ms);
            seen.add(self.see(effects));
        }
    }
}

/// Effects, by kind.
#[derive(Debug, Default)]
struct Seen {
    records: Vec<Record>,
    starts: Vec<Work>,
    responses: Vec<Outgoing>,
    replies: Vec<Reply>,
    lines: Vec<LogLine>,
    alarms: Vec<Alarm>,
    cancels: Vec<Ticket>,
}

impl Seen {
    fn add(&mut self, more: Self) {
        let Self { records, starts, responses, replies, lines, alarms, cancels } = more;
        self.cancels.extend(cancels);
        self.replies.extend(replies);
        self.records.extend(records);
        self.starts.extend(starts);
        self.responses.extend(responses);
        self.lines.extend(lines);
        self.alarms.extend(alarms);
    }

    /// The one response: its status, and the whole message.
    fn answer(&self) -> (u64, Value) {
        assert_eq!(self.responses.len(), 1, "{self:?}");
        let message: Value = serde_json::from_slice(&self.responses[0].payload).unwrap();
        (message["body"]["openc2"]["response"]["status"].as_u64().unwrap(), message)
    }

    fn text(&self) -> String {
        let (_, message) = self.answer();
        message["body"]["openc2"]["response"]["status_text"].as_str().unwrap_or_default().to_owned()
    }

    fn is_silent(&self) -> bool {
        self.responses.is_empty() && self.starts.is_empty()
    }
}

fn address(topic: &str) -> Address {
    match topic.split_once('/') {
        Some(("ap", profile)) => Address::Profile(profile.to_owned()),
        Some(("device", id)) => Address::Device(id.to_owned()),
        _ => Address::All,
    }
}

fn properties() -> Declared {
    Declared {
        content_type: Some("application/openc2".to_owned()),
        msg_type: Some("req".to_owned()),
        encoding: Some("json".to_owned()),
        is_utf8: Some(true),
        has_response_topic: false,
        ..Declared::default()
    }
}

fn pairs(list: &[(&str, &[&str])]) -> Pairs {
    list.iter()
        .map(|(action, targets)| {
            let targets = targets.iter().map(|name| name.parse::<TargetName>().unwrap()).collect();
            (action.parse().unwrap(), targets)
        })
        .collect()
}

fn face(profile: &str, list: &[(&str, &[&str])]) -> ActuatorFace {
    ActuatorFace {
        profile: profile.to_owned(),
        pairs: pairs(list),
        specifiers: Members::new(),
        idempotent: false,
        concurrency: 1,
        queue: 1,
        stops: Pairs::new(),
        probes: Pairs::new(),
        cancels: Pairs::new(),
        enforces_time: false,
    }
}

use crate::language::{Library, Version};
use crate::openc2::Members;

/// Two consumers: a gateway with three actuators, and a lamp.
fn house() -> House {
    let mut wall = face("slpf", &[("deny", &["ipv4_net", "slpf:rule_number"])]);
    wall.specifiers.insert("asset_id".to_owned(), json!("30"));
    let probe = face("x-probe", &[("query", &["properties"]), ("deny", &["ipv4_net"])]);
    let lamp = face("x-iot", &[("set", &["x-iot:light"]), ("query", &["properties"])]);
    House {
        consumers: Consumers::from_iter([
            Consumer {
                id: "gateway-1".to_owned(),
                actuators: vec!["wall".to_owned(), "probe".to_owned(), "lamp".to_owned()],
                versions: vec![Version::V1_1],
                rate_limit: None,
            },
            Consumer {
                id: "lamp-2".to_owned(),
                actuators: vec!["lamp".to_owned()],
                versions: vec![Version::V1_1],
                rate_limit: NonZeroU32::new(2),
            },
        ]),
        actuators: BTreeMap::from([
            ("wall".to_owned(), wall),
            ("probe".to_owned(), probe),
            ("lamp".to_owned(), lamp),
        ]),
        routes: Vec::new(),
        producer: None,
        library: Library::built_in(),
    }
}

/// A whole message with this command in it.
fn message(request_id: &str, command: &Value) -> Value {
    json!({
        "headers": {"request_id": request_id, "created": NOW, "from": "soar-1"},
        "body": {"openc2": {"request": command}}
    })
}

fn deny() -> Value {
    json!({"action": "deny", "target": {"ipv4_net": "192.0.2.0/24"}})
}

fn deny_and(args: &Value) -> Value {
    json!({"action": "deny", "target": {"ipv4_net": "192.0.2.0/24"}, "args": args})
}

fn ok() -> Response {
    Response::new(Status::Ok)
}

/// L11-3.2-3, MQTT-3.2-8: the response carries the command's id and the consumer's identity.
#[test]
fn a_command_is_recorded_and_started_then_its_outcome_is_recorded_and_answered() {
    let mut room = Room::new();

    let seen = room.hears("device/gateway-1", &message("r-1", &deny()));
    assert!(matches!(seen.records[0].event, Event::Accepted(_)));
    assert_eq!(seen.records[1].event, Event::Started);
    assert_eq!(seen.starts[0].actuator, "wall");
    assert!(seen.responses.is_empty());

    let seen = room.ends(seen.starts[0].ticket, ok());
    assert!(matches!(seen.records[0].event, Event::Outcome(_)));
    let (status, answer) = seen.answer();
    assert_eq!(status, 200);
    assert_eq!(answer["headers"]["request_id"], "r-1");
    assert_eq!(answer["headers"]["from"], "gateway-1");
    assert_eq!(answer["headers"]["to"], json!(["soar-1"]));
    assert_eq!(seen.responses[0].producer.as_deref(), Some("soar-1"));
}

#[test]
fn the_actuator_is_the_named_one_else_the_topics_else_the_targets_else_the_first() {
    let net = json!({"ipv4_net": "192.0.2.0/24"});
    let properties = json!({"properties": ["x"]});
    #[rustfmt::skip]
    let cases = [
        // topic              command                                                                     actuator
        ("device/gateway-1", json!({"action": "deny", "target": net}),                                   "wall"),
        ("device/gateway-1", json!({"action": "deny", "target": net, "actuator": {"x-probe": {}}}),      "probe"),
        ("ap/x-probe",       json!({"action": "deny", "target": net}),                                   "probe"),
        ("device/gateway-1", json!({"action": "set", "target": {"x-iot:light": {"state": "on"}}}),       "lamp"),
        ("device/gateway-1", json!({"action": "query", "target": properties}),                           "probe"),
        ("device/lamp-2",    json!({"action": "query", "target": properties}),                           "lamp"),
        ("device/gateway-1", json!({"action": "deny", "target": net, "actuator": {"slpf": {"asset_id": "30"}}}), "wall"),
    ];
    for (topic, command, actuator) in cases {
        let seen = Room::new().hears(topic, &message("r", &command));
        assert_eq!(seen.starts.len(), 1, "{topic} {command}: {seen:?}");
        assert_eq!(seen.starts[0].actuator, actuator, "{topic} {command}");
    }
}

/// L11-3.3.1.1-1, L11-3.3.1.2-1, L11-3.3.1-2, L11-3.3.1.4-1, L11-3.1.4-1, L11-5.4-2.
#[test]
fn what_cannot_be_carried_out_is_refused_with_a_reason() {
    let net = json!({"ipv4_net": "192.0.2.0/24"});
    #[rustfmt::skip]
    let cases = [
        // command                                                                             status  the text says
        (json!({"action": "zap", "target": net}),                                              400, "/action"),
        (json!({"action": "deny"}),                                                            400, "target"),
        (json!({"action": "deny", "target": {"uri": "http://a.example", "ipv4_net": "192.0.2.1"}}), 400, "/target"),
        (json!({"action": "deny", "target": {"ipv4_net": "192.0.2.300"}}),                     400, "/target/ipv4_net"),
        (json!({"action": "deny", "target": net, "args": {}}),                                 400, "/args"),
        (json!({"action": "deny", "target": net, "args": {"start_time": 1, "stop_time": 3, "duration": 2}}), 400, "/args"),
        (json!({"action": "deny", "target": net, "args": {"stop_time": NOW - 1}}),             400, "has passed"),
        (json!({"action": "deny", "target": net, "args": {"start_time": NOW + 9, "stop_time": NOW + 5}}), 400, "before it begins"),
        (json!({"action": "deny", "target": net, "args": {"start_time": NOW + 1, "duration": 5}}), 501, "duration"),
        (json!({"action": "deny", "target": net, "args": {"duration": 5}}),                    501, "duration"),
        (json!({"action": "deny", "target": net, "args": {"stop_time": NOW + 1}}),             501, "stop_time"),
        (json!({"action": "deny", "target": net, "args": {"x-other": {"a": 1}}}),              501, "x-other"),
        (json!({"action": "delete", "target": net}),                                           501, "delete ipv4_net"),
        (json!({"action": "deny", "target": {"x-none:thing": 1}}),                             501, "x-none:thing"),
        (json!({"action": "deny", "target": net, "actuator": {"x-none": {}}}),                 501, "x-none"),
        (json!({"action": "deny", "target": net, "actuator": {"slpf": {"asset_id": "31"}}}),   404, "slpf"),
        (json!({"action": "set", "target": {"features": []}}),                                 501, "set features"),
    ];
    for (command, status, word) in cases {
        let mut room = Room::new();
        let seen = room.hears("device/gateway-1", &message("r", &command));
        assert_eq!(seen.answer().0, status, "{command}: {}", seen.text());
        assert!(seen.text().contains(word), "{command}: {:?} says nothing of {word}", seen.text());
        assert!(seen.starts.is_empty());
        assert_eq!(room.dispatcher.counters().refused, 1);
    }
}

#[test]
fn a_start_time_that_has_passed_is_now() {
    let command = deny_and(&json!({"start_time": NOW - 1}));
    let seen = Room::new().hears("device/gateway-1", &message("r", &command));
    assert_eq!(seen.starts.len(), 1);
}

#[test]
fn specifiers_that_match_nobody_are_silence_where_others_may_be_meant() {
    let command = json!({"action": "deny", "target": {"ipv4_net": "192.0.2.1"},
        "actuator": {"slpf": {"asset_id": "31"}}});
    for (topic, consumers) in [("ap/slpf", 1), ("all", 2)] {
        let mut room = Room::new();
        assert!(room.hears(topic, &message("r", &command)).is_silent(), "{topic}");
        assert_eq!(room.dispatcher.counters().dropped, consumers, "{topic}");
    }
}

/// L11-3.3.1.4-2, L11-3.3.1.4-3, L11-3.3.1.4-4, L11-3.3.1.4-5.
#[test]
fn the_producer_gets_the_responses_it_asked_for() {
    #[rustfmt::skip]
    let cases = [
        // asked       at the start   on progress   at the end
        ("none",       vec![],        vec![],       vec![]),
        ("ack",        vec![102],     vec![],       vec![]),
        ("status",     vec![102],     vec![102],    vec![200]),
        ("complete",   vec![],        vec![],       vec![200]),
    ];
    for (asked, at_start, on_progress, at_end) in cases {
        let mut room = Room::new();
        let command = deny_and(&json!({"response_requested": asked}));
        let seen = room.hears("device/gateway-1", &message("r", &command));
        assert_eq!(statuses(&seen), at_start, "{asked}, at the start");
        let ticket = seen.starts[0].ticket;
        let progress = Report::Progress { ticket, text: "half".to_owned() };
        let effects = room.dispatcher.report(progress, NOW + 5);
        let seen = room.see(effects);
        assert_eq!(statuses(&seen), on_progress, "{asked}, on progress");
        let seen = room.ends(ticket, ok());
        assert_eq!(statuses(&seen), at_end, "{asked}, at the end");
        let Event::Outcome(outcome) = &seen.records[0].event else { panic!("{seen:?}") };
        assert_eq!(outcome.status, Some(200), "what happened is recorded in any case");
    }
}

fn statuses(seen: &Seen) -> Vec<u64> {
    seen.responses
        .iter()
        .map(|outgoing| {
            let message: Value = serde_json::from_slice(&outgoing.payload).unwrap();
            message["body"]["openc2"]["response"]["status"].as_u64().unwrap()
        })
        .collect()
}

#[test]
fn progress_is_passed_on_once_a_second() {
    let mut room = Room::new();
    let command = deny_and(&json!({"response_requested": "status"}));
    let ticket = room.hears("device/gateway-1", &message("r", &command)).starts[0].ticket;
    let told: Vec<usize> = [0, 400, 999, 1_000, 1_500, 2_000]
        .into_iter()
        .map(|after| {
            let progress = Report::Progress { ticket, text: "…".to_owned() };
            let effects = room.dispatcher.report(progress, NOW + after);
            room.see(effects).responses.len()
        })
        .collect();
    assert_eq!(told, [1, 0, 0, 1, 0, 1]);
}

/// L11-3.3.1.4-2: silence, also for what is wrong.
#[test]
fn who_asked_for_no_response_gets_none_not_even_a_refusal() {
    let none = json!({"response_requested": "none"});
    #[rustfmt::skip]
    let cases = [
        message("r", &json!({"action": "delete", "target": {"ipv4_net": "192.0.2.1"}, "args": none})),
        message("r", &json!({"action": "zap", "target": {"ipv4_net": "192.0.2.1"}, "args": none})),
        message("r", &json!({"action": "query", "target": {"features": []}, "args": none})),
        json!({"headers": {"from": "soar-1"}, "body": {"openc2": {"request":
            {"action": "delete", "target": {"ipv4_net": "192.0.2.1"}, "args": none}}}}),
        json!({"body": {"openc2": {"request":
            {"action": "delete", "target": {"ipv4_net": "192.0.2.1"}, "args": none}}}}),
    ];
    for case in cases {
        let mut room = Room::new();
        let seen = room.hears("device/gateway-1", &case);
        assert!(seen.is_silent(), "{case}: {seen:?}");
        assert_eq!(room.dispatcher.counters().silent, 1, "{case}");
        assert!(!seen.records.is_empty(), "it is recorded all the same");
    }
}

/// L11-4.1-1 to L11-4.1-6.
#[test]
fn query_features_is_answered_here() {
    #[rustfmt::skip]
    let cases = [
        // features                          consumer      results
        (json!([]),                          "gateway-1", Value::Null),
        (json!(["versions"]),                "gateway-1", json!({"versions": ["1.1"]})),
        (json!(["profiles"]),                "gateway-1", json!({"profiles": ["slpf", "x-probe", "x-iot"]})),
        (json!(["rate_limit"]),              "lamp-2",    json!({"rate_limit": 2})),
        (json!(["rate_limit"]),              "gateway-1", Value::Null),
        (json!(["versions", "versions"]),    "lamp-2",    json!({"versions": ["1.1"]})),
        (json!(["pairs"]),                   "lamp-2",    json!({"pairs": {
            "query": ["command", "features", "properties"], "cancel": ["command"],
            "set": ["x-iot:light"]}})),
    ];
    for (features, consumer, results) in cases {
        let mut room = Room::new();
        let command = json!({"action": "query", "target": {"features": features}});
        let seen = room.hears(&format!("device/{consumer}"), &message("r", &command));
        let (status, answer) = seen.answer();
        assert_eq!(status, 200, "{features}");
        assert_eq!(answer["body"]["openc2"]["response"]["results"], results, "{features}");
        assert_eq!(room.dispatcher.counters().answered, 1);
    }
}

/// L11-4.1-2.
#[test]
fn query_features_takes_no_other_argument() {
    #[rustfmt::skip]
    let cases = [
        (json!({"response_requested": "complete"}), 200),
        (json!({"response_requested": "ack"}),      400),
        (json!({"response_requested": "status"}),   400),
        (json!({"start_time": 5}),                  400),
        (json!({"duration": 5}),                    400),
        (json!({"slpf": {"a": 1}}),                 400),
    ];
    for (args, status) in cases {
        let command = json!({"action": "query", "target": {"features": []}, "args": args});
        let seen = Room::new().hears("device/gateway-1", &message("r", &command));
        assert_eq!(seen.answer().0, status, "{args}");
    }
}

/// L11-4.1-5: `pairs` says exactly what is accepted.
#[test]
fn what_pairs_says_is_what_is_accepted() {
    let mut room = Room::new();
    let command = json!({"action": "query", "target": {"features": ["pairs"]}});
    let (_, answer) = room.hears("device/gateway-1", &message("r", &command)).answer();
    let listed = answer["body"]["openc2"]["response"]["results"]["pairs"].clone();
    let targets = [
        json!({"ipv4_net": "192.0.2.1"}),
        json!({"uri": "http://a.example"}),
        json!({"properties": ["a"]}),
        json!({"x-iot:light": {"state": "on"}}),
        json!({"slpf:rule_number": 7}),
        json!({"device": {"hostname": "h"}}),
    ];
    for action in crate::openc2::Action::ALL {
        for target in &targets {
            let name = target.as_object().unwrap().keys().next().unwrap();
            let is_listed = listed[action.as_str()]
                .as_array()
                .is_some_and(|targets| targets.iter().any(|target| target == name));
            let command = json!({"action": action.as_str(), "target": target});
            let seen = Room::new().hears("device/gateway-1", &message("r", &command));
            assert_eq!(seen.starts.len(), usize::from(is_listed), "{action} {name}");
        }
    }
}

/// MQTT-2.5-1.
#[test]
fn a_repetition_acts_once_and_is_answered_again_with_the_same_bytes() {
    let mut room = Room::new();
    let command = message("r-1", &deny());
    let ticket = room.hears("device/gateway-1", &command).starts[0].ticket;

    let again = room.hears("device/gateway-1", &command);
    assert!(again.is_silent(), "still under way: {again:?}");

    let first = room.ends(ticket, ok()).responses.remove(0);
    let again = room.hears("device/gateway-1", &command);
    assert!(again.starts.is_empty());
    assert_eq!(again.responses[0].payload, first.payload);
    assert_ne!(again.responses[0].id, first.id, "it has a place of its own in the outbox");
    assert_eq!(room.dispatcher.counters().repeated, 2);

    // The order of members and white space are not content.
    let reordered = r#"{"body":{"openc2":{"request":{"target":{"ipv4_net":"192.0.2.0/24"},
        "action":"deny"}}},"headers":{"from":"soar-1","request_id":"r-1"}}"#;
    let inbound = room.inbound("ap/slpf", reordered);
    let again = room.takes(inbound);
    assert_eq!(again.responses[0].payload, first.payload);
}

#[test]
fn the_same_id_with_another_content_is_refused_and_the_first_stays() {
    let mut room = Room::new();
    let ticket = room.hears("device/gateway-1", &message("r-1", &deny())).starts[0].ticket;
    let other = json!({"action": "deny", "target": {"ipv4_net": "198.51.100.0/24"}});
    let seen = room.hears("device/gateway-1", &message("r-1", &other));
    assert_eq!(seen.answer().0, 400);
    let first = room.ends(ticket, ok()).responses.remove(0);
    let again = room.hears("device/gateway-1", &message("r-1", &deny()));
    assert_eq!(again.responses[0].payload, first.payload);
}

#[test]
fn two_of_the_same_in_one_batch_act_once() {
    let command = message("r-1", &deny()).to_string();
    let features = message("f-1", &json!({"action": "query", "target": {"features": []}}));
    let mut room = Room::new();
    for (payload, starts) in [(command, 1), (features.to_string(), 0)] {
        let one = room.inbound("device/gateway-1", payload.clone());
        let two = room.inbound("device/gateway-1", payload);
        let (one, two) = (room.dispatcher.open(one), room.dispatcher.open(two));
        room.dispatcher.before_recall();
        let first = room.dispatcher.admit(one, &[None], &[]);
        let second = room.dispatcher.admit(two, &[None], &[]);
        assert_eq!(room.see(first).starts.len(), starts);
        assert!(room.see(second).starts.is_empty());
    }
    assert_eq!(room.dispatcher.counters().repeated, 2);
}

#[test]
fn a_command_without_an_id_is_known_by_its_bytes() {
    let mut room = Room::new();
    let command = json!({"headers": {"from": "soar-1", "created": NOW}, "body": {"openc2": {"request":
        deny_and(&json!({"response_requested": "none"}))}}});
    assert_eq!(room.hears("device/gateway-1", &command).starts.len(), 1);
    assert!(room.hears("device/gateway-1", &command).starts.is_empty(), "delivered again");
    let mut later = command.clone();
    later["headers"]["created"] = json!(NOW + 1);
    room.dispatcher.report(Report::Outcome { ticket: Ticket(1), outcome: ok().into() }, NOW);
    assert_eq!(room.hears("device/gateway-1", &later).starts.len(), 1, "sent anew");
}

/// L11-3.2-1; the row "`request_id` or `from` missing" goes to the shared topic.
#[test]
fn who_cannot_be_found_again_is_answered_on_the_shared_topic() {
    let request = json!({"openc2": {"request": deny()}});
    #[rustfmt::skip]
    let cases = [
        (json!({"headers": {"from": "soar-1"}, "body": request}),                    "request_id"),
        (json!({"headers": {"request_id": "r"}, "body": request}),                   "from"),
        (json!({"body": request}),                                                   "from"),
        (json!({"headers": {"request_id": "r", "from": "a/b"}, "body": {"openc2": {"request":
            {"action": "delete", "target": {"uri": "http://a.example"}}}}}),         "delete"),
    ];
    for (message, word) in cases {
        let seen = Room::new().hears("device/gateway-1", &message);
        assert!(seen.text().contains(word), "{message}: {}", seen.text());
        assert_eq!(seen.responses[0].producer, None, "{message}");
    }
}

/// MQTT-2.4-1.
#[test]
fn to_is_a_filter() {
    #[rustfmt::skip]
    let cases = [
        (json!([]),                        vec!["gateway-1", "lamp-2"]),
        (json!(["lamp-2"]),                vec!["lamp-2"]),
        (json!(["lamp-2", "elsewhere"]),   vec!["lamp-2"]),
        (json!(["elsewhere"]),             vec![]),
    ];
    for (to, consumers) in cases {
        let mut room = Room::new();
        let mut command = message("r", &json!({"action": "query", "target": {"features": []}}));
        command["headers"]["to"] = to.clone();
        let seen = room.hears("all", &command);
        let from: Vec<String> = seen
            .responses
            .iter()
            .map(|outgoing| {
                let message: Value = serde_json::from_slice(&outgoing.payload).unwrap();
                message["headers"]["from"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(from, consumers, "{to}");
        let counters = room.dispatcher.counters();
        assert_eq!(counters.deliveries, 1);
        assert_eq!(counters.received, consumers.len().max(1) as u64);
    }
}

/// MQTT-3.2-5, MQTT-3.2-6, MQTT-3.2-7: properties and payload agree, or nothing is answered.
#[test]
fn what_contradicts_itself_is_dropped_without_an_answer() {
    type Change = fn(&mut Inbound);
    let response = json!({"headers": {"request_id": "r", "from": "x"},
        "body": {"openc2": {"response": {"status": 200}}}});
    let notification = json!({"headers": {"from": "x"},
        "body": {"openc2": {"notification": {"x-a": {"b": 1}}}}});
    let command = message("r", &deny());
    let cases: [(&str, &Value, Change); 9] = [
        ("retained", &command, |inbound| inbound.retained = true),
        ("a response", &response, |_| {}),
        ("a notification", &notification, |_| {}),
        ("msgType rsp", &command, |inbound| inbound.declared.msg_type = Some("rsp".to_owned())),
        ("msgType?", &command, |inbound| inbound.declared.msg_type = Some("zap".to_owned())),
        ("encoding?", &command, |inbound| inbound.declared.encoding = Some("xml".to_owned())),
        ("cbor", &command, |inbound| inbound.declared.encoding = Some("cbor".to_owned())),
        ("type", &command, |inbound| inbound.declared.content_type = Some("text/html".to_owned())),
        ("a CBOR payload", &command, |inbound| inbound.payload = Bytes::from_static(&[0xa1, 0x61])),
    ];
    for (name, message, change) in cases {
        let mut room = Room::new();
        let mut inbound = room.inbound("device/gateway-1", message.to_string());
        change(&mut inbound);
        let seen = room.takes(inbound);
        assert!(seen.is_silent(), "{name}: {seen:?}");
        assert_eq!(room.dispatcher.counters().dropped, 1, "{name}");
        assert!(!seen.records.is_empty(), "{name} is recorded");
    }
}

/// A message that nobody may act on still addressed somebody: it is counted and kept for each.
#[test]
fn what_is_dropped_is_counted_and_kept_for_each_consumer_that_it_addressed() {
    for (topic, consumers) in [
        ("all", vec!["gateway-1", "lamp-2"]),
        ("device/lamp-2", vec!["lamp-2"]),
        ("ap/x", vec![""]),
    ] {
        let mut room = Room::new();
        let mut inbound = room.inbound(topic, message("r", &deny()).to_string());
        inbound.retained = true;
        inbound.declared = Declared::default();
        let seen = room.takes(inbound);
        let kept = seen.records.iter().filter_map(|record| match &record.event {
            Event::Accepted(accepted) => Some(accepted.consumer.as_str()),
            _ => None,
        });
        assert!(kept.eq(consumers.iter().copied()), "{topic}: {seen:?}");
        let counters = room.dispatcher.counters();
        let count = consumers.len() as u64;
        assert_eq!((counters.received, counters.dropped), (count, count), "{topic}");
        assert_eq!(counters.without_properties, count, "{topic}: of the received");
    }
}

#[test]
fn harmless_habits_are_accepted_and_counted() {
    type Change = fn(&mut Declared);
    let cases: [(&str, Change); 5] = [
        ("no properties", |declared| *declared = Declared::default()),
        ("request", |declared| declared.msg_type = Some("request".to_owned())),
        ("parameters", |declared| {
            declared.content_type = Some("application/openc2+json;version=1.0".to_owned());
        }),
        ("response topic", |declared| declared.has_response_topic = true),
        ("no content type", |declared| declared.content_type = None),
    ];
    for (name, change) in cases {
        let mut room = Room::new();
        let mut inbound = room.inbound("device/gateway-1", message("r", &deny()).to_string());
        change(&mut inbound.declared);
        assert_eq!(room.takes(inbound).starts.len(), 1, "{name}");
        let counters = room.dispatcher.counters();
        let counted = counters.tolerated + counters.without_properties;
        assert_eq!(counted, u64::from(name != "no content type"), "{name}");
    }
}

/// The examples of the MQTT specification have `created` in seconds.
#[test]
fn a_created_that_makes_sense_only_in_seconds_is_counted() {
    let mut room = Room::new();
    let mut command = message("r", &deny());
    command["headers"]["created"] = json!(NOW / 1000);
    assert_eq!(room.hears("device/gateway-1", &command).starts.len(), 1);
    assert_eq!(room.dispatcher.counters().tolerated, 1);
}

#[test]
fn without_properties_can_be_refused() {
    let rules = Rules { accept_without_properties: false, ..Rules::default() };
    let mut room = Room::with(house(), rules);
    let mut inbound = room.inbound("device/gateway-1", message("r", &deny()).to_string());
    inbound.declared = Declared::default();
    assert!(room.takes(inbound).is_silent());
}

/// L11-5.4-2.
#[test]
fn broken_bytes_are_answered_where_the_sender_was_seen_before_the_fault() {
    let head = r#"{"headers":{"request_id":"r","from":"soar-1"},"body":"#;
    #[rustfmt::skip]
    let cases = [
        // payload                                                  answered
        (format!("{head}{{\"openc2\":"),                            true),
        (format!("{head}{{\"a\":1,\"a\":2}}}}"),                    true),
        (format!("{head}\"\\ud800\"}}"),                            true),
        (format!("{head}{}}}", "[".repeat(40)),                     true),
        ("{\"body\":{\"openc2\":".to_owned(),                       false),
        ("hello".to_owned(),                                        false),
        (String::new(),                                             false),
    ];
    for (payload, is_answered) in cases {
        let mut room = Room::new();
        let inbound = room.inbound("device/gateway-1", payload.clone());
        let seen = room.takes(inbound);
        assert_eq!(seen.responses.len(), usize::from(is_answered), "{payload:?}: {seen:?}");
        if is_answered {
            assert_eq!(seen.answer().0, 400, "{payload:?}");
        } else {
            assert!(seen.records.is_empty(), "nothing was read from {payload:?}: not journalled");
            assert_eq!(room.dispatcher.counters().unread, 1);
        }
    }
}

#[test]
fn a_rate_limit_is_kept_and_a_repetition_is_judged_afresh() {
    let mut room = Room::new();
    let ask = |id: &str| message(id, &json!({"action": "query", "target": {"features": []}}));
    assert_eq!(room.hears("device/lamp-2", &ask("1")).answer().0, 200);
    assert_eq!(room.hears("device/lamp-2", &ask("2")).answer().0, 200);
    assert_eq!(room.hears("device/lamp-2", &ask("3")).answer().0, 503);
    room.now_ms += 60_000;
    assert_eq!(room.hears("device/lamp-2", &ask("3")).answer().0, 200, "503 is not remembered");
}

#[test]
fn a_full_queue_is_503_and_disturbs_no_other_actuator() {
    let mut room = Room::new();
    let running = room.hears("device/gateway-1", &message("1", &deny()));
    let waiting = room.hears("device/gateway-1", &message("2", &deny()));
    assert!(waiting.is_silent(), "one waits: {waiting:?}");
    assert_eq!(room.hears("device/gateway-1", &message("3", &deny())).answer().0, 503);
    let lamp = json!({"action": "set", "target": {"x-iot:light": {"state": "on"}}});
    assert_eq!(room.hears("device/lamp-2", &message("4", &lamp)).starts.len(), 1);

    let seen = room.ends(running.starts[0].ticket, ok());
    assert_eq!(seen.starts[0].request_id, "2", "the one that waited begins");
    assert_eq!(seen.records.last().unwrap().event, Event::Started);
    assert!(room.hears("device/gateway-1", &message("3", &deny())).is_silent(), "now it waits");
}

#[test]
fn an_argument_that_the_profile_does_not_have_is_refused() {
    // The schema of x-iot has no Args.
    let mut lamp = json!({"action": "set", "target": {"x-iot:light": {"state": "on"}}});
    lamp["args"] = json!({"x-iot": {"colour": "red"}});
    let seen = Room::new().hears("device/lamp-2", &message("r", &lamp));
    assert_eq!(seen.answer().0, 501);
    assert!(seen.starts.is_empty());
}

#[test]
fn a_signature_is_kept_as_unverified_or_refused() {
    let mut signed = message("r", &deny());
    signed["signature"] = json!("e30..AA");
    let mut room = Room::new();
    let seen = room.hears("device/gateway-1", &signed);
    let Event::Accepted(accepted) = &seen.records[0].event else { panic!("{seen:?}") };
    assert!(accepted.unverified_signature);
    assert_eq!(room.dispatcher.counters().unverified_signatures, 1);
    let seen = room.ends(seen.starts[0].ticket, Response::new(Status::Ok));
    assert!(seen.lines[0].unverified_signature, "its line in the log says so");

    let trust = TrustConfig { signatures: crate::trust::UnverifiedSignatures::Refuse };
    let mut room = Room::with(house(), Rules { trust, ..Rules::default() });
    assert_eq!(room.hears("device/gateway-1", &signed).answer().0, 401);
    assert_eq!(room.hears("device/gateway-1", &message("s", &deny())).starts.len(), 1);
}

/// L11-3.3.1-1.
#[test]
fn the_request_id_serves_as_command_id_where_there_is_none() {
    let mut with_id = deny();
    with_id["command_id"] = json!("c-1");
    for (command, id) in [(deny(), "r"), (with_id, "c-1")] {
        let seen = Room::new().hears("device/gateway-1", &message("r", &command));
        assert_eq!(seen.starts[0].command_id, id);
    }
}

#[test]
fn after_a_crash_each_command_goes_on_by_what_was_recorded() {
    let idempotent = {
        let mut house = house();
        house.actuators.get_mut("wall").unwrap().idempotent = true;
        house
    };
    let mut without = house();
    without.actuators.remove("wall");

    // Started, and twice is as good as once: runs again.
    let mut room = Room::new();
    room.hears("device/gateway-1", &message("r", &deny()));
    let seen = room.restarts(idempotent);
    assert_eq!(seen.starts.len(), 1);
    assert_eq!(room.ends(seen.starts[0].ticket, ok()).answer().0, 200);

    // Started, and it must not run twice: in doubt.
    let mut room = Room::new();
    room.hears("device/gateway-1", &message("r", &deny()));
    let seen = room.restarts(house());
    assert!(seen.starts.is_empty());
    assert_eq!(seen.answer().0, 500);
    assert!(seen.text().contains("outcome is unknown"), "{}", seen.text());
    assert_eq!(seen.alarms, [Alarm::InDoubt { ticket: seen.records[0].ticket }]);
    let again = room.hears("device/gateway-1", &message("r", &deny()));
    assert_eq!(again.responses[0].payload, seen.responses[0].payload);

    // Waiting: begins, after the one before it.
    let mut room = Room::new();
    room.hears("device/gateway-1", &message("1", &deny()));
    room.hears("device/gateway-1", &message("2", &deny()));
    let seen = room.restarts(house());
    assert_eq!(seen.starts.iter().map(|work| work.request_id.as_str()).collect::<Vec<_>>(), ["2"]);

    // Its actuator is gone.
    let mut room = Room::new();
    room.hears("device/gateway-1", &message("1", &deny()));
    room.hears("device/gateway-1", &message("2", &deny()));
    let seen = room.restarts(without);
    assert_eq!(statuses(&seen), [500, 501]);
}

#[test]
fn once_closing_nothing_starts_and_what_waits_stays_recorded() {
    let mut room = Room::new();
    let running = room.hears("device/gateway-1", &message("1", &deny()));
    room.hears("device/gateway-1", &message("2", &deny()));
    room.dispatcher.close();
    let seen = room.ends(running.starts[0].ticket, ok());
    assert!(seen.starts.is_empty());
    let seen = room.restarts(house());
    assert_eq!(seen.starts[0].request_id, "2");
}

#[test]
fn an_actuator_that_ends_with_102_is_a_fault_of_the_actuator() {
    let mut room = Room::new();
    let ticket = room.hears("device/gateway-1", &message("r", &deny())).starts[0].ticket;
    assert_eq!(room.ends(ticket, Response::new(Status::Processing)).answer().0, 500);
}
