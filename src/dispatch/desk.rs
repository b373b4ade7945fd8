//! Who waits for which actuator.

use std::collections::VecDeque;

use super::admit::Decided;
use super::{Dispatcher, Event, Record, Work};

/// The commands that one actuator has, and those that wait for it.
///
/// A command is recorded as started only when its turn has come, so that a
/// crash finds in doubt what had really begun, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Desk {
    running: usize,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    work: Work,
    /// Recorded as started before a restart.
    was_started: bool,
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
            desk.waiting.len() < face.queue
                || (desk.running < face.concurrency && desk.waiting.is_empty())
        })
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
        desk.waiting.push_back(Waiting { work, was_started });
        self.take_turns(decided, &actuator, now_ms);
    }

    /// A command of this actuator has ended: the next one may begin.
    pub(super) fn make_room(&mut self, decided: &mut Decided, actuator: &str, now_ms: u64) {
        if let Some(desk) = self.desks.get_mut(actuator) {
            desk.running = desk.running.saturating_sub(1);
        }
        self.take_turns(decided, actuator, now_ms);
    }

    fn take_turns(&mut self, decided: &mut Decided, actuator: &str, now_ms: u64) {
        if self.is_closing {
            return;
        }
        let Some(desk) = self.desks.get_mut(actuator) else { return };
        // An actuator that a reload took away still gets its waiting commands,
        // one at a time.
        let concurrency = self.house.actuators.get(actuator).map_or(1, |face| face.concurrency);
        while desk.running < concurrency
            && let Some(Waiting { work, was_started }) = desk.waiting.pop_front()
        {
            desk.running += 1;
            if !was_started {
                let ticket = work.ticket;
                decided.records.push(Record { ticket, at_ms: now_ms, event: Event::Started });
            }
            decided.starts.push(work);
        }
        if desk.running == 0 && desk.waiting.is_empty() {
            self.desks.remove(actuator);
        }
    }
}
