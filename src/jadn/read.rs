//! From a schema file to a package.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::dialect::Of;
use super::package::{Base, Content, Dialect, Field, Header, Item, Opt, Package, Type};
use super::{Findings, Problem, resolve};
use crate::encoding::json::{JsonError, JsonSource};
use crate::encoding::source::{Key, Kind, Number, Source};

/// Deepest nesting of a schema file.
const DEPTH: usize = 16;

/// Longest schema file, in bytes.
const FILE_BYTES: usize = 8 * 1024 * 1024;

/// A schema file as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What could be read; `None` where not even the header could. With mistakes it is only
    /// good for finding more of them.
    pub package: Option<Package>,
    /// Everything about the file that breaks its syntax.
    pub problems: Vec<Problem>,
    /// What is read, and written another way.
    pub warnings: Vec<Problem>,
    /// Names of the types that were only read in part.
    pub partial: HashSet<String>,
}

impl Reading {
    /// What was read together with what can only be seen of the whole, once the packages that
    /// it imports are there. With `gaps`, types that nobody defines are no mistake.
    #[must_use]
    pub fn findings(&self, others: &[Package], gaps: bool) -> Findings {
        let mut found =
            Findings { problems: self.problems.clone(), warnings: self.warnings.clone() };
        let Some(package) = &self.package else { return found };
        let merged = resolve(package, others).or_else(|problems| {
            found.problems.extend(problems);
            resolve(package, &[])
        });
        if let Ok(merged) = merged {
            let merged = if gaps { merged.with_gaps() } else { merged };
            let more = merged.findings_but(&self.partial);
            found.problems.extend(more.problems);
            found.warnings.extend(more.warnings);
        }
        found
    }
}

impl Package {
    /// Reads a schema file; its header tells in which dialect it is written.
    ///
    /// # Errors
    ///
    /// Everything about the file that breaks its syntax.
    pub fn read(file: &[u8]) -> Result<Self, Vec<Problem>> {
        let Reading { package, problems, .. } = Self::reading(file);
        package.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// Reads a schema file as far as it goes.
    #[must_use]
    pub fn reading(file: &[u8]) -> Reading {
        let nothing = |problem| Reading { problems: vec![problem], ..Reading::default() };
        if file.len() > FILE_BYTES {
            let reason = format!("{} bytes long, {FILE_BYTES} are allowed", file.len());
            return nothing(Problem::of_file(reason));
        }
        let mut source = JsonSource::new(file, DEPTH);
        let text = file;
        let file = match tree(&mut source).and_then(|tree| source.end().map(|()| tree)) {
            Ok(file) => file,
            Err(JsonError { offset, flaw }) => {
                let before = String::from_utf8_lossy(&text[..offset.min(text.len())]);
                let (line, rest) = before
                    .rsplit_once('\n')
                    .map_or((1, &*before), |(lines, rest)| (lines.matches('\n').count() + 2, rest));
                let column = rest.chars().count() + 1;
                let reason = format!("no I-JSON, line {line}, column {column}: {flaw}");
                return nothing(Problem::of_file(reason));
            }
        };
        let (dialect, header) = match dialect(&file) {
            Ok(found) => found,
            Err(problem) => return nothing(problem),
        };
        let mut reader = Reader { dialect, read: Reading::default() };
        let types = reader.types(&file);
        let header = Header { members: header.clone() };
        Reading { package: Some(Self { dialect, header, types }), ..reader.read }
    }
}

fn tree(source: &mut JsonSource<'_>) -> Result<Value, JsonError> {
    Ok(match source.kind()? {
        Kind::Null => source.null().map(|()| Value::Null)?,
        Kind::Bool => source.bool()?.into(),
        Kind::Number => match source.number()? {
            Number::Integer(number) => number.into(),
            Number::Float(number) => number.into(),
        },
        Kind::Text | Kind::Octets => source.text()?.into(),
        Kind::Array => {
            source.enter_array()?;
            let mut elements = Vec::new();
            while source.next_element(elements.is_empty())? {
                elements.push(tree(source)?);
            }
            elements.into()
        }
        Kind::Map => {
            // A first pass finds members that stand twice.
            let place = source.place();
            source.skip()?;
            source.return_to(place);
            source.enter_map()?;
            let mut members = Map::new();
            while let Some(key) = source.next_key(members.is_empty())? {
                let name = match key {
                    Key::Text(name) => name.to_owned(),
                    Key::Integer(id) => id.to_string(),
                };
                members.insert(name, tree(source)?);
            }
            members.into()
        }
    })
}

/// Tells the dialects apart by their headers (`docs/decisions` says how they differ).
fn dialect(file: &Value) -> Result<(Dialect, &Map<String, Value>), Problem> {
    let header = |name| file.get(name).and_then(Value::as_object);
    match (header("meta"), header("info")) {
        (None, Some(info)) if info.get("namespaces").is_some_and(Value::is_array) => {
            Err(Problem::of_file(
                "this is a draft of JADN v1.1 (info.namespaces is an array), which is not read here",
            ))
        }
        (None, Some(_)) if has_option(file, &['C', '∩', '∪']) => Err(Problem::of_file(
            "this is a draft of JADN v1.1 (it combines types: C, ∩ or ∪), which is not read here",
        )),
        (None, Some(info)) => Ok((Dialect::Cs01, info)),
        (Some(meta), None) if meta.contains_key("package") => {
            Err(Problem::of_file("this is JADN v2.0 (meta.package), which is not read here"))
        }
        (Some(meta), None) if meta.contains_key("module") => {
            let is_newer = meta.contains_key("config")
                || meta.get("imports").is_some_and(Value::is_object)
                || has_option(file, &['/', '%', '{', '}', '+', '#']);
            Ok((if is_newer { Dialect::Transitional } else { Dialect::Csd01 }, meta))
        }
        (Some(_), None) => Err(Problem::of_file("meta.module is missing")),
        (Some(_), Some(_)) => Err(Problem::of_file("it has both a meta and an info header")),
        (None, None) => Err(Problem::of_file(
            "a header is missing: meta (JADN v1.0 CSD01) or info (JADN v1.0 CS01)",
        )),
    }
}

/// Whether an option of a type or of a field begins with one of these letters.
fn has_option(file: &Value, letters: &[char]) -> bool {
    fn elements(value: &Value) -> &[Value] {
        value.as_array().map(Vec::as_slice).unwrap_or_default()
    }
    let begins = |option: &Value| option.as_str().is_some_and(|it| it.starts_with(letters));
    elements(&file["types"]).iter().any(|it| {
        elements(&it[2]).iter().any(begins)
            || elements(&it[4]).iter().any(|field| elements(&field[3]).iter().any(begins))
    })
}

struct Reader {
    dialect: Dialect,
    read: Reading,
}

impl Reader {
    fn types(&mut self, file: &Value) -> Vec<Type> {
        for name in file.as_object().into_iter().flat_map(Map::keys) {
            if !["meta", "info", "types"].contains(&name.as_str()) {
                self.read
                    .problems
                    .push(Problem::of_file(format!("{name:?} is no part of a schema")));
            }
        }
        let Some(types) = file.get("types").and_then(Value::as_array) else {
            self.read.problems.push(Problem::of_file("types, an array, is missing"));
            return Vec::new();
        };
        types.iter().enumerate().filter_map(|(at, it)| self.defined(at, it)).collect()
    }

