//! One TOML file, and every mistake in it with its place.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Most mistakes that are looked for in one file.
const MAX_MISTAKES: usize = 100;

/// What toml says of a key that stands there twice; which one it is, its place says.
const DUPLICATE: &str = "duplicate key";

/// A known key must be this near to an unknown one to be proposed for it
/// (Jaro-Winkler similarity, 0 to 1).
const NEAR: f64 = 0.75;

/// Something wrong in a configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// The file, or what stands for one (`OC2_MQTT_URL`, say).
    pub file: PathBuf,
    /// Line, from 1; 0 where the mistake has no place in the file.
    pub line: usize,
    /// Column in characters, from 1; 0 where the mistake has no place in the file.
    pub column: usize,
    /// What is wrong, with the path of the key.
    pub text: String,
    /// The nearest known key, where one is near.
    pub nearest: Option<String>,
}

impl Mistake {
    /// One that has no place in the file, or in what stands for one.
    pub(super) fn somewhere(file: impl AsRef<Path>, text: String) -> Self {
        Self { file: file.as_ref().to_owned(), line: 0, column: 0, text, nearest: None }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.text)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// One step into a TOML document.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// A TOML file that is read part by part.
pub struct Source<'a> {
    file: PathBuf,
    text: &'a str,
    spans: Option<Spanned<DeTable<'a>>>,
    /// What has not been taken yet.
    pub table: Table,
    /// What is wrong so far.
    pub mistakes: Vec<Mistake>,
}

impl<'a> Source<'a> {
    /// Reads a file's text. A syntax error is a mistake like any other; the
    /// table is then empty.
    #[must_use]
    pub fn new(file: &Path, text: &'a str) -> Self {
        let mut source = Self {
            file: file.to_owned(),
            text,
            spans: DeTable::parse(text).ok(),
            table: Table::new(),
            mistakes: Vec::new(),
        };
        match text.parse::<Table>() {
            Ok(table) => source.table = table,
            Err(error) => {
                let span = error.span().unwrap_or_default();
                let (line, column) = source.position(span.start);
                let mut text = error.message().replace('\n', ", ");
                if text == DUPLICATE {
                    let key = source.text.get(span).unwrap_or_default();
                    text = format!("{text} `{key}`: the file has it already");
                }
                let file = source.file.clone();
                source.mistakes.push(Mistake { file, line, column, text, nearest: None });
            }
        }
        source
    }

    /// The folder that relative paths in the file start from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let parent = self.file.parent().unwrap_or(Path::new(""));
        if parent == Path::new("") { Path::new(".") } else { parent }
    }

    /// Whether the text was TOML at all.
    #[must_use]
    pub fn is_toml(&self) -> bool {
        self.spans.is_some()
    }

    /// Whether the file has this key, read or not.
    #[must_use]
    pub fn has(&self, keys: &[&str]) -> bool {
        let mut table = self.spans.as_ref().map(Spanned::get_ref);
        for key in keys {
            let value =
                table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key));
            let Some((_, value)) = value else { return false };
            table = match value.get_ref() {
                DeValue::Table(inner) => Some(inner),
                _ => None,
            };
        }
        true
    }

    /// Takes the value at a top-level key, if it is there.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    /// Reads a part of the file, which stands at `path` (dotted; `[2]` is the
    /// third of an array). Every mistake in it is noted; a part with mistakes
    /// is read as if the mistaken keys were absent, and is `None` where it
    /// cannot be without them.
    pub fn read<T: DeserializeOwned>(&mut self, path: &str, mut part: Value) -> Option<T> {
        let mut first_mistake = true;
        for _ in 0..MAX_MISTAKES {
            let error = match serde_path_to_error::deserialize::<_, T>(part.clone()) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let mut steps = steps_of(error.path());
            let message = error.into_inner().message().trim_end().replace('\n', ", ");
            let unknown = between(&message, "unknown field `", "`");
            if let Some(key) = unknown
                && !matches!(steps.last(), Some(Step::Key(last)) if last == key)
            {
                steps.push(Step::Key(key.to_owned()));
            }
            let nearest = unknown.and_then(|key| nearest_of(key, known_keys(&message)));
            let message = in_words_of_toml(&message);
            let text = if unknown.is_some() {
                format!("unknown key `{}`", written(path, &steps))
            } else if steps.is_empty() {
                format!("{}: {message}", if path.is_empty() { "the file" } else { path })
            } else {
                format!("{}: {message}", written(path, &steps))
            };
            let is_missing = message.starts_with("missing field");
            // What is missing after a mistake was removed is that mistake again.
            if first_mistake || !is_missing {
                self.note_at(path, &steps, text, nearest);
            }
            first_mistake = false;
            if is_missing || steps.is_empty() || !remove(&mut part, &steps) {
                return None;
            }
        }
        None
    }

    /// Notes a mistake at a path of the file.
    pub fn note(&mut self, path: &str, text: impl Into<String>, nearest: Option<String>) {
        self.note_at(path, &[], text.into(), nearest);
    }

    fn note_at(&mut self, path: &str, steps: &[Step], text: String, nearest: Option<String>) {
        let mut whole = parse_path(path);
        whole.extend_from_slice(steps);
        let (line, column) = self.offset_of(&whole).map_or((0, 0), |at| self.position(at));
        let file = self.file.clone();
        self.mistakes.push(Mistake { file, line, column, text, nearest });
    }

    /// Where a path stands in the text: at its last key, or at the nearest
    /// part of it that is there.
    fn offset_of(&self, steps: &[Step]) -> Option<usize> {
        let document = self.spans.as_ref()?;
        let mut table = Some(document.get_ref());
        let mut array: Option<&[Spanned<DeValue<'_>>]> = None;
        let mut at = None;
        for step in steps {
            let value = match (step, table, array) {
                (Step::Key(key), Some(here), _) => {
                    let found = here.iter().find(|(name, _)| name.get_ref().as_ref() == key);
                    let Some((name, value)) = found else { break };
                    at = Some(name.span().start);
                    value
                }
                (Step::Index(index), _, Some(here)) => {
                    let Some(value) = here.get(*index) else { break };
                    at = Some(value.span().start);
                    value
                }
                _ => break,
            };
            (table, array) = match value.get_ref() {
                DeValue::Table(inner) => (Some(inner), None),
                DeValue::Array(inner) => (None, Some(inner.as_ref())),
                _ => (None, None),
            };
        }
        at
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        position(self.text, offset)
    }
}

