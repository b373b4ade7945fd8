//! Identifiers and encoded octets.

use super::Flaw;

/// Longest command id, in characters (Language v1.1, section 3.4.2.16).
const COMMAND_ID_CHARS: usize = 36;
/// Longest namespace identifier, in characters (Language v1.1, section 3.4.2.12).
const NSID_CHARS: usize = 16;
/// Longest name of a profile's target, in characters (JADN v1.0, section 3.1.2: `$FieldName`).
const TARGET_NAME_CHARS: usize = 64;

/// A command id: `^\S{0,36}$` (Language v1.1, section 3.4.2.16). It may be empty.
///
/// White space is Unicode's, and U+FEFF, which ECMAScript counts among it.
pub fn command_id(text: &str) -> Result<(), Flaw> {
    if text.contains(|it: char| it.is_whitespace() || it == '\u{feff}') {
        return Err("there is white space in it");
    }
    if text.chars().count() > COMMAND_ID_CHARS {
        return Err("longer than 36 characters");
    }
    Ok(())
}

/// A namespace identifier: 1 to 16 characters (Language v1.1, section 3.4.2.12).
///
/// The standard stops there. Here it is a letter or digit, then letters,
/// digits, `-`, `_` and `.`: all that the examples of both versions of the
/// language use (`x-foo.com`, `32473`), and nothing that would be a second
/// topic level, a wildcard or the colon in a target's name.
pub fn nsid(text: &str) -> Result<(), Flaw> {
    if text.chars().count() > NSID_CHARS {
        return Err("longer than 16 characters");
    }
    if !text.starts_with(|it: char| it.is_ascii_alphanumeric()) {
        return Err("its first character is no letter and no digit");
    }
    if !text.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it)) {
        return Err("it holds something else than letters, digits, hyphens, underscores and dots");
    }
    Ok(())
}

/// What follows the colon in the name of a profile's target: a field name of
/// JADN v1.0, section 3.1.2, to which we add `-` and capital letters.
pub fn target_name(text: &str) -> Result<(), Flaw> {
    if text.chars().count() > TARGET_NAME_CHARS {
        return Err("longer than 64 characters");
    }
    if !text.starts_with(|it: char| it.is_ascii_alphabetic()) {
        return Err("its first character is no letter");
    }
    if !text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_') {
        return Err("it holds something else than letters, digits, hyphens and underscores");
    }
    Ok(())
}

/// A version of the language: `Major.Minor` (Language v1.1, section 3.4.2.17).
pub fn version(text: &str) -> Result<(), Flaw> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    match text.split_once('.') {
        Some((major, minor)) if is_number(major) && is_number(minor) => Ok(()),
        _ => Err("not two numbers with a dot between them"),
    }
}

/// Octets in hexadecimal (RFC 4648, section 8), in either case; says how many.
///
/// RFC 4648 has capitals only, and so has the table of Language v1.1, section
/// 3.1.5. But the standard's own examples are in small letters, and so is
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

#[cfg(test)]
mod tests {
    use super::super::assert_verdicts;
    use super::*;

    #[test]
    fn a_command_id_has_no_white_space_and_at_most_36_characters() {
        let (longest, emojis) = ("x".repeat(36), "\u{1f600}".repeat(36));
        assert_verdicts(
            command_id,
            &["", "a", "95ad511c-3339-4111-9c47-9156c47d37d3", &longest, &emojis, "\"\\/"],
            &["a b", " ", "a\n", "a\u{a0}b", "a\u{feff}", &format!("{longest}x")],
        );
    }

    #[test]
    fn a_namespace_identifier_has_1_to_16_sane_characters() {
        assert_verdicts(
            nsid,
            &["slpf", "x-acme", "x_395", "x", "X-Acme", "x-3456789_123456", "x-foo.com", "32473"],
            &[
                "",
                "x-3456789_1234567",
                "x acme",
                "x/acme",
                "x:acme",
                "x+",
                "#",
                "x_acm&e",
                "-x",
                "\u{e9}",
                ".x",
                "_x",
            ],
        );
    }

    #[test]
    fn a_target_of_a_profile_is_named_by_an_identifier() {
        assert_verdicts(
            target_name,
            &["rule_number", "led", "LED-1"],
            &["", "_container", "conta$iner", "a:b", "a b", &"x".repeat(65)],
        );
    }

    #[test]
    fn a_version_is_major_dot_minor() {
        assert_verdicts(
            version,
            &["1.0", "1.1", "10.20"],
            &["", "1", "1.", ".1", "1.0.1", "v1.0", "1.0-draft-2019-02", "1.x"],
        );
    }

    #[test]
    fn hexadecimal_comes_in_pairs_of_either_case() {
        assert_verdicts(
            hex,
            &["", "00", "dead", "DEAD", "dEaD"],
            &["0", "0x00", "0g", "de ad", "\u{ff11}0"],
        );
        assert_eq!(hex("0313FD39"), Ok(4));
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
}