    fn bad<T>(&mut self, place: &str, reason: impl Into<String>) -> Option<T> {
        self.read.problems.push(Problem::at(place, reason));
        None
    }

    fn defined(&mut self, at: usize, it: &Value) -> Option<Type> {
        let place = format!("types/{at}");
        let Some(parts) = it.as_array() else { return self.bad(&place, "no array") };
        let Some(name) = parts.first().and_then(Value::as_str) else {
            return self.bad(&place, "the name of the type is missing");
        };
        let before = self.read.problems.len();
        let it = self.named(name, parts);
        if self.read.problems.len() > before {
            self.read.partial.insert(name.to_owned());
        }
        Some(it)
    }

    /// A type that has a name at least.
    fn named(&mut self, name: &str, parts: &[Value]) -> Type {
        let base_name = parts.get(1).and_then(Value::as_str);
        let Some(base) = base_name.and_then(Base::named) else {
            let reason = match base_name {
                None => "its base type is missing".to_owned(),
                Some(other) => format!("{other:?} is no base type"),
            };
            self.bad::<()>(name, reason);
            // Others may name it all the same.
            return Type {
                name: name.to_owned(),
                base: Base::Any,
                options: Vec::new(),
                description: String::new(),
                content: Content::Nothing,
            };
        };
        let is_simple = !matches!(
            base,
            Base::Enumerated | Base::Choice | Base::Array | Base::Map | Base::Record
        );
        let (least, most) = match self.dialect {
            Dialect::Csd01 if is_simple => (4, 4),
            Dialect::Csd01 => (5, 5),
            // What stands at the end may be left out (CS01, section 3.1).
            Dialect::Transitional | Dialect::Cs01 => (2, 5),
        };
        if !(least..=most).contains(&parts.len()) {
            let reason =
                format!("it has {} elements, expected {}", parts.len(), between(least, most));
            self.bad::<()>(name, reason);
        }
        let options = self.options(name, parts.get(2), Of::Type);
        let description = self.text(name, "description", parts.get(3));
        let is_derived = options.iter().any(|it| matches!(it, Opt::Enum(_) | Opt::Pointer(_)));
        let inner = match parts.get(4) {
            None => &Vec::new(),
            Some(Value::Array(inner)) => inner,
            Some(_) => {
                self.bad::<()>(name, "its fields are no array");
                &Vec::new()
            }
        };
        let content = if is_simple || is_derived {
            if !inner.is_empty() {
                self.bad::<()>(name, "this type can have no fields");
            }
            Content::Nothing
        } else if base == Base::Enumerated {
            Content::Items(inner.iter().filter_map(|it| self.item(name, it)).collect())
        } else {
            Content::Fields(inner.iter().filter_map(|it| self.field(name, it)).collect())
        };
        Type { name: name.to_owned(), base, options, description, content }
    }

