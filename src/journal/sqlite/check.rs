//! Whether the records are those that were written, and the tables what they come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::{blob, decode, kind, number, sql, view};
use crate::dispatch::{Event, Record, Ticket};
use crate::journal::body::{self, Kind};
use crate::journal::chain::{self, BEGINNING, Link};
use crate::journal::error::JournalError;
use crate::journal::memory::{Disk, Memory};

/// Newest records whose chain is followed before commands are taken.
const CHECKED_FIRST: u64 = 8192;

/// Unfinished commands that are compared with their records before commands are taken.
const COMPARED_FIRST: usize = 1000;

/// How far a check of the journal has come, and what it has found.
///
/// It goes over the records from the first to the last, in slices, so that
/// commits go on meanwhile.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Check {
    /// The next record.
    next: u64,
    /// Link of the record before; unknown where the check begins in the middle
    /// or has found a break.
    link: Option<Link>,
    /// Records that were looked at.
    pub records: u64,
    /// Records that are gone, as they should be or as somebody has accepted.
    pub gone: u64,
    /// Commands that were compared with their records.
    pub commands: u64,
    /// Losses that somebody has accepted.
    pub losses: u64,
    /// What is wrong, the first of it.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub wrong: u64,
    /// It has come to the end.
    pub is_over: bool,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// Number of the record, where it is one.
    pub seq: Option<u64>,
    /// The command, where it is one.
    pub ticket: Option<u64>,
    /// The first and the last of the records that are missing, where some are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<(u64, u64)>,
    /// For people.
    pub what: String,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            next: 1,
            link: Some(BEGINNING),
            records: 0,
            gone: 0,
            commands: 0,
            losses: 0,
            findings: Vec::new(),
            wrong: 0,
            is_over: false,
        }
    }
}

impl Check {
    /// Findings that are kept; more are only counted.
    pub const FINDINGS_KEPT: usize = 100;

