//! Messages that are wrong in exactly one way, made from valid ones.

use std::fmt;

use serde_json::{Value, json};

use super::example::{Maker, NoExample, Place, key};
use super::table::{MembersKind, NodeId, Schema, Shape, Sizes, Span};

/// Longest value made only to be too long, in characters or elements.
const TOO_LONG: u32 = 1024;

/// A message that is wrong in exactly one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutant {
    /// The message.
    pub message: Value,
    /// What was done to it.
    pub wrong: Wrong,
    /// JSON Pointer to where.
    pub pointer: String,
}

/// The ways in which a message is spoilt.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Wrong {
    Kind,
    UnknownMember,
    MissingMember,
    NoAlternative,
    SecondAlternative,
    BelowMinimum,
    AboveMaximum,
    TooShort,
    TooLong,
    TooFew,
    TooMany,
    Repeated,
    UnknownItem,
    Format,
    Pattern,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "a value of another kind",
            Self::UnknownMember => "a member that the type does not have",
            Self::MissingMember => "a required member left out",
            Self::NoAlternative => "no alternative",
            Self::SecondAlternative => "two alternatives at once",
            Self::BelowMinimum => "a number below the minimum",
            Self::AboveMaximum => "a number above the maximum",
            Self::TooShort => "a text that is too short",
            Self::TooLong => "a text that is too long",
            Self::TooFew => "too few elements",
            Self::TooMany => "too many elements",
            Self::Repeated => "an element twice",
            Self::UnknownItem => "a name that the enumeration does not have",
            Self::Format => "a text in another format",
            Self::Pattern => "a text that does not match",
        })
    }
}

impl Schema {
    /// A value that is wrong in exactly one way. `None` where [`Self::spoilt`] says why.
    #[must_use]
    pub fn mutant(&self, root: NodeId, seed: u64) -> Option<Mutant> {
        self.spoilt(root, seed).ok()
    }

    /// The same, or why no value can be made, or none that could be spoilt.
    pub fn spoilt(&self, root: NodeId, seed: u64) -> Result<Mutant, NoExample> {
        let mut maker = Maker::new(self, seed);
        let message = maker.value(root, 0, "").ok_or_else(|| maker.no_example())?;
        maker.spoil(message).ok_or(NoExample::NotFound)
    }
}

