//! Octets as text: hexadecimal and base64url.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Flaw;

/// Octets in hexadecimal (RFC 4648, section 8), in either case; says how many.
///
/// RFC 4648 has capitals only, and so has the table of Language v1.1, section
/// 3.1.5. But the standard's own examples are in lower case, and so is
/// what the tools print from which people copy: both are read.
pub fn hex(text: &str) -> Result<usize, Flaw> {
    if !text.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err("it holds something else than hexadecimal digits");
    }
    if !text.len().is_multiple_of(2) {
        return Err("the last octet lacks a digit");
    }
    Ok(text.len() / 2)
}

/// The same in capitals alone.
pub fn upper_hex(text: &str) -> Result<usize, Flaw> {
    let octets = hex(text)?;
    if text.bytes().any(|it| it.is_ascii_lowercase()) {
        return Err("a digit is in lower case");
    }
    Ok(octets)
}

/// Octets in base64url without padding (RFC 4648, section 5); says how many.
///
/// The bits left over at the end must be zero, so that a value has one
/// spelling (RFC 4648, section 3.5).
pub fn base64url(text: &str) -> Result<usize, Flaw> {
    let mut last = 0;
    for byte in text.bytes() {
        last = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            b'=' => return Err("there is padding at its end"),
            _ => return Err("it holds something else than letters, digits, - and _"),
        };
    }
    let spare_bits = match text.len() % 4 {
        0 => 0,
        2 => 4,
        3 => 2,
        _ => return Err("a character is missing at its end"),
    };
    if last & ((1 << spare_bits) - 1) != 0 {
        return Err("the bits left over at its end are not zero");
    }
    Ok(text.len() * 3 / 4)
}

/// The octets that hexadecimal digits stand for.
pub fn hex_octets(text: &str) -> Result<Vec<u8>, Flaw> {
    hex(text)?;
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
    let octet =
        |pair: &[u8]| u8::try_from(digit(pair[0]) << 4 | digit(pair[1])).unwrap_or_default();
    Ok(text.as_bytes().chunks_exact(2).map(octet).collect())
}

/// Octets as hexadecimal digits in capitals (RFC 4648, section 8), with something
/// between them.
#[must_use]
pub fn to_hex(octets: &[u8], between: &str) -> String {
    octets.iter().enumerate().fold(String::new(), |mut text, (at, octet)| {
        let between = if at == 0 { "" } else { between };
        let _ = write!(text, "{between}{octet:02X}");
        text
    })
}

/// The octets that a text in base64url stands for.
pub fn base64url_octets(text: &str) -> Result<Vec<u8>, Flaw> {
    base64url(text)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "no base64url")
}

/// Octets in base64url without padding (RFC 4648, section 5).
#[must_use]
pub fn to_base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::super::assert_verdicts;
    use super::*;

    #[test]
    fn hexadecimal_comes_in_pairs_of_either_case() {
        assert_verdicts(
            hex,
            &["", "00", "dead", "DEAD", "dEaD"],
            &["0", "0x00", "0g", "de ad", "\u{ff11}0"],
        );
        assert_eq!(hex("0313FD39"), Ok(4));
        assert_verdicts(upper_hex, &["", "00", "DEAD"], &["0", "dead", "dEaD", "0G"]);
    }

    /// RFC 4648, section 10, without the padding.
    #[test]
    fn base64url_has_no_padding_and_no_bits_to_spare() {
        assert_verdicts(
            base64url,
            &["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy", "-_-_"],
            &["Z", "Zg==", "Zm9vY", "Zh", "Zm9", "a+b/", "Zm 9v", "Zm9v\n"],
        );
        assert_eq!([base64url("Zg"), base64url("Zm8"), base64url("Zm9v")], [Ok(1), Ok(2), Ok(3)]);
    }

    #[test]
    fn octets_come_back_as_they_went() {
        let octets: Vec<u8> = (0..=255).collect();
        for length in 0..=255 {
            let octets = &octets[255 - length..];
            assert_eq!(base64url_octets(&to_base64url(octets)).as_deref(), Ok(octets));
            assert_eq!(hex_octets(&to_hex(octets, "")).as_deref(), Ok(octets));
        }
        assert_eq!(to_hex(&[0, 0x1b, 0xff], ":"), "00:1B:FF");
        assert_eq!(hex_octets("0aFf"), Ok(vec![10, 255]));
    }
}
