//! What the commands print: lines, colours, and foreign text made harmless.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::ops::RangeInclusive;

use serde_json::Value;

/// Longest text of a stranger in one line, in characters.
const LINE_CHARS: usize = 400;

/// Longest JSON that is shown in one line; longer is spread over several.
const COMPACT_CHARS: usize = 100;

/// Makes a stranger's text harmless on a terminal and in a log: what could
/// move the cursor, colour, hide or reorder text is written out as `\u{1b}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_harmful(c) => {
                let _never_fails = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Characters that do something other than stand where they are written.
fn is_harmful(c: char) -> bool {
    // C0, DEL and C1: among them ESC, and CSI in its one-byte form.
    c.is_control() || HARMFUL.iter().any(|range| range.contains(&c))
}

/// Beyond the control characters.
const HARMFUL: &[RangeInclusive<char>] = &[
    // Marks, embeddings, overrides and isolates that turn the direction.
    '\u{61c}'..='\u{61c}',
    '\u{200e}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2066}'..='\u{206f}',
    // Line ends of Unicode's own.
    '\u{2028}'..='\u{2029}',
    // Of no width: two names that look the same would not be.
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200d}',
    '\u{2060}'..='\u{2065}',
    '\u{3164}'..='\u{3164}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    // Interlinear annotation, and tags.
    '\u{fff9}'..='\u{fffb}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Like [`escape`], and cut to what a line can hold.
#[must_use]
pub fn escape_line(text: &str) -> String {
    match text.char_indices().nth(LINE_CHARS) {
        None => escape(text).into_owned(),
        Some((end, _)) => format!("{}\u{2026}", escape(&text[..end])),
    }
}

/// JSON in one line. What [`escape`] would write out is escaped in JSON's own
/// way, so that the line is as harmless and still means the same.
#[must_use]
pub fn json_line(value: &Value) -> String {
    json_text(&value.to_string())
}

/// The text of a message in one line that is as harmless: JSON stays the same JSON, and what is
/// none is written out.
#[must_use]
pub fn message_line(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        return escape(&text).into_owned();
    }
    // Only between two tokens can a line end or a tab stand there.
    json_text(text.trim_end().replace(['\n', '\r', '\t'], " ").as_str())
}

/// Escapes harmful characters in JSON text. They can only stand inside strings.
fn json_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _never_fails = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// JSON spread over lines, as harmless as [`json_line`].
#[must_use]
pub fn json_lines(value: &Value) -> Vec<String> {
    // A `Value` has string keys and finite numbers: nothing can go wrong.
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    json_text(&pretty).lines().map(str::to_owned).collect()
}

/// How a piece of a line is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// Not decided yet.
    Pending,
    /// What the eye looks for.
    Strong,
    /// What the eye may skip.
    Faint,
}

/// Style of a status code.
#[must_use]
pub fn status_style(status: u64) -> Style {
    match status {
        100..200 => Style::Pending,
        200..300 => Style::Good,
        _ => Style::Bad,
    }
}

/// Where lines go: standard output, or a buffer in a test.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    colours: bool,
}

impl Screen<io::Stdout> {
    /// Standard output; colours only where it is a terminal that has them and
    /// the user has not said no (<https://no-color.org>).
    #[must_use]
    pub fn stdout() -> Self {
        let out = io::stdout();
        let colours = wants_colours(out.is_terminal(), |name| std::env::var(name).ok());
        Self { out, colours }
    }
}

fn wants_colours(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_some_and(|value| value == "dumb");
    is_terminal && !refused && !is_dumb
}

impl<W: Write> Screen<W> {
    /// Lines without colours into anything.
    pub fn plain(out: W) -> Self {
        Self { out, colours: false }
    }

    /// Prints a line, at once.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}", line.trim_end())?;
        self.out.flush()
    }

    /// Prints one JSON object as a line.
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        self.line(&json_line(value))
    }

    /// Puts text in the colour of its style, where there are colours.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Pending => "33",
            Style::Strong => "1",
            Style::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// What was written, for tests.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// Rows under headings, each column as wide as its widest cell. Cells are
/// escaped and cut here.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape_line(cell)).collect()).collect();
    let all = || std::iter::once(&headings).chain(&rows);
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// The results of a response, indented under it: what every consumer may say
/// (Language v1.1, section 3.3.2.2) in words, anything else as JSON.
#[must_use]
pub fn results(results: &Value) -> Vec<String> {
    let Value::Object(members) = results else { return json_lines(results) };
    let mut lines = Vec::new();
    for (name, value) in members {
        let shown = match (name.as_str(), value) {
            ("pairs", Value::Object(pairs)) => pairs
                .iter()
                .map(|(action, targets)| format!("{action}: {}", list(targets)))
                .collect(),
            ("rate_limit", Value::Number(rate)) => vec![format!("{rate} commands a minute")],
            ("versions" | "profiles", names) => vec![list(names)],
            (_, value) => match json_line(value) {
                compact if compact.chars().count() <= COMPACT_CHARS => vec![compact],
                _ => json_lines(value),
            },
        };
        for (number, text) in shown.iter().enumerate() {
            let label = if number == 0 { escape_line(name) } else { String::new() };
            lines.push(format!("    {label:<10}  {}", escape(text)).trim_end().to_owned());
        }
    }
    lines
}

