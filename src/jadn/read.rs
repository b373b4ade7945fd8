//! From a schema file to a package.

use serde_json::{Map, Value};

use super::Problem;
use super::dialect::Of;
use super::package::{Base, Content, Dialect, Field, Header, Item, Opt, Package, Type};
use crate::encoding::json::{JsonError, JsonSource};
use crate::encoding::source::{Key, Kind, Number, Source};

/// Deepest nesting of a schema file.
const DEPTH: usize = 16;

/// Longest schema file, in bytes.
const FILE_BYTES: usize = 8 * 1024 * 1024;

impl Package {
    /// Reads a schema file; its header tells in which dialect it is written.
    ///
    /// # Errors
    ///
    /// Everything about the file that breaks its syntax.
    pub fn read(file: &[u8]) -> Result<Self, Vec<Problem>> {
        if file.len() > FILE_BYTES {
            let reason = format!("{} bytes long, {FILE_BYTES} are allowed", file.len());
            return Err(vec![Problem::of_file(reason)]);
        }
        let mut source = JsonSource::new(file, DEPTH);
        let file = tree(&mut source).and_then(|tree| source.end().map(|()| tree));
        let file = file.map_err(|error| vec![Problem::of_file(format!("no I-JSON, {error}"))])?;
        let (dialect, header) = dialect(&file).map_err(|problem| vec![problem])?;
        let mut reader = Reader { dialect, problems: Vec::new() };
        let types = reader.types(&file);
        if reader.problems.is_empty() {
            Ok(Self { dialect, header: Header { members: header.clone() }, types })
        } else {
            Err(reader.problems)
        }
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
    problems: Vec<Problem>,
}

impl Reader {
    fn types(&mut self, file: &Value) -> Vec<Type> {
        for name in file.as_object().into_iter().flat_map(Map::keys) {
            if !["meta", "info", "types"].contains(&name.as_str()) {
                self.problems.push(Problem::of_file(format!("{name:?} is no part of a schema")));
            }
        }
        let Some(types) = file.get("types").and_then(Value::as_array) else {
            self.problems.push(Problem::of_file("types, an array, is missing"));
            return Vec::new();
        };
        types.iter().enumerate().filter_map(|(at, it)| self.defined(at, it)).collect()
    }

    fn bad<T>(&mut self, place: &str, reason: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::at(place, reason));
        None
    }

    fn defined(&mut self, at: usize, it: &Value) -> Option<Type> {
        let place = format!("types/{at}");
        let Some(parts) = it.as_array() else { return self.bad(&place, "no array") };
        let Some(name) = parts.first().and_then(Value::as_str) else {
            return self.bad(&place, "the name of the type is missing");
        };
        let Some(base_name) = parts.get(1).and_then(Value::as_str) else {
            return self.bad(name, "its base type is missing");
        };
        let Some(base) = Base::named(base_name) else {
            return self.bad(name, format!("{base_name:?} is no base type"));
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
            return self.bad(name, reason);
        }
        let options = self.options(name, parts.get(2), Of::Type);
        let description = self.text(name, "description", parts.get(3));
        let is_derived = options.iter().any(|it| matches!(it, Opt::Enum(_) | Opt::Pointer(_)));
        let inner = match parts.get(4) {
            None => &Vec::new(),
            Some(Value::Array(inner)) => inner,
            Some(_) => return self.bad(name, "its fields are no array"),
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
        Some(Type { name: name.to_owned(), base, options, description, content })
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
            return self.bad(of, reason);
        }
        let Some(id) = parts[0].as_i64() else {
            return self.bad(of, format!("a field has {} for a number", parts[0]));
        };
        let Some(name) = parts[1].as_str() else {
            return self.bad(of, format!("field {id} has {} for a name", parts[1]));
        };
        let place =
            format!("{of}.{}", if name.is_empty() { id.to_string() } else { name.to_owned() });
        let Some(type_name) = parts[2].as_str() else {
            return self.bad(&place, format!("it has {} for a type", parts[2]));
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
                read.map_err(|reason| self.problems.push(Problem::at(place, reason))).ok()
            })
            .collect()
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
