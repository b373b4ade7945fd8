//! What was typed for a target, completed to what the schema of the target wants.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::request::Mistake;
use crate::config::nearest_of;
use crate::jadn::{NodeId, Outline, Part, Schema};
use crate::language::{Language, Library, Version};
use crate::openc2::TargetName;

/// The schemas that complete a command: every target of the language and of the profiles that
/// are known.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'l>(pub &'l Library);

/// A type in a schema, and the target that it is the type of.
#[derive(Clone, Copy)]
struct Typed<'c> {
    target: &'c str,
    schema: &'c Schema,
    node: NodeId,
}

impl<'l> Completion<'l> {
    fn newest(self) -> &'l Language {
        self.0.language(Version::V1_1)
    }

    /// The whole name of a target: that of a profile may be typed without its namespace where
    /// one profile alone has it.
    pub fn name(self, typed: &str) -> Result<String, Mistake> {
        if typed.contains(':') || self.language_of(typed).is_some() {
            return Ok(typed.to_owned());
        }
        let is_meant = |name: &&str| name.split_once(':').is_some_and(|(_, local)| local == typed);
        let meant: Vec<&str> = targets(self.newest()).filter(is_meant).collect();
        match meant[..] {
            [] => Ok(typed.to_owned()),
            [name] => Ok(name.to_owned()),
            _ => Err(Mistake::SeveralTargets { target: typed.to_owned(), names: meant.join(", ") }),
        }
    }

    /// The newest language that has a target.
    fn language_of(self, target: &str) -> Option<&'l Language> {
        let mut languages = Version::ALL.into_iter().map(|version| self.0.language(version));
        languages.find(|it| targets(it).any(|name| name == target))
    }

    fn typed(self, target: &str) -> Option<Typed<'l>> {
        let schema = self.language_of(target)?.schema();
        let node = schema.field_type(schema.type_named("Target")?, target)?;
        // The name that the schema has lives as long as the schema does.
        let target = schema.fields_of("Target").find(|name| *name == target)?;
        Some(Typed { target, schema, node })
    }

    /// The value of a target.
    pub fn value(self, target: &str, text: Option<&str>) -> Result<Value, Mistake> {
        let typed = self.typed(target);
        match (typed, text) {
            (Some(typed), Some(text)) => typed.value(text),
            (Some(typed), None) => typed.absent(),
            (None, text) => self.unknown(target, text),
        }
    }

    /// A made-up value of a target.
    pub fn example(self, target: &str, seed: u64) -> Result<Value, Mistake> {
        let Some(Typed { schema, node, .. }) = self.typed(target) else {
            return Err(self.no_target(target));
        };
        let example = schema.example(node, seed);
        example.ok_or_else(|| Mistake::NoExample { target: target.to_owned() })
    }

    /// Made-up arguments of a profile; `None` where it has none.
    pub fn example_of_args(self, nsid: &str, seed: u64) -> Option<Value> {
        let schema = self.newest().schema();
        let node = schema.field_type(schema.type_named("Args")?, nsid)?;
        schema.example(node, seed)
    }

    /// A target that no schema here has: the type of a profile's own is the profile's affair.
    fn unknown(self, target: &str, text: Option<&str>) -> Result<Value, Mistake> {
        let is_of_profile = matches!(target.parse(), Ok(TargetName::Extension { .. }));
        let Some(text) = text else {
            if !is_of_profile {
                return Err(self.no_target(target));
            }
            let expected = "as JSON; {} is the empty object".to_owned();
            return Err(Mistake::NoValue { target: target.to_owned(), expected });
        };
        match serde_json::from_str(text) {
            Ok(value) => Ok(value),
            Err(_) if is_of_profile && !text.starts_with(['{', '[', '"']) => Ok(json!(text)),
            Err(error) if is_of_profile => Err(Mistake::NotJson {
                target: target.to_owned(),
                text: text.to_owned(),
                reason: error.to_string(),
                expected: String::new(),
            }),
            Err(_) => Err(self.no_target(target)),
        }
    }

    fn no_target(self, target: &str) -> Mistake {
        let nearest = nearest_of(target, targets(self.newest()));
        let nearest = nearest.map_or_else(String::new, |it| format!("; did you mean {it}?"));
        Mistake::NoTarget { target: target.to_owned(), nearest }
    }
}

