//! The compiled form of a schema: a flat table that a message is judged by.

use std::collections::HashMap;
use std::ops::Range;

use super::form::{Form, Records};
use super::formats::{NetForm, OctetForm, TextFormat};
use super::pattern::Pattern;
use crate::encoding::source::Key;

/// A schema, ready to judge messages. Made by [`Schema::compile`](super::Schema::compile).
#[derive(Debug)]
pub struct Schema {
    /// Every type, and every part of a type that has no name of its own.
    pub(super) nodes: Vec<Node>,
    /// The fields of all types, those of one type side by side.
    pub(super) fields: Vec<FieldRow>,
    /// The items of all enumerations, those of one side by side.
    pub(super) items: Vec<ItemRow>,
    pub(super) patterns: Vec<Pattern>,
    /// Longest document, in bytes, where the package says one.
    pub(super) document_bytes: Option<usize>,
    /// The node of each type that has a name.
    pub(super) types: HashMap<Box<str>, NodeId>,
    /// The node of a value that a type takes under a key it does not know.
    pub(super) any: NodeId,
    /// Which such keys it takes; none where this is `None`.
    pub(super) takes: Option<Taking>,
}

/// Whether an unknown key is one that others may have added; if not, perhaps why.
pub type Taking = fn(&Unknown<'_>) -> Result<(), String>;

/// A key, or an item of an enumeration that derives from a type, that the schema does not have.
#[derive(Clone, Debug)]
pub struct Unknown<'k> {
    /// The type where it stands, or from which the enumeration derives.
    pub type_name: &'k str,
    /// The type is marked `X`: others may add to it.
    pub is_extensible: bool,
    /// The key.
    pub key: Key<'k>,
}

/// Place of a node in its table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NodeId(pub(super) u32);

/// What a value must be.
#[derive(Debug)]
pub(super) struct Node {
    /// The type, or `Type.field` where the type has no name of its own.
    pub name: Box<str>,
    pub shape: Shape,
    /// The compound type whose fields its keys or items are: itself, or the
    /// one from which an enumeration derives.
    pub keys_of: Option<NodeId>,
    /// Marked `X`.
    pub is_extensible: bool,
}

/// A piece of one of the two long lists.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Span {
    pub from: u32,
    pub len: u32,
}

impl Span {
    pub fn range(self) -> Range<usize> {
        self.from as usize..(self.from + self.len) as usize
    }
}

/// The rule of a node, by the built-in type that it comes from.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Any,
    /// Nothing is right: the type was never defined, and the schema may be used without it.
    Never,
    Null,
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    /// Wider than the integers that JSON has exactly: decimal digits as text
    /// (JADN v1.0 CSD01, section 3.2).
    WideInteger {
        min: i128,
        max: i128,
    },
    Number {
        min: f64,
        max: f64,
    },
    Text {
        chars: Sizes,
        format: Option<TextFormat>,
        pattern: Option<u32>,
    },
    Octets {
        octets: Sizes,
        form: OctetForm,
    },
    Enumerated {
        items: Span,
        by_id: bool,
    },
    Choice {
        fields: Span,
        by_id: bool,
    },
    /// A range of addresses: text in JSON, address and prefix in CBOR.
    Net {
        form: NetForm,
    },
    Members {
        kind: MembersKind,
        fields: Span,
        count: Sizes,
        /// A bit for each of the first 64 fields that must be there.
        required: u64,
    },
    List {
        element: NodeId,
        count: Sizes,
        is_set: bool,
    },
    Mapping {
        key: NodeId,
        value: NodeId,
        count: Sizes,
    },
}

/// Least and greatest length or count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sizes {
    pub min: u32,
    pub max: u32,
}

impl Sizes {
    pub fn hold(self, size: usize) -> bool {
        (self.min as usize..=self.max as usize).contains(&size)
    }

    /// Whether a text of so many bytes is sure to have so many characters: it has no more
    /// of them than bytes.
    pub fn hold_characters_in(self, bytes: usize) -> bool {
        self.min == 0 && bytes <= self.max as usize
    }

