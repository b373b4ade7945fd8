//! What the values of a valid message are, by name.

use std::borrow::Cow;

use super::table::Shape;
use super::tape::{Mark, View};

impl<'t> View<'t> {
    /// The members of a compound type or a map, by name.
    pub fn entries(&self) -> impl Iterator<Item = (Cow<'t, str>, View<'t>)> + use<'t> {
        let of = *self;
        let mut marks = self.marks_inside();
        std::iter::from_fn(move || {
            let mark = marks.next()?;
            if mark.mark().member == Mark::KEY {
                return Some((mark.key(), marks.next()?));
            }
            Some((of.field_name(&mark), mark))
        })
    }

    /// The one alternative of a Choice, and its name.
    #[must_use]
    pub fn chosen(&self) -> Option<(Cow<'t, str>, View<'t>)> {
        if !matches!(self.shape(), Shape::Choice { .. }) {
            return None;
        }
        self.entries().next()
    }

    /// Whether the schema knows it: its type, or the name under which it stands.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.mark().member != Mark::UNKNOWN
    }

    fn field_name(&self, child: &View<'t>) -> Cow<'t, str> {
        let (Shape::Members { fields, .. } | Shape::Choice { fields, .. }) = self.shape() else {
            return Cow::Borrowed("");
        };
        let fields = self.schema.fields(*fields);
        match fields.get(child.mark().member as usize) {
            Some(field) if !field.name.is_empty() => Cow::Borrowed(&field.name),
            Some(field) => Cow::Owned(field.id.to_string()),
            None => Cow::Borrowed(""),
        }
    }

    /// An integer.
    #[must_use]
    pub fn integer(&self) -> i64 {
        match self.item() {
            Some((_, id)) => id,
            None => self.mark().number,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(&self) -> f64 {
        f64::from_bits(self.mark().number.cast_unsigned())
    }
}
