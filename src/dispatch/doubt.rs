//! Commands in doubt: the bridge stopped while their actuator was at work.

use super::admit::Decided;
use super::agenda::Entry;
use super::{Dispatcher, Errand, Finding, Outcome, Ticket, Work};
use crate::openc2::Status;

/// What the producer is told where nobody can say more.
pub(super) const IN_DOUBT: &str = "in doubt: the bridge stopped while the actuator was at work; \
     the outcome is unknown and the command is not run again";

/// How often an actuator is asked that cannot be reached.
const PROBE_TRIES: u32 = 6;

/// Between two times, in milliseconds.
const PROBE_AGAIN_AFTER_MS: u64 = 5_000;

/// A command of which its actuator is asked.
#[derive(Debug)]
pub(super) struct Doubt {
    work: Work,
    /// How often it was asked.
    tries: u32,
}

impl Dispatcher {
    /// Asks the actuator of a command what is the case.
    pub(super) fn ask(&mut self, decided: &mut Decided, work: Work, now_ms: u64) {
        let work = Work { errand: Errand::Probe, ..work };
        self.in_doubt.insert(work.ticket, Doubt { work: work.clone(), tries: 1 });
        self.line_up(decided, work, true, now_ms);
    }

    /// Asks it once more.
    pub(super) fn ask_again(&mut self, decided: &mut Decided, ticket: Ticket, now_ms: u64) {
        let Some(doubt) = self.in_doubt.get_mut(&ticket) else { return };
        doubt.tries += 1;
        let work = doubt.work.clone();
        self.line_up(decided, work, true, now_ms);
    }

    /// An actuator has said what is the case.
    pub(super) fn probed(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        finding: Finding,
        now_ms: u64,
    ) {
        let Some(Doubt { work, tries }) = self.in_doubt.remove(&ticket) else { return };
        let actuator = work.actuator.clone();
        match finding {
            Finding::Unreachable(_) if tries < PROBE_TRIES => {
                let entry = Entry { errand: Errand::Probe, actuator: actuator.clone(), tries };
                let at_ms = now_ms.saturating_add(PROBE_AGAIN_AFTER_MS);
                self.agenda.insert_again(at_ms, ticket, entry);
                self.in_doubt.insert(ticket, Doubt { work, tries });
            }
            Finding::Unreachable(_) => {
                let text = format!("{IN_DOUBT}: the actuator could not be asked");
                self.doubt_ends(
                    decided,
                    ticket,
                    Outcome::ours(Status::InternalError, text),
                    now_ms,
                );
            }
            Finding::Ended(outcome) => self.doubt_ends(decided, ticket, outcome, now_ms),
            Finding::NotBegun if self.is_cancelled(ticket) => {
                let text = "cancelled by its producer; its actuator says that nothing was begun";
                let outcome = Outcome::ours(Status::InternalError, text);
                self.doubt_ends(decided, ticket, outcome, now_ms);
            }
            // So it is as if it had never started.
            Finding::NotBegun => {
                let work = Work { errand: Errand::Perform, ..work };
                self.line_up(decided, work, true, now_ms);
            }
        }
        self.make_room(decided, &actuator, now_ms);
    }

    fn is_cancelled(&self, ticket: Ticket) -> bool {
        self.in_progress.get(&ticket).is_some_and(|under_way| under_way.is_cancelled)
    }

    fn doubt_ends(&mut self, decided: &mut Decided, ticket: Ticket, outcome: Outcome, now_ms: u64) {
        if let Some(under_way) = self.in_progress.remove(&ticket) {
            self.conclude(decided, ticket, under_way, outcome, now_ms);
        }
    }
}
