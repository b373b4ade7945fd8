//! What the log says of a reason, and what it leaves to those who ask for messages.

use serde_json::json;

use super::{NOW, Room, deny, deny_and, message, properties};
use crate::dispatch::{Declared, House, LogLine, Outcome, Reason, Report, Rules, Ticket};
use crate::openc2::{Response, Status};

/// A word of the sender's.
const CANARY: &str = "x-canary";

/// Whether the reason is there for every log, and in full.
fn told(line: &LogLine) -> (Option<&str>, &str) {
    let reason = line.reason.as_ref().expect("what was not carried out has a reason");
    (reason.unquoted(), reason.text())
}

fn declared_as(spoil: impl Fn(&mut Declared)) -> Declared {
    let mut declared = properties();
    spoil(&mut declared);
    declared
}

#[test]
fn a_reason_for_every_log_holds_no_word_of_the_sender() {
    let net = json!({"ipv4_net": "192.0.2.0/24"});
    #[rustfmt::skip]
    let commands = [
        // command                                                                        the log says
        (json!({"action": CANARY, "target": net}),                                        "expected Action (scan, "),
        (json!({"action": "deny", "target": {"ipv4_net": CANARY}}),                       "expected IPv4-Net, a range of addresses: "),
        (json!({"action": "deny", "target": {CANARY: 1}}),                                "no alternative of Target, expected one of the eighteen targets of OpenC2, or nsid:name "),
        (json!({"action": "deny", "target": {"uri": "urn:a:b", CANARY: 2}}),              "expected Target, an object with exactly one member"),
        (json!({"action": "deny", "target": {"file": {CANARY: 1}}}),                      "no field of File, which has name, path, hashes"),
        (json!({"action": "deny", "target": net, "args": {"start_time": CANARY}}),        "expected Date-Time, an integer from 0 to 9007199254740991"),
        (json!({"action": "deny", "target": net, "args": {CANARY: CANARY}}),              "expected start_time, "),
        (json!({"action": "deny", "target": net, "args": {CANARY: {"a": 1}}}),            "an argument namespace is not known to actuator \"wall\""),
        (json!({"action": "deny", "target": net, "actuator": {CANARY: {}}}),              "gateway-1 has no actuator of the profile that the command names"),
        (json!({"action": "deny", "target": net, "actuator": {"slpf": {"asset_id": CANARY}}}),   "no \"slpf\" actuator of gateway-1 answers to these specifiers"),
        (json!({"action": "delete", "target": net, "command_id": CANARY}),                "gateway-1 does not support delete ipv4_net"),
    ];
    let messages = commands.map(|(command, says)| (message("r", &command).to_string(), says));
    let mut broken = messages[0].0.clone();
    broken.truncate(broken.find("\"body\"").unwrap());
    let texts = [
        (format!("{broken}\"{CANARY}\": 1, \"{CANARY}\": 2}}"), "a member name stands there twice"),
        (format!("{broken}\"{CANARY}\": \"{CANARY}\\u0001\\ud800\"}}"), "half of a surrogate pair"),
        (format!("{broken}\"{CANARY}\": {CANARY}}}"), "expected a value"),
    ];
    for (text, says) in messages.into_iter().chain(texts) {
        let seen = {
            let mut room = Room::new();
            let inbound = room.inbound("device/gateway-1", text.clone());
            room.takes(inbound)
        };
        let (unquoted, full) = told(&seen.lines[0]);
        let unquoted = unquoted.expect("the bridge can say something itself");
        assert!(unquoted.contains(says), "{text}: {unquoted}");
        assert!(!unquoted.contains(CANARY), "{text}: {unquoted}");
        assert_eq!(full, seen.text(), "the producer gets all of it");
    }

    #[rustfmt::skip]
    let properties = [
        (declared_as(|it| it.content_type = Some(CANARY.to_owned())), "Content Type is not application/openc2"),
        (declared_as(|it| it.encoding = Some(CANARY.to_owned())),     "encoding is neither json nor cbor"),
        (declared_as(|it| it.msg_type = Some(CANARY.to_owned())),     "msgType is none of req, rsp and ntf"),
    ];
    for (declared, says) in properties {
        let mut room = Room::new();
        let text = message("r", &deny_and(&json!({"duration": 1}))).to_string();
        let mut inbound = room.inbound("device/gateway-1", text);
        inbound.declared = declared;
        let seen = room.takes(inbound);
        let (unquoted, full) = told(&seen.lines[0]);
        assert_eq!(unquoted, Some(says));
        assert!(full.contains(CANARY), "{full}");
    }
}

#[test]
fn what_an_actuator_said_is_its_own_and_what_the_bridge_says_of_it_is_not() {
    let its_own = Response::with_text(Status::InternalError, CANARY);
    let ours = Outcome::ours(Status::InternalError, "the outcome is unknown");
    let both = Outcome { response: its_own.clone(), reason: Some("it lied".to_owned()) };
    #[rustfmt::skip]
    let cases = [
        // outcome                                                          any log                         in full
        (Outcome::from(its_own),                                            Some((None,                           CANARY))),
        (ours,                                                              Some((Some("the outcome is unknown"), "the outcome is unknown"))),
        (both,                                                              Some((Some("it lied"),                CANARY))),
        (Response::with_text(Status::Ok, "what went well").into(),          None),
        (Response::new(Status::NotFound).into(),                            None),
        (Response::new(Status::Processing).into(),                          Some((Some(NO_OUTCOME),               NO_OUTCOME))),
    ];
    for (outcome, expected) in cases {
        let mut room = Room::new();
        room.hears("device/gateway-1", &message("r", &deny()));
        let effects = room.dispatcher.report(Report::Outcome { ticket: Ticket(1), outcome }, NOW);
        let seen = room.see(effects);
        let reason = seen.lines[0].reason.as_ref();
        assert_eq!(reason.map(|reason| (reason.unquoted(), reason.text())), expected);
    }
}

const NO_OUTCOME: &str = "the actuator ended the command with status 102, which is no outcome";

#[test]
fn a_reason_of_the_bridge_is_quoted_by_nobody() {
    let mut room = Room::with(House::default(), Rules::default());
    let seen = room.hears("all", &message("r", &deny()));
    let reason = Reason::Ours("no consumer here is addressed".to_owned());
    assert_eq!(seen.lines[0].reason, Some(reason));
}

#[test]
fn an_encoding_that_nobody_has_said_is_not_called_said() {
    let cases = [
        (properties(), "encoding says json, the payload is CBOR"),
        (
            Declared::default(),
            "no encoding is said, which stands for json, and the payload is CBOR",
        ),
    ];
    for (declared, says) in cases {
        let mut room = Room::new();
        let mut inbound = room.inbound("device/gateway-1", vec![0xa1, 0x61]);
        inbound.declared = declared;
        let seen = room.takes(inbound);
        assert_eq!(seen.lines[0].reason, Some(Reason::Ours(says.to_owned())));
    }
}

#[test]
fn a_property_that_says_two_things_says_nothing_to_act_on() {
    let mut room = Room::new();
    let mut inbound = room.inbound("device/gateway-1", message("r", &deny()).to_string());
    inbound.declared = declared_as(|it| it.twofold = Some("msgType"));
    let seen = room.takes(inbound);
    assert!(seen.is_silent());
    let reason = "msgType stands there twice and says different things".to_owned();
    assert_eq!(seen.lines[0].reason, Some(Reason::Ours(reason)));
    let sender = (seen.lines[0].producer.as_deref(), seen.lines[0].request_id.as_deref());
    assert_eq!(sender, (Some("soar-1"), Some("r")), "it can be found by who sent it");
}
