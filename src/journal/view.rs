//! What people see of the journal.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{self, Kind};
use super::error::JournalError;
use super::store::{blob, kind, number, sql};

/// Commands looked at before the writer goes on with its own work.
const SLICE: u32 = 512;

/// Records shown of one command; the last ones, where it has more.
const RECORDS_SHOWN: u32 = 1000;

/// Commands that one request id may bring up: it can have gone to many consumers.
pub(super) const FOUND: usize = 16;

/// Which commands to list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// At most so many, and never more than [`Listing::LIMIT_MAX`].
    pub limit: usize,
    /// Only those with a lower ticket.
    pub before: Option<u64>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those for this consumer.
    pub consumer: Option<String>,
    /// Only those of this producer.
    pub producer: Option<String>,
    /// Only those with this request id.
    pub request_id: Option<String>,
}

impl Listing {
    /// Most entries that one answer has.
    pub const LIMIT_MAX: usize = 10_000;
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            limit: 50,
            before: None,
            state: None,
            consumer: None,
            producer: None,
            request_id: None,
        }
    }
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is recorded.
    Accepted,
    /// Its actuator was told to begin.
    Started,
    /// It has its outcome.
    Ended,
}

/// A command in a list. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the field of that name in `Accepted` and `Concluded`")]
pub struct Entry {
    pub ticket: u64,
    pub request_id: Option<String>,
    pub producer: Option<String>,
    pub consumer: String,
    pub summary: String,
    pub actuator: Option<String>,
    pub state: State,
    pub class: Option<String>,
    pub status: Option<u16>,
    pub text: Option<String>,
    pub accepted_ms: u64,
    pub started_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    /// When its last response had been taken over by the transport.
    pub answered_ms: Option<u64>,
}

/// All there is about a command.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Detail {
    /// What a list shows of it.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its last response; as text, if it is not JSON.
    pub response: Option<Value>,
    /// The message as it came. What is not UTF-8 is shown as U+FFFD; the
    /// journal has it as it was.
    pub message: String,
    /// It bore a signature that nobody has checked.
    pub unverified_signature: bool,
    /// What happened, in order.
    pub records: Vec<Step>,
}

/// A record of a command.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// Its place among all records of this journal.
    pub seq: u64,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// accepted, started, progress, outcome or answered.
    pub kind: String,
    /// What else is recorded, without message and response.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// A part of a list.
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// Where to go on; absent at the end of the journal.
    pub(super) before: Option<u64>,
}

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
    let mut rows = statement.query([before, i64::from(SLICE)])?;

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
pub(super) fn find(connection: &Connection, request_id: &str) -> Result<Vec<u64>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT ticket FROM key WHERE request_id = ?1 ORDER BY ticket DESC LIMIT ?2",
    )?;
    let tickets = statement.query_map((request_id, sql(FOUND as u64)), |row| number(row, 0))?;
    Ok(tickets.collect::<Result<_, _>>()?)
}

/// All there is about a command.
pub(super) fn detail(connection: &Connection, ticket: u64) -> Result<Option<Detail>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT ticket, request_id, producer, consumer, summary, actuator, class, status, text,
                accepted_ms, started_ms, ended_ms, answered_ms
         FROM command WHERE ticket = ?1",
    )?;
    let Some(entry) = statement.query_row([sql(ticket)], entry).optional()? else {
        return Ok(None);
    };
    let mut detail = Detail {
        entry,
        response: None,
        message: String::new(),
        unverified_signature: false,
        records: Vec::new(),
    };

    let mut statement = connection.prepare_cached(
        "SELECT seq, at_ms, kind, body FROM
           (SELECT * FROM record WHERE ticket = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
    )?;
    let mut rows = statement.query([sql(ticket), i64::from(RECORDS_SHOWN)])?;
    while let Some(row) = rows.next()? {
        let kind = kind(row, 2)?;
        let (facts, bytes) = body::split(blob(row, 3)?);
        let facts: Map<String, Value> = serde_json::from_slice(facts).map_err(|error| {
            JournalError::Damaged { what: format!("command {ticket}: {error}") }
        })?;
        match kind {
            Kind::Accepted => {
                detail.message = String::from_utf8_lossy(bytes).into_owned();
                detail.unverified_signature = facts.contains_key("unverified_signature");
            }
            Kind::Progress => detail.response = Some(shown(bytes)),
            Kind::Outcome if facts.contains_key("response") => {
                detail.response = Some(shown(bytes));
            }
            Kind::Outcome | Kind::Started | Kind::Answered => {}
        }
        detail.records.push(Step {
            seq: number(row, 0)?,
            at_ms: number(row, 1)?,
            kind: kind.as_str().to_owned(),
            facts,
        });
    }
    Ok(Some(detail))
}

impl Listing {
    pub(super) fn by_request_id(request_id: String, limit: usize) -> Self {
        Self { limit, request_id: Some(request_id), ..Self::default() }
    }

    fn admits(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.state.is_none_or(|state| state == entry.state)
            && is(&self.consumer, Some(&entry.consumer))
            && is(&self.producer, entry.producer.as_deref())
            && is(&self.request_id, entry.request_id.as_deref())
    }
}

fn entry(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|ms| ms.map(i64::cast_unsigned));
    let (started_ms, ended_ms) = (time(10)?, time(11)?);
    let state = match (started_ms, ended_ms) {
        (_, Some(_)) => State::Ended,
        (Some(_), None) => State::Started,
        (None, None) => State::Accepted,
    };
    Ok(Entry {
        ticket: number(row, 0)?,
        request_id: row.get(1)?,
        producer: row.get(2)?,
        consumer: row.get(3)?,
        summary: row.get(4)?,
        actuator: row.get(5)?,
        state,
        class: row.get(6)?,
        status: row.get(7)?,
        text: row.get(8)?,
        accepted_ms: number(row, 9)?,
        started_ms,
        ended_ms,
        answered_ms: time(12)?,
    })
}

fn shown(payload: &[u8]) -> Value {
    serde_json::from_slice(payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()))
}
