//! Values with fields: choices, maps, records and arrays of fields.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a fault travels in a box, so that the path of what is valid stays narrow"
)]

use super::faults::step_of;
use super::keys::{Met, Other, unknown};
use super::lists::are_distinct;
use super::{Begin, Judge, Verdict};
use crate::encoding::source::{Kind, Source};
use crate::jadn::form::Names;
use crate::jadn::report::Fault;
use crate::jadn::table::{FieldRow, ItemRow, NodeId, Shape, Sizes, Span};

impl<S: Source> Judge<'_, S> {
    pub(super) fn choice(&mut self, fields: Span, by_id: bool, begin: &Begin<S::Place>) -> Verdict {
        let fields = self.schema.fields(fields);
        let by_number = by_id || self.form.names == Names::Numbers;
        self.source.enter_map().map_err(|error| self.broken(&error))?;
        let place = self.source.place();
        let at = match self.key(fields, by_number, 0, true)? {
            Met::Field(at) => at,
            Met::End => return Err(self.unlike(begin)),
            Met::Other => match self.other_key(begin.node, place, true)? {
                Other::Taken(key) => {
                    let hash = self.taken(&key)?;
                    return match self.key(fields, by_number, 0, false)? {
                        Met::End => Ok(hash),
                        Met::Field(_) | Met::Other => Err(self.too_many(begin)),
                    };
                }
                Other::Unknown(fault) => {
                    let what = format!("no alternative of {}", self.schema.name(begin.node));
                    return Err(unknown(what, fields, fault));
                }
            },
        };
        let field = &fields[at];
        let member = u32::try_from(at).unwrap_or(u32::MAX);
        let hash = self.part(field.node, member, || step_of(field))?.unwrap_or_default();
        match self.key(fields, by_number, at, false)? {
            Met::End => Ok(self.hash(&(at, hash))),
            Met::Field(_) | Met::Other => Err(self.too_many(begin)),
        }
    }

    /// A choice with more than one member.
    pub(super) fn too_many(&mut self, begin: &Begin<S::Place>) -> Box<Fault> {
        let mut fault = self.unlike(begin);
        fault.found = Some("more than one".to_owned());
        fault
    }

    pub(super) fn members(
        &mut self,
        fields: Span,
        by_id: bool,
        count: Sizes,
        required: u64,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        let fields = self.schema.fields(fields);
        let by_number = by_id || self.form.names == Names::Numbers;
        self.source.enter_map().map_err(|error| self.broken(&error))?;
        let met = self.open_fields(fields.len());
        let hashes = self.tape.hashes.len();
        // A value whose tag has not come yet.
        let mut late = Vec::new();
        let (mut hint, mut number, mut hash) = (0, 0, 0u64);
        loop {
            let place = self.source.place();
            let at = match self.key(fields, by_number, hint, number == 0)? {
                Met::End => break,
                Met::Field(at) => at,
                Met::Other => {
                    match self.other_key(begin.node, place, number == 0)? {
                        Other::Taken(key) => {
                            hash = hash.wrapping_add(self.taken(&key)?);
                            self.tape.hashes.push(key.hash);
                        }
                        Other::Unknown(fault) => {
                            let what = format!("no field of {}", self.schema.name(begin.node));
                            self.fault(unknown(what, fields, fault))?;
                            self.skip()?;
                        }
                    }
                    number += 1;
                    continue;
                }
            };
            number += 1;
            hint = at + 1;
            let field = &fields[at];
            let was_met = self.meet(met, at);
            if was_met {
                let fault = Fault::new(self.source.offset(), "this member stands there twice");
                self.fault(fault.inside(&field.name))?;
                self.skip()?;
            } else if let Some(tag) = field.tag
                && self.tape.child(begin.mark, tag).is_none()
            {
                self.source.kind().map_err(|error| self.broken(&error))?;
                late.push((at, self.source.place()));
                self.skip()?;
            } else {
                let value = self.field(fields, at, begin)?;
                hash = hash.wrapping_add(self.hash(&(at, value)));
            }
        }
        if !late.is_empty() {
            let end = self.source.place();
            for (at, place) in late {
                self.source.return_to(place);
                let value = self.field(fields, at, begin)?;
                hash = hash.wrapping_add(self.hash(&(at, value)));
            }
            self.source.return_to(end);
        }
        if self.tape.hashes.len() > hashes {
            if !are_distinct(&mut self.tape.hashes[hashes..]) {
                let reason = "a member stands there twice";
                self.fault(Fault::new(self.source.offset(), reason))?;
            }
            self.tape.hashes.truncate(hashes);
        }
        if !self.has_all(fields, met, required) {
            self.missing(fields, met, begin)?;
        }
        self.tape.met.truncate(met);
        self.counted(number, count, "members", begin)?;
        Ok(hash)
    }

    /// Judges the value of a field, by its tag where it has one.
    pub(super) fn field(
        &mut self,
        fields: &[FieldRow],
        at: usize,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        let field = &fields[at];
        let member = u32::try_from(at).unwrap_or(u32::MAX);
        let node = match field.tag {
            None => Some(field.node),
            Some(tag) => self.tagged(field.node, tag, begin.mark),
        };
        let Some(node) = node else {
            let fault = Fault::new(self.source.offset(), "its tag names no alternative");
            return Err(fault.inside(&step_of(field)));
        };
        Ok(self.part(node, member, || step_of(field))?.unwrap_or_default())
    }

    /// The alternative that a tag chose.
    pub(super) fn tagged(&self, choice: NodeId, tag: u32, owner: usize) -> Option<NodeId> {
        let tag = self.tape.child(owner, tag)?;
        let Shape::Enumerated { items, .. } = &self.schema.node(tag.node).shape else {
            return None;
        };
        let item: &ItemRow = self.schema.items(*items).get(usize::try_from(tag.number).ok()?)?;
        let Shape::Choice { fields, .. } = &self.schema.node(choice).shape else { return None };
        let alternatives = self.schema.fields(*fields);
        alternatives.iter().find(|it| it.name == item.name).map(|it| it.node)
    }

    pub(super) fn positions(
        &mut self,
        fields: Span,
        count: Sizes,
        required: u64,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        let fields = self.schema.fields(fields);
        self.source.enter_array().map_err(|error| self.broken(&error))?;
        let met = self.open_fields(fields.len());
        let (mut at, mut number, mut hash) = (0, 0, 0u64);
        while self.next_element(at == 0)? {
            let Some(field) = fields.get(at) else {
                let name = self.schema.name(begin.node);
                let reason = format!("{name} has at most {} elements", fields.len());
                self.fault(Fault::new(self.source.offset(), reason).inside(&at.to_string()))?;
                self.skip()?;
                at += 1;
                continue;
            };
            let kind = self.source.kind().map_err(|error| self.broken(&error))?;
            let is_gap = kind == Kind::Null
                && !field.is_required
                && !matches!(self.schema.node(field.node).shape, Shape::Null);
            if is_gap {
                self.source.null().map_err(|error| self.broken(&error))?;
            } else {
                self.meet(met, at);
                number += 1;
                let value = self.field(fields, at, begin)?;
                hash = hash.wrapping_add(self.hash(&(at, value)));
            }
            at += 1;
        }
        if !self.has_all(fields, met, required) {
            self.missing(fields, met, begin)?;
        }
        self.tape.met.truncate(met);
        self.counted(number, count, "members", begin)?;
        Ok(hash)
    }

    /// Whether all fields were met that must be there; a look is enough where there are few.
    #[inline]
    pub(super) fn has_all(&self, fields: &[FieldRow], met: usize, required: u64) -> bool {
        fields.len() <= 64 && self.tape.met.get(met).is_some_and(|first| required & !first == 0)
    }

    /// Says which fields are missing, if any is.
    pub(super) fn missing(
        &mut self,
        fields: &[FieldRow],
        met: usize,
        begin: &Begin<S::Place>,
    ) -> Result<(), Box<Fault>> {
        for (at, field) in fields.iter().enumerate() {
            if field.is_required && !self.is_met(met, at) {
                let is_nothing = field.tag.is_some_and(|tag| {
                    let chosen = self.tagged(field.node, tag, begin.mark);
                    chosen.is_some_and(|it| matches!(self.schema.node(it).shape, Shape::Null))
                });
                if !is_nothing {
                    let (name, of) = (step_of(field), self.schema.name(begin.node));
                    let reason = format!("{name} is missing in {of}");
                    self.fault(Fault::new(self.source.offset(), reason))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn open_fields(&mut self, count: usize) -> usize {
        let met = self.tape.met.len();
        self.tape.met.push(0);
        if count > 64 {
            self.tape.met.resize(met + count.div_ceil(64), 0);
        }
        met
    }

    /// Meets a field; whether it had been met before.
    pub(super) fn meet(&mut self, met: usize, at: usize) -> bool {
        let was_met = self.is_met(met, at);
        self.tape.met[met + at / 64] |= 1 << (at % 64);
        was_met
    }

    pub(super) fn is_met(&self, met: usize, at: usize) -> bool {
        self.tape.met[met + at / 64] & (1 << (at % 64)) != 0
    }
}
