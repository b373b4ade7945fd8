//! Values with elements: lists, and maps whose keys are values themselves.

use super::{Begin, Judge, Verdict, hash_of};
use crate::encoding::source::{Key, Source};
use crate::jadn::report::{Fault, quoted};
use crate::jadn::table::{NodeId, Sizes};
use crate::jadn::tape::Mark;

impl<S: Source> Judge<'_, S> {
    pub(super) fn list(
        &mut self,
        element: NodeId,
        count: Sizes,
        is_set: bool,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        self.source.enter_array().map_err(|error| self.broken(&error))?;
        let hashes = self.tape.hashes.len();
        self.sets += u32::from(is_set);
        let (mut number, mut hash) = (0usize, 0u64);
        while self.next_element(number == 0)? {
            let member = u32::try_from(number).unwrap_or(u32::MAX);
            if let Some(value) = self.part(element, member, || number.to_string())? {
                if is_set {
                    self.tape.hashes.push(value);
                }
                hash = self.hash(&(hash, value));
            }
            number += 1;
            if number > count.max as usize && !self.wants_all {
                break;
            }
        }
        self.sets -= u32::from(is_set);
        self.counted(number, count, "elements", begin)?;
        if is_set && !are_distinct(&mut self.tape.hashes[hashes..]) {
            let reason = format!("expected {}, no element twice", self.schema.name(begin.node));
            self.fault(Fault::new(self.source.offset(), reason))?;
        }
        self.tape.hashes.truncate(hashes);
        Ok(hash)
    }

    pub(super) fn mapping(
        &mut self,
        key: NodeId,
        value: NodeId,
        count: Sizes,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        self.source.enter_map().map_err(|error| self.broken(&error))?;
        let hashes = self.tape.hashes.len();
        let (mut number, mut hash) = (0usize, 0u64);
        loop {
            let (schema, form, from) = (self.schema, self.form, self.source.offset());
            let (is_right, name, at) = match self.source.next_key(number == 0) {
                Ok(None) => break,
                Ok(Some(Key::Text(name))) => {
                    (schema.takes_key(key, name, form), name.to_owned(), hash_of(name))
                }
                // As JSON it would be text, and must not stand there twice.
                Ok(Some(Key::Integer(id))) => {
                    let name = id.to_string();
                    let at = hash_of(name.as_str());
                    (schema.takes_number(key, id, form), name, at)
                }
                Err(error) => {
                    let fault = error.to_string();
                    return Err(self.broken_by(fault));
                }
            };
            if !is_right {
                let mut fault = Fault::new(
                    self.source.offset(),
                    format!("expected as key {}", schema.wanted(key, form)),
                );
                fault.found = Some(quoted(&name));
                self.fault(fault.inside(&name))?;
            }
            self.tape.hashes.push(at);
            let mark = self.tape.begin(key, Mark::KEY, from);
            self.tape.end(mark, self.source.offset());
            let member = u32::try_from(number).unwrap_or(u32::MAX);
            let value = self.part(value, member, || name.clone())?;
            hash = hash.wrapping_add(hash_of(&(at, value)));
            number += 1;
        }
        self.counted(number, count, "members", begin)?;
        if !are_distinct(&mut self.tape.hashes[hashes..]) {
            let reason = "a member stands there twice";
            self.fault(Fault::new(self.source.offset(), reason))?;
        }
        self.tape.hashes.truncate(hashes);
        Ok(hash)
    }

    #[inline]
    pub(super) fn counted(
        &mut self,
        number: usize,
        count: Sizes,
        what: &str,
        begin: &Begin<S::Place>,
    ) -> Result<(), Box<Fault>> {
        if count.hold(number) { Ok(()) } else { self.miscounted(number, count, what, begin) }
    }

    #[cold]
    pub(super) fn miscounted(
        &mut self,
        number: usize,
        count: Sizes,
        what: &str,
        begin: &Begin<S::Place>,
    ) -> Result<(), Box<Fault>> {
        let name = self.schema.name(begin.node);
        let (bound, side) = if number < count.min as usize {
            (count.min, "at least")
        } else {
            (count.max, "at most")
        };
        let (bound, what) = match bound {
            1 => ("one".to_owned(), what.trim_end_matches('s')),
            _ => (bound.to_string(), what),
        };
        let mut fault =
            Fault::new(self.source.offset(), format!("expected {name} with {side} {bound} {what}"));
        fault.found = Some(number.to_string());
        self.fault(fault)
    }

    pub(super) fn next_element(&mut self, is_first: bool) -> Result<bool, Box<Fault>> {
        self.source.next_element(is_first).map_err(|error| self.broken(&error))
    }
}

/// Whether no two are equal. Equal hashes of 64 bits stand for equal values:
/// a sender who finds two that collide has only their own message refused.
pub(super) fn are_distinct(hashes: &mut [u64]) -> bool {
    hashes.sort_unstable();
    hashes.windows(2).all(|pair| pair[0] != pair[1])
}
