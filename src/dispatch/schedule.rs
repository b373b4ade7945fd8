//! Commands that wait for their time, and effects that end at theirs.
//!
//! The journal has all of them. Here is the next part ([`super::agenda`]),
//! and what is due is asked for from the journal when its turn is near.

use std::collections::{HashMap, VecDeque};

use super::admit::Decided;
use super::agenda::Entry;
use super::{
    Alarm, Dispatcher, Due, Effect, Errand, Event, LogLine, Outcome, Place, Record, Ticket,
    Unfinished, WithoutCreated, Work,
};
use crate::openc2::Status;

/// What to do about a start that was missed by more than [`TimeRules::late_ms`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// Start it late.
    #[default]
    Run,
    /// End it with status 500; nothing is begun.
    Refuse,
}

/// Rules for commands that begin or end at a given time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeRules {
    /// A start that is later than this was missed, in milliseconds.
    pub late_ms: u64,
    /// What to do about it.
    pub missed: Missed,
    /// Commands that may wait for their time, or whose effects may wait for
    /// their end; one more gets 503.
    pub waiting: u64,
    /// For how long after its `created` a command may be new, in
    /// milliseconds: as long as the journal remembers commands.
    pub window_ms: u64,
    /// What to do with commands without `created`.
    pub without_created: WithoutCreated,
}

impl Default for TimeRules {
    fn default() -> Self {
        Self {
            late_ms: 60_000,
            missed: Missed::Run,
            waiting: 1_000_000,
            window_ms: 7 * 24 * 3_600_000,
            without_created: WithoutCreated::Accept,
        }
    }
}

/// How often an actuator is told to end an effect before it is given up.
const STOP_TRIES: u32 = 6;

/// Before the second time, in milliseconds; four times as long before each further one.
const STOP_AGAIN_AFTER_MS: u64 = 1_000;

/// Things that are due and are looked at in one go.
const AT_A_TIME: usize = 256;

/// What is wanted from the journal, and why.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    queue: VecDeque<Ticket>,
    /// Asked for, and not here yet.
    asked: Vec<Ticket>,
    why: HashMap<Ticket, Why>,
}

#[derive(Debug)]
enum Why {
    /// Its turn at this actuator is near.
    Turn(String),
    /// It was to start so long ago, in milliseconds.
    Missed(u64),
    /// Its effect is to end; it was tried so often before.
    Stop(u32),
}

impl Wanted {
    pub fn turn(&mut self, ticket: Ticket, actuator: &str) {
        self.note(ticket, Why::Turn(actuator.to_owned()));
    }

    /// Nobody waits for it any more. Whether its turn at a desk was near.
    pub fn forget(&mut self, ticket: Ticket) -> bool {
        self.queue.retain(|wanted| *wanted != ticket);
        matches!(self.why.remove(&ticket), Some(Why::Turn(_)))
    }

    fn note(&mut self, ticket: Ticket, why: Why) {
        self.queue.push_back(ticket);
        self.why.insert(ticket, why);
    }
}

/// An effect that an actuator has been told to end, or will be when its turn comes.
#[derive(Debug)]
pub(super) struct Ending {
    work: Work,
    tries: u32,
}

impl Dispatcher {
    /// Where the list of what is due is to be read on, if there is room for more of it.
    #[must_use]
    pub fn wants_page(&self) -> Option<Place> {
        self.agenda.wants().filter(|_| !self.is_closing)
    }

    /// What comes after that place in the list; nothing where it ends there.
    pub fn page(&mut self, page: Vec<Due>) {
        // What came since the start and waits for no time is at its desk already.
        let last_recovered = self.last_recovered;
        self.agenda.page(page, |due| due.at_ms == 0 && due.ticket > last_recovered);
    }

