//! The smallest pieces of a CBOR document: heads, and the octets behind them.

use super::{CborError, CborFlaw};

/// The major types (RFC 8949, section 3.1).
pub(super) mod major {
    pub const UNSIGNED: u8 = 0;
    /// Initial bytes below it are the unsigned integers themselves.
    pub const SMALL: u8 = 24;
    pub const NEGATIVE: u8 = 1;
    pub const OCTETS: u8 = 2;
    pub const TEXT: u8 = 3;
    pub const ARRAY: u8 = 4;
    pub const MAP: u8 = 5;
    pub const TAG: u8 = 6;
    pub const OTHER: u8 = 7;
}

/// The initial byte that ends what has no length (RFC 8949, section 3.2.1).
pub(super) const BREAK: u8 = 0xff;

/// What an item begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub major: u8,
    /// The low five bits of the initial byte: they tell floats of different widths apart.
    pub info: u8,
    /// A value, a length or a count; `None` where the length is left open.
    pub argument: Option<u64>,
}

/// Walks over the octets of a document. Copying it makes a place to return to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Lexer<'a> {
    #[inline]
    pub fn peek(&self) -> Result<u8, CborError> {
        self.bytes.get(self.at).copied().ok_or_else(|| self.flaw(CborFlaw::Ends))
    }

    /// Reads a head.
    #[inline]
    pub fn head(&mut self) -> Result<Head, CborError> {
        let first = self.peek()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..24 => {
                self.at += 1;
                return Ok(Head { major, info, argument: Some(info.into()) });
            }
            24 => self.integer::<1>()?,
            25 => self.integer::<2>()?,
            26 => self.integer::<4>()?,
            27 => self.integer::<8>()?,
            31 if matches!(major, major::OCTETS..=major::MAP) => {
                self.at += 1;
                return Ok(Head { major, info, argument: None });
            }
            31 if major == major::OTHER => return Err(self.flaw(CborFlaw::Break)),
            _ => return Err(self.flaw(CborFlaw::Reserved)),
        };
        Ok(Head { major, info, argument: Some(argument) })
    }

    /// The argument in the octets behind the initial byte, which is passed over, too.
    fn integer<const OCTETS: usize>(&mut self) -> Result<u64, CborError> {
        let from = self.at + 1;
        let Some(octets) = self.bytes.get(from..from + OCTETS) else {
            self.at = self.bytes.len();
            return Err(self.flaw(CborFlaw::Ends));
        };
        self.at = from + OCTETS;
        Ok(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    }

    /// So many octets. A length beyond the end reserves nothing.
    #[inline]
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], CborError> {
        let rest = &self.bytes[self.at..];
        let octets = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        self.at += octets.map_or(rest.len(), <[u8]>::len);
        octets.ok_or_else(|| self.flaw(CborFlaw::Ends))
    }

    /// Whether a break stands here; it is passed over.
    pub fn take_break(&mut self) -> Result<bool, CborError> {
        let is_there = self.peek()? == BREAK;
        self.at += usize::from(is_there);
        Ok(is_there)
    }

    #[cold]
    pub fn flaw(&self, flaw: CborFlaw) -> CborError {
        CborError { offset: self.at, flaw }
    }
}

/// A float of the width that `info` tells, from its bits.
pub(super) fn float(info: u8, bits: u64) -> f64 {
    match info {
        25 => half(bits),
        #[expect(clippy::cast_possible_truncation, reason = "read from four octets")]
        26 => f32::from_bits(bits as u32).into(),
        _ => f64::from_bits(bits),
    }
}

/// A float of 16 bits (RFC 8949, appendix D).
fn half(bits: u64) -> f64 {
    let exponent = bits >> 10 & 0x1f;
    #[expect(clippy::cast_precision_loss, reason = "ten bits")]
    let fraction = (bits & 0x3ff) as f64;
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent as i32 - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}
