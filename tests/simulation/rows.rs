//! How often a run was where it was meant to be.

use std::fmt;
use std::ops::AddAssign;

/// Counts over one script, or many: crashes, by what they found (the rows of
/// the crash table in ARCHITECTURE.md), and the other faults.
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
    /// Responses recorded and not confirmed.
    pub unconfirmed: usize,
    pub sessions_lost: usize,
    pub disconnections: usize,
    pub duplicates: usize,
    pub clock_steps: usize,
    pub lies: usize,
    pub hung: usize,
}

impl Rows {
    /// The rows of the crash table, by name.
    pub fn table(&self) -> [(&'static str, usize); 9] {
        [
            ("not recorded", self.not_recorded),
            ("recorded, not acknowledged", self.not_acknowledged),
            ("recorded, not started", self.not_started),
            ("waiting for its time", self.waiting),
            ("started, idempotent", self.runs_again),
            ("started, asked", self.asked),
            ("started, in doubt", self.in_doubt),
            ("started, cancelled", self.cancelled),
            ("response not confirmed", self.unconfirmed),
        ]
    }

    /// The other faults, by name.
    pub fn faults(&self) -> [(&'static str, usize); 7] {
        [
            ("crashes", self.crashes),
            ("sessions lost", self.sessions_lost),
            ("disconnections", self.disconnections),
            ("duplicates", self.duplicates),
            ("clock steps", self.clock_steps),
            ("lies", self.lies),
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
        self.unconfirmed += other.unconfirmed;
        self.sessions_lost += other.sessions_lost;
        self.disconnections += other.disconnections;
        self.duplicates += other.duplicates;
        self.clock_steps += other.clock_steps;
        self.lies += other.lies;
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
