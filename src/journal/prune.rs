//! Forgetting: answered commands leave by age and by count, oldest first.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::config::JournalConfig;
use super::error::JournalError;
use super::store::{Store, number, sql};
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
    after: u64,
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
    /// leave, in a transaction that is open afterwards if any did.
    ///
    /// A command stays while it has no outcome, and while a response of it
    /// waits in the outbox. Another one leaves when its age or the count says
    /// so; the round is over with the first for which neither does, since
    /// those after it are younger.
    pub(super) fn slice(&mut self, store: &mut Store, most: usize) -> Result<(), JournalError> {
        let began = Instant::now();
        let oldest_ms = now_ms().saturating_sub(self.keep_age_ms);
        let round =
            self.round.get_or_insert(Round { after: 0, spent: Duration::ZERO, said: false });

        let mut over = true;
        for candidate in candidates(store, round.after, most)? {
            over = false;
            if candidate.ended && candidate.waiting == 0 {
                let is_old = candidate.last_ms < oldest_ms;
                if !is_old && store.mark.commands <= self.keep_count {
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
                store.begin()?;
                remove(store, candidate.ticket)?;
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

struct Candidate {
    ticket: u64,
    ended: bool,
    /// When it was answered, or else ended.
    last_ms: u64,
    waiting: u64,
}

fn candidates(store: &Store, after: u64, most: usize) -> Result<Vec<Candidate>, JournalError> {
    let mut statement = store.connection.prepare_cached(
        "SELECT ticket, ended_ms IS NOT NULL, ifnull(answered_ms, ifnull(ended_ms, 0)), waiting
         FROM command WHERE ticket > ?1 ORDER BY ticket LIMIT ?2",
    )?;
    let rows =
        statement.query_map([sql(after), i64::try_from(most).unwrap_or(i64::MAX)], |row| {
            Ok(Candidate {
                ticket: number(row, 0)?,
                ended: row.get(1)?,
                last_ms: number(row, 2)?,
                waiting: number(row, 3)?,
            })
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn remove(store: &mut Store, ticket: u64) -> Result<(), JournalError> {
    store.forget_key(Ticket(ticket))?;
    store.execute("DELETE FROM command WHERE ticket = ?1", [sql(ticket)])?;
    store.mark.commands = store.mark.commands.saturating_sub(1);

    let mut statement =
        store.connection.prepare_cached("DELETE FROM record WHERE ticket = ?1 RETURNING seq")?;
    let seqs = statement.query_map([sql(ticket)], |row| number(row, 0))?;
    let seqs: Vec<u64> = seqs.collect::<Result<_, _>>()?;
    drop(statement);
    seqs.into_iter().try_for_each(|seq| anchor(store, seq))
}

/// Notes that a record is gone. Neighbours make one row, so there are never
/// more rows than islands of records that had to stay.
fn anchor(store: &Store, seq: u64) -> Result<(), JournalError> {
    let left = store.execute(
        "UPDATE anchor SET last_seq = ?1
         WHERE first_seq = (SELECT max(first_seq) FROM anchor WHERE first_seq < ?1)
           AND last_seq = ?1 - 1",
        [sql(seq)],
    )?;
    if left == 0 {
        store.execute("INSERT INTO anchor (first_seq, last_seq) VALUES (?1, ?1)", [sql(seq)])?;
    }
    let joined = store.execute(
        "UPDATE anchor SET last_seq = (SELECT last_seq FROM anchor WHERE first_seq = ?1 + 1)
         WHERE first_seq = (SELECT max(first_seq) FROM anchor WHERE first_seq <= ?1)
           AND EXISTS (SELECT 1 FROM anchor WHERE first_seq = ?1 + 1)",
        [sql(seq)],
    )?;
    if joined > 0 {
        store.execute("DELETE FROM anchor WHERE first_seq = ?1 + 1", [sql(seq)])?;
    }
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
