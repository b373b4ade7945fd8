//! A pull reader for I-JSON (RFC 7493), the JSON that means the same to everybody.
//!
//! One pass over the bytes. Beyond RFC 8259 it refuses what I-JSON forbids:
//! a member name that stands twice in an object, also when spelled with
//! escapes; unpaired surrogates and noncharacters; integers beyond 2^53 - 1.
//! It does not recurse, so no input can exhaust the stack.

use std::borrow::Cow;
use std::collections::HashSet;

use super::MAX_DEPTH;

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
    bytes: &'a [u8],
    at: usize,
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
        Self { bytes, at: 0, max_depth, next: Next::Value, open: Vec::new(), names: Vec::new() }
    }

    /// The next token. After [`Token::End`] it is that for ever; after an
    /// error there is nothing sensible to be had any more.
    pub fn token(&mut self) -> Result<Token<'a>, JsonError> {
        self.white_space();
        let next = self.next;
        match next {
            Next::ValueOrEnd if self.take(b']') => Ok(self.close()),
            Next::Value | Next::ValueOrEnd => self.value(),
            Next::NameOrEnd if self.take(b'}') => Ok(self.close()),
            Next::NameOrEnd => self.name(),
            Next::CommaOrEnd => self.comma_or_end(),
            Next::Nothing if self.at == self.bytes.len() => Ok(Token::End),
            Next::Nothing => Err(self.flaw(JsonFlaw::Trailing)),
        }
    }

    fn comma_or_end(&mut self) -> Result<Token<'a>, JsonError> {
        let is_object = self.open.last().is_some_and(|open| open.is_object);
        if self.take(b',') {
            self.white_space();
            return if is_object { self.name() } else { self.value() };
        }
        if self.take(if is_object { b'}' } else { b']' }) {
            return Ok(self.close());
        }
        Err(self.unexpected(if is_object { "a comma or }" } else { "a comma or ]" }))
    }

    fn value(&mut self) -> Result<Token<'a>, JsonError> {
        match self.peek() {
            Some(b'{') => self.begin(true),
            Some(b'[') => self.begin(false),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.done(Token::String(text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Token::Bool(true)),
            Some(b'f') => self.word("false", Token::Bool(false)),
            Some(b'n') => self.word("null", Token::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn begin(&mut self, is_object: bool) -> Result<Token<'a>, JsonError> {
        if self.open.len() == self.max_depth {
            return Err(self.flaw(JsonFlaw::Depth { limit: self.max_depth }));
        }
        self.at += 1;
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
        let begin = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a member name in quotation marks"));
        }
        let name = self.string()?;
        if !self.is_new(name.clone()) {
            return Err(JsonError { offset: begin, flaw: JsonFlaw::Duplicate(name.into_owned()) });
        }
        self.white_space();
        if !self.take(b':') {
            return Err(self.unexpected("a colon"));
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
        for &byte in word.as_bytes() {
            if !self.take(byte) {
                return Err(self.unexpected(word));
            }
        }
        Ok(self.done(token))
    }

    fn number(&mut self) -> Result<Token<'a>, JsonError> {
        let begin = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_whole = true;
        if self.take(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_whole = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.bytes[begin..self.at]).expect("digits are ASCII");
        let flaw = |flaw| JsonError { offset: begin, flaw };
        let token = if is_whole {
            match text.parse() {
                Ok(number) if (-MAX_INTEGER..=MAX_INTEGER).contains(&number) => {
                    Token::Integer(number)
                }
                _ => return Err(flaw(JsonFlaw::Integer)),
            }
        } else {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Token::Float(number),
                _ => return Err(flaw(JsonFlaw::Float)),
            }
        };
        Ok(self.done(token))
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == begin { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    /// A string, from its opening quotation mark on; borrowed where it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let plain = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => text.push_str(self.plain()?),
            }
        }
    }

    /// The characters up to the next quotation mark or backslash.
    fn plain(&mut self) -> Result<&'a str, JsonError> {
        let begin = self.at;
        let mut is_ascii = true;
        loop {
            match self.peek() {
                None => return Err(self.ends_inside(begin)),
                Some(b'"' | b'\\') => break,
                Some(0..=0x1f) => return Err(self.flaw(JsonFlaw::Control)),
                Some(byte) => is_ascii &= byte.is_ascii(),
            }
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[begin..self.at]).map_err(|error| JsonError {
            offset: begin + error.valid_up_to(),
            flaw: JsonFlaw::NotUtf8,
        })?;
        if !is_ascii && let Some((offset, _)) = text.char_indices().find(|it| is_noncharacter(it.1))
        {
            return Err(JsonError { offset: begin + offset, flaw: JsonFlaw::Noncharacter });
        }
        Ok(text)
    }

    /// The text ends inside a string; what is no UTF-8 there is the graver fault.
    fn ends_inside(&self, begin: usize) -> JsonError {
        match std::str::from_utf8(&self.bytes[begin..]) {
            Err(error) if error.error_len().is_some() => {
                JsonError { offset: begin + error.valid_up_to(), flaw: JsonFlaw::NotUtf8 }
            }
            _ => self.flaw(JsonFlaw::Ends),
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let begin = self.at;
        self.at += 1;
        let letter = self.peek().ok_or_else(|| self.flaw(JsonFlaw::Ends))?;
        self.at += 1;
        let flaw = |flaw| JsonError { offset: begin, flaw };
        let decoded = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                let code = match first {
                    0xd800..=0xdbff if self.bytes[self.at..].starts_with(b"\\u") => {
                        self.at += 2;
                        match self.hex4()? {
                            second @ 0xdc00..=0xdfff => {
                                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                            }
                            _ => return Err(flaw(JsonFlaw::Surrogate)),
                        }
                    }
                    _ => first,
                };
                char::from_u32(code).ok_or_else(|| flaw(JsonFlaw::Surrogate))?
            }
            _ => return Err(flaw(JsonFlaw::Escape)),
        };
        if is_noncharacter(decoded) {
            return Err(flaw(JsonFlaw::Noncharacter));
        }
        Ok(decoded)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.peek().ok_or_else(|| self.flaw(JsonFlaw::Ends))?;
            let digit = char::from(byte)
                .to_digit(16)
                .ok_or_else(|| self.unexpected("four hexadecimal digits"))?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn flaw(&self, flaw: JsonFlaw) -> JsonError {
        JsonError { offset: self.at, flaw }
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        match self.peek() {
            Some(_) => self.flaw(JsonFlaw::Unexpected { expected }),
            None => self.flaw(JsonFlaw::Ends),
        }
    }
}

/// Noncharacters of Unicode: the last two code points of each plane, and U+FDD0 to U+FDEF.
fn is_noncharacter(it: char) -> bool {
    u32::from(it) & 0xfffe == 0xfffe || matches!(it, '\u{fdd0}'..='\u{fdef}')
}

#[cfg(test)]
mod tests;
