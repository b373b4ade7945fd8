//! A CBOR document, read by what is asked of it.

use std::borrow::Cow;
use std::collections::HashSet;

use super::lexer::{BREAK, Lexer, float, major};
use super::{CborError, CborFlaw};
use crate::encoding::json::MAX_INTEGER;
use crate::encoding::source::{Key, Kind, Number, Source};
use crate::encoding::{MAX_DEPTH, exact_integer, is_noncharacter};

/// What is left of an array or map whose length is open.
const OPEN: u32 = u32::MAX;

/// Members of a skipped map whose keys are compared one by one; from there on
/// they are hashed, so that a large map costs no more than its length.
const KEYS_COMPARED: usize = 16;

/// Reads one CBOR item (RFC 8949).
///
/// Allocates nothing but room for strings that come in pieces, which it keeps.
#[derive(Debug)]
pub struct CborSource<'a> {
    lexer: Lexer<'a>,
    depth: usize,
    max_depth: usize,
    /// What is left of each array and map that is open, in elements or members.
    left: [u32; MAX_DEPTH],
    /// The last string that came in pieces.
    scratch: Vec<u8>,
}

impl<'a> CborSource<'a> {
    /// Begins to read `bytes`, which may nest `max_depth` deep, and never
    /// deeper than [`MAX_DEPTH`].
    #[must_use]
    pub fn new(bytes: &'a [u8], max_depth: usize) -> Self {
        Self {
            lexer: Lexer { bytes, at: 0 },
            depth: 0,
            max_depth: max_depth.min(MAX_DEPTH),
            left: [0; MAX_DEPTH],
            scratch: Vec::new(),
        }
    }

    /// The same with a buffer from an earlier document.
    #[must_use]
    pub fn with_scratch(mut self, scratch: String) -> Self {
        self.scratch = scratch.into_bytes();
        self
    }

    /// The buffer, for the next document.
    #[must_use]
    pub fn into_scratch(mut self) -> String {
        self.scratch.clear();
        String::from_utf8(self.scratch).unwrap_or_default()
    }

    /// Goes into an array, or a map whose members are two items each.
    fn enter(&mut self, major: u8, items_each: u64) -> Result<(), CborError> {
        let begin = self.lexer;
        let head = self.lexer.head()?;
        if head.major != major {
            self.lexer = begin;
            let expected = if major == major::MAP { "a map" } else { "an array" };
            return Err(self.lexer.flaw(CborFlaw::Unexpected { expected }));
        }
        if self.depth == self.max_depth {
            return Err(begin.flaw(CborFlaw::Depth { limit: self.max_depth }));
        }
        let left = match head.argument {
            None => OPEN,
            // An item has at least one octet, so that a count beyond the end is a lie.
            Some(count) => {
                let rest = self.lexer.bytes.len() - self.lexer.at;
                let count = u32::try_from(count).ok().filter(|count| *count < OPEN);
                let count = count.filter(|count| u64::from(*count) * items_each <= rest as u64);
                let end = CborError { offset: self.lexer.bytes.len(), flaw: CborFlaw::Ends };
                count.ok_or(end)?
            }
        };
        self.left[self.depth] = left;
        self.depth += 1;
        Ok(())
    }

    /// Whether the innermost array or map has one more; else it is left.
    #[inline]
    fn more(&mut self) -> Result<bool, CborError> {
        let Some(innermost) = self.depth.checked_sub(1) else { return Ok(false) };
        let is_over = match self.left[innermost] {
            0 => true,
            OPEN => self.lexer.take_break()?,
            left => {
                self.left[innermost] = left - 1;
                false
            }
        };
        self.depth -= usize::from(is_over);
        Ok(!is_over)
    }

