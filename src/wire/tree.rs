//! From bytes to a tree, or to as much of it as came before the fault.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Fault;
use crate::encoding::json::{JsonError, JsonFlaw, Reader, Token};

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