    /// Number of the last record that the check has passed.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.next - 1
    }

    /// The link that stands for everything passed so far, as hex.
    #[must_use]
    pub fn head(&self) -> Option<String> {
        self.link.map(|link| body::as_hex(&link))
    }

    pub(in crate::journal) fn found(
        &mut self,
        seq: Option<u64>,
        ticket: Option<u64>,
        what: impl Into<String>,
    ) {
        self.wrong += 1;
        if self.findings.len() < Self::FINDINGS_KEPT {
            self.findings.push(Finding { seq, ticket, missing: None, what: what.into() });
        }
    }

    fn missing(&mut self, first: u64, last: u64) {
        self.found(None, None, format!("records {first} to {last} are missing"));
        if let Some(finding) = self.findings.last_mut() {
            finding.missing = Some((first, last));
        }
    }

    /// Looks at the next records, `most` of them.
    pub(super) fn slice(&mut self, connection: &Connection, most: u32) -> Result<(), JournalError> {
        match self.follow(connection, most, true) {
            // What cannot be read at all cannot be right.
            Err(error @ JournalError::Malformed { .. }) => {
                self.found(None, None, error.to_string());
                self.is_over = true;
                Ok(())
            }
            result => result,
        }
    }

    fn follow(
        &mut self,
        connection: &Connection,
        most: u32,
        with_commands: bool,
    ) -> Result<(), JournalError> {
        let accepted = accepted_breaks(connection)?;
        let mut statement = connection.prepare_cached(
            "SELECT seq, ticket, at_ms, kind, body, link FROM record
             WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = statement.query([sql(self.next), i64::from(most)])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            self.record(connection, row, &accepted, with_commands)?;
        }
        if seen < most {
            self.end(connection)?;
            self.is_over = true;
        }
        Ok(())
    }

    fn record(
        &mut self,
        connection: &Connection,
        row: &Row<'_>,
        accepted: &BTreeSet<u64>,
        with_commands: bool,
    ) -> Result<(), JournalError> {
        let (seq, ticket) = (number(row, 0)?, number(row, 1)?);
        // One that is no kind is no link either.
        let its_kind = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        while seq > self.next && self.skip(connection, Some(seq))? {}
        let chained =
            chain::Row { seq, ticket, at_ms: number(row, 2)?, kind: its_kind, body: blob(row, 4)? };
        let stored = row.get_ref(5)?.as_blob().ok().and_then(|link| link.try_into().ok());
        self.chain(&chained, stored, accepted.contains(&seq));
        match Kind::from_str(its_kind) {
            Some(Kind::Accepted) if with_commands => {
                self.commands += 1;
                if let Some(what) = difference(connection, Ticket(ticket), accepted)? {
                    self.found(None, Some(ticket), format!("command {ticket}: {what}"));
                }
            }
            Some(Kind::Loss) => self.losses += 1,
            _ => {}
        }
        Ok(())
    }

    /// The next record, with the link that it has.
    pub(in crate::journal) fn chain(
        &mut self,
        row: &chain::Row<'_>,
        stored: Option<Link>,
        is_accepted: bool,
    ) {
        let seq = row.seq;
        if seq != self.next {
            if seq > self.next {
                self.missing(self.next, seq - 1);
            } else {
                self.found(Some(seq), None, format!("record {seq} is not in its place"));
            }
            self.link = None;
        }
        let is_right = self.link.is_none_or(|previous| stored == Some(chain::link(&previous, row)));
        if (!is_right || stored.is_none()) && !is_accepted {
            let its = (row.ticket != 0).then_some(row.ticket);
            self.found(Some(seq), its, format!("record {seq} is not the one that was written"));
        }
        self.records += 1;
        self.next = seq.saturating_add(1);
        self.link = stored;
    }

    /// Records that are gone, from the next one to `last`.
    pub(in crate::journal) fn gap(
        &mut self,
        first: u64,
        last: u64,
        link: Option<Link>,
    ) -> Result<(), String> {
        if first != self.next || last < first {
            return Err(format!("the gap from {first} to {last} is not in its place"));
        }
        self.gone += last - first + 1;
        self.next = last.saturating_add(1);
        self.link = link;
        Ok(())
    }

    /// Somebody has accepted these records as they are.
    pub(in crate::journal) fn accept(&mut self, accepted: &BTreeSet<u64>) {
        let before = self.findings.len();
        self.findings.retain(|finding| finding.seq.is_none_or(|seq| !accepted.contains(&seq)));
        self.wrong -= (before - self.findings.len()) as u64;
    }

    /// What is behind the last record: gaps, one after the other.
    fn end(&mut self, connection: &Connection) -> Result<(), JournalError> {
        let mut statement = connection
            .prepare_cached("SELECT first_seq FROM anchor WHERE first_seq > ?1 LIMIT 1")?;
        loop {
            while self.skip(connection, None)? {}
            let after = statement.query_row([sql(self.next)], |row| number(row, 0)).optional()?;
            let Some(first) = after else { return Ok(()) };
            self.missing(self.next, first - 1);
            self.next = first;
            self.link = None;
        }
    }

    /// Goes over the anchor at this place, if there is one that ends before `seq`.
    fn skip(&mut self, connection: &Connection, seq: Option<u64>) -> Result<bool, JournalError> {
        let mut statement = connection.prepare_cached(
            "SELECT first_seq, last_seq, link FROM anchor
             WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1",
        )?;
        let anchor = statement
            .query_row([sql(self.next)], |row| {
                Ok((number(row, 0)?, number(row, 1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()?;
        let Some((_, last, link)) = anchor else { return Ok(false) };
        if last < self.next || seq.is_some_and(|seq| last >= seq) {
            return Ok(false);
        }
        self.gone += last - self.next + 1;
        self.next = last + 1;
        self.link = link.try_into().ok();
        Ok(true)
    }
}

/// What must be right before commands are taken: the newest records, and the
/// commands that have not ended. The first thing that is not.
pub(super) fn first_look(
    connection: &Connection,
    last_seq: u64,
) -> Result<Option<String>, JournalError> {
    let next: Option<u64> = connection
        .query_row(
            "SELECT seq FROM record WHERE seq > ?1 ORDER BY seq LIMIT 1",
            [sql(last_seq.saturating_sub(CHECKED_FIRST))],
            |row| number(row, 0),
        )
        .optional()?;
    if let Some(next) = next {
        let link = (next == 1).then_some(BEGINNING);
        let mut check = Check { next, link, ..Check::default() };
        check.follow(connection, u32::MAX, false)?;
        if let Some(finding) = check.findings.into_iter().next() {
            return Ok(Some(finding.what));
        }
    }
    let mut statement = connection
        .prepare("SELECT ticket FROM command WHERE ended_ms IS NULL ORDER BY ticket LIMIT ?1")?;
    let tickets = statement.query_map([super::count(COMPARED_FIRST)], |row| number(row, 0))?;
    let tickets: Vec<u64> = tickets.collect::<Result<_, _>>()?;
    let accepted = accepted_breaks(connection)?;
    for ticket in tickets {
        if let Some(what) = difference(connection, Ticket(ticket), &accepted)? {
            return Ok(Some(format!("command {ticket}: {what}")));
        }
    }
    Ok(None)
}

/// Numbers of the records that somebody has accepted as they are.
pub(super) fn accepted_breaks(connection: &Connection) -> Result<BTreeSet<u64>, JournalError> {
    let mut statement =
        connection.prepare_cached("SELECT body FROM record WHERE ticket = 0 AND kind = 'loss'")?;
    let mut rows = statement.query([])?;
    let mut breaks = BTreeSet::new();
    while let Some(row) = rows.next()? {
        breaks.extend(body::breaks(blob(row, 0)?));
    }
    Ok(breaks)
}

/// How the tables differ from what the records of a command come to, if they do.
///
/// What they come to is what the journal in memory makes of them.
fn difference(
    connection: &Connection,
    ticket: Ticket,
    accepted: &BTreeSet<u64>,
) -> Result<Option<String>, JournalError> {
    let mut twin = Memory::open(&Disk::default());
    let mut statement = connection.prepare_cached(
        "SELECT seq, at_ms, kind, body FROM record WHERE ticket = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([sql(ticket.0)])?;
    let mut key = None;
    while let Some(row) = rows.next()? {
        let seq = number(row, 0)?;
        let body = blob(row, 3)?;
        let event = match kind(row, 2).and_then(|kind| decode(ticket, kind, body)) {
            Ok(event) => event,
            Err(_) if accepted.contains(&seq) => continue,
            Err(error) => return Ok(Some(error.to_string())),
        };
        if let Event::Accepted(accepted) = &event {
            key.clone_from(&accepted.key);
        }
        twin.add(seq, &Arc::new(Record { ticket, at_ms: number(row, 1)?, event }));
    }
    let Some(expected) = twin.row(ticket) else {
        return Ok(None);
    };

    let mut statement = connection.prepare_cached(view::ROW)?;
    let row = statement.query_row([sql(ticket.0)], view::row).optional()?;
    let Some(row) = row else { return Ok(Some("it is not in the table of commands".to_owned())) };
    if row != expected {
        return Ok(Some("its state is not what its records say".to_owned()));
    }

    let mut statement = connection.prepare_cached("SELECT record FROM outbox WHERE id = ?1")?;
    for (id, seq) in twin.waiting() {
        let record = statement.query_row([sql(id)], |row| number(row, 0)).optional()?;
        if record != Some(seq) {
            return Ok(Some(format!("its response {id} is not in the outbox")));
        }
    }

    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM key WHERE request_id = ?1 AND producer = ?2 AND consumer = ?3",
    )?;
    if let Some(key) = key
        && twin.recall(&key).is_some()
        && !statement.exists([&key.request_id, &key.producer, &key.consumer])?
    {
        return Ok(Some("a repetition of it would not be recognised".to_owned()));
    }
    Ok(None)
}
