//! A pull reader for I-JSON (RFC 7493), the JSON that means the same to everybody.
//!
//! One pass over the bytes. Beyond RFC 8259 it refuses what I-JSON forbids:
//! a member name that stands twice in an object, also when spelled with
//! escapes; unpaired surrogates and noncharacters; integers beyond 2^53 - 1.
//! It does not recurse, so no input can exhaust the stack.

mod lexer;
mod text;
mod write;

use std::borrow::Cow;
use std::collections::HashSet;

use super::MAX_DEPTH;
use super::source::Number;
use lexer::Lexer;

pub use text::{JsonSource, text};
pub use write::{JsonSink, ValueSink};

/// Largest magnitude of an integer (RFC 7493, section 2.2): 2^53 - 1.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Members of one object whose names are compared one by one; from there on
/// they are hashed, so that a large object costs no more than its length.
const NAMES_COMPARED: usize = 16;

/// The next thing in a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    /// `{`; members follow.
    BeginObject,
    /// `}`
    EndObject,
    /// `[`; elements follow.
    BeginArray,
    /// `]`
    EndArray,
    /// Name of a member, and its colon; the value follows.
    Name(Cow<'a, str>),
    /// A string.
    String(Cow<'a, str>),
    /// A number that is written as a whole number.
    Integer(i64),
    /// A number with a fraction or an exponent; finite.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
    /// The text is complete.
    End,
}

/// Why a text is no I-JSON, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {offset}: {flaw}")]
pub struct JsonError {
    /// Offset of the byte at fault, counted from 0; the length of the text where it ends too early.
    pub offset: usize,
    /// What is wrong there.
    pub flaw: JsonFlaw,
}

/// What can be wrong with a JSON text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each says in its text what it is")]
pub enum JsonFlaw {
    #[error("expected {expected}")]
    Unexpected { expected: &'static str },
    #[error("a byte order mark, which no JSON begins with (RFC 8259, section 8.1)")]
    ByteOrderMark,
    #[error("the text ends too early")]
    Ends,
    #[error("something follows the end of the value")]
    Trailing,
    #[error("not UTF-8")]
    NotUtf8,
    #[error("a control character in a string, without an escape")]
    Control,
    #[error("no such escape")]
    Escape,
    #[error("half of a surrogate pair")]
    Surrogate,
    #[error("a noncharacter, which I-JSON forbids")]
    Noncharacter,
    #[error("the member name {0:?} stands there twice")]
    Duplicate(String),
    #[error("an integer beyond 2^53 - 1, which I-JSON forbids")]
    Integer,
    #[error("a number beyond the range of a 64-bit float")]
    Float,
    #[error("nested deeper than {limit}")]
    Depth { limit: usize },
}

/// What may stand at the current position.
#[derive(Clone, Copy, Debug)]
enum Next {
    Value,
    NameOrEnd,
    ValueOrEnd,
    CommaOrEnd,
    Nothing,
}

/// An object or array that is not closed yet.
#[derive(Debug)]
struct Open<'a> {
    is_object: bool,
    /// Where its names begin in [`Reader::names`].
    names_from: usize,
    /// Its names once there are many.
    many: HashSet<Cow<'a, str>>,
}

/// Reads a text token by token.
#[derive(Debug)]
pub struct Reader<'a> {
    lexer: Lexer<'a>,
    max_depth: usize,
    next: Next,
    open: Vec<Open<'a>>,
    /// Names seen in all open objects, outermost first.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    /// Begins to read `bytes`, which may nest `max_depth` deep, and never
    /// deeper than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(bytes: &'a [u8], max_depth: usize) -> Self {
        let max_depth = max_depth.min(MAX_DEPTH);
        Self {
            lexer: Lexer::new(bytes),
            max_depth,
            next: Next::Value,
            open: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Begins in the midst of a text, at a value.
    fn resume(lexer: Lexer<'a>, max_depth: usize) -> Self {
        Self { lexer, ..Self::new(&[], max_depth) }
    }

    fn into_lexer(self) -> Lexer<'a> {
        self.lexer
    }

    /// The next token. After [`Token::End`] it is that for ever; after an
    /// error there is nothing sensible to be had any more.
    pub fn token(&mut self) -> Result<Token<'a>, JsonError> {
        self.lexer.white_space();
        let next = self.next;
        match next {
            Next::ValueOrEnd if self.lexer.take(b']') => Ok(self.close()),
            Next::Value | Next::ValueOrEnd => self.value(),
            Next::NameOrEnd if self.lexer.take(b'}') => Ok(self.close()),
            Next::NameOrEnd => self.name(),
            Next::CommaOrEnd => self.comma_or_end(),
            Next::Nothing if self.lexer.is_at_end() => Ok(Token::End),
            Next::Nothing => Err(self.lexer.flaw(JsonFlaw::Trailing)),
        }
    }

    fn comma_or_end(&mut self) -> Result<Token<'a>, JsonError> {
        let is_object = self.open.last().is_some_and(|open| open.is_object);
        if self.lexer.take(b',') {
            self.lexer.white_space();
            return if is_object { self.name() } else { self.value() };
        }
        if self.lexer.take(if is_object { b'}' } else { b']' }) {
            return Ok(self.close());
        }
        Err(self.lexer.unexpected(if is_object { "a comma or }" } else { "a comma or ]" }))
    }

    fn value(&mut self) -> Result<Token<'a>, JsonError> {
        match self.lexer.peek() {
            Some(b'{') => self.begin(true),
            Some(b'[') => self.begin(false),
            Some(b'"') => {
                let text = self.lexer.string()?;
                Ok(self.done(Token::String(text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Token::Bool(true)),
            Some(b'f') => self.word("false", Token::Bool(false)),
            Some(b'n') => self.word("null", Token::Null),
            _ => Err(self.lexer.unexpected("a value")),
        }
    }

    fn begin(&mut self, is_object: bool) -> Result<Token<'a>, JsonError> {
        if self.open.len() == self.max_depth {
            return Err(self.lexer.flaw(JsonFlaw::Depth { limit: self.max_depth }));
        }
        self.lexer.at += 1;
        self.open.push(Open { is_object, names_from: self.names.len(), many: HashSet::new() });
        self.next = if is_object { Next::NameOrEnd } else { Next::ValueOrEnd };
        Ok(if is_object { Token::BeginObject } else { Token::BeginArray })
    }

    fn close(&mut self) -> Token<'a> {
        let open = self.open.pop().expect("a bracket closes only what is open");
        self.names.truncate(open.names_from);
        self.done(if open.is_object { Token::EndObject } else { Token::EndArray })
    }

    /// A value ends here.
    fn done(&mut self, token: Token<'a>) -> Token<'a> {
        self.next = if self.open.is_empty() { Next::Nothing } else { Next::CommaOrEnd };
        token
    }

    fn name(&mut self) -> Result<Token<'a>, JsonError> {
        let begin = self.lexer.at;
        if self.lexer.peek() != Some(b'"') {
            return Err(self.lexer.unexpected("a member name in quotation marks"));
        }
        let name = self.lexer.string()?;
        if !self.is_new(name.clone()) {
            return Err(JsonError { offset: begin, flaw: JsonFlaw::Duplicate(name.into_owned()) });
        }
        self.lexer.white_space();
        if !self.lexer.take(b':') {
            return Err(self.lexer.unexpected("a colon"));
        }
        self.next = Next::Value;
        Ok(Token::Name(name))
    }

    /// Whether the innermost object has no such member yet; from now on it has.
    fn is_new(&mut self, name: Cow<'a, str>) -> bool {
        let open = self.open.last_mut().expect("a name stands in an object");
        let names = &self.names[open.names_from..];
        if names.len() < NAMES_COMPARED {
            if names.contains(&name) {
                return false;
            }
            self.names.push(name);
            return true;
        }
        if open.many.is_empty() {
            open.many.extend(names.iter().cloned());
        }
        open.many.insert(name)
    }

    fn word(&mut self, word: &'static str, token: Token<'a>) -> Result<Token<'a>, JsonError> {
        self.lexer.word(word)?;
        Ok(self.done(token))
    }

    fn number(&mut self) -> Result<Token<'a>, JsonError> {
        let token = match self.lexer.number()?.0 {
            Number::Integer(number) => Token::Integer(number),
            Number::Float(number) => Token::Float(number),
        };
        Ok(self.done(token))
    }
}

#[cfg(test)]
mod tests;
