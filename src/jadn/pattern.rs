//! Regular expressions that texts must match.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::ecmascript::translated;

/// Largest compiled pattern, in bytes: what a schema may make us hold for one.
const PATTERN_BYTES: usize = 1 << 20;

/// Most that all patterns of a schema may ask for: characters and ranges of them, each as
/// often as it is repeated. What is compiled takes about 100 bytes for each.
const PATTERN_PARTS: usize = 1 << 19;

/// Parts of a pattern that one range of characters beyond ASCII takes: those of UTF-8 have several.
const RANGE_PARTS: usize = 10;

/// What is left of [`PATTERN_PARTS`] for the patterns of a schema.
#[derive(Debug)]
pub(super) struct Room {
    parts: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { parts: PATTERN_PARTS }
    }
}

impl Room {
    fn take(&mut self, tree: &Hir) -> Result<(), String> {
        let left = self.parts.checked_sub(parts_of(tree));
        self.parts = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| {
            format!(
                "all patterns of the schema together ask for more than {PATTERN_PARTS} characters"
            )
        })
    }
}

fn parts_of(tree: &Hir) -> usize {
    let sum = |trees: &[Hir]| trees.iter().map(parts_of).fold(1, usize::saturating_add);
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(class) if class.is_utf8() && class.maximum_len() == Some(1) => 1,
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(RANGE_PARTS),
        HirKind::Class(Class::Bytes(_)) => RANGE_PARTS,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1));
            parts_of(&repetition.sub).saturating_mul(times as usize).saturating_add(1)
        }
        HirKind::Capture(capture) => parts_of(&capture.sub),
        HirKind::Concat(trees) | HirKind::Alternation(trees) => sum(trees),
    }
}

/// A pattern of a type, ready to be matched.
#[derive(Debug)]
pub(super) struct Pattern {
    /// As the schema has it.
    text: Box<str>,
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
    ///
    /// # Errors
    ///
    /// Why it cannot be used, as part of a sentence.
    pub fn new(text: &str, room: &mut Room) -> Result<Self, String> {
        let refused = |reason: String| format!("the pattern {text:?} cannot be used: {reason}");
        let rewritten = translated(text).map_err(refused)?;
        if let Ok(tree) = regex_syntax::parse(&rewritten) {
            room.take(&tree).map_err(refused)?;
        }
        let regex = RegexBuilder::new(&rewritten).size_limit(PATTERN_BYTES).build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(most) => {
                refused(format!("it takes more than {most} bytes"))
            }
            // Of several lines, with the rewritten pattern; the last says what it is about.
            other => refused(other.to_string().lines().last().unwrap_or_default().to_owned()),
        })?;
        let run = regex_syntax::parse(&rewritten).ok().and_then(|tree| Run::of(&tree));
        Ok(Self { text: text.into(), regex, run })
    }

    /// Whether it matches a text anywhere.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.run {
            Some(run) if text.is_ascii() => run.is_match(text.as_bytes()),
            _ => self.regex.is_match(text),
        }
    }

    /// As the schema has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As it is matched: what a text must look like.
    pub fn tree(&self) -> Option<Hir> {
        regex_syntax::parse(self.regex.as_str()).ok()
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
            let pattern = Pattern::new(pattern, &mut Room::default()).unwrap();
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
