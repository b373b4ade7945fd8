//! How often a run was where it was meant to be.

use std::fmt;
use std::ops::AddAssign;

/// Counts over one script, or many: crashes, by what they found (the rows of
/// the crash tables in ARCHITECTURE.md and docs/reliability.md), and the other faults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows {
    pub crashes: usize,
    /// Deliveries of which nothing was durable.
    pub not_recorded: usize,
    /// Deliveries that were durable and not acknowledged.
    pub not_acknowledged: usize,
    /// Commands recorded and not started.
    pub not_started: usize,
    /// Commands that wait for their time.
    pub waiting: usize,
    /// Commands started, of an idempotent actuator.
    pub runs_again: usize,
    /// Commands started, of another one.
    pub in_doubt: usize,
    /// Commands started, of an actuator that is asked.
    pub asked: usize,
    /// Commands started and cancelled.
    pub cancelled: usize,
    /// Outcomes recorded of commands whose effect has yet to end.
    pub in_effect: usize,
    /// Of these, those whose actuator was told to end it, and its answer was not recorded.
    pub told_to_end: usize,
    /// Of these, those that their producer has cancelled, so that the end is due at once.
    pub brought_forward: usize,
    /// Responses recorded and not confirmed.
    pub unconfirmed: usize,
    pub sessions_lost: usize,
    pub disconnections: usize,
    pub duplicates: usize,
    /// Deliveries that overtook others.
    pub reorderings: usize,
    pub clock_steps: usize,
    pub lies: usize,
    /// Actuators that died at work.
    pub deaths: usize,
    pub hung: usize,
}

impl Rows {
    /// The rows of the crash tables, by name.
    pub fn table(&self) -> [(&'static str, usize); 12] {
        [
            ("not recorded", self.not_recorded),
            ("recorded, not acknowledged", self.not_acknowledged),
            ("recorded, not started", self.not_started),
            ("waiting for its time", self.waiting),
            ("started, idempotent", self.runs_again),
            ("started, asked", self.asked),
            ("started, in doubt", self.in_doubt),
            ("started, cancelled", self.cancelled),
            ("ended, its effect not", self.in_effect),
            ("told to end its effect, answer not recorded", self.told_to_end),
            ("end brought forward by a cancel", self.brought_forward),
            ("response not confirmed", self.unconfirmed),
        ]
    }

    /// The other faults, by name.
    pub fn faults(&self) -> [(&'static str, usize); 9] {
        [
            ("crashes", self.crashes),
            ("sessions lost", self.sessions_lost),
            ("disconnections", self.disconnections),
            ("duplicates", self.duplicates),
            ("reorderings", self.reorderings),
            ("clock steps", self.clock_steps),
            ("lies", self.lies),
            ("deaths of actuators", self.deaths),
            ("hung", self.hung),
        ]
    }
}

impl AddAssign for Rows {
    fn add_assign(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.not_recorded += other.not_recorded;
        self.not_acknowledged += other.not_acknowledged;
        self.not_started += other.not_started;
        self.runs_again += other.runs_again;
        self.in_doubt += other.in_doubt;
        self.waiting += other.waiting;
        self.asked += other.asked;
        self.cancelled += other.cancelled;
        self.in_effect += other.in_effect;
        self.told_to_end += other.told_to_end;
        self.brought_forward += other.brought_forward;
        self.unconfirmed += other.unconfirmed;
        self.sessions_lost += other.sessions_lost;
        self.disconnections += other.disconnections;
        self.duplicates += other.duplicates;
        self.reorderings += other.reorderings;
        self.clock_steps += other.clock_steps;
        self.lies += other.lies;
        self.deaths += other.deaths;
        self.hung += other.hung;
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.faults().into_iter().chain(self.table());
        let text: Vec<_> = all.map(|(name, times)| format!("{name} {times}")).collect();
        f.write_str(&text.join(", "))
    }
}
