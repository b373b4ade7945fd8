//! Where schemas come from, beside those that are built in.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::source::position;
use super::{Mistake, nearest_of};
use crate::language::{self, Flawed, Library, LowerCaseHex, NOT_TAKEN_UP, Own};

/// How the name of a schema file ends.
const SUFFIX: &str = "jadn";

/// Most schema files in the folder.
const MAX_FILES: usize = 100;

/// The `[schemas]` table of bridge.toml.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SchemasConfig {
    /// Folder of schema files, which stand over those that are built in.
    pub dir: Option<PathBuf>,
    /// Whether messages may have hexadecimal digits in lower case.
    pub lower_case_hex: LowerCaseHex,
}

impl SchemasConfig {
    /// Reads the schema files of the folder, over those that are built in.
    ///
    /// # Errors
    ///
    /// Every mistake in every file, and a folder that cannot be read.
    pub fn load(&self) -> Result<Library, Vec<Mistake>> {
        let Some(dir) = &self.dir else {
            let library = Library::with(&[], self.lower_case_hex);
            return Ok(library.expect("our own schemas are in order"));
        };
        let unreadable = |file: &Path, error: &std::io::Error| {
            Mistake::somewhere(file, format!("cannot be read: {error}"))
        };
        let files = match schema_files(dir) {
            Ok(files) => files,
            Err(error) => return Err(vec![unreadable(dir, &error)]),
        };
        if files.len() > MAX_FILES {
            let text = format!("holds {} schema files, {MAX_FILES} are allowed", files.len());
            return Err(vec![Mistake::somewhere(dir, text)]);
        }
        let (mut read, mut texts, mut mistakes) = (Vec::new(), Vec::new(), Vec::new());
        for file in &files {
            match fs::read(file) {
                Ok(text) => {
                    read.push(file);
                    texts.push(text);
                }
                Err(error) => mistakes.push(unreadable(file, &error)),
            }
        }
        let library = Library::with(&texts, self.lower_case_hex);
        let mistake = |Flawed { file, problem }: &Flawed| {
            let text = file.map(|at| String::from_utf8_lossy(&texts[at])).unwrap_or_default();
            let file = file.map_or(dir, |at| read[at]);
            let at = problem.place.as_deref().and_then(|place| offset_of(&text, place));
            let (line, column) = at.map_or((0, 0), |at| position(&text, at));
            let nearest = nearest(&problem.reason, problem.place.as_deref(), &text);
            let text = problem.to_string();
            Mistake { file: file.clone(), line, column, text, nearest }
        };
        mistakes.extend(library.as_ref().err().into_iter().flatten().map(mistake));
        library.ok().filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }
}

/// The name that was perhaps meant.
fn nearest(reason: &str, place: Option<&str>, text: &str) -> Option<String> {
    // Where the start of the name has not told it already.
    if reason == NOT_TAKEN_UP {
        return nearest_of(place?, Own::ALL.map(Own::as_str));
    }
    let name = reason.strip_prefix("no type \"")?.split_once("\" is defined")?.0;
    nearest_of(name, language::names_in(text.as_bytes()).iter().map(String::as_str))
}

/// Where a type or a field is defined (`Light`, `Light.level`): in `types` each type begins an array
/// within an array, which no other name does.
fn offset_of(text: &str, place: &str) -> Option<usize> {
    let (name, field) = place.split_once('.').map_or((place, None), |(name, it)| (name, Some(it)));
    let quoted = |name: &str| Value::from(name).to_string();
    let begins_a_type = |at: usize| {
        let outside = text[..at].trim_end().strip_suffix('[').map(str::trim_end);
        outside.is_some_and(|outside| outside.ends_with(['[', ',']))
    };
    let name = quoted(name);
    let (at, _) = text.match_indices(&name).find(|(at, _)| begins_a_type(*at))?;
    let field = field.and_then(|field| text[at..].find(&quoted(field)));
    Some(at + field.unwrap_or(0))
}

/// The schema files of a folder, by name.
fn schema_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == SUFFIX) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
