//! What writes typed data down, whatever the encoding.

use super::source::{Key, Kind, Number, Source};

/// Writes one document, value by value.
///
/// Whoever writes keeps the order: every beginning has its end, and in a map a
/// key comes before each value.
pub trait Sink {
    /// Writes null.
    fn null(&mut self);

    /// Writes `true` or `false`.
    fn bool(&mut self, it: bool);

    /// Writes a number.
    fn number(&mut self, it: Number);

    /// Writes an integer of up to 64 bits and a sign; as text where the
    /// encoding has no such integers.
    fn wide_integer(&mut self, it: i128);

    /// Writes text.
    fn text(&mut self, it: &str);

    /// Writes octets; as base64url without padding where the encoding has none
    /// (RFC 8949, section 6.1).
    fn octets(&mut self, it: &[u8]);

    /// Begins an array.
    fn begin_array(&mut self);

    /// Ends the innermost array.
    fn end_array(&mut self);

    /// Begins a map.
    fn begin_map(&mut self);

    /// Writes the key of the next member; as text where the encoding has no other keys.
    fn key(&mut self, it: Key<'_>);

    /// Ends the innermost map.
    fn end_map(&mut self);
}

/// Copies the next value of a source, whatever it is. A source nests no deeper
/// than [`MAX_DEPTH`](super::MAX_DEPTH), and so no deeper does this recurse.
pub fn copy<R: Source>(source: &mut R, sink: &mut impl Sink) -> Result<(), R::Error> {
    match source.kind()? {
        Kind::Null => {
            source.null()?;
            sink.null();
        }
        Kind::Bool => sink.bool(source.bool()?),
        Kind::Number => sink.number(source.number()?),
        Kind::Text => sink.text(source.text()?),
        Kind::Octets => sink.octets(&source.octets()?),
        Kind::Array => {
            source.enter_array()?;
            sink.begin_array();
            let mut is_first = true;
            while source.next_element(is_first)? {
                is_first = false;
                copy(source, sink)?;
            }
            sink.end_array();
        }
        Kind::Map => {
            source.enter_map()?;
            sink.begin_map();
            let mut is_first = true;
            while let Some(key) = source.next_key(is_first)? {
                is_first = false;
                sink.key(key);
                copy(source, sink)?;
            }
            sink.end_map();
        }
    }
    Ok(())
}
