//! CBOR (RFC 8949), read by what is asked of it, and written.
//!
//! The reader takes what JSON can say as well, and octets beside it. It
//! refuses tags, `undefined` and other simple values, keys that are neither
//! text nor integers, and what I-JSON (RFC 7493) forbids: numbers that JSON
//! has not exactly or not at all, and noncharacters. Lengths and integers may
//! be written longer than they need be, and lengths be left open
//! (RFC 8949, section 4.1 asks nothing else of a decoder).
//!
//! The decoder is our own. What a library would bring is the reading of one
//! head, some forty lines; what makes it safe to face strangers (bounds, open
//! lengths, keys that stand twice, places to return to) had to be written anyway.

mod lexer;
mod look;
mod read;
mod write;

pub use look::look;
pub use read::{CborSource, text};
pub use write::CborSink;

/// Why octets are no CBOR that is read here, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {offset}: {flaw}")]
pub struct CborError {
    /// Offset of the byte at fault, counted from 0; the length of the document where it ends too early.
    pub offset: usize,
    /// What is wrong there.
    pub flaw: CborFlaw,
}

/// What can be wrong with a CBOR document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each says in its text what it is")]
pub enum CborFlaw {
    #[error("expected {expected}")]
    Unexpected { expected: &'static str },
    #[error("the document ends too early")]
    Ends,
    #[error("something follows the end of the item")]
    Trailing,
    #[error("no initial byte of CBOR")]
    Reserved,
    #[error("a break where none can stand")]
    Break,
    #[error("a tag, which is not read here")]
    Tag,
    #[error("undefined or another simple value, which JSON has not")]
    Simple,
    #[error("a piece of a string that is no string of its kind with a length")]
    Piece,
    #[error("not UTF-8")]
    NotUtf8,
    #[error("a noncharacter, which I-JSON forbids")]
    Noncharacter,
    #[error("the member name {0:?} stands there twice")]
    Duplicate(String),
    #[error("an integer beyond 2^53 - 1, which I-JSON forbids")]
    Integer,
    #[error("a number that is not finite, which I-JSON forbids")]
    Float,
    #[error("nested deeper than {limit}")]
    Depth { limit: usize },
}

#[cfg(test)]
mod tests;
