//! Foreign text, made fit to be shown.

/// Longest foreign text that is shown, in characters of the original.
const SHOWN_CHARS: usize = 1000;

/// Control characters and the like escaped as in Rust, and the end cut off
/// where it is long: it can neither forge a line of a log nor steer a terminal.
pub(super) fn printable(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SHOWN_CHARS).flat_map(escaped).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    // Quotation marks are harmless; the rest of what Rust escapes is not.
    let harmless = matches!(c, '"' | '\'');
    harmless
        .then_some(c)
        .into_iter()
        .chain((!harmless).then(|| c.escape_debug()).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_escaped_and_cut() {
        let cases = [
            ("load 0.5 \"high\"", "load 0.5 \"high\"".to_owned()),
            ("a\nb\r\t\0", r"a\nb\r\t\0".to_owned()),
            ("\u{1b}[31m\u{202e}", r"\u{1b}[31m\u{202e}".to_owned()),
            (r"C:\new", r"C:\\new".to_owned()),
            (&"x".repeat(1001), format!("{}…", "x".repeat(1000))),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected, "{text:?}");
        }
    }
}
