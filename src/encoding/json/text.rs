//! A JSON text, read by what is asked of it.

use std::borrow::Cow;

use super::lexer::Lexer;
use super::{JsonError, JsonFlaw, Reader, Token};
use crate::encoding::source::{Key, Kind, Number, Source};
use crate::encoding::{MAX_DEPTH, exact_integer};

/// Reads a document that is one string; borrowed where it has no escapes.
pub fn text(document: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    let mut lexer = Lexer::new(document);
    match lexer.peek() {
        Some(b'"') => lexer.string(),
        _ => Err(lexer.unexpected("text")),
    }
}

/// Reads an I-JSON text (RFC 7493).
///
/// Allocates nothing but room for strings with escapes, which it keeps.
#[derive(Debug)]
pub struct JsonSource<'a> {
    lexer: Lexer<'a>,
    depth: usize,
    max_depth: usize,
    /// The last string that had escapes.
    scratch: String,
}

impl<'a> JsonSource<'a> {
    /// Begins to read `bytes`, which may nest `max_depth` deep, and never
    /// deeper than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(bytes: &'a [u8], max_depth: usize) -> Self {
        let max_depth = max_depth.min(MAX_DEPTH);
        Self { lexer: Lexer::new(bytes), depth: 0, max_depth, scratch: String::new() }
    }

    /// The same with a buffer from an earlier text.
    #[must_use]
    pub fn with_scratch(mut self, scratch: String) -> Self {
        self.scratch = scratch;
        self
    }

    /// The buffer, for the next text.
    #[must_use]
    pub fn into_scratch(self) -> String {
        self.scratch
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth == self.max_depth {
            return Err(self.lexer.flaw(JsonFlaw::Depth { limit: self.max_depth }));
        }
        self.depth += 1;
        self.lexer.at += 1;
        Ok(())
    }

    /// What follows a value, or the opening bracket; whether there is one more.
    #[inline]
    fn more(&mut self, close: u8, is_first: bool) -> Result<bool, JsonError> {
        self.lexer.white_space();
        if self.lexer.take(close) {
            self.depth = self.depth.saturating_sub(1);
            return Ok(false);
        }
        if is_first {
            return Ok(true);
        }
        if self.lexer.take(b',') {
            self.lexer.white_space();
            return Ok(true);
        }
        Err(self.lexer.unexpected(if close == b'}' { "a comma or }" } else { "a comma or ]" }))
    }

    #[inline]
    fn string(&mut self) -> Result<&str, JsonError> {
        self.lexer.at += 1;
        let plain = self.lexer.plain()?;
        if self.lexer.take(b'"') {
            return Ok(plain);
        }
        self.scratch.clear();
        self.scratch.push_str(plain);
        self.lexer.rest_of_string(&mut self.scratch)?;
        Ok(&self.scratch)
    }
}

impl Source for JsonSource<'_> {
    type Error = JsonError;
    type Place = (usize, usize);

    #[expect(clippy::inline_always, reason = "counted: a twentieth of the whole judgement")]
    #[inline(always)]
    fn kind(&mut self) -> Result<Kind, JsonError> {
        self.lexer.white_space();
        Ok(match self.lexer.peek() {
            Some(b'{') => Kind::Map,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => return Err(self.lexer.unexpected("a value")),
        })
    }

    fn null(&mut self) -> Result<(), JsonError> {
        self.lexer.word("null")
    }

    fn bool(&mut self) -> Result<bool, JsonError> {
        match self.lexer.peek() {
            Some(b't') => self.lexer.word("true").map(|()| true),
            _ => self.lexer.word("false").map(|()| false),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Number, JsonError> {
        let (number, _) = self.lexer.number()?;
        Ok(match number {
            // 200.0 is the integer 200, as JSON sees it.
            Number::Float(float) => exact_integer(float).map_or(number, Number::Integer),
            number @ Number::Integer(_) => number,
        })
    }

    fn wide_integer(&mut self) -> Result<i128, JsonError> {
        Err(self.lexer.unexpected("text, since JSON has no integers of 64 bits"))
    }

    #[inline]
    fn text(&mut self) -> Result<&str, JsonError> {
        self.string()
    }

    fn octets(&mut self) -> Result<Cow<'_, [u8]>, JsonError> {
        Err(self.lexer.unexpected("text, since JSON has no octets"))
    }

    fn enter_array(&mut self) -> Result<(), JsonError> {
        self.enter()
    }

    fn next_element(&mut self, is_first: bool) -> Result<bool, JsonError> {
        self.more(b']', is_first)
    }

    #[inline]
    fn enter_map(&mut self) -> Result<(), JsonError> {
        self.enter()
    }

    #[expect(clippy::inline_always, reason = "counted: a twentieth of the whole judgement")]
    #[inline(always)]
    fn next_key(&mut self, is_first: bool) -> Result<Option<Key<'_>>, JsonError> {
        // Most senders write no white space.
        let is_next = is_first || self.lexer.peek() == Some(b',');
        let at = self.lexer.at + usize::from(!is_first);
        if is_next && self.lexer.bytes.get(at) == Some(&b'"') {
            self.lexer.at = at;
        } else {
            if !self.more(b'}', is_first)? {
                return Ok(None);
            }
            if self.lexer.peek() != Some(b'"') {
                return Err(self.lexer.unexpected("a member name in quotation marks"));
            }
        }
        // Borrowed from the text, or from the scratch; the colon is read before it is given out.
        self.lexer.at += 1;
        let plain = self.lexer.plain()?;
        let is_plain = self.lexer.take(b'"');
        if !is_plain {
            self.scratch.clear();
            self.scratch.push_str(plain);
            self.lexer.rest_of_string(&mut self.scratch)?;
        }
        if !self.lexer.take(b':') {
            self.lexer.white_space();
            if !self.lexer.take(b':') {
                return Err(self.lexer.unexpected("a colon"));
            }
        }
        Ok(Some(Key::Text(if is_plain { plain } else { &self.scratch })))
    }

    /// The token reader knows members that stand twice.
    fn skip(&mut self) -> Result<(), JsonError> {
        let mut reader = Reader::resume(self.lexer, self.max_depth - self.depth);
        loop {
            match reader.token() {
                Ok(Token::End) | Err(JsonError { flaw: JsonFlaw::Trailing, .. }) => break,
                Ok(_) => {}
                Err(JsonError { offset, flaw: JsonFlaw::Depth { .. } }) => {
                    let flaw = JsonFlaw::Depth { limit: self.max_depth };
                    return Err(JsonError { offset, flaw });
                }
                Err(error) => return Err(error),
            }
        }
        self.lexer = reader.into_lexer();
        Ok(())
    }

    fn end(&mut self) -> Result<(), JsonError> {
        self.lexer.white_space();
        if self.lexer.is_at_end() { Ok(()) } else { Err(self.lexer.flaw(JsonFlaw::Trailing)) }
    }

    #[inline]
    fn offset(&self) -> usize {
        self.lexer.at
    }

    #[inline]
    fn place(&self) -> Self::Place {
        (self.lexer.at, self.depth)
    }

    fn return_to(&mut self, (at, depth): Self::Place) {
        self.lexer.at = at;
        self.depth = depth;
    }
}
