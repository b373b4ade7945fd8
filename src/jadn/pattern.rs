//! Regular expressions that texts must match.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Largest compiled pattern, in bytes: what a schema may make us hold for one.
const PATTERN_BYTES: usize = 1 << 20;

/// A pattern of a type, ready to be matched.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// The same for text in ASCII, where it asks for nothing but so many characters of a kind.
    run: Option<Run>,
}

/// `^[class]{least,most}$`, for ASCII.
#[derive(Debug)]
struct Run {
    /// A bit for each character that is in the class.
    class: u128,
    least: usize,
    most: usize,
}

impl Pattern {
    /// Compiles a pattern of ECMAScript (JADN v1.0 CS01, section 3.2.1.6).
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        let text = ascii_classes(text);
        let regex = RegexBuilder::new(&text).size_limit(PATTERN_BYTES).build()?;
        let run = regex_syntax::parse(&text).ok().and_then(|tree| Run::of(&tree));
        Ok(Self { regex, run })
    }

    /// Whether it matches a text anywhere.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.run {
            Some(run) if text.is_ascii() => run.is_match(text.as_bytes()),
            _ => self.regex.is_match(text),
        }
    }

    /// As it is matched.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}

impl Run {
    /// The run that a pattern asks for, where it asks for one and nothing else.
    fn of(tree: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = tree.kind() else { return None };
        let [begin, middle, end] = parts.as_slice() else { return None };
        let HirKind::Repetition(repetition) = middle.kind() else { return None };
        let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return None };
        let is_whole = matches!(begin.kind(), HirKind::Look(Look::Start))
            && matches!(end.kind(), HirKind::Look(Look::End));
        let holds = |byte: u8| {
            class.iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte)))
        };
        let class = (0..128).filter(|byte| holds(*byte)).fold(0, |bits, byte| bits | 1 << byte);
        let most = repetition.max.map_or(usize::MAX, |most| most as usize);
        is_whole.then_some(Self { class, least: repetition.min as usize, most })
    }

    fn is_match(&self, ascii: &[u8]) -> bool {
        (self.least..=self.most).contains(&ascii.len())
            && ascii.iter().all(|byte| self.class >> (byte & 0x7f) & 1 == 1)
    }
}

/// `\d` and `\w` mean ASCII in ECMAScript, whose patterns JADN uses, and more here.
/// Also used where a schema is checked.
pub(super) fn ascii_classes(pattern: &str) -> String {
    let mut ascii = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        if char == '\\' {
            match (chars.next(), in_class) {
                (Some('d'), true) => ascii.push_str("0-9"),
                (Some('d'), false) => ascii.push_str("[0-9]"),
                (Some('w'), true) => ascii.push_str("0-9A-Za-z_"),
                (Some('w'), false) => ascii.push_str("[0-9A-Za-z_]"),
                (Some('D'), false) => ascii.push_str("[^0-9]"),
                (Some('W'), false) => ascii.push_str("[^0-9A-Za-z_]"),
                // White space of ECMAScript has one character more.
                (Some('s'), true) => ascii.push_str("\\s\\x{feff}"),
                (Some('s'), false) => ascii.push_str("[\\s\\x{feff}]"),
                (Some('S'), false) => ascii.push_str("[^\\s\\x{feff}]"),
                (Some(other), _) => ascii.extend(['\\', other]),
                (None, _) => ascii.push('\\'),
            }
        } else {
            in_class = (in_class || char == '[') && char != ']';
            ascii.push(char);
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// What is counted is what would be matched, whatever the text.
    #[test]
    fn a_run_of_characters_says_what_the_regular_expression_says() {
        let patterns = [
            r"^\S{0,36}$",
            r"^[a-z]*$",
            r"^\d+$",
            r"^\w{2,}$",
            r"^[^a-f\s]{3}$",
            r"^.{0,5}$",
            // No runs: matched as they are.
            r"^\S{0,36}",
            r"\d+$",
            r"^[a-z][0-9]*$",
            r"^a{2}$",
            r"^([a-z]{2})+$",
        ];
        let letters =
            ['a', 'f', 'z', 'A', '0', '9', '_', '-', ' ', '\n', '\u{1}', '~', 'ü', '\u{feff}'];
        let mut random = Rng::with_seed(7);
        for (at, pattern) in patterns.iter().enumerate() {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.run.is_some(), at < 6, "{}", pattern.as_str());
            for _ in 0..2_000 {
                let chars = random.usize(0..40).min(random.usize(0..40));
                let text: String = (0..chars).map(|_| *random.choice(&letters).unwrap()).collect();
                let expected = pattern.regex.is_match(&text);
                assert_eq!(pattern.is_match(&text), expected, "{} {text:?}", pattern.as_str());
            }
        }
    }
}
