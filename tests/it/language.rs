//! What must hold for every message, tried on many: made by a generator with
//! a fixed seed, and on examples with random damage.

use openc2_bridge::encoding::MAX_DEPTH;
use openc2_bridge::encoding::json::{JsonFlaw, Reader, Token};
use openc2_bridge::wire::{self, Encoding, Letter, Limits, Unreadable};
use serde_json::{Map, Value, json};

use crate::vectors::{as_message, examples};

fn read(bytes: &[u8]) -> Result<Letter, Box<Unreadable>> {
    wire::read(bytes, Encoding::Json, Limits::default())
}

/// Shows L11-3.1.5-1 and L11-5.4-2 for what is written: it is read again as the same.
#[test]
fn what_was_read_is_written_as_it_stood() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..5_000 {
        let original = dice.message();
        let letter = read(original.to_string().as_bytes())
            .unwrap_or_else(|unreadable| panic!("{}: {original}", unreadable.fault));
        let canonical = serde_json_canonicalizer::to_string(&original["body"]).unwrap();
        assert_eq!(letter.canonical_body, canonical);

        let written = wire::write(&letter.message);
        let again: Value = serde_json::from_slice(&written).expect("what is written is JSON");
        assert_eq!(again, original);
        assert_eq!(read(&written).expect("what is written can be read").message, letter.message);
    }
}

