//! What a message that passes by means, and which belong together.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::output::{Screen, Style, escape_line, json_lines, status_style};
use super::units;
use crate::dispatch::Address;
use crate::language::Library;
use crate::mqtt::link::Delivery;
use crate::mqtt::topics::{self, TopicPrefix};
use crate::openc2::Content;
use crate::wire::{self, Encoding, Limits};

/// Commands that are remembered for their responses; the oldest goes first.
const COMMANDS_REMEMBERED: usize = 4096;

/// Longest `request_id` that is remembered, in bytes.
const REQUEST_ID_BYTES: usize = 256;

/// Longest name of a command or a producer that is remembered, in bytes.
const NAME_BYTES: usize = 256;

/// What a response answers that was no valid command.
const NOT_VALID: &str = "what is not valid";

/// A message that passed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Passing {
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Topic name.
    pub topic: String,
    /// The broker had kept it.
    pub retained: bool,
    /// `headers.from`.
    pub from: Option<String>,
    /// Whom it is for: `headers.to`, or what the topic says.
    pub to: Option<String>,
    /// `headers.request_id`.
    pub request_id: Option<String>,
    /// What it is.
    pub kind: PassingKind,
    /// The message; as a string where it is not JSON.
    pub message: Value,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq)]
pub enum PassingKind {
    /// `query features`, say.
    Request { command: String },
    /// An answer, and what it answers, if that was seen.
    Response { status: u64, text: Option<String>, answers: Option<Answered> },
    /// An event of these profiles.
    Notification { profiles: Vec<String> },
    /// No OpenC2 message, and why not.
    Unreadable { bytes: usize, fault: String },
}

/// The command that a response belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// `query features`, say.
    pub command: String,
    /// From the command to this response, as they passed here.
    pub after: Duration,
}

/// Remembers commands so that responses can be told which they answer.
#[derive(Debug, Default)]
pub struct Traffic {
    /// The schemas that messages are read by.
    library: Library,
    commands: HashMap<String, Seen>,
    /// In the order in which they came.
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    command: String,
    from: Option<String>,
}

impl Traffic {
    /// Reads messages by these schemas.
    pub fn read_by(library: Library) -> Self {
        Self { library, ..Self::default() }
    }

    /// Reads a message that came `at`.
    pub fn pass(
        &mut self,
        delivery: &Delivery,
        prefix: &TopicPrefix,
        at: Instant,
        at_ms: u64,
    ) -> Passing {
        let is_cbor =
            delivery.properties.user.contains(&("encoding".to_owned(), "cbor".to_owned()));
        let encoding = if is_cbor { Encoding::Cbor } else { Encoding::Json };
        let every = self.library.languages();
        let (kind, request_id, from, named) =
            match wire::read_by(&delivery.payload, encoding, Limits::default(), &every) {
                Ok(wire::Letter { message, .. }) => {
                    let headers = message.headers;
                    let kind = match message.content {
                        Content::Request(command) => PassingKind::Request {
                            command: format!("{} {}", command.action, command.target.name()),
                        },
                        Content::Response(response) => PassingKind::Response {
                            status: u64::from(response.status.code()),
                            text: response.status_text,
                            answers: None,
                        },
                        Content::Notification(notification) => PassingKind::Notification {
                            profiles: notification.members.keys().cloned().collect(),
                        },
                    };
                    (kind, headers.request_id, headers.from, headers.to)
                }
                Err(unreadable) => {
                    let wire::Unreadable { fault, glimpse, .. } = *unreadable;
                    let (bytes, fault) = (delivery.payload.len(), fault.to_string());
                    let kind = PassingKind::Unreadable { bytes, fault };
                    (kind, glimpse.request_id, glimpse.from, glimpse.to)
                }
            };
        let mut passing = Passing {
            at_ms,
            topic: delivery.topic.clone(),
            retained: delivery.retained,
            from,
            to: if named.is_empty() { None } else { Some(named.join(", ")) },
            request_id,
            kind,
            message: wire::shown_by(&delivery.payload, &every)
                .unwrap_or_else(|| json!(String::from_utf8_lossy(&delivery.payload))),
        };
        self.pair(&mut passing, prefix, at);
        if passing.to.is_none() {
            passing.to = whom(&delivery.topic, prefix);
        }
        passing
    }

    fn pair(&mut self, passing: &mut Passing, prefix: &TopicPrefix, at: Instant) {
        let Some(request_id) = passing.request_id.clone() else { return };
        match &mut passing.kind {
            PassingKind::Request { command } => {
                let from = passing.from.as_deref().map(cut);
                self.remember(request_id, Seen { at, command: cut(command), from });
            }
            PassingKind::Response { answers, .. } => {
                let Some(seen) = self.commands.get(&request_id) else { return };
                let after = at.saturating_duration_since(seen.at);
                *answers = Some(Answered { command: seen.command.clone(), after });
                passing.to = passing.to.take().or_else(|| seen.from.clone());
            }
            // It is answered too, where its request_id can be read.
            PassingKind::Unreadable { .. } if topics::address(prefix, &passing.topic).is_some() => {
                let from = passing.from.as_deref().map(cut);
                self.remember(request_id, Seen { at, command: NOT_VALID.to_owned(), from });
            }
            PassingKind::Notification { .. } | PassingKind::Unreadable { .. } => {}
        }
    }