    /// The octets of a string, borrowed from the document or put together in the
    /// scratch. Of text, only what is put together has been checked.
    fn string(&mut self, major: u8) -> Result<Piece<'a>, CborError> {
        let begin = self.lexer;
        let head = self.lexer.head()?;
        if head.major != major {
            self.lexer = begin;
            let expected = if major == major::TEXT { "text" } else { "octets" };
            return Err(self.lexer.flaw(CborFlaw::Unexpected { expected }));
        }
        if let Some(length) = head.argument {
            return self.lexer.take(length).map(Piece::Whole);
        }
        self.scratch.clear();
        while !self.lexer.take_break()? {
            let begin = self.lexer;
            let head = self.lexer.head()?;
            let Some(length) = head.argument.filter(|_| head.major == major) else {
                return Err(begin.flaw(CborFlaw::Piece));
            };
            let octets = self.lexer.take(length)?;
            // Each piece is text by itself (RFC 8949, section 3.2.3).
            if major == major::TEXT {
                checked(octets, self.lexer.at - octets.len())?;
            }
            self.scratch.extend_from_slice(octets);
        }
        Ok(Piece::Scratch)
    }

    fn text_in_scratch(&self) -> &str {
        std::str::from_utf8(&self.scratch).expect("every piece of it is text")
    }

    /// An integer of up to 64 bits and a sign.
    fn integer(&mut self) -> Result<i128, CborError> {
        let begin = self.lexer;
        let head = self.lexer.head()?;
        match (head.major, head.argument) {
            (major::UNSIGNED, Some(number)) => Ok(number.into()),
            (major::NEGATIVE, Some(number)) => Ok(-1 - i128::from(number)),
            _ => {
                self.lexer = begin;
                Err(self.lexer.flaw(CborFlaw::Unexpected { expected: "an integer" }))
            }
        }
    }

    #[inline]
    fn key(&mut self) -> Result<Key<'_>, CborError> {
        let first = self.lexer.peek()?;
        if first < major::SMALL {
            self.lexer.at += 1;
            return Ok(Key::Integer(first.into()));
        }
        match first >> 5 {
            major::UNSIGNED | major::NEGATIVE => {
                let offset = self.lexer.at;
                let number = i64::try_from(self.integer()?).ok();
                let number = number.filter(|it| (-MAX_INTEGER..=MAX_INTEGER).contains(it));
                number.map(Key::Integer).ok_or(CborError { offset, flaw: CborFlaw::Integer })
            }
            major::TEXT => self.text().map(Key::Text),
            _ if self.lexer.peek()? == BREAK => Err(self.lexer.flaw(CborFlaw::Break)),
            _ => {
                let expected = "a key that is text or an integer";
                Err(self.lexer.flaw(CborFlaw::Unexpected { expected }))
            }
        }
    }

    /// Passes over a map, and notices keys that stand twice. A number and the
    /// text that spells it are one key: as JSON they would be.
    fn skip_map(&mut self) -> Result<(), CborError> {
        self.enter_map()?;
        let mut few: Vec<String> = Vec::new();
        let mut many: HashSet<String> = HashSet::new();
        loop {
            let offset = self.lexer.at;
            let key = match self.next_key(few.is_empty())? {
                None => return Ok(()),
                Some(Key::Text(name)) => name.to_owned(),
                Some(Key::Integer(id)) => id.to_string(),
            };
            let is_new = if few.len() < KEYS_COMPARED {
                let is_new = !few.contains(&key);
                few.push(key.clone());
                is_new
            } else {
                if many.is_empty() {
                    many.extend(few.iter().cloned());
                }
                many.insert(key.clone())
            };
            if !is_new {
                return Err(CborError { offset, flaw: CborFlaw::Duplicate(key) });
            }
            self.kind()?;
            self.skip()?;
        }
    }
}

/// Reads a document that is one string of text; borrowed where it is in one piece.
pub fn text(document: &[u8]) -> Result<Cow<'_, str>, CborError> {
    let mut source = CborSource::new(document, 0);
    Ok(match source.string(major::TEXT)? {
        Piece::Whole(octets) => Cow::Borrowed(checked(octets, source.lexer.at - octets.len())?),
        Piece::Scratch => Cow::Owned(source.text_in_scratch().to_owned()),
    })
}

/// Where the octets of a string are.
enum Piece<'a> {
    Whole(&'a [u8]),
    Scratch,
}

/// Text as I-JSON takes it.
fn checked(octets: &[u8], from: usize) -> Result<&str, CborError> {
    let text = std::str::from_utf8(octets).map_err(|error| CborError {
        offset: from + error.valid_up_to(),
        flaw: CborFlaw::NotUtf8,
    })?;
    if !octets.is_ascii()
        && let Some((at, _)) = text.char_indices().find(|it| is_noncharacter(it.1))
    {
        return Err(CborError { offset: from + at, flaw: CborFlaw::Noncharacter });
    }
    Ok(text)
}