    /// Whether a text has so many characters.
    pub fn hold_characters_of(self, text: &str) -> bool {
        self.hold_characters_in(text.len()) || self.hold(text.chars().count())
    }
}

/// The compound types whose fields each have a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MembersKind {
    Array,
    Record,
    Map { by_id: bool },
}

impl MembersKind {
    /// Whether its fields stand under their names in verbose JSON.
    pub fn has_names(self) -> bool {
        matches!(self, Self::Record | Self::Map { by_id: false })
    }

    /// Whether its fields stand by their place, and have no keys.
    pub fn is_array(self, form: Form) -> bool {
        match self {
            Self::Array => true,
            Self::Record => form.records == Records::Arrays,
            Self::Map { .. } => false,
        }
    }
}

/// A field of a compound type.
#[derive(Debug)]
pub(super) struct FieldRow {
    pub id: i64,
    pub name: Box<str>,
    pub node: NodeId,
    pub is_required: bool,
    /// Position, among the fields of the type, of the one that says which
    /// alternative of `node` this is.
    pub tag: Option<u32>,
}

/// A value of an enumeration.
#[derive(Debug)]
pub(super) struct ItemRow {
    pub id: i64,
    pub name: Box<str>,
}

impl Schema {
    /// The type of that name.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<NodeId> {
        self.types.get(name).copied()
    }

    /// The names of the fields of a type.
    pub fn fields_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let shape = self.type_named(name).map(|node| &self.node(node).shape);
        let fields = match shape {
            Some(Shape::Choice { fields, .. } | Shape::Members { fields, .. }) => *fields,
            _ => Span::default(),
        };
        self.fields(fields).iter().map(|field| &*field.name)
    }

    /// The names of its types, in no order.
    pub fn type_names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(AsRef::as_ref)
    }

    /// Name of a node: its type, or `Type.field`.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        &self.node(node).name
    }

    /// The same schema, which takes some keys that it does not know.
    ///
    /// A compound type then has, besides its own fields, those whose key
    /// `takes` lets through; their values may be anything, and are checked as
    /// far as the encoding goes. So are the items of an enumeration that
    /// derives from such a type.
    #[must_use]
    pub fn taking(mut self, takes: Taking) -> Self {
        self.takes = Some(takes);
        self
    }

    /// The same schema, which does not read hexadecimal digits in lower case.
    #[must_use]
    pub fn without_lower_case_hex(mut self) -> Self {
        for node in &mut self.nodes {
            if let Shape::Octets { form: form @ OctetForm::Hex, .. } = &mut node.shape {
                *form = OctetForm::UpperHex;
            }
        }
        self
    }

    /// Whether a key that stands in a value of this node, and that no field
    /// has, is right all the same.
    pub(super) fn takes_unknown(&self, node: NodeId, key: &Key<'_>) -> Result<(), String> {
        let no = || Err(String::new());
        let Some(takes) = self.takes else { return no() };
        let Some(owner) = self.node(node).keys_of else { return no() };
        let owner = self.node(owner);
        // A field by its name, where keys are numbers, is no key that somebody has added.
        let is_own = |name: &str| match &owner.shape {
            Shape::Choice { fields, .. } | Shape::Members { fields, .. } => {
                self.fields(*fields).iter().any(|field| &*field.name == name)
            }
            _ => false,
        };
        if matches!(key, Key::Text(name) if is_own(name)) {
            return no();
        }
        takes(&Unknown {
            type_name: &owner.name,
            is_extensible: owner.is_extensible,
            key: key.clone(),
        })
    }

    pub(super) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.0 as usize]
    }

    pub(super) fn fields(&self, span: Span) -> &[FieldRow] {
        &self.fields[span.range()]
    }

    pub(super) fn items(&self, span: Span) -> &[ItemRow] {
        &self.items[span.range()]
    }
}
