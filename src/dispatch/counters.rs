//! How many of what.

use serde::{Deserialize, Serialize};

use super::Class;

/// What became of the messages since this process began.
///
/// A message on a shared topic counts once for each consumer here that it
/// addresses, and once if it addresses none. The classes are disjoint, so
/// that [`Counters::balance`] always holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counters {
    /// Messages that came in.
    pub received: u64,
    /// Commands that the journal held unfinished when this process began.
    pub recovered: u64,
    /// Carried out, or tried, and answered as the producer wished.
    pub answered: u64,
    /// Ended; the producer had asked for no response.
    pub silent: u64,
    /// Turned away with an answer.
    pub refused: u64,
    /// Repetitions of a known command.
    pub repeated: u64,
    /// Neither acted upon nor answered.
    pub dropped: u64,
    /// Accepted and not yet ended.
    pub in_progress: u64,

    /// Deliveries by the transport: one for each packet.
    pub deliveries: u64,
    /// Of the received: too broken to be journalled.
    pub unread: u64,
    /// Of the received: without the properties of the standard (MQTT 3.1.1).
    pub without_properties: u64,
    /// Of the received: with a habit that is not the standard's, and harmless.
    pub tolerated: u64,
    /// Of the received: with a signature that nobody checked.
    pub unverified_signatures: u64,
    /// Of the answered and silent: found started without an outcome at start-up.
    pub in_doubt: u64,
    /// Commands that have ended and whose effects are yet to.
    #[serde(default)]
    pub in_effect: u64,
    /// Effects that actuators have ended, when their time was over.
    #[serde(default)]
    pub effects_ended: u64,
    /// Effects whose time was over, and that could not be ended.
    #[serde(default)]
    pub effects_not_ended: u64,
    /// Starts that were later than the setting `time.late` calls on time.
    #[serde(default)]
    pub starts_missed: u64,
    /// The clock is far behind what it said before, and is not believed.
    #[serde(default)]
    pub clock_suspect: bool,
    /// How often the wall clock was set while this process ran.
    #[serde(default)]
    pub clock_jumps: u64,
}

impl Counters {
    /// Whether every message is in exactly one class.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.received + self.recovered
            == self.answered
                + self.silent
                + self.refused
                + self.repeated
                + self.dropped
                + self.in_progress
    }

    pub(super) fn ended(&mut self, class: Class) {
        let counter = match class {
            Class::Answered => &mut self.answered,
            Class::Silent => &mut self.silent,
            Class::Refused => &mut self.refused,
            Class::Repeated => &mut self.repeated,
            Class::Dropped => &mut self.dropped,
        };
        *counter += 1;
    }
}
