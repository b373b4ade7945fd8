//! Foreign text, made harmless.

use std::fmt::Write as _;

/// Longest text of one field, in characters; the rest is counted and cut.
pub(super) const MAX_CHARS: usize = 4096;

/// Whether a character could break a line, drive a terminal, hide, or change
/// the direction in which the rest of the line is written.
pub(super) fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'                     // Arabic letter mark
            | '\u{200b}' | '\u{200e}' | '\u{200f}' // zero width space, marks of direction
            | '\u{2028}'..='\u{202e}'     // separators of lines and paragraphs, bidi embeddings
            | '\u{2060}'..='\u{206f}'     // word joiner, invisible operators, bidi isolates
            | '\u{feff}'                  // byte order mark
            | '\u{fff9}'..='\u{fffb}'     // interlinear annotation
            | '\u{e0000}'..='\u{e007f}'   // tags
        )
}

/// The text without anything dangerous in it.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_dangerous(c) {
            push_escape(&mut safe, c);
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The text as the value of `name=value`: as it is where it cannot be taken
/// for anything else, else between quotes.
pub(super) fn value(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"'`=\\{}".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 2);
    safe.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            _ if is_dangerous(c) => push_escape(&mut safe, c),
            _ => safe.push(c),
        }
    }
    safe.push('"');
    safe
}

/// JSON text with what JSON itself allows unescaped, and we do not, as `\uXXXX`.
pub(super) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_dangerous(c) {
            // Outside its strings JSON of one line holds nothing dangerous, so
            // this is inside one.
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(safe, "\\u{unit:04x}").expect("writing to a string");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// At most [`MAX_CHARS`] of a text, and how much is missing.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => {
            let (kept, rest) = text.split_at(end);
            format!("{kept}... ({} characters more)", rest.chars().count())
        }
    }
}

fn push_escape(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        _ => write!(text, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string"),
    }
}
