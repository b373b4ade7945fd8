//! From bytes to a tree, or to as much of it as came before the fault.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Fault;
use crate::encoding::cbor::{CborError, CborFlaw, CborSource};
use crate::encoding::json::{JsonError, JsonFlaw, Reader, Token};
use crate::encoding::source::{Key, Kind, Number, Source};

/// What could be read of a text, and what stopped the reading.
pub(super) struct Tree {
    /// The value; cut off at the fault where there is one, and then null
    /// where nothing at all could be read.
    pub(super) value: Value,
    /// The fault, if there is one.
    pub(super) fault: Option<Fault>,
}

/// Reads JSON that nests `max_depth` deep at most.
pub(super) fn read(bytes: &[u8], max_depth: usize) -> Tree {
    let mut reader = Reader::new(bytes, max_depth);
    let mut builder = Builder::default();
    loop {
        match reader.token() {
            Ok(Token::End) => return Tree { value: builder.root, fault: None },
            Ok(token) => builder.take(token),
            Err(error) => {
                let fault = Some(builder.fault(&error));
                return Tree { value: builder.cut_off(), fault };
            }
        }
    }
}

/// An object or array that is still open.
enum Open<'a> {
    Object { members: Map<String, Value>, name: Option<Cow<'a, str>> },
    Array(Vec<Value>),
}

#[derive(Default)]
struct Builder<'a> {
    open: Vec<Open<'a>>,
    root: Value,
}

impl<'a> Builder<'a> {
    fn take(&mut self, token: Token<'a>) {
        match token {
            Token::BeginObject => {
                self.open.push(Open::Object { members: Map::new(), name: None });
            }
            Token::BeginArray => self.open.push(Open::Array(Vec::new())),
            Token::EndObject | Token::EndArray => self.close(),
            Token::Name(next) => {
                if let Some(Open::Object { name, .. }) = self.open.last_mut() {
                    *name = Some(next);
                }
            }
            Token::String(text) => self.place(Value::String(text.into_owned())),
            Token::Integer(number) => self.place(number.into()),
            Token::Float(number) => self.place(number.into()),
            Token::Bool(it) => self.place(Value::Bool(it)),
            Token::Null | Token::End => self.place(Value::Null),
        }
    }

    fn place(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::Object { members, name }) => {
                if let Some(name) = name.take() {
                    members.insert(name.into_owned(), value);
                }
            }
            Some(Open::Array(elements)) => elements.push(value),
            None => self.root = value,
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Object { members, .. }) => self.place(Value::Object(members)),
            Some(Open::Array(elements)) => self.place(Value::Array(elements)),
            None => {}
        }
    }

    /// Closes what is open, as if the text ended here. A name without its
    /// value stays, with null: it tells what was begun.
    fn cut_off(mut self) -> Value {
        if matches!(self.open.last(), Some(Open::Object { name: Some(_), .. })) {
            self.place(Value::Null);
        }
        while !self.open.is_empty() {
            self.close();
        }
        self.root
    }

    fn fault(&self, error: &JsonError) -> Fault {
        let reason = format!("no I-JSON, {error}");
        let fault = match &error.flaw {
            JsonFlaw::Duplicate(_) => {
                let unquoted =
                    format!("no I-JSON, byte {}: a member name stands there twice", error.offset);
                Fault::quoting(unquoted, reason)
            }
            _ => Fault::new(reason),
        };
        self.open.iter().rev().fold(fault, |fault, open| match open {
            Open::Object { name: Some(name), .. } => fault.inside(name),
            Open::Object { name: None, .. } => fault,
            Open::Array(elements) => fault.inside(&elements.len().to_string()),
        })
    }
}

/// Reads as much CBOR as can be read; numbers as keys become text. What JSON
/// lacks is written as JSON writes it, or is null: this is for looking.
pub(super) fn read_cbor(bytes: &[u8], max_depth: usize) -> (Value, Option<Fault>) {
    let mut source = CborSource::new(bytes, max_depth);
    let mut value = Value::Null;
    let read = fill(&mut source, &mut value).and_then(|()| source.end());
    (value, read.err().map(|error| Fault::quoting("no CBOR that can be read", error.to_string())))
}

/// Fills in what stands next, as far as it goes.
fn fill(source: &mut CborSource<'_>, value: &mut Value) -> Result<(), CborError> {
    *value = match source.kind()? {
        Kind::Null => source.null().map(|()| Value::Null)?,
        Kind::Bool => source.bool()?.into(),
        Kind::Number => match source.number()? {
            Number::Integer(number) => number.into(),
            Number::Float(number) => number.into(),
        },
        Kind::Text => source.text()?.into(),
        Kind::Octets => source.octets().map(|_| Value::Null)?,
        Kind::Array => Value::Array(Vec::new()),
        Kind::Map => Value::Object(Map::new()),
    };
    match value {
        Value::Array(elements) => {
            source.enter_array()?;
            while source.next_element(elements.is_empty())? {
                elements.push(Value::Null);
                fill(source, elements.last_mut().expect("it was just put there"))?;
            }
        }
        Value::Object(members) => {
            source.enter_map()?;
            let mut is_first = true;
            while let Some(key) = source.next_key(is_first)? {
                is_first = false;
                let name = match key {
                    Key::Text(name) => name.to_owned(),
                    Key::Integer(id) => id.to_string(),
                };
                if members.contains_key(&name) {
                    let (offset, flaw) = (source.offset(), CborFlaw::Duplicate(name));
                    return Err(CborError { offset, flaw });
                }
                fill(source, members.entry(name).or_insert(Value::Null))?;
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_becomes_the_tree_that_it_is() {
        let text = r#" {"a": [1, -2.5, "x", {"b": null}, [], {}], "\u0063": true} "#;
        let tree = read(text.as_bytes(), 8);
        assert_eq!(tree.value, json!({"a": [1, -2.5, "x", {"b": null}, [], {}], "c": true}));
        assert_eq!(tree.fault, None);
    }

    #[test]
    fn what_came_before_the_fault_stays() {
        let cases = [
            (r#"{"a": {"b": "c", "d": "ef"#, json!({"a": {"b": "c", "d": null}}), "/a/d"),
            (r#"{"a": [1, {"b~/": nul"#, json!({"a": [1, {"b~/": null}]}), "/a/1/b~0~1"),
            (r#"{"a": 1, "a": 2}"#, json!({"a": 1}), ""),
            (r#"{"a": 1} {"#, json!({"a": 1}), ""),
            ("x", json!(null), ""),
            ("[1, 2", json!([1, 2]), "/2"),
        ];
        for (text, value, pointer) in cases {
            let tree = read(text.as_bytes(), 8);
            assert_eq!(tree.value, value, "{text}");
            assert_eq!(tree.fault.unwrap().pointer, pointer, "{text}");
        }
    }
}
