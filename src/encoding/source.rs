//! What a reader of typed data asks of a text or of octets, whatever the encoding.

use std::borrow::Cow;

/// What stands at the current position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nothing, said aloud.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// Text.
    Text,
    /// Octets; only CBOR has them.
    Octets,
    /// An ordered list.
    Array,
    /// Names or numbers with values.
    Map,
}

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole, within plus or minus 2^53 - 1; `200.0` is whole, too.
    Integer(i64),
    /// With a fraction, or beyond the integers that are exact; finite.
    Float(f64),
}

/// The key of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Key<'s> {
    /// A name.
    Text(&'s str),
    /// A number; only CBOR has them.
    Integer(i64),
}

/// Reads one document from its first byte to its last, by what is asked.
///
/// The caller asks for what [`Source::kind`] told. Text is borrowed from the
/// document, or from one scratch buffer that the next question overwrites.
/// Errors are small; what they say is worked out by whoever reports them.
/// Nothing is allocated but by growing the scratch buffer and by
/// [`Source::skip`].
pub trait Source {
    /// What is wrong with the document.
    type Error: std::error::Error + 'static;

    /// A place to return to.
    type Place: Copy;

    /// What stands next. Asks nothing of what follows it.
    fn kind(&mut self) -> Result<Kind, Self::Error>;

    /// Reads null.
    fn null(&mut self) -> Result<(), Self::Error>;

    /// Reads `true` or `false`.
    fn bool(&mut self) -> Result<bool, Self::Error>;

    /// Reads a number.
    fn number(&mut self) -> Result<Number, Self::Error>;

    /// Reads an integer of up to 64 bits and a sign, beyond those that I-JSON has
    /// exactly; only CBOR has them.
    fn wide_integer(&mut self) -> Result<i128, Self::Error>;

    /// Reads text.
    fn text(&mut self) -> Result<&str, Self::Error>;

    /// Reads text that nobody looks into, checks it all the same, and says how many
    /// bytes it has.
    fn text_bytes(&mut self) -> Result<usize, Self::Error> {
        self.text().map(str::len)
    }

    /// Reads octets.
    fn octets(&mut self) -> Result<Cow<'_, [u8]>, Self::Error>;

    /// Goes into an array; too deep is an error.
    fn enter_array(&mut self) -> Result<(), Self::Error>;

    /// Goes to the next element, or leaves the array and says that there is none.
    /// `is_first` on the first call after [`Source::enter_array`].
    fn next_element(&mut self, is_first: bool) -> Result<bool, Self::Error>;

    /// Goes into a map; too deep is an error.
    fn enter_map(&mut self) -> Result<(), Self::Error>;

    /// Reads the key of the next member, or leaves the map and says that there is none.
    /// Does not notice a key that stands twice: who asks knows its fields, and sees it.
    fn next_key(&mut self, is_first: bool) -> Result<Option<Key<'_>>, Self::Error>;

    /// Reads a value of any kind, and checks it wholly, keys that stand twice included.
    fn skip(&mut self) -> Result<(), Self::Error>;

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), Self::Error>;

    /// Offset of the next byte; behind white space where [`Source::kind`] was asked last.
    fn offset(&self) -> usize;

    /// Where the reader stands, its depth included.
    fn place(&self) -> Self::Place;

    /// Goes back to an earlier place, or forward to one where it has been.
    fn return_to(&mut self, place: Self::Place);
}
