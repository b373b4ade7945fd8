//! The parts of a value, and how to go on behind one that is wrong.

use super::Judge;
use crate::encoding::source::Source;
use crate::jadn::report::Fault;
use crate::jadn::table::NodeId;

impl<S: Source> Judge<'_, S> {
    /// Judges a part of a value, which is named by that step of the pointer.
    ///
    /// The hash of it. `None` where it is wrong and all faults are wanted: they
    /// are noted, the reader stands behind the part, and it equals no other.
    #[inline]
    pub(super) fn part(
        &mut self,
        node: NodeId,
        member: u32,
        step: impl Fn() -> String,
    ) -> Result<Option<u64>, Box<Fault>> {
        if self.wants_all {
            return self.part_or_faults(node, member, &step);
        }
        self.value(node, member).map(Some).map_err(|fault| fault.inside(&step()))
    }

    #[cold]
    fn part_or_faults(
        &mut self,
        node: NodeId,
        member: u32,
        step: &dyn Fn() -> String,
    ) -> Result<Option<u64>, Box<Fault>> {
        self.source.kind().map_err(|error| self.broken(&error))?;
        let (place, sets, noted) = (self.source.place(), self.sets, self.faults.len());
        let (marks, met, hashes) = (self.tape.len(), self.tape.met.len(), self.tape.hashes.len());
        let result = self.value(node, member);
        for fault in &mut self.faults[noted..] {
            fault.put_inside(&step());
        }
        let fault = match result {
            Ok(hash) => return Ok((self.faults.len() == noted).then_some(hash)),
            Err(fault) => fault,
        };
        self.fault(fault.inside(&step()))?;
        self.source.return_to(place);
        self.sets = sets;
        self.tape.forget_from(marks);
        self.tape.met.truncate(met);
        self.tape.hashes.truncate(hashes);
        self.skip()?;
        Ok(None)
    }

    /// A fault after which the reader stands where it should: an error, or
    /// noted and passed over where all are wanted.
    pub(super) fn fault(&mut self, fault: Box<Fault>) -> Result<(), Box<Fault>> {
        if !self.wants_all || fault.is_of_encoding {
            return Err(fault);
        }
        self.faults.push(*fault);
        Ok(())
    }
}
