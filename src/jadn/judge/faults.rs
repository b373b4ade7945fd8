//! Faults, put into words. Nothing here runs for a valid message.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a fault travels in a box, so that the path of what is valid stays narrow"
)]

use super::{Begin, Judge};
use crate::encoding::source::{Kind, Source};
use crate::format::Flaw;
use crate::jadn::report::{Fault, excerpt};
use crate::jadn::table::{FieldRow, NodeId, Shape};

impl<S: Source> Judge<'_, S> {
    /// The value is not what its node wants.
    #[cold]
    pub(super) fn unlike(&mut self, begin: &Begin<S::Place>) -> Box<Fault> {
        self.source.return_to(begin.place);
        let offset = self.source.offset();
        let reason = format!("expected {}", self.schema.wanted(begin.node, self.form));
        let mut fault = Fault::new(offset, reason);
        let place = self.source.place();
        if let Some(flaw) = self.flaw(begin.node) {
            fault.reason = format!("{}: {flaw}", fault.reason);
        }
        self.source.return_to(place);
        fault.found = excerpt(self.source);
        fault
    }

    /// Which rule of its format a text breaks, where that is what is wrong with it.
    pub(super) fn flaw(&mut self, node: NodeId) -> Option<Flaw> {
        if self.source.kind().ok()? != Kind::Text || self.form.has_octets {
            return None;
        }
        let text = self.source.text().ok()?;
        match &self.schema.node(node).shape {
            Shape::Text { format, .. } => (format.as_ref()?.check)(text).err(),
            Shape::Octets { form, .. } => form.octets_of(text).err(),
            Shape::Net { form } => form.check(text).err(),
            _ => None,
        }
    }

    /// The encoding is broken, so that nothing can be read any more.
    #[cold]
    pub(super) fn broken(&self, error: &S::Error) -> Box<Fault> {
        self.broken_by(error.to_string())
    }

    #[cold]
    pub(super) fn broken_by(&self, error: String) -> Box<Fault> {
        let mut fault = Fault::new(self.source.offset(), error);
        fault.is_of_encoding = true;
        fault
    }

    pub(super) fn skip(&mut self) -> Result<(), Box<Fault>> {
        self.source.kind().map_err(|error| self.broken(&error))?;
        self.source.skip().map_err(|error| self.broken(&error))
    }
}

/// How a pointer names a field.
pub(super) fn step_of(field: &FieldRow) -> String {
    if field.name.is_empty() { field.id.to_string() } else { field.name.to_string() }
}
