//! Who waits for which actuator.

use std::collections::VecDeque;

use super::admit::Decided;
use super::{Dispatcher, Due, Errand, Event, Outcome, Record, Ticket, Work};
use crate::openc2::Status;

/// The commands that one actuator has, and those that wait for it.
///
/// A command is recorded as started only when its turn has come, so that a
/// crash finds in doubt what had really begun, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Desk {
    running: usize,
    /// Effects whose time is over: to end them comes before everything else.
    stops: VecDeque<Work>,
    waiting: VecDeque<Waiting>,
    /// Behind those: commands of which only the number is here. The rest is in the journal.
    away: VecDeque<Ticket>,
    /// Asked for from the journal, and not here yet.
    coming: usize,
}

#[derive(Debug)]
struct Waiting {
    work: Work,
    /// Recorded as started before a restart.
    was_started: bool,
}

impl Desk {
    /// Commands that wait with all that belongs to them, at most.
    const WINDOW: usize = 64;

    fn is_idle(&self) -> bool {
        let Self { running, stops, waiting, away, coming } = self;
        *running == 0 && stops.is_empty() && waiting.is_empty() && away.is_empty() && *coming == 0
    }

    fn waiting(&self) -> usize {
        self.waiting.len() + self.coming + self.away.len()
    }

    /// Whether one more may wait here rather than in the journal: there is
    /// room, and nobody before it is in the journal.
    fn takes_one_more(&self) -> bool {
        self.away.is_empty() && self.coming == 0 && self.waiting.len() < Self::WINDOW
    }
}

impl Dispatcher {
    /// Whether an actuator has commands, running or waiting.
    #[must_use]
    pub fn has_work(&self, actuator: &str) -> bool {
        self.desks.contains_key(actuator)
    }

    /// Whether one more command finds room at an actuator, running or waiting.
    pub(super) fn has_room(&self, actuator: &str) -> bool {
        let Some(face) = self.house.actuators.get(actuator) else { return false };
        self.desks.get(actuator).is_none_or(|desk| {
            desk.waiting() < face.queue || (desk.running < face.concurrency && desk.waiting() == 0)
        })
    }

    /// Whether a command that is accepted now is kept in memory while it waits.
    pub(super) fn is_near(&self, actuator: &str) -> bool {
        self.desks.get(actuator).is_none_or(Desk::takes_one_more)
    }

    /// Starts a command, or lets it wait for its turn.
    pub(super) fn line_up(
        &mut self,
        decided: &mut Decided,
        work: Work,
        was_started: bool,
        now_ms: u64,
    ) {
        let actuator = work.actuator.clone();
        let desk = self.desks.entry(actuator.clone()).or_default();
        match work.errand {
            Errand::Stop => desk.stops.push_back(work),
            Errand::Perform | Errand::Probe => {
                desk.waiting.push_back(Waiting { work, was_started });
            }
        }
        self.take_turns(decided, &actuator, now_ms);
    }

    /// Lets a command wait of which the journal has everything.
    pub(super) fn line_up_away(&mut self, actuator: &str, ticket: Ticket) {
        self.desks.entry(actuator.to_owned()).or_default().away.push_back(ticket);
        self.call_in(actuator);
    }

    /// A command that was asked for from the journal is here, or will not come.
    pub(super) fn has_come(&mut self, actuator: &str) {
        if let Some(desk) = self.desks.get_mut(actuator) {
            desk.coming = desk.coming.saturating_sub(1);
        }
    }

    /// A command does not wait any more, wherever in the line it stood.
    pub(super) fn leave_line(&mut self, actuator: &str, ticket: Ticket) {
        if self.wanted.forget(ticket) {
            self.has_come(actuator);
        }
        if let Some(desk) = self.desks.get_mut(actuator) {
            desk.waiting.retain(|waiting| waiting.work.ticket != ticket);
            desk.away.retain(|waiting| *waiting != ticket);
        }
        self.call_in(actuator);
    }