/// Line and column of a byte, from 1; columns are characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The known key that is most like an unknown one, if any is like it at all.
pub fn nearest_of<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// The keys that a table may have: what serde lists when it is given another one.
pub(super) fn keys_of<T: DeserializeOwned>() -> Vec<String> {
    let stranger = Table::from_iter([(String::new(), Value::Boolean(true))]);
    let complaint = Value::Table(stranger).try_into::<T>().err().map(|it| it.message().to_owned());
    complaint.iter().flat_map(|text| known_keys(text)).map(str::to_owned).collect()
}

/// The keys that serde lists behind "expected".
pub(super) fn known_keys(message: &str) -> impl Iterator<Item = &str> {
    let list = message.split_once("expected").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2)
}

/// A message of serde without the types of Rust: what a file holds is told in words of TOML.
fn in_words_of_toml(message: &str) -> String {
    let Some((found, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let found = match found {
        "invalid type: map" => "invalid type: table",
        "invalid type: sequence" => "invalid type: array",
        other => other,
    };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "a table",
        text if text.starts_with("struct ") => "a table",
        text => text,
    };
    format!("{found}, expected {expected}")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

fn steps_of(path: &serde_path_to_error::Path) -> Vec<Step> {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

fn parse_path(path: &str) -> Vec<Step> {
    path.split('.')
        .filter(|step| !step.is_empty())
        .flat_map(|step| match step.split_once('[') {
            Some((key, index)) => {
                let index = index.trim_end_matches(']').parse().ok();
                vec![Some(Step::Key(key.to_owned())), index.map(Step::Index)]
            }
            None => vec![Some(Step::Key(step.to_owned()))],
        })
        .flatten()
        .collect()
}

fn written(path: &str, steps: &[Step]) -> String {
    steps.iter().fold(path.to_owned(), |mut text, step| {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => {
                use fmt::Write;
                write!(text, "[{index}]").expect("writing to a String does not fail");
            }
        }
        text
    })
}

fn remove(part: &mut Value, steps: &[Step]) -> bool {
    let Some((last, way)) = steps.split_last() else { return false };
    let mut here = part;
    for step in way {
        let next = match step {
            Step::Key(key) => here.get_mut(key.as_str()),
            Step::Index(index) => here.get_mut(*index),
        };
        let Some(next) = next else { return false };
        here = next;
    }
    match (last, here) {
        (Step::Key(key), Value::Table(table)) => table.remove(key).is_some(),
        (Step::Index(index), Value::Array(array)) if *index < array.len() => {
            array.remove(*index);
            true
        }
        _ => false,
    }
}
