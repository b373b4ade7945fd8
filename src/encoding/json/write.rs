//! JSON, written value by value: as a text, or as a tree.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::encoding::sink::Sink;
use crate::encoding::source::{Key, Number};
use crate::format;

/// Writes a JSON text without white space.
#[derive(Debug, Default)]
pub struct JsonSink {
    text: Vec<u8>,
    /// A comma comes before the next key or element.
    has_before: bool,
}

impl JsonSink {
    /// The text.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    fn value(&mut self, it: &(impl Serialize + ?Sized)) {
        self.comma();
        serde_json::to_writer(&mut self.text, it).expect("memory takes every text and number");
        self.has_before = true;
    }

    fn comma(&mut self) {
        if self.has_before {
            self.text.push(b',');
        }
    }

    fn begin(&mut self, bracket: u8) {
        self.comma();
        self.text.push(bracket);
        self.has_before = false;
    }

    fn end(&mut self, bracket: u8) {
        self.text.push(bracket);
        self.has_before = true;
    }
}

impl Sink for JsonSink {
    fn null(&mut self) {
        self.value(&());
    }

    fn bool(&mut self, it: bool) {
        self.value(&it);
    }

    fn number(&mut self, it: Number) {
        match it {
            Number::Integer(it) => self.value(&it),
            Number::Float(it) => self.value(&it),
        }
    }

    fn wide_integer(&mut self, it: i128) {
        self.value(&it.to_string());
    }

    fn text(&mut self, it: &str) {
        self.value(it);
    }

    fn octets(&mut self, it: &[u8]) {
        self.value(&format::to_base64url(it));
    }

    fn begin_array(&mut self) {
        self.begin(b'[');
    }

    fn end_array(&mut self) {
        self.end(b']');
    }

    fn begin_map(&mut self) {
        self.begin(b'{');
    }

    fn key(&mut self, it: Key<'_>) {
        match it {
            Key::Text(name) => self.value(name),
            Key::Integer(id) => self.value(&id.to_string()),
        }
        self.text.push(b':');
        self.has_before = false;
    }

    fn end_map(&mut self) {
        self.end(b'}');
    }
}

/// Makes a tree.
#[derive(Debug, Default)]
pub struct ValueSink {
    /// The last value that was finished.
    value: Value,
    /// What is open, and the name under which it will stand.
    open: Vec<(Value, String)>,
    /// Name of the next member.
    name: String,
}

impl ValueSink {
    /// The tree.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    fn value(&mut self, it: Value) {
        match self.open.last_mut() {
            None => self.value = it,
            Some((Value::Object(members), _)) => {
                members.insert(std::mem::take(&mut self.name), it);
            }
            Some((Value::Array(elements), _)) => elements.push(it),
            Some(_) => unreachable!("only arrays and objects are open"),
        }
    }

    fn begin(&mut self, it: Value) {
        self.open.push((it, std::mem::take(&mut self.name)));
    }

    fn end(&mut self) {
        let (value, name) = self.open.pop().expect("an end has its beginning");
        self.name = name;
        self.value(value);
    }
}

impl Sink for ValueSink {
    fn null(&mut self) {
        self.value(Value::Null);
    }

    fn bool(&mut self, it: bool) {
        self.value(it.into());
    }

    fn number(&mut self, it: Number) {
        self.value(match it {
            Number::Integer(it) => it.into(),
            Number::Float(it) => it.into(),
        });
    }

    fn wide_integer(&mut self, it: i128) {
        self.value(it.to_string().into());
    }

    fn text(&mut self, it: &str) {
        self.value(it.into());
    }

    fn octets(&mut self, it: &[u8]) {
        self.value(format::to_base64url(it).into());
    }

    fn begin_array(&mut self) {
        self.begin(Value::Array(Vec::new()));
    }

    fn end_array(&mut self) {
        self.end();
    }

    fn begin_map(&mut self) {
        self.begin(Value::Object(Map::new()));
    }

    fn key(&mut self, it: Key<'_>) {
        self.name = match it {
            Key::Text(name) => name.to_owned(),
            Key::Integer(id) => id.to_string(),
        };
    }

    fn end_map(&mut self) {
        self.end();
    }
}
