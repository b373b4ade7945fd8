//! Reads Rust source as far as the tests about our own source need it: words,
//! signs and doc comments, each with its line. Comments and the insides of
//! literals do not count, so that a test can hold a snippet in a string.

use std::fs;
use std::path::Path;

/// A source file of this package.
pub struct SourceFile {
    /// Path from the package's root, with `/` between the parts.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// A piece of source that means something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Token<'a> {
    /// Line, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// As it stands; of a doc comment, what follows the slashes.
    pub text: &'a str,
}

/// Kinds of [`Token`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Name or keyword.
    Word,
    /// `::`, or one character of punctuation.
    Sign,
    /// String, character, number or lifetime.
    Literal,
    /// A line of a `///` comment.
    Doc,
}

impl Token<'_> {
    /// Whether it is this word or sign.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text == text
    }
}

/// The root of this package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `folder` (relative to the root), sorted by path.
pub fn files(folder: &str) -> Vec<SourceFile> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(SourceFile {
                    path: relative(&path),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn relative(path: &Path) -> String {
    let parts = path.strip_prefix(root()).unwrap().iter();
    parts.map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("/")
}

/// Takes source apart.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut reader = Reader { text, at: 0, line: 1 };
    while let Some(token) = reader.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'a> {
    text: &'a str,
    /// Offset in bytes.
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            let line = self.line;
            if first.is_whitespace() {
                self.skip(first.len_utf8());
            } else if rest.starts_with("//") {
                let comment = self.skip(rest.find('\n').unwrap_or(rest.len()));
                let doc = comment.strip_prefix("///").filter(|doc| !doc.starts_with('/'));
                if let Some(text) = doc {
                    return Some(Token { line, kind: Kind::Doc, text });
                }
            } else if rest.starts_with("/*") {
                self.skip(block_comment(rest));
            } else {
                let (kind, length) = piece(rest, first);
                return Some(Token { line, kind, text: self.skip(length) });
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip(&mut self, length: usize) -> &'a str {
        let skipped = &self.rest()[..length];
        self.line += skipped.matches('\n').count();
        self.at += length;
        skipped
    }
}

/// What stands at the beginning of `rest`, and how many bytes of it.
fn piece(rest: &str, first: char) -> (Kind, usize) {
    if let Some(length) = raw_string(rest) {
        return (Kind::Literal, length);
    }
    let prefix = usize::from(rest.starts_with(['b', 'c']));
    match rest[prefix..].chars().next() {
        Some('"') => (Kind::Literal, prefix + quoted(&rest[prefix..], '"')),
        Some('\'') => (Kind::Literal, prefix + character_or_lifetime(&rest[prefix..])),
        _ if first.is_ascii_digit() => (Kind::Literal, number(rest)),
        _ if is_word(first) => (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
        _ if rest.starts_with("::") => (Kind::Sign, 2),
        _ => (Kind::Sign, first.len_utf8()),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the block comment that `rest` begins with; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length of the raw string that `rest` begins with, if it does.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|rest| {
            rest.trim_start_matches('#').starts_with('"') && rest.starts_with(['#', '"'])
        })
    })?;
    let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let start = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// Length of the quoted literal that `rest` begins with.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut following = rest.chars().skip(1);
    match (following.next(), following.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1),
    }
}

fn number(rest: &str) -> usize {
    let whole = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let fraction = &rest[whole..];
    let is_fraction =
        fraction.starts_with('.') && fraction[1..].starts_with(|c: char| c.is_ascii_digit());
    if !is_fraction {
        return whole;
    }
    whole + 1 + fraction[1..].find(|c| !is_word(c)).unwrap_or(fraction.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_the_insides_of_literals_are_not_read_as_source() {
        let cases: [(&str, &[&str]); 12] = [
            ("crate::mqtt", &["crate", "::", "mqtt"]),
            ("a // crate::b\nc", &["a", "c"]),
            ("a /* crate /* nested */ ::b */ c", &["a", "c"]),
            ("//! crate::b\na", &["a"]),
            ("f(\"crate::\\\"b\", c)", &["f", "(", ",", "c", ")"]),
            ("f(r#\"crate::\"b\"#, c)", &["f", "(", ",", "c", ")"]),
            ("f(br\"crate\", b\"crate\", c)", &["f", "(", ",", ",", "c", ")"]),
            ("'\"' crate '\\'' b", &["crate", "b"]),
            ("&'static crate", &["&", "crate"]),
            ("0..1.5e3_f64 b", &[".", ".", "b"]),
            ("r#type crate", &["r", "#", "type", "crate"]),
            ("é 'é' ü", &["é", "ü"]),
        ];
        for (source, expected) in cases {
            let words: Vec<_> = tokens(source)
                .into_iter()
                .filter(|token| token.kind != Kind::Literal)
                .map(|token| token.text)
                .collect();
            assert_eq!(words, expected, "{source}");
        }
    }

    #[test]
    fn doc_comments_keep_their_text_and_their_line() {
        let read = tokens("\n/// Shows it.\n//// not this\nfn f() {}");
        assert_eq!(read[0], Token { line: 2, kind: Kind::Doc, text: " Shows it." });
        assert_eq!(read[1], Token { line: 4, kind: Kind::Word, text: "fn" });
    }
}
