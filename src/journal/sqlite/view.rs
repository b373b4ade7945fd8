//! What people see of the journal, out of the tables.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{blob, count, damaged, kind, number, sql};
use crate::dispatch::Ticket;
use crate::journal::error::JournalError;
use crate::journal::store::{FOUND, Page, RECORDS_SHOWN, SLICE};
use crate::journal::view::{Detail, Entry, Listing, State};

/// Looks through the next commands, newest first, and no further than [`SLICE`].
pub(super) fn page(connection: &Connection, listing: &Listing) -> Result<Page, JournalError> {
    let mut statement = connection.prepare_cached(match listing.state {
        Some(State::Accepted | State::Started) => {
            "SELECT ticket, request_id, producer, consumer, summary, actuator, class, status, text,
                    accepted_ms, started_ms, ended_ms, answered_ms
             FROM command WHERE ticket < ?1 AND ended_ms IS NULL ORDER BY ticket DESC LIMIT ?2"
        }
        Some(State::Ended) | None => {
            "SELECT ticket, request_id, producer, consumer, summary, actuator, class, status, text,
                    accepted_ms, started_ms, ended_ms, answered_ms
             FROM command WHERE ticket < ?1 ORDER BY ticket DESC LIMIT ?2"
        }
    })?;
    let before = listing.before.map_or(i64::MAX, sql);
    let mut rows = statement.query([before, count(SLICE)])?;

    let mut page = Page { entries: Vec::new(), before: None };
    let mut seen = 0;
    while page.entries.len() < listing.limit {
        let Some(row) = rows.next()? else {
            if seen < SLICE {
                page.before = None;
            }
            return Ok(page);
        };
        let entry = entry(row)?;
        seen += 1;
        page.before = Some(entry.ticket);
        if listing.admits(&entry) {
            page.entries.push(entry);
        }
    }
    Ok(page)
}

/// Tickets of the commands with this request id, newest first: those that own
/// it, whoever sent them and to whomever.
pub(super) fn find(connection: &Connection, request_id: &str) -> Result<Vec<Ticket>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT ticket FROM key WHERE request_id = ?1 ORDER BY ticket DESC LIMIT ?2",
    )?;
    let tickets =
        statement.query_map((request_id, count(FOUND)), |row| number(row, 0).map(Ticket))?;
    Ok(tickets.collect::<Result<_, _>>()?)
}

/// All there is about a command.
pub(super) fn detail(
    connection: &Connection,
    ticket: Ticket,
) -> Result<Option<Detail>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT ticket, request_id, producer, consumer, summary, actuator, class, status, text,
                accepted_ms, started_ms, ended_ms, answered_ms
         FROM command WHERE ticket = ?1",
    )?;
    let Some(entry) = statement.query_row([sql(ticket.0)], entry).optional()? else {
        return Ok(None);
    };
    let mut detail = Detail::new(entry);
    let mut statement = connection.prepare_cached(
        "SELECT seq, at_ms, kind, body FROM
           (SELECT * FROM record WHERE ticket = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
    )?;
    let mut rows = statement.query([sql(ticket.0), count(RECORDS_SHOWN)])?;
    while let Some(row) = rows.next()? {
        let (seq, at_ms) = (number(row, 0)?, number(row, 1)?);
        let added = detail.add(seq, at_ms, kind(row, 2)?, blob(row, 3)?);
        added.map_err(|what| damaged(ticket, &what))?;
    }
    Ok(Some(detail))
}

fn entry(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|ms| ms.map(i64::cast_unsigned));
    let (started_ms, ended_ms) = (time(10)?, time(11)?);
    Ok(Entry {
        ticket: number(row, 0)?,
        request_id: row.get(1)?,
        producer: row.get(2)?,
        consumer: row.get(3)?,
        summary: row.get(4)?,
        actuator: row.get(5)?,
        state: State::of(started_ms, ended_ms),
        class: row.get(6)?,
        status: row.get(7)?,
        text: row.get(8)?,
        accepted_ms: number(row, 9)?,
        started_ms,
        ended_ms,
        answered_ms: time(12)?,
    })
}
