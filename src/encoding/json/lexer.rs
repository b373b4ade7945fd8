//! The smallest pieces of a JSON text: white space, words, numbers, strings.

use std::borrow::Cow;

use super::{JsonError, JsonFlaw, MAX_INTEGER};
use crate::encoding::is_noncharacter;
use crate::encoding::source::Number;

/// Integers of so many digits are all exact (RFC 7493, section 2.2).
const EXACT_DIGITS: usize = 15;

/// How many bytes are plain characters of a string, up to a quotation mark, a
/// backslash or a control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES * 0x80;
    // Sets the top bit of each byte that is below `bound`, and perhaps of bytes behind it.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & TOPS;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
        let word = u64::from_le_bytes(eight);
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let ends = below(word, 0x20) | is(b'"') | is(b'\\');
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\');
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Walks over the bytes of a text. Copying it makes a place to return to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    pub bytes: &'a [u8],
    /// The bytes as far as they are UTF-8: to look once at all of them costs less
    /// than to look at each string.
    text: &'a str,
    /// All of them are ASCII.
    is_ascii: bool,
    pub at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).or_else(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid)
        });
        Self { bytes, text: text.unwrap_or_default(), is_ascii: bytes.is_ascii(), at: 0 }
    }

    /// `true`, `false` or `null`.
    pub fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        for &byte in word.as_bytes() {
            if !self.take(byte) {
                return Err(self.unexpected(word));
            }
        }
        Ok(())
    }

    /// A number, and whether it is written as a whole one.
    #[inline]
    pub fn number(&mut self) -> Result<(Number, bool), JsonError> {
        let begin = self.at;
        let is_negative = self.take(b'-');
        let from = self.at;
        let mut number = 0i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            // Beyond so many digits it is read once more, and refused.
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - from;
        let is_plain = matches!(digits, 1..=EXACT_DIGITS)
            && !matches!(self.peek(), Some(b'.' | b'e' | b'E'))
            && (digits == 1 || self.bytes.get(from) != Some(&b'0'));
        if is_plain {
            return Ok((Number::Integer(if is_negative { -number } else { number }), true));
        }
        self.at = begin;
        self.any_number()
    }

    /// The same for what is not a plain integer.
    #[cold]
    fn any_number(&mut self) -> Result<(Number, bool), JsonError> {
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
        let text = self.text.get(begin..self.at).unwrap_or_default();
        let flaw = |flaw| JsonError { offset: begin, flaw };
        if is_whole {
            return match text.parse() {
                Ok(number) if (-MAX_INTEGER..=MAX_INTEGER).contains(&number) => {
                    Ok((Number::Integer(number), true))
                }
                _ => Err(flaw(JsonFlaw::Integer)),
            };
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((Number::Float(number), false)),
            _ => Err(flaw(JsonFlaw::Float)),
        }
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
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let plain = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        self.rest_of_string(&mut text)?;
        Ok(Cow::Owned(text))
    }

    /// A string of which `text` holds the part before the first escape.
    pub fn rest_of_string(&mut self, text: &mut String) -> Result<(), JsonError> {
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => text.push_str(self.plain()?),
            }
        }
    }

    /// The characters up to the next quotation mark or backslash.
    #[inline]
    pub fn plain(&mut self) -> Result<&'a str, JsonError> {
        let begin = self.at;
        self.at += plain_bytes(self.bytes.get(begin..).unwrap_or_default());
        match self.peek() {
            Some(0x20..) if self.is_ascii => Ok(self.text.get(begin..self.at).unwrap_or_default()),
            _ => self.plain_in_unicode(begin),
        }
    }

    /// The same where not all is ASCII, or where the string does not end.
    fn plain_in_unicode(&self, begin: usize) -> Result<&'a str, JsonError> {
        match self.peek() {
            None => return Err(self.ends_inside(begin)),
            Some(0..=0x1f) => return Err(self.flaw(JsonFlaw::Control)),
            Some(_) => {}
        }
        let Some(text) = self.text.get(begin..self.at) else {
            let error = std::str::from_utf8(&self.bytes[begin..self.at]).err();
            let offset = begin + error.map_or(0, |error| error.valid_up_to());
            return Err(JsonError { offset, flaw: JsonFlaw::NotUtf8 });
        };
        if !text.is_ascii()
            && let Some((offset, _)) = text.char_indices().find(|it| is_noncharacter(it.1))
        {
            return Err(JsonError { offset: begin + offset, flaw: JsonFlaw::Noncharacter });
        }
        Ok(text)
    }

    /// The text ends inside a string; what is no UTF-8 there is the graver fault.
    #[cold]
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

    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline]
    pub fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    #[cold]
    pub fn flaw(&self, flaw: JsonFlaw) -> JsonError {
        JsonError { offset: self.at, flaw }
    }

    #[cold]
    pub fn unexpected(&self, expected: &'static str) -> JsonError {
        match self.peek() {
            Some(_) if self.at == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") => {
                self.flaw(JsonFlaw::ByteOrderMark)
            }
            Some(_) => self.flaw(JsonFlaw::Unexpected { expected }),
            None => self.flaw(JsonFlaw::Ends),
        }
    }
}
