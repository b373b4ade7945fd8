//! What is wrong with a message, in words. Nothing here runs for a valid one.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a fault travels in a box, so that the path of what is valid stays narrow"
)]

use std::fmt::Write;

use super::form::{Form, Names};
use super::formats::OctetForm;
use super::table::{NodeId, Schema, Shape, Sizes};
use crate::encoding::source::{Kind, Number, Source};

/// Longest piece of a sender's text that a fault repeats, in characters.
const EXCERPT_CHARS: usize = 80;

/// Most items of an enumeration that a fault lists.
const ITEMS_LISTED: usize = 24;

/// What is wrong with a message, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{pointer}: {reason}{}", found.as_ref().map(|it| format!(", found {it}")).unwrap_or_default())]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the value; empty for the whole message.
    pub pointer: String,
    /// Offset of the value, or of the byte that broke the encoding.
    pub offset: usize,
    /// What was expected.
    pub reason: String,
    /// What stood there, escaped and cut; `None` where that says nothing.
    pub found: Option<String>,
    /// The document itself is broken, so that nothing behind it can be read.
    pub is_of_encoding: bool,
}

impl Fault {
    pub(super) fn new(offset: usize, reason: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            pointer: String::new(),
            offset,
            reason: reason.into(),
            found: None,
            is_of_encoding: false,
        })
    }

    /// The same fault, seen from the value around it.
    pub(super) fn inside(mut self: Box<Self>, step: &str) -> Box<Self> {
        self.put_inside(step);
        self
    }

    /// The same for one that is kept where it is.
    pub(super) fn put_inside(&mut self, step: &str) {
        let step = cut(step).replace('~', "~0").replace('/', "~1");
        self.pointer.insert_str(0, &format!("/{step}"));
    }
}

/// The value that stands next, in a few words.
pub(super) fn excerpt<S: Source>(source: &mut S) -> Option<String> {
    Some(match source.kind().ok()? {
        Kind::Null => "null".to_owned(),
        Kind::Bool => source.bool().ok()?.to_string(),
        Kind::Number => match source.number().ok()? {
            Number::Integer(number) => number.to_string(),
            Number::Float(number) => number.to_string(),
        },
        Kind::Text => quoted(source.text().ok()?),
        Kind::Octets => format!("{} octets", source.octets().ok()?.len()),
        Kind::Array => {
            source.enter_array().ok()?;
            let is_empty = matches!(source.next_element(true), Ok(false));
            if is_empty { "an empty array" } else { "an array" }.to_owned()
        }
        Kind::Map => {
            source.enter_map().ok()?;
            let is_empty = matches!(source.next_key(true), Ok(None));
            if is_empty { "an empty object" } else { "an object" }.to_owned()
        }
    })
}

/// A sender's text as a fault repeats it.
pub(super) fn quoted(text: &str) -> String {
    cut(&format!("{:?}", cut(text)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl Schema {
    /// What a node wants, as a noun.
    pub(super) fn wanted(&self, id: NodeId, form: Form) -> String {
        let node = self.node(id);
        let mut text = node.name.to_string();
        let name = &mut text;
        let _ = match &node.shape {
            Shape::Any => write!(name, ", anything"),
            Shape::Never => write!(name, ", which the schema does not define"),
            Shape::Null => write!(name, ", null"),
            Shape::Boolean => write!(name, ", true or false"),
            Shape::Integer { min, max } => write!(name, ", an integer from {min} to {max}"),
            Shape::WideInteger { min, max } if form.has_octets => {
                write!(name, ", an integer from {min} to {max}")
            }
            Shape::WideInteger { min, max } => {
                write!(name, ", an integer from {min} to {max}, as text beyond 2^53 - 1")
            }
            Shape::Number { min, max } => match (min.is_finite(), max.is_finite()) {
                (false, false) => write!(name, ", a number"),
                (true, false) => write!(name, ", a number from {min}"),
                (false, true) => write!(name, ", a number up to {max}"),
                (true, true) => write!(name, ", a number from {min} to {max}"),
            },
            Shape::Text { chars, format, pattern } => {
                let _ = write!(name, ", text{}", of(*chars, "characters"));
                if let Some(format) = format {
                    let _ = write!(name, " in the format {}", format.name);
                }
                match pattern.and_then(|at| self.patterns.get(at as usize)) {
                    Some(pattern) => write!(name, " that matches {}", pattern.as_str()),
                    None => Ok(()),
                }
            }
            Shape::Octets { octets, form: as_text } => {
                let of_octets = match as_text {
                    _ if form.has_octets => "octets",
                    OctetForm::Base64Url => "base64url without padding",
                    OctetForm::Hex => "hexadecimal digits",
                    OctetForm::UpperHex => "upper-case hexadecimal digits",
                    OctetForm::Eui => "an EUI-48 or EUI-64",
                    OctetForm::Ipv4 => "an IPv4 address",
                    OctetForm::Ipv6 => "an IPv6 address",
                    OctetForm::Ip => "an IP address",
                };
                write!(name, ", {of_octets}{}", of(*octets, "octets"))
            }
            Shape::Enumerated { items, by_id } => {
                let items = self.items(*items);
                let by_number = *by_id || form.names == Names::Numbers;
                let listed = items.iter().take(ITEMS_LISTED).map(|item| {
                    if by_number { item.id.to_string() } else { item.name.to_string() }
                });
                let listed = listed.collect::<Vec<_>>().join(", ");
                let more = if items.len() > ITEMS_LISTED { ", ..." } else { "" };
                write!(name, " ({listed}{more})")
            }
            Shape::Choice { .. } => write!(name, ", an object with exactly one member"),
            Shape::Net { .. } => write!(name, ", a range of addresses"),
            Shape::Members { kind, .. } if kind.is_array(form) => write!(name, ", an array"),
            Shape::Members { .. } | Shape::Mapping { .. } => write!(name, ", an object"),
            Shape::List { .. } => write!(name, ", an array"),
        };
        text
    }
}

/// ` of 1 to 5 things`, where that is a bound worth to be told.
fn of(sizes: Sizes, things: &str) -> String {
    match sizes {
        Sizes { min: 0, max: u32::MAX } => String::new(),
        Sizes { min: 0, max } => format!(" of at most {max} {things}"),
        Sizes { min, max: u32::MAX } => format!(" of at least {min} {things}"),
        Sizes { min, max } => format!(" of {min} to {max} {things}"),
    }
}
