//! Foreign text, made harmless.

use std::borrow::Cow;
use std::fmt::{self, Write};

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

/// Writes the text without anything dangerous in it.
pub(super) fn write_escaped(to: &mut impl Write, text: &str) -> fmt::Result {
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return to.write_str(text);
    }
    text.chars().try_for_each(
        |c| {
            if is_dangerous(c) { write_escape(to, c) } else { to.write_char(c) }
        },
    )
}

/// Writes the text as the value of `name=value`: as it is where it cannot be
/// taken for anything else, else between quotes.
pub(super) fn write_value(to: &mut impl Write, text: &str) -> fmt::Result {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'`=\\{}".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return to.write_str(text);
    }
    to.write_char('"')?;
    text.chars().try_for_each(|c| match c {
        '"' | '\\' => {
            to.write_char('\\')?;
            to.write_char(c)
        }
        _ if is_dangerous(c) => write_escape(to, c),
        _ => to.write_char(c),
    })?;
    to.write_char('"')
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
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_CHARS {
        return text.into();
    }
    match text.char_indices().nth(MAX_CHARS) {
        None => text.into(),
        Some((end, _)) => {
            let (kept, rest) = text.split_at(end);
            format!("{kept}... ({} characters more)", rest.chars().count()).into()
        }
    }
}

fn write_escape(to: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\n' => to.write_str("\\n"),
        '\r' => to.write_str("\\r"),
        '\t' => to.write_str("\\t"),
        _ => write!(to, "\\u{{{:x}}}", u32::from(c)),
    }
}
