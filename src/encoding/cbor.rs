//! Just enough CBOR (RFC 8949) to see what a message says of itself.
//!
//! A pull reader like that of JSON takes this place once CBOR is supported.

use ciborium::Value as Cbor;
use serde_json::{Map, Value};

use super::MAX_DEPTH;

/// The bytes are no CBOR, or are nested too deeply.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no CBOR that can be read: {reason}")]
pub struct CborError {
    /// Where and why.
    pub reason: String,
}

/// Reads one CBOR item as the JSON that says most nearly the same.
///
/// Integers as keys become text. What JSON lacks (octets, tags, big integers,
/// numbers that are not finite) becomes null: this is for looking, not for acting on.
/// The caller bounds the size of `bytes`; nothing read here grows beyond a
/// small multiple of it.
pub fn look(bytes: &[u8], max_depth: usize) -> Result<Value, CborError> {
    let mut rest = bytes;
    let item: Cbor =
        ciborium::de::from_reader_with_recursion_limit(&mut rest, max_depth.min(MAX_DEPTH))
            .map_err(|error| CborError { reason: error.to_string() })?;
    if rest.is_empty() {
        Ok(to_json(item))
    } else {
        Err(CborError { reason: format!("{} bytes follow the item", rest.len()) })
    }
}

fn to_json(item: Cbor) -> Value {
    match item {
        Cbor::Bool(it) => Value::Bool(it),
        Cbor::Text(it) => Value::String(it),
        Cbor::Integer(it) => i64::try_from(it).map_or(Value::Null, Value::from),
        Cbor::Float(it) => Value::from(it),
        Cbor::Array(items) => items.into_iter().map(to_json).collect(),
        Cbor::Map(members) => {
            let mut object = Map::new();
            for (name, member) in members {
                let name = match name {
                    Cbor::Text(it) => it,
                    Cbor::Integer(it) => i128::from(it).to_string(),
                    _ => continue,
                };
                // Of two members with one name the first counts.
                object.entry(name).or_insert_with(|| to_json(member));
            }
            Value::Object(object)
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_arrays_and_scalars_are_seen() {
        // {"a": [1, -1, true, null, 0.5], 1: "x", "b": h'00'}
        let bytes = b"\xa3\x61a\x85\x01\x20\xf5\xf6\xf9\x38\x00\x01\x61x\x61b\x41\x00";
        let seen = look(bytes, 8).unwrap();
        assert_eq!(seen, json!({"a": [1, -1, true, null, 0.5], "1": "x", "b": null}));
    }

    #[test]
    fn what_is_broken_or_too_deep_is_an_error() {
        let too_deep = vec![0x81; 200_000];
        let cases: [&[u8]; 6] = [
            b"",
            b"\xa1\x61a",
            b"\x01\x01",
            b"\xff",
            // An array and a text that claim to be nearly endless.
            b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
            &too_deep,
        ];
        for bytes in cases {
            assert!(look(bytes, usize::MAX).is_err(), "{:?}", &bytes[..bytes.len().min(10)]);
        }
    }
}
