//! Where schemas come from, beside those that are built in.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Mistake, nearest_of};
use crate::language::{Flawed, Library, LowerCaseHex, NOT_TAKEN_UP, Own};

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
            let file = file.map_or(dir, |at| read[at]);
            // Where the start of the name has not told it already.
            let nearest = problem.place.as_deref().filter(|_| problem.reason == NOT_TAKEN_UP);
            let nearest = nearest.and_then(|name| nearest_of(name, Own::ALL.map(Own::as_str)));
            Mistake { nearest, ..Mistake::somewhere(file, problem.to_string()) }
        };
        mistakes.extend(library.as_ref().err().into_iter().flatten().map(mistake));
        library.ok().filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }
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