#[test]
fn no_damage_makes_the_reader_fail_or_ramble() {
    const ROUNDS: usize = 1_000;
    let mut dice = Dice(42);
    let (mut good, mut bad) = (0, 0);
    for (name, example) in examples() {
        let message = as_message(&example["kind"], &example["content"]).to_string();
        for _ in 0..ROUNDS {
            let damaged = dice.damaged(message.as_bytes());
            assert_agrees_with_serde(&damaged);
            match read(&damaged) {
                Ok(letter) => {
                    assert_is_canonical(&letter, &damaged);
                    let written = wire::write(&letter.message);
                    let again = read(&written).expect(&name);
                    assert_eq!(again.message, letter.message, "{name}");
                    good += 1;
                }
                Err(unreadable) => {
                    let fault = unreadable.fault;
                    assert!(!fault.reason.is_empty() && fault.reason.len() < 700, "{fault}");
                    assert!(!fault.reason.contains(char::is_control), "{fault}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 1_000 && bad > 10_000, "the damage is too small or too great: {good}, {bad}");
}

/// What we write from the tape is what another library writes of the whole tree.
fn assert_is_canonical(letter: &Letter, message: &[u8]) {
    let message: Value = serde_json::from_slice(message).expect("it was read");
    let canonical = serde_json_canonicalizer::to_string(&message["body"]).expect("it has one");
    assert_eq!(letter.canonical_body, canonical);
}

/// Two readers that nobody wrote together: they differ only where I-JSON is stricter than JSON.
fn assert_agrees_with_serde(text: &[u8]) {
    use JsonFlaw::{Depth, Duplicate, Integer, Noncharacter};
    let mut reader = Reader::new(text, MAX_DEPTH);
    let verdict = loop {
        match reader.token() {
            Ok(Token::End) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error.flaw),
        }
    };
    if matches!(verdict, Err(Depth { .. } | Duplicate(_) | Integer | Noncharacter)) {
        return;
    }
    let other = serde_json::from_slice::<Value>(text);
    assert_eq!(verdict.is_ok(), other.is_ok(), "{}: {verdict:?}", String::from_utf8_lossy(text));
}

#[test]
fn a_message_that_is_cut_off_tells_what_came_before() {
    let message = br#"{"headers":{"from":"p-1","request_id":"r-1","to":["c-1"]},"body":{"openc2":{"request":{"args":{"response_requested":"none"},"action":"scan""#;
    let end_of = |text: &str| {
        let at = message.windows(text.len()).position(|window| window == text.as_bytes());
        at.expect("the text is in the message") + text.len()
    };
    for length in 0..message.len() {
        let glimpse = read(&message[..length]).expect_err("it is cut off").glimpse;
        assert_eq!(glimpse.anything, length > 0);
        assert_eq!(glimpse.from.is_some(), length >= end_of("\"p-1\""), "{length}");
        assert_eq!(glimpse.request_id.is_some(), length >= end_of("\"r-1\""), "{length}");
        assert_eq!(glimpse.to.len(), usize::from(length >= end_of("\"c-1\"")), "{length}");
        assert_eq!(glimpse.kind.is_some(), length >= end_of("\"request\":"), "{length}");
        assert_eq!(glimpse.wants_silence, length >= end_of("\"none\""), "{length}");
    }
}

/// Random numbers that are the same on every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits fit") % sides
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len())].clone()
    }

    /// Up to three changes of a kind that transports and people make.
    fn damaged(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len() + 1);
            let end = (at + self.roll(12)).min(bytes.len());
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
                3 => bytes.insert(at, self.one_of(b"{}[]\",:\\0-1e.u \0\x7f\xff\xc3")),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.roll(8);
                    }
                }
            }
        }
        bytes
    }

    /// A valid message, spelled as we spell it.
    fn message(&mut self) -> Value {
        let content = match self.roll(4) {
            0 => json!({"response": self.response()}),
            1 => json!({"notification": {self.nsid(): self.value(3)}}),
            _ => json!({"request": self.command()}),
        };
        let mut message = json!({"body": {"openc2": content}});
        if let Some(headers) = self.some_of(&[
            ("request_id", |dice| dice.text().into()),
            ("created", |dice| dice.roll(usize::MAX).into()),
            ("from", |dice| dice.text().into()),
            ("to", |dice| json!([dice.text(), dice.text()])),
            ("x-trace", |dice| dice.value(2)),
        ]) {
            message["headers"] = headers;
        }
        if self.roll(8) == 0 {
            message["signature"] = self.text().into();
        }
        message
    }

    fn command(&mut self) -> Value {
        let action = self.one_of(&["query", "deny", "set", "remediate"]);
        let mut command = json!({"action": action, "target": self.target()});
        if let Some(args) = self.some_of(&[
            ("start_time", |dice| dice.roll(usize::MAX).into()),
            ("duration", |dice| dice.roll(1_000).into()),
            ("response_requested", |dice| {
                dice.one_of(&["none", "ack", "status", "complete"]).into()
            }),
            ("slpf", |dice| json!({dice.text(): dice.value(3)})),
        ]) {
            command["args"] = args;
        }
        if self.roll(3) == 0 {
            command["actuator"] = json!({self.nsid(): {}});
        }
        if self.roll(3) == 0 {
            command["command_id"] = self.one_of(&["", "c-1", "\u{1f600}\"\\"]).into();
        }
        command
    }

    fn target(&mut self) -> Value {
        let sha1 = "f46ed7e88334a4d3debaa8cfa842727cb66e997f";
        let connection: &[Member] = &[
            ("src_port", |dice| dice.roll(65_536).into()),
            ("dst_port", |dice| dice.roll(65_536).into()),
            ("protocol", |dice| dice.one_of(&["icmp", "tcp", "udp", "sctp"]).into()),
        ];
        match self.roll(20) {
            0 => json!({"artifact": {"mime_type": self.text(), "payload": {"bin": "Zm9v"}}}),
            1 => json!({"artifact": {"payload": {"url": "http://a/"}, "hashes": {"sha1": sha1}}}),
            2 => json!({"command": "c-1"}),
            3 => json!({"device": {"hostname": "a.b", "idn_hostname": "b\u{fc}.de"}}),
            4 => json!({"domain_name": "example.com"}),
            5 => json!({"email_addr": "a@example.com"}),
            6 => json!({"features": ["rate_limit", "versions"]}),
            7 => {
                json!({"file": {"name": self.text(), "path": self.text(), "hashes": {"sha1": sha1}}})
            }
            8 => json!({"idn_domain_name": "b\u{fc}cher.example"}),
            9 => json!({"idn_email_addr": "\u{fc}@b\u{fc}cher.example"}),
            10 => json!({"ipv4_net": format!("10.1.2.{}/{}", self.roll(256), self.roll(33))}),
            11 => json!({"ipv6_net": format!("2001:db8::1:{}", self.roll(9) + 1)}),
            12 => {
                json!({"ipv4_connection": self.some_of(connection).unwrap_or(json!({"src_addr": "1.2.3.4/8"}))})
            }
            13 => {
                json!({"ipv6_connection": self.some_of(connection).unwrap_or(json!({"dst_addr": "::/0"}))})
            }
            14 => json!({"iri": "http://b\u{fc}cher.example/"}),
            15 => json!({"mac_addr": "8c:85:90:72:31:AF"}),
            16 => json!({"process": {
                "pid": self.roll(usize::MAX),
                "executable": {"path": self.text()},
                "parent": {"name": self.text(), "parent": {"cwd": self.text(), "command_line": ""}}
            }}),
            17 => json!({"properties": ["a", self.text() + "b"]}),
            18 => json!({"uri": "urn:x:y"}),
            _ => json!({"x-probe:level": self.value(4)}),
        }
    }

    fn response(&mut self) -> Value {
        let mut response = json!({"status": self.one_of(&[102, 200, 400, 503])});
        if self.roll(2) == 0 {
            response["status_text"] = self.text().into();
        }
        if let Some(results) = self.some_of(&[
            ("versions", |_| json!(["1.0", "1.1"])),
            ("profiles", |dice| vec![dice.nsid(); dice.roll(3)].into()),
            ("pairs", |_| json!({"query": ["features"], "set": ["x-probe:level", "file"]})),
            ("rate_limit", |dice| dice.one_of(&[json!(0), json!(60), json!(0.5)])),
            ("x-probe", |dice| json!([dice.value(3)])),
        ]) {
            response["results"] = results;
        }
        response
    }

    /// Some of these members; `None` rather than an empty object.
    fn some_of(&mut self, members: &[Member]) -> Option<Value> {
        let mut object = Map::new();
        for (name, value) in members {
            if self.roll(2) == 0 {
                object.insert((*name).to_owned(), value(self));
            }
        }
        (!object.is_empty()).then(|| object.into())
    }

    /// Any value, nested `depth` deep at most.
    fn value(&mut self, depth: usize) -> Value {
        match self.roll(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => true.into(),
            2 => self.text().into(),
            3 => json!(-1.5e-7),
            4 => json!(9_007_199_254_740_991_i64),
            5 => json!(-9_007_199_254_740_991_i64),
            6 => (0..self.roll(3)).map(|_| self.value(depth - 1)).collect(),
            _ => json!({self.text(): self.value(depth - 1)}),
        }
    }

    fn text(&mut self) -> String {
        let letters =
            ['a', 'Z', '0', ' ', '"', '\\', '/', '\n', '\u{1}', '\u{fc}', '\u{1f600}', '~'];
        (0..self.roll(6)).map(|_| self.one_of(&letters)).collect()
    }

    fn nsid(&mut self) -> String {
        self.one_of(&["slpf", "x-probe", "x_395"]).to_owned()
    }
}

/// Name of a member and how to make its value.
type Member = (&'static str, fn(&mut Dice) -> Value);