/// The targets of a version of the language and of the profiles in it, by the names that a
/// command has for them.
pub fn targets(language: &Language) -> impl Iterator<Item = &str> {
    language.schema().fields_of("Target")
}

impl Typed<'_> {
    /// The value where none was typed.
    fn absent(self) -> Result<Value, Mistake> {
        match self.schema.outline(self.node) {
            // An empty list of features is a heartbeat (Language v1.1, section 4.1).
            Outline::List { may_be_empty: true, .. } => Ok(json!([])),
            _ => Err(Mistake::NoValue {
                target: self.target.to_owned(),
                expected: expected(self.schema, self.node),
            }),
        }
    }

    fn value(self, text: &str) -> Result<Value, Mistake> {
        match self.schema.outline(self.node) {
            Outline::Text => Ok(string(text)),
            Outline::List { element, is_set, .. } => {
                // A producer never repeats a feature (Language v1.1, section 3.4.1.5), which a
                // consumer forgives: its schema does not say so.
                let is_set = is_set || self.target == "features";
                let elements = if text.starts_with(['[', '{', '"']) {
                    self.json(text)?
                } else {
                    self.elements(element, text)?
                };
                Ok(if is_set { without_repetition(elements) } else { elements })
            }
            Outline::Members { parts, .. } if !text.starts_with('{') && text.contains('=') => {
                self.members(&parts, text)
            }
            Outline::Any => Ok(serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
            Outline::Members { .. } | Outline::Other => self.json(text),
        }
    }

    /// Elements with commas between them.
    fn elements(self, element: NodeId, text: &str) -> Result<Value, Mistake> {
        let element = Self { node: element, ..self };
        let elements = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        elements.map(|it| element.value(it)).collect()
    }

    /// Members with commas between them, each `name=value`.
    fn members(self, parts: &[Part<'_>], text: &str) -> Result<Value, Mistake> {
        let mut members = Map::new();
        for member in text.split(',') {
            let (name, value) = member.split_once('=').unwrap_or((member, ""));
            let name = name.trim();
            let Some(part) = parts.iter().find(|part| part.name == name) else {
                let names = parts.iter().map(|part| part.name);
                let nearest = nearest_of(name, names);
                return Err(Mistake::NoField {
                    target: self.target.to_owned(),
                    name: name.to_owned(),
                    expected: expected(self.schema, self.node),
                    nearest: nearest.map_or_else(String::new, |it| format!("; did you mean {it}?")),
                });
            };
            let value = Self { node: part.node, ..self }.value(value)?;
            members.insert(name.to_owned(), value);
        }
        Ok(members.into())
    }

    fn json(self, text: &str) -> Result<Value, Mistake> {
        serde_json::from_str(text).map_err(|error| Mistake::NotJson {
            target: self.target.to_owned(),
            text: text.to_owned(),
            reason: error.to_string(),
            expected: format!("; it is {}", expected(self.schema, self.node)),
        })
    }
}

/// What a type wants, with its fields where it has some.
fn expected(schema: &Schema, node: NodeId) -> String {
    let expected = schema.expected(node);
    match schema.outline(node) {
        Outline::Members { parts, is_choice } => {
            let name = |part: &Part<'_>| {
                let must = if part.is_required { " (required)" } else { "" };
                format!("{}{must}", part.name)
            };
            let names: Vec<_> = parts.iter().map(name).collect();
            let between = if is_choice { " or " } else { ", " };
            format!("{expected}: {}", names.join(between))
        }
        Outline::List { .. } => format!("{expected}: its elements with commas, or as JSON"),
        Outline::Text | Outline::Any | Outline::Other => expected,
    }
}

fn without_repetition(elements: Value) -> Value {
    let Value::Array(elements) = elements else { return elements };
    let mut seen = BTreeSet::new();
    elements.into_iter().filter(|it| seen.insert(it.to_string())).collect()
}

/// A string: as it stands, or what a JSON string in quotes says.
pub fn string(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::String(quoted)) => Value::String(quoted),
        _ => json!(text),
    }
}