    fn item(&mut self, of: &str, it: &Value) -> Option<Item> {
        let parts = it.as_array().map_or(&[][..], Vec::as_slice);
        let least = if self.dialect == Dialect::Csd01 { 3 } else { 2 };
        if !(least..=3).contains(&parts.len()) {
            let reason =
                format!("an item has {} elements, expected {}", parts.len(), between(least, 3));
            return self.bad(of, reason);
        }
        let Some(id) = parts[0].as_i64() else {
            return self.bad(of, format!("an item has {} for a number", parts[0]));
        };
        let Some(name) = parts[1].as_str() else {
            return self.bad(of, format!("item {id} has {} for a name", parts[1]));
        };
        let description = self.text(&format!("{of}.{name}"), "description", parts.get(2));
        Some(Item { id, name: name.to_owned(), description })
    }

    fn field(&mut self, of: &str, it: &Value) -> Option<Field> {
        let parts = it.as_array().map_or(&[][..], Vec::as_slice);
        let least = if self.dialect == Dialect::Csd01 { 5 } else { 3 };
        if !(least..=5).contains(&parts.len()) {
            let reason =
                format!("a field has {} elements, expected {}", parts.len(), between(least, 5));
            self.bad::<()>(of, reason);
        }
        let id = parts.first()?;
        let Some(id) = id.as_i64() else {
            return self.bad(of, format!("a field has {id} for a number"));
        };
        let name = parts.get(1)?;
        let Some(name) = name.as_str() else {
            return self.bad(of, format!("field {id} has {name} for a name"));
        };
        let place =
            format!("{of}.{}", if name.is_empty() { id.to_string() } else { name.to_owned() });
        let type_name = match parts.get(2) {
            Some(Value::String(name)) => name.as_str(),
            Some(other) => {
                self.bad::<()>(&place, format!("it has {other} for a type"));
                Base::Any.as_str()
            }
            None => Base::Any.as_str(),
        };
        let options = self.options(&place, parts.get(3), Of::Field);
        let description = self.text(&place, "description", parts.get(4));
        Some(Field {
            id,
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            options,
            description,
        })
    }

    fn options(&mut self, place: &str, options: Option<&Value>, of: Of) -> Vec<Opt> {
        let options = match options {
            None => return Vec::new(),
            Some(Value::Array(options)) => options,
            Some(_) => {
                self.bad::<()>(place, "its options are no array");
                return Vec::new();
            }
        };
        options
            .iter()
            .filter_map(|option| {
                let read = match option.as_str() {
                    Some(text) => self.dialect.option(text, of),
                    None => Err(format!("the option {option} is no text")),
                };
                let read = read.map_err(|reason| self.bad::<()>(place, reason)).ok();
                self.spelling(place, option, read.as_ref());
                read
            })
            .collect()
    }

    /// What means the same in other words is written in ours.
    fn spelling(&mut self, place: &str, option: &Value, read: Option<&Opt>) {
        let written = read.and_then(|it| self.dialect.letters(it));
        if let (Some(option), Some(written)) = (option.as_str(), written)
            && option != written
        {
            let reason = format!("the option {option:?} is written {written:?}");
            self.read.warnings.push(Problem::at(place, reason));
        }
    }

    fn text(&mut self, place: &str, what: &str, text: Option<&Value>) -> String {
        match text {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.bad::<()>(place, format!("its {what} is {other} and no text"));
                String::new()
            }
        }
    }
}

fn between(least: usize, most: usize) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}
