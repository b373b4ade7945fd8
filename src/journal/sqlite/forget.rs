//! How a command leaves the tables.

use rusqlite::Connection;

use super::{Sqlite, count, number, sql};
use crate::dispatch::Ticket;
use crate::journal::error::JournalError;
use crate::journal::past::Past;
use crate::journal::store::Candidate;

pub(super) fn candidates(
    connection: &Connection,
    past: Past,
    after: Ticket,
    most: usize,
) -> Result<Vec<Candidate>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT ticket, ended_ms IS NOT NULL AND due_ms IS NULL, ifnull(answered_ms, ifnull(ended_ms, 0)), waiting
         FROM command WHERE ticket > ?1 ORDER BY ticket LIMIT ?2",
    )?;
    let rows = statement.query_map([sql(after.0), count(most)], |row| {
        Ok(Candidate {
            ticket: Ticket(number(row, 0)?),
            ended: row.get(1)?,
            last_ms: past.believed(number(row, 2)?),
            waiting: number(row, 3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn remove(store: &mut Sqlite, ticket: Ticket) -> Result<(), JournalError> {
    store.take_key(ticket)?;
    let accepted_ms = store.connection.query_row(
        "SELECT accepted_ms FROM command WHERE ticket = ?1",
        [sql(ticket.0)],
        |row| number(row, 0),
    )?;
    store.mark.past.forget(accepted_ms);
    store.execute("DELETE FROM command WHERE ticket = ?1", [sql(ticket.0)])?;
    store.mark.commands = store.mark.commands.saturating_sub(1);

    let mut statement = store
        .connection
        .prepare_cached("DELETE FROM record WHERE ticket = ?1 RETURNING seq, link")?;
    let gone = statement.query_map([sql(ticket.0)], |row| Ok((number(row, 0)?, row.get(1)?)))?;
    let gone: Vec<(u64, Vec<u8>)> = gone.collect::<Result<_, _>>()?;
    drop(statement);
    gone.into_iter().try_for_each(|(seq, link)| anchor(store, seq, &link))
}

/// Notes that a record is gone. Neighbours make one row, so there are never
/// more rows than islands of records that had to stay. The link of the last one
/// stays, so that the chain can be followed over the gap.
fn anchor(store: &Sqlite, seq: u64, link: &[u8]) -> Result<(), JournalError> {
    let left = store.execute(
        "UPDATE anchor SET last_seq = ?1, link = ?2
         WHERE first_seq = (SELECT max(first_seq) FROM anchor WHERE first_seq < ?1)
           AND last_seq = ?1 - 1",
        (sql(seq), link),
    )?;
    if left == 0 {
        store.execute(
            "INSERT INTO anchor (first_seq, last_seq, link) VALUES (?1, ?1, ?2)",
            (sql(seq), link),
        )?;
    }
    let joined = store.execute(
        "UPDATE anchor SET (last_seq, link) =
           (SELECT last_seq, link FROM anchor WHERE first_seq = ?1 + 1)
         WHERE first_seq = (SELECT max(first_seq) FROM anchor WHERE first_seq <= ?1)
           AND EXISTS (SELECT 1 FROM anchor WHERE first_seq = ?1 + 1)",
        [sql(seq)],
    )?;
    if joined > 0 {
        store.execute("DELETE FROM anchor WHERE first_seq = ?1 + 1", [sql(seq)])?;
    }
    Ok(())
}
