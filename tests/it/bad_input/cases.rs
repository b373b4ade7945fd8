//! The table "what bad input gets": one line, one message.

use serde_json::json;

use super::Way;
use crate::support::packet::{Properties, Publish, Value, id};
use crate::support::scene::{Answer, declared, qos_1, request};

/// What a message leads to where a response is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// This status on the producer's own topic.
    Own(u64),
    /// This status on the topic of all producers.
    Shared(u64),
    /// Kept, and never answered.
    Dropped,
    /// Nothing could be read: counted, not kept.
    Unread,
}

/// A message, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    /// The payload; see [`Case::payload`] for what is filled in.
    template: String,
    pub properties: Properties,
    pub expect: Expect,
    /// What the reason says.
    pub says: &'static str,
    is_cbor: bool,
}

/// Longest message by default, in bytes.
pub const LIMIT_BYTES: usize = 256 * 1024;

impl Case {
    fn new(name: &'static str, template: &str, expect: Expect, says: &'static str) -> Self {
        let template = template.to_owned();
        Self { name, template, properties: request(), expect, says, is_cbor: false }
    }

    fn saying(self, properties: Properties) -> Self {
        Self { properties, ..self }
    }

    fn in_cbor(self) -> Self {
        Self { is_cbor: true, ..self }
    }

    /// The PUBLISH, but for its topic.
    pub fn publish(&self, way: Way, id: &str) -> Publish {
        let properties = if way.has_properties { self.properties.clone() } else { Vec::new() };
        Publish { payload: self.payload(id, way.wants_silence), properties, ..qos_1() }
    }

    /// The bytes: `<id>` is the request id, `<args>` and `<rr>` ask for silence where that
    /// is wanted, `<ff>` is a byte that no UTF-8 has, `<pad:N>` makes it N bytes long.
    pub fn payload(&self, id: &str, wants_silence: bool) -> Vec<u8> {
        let (args, rr) = if wants_silence {
            (r#""args":{"response_requested":"none"},"#, r#""response_requested":"none","#)
        } else {
            ("", "")
        };
        let filled = self.template.replace("<id>", id).replace("<args>", args).replace("<rr>", rr);
        if self.is_cbor {
            let message: serde_json::Value = serde_json::from_str(&filled).unwrap();
            let mut bytes = Vec::new();
            ciborium::into_writer(&message, &mut bytes).unwrap();
            return bytes;
        }
        padded(&filled).split("<ff>").map(str::as_bytes).collect::<Vec<_>>().join(&0xff)
    }

    /// Whether the case makes sense published like this.
    pub fn can_go(&self, way: Way) -> bool {
        let can_be_silent = self.template.contains("<args>") || self.template.contains("<rr>");
        (!way.wants_silence || can_be_silent)
            && (way.has_properties || (self.properties == request() && !self.is_cbor))
    }

    /// Where it is counted and kept; `None`: it is not kept.
    pub fn class(&self, way: Way) -> Option<&'static str> {
        match self.expect {
            Expect::Unread => None,
            Expect::Dropped => Some("dropped"),
            Expect::Own(_) | Expect::Shared(_) if way.wants_silence => Some("silent"),
            Expect::Own(_) | Expect::Shared(_) => Some("refused"),
        }
    }

    pub fn status(&self) -> Option<u64> {
        match self.expect {
            Expect::Own(status) | Expect::Shared(status) => Some(status),
            Expect::Dropped | Expect::Unread => None,
        }
    }

