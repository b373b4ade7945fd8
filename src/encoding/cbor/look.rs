//! A look at CBOR that may be broken in what it says, but not in how.

use serde_json::{Map, Value};

use super::lexer::{Lexer, float, major};
use super::{CborError, CborFlaw};
use crate::encoding::MAX_DEPTH;

/// Reads one CBOR item as the JSON that says most nearly the same.
///
/// Integers as keys become text. Tags are passed over. What JSON lacks (octets,
/// big integers, numbers that are not finite, simple values) becomes null: this
/// is for looking, not for acting on. The caller bounds the size of `bytes`;
/// nothing read here grows beyond a small multiple of it.
pub fn look(bytes: &[u8], max_depth: usize) -> Result<Value, CborError> {
    let mut lexer = Lexer { bytes, at: 0 };
    let limit = max_depth.min(MAX_DEPTH);
    let value = item(&mut lexer, 0, limit)?;
    if lexer.at == bytes.len() { Ok(value) } else { Err(lexer.flaw(CborFlaw::Trailing)) }
}

/// One item, inside of so many others.
fn item(lexer: &mut Lexer<'_>, depth: usize, limit: usize) -> Result<Value, CborError> {
    let begin = *lexer;
    let head = lexer.head()?;
    let nests = matches!(head.major, major::ARRAY | major::MAP | major::TAG);
    if nests && depth == limit {
        return Err(begin.flaw(CborFlaw::Depth { limit }));
    }
    Ok(match (head.major, head.argument) {
        (major::UNSIGNED, Some(number)) => i64::try_from(number).map_or(Value::Null, Value::from),
        (major::NEGATIVE, Some(number)) => {
            i64::try_from(number).map_or(Value::Null, |it| Value::from(-1 - it))
        }
        (kind @ (major::OCTETS | major::TEXT), length) => {
            let octets = string(lexer, kind, length)?;
            if kind == major::OCTETS {
                return Ok(Value::Null);
            }
            let text = String::from_utf8(octets).map_err(|_| begin.flaw(CborFlaw::NotUtf8))?;
            Value::String(text)
        }
        (major::ARRAY, count) => {
            let mut elements = Vec::new();
            while has_more(lexer, count, elements.len())? {
                elements.push(item(lexer, depth + 1, limit)?);
            }
            Value::Array(elements)
        }
        (major::MAP, count) => {
            let (mut object, mut members) = (Map::new(), 0);
            while has_more(lexer, count, members)? {
                members += 1;
                let key = item(lexer, depth + 1, limit)?;
                let value = item(lexer, depth + 1, limit)?;
                let name = match key {
                    Value::String(name) => name,
                    Value::Number(id) if id.is_i64() => id.to_string(),
                    _ => continue,
                };
                // Of two members with one name the first counts.
                object.entry(name).or_insert(value);
            }
            Value::Object(object)
        }
        (major::TAG, Some(_)) => item(lexer, depth + 1, limit)?,
        (_, bits) => match (head.info, bits) {
            (20, _) => Value::Bool(false),
            (21, _) => Value::Bool(true),
            (25..=27, Some(bits)) => Value::from(float(head.info, bits)),
            _ => Value::Null,
        },
    })
}

fn has_more(lexer: &mut Lexer<'_>, count: Option<u64>, seen: usize) -> Result<bool, CborError> {
    match count {
        Some(count) => Ok((seen as u64) < count),
        None => lexer.take_break().map(|is_over| !is_over),
    }
}

fn string(lexer: &mut Lexer<'_>, kind: u8, length: Option<u64>) -> Result<Vec<u8>, CborError> {
    if let Some(length) = length {
        return lexer.take(length).map(<[u8]>::to_vec);
    }
    let mut octets = Vec::new();
    while !lexer.take_break()? {
        let begin = *lexer;
        let head = lexer.head()?;
        let length = head.argument.filter(|_| head.major == kind);
        let length = length.ok_or_else(|| begin.flaw(CborFlaw::Piece))?;
        octets.extend_from_slice(lexer.take(length)?);
    }
    Ok(octets)
}