/// `a, b, c` for a list of names; JSON for anything else.
fn list(value: &Value) -> String {
    let names = value.as_array().and_then(|items| {
        items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|names| names.join(", "))
    });
    names.unwrap_or_else(|| json_line(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each could do harm on a terminal or in a log, with what is shown instead.
    const CORPUS: &[(&str, &str)] = &[
        ("two\r\nlines", r"two\r\nlines"),
        ("tab\tbed", r"tab\tbed"),
        ("\x1b[2J\x1b[31mred", r"\u{1b}[2J\u{1b}[31mred"),
        ("\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
        ("\u{9b}31m", r"\u{9b}31m"),
        ("\u{90}q\u{9c}", r"\u{90}q\u{9c}"),
        ("nul\0", r"nul\u{0}"),
        ("back\x08space\x7f", r"back\u{8}space\u{7f}"),
        ("\u{202e}txt.exe", r"\u{202e}txt.exe"),
        ("\u{2066}a\u{2069}", r"\u{2066}a\u{2069}"),
        ("\u{200f}\u{61c}", r"\u{200f}\u{61c}"),
        ("gate\u{200b}way\u{feff}", r"gate\u{200b}way\u{feff}"),
        ("a\u{2028}b\u{2029}c\u{85}d", r"a\u{2028}b\u{2029}c\u{85}d"),
        ("tag\u{e0041}", r"tag\u{e0041}"),
    ];

    #[test]
    fn a_message_is_one_line_and_stays_what_it_is() {
        #[rustfmt::skip]
        let cases = [
            ("{\"a\":\n\t1}\r\n",       r#"{"a":  1}"#),
            (r#"{"a":"\n"}"#,            r#"{"a":"\n"}"#),
            ("{\"a\":\"\u{202e}b\"}",   r#"{"a":"\u202eb"}"#),
            ("{\"a\":\n",               r#"{"a":\n"#),
            ("\u{1b}[2J",               r"\u{1b}[2J"),
        ];
        for (payload, line) in cases {
            assert_eq!(message_line(payload.as_bytes()), line, "{payload:?}");
        }
    }

    #[test]
    fn foreign_text_can_do_no_harm() {
        for (foreign, shown) in CORPUS {
            assert_eq!(escape(foreign), *shown);
            assert!(!escape_line(foreign).contains(is_harmful), "{shown}");
        }
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        for text in ["", "plain", r"C:\temp", "J\u{f6}rg \u{4e2d}\u{6587} \u{1f512}", "a  b"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = escape_line(&"\u{f6}".repeat(LINE_CHARS + 1));
        assert_eq!(cut.chars().count(), LINE_CHARS + 1);
        assert!(cut.ends_with('\u{2026}'));
        assert_eq!(escape_line(&"x".repeat(LINE_CHARS)).len(), LINE_CHARS);
    }

    #[test]
    fn json_is_as_harmless_and_means_the_same() {
        for (foreign, _) in CORPUS {
            let value = json!({ *foreign: [foreign] });
            let line = json_line(&value);
            assert!(!line.contains(is_harmful), "{line}");
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            let lines = json_lines(&value);
            assert!(!lines.iter().any(|line| line.contains(is_harmful)));
            assert_eq!(serde_json::from_str::<Value>(&lines.join("\n")).unwrap(), value);
        }
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let cases = [
            (true, None, None, true),
            (false, None, None, false),
            (true, Some("1"), None, false),
            (true, Some(""), None, true),
            (true, None, Some("dumb"), false),
        ];
        for (is_terminal, no_color, term, wanted) in cases {
            let variable = |name: &str| match name {
                "NO_COLOR" => no_color.map(str::to_owned),
                "TERM" => term.map(str::to_owned),
                _ => None,
            };
            assert_eq!(wants_colours(is_terminal, variable), wanted, "{no_color:?} {term:?}");
        }
        assert_eq!(Screen::plain(Vec::new()).paint(Style::Bad, "x"), "x");
        let coloured = Screen { out: Vec::new(), colours: true };
        assert_eq!(coloured.paint(Style::Bad, "x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn a_table_lines_up() {
        let rows = [
            vec!["1".to_owned(), "query features".to_owned()],
            vec!["12".to_owned(), "a\nb".to_owned()],
        ];
        let lines = table(&["ID", "COMMAND"], &rows);
        assert_eq!(lines, ["ID  COMMAND", "1   query features", r"12  a\nb"]);
    }

    #[test]
    fn results_are_shown_in_words() {
        let found = json!({
            "versions": ["1.1"],
            "profiles": ["x-probe", "x-iot"],
            "pairs": { "query": ["features", "properties"], "set": ["x-probe:level"] },
            "rate_limit": 600,
            "x-probe": { "level": 5, "note": "\u{1b}[2J" },
        });
        let shown = [
            "    versions    1.1",
            "    profiles    x-probe, x-iot",
            "    pairs       query: features, properties",
            "                set: x-probe:level",
            "    rate_limit  600 commands a minute",
            r#"    x-probe     {"level":5,"note":"\u001b[2J"}"#,
        ];
        assert_eq!(results(&found), shown);
    }
}