    /// Whether a command waits for its turn at an actuator, with all that belongs to it.
    pub(super) fn is_in_line(&self, actuator: &str, ticket: Ticket) -> bool {
        let desk = self.desks.get(actuator);
        desk.is_some_and(|desk| desk.waiting.iter().any(|waiting| waiting.work.ticket == ticket))
    }

    /// Asks for those from the journal whose turn is near.
    fn call_in(&mut self, actuator: &str) {
        let Some(desk) = self.desks.get_mut(actuator) else { return };
        if self.is_closing || desk.waiting.len() + desk.coming > Desk::WINDOW / 2 {
            return;
        }
        while desk.waiting.len() + desk.coming < Desk::WINDOW
            && let Some(ticket) = desk.away.pop_front()
        {
            desk.coming += 1;
            self.wanted.turn(ticket, actuator);
        }
    }

    /// A command of this actuator has ended: the next one may begin.
    pub(super) fn make_room(&mut self, decided: &mut Decided, actuator: &str, now_ms: u64) {
        if let Some(desk) = self.desks.get_mut(actuator) {
            desk.running = desk.running.saturating_sub(1);
        }
        self.take_turns(decided, actuator, now_ms);
    }

    fn take_turns(&mut self, decided: &mut Decided, actuator: &str, now_ms: u64) {
        while let Some(Waiting { work, was_started }) = self.next_turn(actuator) {
            let ticket = work.ticket;
            if work.errand == Errand::Perform && self.is_over(ticket, now_ms) {
                self.is_back(actuator);
                self.too_late(decided, ticket, was_started, now_ms);
                continue;
            }
            if work.errand == Errand::Perform
                && let Some(under_way) = self.in_progress.get_mut(&ticket)
            {
                under_way.is_started = true;
                if let Some(at_ms) = under_way.stop_ms {
                    let (errand, actuator) = (Errand::Stop, actuator.to_owned());
                    self.agenda.insert(Due { at_ms, ticket, errand, actuator });
                }
                if !was_started {
                    decided.records.push(Record { ticket, at_ms: now_ms, event: Event::Started });
                }
            }
            decided.starts.push(work);
        }
        self.call_in(actuator);
        if self.desks.get(actuator).is_some_and(Desk::is_idle) {
            self.desks.remove(actuator);
        }
    }

    /// Who comes next, if the actuator has a free hand.
    fn next_turn(&mut self, actuator: &str) -> Option<Waiting> {
        if self.is_closing {
            return None;
        }
        // An actuator that a reload took away still gets its waiting commands,
        // one at a time; the daemon answers for it.
        let concurrency = self.house.actuators.get(actuator).map_or(1, |face| face.concurrency);
        let desk = self.desks.get_mut(actuator)?;
        if desk.running >= concurrency {
            return None;
        }
        let stop = desk.stops.pop_front().map(|work| Waiting { work, was_started: true });
        let next = stop.or_else(|| desk.waiting.pop_front())?;
        desk.running += 1;
        Some(next)
    }

    /// Whoever had a turn does not need it.
    fn is_back(&mut self, actuator: &str) {
        if let Some(desk) = self.desks.get_mut(actuator) {
            desk.running = desk.running.saturating_sub(1);
        }
    }

    /// Whether the time to end a command has come.
    fn is_over(&self, ticket: Ticket, now_ms: u64) -> bool {
        let stop_ms = self.in_progress.get(&ticket).and_then(|under_way| under_way.stop_ms);
        stop_ms.is_some_and(|stop_ms| stop_ms <= now_ms)
    }

    /// A command's turn came when its time was over.
    fn too_late(&mut self, decided: &mut Decided, ticket: Ticket, was_started: bool, now_ms: u64) {
        let Some(under_way) = self.in_progress.remove(&ticket) else { return };
        let text = if was_started {
            "in doubt: the bridge stopped while the actuator was at work, \
             and the time to end the command came before it could be run again"
        } else {
            "the time to end the command came before its turn; nothing was begun"
        };
        let outcome = Outcome::ours(Status::InternalError, text);
        self.conclude(decided, ticket, under_way, outcome, now_ms);
    }
}
