//! Responses on their way to the broker.
//!
//! The outbox itself is in the journal. Here is the window of it that the
//! door has in hand, so that memory stays small however many wait.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::DaemonError;
use crate::dispatch::{Effect, OutboxId, Outgoing, Ticket};
use crate::journal::Journal;
use crate::mqtt::door::DoorHandle;

/// Responses that the door has in hand at the same time.
const WINDOW: usize = DoorHandle::MAX_OUTSTANDING_RESPONSES;

/// Responses are fetched from the journal once this many have room.
const REFILL_AT: usize = WINDOW / 2;

/// Refused responses of which the numbers are kept here; further ones wait in the journal until
/// the next start.
const MAX_ASIDE: usize = 65_536;

/// Refused responses that are given to the door at a time: the others must have room.
const AGAIN_AT_A_TIME: usize = WINDOW / 8;

#[derive(Debug)]
pub(super) struct Outbox {
    /// With the door, and not confirmed yet.
    in_hand: HashMap<OutboxId, InHand>,
    /// The newest that was given to the door.
    newest: Option<OutboxId>,
    /// There are more in the journal than were given to the door.
    has_more: bool,
    /// Refused by the broker, and left in the journal until their time comes.
    aside: BTreeMap<OutboxId, Aside>,
    /// When the first of them is to be tried again.
    next_again: Option<Instant>,
}

#[derive(Debug)]
struct InHand {
    ticket: Ticket,
    /// How often the broker has refused it before.
    refusals: u32,
}

#[derive(Debug)]
struct Aside {
    again_at: Instant,
    refusals: u32,
}

impl Outbox {
    pub fn new(has_more: bool) -> Self {
        Self {
            in_hand: HashMap::new(),
            newest: None,
            has_more,
            aside: BTreeMap::new(),
            next_again: None,
        }
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
        self.in_hand.remove(&id).expect("the door confirms what it was given, once").ticket
    }

    /// The broker does not take a response: it waits in the journal, and its room is for others.
    pub fn refused(&mut self, id: OutboxId, again_in: Duration) {
        let in_hand = self.in_hand.remove(&id).expect("the door gives back what it was given");
        if self.aside.len() >= MAX_ASIDE {
            tracing::error!(
                outbox = id.0,
                "{MAX_ASIDE} responses are refused already: this one is tried at the next start"
            );
            return;
        }
        let again_at = Instant::now() + again_in;
        self.aside.insert(id, Aside { again_at, refusals: in_hand.refusals + 1 });
        self.next_again = Some(self.next_again.map_or(again_at, |next| next.min(again_at)));
    }

    /// Gives the door what was refused, as far as its time has come and there is room.
    pub async fn try_again(
        &mut self,
        journal: &Journal<Vec<Effect>>,
        door: &DoorHandle,
    ) -> Result<(), DaemonError> {
        let now = Instant::now();
        if self.next_again.is_none_or(|next| now < next) {
            return Ok(());
        }
        let room = AGAIN_AT_A_TIME.min(WINDOW - self.in_hand.len());
        if room == 0 {
            return Ok(());
        }
        let due = self.aside.iter().filter(|(_, aside)| aside.again_at <= now);
        let due: Vec<_> = due.map(|(id, aside)| (*id, aside.refusals)).take(room).collect();
        for (id, refusals) in due {
            let before = id.0.checked_sub(1).map(OutboxId);
            // It may have left meanwhile: forgotten, with its command.
            let found = journal.outbox(before, 1).await?.pop().filter(|found| found.id == id);
            if let Some(outgoing) = found {
                let ticket = outgoing.ticket;
                if door.respond_again(outgoing, refusals).is_err() {
                    break;
                }
                self.in_hand.insert(id, InHand { ticket, refusals });
            }
            self.aside.remove(&id);
        }
        self.next_again = self.aside.values().map(|aside| aside.again_at).min();
        Ok(())
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
        self.in_hand.insert(id, InHand { ticket, refusals: 0 });
    }
}