impl Maker<'_> {
    /// Makes one thing wrong.
    fn spoil(&mut self, message: Value) -> Option<Mutant> {
        let mut order: Vec<_> = (0..self.places.len()).collect();
        self.random.shuffle(&mut order);
        for at in order {
            let Place { pointer, node } = self.places[at].clone();
            let Some(value) = message.pointer(&pointer) else { continue };
            let mut ways = self.ways(node, value);
            if ways.is_empty() {
                continue;
            }
            let (wrong, value) = ways.swap_remove(self.random.usize(0..ways.len()));
            let mut message = message;
            *message.pointer_mut(&pointer)? = value;
            return Some(Mutant { message, wrong, pointer });
        }
        None
    }

    /// The ways to spoil a value, each with what it becomes.
    fn ways(&mut self, node: NodeId, value: &Value) -> Ways {
        let shape = &self.schema.node(node).shape;
        if matches!(shape, Shape::Any | Shape::Never) {
            return Vec::new();
        }
        let mut ways = match shape {
            Shape::Integer { min, max } => of_integer(*min, *max),
            Shape::Number { min, max } => of_number(*min, *max),
            Shape::Text { .. } => self.of_text(shape),
            Shape::Octets { .. } | Shape::Net { .. } => vec![(Wrong::Format, json!("not = this!"))],
            Shape::Enumerated { by_id, items } => {
                let id = self.schema.items(*items).iter().map(|item| item.id).max().unwrap_or(0);
                let unknown = if *by_id { json!(id + 1) } else { json!("no such item") };
                vec![(Wrong::UnknownItem, unknown)]
            }
            Shape::Choice { .. } => of_choice(value),
            Shape::Members { kind, fields, .. } => self.of_members(*kind, *fields, value),
            Shape::List { count, is_set, .. } => of_list(*count, *is_set, value),
            Shape::Mapping { count, .. } if count.min > 0 => vec![(Wrong::TooFew, json!({}))],
            Shape::Any
            | Shape::Never
            | Shape::Null
            | Shape::Boolean
            | Shape::WideInteger { .. }
            | Shape::Mapping { .. } => Vec::new(),
        };
        let other_kind = if value.is_boolean() { json!("true") } else { json!(true) };
        ways.push((Wrong::Kind, other_kind));
        ways
    }

    fn of_text(&mut self, shape: &Shape) -> Ways {
        let Shape::Text { chars, format, pattern } = shape else { return Vec::new() };
        if let Some(format) = format {
            let bad = [" ", "..", "\u{1}", "a b c", ""];
            let bad = bad.into_iter().find(|text| (format.check)(text).is_err());
            return bad.map(|bad| (Wrong::Format, json!(bad))).into_iter().collect();
        }
        if let Some(pattern) = pattern.and_then(|at| self.schema.patterns.get(at as usize)) {
            let bad = ["", " ", "a b", "\u{1}", "!", "-"];
            let bad = bad
                .into_iter()
                .find(|text| chars.hold(text.chars().count()) && !pattern.is_match(text));
            return bad.map(|bad| (Wrong::Pattern, json!(bad))).into_iter().collect();
        }
        let mut ways = Vec::new();
        if chars.min > 0 {
            ways.push((Wrong::TooShort, json!(self.word(chars.min - 1, chars.min - 1))));
        }
        if chars.max < TOO_LONG {
            ways.push((Wrong::TooLong, json!(self.word(chars.max + 1, chars.max + 1))));
        }
        ways
    }

    fn of_members(&self, kind: MembersKind, fields: Span, value: &Value) -> Ways {
        let fields = self.schema.fields(fields);
        let mut ways = Vec::new();
        if let Value::Array(elements) = value
            && elements.len() == fields.len()
        {
            let mut more = elements.clone();
            more.push(Value::Null);
            ways.push((Wrong::TooMany, more.into()));
        }
        let Value::Object(members) = value else { return ways };
        let mut more = members.clone();
        more.insert("no such member".to_owned(), json!(1));
        ways.push((Wrong::UnknownMember, more.into()));
        // A tag takes its field with it: that would be two faults.
        let is_tag =
            |at: usize| fields.iter().any(|it| it.tag.is_some_and(|tag| tag as usize == at));
        let required = fields
            .iter()
            .enumerate()
            .find(|(at, field)| field.is_required && field.tag.is_none() && !is_tag(*at));
        if let Some((_, field)) = required {
            let mut less = members.clone();
            less.shift_remove(&key(field, kind == MembersKind::Map { by_id: true }));
            ways.push((Wrong::MissingMember, less.into()));
        }
        ways
    }
}

/// Ways to spoil a value, each with what it becomes.
type Ways = Vec<(Wrong, Value)>;

fn of_integer(min: i64, max: i64) -> Ways {
    const EXACT: i64 = (1 << 53) - 1;
    let mut ways = Vec::new();
    if min > -EXACT {
        ways.push((Wrong::BelowMinimum, json!(min - 1)));
    }
    if max < EXACT {
        ways.push((Wrong::AboveMaximum, json!(max + 1)));
    }
    ways
}

fn of_number(min: f64, max: f64) -> Ways {
    // One is nothing to the largest numbers.
    let step = |bound: f64| (bound.abs() / 2.0).max(1.0);
    let ways = [
        (Wrong::BelowMinimum, min.is_finite(), min - step(min)),
        (Wrong::AboveMaximum, max.is_finite(), max + step(max)),
    ];
    let there = ways.into_iter().filter(|(_, is_bound, wrong)| *is_bound && wrong.is_finite());
    there.map(|(way, _, wrong)| (way, json!(wrong))).collect()
}

fn of_choice(value: &Value) -> Ways {
    let mut ways = vec![(Wrong::NoAlternative, json!({}))];
    if let Value::Object(members) = value {
        let mut two = members.clone();
        two.insert("no such alternative".to_owned(), Value::Null);
        ways.push((Wrong::SecondAlternative, two.into()));
    }
    ways
}

fn of_list(count: Sizes, is_set: bool, value: &Value) -> Ways {
    let Value::Array(elements) = value else { return Vec::new() };
    let mut ways = Vec::new();
    if let Some(first) = elements.first() {
        let mut more = elements.clone();
        if is_set && elements.len() < count.max as usize {
            more.push(first.clone());
            ways.push((Wrong::Repeated, more.into()));
        } else if !is_set && count.max < TOO_LONG {
            more.resize(count.max as usize + 1, first.clone());
            ways.push((Wrong::TooMany, more.into()));
        }
    }
    if count.min > 0 {
        let less = elements.iter().take(count.min as usize - 1).cloned();
        ways.push((Wrong::TooFew, less.collect()));
    }
    ways
}
