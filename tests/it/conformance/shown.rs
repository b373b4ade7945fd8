//! Which tests name which requirements.

use crate::source::{self, Kind, Token};

/// A test function, and the requirements that its doc comment names.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Shown {
    /// `tests/it/mqtt.rs::connect_asks_for_the_kept_session`
    pub(super) test: String,
    pub(super) ids: Vec<String>,
}

/// Every test of ours that names a requirement, by path and name.
pub(super) fn tests_that_name_requirements() -> Vec<Shown> {
    let files = source::files("src").into_iter().chain(source::files("tests"));
    files.flat_map(|file| shown_in(&file.path, &file.text)).collect()
}

/// The tests in one file that name a requirement.
pub(super) fn shown_in(path: &str, text: &str) -> Vec<Shown> {
    let tokens = source::tokens(text);
    let mut found = Vec::new();
    let mut docs = Vec::new();
    let mut is_test = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.kind == Kind::Doc {
            docs.push(token.text);
        } else if token.is("#") {
            let end = attribute_end(&tokens, at);
            is_test |= is_test_attribute(&tokens[at..end]);
            at = end;
            continue;
        } else if token.is("fn") {
            let ids = ids_in(&docs.join("\n"));
            let name = tokens.get(at + 1).map_or("", |name| name.text);
            if is_test && !ids.is_empty() {
                found.push(Shown { test: format!("{path}::{name}"), ids });
            }
            (docs, is_test) = (Vec::new(), false);
        } else if !["pub", "async"].iter().any(|word| token.is(word)) {
            (docs, is_test) = (Vec::new(), false);
        }
        at += 1;
    }
    found
}

/// One past the closing bracket of the attribute that begins at `at`.
fn attribute_end(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, token) in tokens[at..].iter().enumerate() {
        if token.is("[") {
            depth += 1;
        } else if token.is("]") {
            depth -= 1;
            if depth == 0 {
                return at + offset + 1;
            }
        }
    }
    tokens.len()
}

/// `#[test]` or `#[tokio::test…]`.
fn is_test_attribute(attribute: &[Token<'_>]) -> bool {
    let words: Vec<_> = attribute.iter().map(|token| token.text).collect();
    words.starts_with(&["#", "[", "test", "]"])
        || words.starts_with(&["#", "[", "tokio", "::", "test"])
}

/// Every requirement id in a text: `MQTT-3.1-1`, `L11-3.3.1.4-2`, `MQTT-B-1`.
/// Statements of MQTT 5 itself look alike but name sections with three parts
/// (`MQTT-3.3.1-1`); they are none of ours.
fn ids_in(text: &str) -> Vec<String> {
    let is_part_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.split(|c: char| !is_part_of_id(c))
        .map(|word| word.trim_end_matches(['.', '-']))
        .filter(|word| is_id(word))
        .map(str::to_owned)
        .collect()
}

fn is_id(word: &str) -> bool {
    let mut parts = word.split('-');
    let (Some(document), Some(section), Some(number), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let levels = section.split('.').count();
    let is_ours = match document {
        "MQTT" => levels <= 2,
        "HTTPS" | "JADN" | "L10" | "L11" => true,
        _ => false,
    };
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    is_ours && is_number && !section.is_empty()
}