impl Source for CborSource<'_> {
    type Error = CborError;
    /// Offset, depth, and what is left of the innermost array or map.
    type Place = (usize, usize, u32);

    #[expect(clippy::inline_always, reason = "counted: a twentieth of the whole judgement")]
    #[inline(always)]
    fn kind(&mut self) -> Result<Kind, CborError> {
        let first = self.lexer.peek()?;
        Ok(match (first >> 5, first & 0x1f) {
            (major::UNSIGNED | major::NEGATIVE, _) | (major::OTHER, 25..=27) => Kind::Number,
            (major::OCTETS, _) => Kind::Octets,
            (major::TEXT, _) => Kind::Text,
            (major::ARRAY, _) => Kind::Array,
            (major::MAP, _) => Kind::Map,
            (major::OTHER, 20 | 21) => Kind::Bool,
            (major::OTHER, 22) => Kind::Null,
            (major::TAG, _) => return Err(self.lexer.flaw(CborFlaw::Tag)),
            (_, 28..=30) => return Err(self.lexer.flaw(CborFlaw::Reserved)),
            (_, 31) => return Err(self.lexer.flaw(CborFlaw::Break)),
            _ => return Err(self.lexer.flaw(CborFlaw::Simple)),
        })
    }

    fn null(&mut self) -> Result<(), CborError> {
        self.lexer.head().map(drop)
    }

    fn bool(&mut self) -> Result<bool, CborError> {
        self.lexer.head().map(|head| head.info == 21)
    }

    #[inline]
    fn number(&mut self) -> Result<Number, CborError> {
        let first = self.lexer.peek()?;
        if first < major::SMALL {
            self.lexer.at += 1;
            return Ok(Number::Integer(first.into()));
        }
        let begin = self.lexer;
        let head = self.lexer.head()?;
        let bits = head.argument.unwrap_or_default();
        if head.major == major::OTHER {
            let number = float(head.info, bits);
            if !number.is_finite() {
                return Err(begin.flaw(CborFlaw::Float));
            }
            return Ok(exact_integer(number).map_or(Number::Float(number), Number::Integer));
        }
        let magnitude = i64::try_from(bits).ok();
        let number =
            if head.major == major::NEGATIVE { magnitude.map(|it| -1 - it) } else { magnitude };
        let number = number.filter(|it| (-MAX_INTEGER..=MAX_INTEGER).contains(it));
        number.map(Number::Integer).ok_or_else(|| begin.flaw(CborFlaw::Integer))
    }

    fn wide_integer(&mut self) -> Result<i128, CborError> {
        self.integer()
    }

    #[inline]
    fn text(&mut self) -> Result<&str, CborError> {
        Ok(match self.string(major::TEXT)? {
            Piece::Whole(octets) => checked(octets, self.lexer.at - octets.len())?,
            Piece::Scratch => self.text_in_scratch(),
        })
    }

    /// ASCII is text, and has no noncharacters.
    #[inline]
    fn text_bytes(&mut self) -> Result<usize, CborError> {
        match self.string(major::TEXT)? {
            Piece::Whole(octets) if octets.is_ascii() => Ok(octets.len()),
            Piece::Whole(octets) => checked(octets, self.lexer.at - octets.len()).map(str::len),
            Piece::Scratch => Ok(self.scratch.len()),
        }
    }

    fn octets(&mut self) -> Result<Cow<'_, [u8]>, CborError> {
        Ok(Cow::Borrowed(match self.string(major::OCTETS)? {
            Piece::Whole(octets) => octets,
            Piece::Scratch => &self.scratch,
        }))
    }

    fn enter_array(&mut self) -> Result<(), CborError> {
        self.enter(major::ARRAY, 1)
    }

    fn next_element(&mut self, _is_first: bool) -> Result<bool, CborError> {
        self.more()
    }

    #[inline]
    fn enter_map(&mut self) -> Result<(), CborError> {
        self.enter(major::MAP, 2)
    }

    #[expect(clippy::inline_always, reason = "counted: a twentieth of the whole judgement")]
    #[inline(always)]
    fn next_key(&mut self, _is_first: bool) -> Result<Option<Key<'_>>, CborError> {
        if self.more()? { self.key().map(Some) } else { Ok(None) }
    }

    /// Goes no deeper into the stack than documents may nest.
    fn skip(&mut self) -> Result<(), CborError> {
        match self.kind()? {
            Kind::Null => self.null(),
            Kind::Bool => self.bool().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Text => self.text_bytes().map(drop),
            Kind::Octets => self.octets().map(drop),
            Kind::Array => {
                self.enter_array()?;
                while self.next_element(false)? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Map => self.skip_map(),
        }
    }

    fn end(&mut self) -> Result<(), CborError> {
        if self.lexer.at == self.lexer.bytes.len() {
            Ok(())
        } else {
            Err(self.lexer.flaw(CborFlaw::Trailing))
        }
    }

    #[inline]
    fn offset(&self) -> usize {
        self.lexer.at
    }

    #[inline]
    fn place(&self) -> Self::Place {
        let left = self.depth.checked_sub(1).map_or(0, |innermost| self.left[innermost]);
        (self.lexer.at, self.depth, left)
    }

    fn return_to(&mut self, (at, depth, left): Self::Place) {
        self.lexer.at = at;
        self.depth = depth;
        if let Some(innermost) = depth.checked_sub(1) {
            self.left[innermost] = left;
        }
    }
}
