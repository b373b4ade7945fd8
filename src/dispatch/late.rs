//! Answers that come when nobody listens for them any more.
//!
//! A command for several consumers elsewhere may end before all of them have answered:
//! with the first, say. What the others say is kept beside it, for as long as its
//! outcome says; and nothing of this is in memory, so that it is so over a restart too.

use std::collections::BTreeSet;

use super::admit::Decided;
use super::{Dispatcher, Effect, Event, Heard, InProgress, Record, Ticket, ticket_in};
use crate::openc2::{Response, Status};
use crate::wire;

/// Answers to one command that are kept.
const MOST: usize = 1_000;

/// An answer to a command that was passed on, for which nobody listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Late {
    /// The name of the command, as it was passed on.
    pub id: String,
    /// The consumer.
    pub from: String,
    /// What it said.
    pub response: Response,
}

/// What the journal has of the command that an answer may be for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// Its name.
    pub id: Option<String>,
    /// Whom its headers named.
    pub to: Vec<String>,
    /// [`Concluded::late_until_ms`](super::Concluded::late_until_ms).
    pub late_until_ms: Option<u64>,
    /// Who has answered already.
    pub heard: BTreeSet<String>,
}

impl Dispatcher {
    /// The command that an answer may be for; `None`: it is for none of ours.
    #[must_use]
    pub fn answered_by(&self, late: &Late) -> Option<Ticket> {
        ticket_in(&late.id).filter(|ticket| *ticket <= self.last_ticket)
    }

    /// Whether a command has yet to end.
    #[must_use]
    pub fn is_under_way(&self, ticket: Ticket) -> bool {
        self.in_progress.contains_key(&ticket)
    }

    /// Keeps an answer that came after the end of its command, if it is one that was asked
    /// for, is the first of its consumer, and comes within the time.
    pub fn late(
        &mut self,
        ticket: Ticket,
        late: Late,
        closed: &Closed,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Closed { id, to, late_until_ms, heard } = closed;
        let Late { id: named, from, response } = late;
        let asked: Vec<_> = to.iter().filter(|id| self.house.consumer(id).is_none()).collect();
        let is_asked = asked.is_empty() || asked.contains(&&from);
        let is_one = id.as_deref() == Some(named.as_str())
            && late_until_ms.is_some_and(|until_ms| now_ms < until_ms)
            && response.status != Status::Processing
            && is_asked
            && heard.len() < MOST
            && !heard.contains(&from);
        if !is_one {
            return Vec::new();
        }
        let heard = Heard {
            from,
            status: response.status.code(),
            is_late: true,
            response: wire::response_to_json(&response).to_string().into(),
        };
        let event = Event::Heard(Box::new(heard));
        let records = vec![Record { ticket, at_ms: now_ms, event }];
        Decided { records, ..Decided::default() }.into_effects(None)
    }

    /// Until when answers are taken to a command that ends now, where it went to several
    /// consumers elsewhere and they have said how it ends.
    pub(super) fn late_until(
        &self,
        command: &InProgress,
        is_ours: bool,
        now_ms: u64,
    ) -> Option<u64> {
        let route = self.house.route(&command.actuator)?;
        let is_for_several = command.consumer == route.identity;
        let until_ms = command
            .accepted_ms
            .saturating_add(route.wait_ms)
            .saturating_add(self.rules.keep_for_ms);
        (is_for_several && !is_ours && until_ms > now_ms).then_some(until_ms)
    }
}
