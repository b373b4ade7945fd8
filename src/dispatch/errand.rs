//! What actuators are sent to do, and when.

use super::{Accepted, Outcome, Ticket};

/// What an actuator is to do about a command.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Errand {
    /// Carry it out.
    Perform,
    /// End its effect: its time is over, or its producer has cancelled it.
    /// May come twice, and after a failure.
    Stop,
    /// Find out whether it was carried out before the bridge stopped.
    Probe,
}

/// What an actuator found out about a command that is in doubt.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// It ended like this.
    Ended(Outcome),
    /// Nothing of it was done.
    NotBegun,
    /// It cannot be asked now.
    Unreachable(Outcome),
}

/// A time at which something is to happen to a command, as the journal has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// When, in milliseconds since 1970-01-01T00:00:00Z; 0 is as soon as its turn comes.
    pub at_ms: u64,
    /// Which command.
    pub ticket: Ticket,
    /// [`Errand::Perform`] where it has not started, [`Errand::Stop`] where it has.
    pub errand: Errand,
    /// Who is to do it.
    pub actuator: String,
}

/// Where a list of [`Due`] goes on: after this time and ticket.
pub type Place = (u64, Ticket);

/// A command that the journal holds and that something is yet to be done about.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// Its number.
    pub ticket: Ticket,
    /// When it was accepted, in milliseconds since 1970-01-01T00:00:00Z.
    pub accepted_ms: u64,
    /// Its first record.
    pub accepted: Accepted,
    /// Its actuator had been told to begin.
    pub started: bool,
    /// Its producer has cancelled it since.
    pub cancelled: bool,
}
