//! Forgetting: answered commands leave by age and by count, oldest first.

use std::time::{Duration, Instant};

use super::config::JournalConfig;
use super::error::JournalError;
use super::now_ms;
use super::store::Store;
use crate::dispatch::Ticket;

/// Between two rounds by age.
const ROUND_EVERY: Duration = Duration::from_mins(1);

/// Shortest time between two rounds while there are too many commands.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// A round is followed by a rest of so many times its own length, so that
/// going over many commands that must stay does not become all we do.
const REST: u32 = 20;

/// When commands leave, and how far the present round has come.
#[derive(Debug)]
pub(super) struct Pruning {
    keep_age_ms: u64,
    keep_count: u64,
    round: Option<Round>,
    next_by_age: Instant,
    next_by_count: Instant,
}

#[derive(Debug)]
struct Round {
    /// Everything up to here has been looked at.
    after: Ticket,
    spent: Duration,
    /// It has been said that commands leave before their age.
    said: bool,
}

impl Pruning {
    pub(super) fn new(config: &JournalConfig, now: Instant) -> Self {
        Self {
            keep_age_ms: u64::try_from(config.keep_age.as_millis()).unwrap_or(u64::MAX),
            keep_count: config.keep_count,
            round: None,
            next_by_age: now,
            next_by_count: now,
        }
    }

    /// When there is something to do, as far as is known now.
    pub(super) fn due(&self, commands: u64, now: Instant) -> Instant {
        if self.round.is_some() {
            now
        } else if commands > self.keep_count {
            self.next_by_age.min(self.next_by_count)
        } else {
            self.next_by_age
        }
    }

    /// Looks at the next commands, `most` of them, and removes those that may
    /// leave, with the next commit.
    ///
    /// A command stays while it has no outcome, and while a response of it
    /// waits in the outbox. Another one leaves when its age or the count says
    /// so; the round is over with the first for which neither does, since
    /// those after it are younger.
    pub(super) fn slice(&mut self, store: &mut dyn Store, most: usize) -> Result<(), JournalError> {
        let began = Instant::now();
        let oldest_ms = now_ms().saturating_sub(self.keep_age_ms);
        let round = self.round.get_or_insert(Round {
            after: Ticket(0),
            spent: Duration::ZERO,
            said: false,
        });

        let mut over = true;
        for candidate in store.candidates(round.after, most)? {
            over = false;
            if candidate.ended && candidate.waiting == 0 {
                let is_old = candidate.last_ms < oldest_ms;
                if !is_old && store.commands() <= self.keep_count {
                    over = true;
                    break;
                }
                if !is_old && !round.said {
                    round.said = true;
                    let keep_count = self.keep_count;
                    tracing::warn!(
                        keep_count,
                        "the journal is full: commands leave before keep-age"
                    );
                }
                store.remove(candidate.ticket)?;
            }
            round.after = candidate.ticket;
        }

        round.spent += began.elapsed();
        if over {
            let now = Instant::now();
            self.next_by_count = now + ROUND_PAUSE.max(round.spent * REST);
            self.next_by_age = self.next_by_count.max(now + ROUND_EVERY);
            self.round = None;
        }
        Ok(())
    }
}