    /// Why what came back is not what the table says, if it is not.
    pub fn complaint(&self, way: Way, id: &str, answers: &[Answer]) -> Option<String> {
        let (status, topic) = match self.expect {
            Expect::Own(status) if !way.wants_silence => (status, "rsp/soar-1"),
            Expect::Shared(status) if !way.wants_silence => (status, "rsp"),
            _ => return (!answers.is_empty()).then(|| format!("{id}: not silence: {answers:?}")),
        };
        let [answer] = answers else { return Some(format!("{id}: no one answer: {answers:?}")) };
        // It is copied unchanged.
        let request_id = self.template.contains(r#""request_id":"<id>""#).then_some(id);
        let is_right = (answer.status(), answer.topic()) == (status, topic)
            && answer.text().contains(self.says)
            && (answer.from(), answer.request_id()) == (Some("gateway-1"), request_id);
        let wanted = self.says;
        (!is_right).then(|| format!("{id}: not {status} on {topic}, {wanted:?}: {answer:?}"))
    }
}

fn padded(template: &str) -> String {
    let Some((head, rest)) = template.split_once("<pad:") else { return template.to_owned() };
    let (bytes, tail) = rest.split_once('>').unwrap();
    let missing = bytes.parse::<usize>().unwrap() - head.len() - tail.len();
    format!("{head}{}{tail}", "x".repeat(missing))
}

/// A message whose command is this text.
fn with_request(request: &str) -> String {
    with_body(&format!(r#"{{"openc2":{{"request":{request}}}}}"#))
}

fn with_body(body: &str) -> String {
    format!(r#"{{"headers":{{"request_id":"<id>","from":"soar-1"}},"body":{body}}}"#)
}

/// A good command in an envelope with these headers.
fn with_headers(headers: &str) -> String {
    format!(r#"{{"headers":{headers},"body":{{"openc2":{{"request":{UNSUPPORTED}}}}}}}"#)
}

/// Well-formed; nobody here supports it.
const UNSUPPORTED: &str = r#"{<args>"action":"delete","target":{"ipv4_net":"192.0.2.0/24"}}"#;

pub fn cases() -> Vec<Case> {
    [unreadable(), too_much(), incomplete(), meaningless(), contradictory(), unsupported()].concat()
}

/// Not UTF-8, not JSON, not I-JSON: answered where the sender was seen before the fault.
fn unreadable() -> Vec<Case> {
    use Expect::{Own, Unread};
    let act = r#"<args>"action":"set","target":{"x-probe:act":"#;
    let cut = |text: &str| {
        format!(
            r#"{{"headers":{{"request_id":"<id>","from":"soar-1"}},"body":{{"openc2":{{"request":{{{act}{text}"#
        )
    };
    let late = |fault: &str| {
        format!(
            r#"{{"body":{{"openc2":{{"request":{{{act}{fault}}}}}}}}},"headers":{{"request_id":"<id>","from":"soar-1"}}}}"#
        )
    };
    let whole = |fault: &str| with_request(&format!("{{{act}{fault}}}}}"));
    let integer = |number: &str| whole(&format!(r#"{{"do":"work","level":{number}}}"#));
    #[rustfmt::skip]
    let cases = vec![
        Case::new("not UTF-8",                  &whole(r#""<ff>""#),                 Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("not UTF-8, sender late",     &late(r#""<ff>""#),                  Unread,   ""),
        Case::new("not UTF-8 at all",           "<ff><ff>",                          Unread,   ""),
        Case::new("cut JSON",                   &cut(r#"{"do":"#),                   Own(400), "/body/openc2/request/target/x-probe:act/do"),
        Case::new("cut JSON, sender late",      &late("{"),                          Unread,   ""),
        Case::new("cut before the id",          r#"{"headers":{"from":"soar-1","#,   Unread,   ""),
        Case::new("duplicate names",            &whole(r#"{"do":"work","do":"fail"}"#), Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("duplicate names, sender late", &late(r#"{"do":1,"do":2}"#),       Unread,   ""),
        Case::new("duplicate names, escaped",   &whole(r#"{"do":"work","d\u006f":1}"#), Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("lone surrogate",             &whole(r#""\ud800""#),               Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("lone surrogate in a name",   &whole(r#"{"\udc00":1}"#),           Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("noncharacter",               &whole(r#""\uffff""#),               Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("2^53",                       &integer("9007199254740992"),        Own(400), "/body/openc2/request/target/x-probe:act/level"),
        Case::new("-2^53",                      &integer("-9007199254740992"),       Own(400), "/body/openc2/request/target/x-probe:act/level"),
        Case::new("not JSON",                   &integer("0x10"),                    Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("a comma too many",           &whole(r#"{"do":"work",}"#),         Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("a comment",                  &whole(r#"{/* so */"do":"work"}"#),  Own(400), "/body/openc2/request/target/x-probe:act"),
        Case::new("two messages",               &(whole(r#"{"do":"work"}"#) + "{}"), Own(400), "no I-JSON"),
        Case::new("a byte order mark",          &format!("\u{feff}{}", whole(r#"{"do":"work"}"#)), Unread, ""),
        Case::new("a word",                     "hello",                             Unread,   ""),
        Case::new("nothing",                    "",                                  Unread,   ""),
        Case::new("an array",                   "[]",                                Unread,   ""),
        Case::new("null",                       "null",                              Unread,   ""),
    ];
    cases
}

/// Too deep, too long.
fn too_much() -> Vec<Case> {
    use Expect::{Own, Unread};
    // The message, its body, openc2, the request, and its target are five deep.
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 5), "]".repeat(depth - 5));
        format!(r#"{{<args>"action":"set","target":{{"x-probe:nothing":{open}{close}}}}}"#)
    };
    let long = |bytes: usize| {
        with_request(&format!(
            r#"{{<args>"action":"set","target":{{"x-probe:nothing":"<pad:{bytes}>"}}}}"#
        ))
    };
    let long_late = format!(
        r#"{{"body":{{"openc2":{{"request":{{"action":"set","target":{{"x-probe:nothing":"<pad:{}>"}}}}}}}},"headers":{{"request_id":"<id>","from":"soar-1"}}}}"#,
        // So much that all of the headers stand after the limit.
        LIMIT_BYTES + 200
    );
    #[rustfmt::skip]
    let cases = vec![
        Case::new("32 deep",                &with_request(&nested(32)), Own(501), "set x-probe:nothing"),
        Case::new("33 deep",                &with_request(&nested(33)), Own(400), "/body/openc2/request/target/x-probe:nothing/0"),
        Case::new("10000 deep",             &with_request(&nested(10_000)), Own(400), "/body/openc2/request/target/x-probe:nothing/0"),
        Case::new("256 KiB",                &long(LIMIT_BYTES),         Own(501), "set x-probe:nothing"),
        Case::new("256 KiB and 1",          &long(LIMIT_BYTES + 1),     Own(400), "262145 bytes long, 262144 are allowed"),
        Case::new("over 256 KiB, sender late", &long_late,             Unread,   ""),
        Case::new("900 KiB",                &long(900 * 1024),          Own(400), "262144 are allowed"),
    ];
    cases
}

/// Headers that are missing, or are none.
fn incomplete() -> Vec<Case> {
    use Expect::{Own, Shared};
    let long_from = format!(r#"{{"request_id":"<id>","from":"{}"}}"#, "a".repeat(129));
    #[rustfmt::skip]
    let cases = vec![
        Case::new("no from",            &with_headers(r#"{"request_id":"<id>"}"#),                  Shared(400), "headers.from is missing"),
        // Who wants no response needs no request_id.
        Case::new("no request_id",      &with_headers(r#"{"from":"soar-1"}"#).replace("<args>", ""),                      Shared(400), "headers.request_id is missing"),
        Case::new("neither",            &with_headers(r#"{"created":1}"#),                          Shared(400), "headers.from is missing"),
        Case::new("no headers",         &format!(r#"{{"body":{{"openc2":{{"request":{UNSUPPORTED}}}}}}}"#), Shared(400), "headers.from is missing"),
        Case::new("empty headers",      &with_headers("{}"),                                        Shared(400), "/headers"),
        Case::new("from a number",      &with_headers(r#"{"request_id":"<id>","from":5}"#),         Shared(400), "/headers/from"),
        Case::new("request_id a number", &with_headers(r#"{"request_id":5,"from":"soar-1"}"#),      Shared(400), "/headers/request_id"),
        Case::new("created a text",     &with_headers(r#"{"request_id":"<id>","from":"soar-1","created":"now"}"#), Own(400), "/headers/created"),
        Case::new("to a text",          &with_headers(r#"{"request_id":"<id>","from":"soar-1","to":"gateway-1"}"#), Own(400), "/headers/to"),
        Case::new("from with a slash",  &with_headers(r#"{"request_id":"<id>","from":"soar/1"}"#),  Shared(501), "delete ipv4_net"),
        Case::new("from with a plus",   &with_headers(r#"{"request_id":"<id>","from":"+"}"#),       Shared(501), "delete ipv4_net"),
        Case::new("from a hash",        &with_headers(r##"{"request_id":"<id>","from":"#"}"##),     Shared(501), "delete ipv4_net"),
        Case::new("from with a NUL",    &with_headers(r#"{"request_id":"<id>","from":"a\u0000b"}"#), Shared(501), "delete ipv4_net"),
        Case::new("from empty",         &with_headers(r#"{"request_id":"<id>","from":""}"#),        Shared(501), "delete ipv4_net"),
        Case::new("from too long",      &with_headers(&long_from),                                  Shared(501), "delete ipv4_net"),
        Case::new("from with a slash, and no action", r#"{"headers":{"request_id":"<id>","from":"soar/1"},"body":{"openc2":{"request":{<args>"target":{"ipv4_net":"192.0.2.0/24"}}}}}"#, Shared(400), "/body/openc2/request"),
    ];
    cases
}

/// What is JSON, and no command.
fn meaningless() -> Vec<Case> {
    use Expect::Own;
    let net = r#""target":{"ipv4_net":"192.0.2.0/24"}"#;
    let act = r#""target":{"x-probe:act":{"do":"work"}}"#;
    let args = |args: &str| format!(r#"{{"action":"set",{act},"args":{{{args}}}}}"#);
    #[rustfmt::skip]
    let requests = [
        ("unknown action",        format!(r#"{{<args>"action":"zap",{net}}}"#),                     "/body/openc2/request/action"),
        ("action of a profile",   format!(r#"{{<args>"action":"x-probe:zap",{net}}}"#),             "/body/openc2/request/action"),
        ("no action",             format!("{{<args>{net}}}"),                                    "action is missing"),
        ("no target",             r#"{<args>"action":"set"}"#.to_owned(),                           "target is missing"),
        ("empty target",          r#"{<args>"action":"set","target":{}}"#.to_owned(),               "/body/openc2/request/target"),
        ("two targets",           r#"{<args>"action":"deny","target":{"ipv4_net":"192.0.2.1","uri":"http://a.example"}}"#.to_owned(), "/body/openc2/request/target"),
        ("unknown target",        r#"{<args>"action":"deny","target":{"thing":1}}"#.to_owned(),     "/body/openc2/request/target"),
        ("malformed network",     r#"{<args>"action":"deny","target":{"ipv4_net":"192.0.2.300"}}"#.to_owned(), "/body/openc2/request/target/ipv4_net"),
        ("malformed port",        r#"{<args>"action":"deny","target":{"ipv4_connection":{"dst_port":65536}}}"#.to_owned(), "/body/openc2/request/target/ipv4_connection/dst_port"),
        ("malformed command_id",  format!(r#"{{<args>"action":"set",{act},"command_id":"a b"}}"#),   "/body/openc2/request/command_id"),
        ("unknown member",        format!(r#"{{<args>"action":"set",{act},"when":1}}"#),             "/body/openc2/request/when"),
        ("empty args",            args(""),                                                          "/body/openc2/request/args"),
        ("three time arguments",  args(r#"<rr>"start_time":1,"stop_time":3,"duration":2"#),          "/body/openc2/request/args"),
        ("negative duration",     args(r#"<rr>"duration":-1"#),                                      "/body/openc2/request/args/duration"),
        ("unknown argument",      args(r#"<rr>"color":"red""#),                                      "/body/openc2/request/args/color"),
        ("unknown response type", args(r#""response_requested":"maybe""#),                           "/body/openc2/request/args/response_requested"),
        ("two actuators",         format!(r#"{{<args>"action":"set",{act},"actuator":{{"x-probe":{{}},"x-slow":{{}}}}}}"#), "/body/openc2/request/actuator"),
        ("unknown feature",       r#"{<args>"action":"query","target":{"features":["taste"]}}"#.to_owned(), "/body/openc2/request/target/features/0"),
    ];
    let requests = requests
        .into_iter()
        .map(|(name, request, says)| Case::new(name, &with_request(&request), Own(400), says));
    #[rustfmt::skip]
    let bodies = [
        ("no body",            r#"{"headers":{"request_id":"<id>","from":"soar-1"}}"#.to_owned(), "body is missing"),
        ("empty body",         with_body("{}"),                                                 "/body"),
        ("another body",       with_body(r#"{"stix":{}}"#),                                     "/body/stix"),
        ("empty content",      with_body(r#"{"openc2":{}}"#),                                   "/body/openc2"),
        ("another content",    with_body(r#"{"openc2":{"question":{}}}"#),                      "/body/openc2/question"),
        ("two contents",       with_body(r#"{"openc2":{"request":{<args>"action":"set"},"response":{}}}"#), "/body/openc2"),
        ("unknown in the message", format!(r#"{{"headers":{{"request_id":"<id>","from":"soar-1"}},"body":{{"openc2":{{"request":{UNSUPPORTED}}}}},"tail":1}}"#), "/tail"),
    ];
    let bodies =
        bodies.into_iter().map(|(name, message, says)| Case::new(name, &message, Own(400), says));
    requests.chain(bodies).collect()
}

/// A response or a notification on a command topic, and properties that are not true.
fn contradictory() -> Vec<Case> {
    use Expect::{Dropped, Own};
    let good = with_request(UNSUPPORTED);
    let silent_unless =
        |name, properties, says| Case::new(name, &good, Dropped, says).saying(properties);
    let html = {
        let mut properties = request();
        properties[1] = (id::CONTENT_TYPE, Value::Text("text/html".to_owned()));
        properties
    };
    let response = with_body(r#"{"openc2":{"response":{"status":200}}}"#);
    let notification = with_body(r#"{"openc2":{"notification":{"x-probe":{"level":1}}}}"#);
    #[rustfmt::skip]
    let cases = vec![
        Case::new("a response",             &response,                                  Dropped, "response"),
        Case::new("a cut response",         &response[..response.len() - 4],            Dropped, "response"),
        Case::new("a malformed response",   &with_body(r#"{"openc2":{"response":{"status":1}}}"#), Dropped, "response"),
        Case::new("a notification",         &notification,                              Dropped, "notification"),
        Case::new("a response says so",     &response,                                  Dropped, "response").saying(declared("rsp", "json", 1)),
        Case::new("a notification says so", &notification,                              Dropped, "notification").saying(declared("ntf", "json", 1)),
        silent_unless("msgType says rsp",       declared("rsp", "json", 1),   "msgType response"),
        silent_unless("msgType says ntf",       declared("ntf", "json", 1),   "msgType notification"),
        silent_unless("msgType says two things", twice(&declared("rsp", "json", 1)), "msgType stands there twice"),
        silent_unless("encoding says two things", twice(&declared("req", "cbor", 1)), "encoding stands there twice"),
        silent_unless("msgType says nonsense",  declared("zap", "json", 1),   "\"zap\""),
        silent_unless("encoding says nonsense", declared("req", "xml", 1),    "\"xml\""),
        silent_unless("encoding says cbor",     declared("req", "cbor", 0),   "the payload is JSON"),
        silent_unless("Content Type says html", html,                         "text/html"),
        Case::new("CBOR that encoding says is json", &good, Dropped, "the payload is CBOR").in_cbor(),
        Case::new("CBOR in words, it says",     &good, Dropped, "UTF-8").in_cbor().saying(declared("req", "cbor", 1)),
        Case::new("CBOR by name",               &good, Own(400), "expected Message, an array").in_cbor().saying(declared("req", "cbor", 0)),
        Case::new("CBOR of a response",         &response, Dropped, "response").in_cbor().saying(declared("req", "cbor", 0)),
        Case::new("CBOR without a sender",      &json!({"body": 1}).to_string(), Expect::Shared(400), "expected Message").in_cbor().saying(declared("req", "cbor", 0)),
        Case::new("nothing that says it is CBOR", "<ff>", Expect::Unread, "").saying(declared("req", "cbor", 0)),
    ];
    cases
}

/// The properties of a request, and then these as well.
fn twice(others: &Properties) -> Properties {
    let named = others.iter().filter(|(it, _)| *it == id::USER_PROPERTY).cloned();
    request().into_iter().chain(named).collect()
}

/// Well-formed, and nothing for anybody here.
fn unsupported() -> Vec<Case> {
    use Expect::Own;
    let act = r#""action":"set","target":{"x-probe:act":{"do":"work"}}"#;
    let args = |args: &str| format!(r#"{{{act},"args":{{{args}}}}}"#);
    #[rustfmt::skip]
    let cases = [
        ("unsupported pair",       UNSUPPORTED.to_owned(),                                                501, "delete ipv4_net"),
        ("unsupported action",     r#"{<args>"action":"scan","target":{"x-probe:act":{"do":"work"}}}"#.to_owned(), 501, "scan x-probe:act"),
        ("features with set",      r#"{<args>"action":"set","target":{"features":[]}}"#.to_owned(),         501, "set features"),
        ("unknown namespace",      r#"{<args>"action":"set","target":{"x-none:thing":1}}"#.to_owned(),      501, "x-none:thing"),
        ("unknown argument space", args(r#"<rr>"x-none":{"color":"red"}"#),                                501, "x-none"),
        ("unknown profile",        format!(r#"{{<args>{act},"actuator":{{"x-none":{{}}}}}}"#),             501, "x-none"),
        ("other specifiers",       format!(r#"{{<args>{act},"actuator":{{"x-probe":{{"asset_id":"31"}}}}}}"#), 404, "x-probe"),
        ("a duration",             args(r#"<rr>"duration":1000"#),                                         501, "duration"),
        ("2^53 - 1",               r#"{<args>"action":"set","target":{"x-probe:nothing":9007199254740991}}"#.to_owned(), 501, "set x-probe:nothing"),
        ("a stop",                 args(r#"<rr>"stop_time":9007199254740991"#),                            501, "stop_time"),
    ];
    cases
        .into_iter()
        .map(|(name, request, status, says)| {
            Case::new(name, &with_request(&request), Own(status), says)
        })
        .collect()
}
