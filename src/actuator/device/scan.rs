//! Where the code in a template is, and what words it is made of.
//!
//! minijinja compiles templates but does not show what is in them, and it looks
//! filters and tests up only when it comes to them. This is as much of its
//! grammar as it takes to find mistakes before a command does.

/// A stretch of a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// What stands in `{{ }}`.
    Expression(Code<'a>),
    /// What stands in `{% %}`.
    Statement(Code<'a>),
    /// `{# #}`
    Comment,
}

/// Source code in a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Code<'a> {
    /// Without its braces.
    pub source: &'a str,
    /// Line of the template it begins in; the first is 1.
    pub line: usize,
}

/// Something was opened and never closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unclosed {
    /// Line of the template it begins in.
    pub line: usize,
}

/// Takes a template apart.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Unclosed> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < template.len() {
        let rest = &template[at..];
        let Some(open) = ["{{", "{%", "{#"].iter().filter_map(|mark| rest.find(mark)).min() else {
            found.push(Piece::Text(rest));
            break;
        };
        if open > 0 {
            found.push(Piece::Text(&rest[..open]));
        }
        let line = 1 + template[..at + open].matches('\n').count();
        let inside = &rest[open + 2..];
        let (close, length) = match &rest[open..open + 2] {
            "{{" => ("}}", end_of_code(inside, "}}")),
            "{%" => ("%}", end_of_code(inside, "%}")),
            _ => ("#}", inside.find("#}")),
        };
        let length = length.ok_or(Unclosed { line })?;
        let code = Code { source: without_trim_marks(&inside[..length]), line };
        found.push(match close {
            "}}" => Piece::Expression(code),
            "%}" => Piece::Statement(code),
            _ => Piece::Comment,
        });
        at += open + 2 + length + close.len();
    }
    Ok(found)
}

/// Where `close` stands outside of texts and brackets.
fn end_of_code(code: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, c) in code.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if depth == 0 && code[at..].starts_with(close) => return Some(at),
            None => match c {
                '\'' | '"' => quote = Some(c),
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    None
}

/// `{{- x -}}` trims the text around it; the marks are no part of the code.
fn without_trim_marks(code: &str) -> &str {
    let code = code.strip_prefix(['-', '+']).unwrap_or(code);
    code.strip_suffix(['-', '+']).unwrap_or(code)
}

/// A word of an expression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Token<'a> {
    /// What kind of word.
    pub kind: Kind,
    /// As it stands there.
    pub text: &'a str,
    /// Line of the expression; the first is 1.
    pub line: usize,
}

/// Kinds of words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A text in quotes.
    Text,
    /// A number.
    Number,
    /// One character of anything else.
    Sign,
}

/// The words of an expression or statement.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let line = 1 + code[..code.len() - rest.len()].matches('\n').count();
        let (kind, length) = match first {
            '\'' | '"' => (Kind::Text, length_of_text(rest, first)),
            c if c.is_ascii_digit() => (Kind::Number, length_while(rest, |c| c.is_ascii_digit())),
            c if is_word(c) => (Kind::Word, length_while(rest, is_word)),
            c => (Kind::Sign, c.len_utf8()),
        };
        found.push(Token { kind, text: &rest[..length], line });
        rest = rest[length..].trim_start();
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length_while(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|c| !keep(c)).unwrap_or(text.len())
}

fn length_of_text(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// What the words of an expression call upon.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Calls<'a> {
    /// Names after `|`.
    pub filters: Vec<Token<'a>>,
    /// Names after `is` and `is not`.
    pub tests: Vec<Token<'a>>,
    /// `x` of every `v.x`.
    pub vars: Vec<Token<'a>>,
    /// `x` of every `v.x` whose absence the expression provides for.
    pub guarded: Vec<&'a str>,
}

/// Finds filters, tests and `v.*` in an expression or statement.
pub(super) fn calls(code: &str) -> Calls<'_> {
    let tokens = tokens(code);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut calls = Calls::default();
    for (at, token) in tokens.iter().enumerate() {
        let is_word = token.kind == Kind::Word;
        match (at.checked_sub(1).map_or("", text), token.text) {
            ("|", _) if is_word => calls.filters.push(*token),
            ("is", "not") => {}
            ("is", _) if is_word => calls.tests.push(*token),
            ("not", _) if is_word && at > 1 && text(at - 2) == "is" => calls.tests.push(*token),
            (".", _) if is_word && is_var(&tokens, at) => {
                calls.vars.push(*token);
                if provides_for_absence([text(at + 1), text(at + 2), text(at + 3)]) {
                    calls.guarded.push(token.text);
                }
            }
            _ => {}
        }
    }
    calls
}

/// Whether the word at `at` is the `x` of `v.x`, and not of `json.v.x`.
fn is_var(tokens: &[Token<'_>], at: usize) -> bool {
    at >= 2
        && tokens[at - 2] == Token { kind: Kind::Word, text: "v", line: tokens[at - 2].line }
        && at.checked_sub(3).is_none_or(|before| tokens[before].text != ".")
}

fn provides_for_absence(next: [&str; 3]) -> bool {
    matches!(
        next,
        ["|", "default" | "d", _]
            | ["is", "defined" | "undefined", _]
            | ["is", "not", "defined" | "undefined"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(source: &str, line: usize) -> Piece<'_> {
        Piece::Expression(Code { source, line })
    }

    #[test]
    fn a_template_comes_apart_where_its_code_is() {
        #[rustfmt::skip]
        let cases = [
            ("plain", vec![Piece::Text("plain")]),
            ("{{ a }}", vec![expression(" a ", 1)]),
            ("x/{{ a }}/{{b}}", vec![Piece::Text("x/"), expression(" a ", 1), Piece::Text("/"), expression("b", 1)]),
            ("\n{{- a -}}", vec![Piece::Text("\n"), expression(" a ", 2)]),
            ("{{ '}}' }}", vec![expression(" '}}' ", 1)]),
            ("{{ 'it\\'s }}' }}", vec![expression(" 'it\\'s }}' ", 1)]),
            ("{{ {'a': {'b': 1}} }}", vec![expression(" {'a': {'b': 1}} ", 1)]),
            ("{% if a %}1{# c #}", vec![Piece::Statement(Code { source: " if a ", line: 1 }), Piece::Text("1"), Piece::Comment]),
        ];
        for (template, expected) in cases {
            assert_eq!(pieces(template), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_never_closed_is_named_with_its_line() {
        for template in ["a\n{{ b", "a\n{% if b", "a\n{# b", "a\n{{ 'b }}"] {
            assert_eq!(pieces(template), Err(Unclosed { line: 2 }), "{template}");
        }
    }

    #[test]
    fn filters_tests_and_vars_are_found() {
        let code = "v.a|upper ~ json.v.b is not defined\n or 'v.c|lower' is string and v.d|default(1) | int";
        let calls = calls(code);
        let names = |tokens: &[Token]| {
            tokens.iter().map(|t| (t.text.to_owned(), t.line)).collect::<Vec<_>>()
        };
        let at = |name: &str, line| (name.to_owned(), line);

        assert_eq!(names(&calls.filters), [at("upper", 1), at("default", 2), at("int", 2)]);
        assert_eq!(names(&calls.tests), [at("defined", 1), at("string", 2)]);
        assert_eq!(names(&calls.vars), [at("a", 1), at("d", 2)]);
        assert_eq!(calls.guarded, ["d"]);
    }
}
