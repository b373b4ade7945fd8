//! What a value of a type looks like, for whoever writes one by hand.

use super::form::Form;
use super::table::{FieldRow, NodeId, Schema, Shape};

/// The way in which a value of a type is written in verbose JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline<'s> {
    /// Text: also octets, ranges of addresses, and the names of an enumeration.
    Text,
    /// An array.
    List {
        /// The type of its elements.
        element: NodeId,
        /// It may be empty.
        may_be_empty: bool,
        /// No element may stand there twice.
        is_set: bool,
    },
    /// An object with some of these members, of a Choice exactly one.
    Members {
        /// Its fields, in the order of the schema.
        parts: Vec<Part<'s>>,
        /// It has exactly one of them.
        is_choice: bool,
    },
    /// Anything at all.
    Any,
    /// What else JSON has: numbers, true and false, null, and objects with other keys.
    Other,
}

/// A field of a compound type.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its type.
    pub node: NodeId,
    /// It must be there.
    pub is_required: bool,
}

impl Schema {
    /// The way in which a value of this type is written in verbose JSON.
    #[must_use]
    pub fn outline(&self, node: NodeId) -> Outline<'_> {
        match &self.node(node).shape {
            Shape::Text { .. }
            | Shape::Octets { .. }
            | Shape::Net { .. }
            | Shape::WideInteger { .. }
            | Shape::Enumerated { by_id: false, .. } => Outline::Text,
            Shape::List { element, count, is_set } => {
                Outline::List { element: *element, may_be_empty: count.min == 0, is_set: *is_set }
            }
            Shape::Choice { fields, by_id: false } => {
                Outline::Members { parts: parts(self.fields(*fields)), is_choice: true }
            }
            Shape::Members { kind, fields, .. } if kind.has_names() => {
                Outline::Members { parts: parts(self.fields(*fields)), is_choice: false }
            }
            Shape::Any => Outline::Any,
            _ => Outline::Other,
        }
    }

    /// What a value of this type must be, as a noun: its name and its rule.
    #[must_use]
    pub fn expected(&self, node: NodeId) -> String {
        self.wanted(node, Form::VERBOSE)
    }

    /// The type of a field of a compound type.
    #[must_use]
    pub fn field_type(&self, of: NodeId, name: &str) -> Option<NodeId> {
        let (Shape::Choice { fields, .. } | Shape::Members { fields, .. }) = &self.node(of).shape
        else {
            return None;
        };
        let fields = self.fields(*fields);
        fields.iter().find(|field| &*field.name == name).map(|field| field.node)
    }
}

fn parts(fields: &[FieldRow]) -> Vec<Part<'_>> {
    fields
        .iter()
        .map(|it| Part { name: &it.name, node: it.node, is_required: it.is_required })
        .collect()
}
