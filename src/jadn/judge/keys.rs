//! Keys, and which field has one.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a fault travels in a box, so that the path of what is valid stays narrow"
)]

use super::{Judge, Verdict, hash_of};
use crate::encoding::source::{Key, Source};
use crate::jadn::form::{Form, Names};
use crate::jadn::report::Fault;
use crate::jadn::table::{FieldRow, NodeId, Schema, Shape};
use crate::jadn::tape::Mark;

/// A key that was read.
pub(super) enum Met {
    /// There is none: the map is over.
    End,
    /// The field at this position has it.
    Field(usize),
    /// No field has it.
    Other,
}

/// A key that no field has.
pub(super) enum Other<P> {
    /// The type takes it all the same.
    Taken(Taken<P>),
    /// It does not; the fault points to it.
    Unknown(Box<Fault>),
}

/// A key that somebody else has added to a type.
pub(super) struct Taken<P> {
    /// Before it, for what is said of its value.
    pub place: P,
    pub is_first: bool,
    /// Where it stands in the document, with what parts it from the member before.
    pub from: usize,
    pub to: usize,
    pub hash: u64,
}

impl<S: Source> Judge<'_, S> {
    /// The next key, found among the fields.
    #[inline]
    pub(super) fn key(
        &mut self,
        fields: &[FieldRow],
        by_number: bool,
        hint: usize,
        is_first: bool,
    ) -> Result<Met, Box<Fault>> {
        let has_numbers = self.form.has_octets;
        let key = match self.source.next_key(is_first) {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(Met::End),
            Err(error) => {
                let fault = error.to_string();
                return Err(self.broken_by(fault));
            }
        };
        let found = match key {
            Key::Text(name) if !by_number => {
                // Most senders keep the order of the standard's tables.
                let is_it = |field: &FieldRow| &*field.name == name;
                position(fields, hint, is_it)
            }
            // Only where keys are always text, a number is text as well.
            Key::Text(_) if has_numbers => None,
            Key::Text(name) => position(fields, hint, |field| is_number(name, field.id)),
            Key::Integer(id) if by_number => position(fields, hint, |field| field.id == id),
            Key::Integer(_) => None,
        };
        Ok(found.map_or(Met::Other, Met::Field))
    }

    /// A key that no field has, read once more from where it begins.
    #[cold]
    pub(super) fn other_key(
        &mut self,
        node: NodeId,
        place: S::Place,
        is_first: bool,
    ) -> Result<Other<S::Place>, Box<Fault>> {
        self.source.return_to(place);
        let (schema, from) = (self.schema, self.source.offset());
        let key = match self.source.next_key(is_first) {
            Ok(Some(key)) => key,
            Ok(None) => Key::Text(""),
            Err(error) => {
                let fault = error.to_string();
                return Err(self.broken_by(fault));
            }
        };
        match schema.takes_unknown(node, &key) {
            Ok(()) => {
                let hash = match key {
                    Key::Text(name) => hash_of(name),
                    Key::Integer(id) => hash_of(&id),
                };
                let to = self.source.offset();
                Ok(Other::Taken(Taken { place, is_first, from, to, hash }))
            }
            Err(why) => {
                let name = match key {
                    Key::Text(name) => name.to_owned(),
                    Key::Integer(id) => id.to_string(),
                };
                let offset = self.source.offset();
                Ok(Other::Unknown(Fault::new(offset, why).inside(&name)))
            }
        }
    }

    /// Reads what stands under a key that somebody else has added to the type.
    pub(super) fn taken(&mut self, key: &Taken<S::Place>) -> Verdict {
        let any = self.schema.any;
        let mark = self.tape.begin(any, Mark::KEY, key.from);
        self.tape.end(mark, key.to);
        match self.value(any, Mark::UNKNOWN) {
            Ok(value) => Ok(hash_of(&(key.hash, value))),
            Err(fault) => {
                self.source.return_to(key.place);
                let name = match self.source.next_key(key.is_first) {
                    Ok(Some(Key::Text(name))) => name.to_owned(),
                    Ok(Some(Key::Integer(id))) => id.to_string(),
                    Ok(None) | Err(_) => String::new(),
                };
                Err(fault.inside(&name))
            }
        }
    }
}

impl Schema {
    pub(super) fn takes_key(&self, node: NodeId, name: &str, form: Form) -> bool {
        match &self.node(node).shape {
            Shape::Any => true,
            Shape::Text { chars, format, pattern } => {
                let pattern = pattern.and_then(|at| self.patterns.get(at as usize));
                chars.hold_characters_of(name)
                    && format.is_none_or(|format| (format.check)(name).is_ok())
                    && pattern.is_none_or(|pattern| pattern.is_match(name))
            }
            Shape::Enumerated { items, by_id } => {
                let by_number = *by_id || form.names == Names::Numbers;
                self.items(*items).iter().any(|item| {
                    if by_number {
                        !form.has_octets && is_number(name, item.id)
                    } else {
                        &*item.name == name
                    }
                })
            }
            Shape::Octets { octets, form } => {
                form.octets_of(name).is_ok_and(|count| octets.hold(count))
            }
            Shape::Integer { min, max } if !form.has_octets => {
                name.parse().is_ok_and(|id| (*min..=*max).contains(&id) && is_number(name, id))
            }
            _ => false,
        }
    }

    pub(super) fn takes_number(&self, node: NodeId, id: i64, form: Form) -> bool {
        match &self.node(node).shape {
            Shape::Any => true,
            Shape::Integer { min, max } => (*min..=*max).contains(&id),
            Shape::Enumerated { items, by_id } => {
                (*by_id || form.names == Names::Numbers)
                    && self.items(*items).iter().any(|item| item.id == id)
            }
            _ => false,
        }
    }
}

/// The first field from `hint` on, and then from the beginning, that is it.
#[inline]
fn position(fields: &[FieldRow], hint: usize, is_it: impl Fn(&FieldRow) -> bool) -> Option<usize> {
    let (before, after) = fields.split_at(hint.min(fields.len()));
    let behind = after.iter().position(&is_it).map(|at| at + before.len());
    behind.or_else(|| before.iter().position(&is_it))
}

/// Whether a text is this number, in the one way to write it.
fn is_number(text: &str, number: i64) -> bool {
    let is_plain =
        text == "0" || !text.starts_with('+') && !text.trim_start_matches('-').starts_with('0');
    is_plain && text.parse() == Ok(number)
}

/// What is said of an unknown key: what there is, and why it can be no other's.
pub(super) fn unknown(what: String, fields: &[FieldRow], mut fault: Box<Fault>) -> Box<Fault> {
    let names = names_of(fields);
    // Before the names, of which there may be many.
    fault.reason = match (fault.reason.as_str(), names.as_str()) {
        ("", "") => what,
        ("", names) => format!("{what}, which has {names}"),
        (why, "") => format!("{what}, {why}"),
        (why, names) => format!("{what}, {why}; it has {names}"),
    };
    fault
}

fn names_of(fields: &[FieldRow]) -> String {
    let names: Vec<_> =
        fields.iter().map(|it| &*it.name).filter(|name| !name.is_empty()).take(24).collect();
    let more = if fields.len() > 24 { ", ..." } else { "" };
    names.join(", ") + more
}
