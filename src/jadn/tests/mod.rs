//! Schemas and messages, from file to verdict.

mod encodings;
mod examples;
mod files;
mod foreign;
mod mistakes;
mod outlines;
mod patterns;
mod verdicts;

use serde_json::Value;

use super::{Bounds, Fault, Form, Merged, Package, Problem, Schema, Tape, resolve};
use crate::encoding::json::JsonSource;

/// Nesting that every test message stays within.
const DEPTH: usize = 32;

const LANGUAGE_11: &str = include_str!("../../../schemas/oc2ls-1.1.jadn");
const LANGUAGE_10: &str = include_str!("../../../schemas/oc2ls-1.0-csd07.jadn");
const META_10: &str = include_str!("../../../schemas/jadn-1.0-csd07.jadn");

fn merged(file: &str) -> Merged {
    let package = Package::read(file.as_bytes()).unwrap();
    resolve(&package, &[]).unwrap().with_gaps()
}

fn compiled(file: &str) -> Schema {
    let merged = merged(file);
    Schema::compile(&merged.package, &merged.undefined, Bounds::default()).unwrap()
}

/// A schema of the types in `types`, in the dialect of CS01.
fn cs01(types: &str) -> String {
    format!(r#"{{"info": {{"package": "http://example.org/p"}}, "types": [{types}]}}"#)
}

/// The same in the dialect of CSD01.
fn csd01(types: &str) -> String {
    format!(r#"{{"meta": {{"module": "example.org/p"}}, "types": [{types}]}}"#)
}

/// Everything that is wrong with a schema file.
fn problems(file: &str) -> Vec<String> {
    let found = Package::reading(file.as_bytes()).findings(&[], false);
    found.problems.iter().map(Problem::to_string).collect()
}

/// Everything else that is said of it.
fn warnings(file: &str) -> Vec<String> {
    let found = Package::reading(file.as_bytes()).findings(&[], false);
    found.warnings.iter().map(Problem::to_string).collect()
}

fn judge(schema: &Schema, root: &str, text: &str, form: Form) -> Result<(), Box<Fault>> {
    let root = schema.type_named(root).unwrap();
    let mut tape = Tape::default();
    schema.judge(root, &mut JsonSource::new(text.as_bytes(), DEPTH), form, &mut tape)
}

fn is_valid(schema: &Schema, root: &str, value: &Value) -> bool {
    judge(schema, root, &value.to_string(), Form::VERBOSE).is_ok()
}
