//! CBOR, written value by value.

use super::lexer::major;
use crate::encoding::sink::Sink;
use crate::encoding::source::{Key, Number};

/// Writes one CBOR item in the preferred serialisation (RFC 8949, section
/// 4.1): every length is given, and nothing is longer than it need be.
#[derive(Debug, Default)]
pub struct CborSink {
    bytes: Vec<u8>,
    open: Vec<Open>,
}

/// An array or map that is not finished yet.
#[derive(Debug)]
struct Open {
    /// Where its head will stand.
    from: usize,
    /// Its elements or members so far.
    count: u64,
    is_map: bool,
}

impl CborSink {
    /// The octets.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A value begins here.
    fn value(&mut self) {
        if let Some(open) = self.open.last_mut().filter(|open| !open.is_map) {
            open.count += 1;
        }
    }

    fn begin(&mut self, is_map: bool) {
        self.value();
        self.open.push(Open { from: self.bytes.len(), count: 0, is_map });
    }

    /// Only now is it known how much there is, and how long the head.
    fn end(&mut self) {
        let open = self.open.pop().expect("an end has its beginning");
        let head = Head::new(if open.is_map { major::MAP } else { major::ARRAY }, open.count);
        self.bytes.splice(open.from..open.from, head.octets().iter().copied());
    }

    fn head(&mut self, major: u8, argument: u64) {
        self.bytes.extend_from_slice(Head::new(major, argument).octets());
    }

    fn integer(&mut self, it: i128) {
        let (kind, magnitude) =
            if it < 0 { (major::NEGATIVE, -1 - it) } else { (major::UNSIGNED, it) };
        let magnitude = u64::try_from(magnitude).expect("integers have 64 bits and a sign");
        self.head(kind, magnitude);
    }

    fn string(&mut self, major: u8, octets: &[u8]) {
        self.head(major, octets.len() as u64);
        self.bytes.extend_from_slice(octets);
    }
}

/// What an item begins with.
struct Head {
    octets: [u8; 9],
    length: usize,
}

impl Head {
    fn new(major: u8, argument: u64) -> Self {
        let bytes = argument.to_be_bytes();
        let (info, used) = match argument {
            0..24 => (bytes[7], 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        let mut octets = [0; 9];
        octets[0] = major << 5 | info;
        octets[1..=used].copy_from_slice(&bytes[8 - used..]);
        Self { octets, length: 1 + used }
    }

    fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// A float as 16 bits, where those say exactly the same (RFC 8949, appendix D).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit was sorted out"
)]
fn half(number: f64) -> Option<u16> {
    let sign = u16::from(number.is_sign_negative()) << 15;
    let smallest = number.abs() * 2f64.powi(24);
    if smallest.fract() == 0.0 && smallest < 1024.0 {
        return Some(sign | smallest as u16);
    }
    let bits = number.abs().to_bits();
    let exponent = (bits >> 52).cast_signed() - 1023;
    let fraction = bits & ((1 << 52) - 1);
    if !(-14..=15).contains(&exponent) || fraction.trailing_zeros() < 42 {
        return None;
    }
    Some(sign | ((exponent + 15) as u16) << 10 | (fraction >> 42) as u16)
}

impl Sink for CborSink {
    fn null(&mut self) {
        self.value();
        self.bytes.push(0xf6);
    }

    fn bool(&mut self, it: bool) {
        self.value();
        self.bytes.push(0xf4 | u8::from(it));
    }

    fn number(&mut self, it: Number) {
        self.value();
        match it {
            Number::Integer(it) => self.integer(it.into()),
            Number::Float(it) => {
                #[expect(clippy::cast_possible_truncation, reason = "compared afterwards")]
                let single = it as f32;
                if let Some(half) = half(it) {
                    self.bytes.push(0xf9);
                    self.bytes.extend_from_slice(&half.to_be_bytes());
                } else if f64::from(single).to_bits() == it.to_bits() {
                    self.bytes.push(0xfa);
                    self.bytes.extend_from_slice(&single.to_be_bytes());
                } else {
                    self.bytes.push(0xfb);
                    self.bytes.extend_from_slice(&it.to_be_bytes());
                }
            }
        }
    }

    fn wide_integer(&mut self, it: i128) {
        self.value();
        self.integer(it);
    }

    fn text(&mut self, it: &str) {
        self.value();
        self.string(major::TEXT, it.as_bytes());
    }

    fn octets(&mut self, it: &[u8]) {
        self.value();
        self.string(major::OCTETS, it);
    }

    fn begin_array(&mut self) {
        self.begin(false);
    }

    fn end_array(&mut self) {
        self.end();
    }

    fn begin_map(&mut self) {
        self.begin(true);
    }

    fn key(&mut self, it: Key<'_>) {
        if let Some(open) = self.open.last_mut() {
            open.count += 1;
        }
        match it {
            Key::Text(name) => self.string(major::TEXT, name.as_bytes()),
            Key::Integer(id) => self.integer(id.into()),
        }
    }

    fn end_map(&mut self) {
        self.end();
    }
}
