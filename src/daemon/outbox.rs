//! Responses on their way to the broker.
//!
//! The outbox itself is in the journal. Here is the window of it that the
//! door has in hand, so that memory stays small however many wait.

use std::collections::HashMap;

use super::DaemonError;
use crate::dispatch::{Effect, OutboxId, Outgoing, Ticket};
use crate::journal::Journal;
use crate::mqtt::door::DoorHandle;

/// Responses that the door has in hand at the same time.
const WINDOW: usize = DoorHandle::MAX_OUTSTANDING_RESPONSES;

/// Responses are fetched from the journal once this many have room.
const REFILL_AT: usize = WINDOW / 2;

#[derive(Debug)]
pub(super) struct Outbox {
    /// With the door, and not confirmed yet.
    in_hand: HashMap<OutboxId, Ticket>,
    /// The newest that was given to the door.
    newest: Option<OutboxId>,
    /// There are more in the journal than were given to the door.
    has_more: bool,
}

impl Outbox {
    pub fn new(has_more: bool) -> Self {
        Self { in_hand: HashMap::new(), newest: None, has_more }
    }

    /// Gives a response to the door, or leaves it where it is: in the journal.
    pub fn respond(&mut self, door: &DoorHandle, outgoing: Outgoing) {
        if self.has_more || self.in_hand.len() >= WINDOW {
            self.has_more = true;
            return;
        }
        self.hand_over(door, outgoing);
    }

    /// The door had word that a response has arrived: which command it answered.
    pub fn published(&mut self, id: OutboxId) -> Ticket {
        self.in_hand.remove(&id).expect("the door confirms what it was given, once")
    }

    /// Whether responses are with the door.
    pub fn awaits_word(&self) -> bool {
        !self.in_hand.is_empty()
    }

    /// Fetches from the journal what found no room before.
    pub async fn refill(
        &mut self,
        journal: &Journal<Vec<Effect>>,
        door: &DoorHandle,
    ) -> Result<(), DaemonError> {
        while self.has_more && self.in_hand.len() <= WINDOW - REFILL_AT {
            let room = WINDOW - self.in_hand.len();
            let waiting = journal.outbox(self.newest, room).await?;
            self.has_more = !waiting.is_empty();
            for outgoing in waiting {
                self.hand_over(door, outgoing);
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, door: &DoorHandle, outgoing: Outgoing) {
        // Fetched from the journal already, a moment before its commit was heard of.
        if self.newest.is_some_and(|newest| outgoing.id <= newest) {
            return;
        }
        let (id, ticket) = (outgoing.id, outgoing.ticket);
        if door.respond(outgoing).is_err() {
            // It has less room than it said, or is closing: fetched again later.
            self.has_more = true;
            return;
        }
        self.newest = Some(id);
        self.in_hand.insert(id, ticket);
    }
}
