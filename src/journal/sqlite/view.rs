//! What people see of the journal, out of the tables.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{blob, count, kind, number, sql};
use crate::dispatch::Ticket;
use crate::journal::body;
use crate::journal::chain;
use crate::journal::error::JournalError;
use crate::journal::export::Exported;
use crate::journal::store::{FOUND, Page, RECORDS_SHOWN, SLICE};
use crate::journal::view::{Detail, Entry, Listing, State, Stored};

/// All that the tables hold of a command, for [`row`].
pub(super) const ROW: &str =
    "SELECT ticket, request_id, producer, consumer, summary, actuator, class, status, text,
            accepted_ms, started_ms, ended_ms, answered_ms, digest, response, waiting,
            stop_ms, due_ms
     FROM command WHERE ticket = ?1";

/// Looks through the next commands, newest first, and no further than [`SLICE`].
pub(super) fn page(connection: &Connection, listing: &Listing) -> Result<Page, JournalError> {
    let mut statement = connection.prepare_cached(match listing.state {
        Some(State::Accepted | State::Started) => {
            "SELECT ticket, request_id, producer, consumer, summary, actuator, class, status, text,
                    accepted_ms, started_ms, ended_ms, answered_ms
             FROM command WHERE ticket < ?1 AND ended_ms IS NULL ORDER BY ticket DESC LIMIT ?2"
        }
        Some(State::Ended | State::InDoubt) | None => {
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
        // One that somebody has accepted as it is may be unreadable, and does not hide the others.
        if let Ok(kind) = kind(row, 2) {
            let _unreadable = detail.add(seq, at_ms, kind, blob(row, 3)?);
        }
    }
    Ok(Some(detail))
}

/// The records after a number, and the gaps between them: at most so many records.
pub(super) fn export(
    connection: &Connection,
    after: u64,
    most: u32,
) -> Result<Vec<Exported>, JournalError> {
    let mut anchors = connection.prepare_cached(
        "SELECT last_seq, link FROM anchor
         WHERE first_seq <= ?1 AND last_seq >= ?1 ORDER BY first_seq DESC LIMIT 1",
    )?;
    let mut gap = |first: u64| -> Result<Option<Exported>, JournalError> {
        let mut rows = anchors.query([sql(first)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let link = body::as_hex(blob(row, 1)?);
        Ok(Some(Exported::Gap { first, last: number(row, 0)?, link }))
    };

    let mut statement = connection.prepare_cached(
        "SELECT seq, ticket, at_ms, kind, body, link FROM record
         WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query([sql(after), i64::from(most)])?;
    let mut lines = Vec::new();
    let (mut next, mut seen) = (after + 1, 0);
    while let Some(row) = rows.next()? {
        let record = chain::Row {
            seq: number(row, 0)?,
            ticket: number(row, 1)?,
            at_ms: number(row, 2)?,
            kind: row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?,
            body: blob(row, 4)?,
        };
        // What is missing without an anchor is seen by whoever follows the chain.
        while next < record.seq
            && let Some(gap) = gap(next)?
        {
            next = gap.last_seq() + 1;
            lines.push(gap);
        }
        next = record.seq + 1;
        seen += 1;
        lines.push(Exported::record(&record, blob(row, 5)?));
    }
    while seen < most
        && let Some(gap) = gap(next)?
    {
        next = gap.last_seq() + 1;
        lines.push(gap);
    }
    Ok(lines)
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

pub(super) fn row(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored {
        entry: entry(row)?,
        digest: row.get(13)?,
        response: row.get::<_, Option<i64>>(14)?.map(i64::cast_unsigned),
        waiting: number(row, 15)?,
        stop_ms: row.get::<_, Option<i64>>(16)?.map(i64::cast_unsigned),
        due_ms: row.get::<_, Option<i64>>(17)?.map(i64::cast_unsigned),
    })
}
