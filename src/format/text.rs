//! Identifiers.

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
}
