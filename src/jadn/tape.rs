//! What a valid message holds, and where: left behind by the pass that judged it.

use std::ops::Range;

use super::form::Form;
use super::table::{NodeId, Schema, Shape};

/// Room for one message at a time; made once and used again, so that a
/// message of a usual size allocates nothing.
#[derive(Debug, Default)]
pub struct Tape {
    marks: Vec<Mark>,
    /// How the message is written.
    form: Form,
    /// Which fields have been met, for all types that are still open.
    pub(super) met: Vec<u64>,
    /// Hashes of elements and keys that may not repeat, for all that are still open.
    pub(super) hashes: Vec<u64>,
}

/// One value of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// What it was judged by.
    pub node: NodeId,
    /// Which field of its type, element of its array, or member of its map it is.
    pub member: u32,
    /// An integer, the position of an item in its enumeration, 0 or 1 of a
    /// Boolean, or the bits of a float.
    pub number: i64,
    start: u32,
    end: u32,
    next: u32,
}

impl Mark {
    /// [`Mark::member`] of a key: of a map, or of a member that the schema does not
    /// know. The mark after it is that of its value.
    pub(super) const KEY: u32 = u32::MAX;

    /// [`Mark::member`] of a value that the schema does not know.
    pub(super) const UNKNOWN: u32 = u32::MAX - 1;

    /// Where it stands in the message, in bytes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Tape {
    /// Forgets the message before. The next one is written in this form.
    pub(super) fn clear(&mut self, form: Form) {
        self.form = form;
        self.marks.clear();
        self.met.clear();
        self.hashes.clear();
    }

    pub(super) fn begin(&mut self, node: NodeId, member: u32, start: usize) -> usize {
        let start = short(start);
        self.marks.push(Mark { node, member, number: 0, start, end: start, next: 0 });
        self.marks.len() - 1
    }

    pub(super) fn end(&mut self, mark: usize, end: usize) {
        let next = short(self.marks.len());
        let mark = &mut self.marks[mark];
        mark.end = short(end);
        mark.next = next;
    }

    pub(super) fn set_number(&mut self, mark: usize, number: i64) {
        self.marks[mark].number = number;
    }

    pub(super) fn forget_from(&mut self, mark: usize) {
        self.marks.truncate(mark);
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// The child of a value that is still open.
    pub(super) fn child(&self, mark: usize, member: u32) -> Option<Mark> {
        children(&self.marks, mark + 1..self.marks.len()).find(|child| child.member == member)
    }

    /// The message, for reading: the bytes are those that were judged. `None`
    /// before a first one was judged.
    #[must_use]
    pub fn view<'t>(&'t self, schema: &'t Schema, bytes: &'t [u8]) -> Option<View<'t>> {
        (!self.marks.is_empty()).then_some(View { schema, tape: self, bytes, at: 0 })
    }
}

fn children(marks: &[Mark], range: Range<usize>) -> impl Iterator<Item = Mark> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let mark = *marks.get(at).filter(|_| at < range.end)?;
        at = mark.next as usize;
        Some(mark)
    })
}

/// Offsets in messages fit 32 bits: what is longer is refused before.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A value of a message that was found valid.
#[derive(Clone, Copy, Debug)]
pub struct View<'t> {
    pub(super) schema: &'t Schema,
    tape: &'t Tape,
    bytes: &'t [u8],
    at: usize,
}

impl<'t> View<'t> {
    /// Its mark.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.tape.marks[self.at]
    }

    /// Name of its type, or `Type.field`.
    #[must_use]
    pub fn type_name(&self) -> &'t str {
        self.schema.name(self.mark().node)
    }

    /// Its piece of the document.
    pub(super) fn document(&self) -> &'t [u8] {
        self.bytes.get(self.mark().span()).unwrap_or_default()
    }

    /// How the document is written.
    pub(super) fn form(&self) -> Form {
        self.tape.form
    }

    pub(super) fn shape(&self) -> &'t Shape {
        &self.schema.node(self.mark().node).shape
    }

    /// What stands directly inside it.
    pub fn children(&self) -> impl Iterator<Item = View<'t>> + use<'t> {
        self.marks_inside().filter(|view| view.mark().member != Mark::KEY)
    }

    /// The same, and the keys that stand on the tape, each before its value.
    pub(super) fn marks_inside(&self) -> impl Iterator<Item = View<'t>> + use<'t> {
        let view = *self;
        let end = view.tape.marks[view.at].next as usize;
        let mut child = view.at + 1;
        std::iter::from_fn(move || {
            let inside = (child < end).then_some(View { at: child, ..view })?;
            child = view.tape.marks[child].next as usize;
            Some(inside)
        })
    }

    /// The field of that name, where it stands.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<View<'t>> {
        let (Shape::Members { fields, .. } | Shape::Choice { fields, .. }) =
            &self.schema.node(self.mark().node).shape
        else {
            return None;
        };
        let at = self.schema.fields(*fields).iter().position(|field| &*field.name == name)?;
        self.children().find(|child| child.mark().member as usize == at)
    }

    /// Name and number of the item, of an Enumerated.
    #[must_use]
    pub fn item(&self) -> Option<(&'t str, i64)> {
        let mark = self.mark();
        let Shape::Enumerated { items, .. } = &self.schema.node(mark.node).shape else {
            return None;
        };
        let item = self.schema.items(*items).get(usize::try_from(mark.number).ok()?)?;
        Some((&item.name, item.id))
    }
}