    /// A repeated command keeps the time of the first.
    fn remember(&mut self, request_id: String, seen: Seen) {
        if request_id.len() > REQUEST_ID_BYTES || self.commands.contains_key(&request_id) {
            return;
        }
        if self.order.len() >= COMMANDS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.commands.remove(&oldest);
        }
        self.order.push_back(request_id.clone());
        self.commands.insert(request_id, seen);
    }
}

fn cut(name: &str) -> String {
    let end = (0..=NAME_BYTES.min(name.len())).rev().find(|&end| name.is_char_boundary(end));
    name[..end.unwrap_or(0)].to_owned()
}

/// Whom the topic says a message is for (Transfer via MQTT v1.0, section 2.2).
fn whom(topic: &str, prefix: &TopicPrefix) -> Option<String> {
    match topics::address(prefix, topic) {
        Some(Address::All) => Some("all".to_owned()),
        Some(Address::Profile(profile)) => Some(format!("profile {profile}")),
        Some(Address::Device(device)) => Some(device),
        None => {
            let shared = format!("{}/", topics::rsp(prefix, None));
            topic.strip_prefix(&shared).map(str::to_owned)
        }
    }
}

impl Passing {
    /// One line for people.
    #[must_use]
    pub fn line<W: Write>(&self, screen: &Screen<W>) -> String {
        let time = screen.paint(Style::Faint, &units::time_of_day(self.at_ms));
        let topic = screen.paint(Style::Faint, &escape_line(&self.topic));
        let from = escape_line(self.from.as_deref().unwrap_or("?"));
        let to = escape_line(self.to.as_deref().unwrap_or("?"));
        let what = match &self.kind {
            PassingKind::Request { command } => screen.paint(Style::Strong, &escape_line(command)),
            PassingKind::Response { status, text, answers } => {
                let status = screen.paint(status_style(*status), &status.to_string());
                let answers = answers.as_ref().map_or_else(String::new, |answered| {
                    let command = escape_line(&answered.command);
                    format!(" after {} to {command}", units::elapsed(answered.after))
                });
                let text = text
                    .as_ref()
                    .map_or_else(String::new, |text| format!(": {}", escape_line(text)));
                format!("{status}{answers}{text}")
            }
            PassingKind::Notification { profiles } => {
                format!("notification {}", escape_line(&profiles.join(", ")))
            }
            PassingKind::Unreadable { bytes, fault } => {
                let fault = escape_line(fault);
                format!("{} {bytes} bytes: {fault}", screen.paint(Style::Bad, "not valid,"))
            }
        };
        let retained = if self.retained { "  (retained)" } else { "" };
        format!("{time}  {topic}  {from} -> {to}  {what}{retained}")
    }

    /// The message itself, indented.
    #[must_use]
    pub fn full(&self) -> Vec<String> {
        json_lines(&self.message).into_iter().map(|line| format!("    {line}")).collect()
    }