    /// When something is due next, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.agenda.next_ms().filter(|_| !self.is_closing)
    }

    /// Sees to what is due by now, some of it at a time.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut decided = Decided::default();
        for _ in 0..AT_A_TIME {
            if self.is_closing {
                break;
            }
            let Some(((at_ms, ticket), entry)) = self.agenda.pop(now_ms) else { break };
            match entry.errand {
                Errand::Perform => {
                    let late_ms = if at_ms == 0 { 0 } else { now_ms.saturating_sub(at_ms) };
                    self.time_has_come(&mut decided, ticket, &entry, late_ms);
                }
                Errand::Stop => match self.in_progress.get_mut(&ticket) {
                    // It is still at it: the effect is ended when it is known.
                    Some(under_way) => under_way.stop_is_due = true,
                    None => self.wanted.note(ticket, Why::Stop(entry.tries)),
                },
                Errand::Probe => self.ask_again(&mut decided, ticket, now_ms),
            }
        }
        decided.into_effects(None)
    }

    /// A command is to start now, or was to start before now.
    fn time_has_come(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        entry: &Entry,
        late_ms: u64,
    ) {
        if late_ms > self.rules.time.late_ms {
            self.counters.starts_missed += 1;
            let then = match self.rules.time.missed {
                Missed::Run => "it starts now",
                Missed::Refuse => "it is not started any more",
            };
            decided.alarms.push(Alarm::StartMissed { ticket, late_ms, then });
            if self.rules.time.missed == Missed::Refuse {
                self.wanted.note(ticket, Why::Missed(late_ms));
                return;
            }
        }
        self.line_up_away(&entry.actuator, ticket);
    }

    /// Commands that are wanted from the journal. They are given to [`Self::fetched`].
    pub fn wanted(&mut self) -> Vec<Ticket> {
        if self.is_closing {
            return Vec::new();
        }
        let some = self.wanted.queue.len().min(AT_A_TIME);
        self.wanted.asked = self.wanted.queue.drain(..some).collect();
        self.wanted.asked.clone()
    }

    /// Whether the journal has to be asked for something.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        !self.is_closing && !self.wanted.queue.is_empty()
    }

    /// What the journal has of commands that were wanted.
    pub fn fetched(&mut self, found: Vec<Unfinished>, now_ms: u64) -> Vec<Effect> {
        let mut decided = Decided::default();
        for unfinished in found {
            match self.wanted.why.remove(&unfinished.ticket) {
                Some(Why::Turn(actuator)) => {
                    self.has_come(&actuator);
                    self.on_disk = self.on_disk.saturating_sub(1);
                    self.go_on(&mut decided, unfinished, now_ms);
                }
                Some(Why::Missed(late_ms)) => {
                    self.on_disk = self.on_disk.saturating_sub(1);
                    self.give_up_missed(&mut decided, unfinished, late_ms, now_ms);
                }
                Some(Why::Stop(tries)) => {
                    self.end_effect(&mut decided, &unfinished, tries, now_ms);
                }
                // Nobody waits for it any more.
                None => {}
            }
        }
        // The journal has nothing to do for the others, and so have we.
        for ticket in std::mem::take(&mut self.wanted.asked) {
            if let Some(Why::Turn(actuator)) = self.wanted.why.remove(&ticket) {
                self.has_come(&actuator);
            }
        }
        decided.into_effects(None)
    }

    fn give_up_missed(
        &mut self,
        decided: &mut Decided,
        unfinished: Unfinished,
        late_ms: u64,
        now_ms: u64,
    ) {
        let ticket = unfinished.ticket;
        if let Some((under_way, _)) = self.take_up(decided, unfinished, now_ms) {
            let text = format!(
                "start_time was missed by {} s, and the setting time.missed refuses that; \
                 nothing was begun",
                late_ms / 1000
            );
            let outcome = Outcome::ours(Status::InternalError, text);
            self.conclude(decided, ticket, under_way, outcome, now_ms);
        }
    }

    /// Has an actuator end the effect of a command.
    fn end_effect(
        &mut self,
        decided: &mut Decided,
        unfinished: &Unfinished,
        tries: u32,
        now_ms: u64,
    ) {
        // A clock that is set back makes the same end due twice; one report follows, and one
        // hand becomes free.
        if self.ending.contains_key(&unfinished.ticket) {
            return;
        }
        let Some(work) = self.work_again(unfinished, Errand::Stop) else {
            let text = "the recorded command can no longer be read";
            self.effect_ended(decided, unfinished.ticket, Status::InternalError, text, now_ms);
            return;
        };
        let face = self.house.actuators.get(&work.actuator);
        if !face.is_some_and(|face| face.can_stop(&work.command)) {
            let text = "by the configuration of now its actuator cannot end it";
            self.effect_ended(decided, work.ticket, Status::NotImplemented, text, now_ms);
            return;
        }
        self.ending.insert(work.ticket, Ending { work: work.clone(), tries });
        self.line_up(decided, work, true, now_ms);
    }

    /// An actuator has ended the effect of a command, or not.
    pub(super) fn stopped(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        outcome: Outcome,
        now_ms: u64,
    ) {
        let Some(Ending { work, tries }) = self.ending.remove(&ticket) else { return };
        let status = outcome.response.status;
        let may_help = matches!(status, Status::InternalError | Status::ServiceUnavailable);
        if may_help && tries + 1 < STOP_TRIES {
            let at_ms = now_ms.saturating_add(STOP_AGAIN_AFTER_MS << (2 * tries));
            let actuator = work.actuator.clone();
            let entry = Entry { errand: Errand::Stop, actuator, tries: tries + 1 };
            self.agenda.insert_again(at_ms, ticket, entry);
        } else {
            let text = outcome.response.status_text.unwrap_or_default();
            self.effect_ended(decided, ticket, status, &text, now_ms);
            decided.lines.push(LogLine {
                ticket: Some(ticket),
                request_id: Some(work.request_id),
                producer: Some(work.producer),
                consumer: work.consumer,
                action: Some(work.command.action.as_str()),
                target: Some(work.command.target.name().to_string()),
                actuator: Some(work.actuator.clone()),
                status: Some(status.code()),
                reason: Some("its time was over: the actuator was told to end it".into()),
                ..LogLine::default()
            });
        }
        self.make_room(decided, &work.actuator, now_ms);
    }

    /// The time of a command was over before its outcome was known.
    pub(super) fn end_effect_of(&mut self, ticket: Ticket) {
        self.wanted.note(ticket, Why::Stop(0));
    }

    /// Records that nothing more is done about an effect.
    fn effect_ended(
        &mut self,
        decided: &mut Decided,
        ticket: Ticket,
        status: Status,
        text: &str,
        now_ms: u64,
    ) {
        self.effects = self.effects.saturating_sub(1);
        if status.is_success() {
            self.counters.effects_ended += 1;
        } else {
            self.counters.effects_not_ended += 1;
            let text = format!("{text} (status {status})");
            decided.alarms.push(Alarm::EffectGoesOn { ticket, text });
        }
        let text = Some(text.to_owned()).filter(|text| !text.is_empty());
        let event = Event::Stopped { status: status.code(), text };
        decided.records.push(Record { ticket, at_ms: now_ms, event });
    }
}