    /// One object for machines.
    #[must_use]
    pub fn as_json(&self, is_full: bool) -> Value {
        let mut line = json!({
            "time": units::timestamp(self.at_ms),
            "topic": self.topic,
            "from": self.from,
            "to": self.to,
            "request_id": self.request_id,
        });
        match &self.kind {
            PassingKind::Request { command } => {
                line["type"] = json!("request");
                line["command"] = json!(command);
            }
            PassingKind::Response { status, text, answers } => {
                line["type"] = json!("response");
                line["status"] = json!(status);
                if let Some(text) = text {
                    line["status_text"] = json!(text);
                }
                if let Some(answered) = answers {
                    line["command"] = json!(answered.command);
                    line["elapsed_ms"] = json!(units::exact_ms(answered.after));
                }
            }
            PassingKind::Notification { profiles } => {
                line["type"] = json!("notification");
                line["profiles"] = json!(profiles);
            }
            PassingKind::Unreadable { bytes, fault } => {
                line["type"] = json!("unreadable");
                line["bytes"] = json!(bytes);
                line["fault"] = json!(fault);
            }
        }
        if self.retained {
            line["retained"] = json!(true);
        }
        if is_full {
            line["message"] = self.message.clone();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(kind: PassingKind, request_id: &str, from: &str) -> Passing {
        Passing {
            at_ms: 1_795_458_523_123,
            topic: "oc2/cmd/device/gateway-1".to_owned(),
            retained: false,
            from: Some(from.to_owned()),
            to: None,
            request_id: Some(request_id.to_owned()),
            kind,
            message: json!({}),
        }
    }

    fn request(request_id: &str) -> Passing {
        passing(PassingKind::Request { command: "query features".to_owned() }, request_id, "soar-1")
    }

    fn response(request_id: &str) -> Passing {
        let text = Some("all\nwell".to_owned());
        let kind = PassingKind::Response { status: 200, text, answers: None };
        let topic = "oc2/rsp/soar-1".to_owned();
        Passing { topic, ..passing(kind, request_id, "gateway-1") }
    }

    fn screen() -> Screen<Vec<u8>> {
        Screen::plain(Vec::new())
    }

    #[test]
    fn a_response_is_paired_with_its_command() {
        let (mut traffic, prefix) = (Traffic::default(), TopicPrefix::default());
        let start = Instant::now();
        traffic.pair(&mut request("r"), &prefix, start);
        // A repetition does not start the clock again.
        traffic.pair(&mut request("r"), &prefix, start + Duration::from_millis(3));

        let mut answer = response("r");
        traffic.pair(&mut answer, &prefix, start + Duration::from_micros(7_100));
        assert_eq!(
            answer.line(&screen()),
            r"18:28:43.123  oc2/rsp/soar-1  gateway-1 -> soar-1  200 after 7.1 ms to query features: all\nwell"
        );
        assert_eq!(
            answer.as_json(false),
            json!({
                "time": "2026-11-23T18:28:43.123Z", "topic": "oc2/rsp/soar-1", "from": "gateway-1",
                "to": "soar-1", "request_id": "r", "type": "response", "status": 200,
                "status_text": "all\nwell", "command": "query features", "elapsed_ms": 7.1,
            })
        );

        // What is no valid command has a response too.
        let unreadable = PassingKind::Unreadable { bytes: 3, fault: "no action".to_owned() };
        traffic.pair(&mut passing(unreadable, "u", "soar-1"), &prefix, start);
        let mut answer = response("u");
        traffic.pair(&mut answer, &prefix, start + Duration::from_millis(2));
        assert_eq!(
            answer.line(&screen()),
            r"18:28:43.123  oc2/rsp/soar-1  gateway-1 -> soar-1  200 after 2.0 ms to what is not valid: all\nwell"
        );

        let mut stranger = response("other");
        traffic.pair(&mut stranger, &prefix, start);
        assert_eq!(
            stranger.line(&screen()),
            r"18:28:43.123  oc2/rsp/soar-1  gateway-1 -> ?  200: all\nwell"
        );
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let (mut traffic, prefix) = (Traffic::default(), TopicPrefix::default());
        for number in 0..=COMMANDS_REMEMBERED {
            traffic.pair(&mut request(&number.to_string()), &prefix, Instant::now());
        }
        traffic.pair(&mut request(&"x".repeat(REQUEST_ID_BYTES + 1)), &prefix, Instant::now());
        assert_eq!(
            (traffic.commands.len(), traffic.order.len()),
            (COMMANDS_REMEMBERED, COMMANDS_REMEMBERED)
        );
        assert!(!traffic.commands.contains_key("0"));
        assert_eq!(cut(&"\u{f6}".repeat(NAME_BYTES)).len(), NAME_BYTES);
        assert_eq!(cut(&format!("x{}", "\u{f6}".repeat(NAME_BYTES))).len(), NAME_BYTES - 1);
    }

    #[test]
    fn a_line_shows_what_a_message_is_and_no_more() {
        let unreadable =
            PassingKind::Unreadable { bytes: 3, fault: "not JSON\u{1b}[2J".to_owned() };
        let event = PassingKind::Notification { profiles: vec!["x-probe".to_owned()] };
        let retained = Passing { retained: true, to: Some("all".to_owned()), ..request("r") };
        let cases = [
            (retained, "soar-1 -> all  query features  (retained)"),
            (passing(event, "r", "gateway-1"), "gateway-1 -> ?  notification x-probe"),
            (
                passing(unreadable, "r", "\u{202e}x"),
                r"\u{202e}x -> ?  not valid, 3 bytes: not JSON\u{1b}[2J",
            ),
        ];
        for (passing, shown) in cases {
            let line = passing.line(&screen());
            assert_eq!(line, format!("18:28:43.123  oc2/cmd/device/gateway-1  {shown}"));
        }
    }

    #[test]
    fn a_topic_says_whom_a_message_is_for() {
        let cases = [
            ("oc2/cmd/all", "oc2", Some("all")),
            ("oc2/cmd/ap/x-probe", "oc2", Some("profile x-probe")),
            ("oc2/cmd/device/gateway-1", "oc2", Some("gateway-1")),
            ("site/oc2/cmd/device/gateway-1", "site/oc2", Some("gateway-1")),
            ("oc2/rsp/soar-1", "oc2", Some("soar-1")),
            ("oc2/rsp", "oc2", None),
            ("stat/plug/POWER", "oc2", None),
        ];
        for (topic, prefix, to) in cases {
            let prefix = TopicPrefix::try_from(prefix.to_owned()).unwrap();
            assert_eq!(whom(topic, &prefix).as_deref(), to, "{topic}");
        }
    }
}
