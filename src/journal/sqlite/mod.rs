//! The journal on a disk: what happened goes in, what is known of it comes out.

mod check;
mod derive;
mod forget;
mod head;
mod loss;
mod mark;
mod rebuild;
mod reserve;
pub(super) mod schema;
mod view;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

pub use check::{Check, Finding};
pub use loss::{Accepted as LossAccepted, accept as accept_loss};

use head::{Head, HeadFile, Said};
use mark::Mark;
use reserve::Reserve;
use schema::Found;

use super::body::{self, Kind};
use super::chain::{self, BEGINNING, Link};
use super::config::JournalConfig;
use super::error::{JournalError, Loss};
use super::export::Exported;
use super::lock::Lock;
use super::past::Past;
use super::store::{Candidate, FOUND, OUTBOX_BYTES, Page, Recovered, Store};
use super::view::{Detail, Entry, Listing};
use crate::dispatch::{
    ContentDigest, Due, Errand, Event, Key, Known, Named, OutboxId, Outgoing, Place, Record,
    Ticket, Unfinished,
};

/// Pages in the write-ahead log from which on they are moved into the
/// database: 1 MiB. It bounds what a damaged log can cost.
const CHECKPOINT_PAGES: i32 = 256;

/// What is said of a row of `mark` whose sum is wrong.
const MARK_CHANGED: &str = "the highest numbers given are not what was written";

/// The database, with the right to write it.
#[derive(Debug)]
pub(super) struct Sqlite {
    pub(super) connection: Connection,
    pub(super) mark: Mark,
    mark_saved: Mark,
    /// The row of `mark` was as it had been written.
    mark_is_right: bool,
    last_seq: u64,
    /// Link of the last record.
    link: Link,
    /// Without it nothing is chained, and nothing is checked at the start.
    head_file: Option<HeadFile>,
    is_guarded: bool,
    reserve: Option<Reserve>,
    wal_pages: Arc<AtomicI32>,
    // Below the connection, so that it is given back after the files are closed.
    _lock: Lock,
}

impl Sqlite {
    /// Opens or makes the journal in a folder, if it is as it was left.
    pub(super) fn open(config: &JournalConfig) -> Result<Self, JournalError> {
        let dir = &config.dir;
        let mut store = Self::open_as_it_is(dir)?;
        store.reserve = reserve::hold(dir, config.reserve)?;
        store.is_guarded = !config.unguarded;
        if !store.is_guarded {
            return Ok(store);
        }
        let said = head::read(dir)?;
        let mut loss = loss::compare(&store.connection, store.head(), said)?;
        if loss.is_none() && !store.mark_is_right {
            loss = Some(Loss::Changed(MARK_CHANGED.to_owned()));
        }
        if loss.is_none() {
            loss = check::first_look(&store.connection, store.last_seq)?.map(Loss::Changed);
        }
        if let Some(loss) = loss {
            return Err(JournalError::Loss { dir: dir.clone(), loss });
        }
        if let Said::Head { is_whole: false, .. } = said {
            tracing::warn!(
                "one of the two slots of journal.head was unreadable; it is written anew"
            );
        }
        store.head_file = Some(HeadFile::make(dir, store.head())?);
        Ok(store)
    }

    /// The same, whatever is missing.
    fn open_as_it_is(dir: &Path) -> Result<Self, JournalError> {
        let lock = Self::lock(dir)?;
        let (mut connection, found) = schema::open(dir)?;

        let wal_pages = Arc::new(AtomicI32::new(0));
        let pages = Arc::clone(&wal_pages);
        // In place of SQLite's own checkpoints: those come before a commit
        // returns, and nobody hears when they fail.
        connection.wal_hook(Some(move |_: &mut _, now| {
            pages.store(now, Ordering::Relaxed);
            Ok(())
        }))?;

        let mut store = Self {
            connection,
            mark: Mark::default(),
            mark_saved: Mark::default(),
            mark_is_right: true,
            last_seq: 0,
            link: BEGINNING,
            head_file: None,
            is_guarded: true,
            reserve: None,
            wal_pages,
            _lock: lock,
        };
        if found == Found::Older {
            tracing::info!("the journal is of an older version and is brought up to date");
            store.begin()?;
            store.migrate()?;
            (store.last_seq, store.link) = last_record(&store.connection)?;
            // Before the commit: a crash in between finds the old version, and begins again.
            HeadFile::make(dir, store.head())?;
            store.execute("COMMIT", [])?;
            store.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        (store.last_seq, store.link) = last_record(&store.connection)?;
        let mark = Mark::read(&store.connection)?;
        store.mark_is_right = mark.is_some();
        store.mark = match mark {
            Some(mark) => mark,
            None => store.estimated_mark()?,
        };
        store.mark_saved = store.mark;
        Ok(store)
    }

    /// As much as can be known without the row of `mark`.
    fn estimated_mark(&self) -> Result<Mark, JournalError> {
        let max = |what: &str| {
            self.connection
                .query_row(&format!("SELECT ifnull({what}, 0)"), [], |row| number(row, 0))
        };
        Ok(Mark {
            ticket: max("(SELECT max(ticket) FROM command)")?,
            outbox: max("(SELECT max(id) FROM outbox)")?,
            commands: max("(SELECT count(*) FROM command)")?,
            past: Past {
                clock_ms: max("(SELECT max(at_ms) FROM record)")?,
                // Nothing tells; so that no forgotten command is taken for a new one.
                forgotten_ms: max("(SELECT max(accepted_ms) FROM command)")?,
                // That the clock was trusted stood there alone. Where it was wrong before, it has
                // to be trusted once more.
                trusted_ms: 0,
            },
        })
    }

    /// How far it has come, with what is not committed yet.
    fn head(&self) -> Head {
        let Mark { ticket, outbox, .. } = self.mark;
        Head { seq: self.last_seq, ticket, outbox, link: self.link }
    }

    /// The right to the folder, which is made where there is none.
    pub(super) fn lock(dir: &Path) -> Result<Lock, JournalError> {
        schema::make_dir(dir)?;
        Lock::exclusive(dir)
    }

    /// Opens a transaction, where none is open.
    fn begin(&self) -> Result<(), JournalError> {
        if self.connection.is_autocommit() {
            self.execute("BEGIN IMMEDIATE", [])?;
        }
        Ok(())
    }

    /// Adds a row for what happened, which is part of the next commit. Its number.
    fn append(&mut self, record: &Record) -> Result<u64, JournalError> {
        self.begin()?;
        let seq = self.last_seq + 1;
        let kind = Kind::of(&record.event).as_str();
        let body = body::encode(&record.event);
        let Record { ticket: Ticket(ticket), at_ms, .. } = *record;
        let link = if self.is_guarded {
            chain::link(&self.link, &chain::Row { seq, ticket, at_ms, kind, body: &body })
        } else {
            BEGINNING
        };
        self.execute(
            "INSERT INTO record (seq, ticket, at_ms, kind, body, link)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![sql(seq), sql(ticket), sql(at_ms), kind, body, link.as_slice()],
        )?;
        self.last_seq = seq;
        self.link = link;
        Ok(seq)
    }

    fn checkpoint(&self, pragma: &str) -> Result<(), JournalError> {
        let mut statement = self.connection.prepare_cached(pragma)?;
        let busy: bool = statement.query_row([], |row| row.get(0))?;
        if busy {
            tracing::warn!("the journal could not be checkpointed, although nobody else has it");
        }
        Ok(())
    }

    /// Runs one statement and counts the rows it changed.
    pub(super) fn execute(
        &self,
        statement: &str,
        values: impl rusqlite::Params,
    ) -> Result<usize, rusqlite::Error> {
        self.connection.prepare_cached(statement)?.execute(values)
    }

    /// What there is of these commands; of ended ones as well, if `all` are wanted.
    fn commands_in_full(
        &self,
        tickets: &[Ticket],
        all: bool,
    ) -> Result<Vec<Unfinished>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.accepted_ms, c.started_ms IS NOT NULL, r.body,
                    EXISTS (SELECT 1 FROM record WHERE ticket = c.ticket AND kind = 'cancelled')
             FROM command c JOIN record r
               ON r.seq = (SELECT min(seq) FROM record
                          WHERE ticket = c.ticket AND kind = 'accepted')
             WHERE c.ticket = ?1 AND (?2 OR c.ended_ms IS NULL OR c.due_ms IS NOT NULL)",
        )?;
        let mut unfinished = Vec::with_capacity(tickets.len());
        for ticket in tickets.iter().copied() {
            let mut rows = statement.query(params![sql(ticket.0), all])?;
            let Some(row) = rows.next()? else { continue };
            let event = decode(ticket, Kind::Accepted, blob(row, 2)?)?;
            let Event::Accepted(accepted) = event else { continue };
            unfinished.push(Unfinished {
                ticket,
                accepted_ms: number(row, 0)?,
                accepted: *accepted,
                started: row.get(1)?,
                cancelled: row.get(3)?,
            });
        }
        Ok(unfinished)
    }
}

impl Store for Sqlite {
    fn recovered(&self) -> Result<Recovered, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT ticket FROM command
             WHERE ended_ms IS NULL AND (started_ms IS NOT NULL OR actuator IS NULL)
             ORDER BY ticket",
        )?;
        let tickets = statement.query_map([], |row| number(row, 0).map(Ticket))?;
        let tickets: Vec<_> = tickets.collect::<Result<_, _>>()?;
        let count =
            |statement: &str| self.connection.query_row(statement, [], |row| number(row, 0));
        // There may be a million that wait: the index counts them without a look at each.
        let all_unfinished = count("SELECT count(*) FROM command WHERE ended_ms IS NULL")?;
        Ok(Recovered {
            waiting: all_unfinished.saturating_sub(tickets.len() as u64),
            unfinished: self.unfinished(&tickets)?,
            effects: count(
                "SELECT count(*) FROM command WHERE due_ms IS NOT NULL AND ended_ms IS NOT NULL",
            )?,
            last_ticket: Ticket(self.mark.ticket),
            last_outbox: OutboxId(self.mark.outbox),
            outbox_waiting: count("SELECT count(*) FROM outbox")?,
            clock_ms: self.mark.past.clock_ms,
            forgotten_ms: self.mark.past.forgotten_ms,
        })
    }

    fn unfinished(&self, tickets: &[Ticket]) -> Result<Vec<Unfinished>, JournalError> {
        self.commands_in_full(tickets, false)
    }

    fn named(&self, name: &Key) -> Result<Option<Named>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ticket FROM command WHERE name = ?1 AND producer = ?2 AND consumer = ?3
             UNION ALL
             SELECT ticket FROM key JOIN command USING (ticket)
             WHERE key.request_id = ?1 AND key.producer = ?2 AND key.consumer = ?3
               AND actuator IS NOT NULL AND name IS NULL
             ORDER BY ticket DESC LIMIT 1",
        )?;
        let mut rows = statement.query([&name.request_id, &name.producer, &name.consumer])?;
        match rows.next()? {
            Some(row) => self.numbered(Ticket(number(row, 0)?)),
            None => Ok(None),
        }
    }

    fn called(&self, producer: &str, name: &str) -> Result<Vec<Named>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ticket FROM command WHERE name = ?1 AND producer = ?2
             UNION ALL
             SELECT ticket FROM key JOIN command USING (ticket)
             WHERE key.request_id = ?1 AND key.producer = ?2
               AND actuator IS NOT NULL AND name IS NULL
             ORDER BY ticket DESC LIMIT ?3",
        )?;
        let rows = statement
            .query_map(params![name, producer, count(FOUND)], |row| number(row, 0).map(Ticket))?;
        let tickets: Vec<_> = rows.collect::<Result<_, _>>()?;
        let found = tickets.into_iter().map(|ticket| self.numbered(ticket));
        found.filter_map(Result::transpose).collect()
    }

    fn numbered(&self, ticket: Ticket) -> Result<Option<Named>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.ended_ms IS NOT NULL, c.status, c.text, c.due_ms IS NOT NULL, r.body
             FROM command c LEFT JOIN record r ON r.seq = c.response WHERE c.ticket = ?1",
        )?;
        let mut rows = statement.query([sql(ticket.0)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let has_ended = row.get(0)?;
        let ended = if has_ended { Some((row.get(1)?, row.get(2)?)) } else { None };
        let is_due: bool = row.get(3)?;
        let body = row.get_ref(4)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        let response = body.map(|body| Bytes::copy_from_slice(body::split(body).1));
        let command = self.commands_in_full(&[ticket], true)?.pop();
        Ok(command.map(|command| Named {
            command,
            ended,
            in_effect: has_ended && is_due,
            response,
        }))
    }

    fn due(&self, (at_ms, ticket): Place, limit: usize) -> Result<Vec<Due>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT due_ms, ticket, started_ms IS NOT NULL, actuator FROM command
             WHERE due_ms IS NOT NULL AND (due_ms, ticket) > (?1, ?2)
             ORDER BY due_ms, ticket LIMIT ?3",
        )?;
        let rows = statement.query_map([sql(at_ms), sql(ticket.0), count(limit)], |row| {
            let started = row.get(2)?;
            Ok(Due {
                at_ms: number(row, 0)?,
                ticket: Ticket(number(row, 1)?),
                errand: if started { Errand::Stop } else { Errand::Perform },
                actuator: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn apply(&mut self, record: Record) -> Result<(), JournalError> {
        let seq = self.append(&record)?;
        self.derive(seq, &record)
    }

    fn apply_all(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let mut records = records.into_iter().peekable();
        while let Some(record) = records.next() {
            // What starts at once has its row written once.
            let starts = |next: &Record| {
                next.ticket == record.ticket
                    && matches!(record.event, Event::Accepted(_))
                    && matches!(next.event, Event::Started)
            };
            match (records.next_if(starts), &record.event) {
                (Some(started), Event::Accepted(accepted)) => {
                    self.append(&record)?;
                    self.append(&started)?;
                    self.accepted(&record, accepted, Some(started.at_ms))?;
                }
                _ => self.apply(record)?,
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        if self.mark != self.mark_saved {
            self.mark.write(&self.connection)?;
        }
        self.execute("COMMIT", [])?;
        self.mark_saved = self.mark;
        // It is durable: only now may this be known.
        let head = self.head();
        match &mut self.head_file {
            Some(file) => file.write(head),
            None => Ok(()),
        }
    }

    fn recall(&self, key: &Key) -> Result<Option<Known>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.ticket, c.digest, c.ended_ms IS NOT NULL, r.body
             FROM key k JOIN command c ON c.ticket = k.ticket LEFT JOIN record r ON r.seq = c.response
             WHERE k.request_id = ?1 AND k.producer = ?2 AND k.consumer = ?3",
        )?;
        let known = statement.query_row([&key.request_id, &key.producer, &key.consumer], |row| {
            let response = row.get_ref(3)?.as_blob_or_null()?;
            Ok(Known {
                ticket: Ticket(number(row, 0)?),
                digest: row.get::<_, Option<[u8; 32]>>(1)?.map(ContentDigest),
                response: response.map(|body| Bytes::copy_from_slice(body::split(body).1)),
                ended: row.get(2)?,
            })
        });
        Ok(known.optional()?)
    }

    fn keys(&self, after: Option<&Key>, most: usize) -> Result<Vec<Key>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT request_id, producer, consumer FROM key
             WHERE (request_id, producer, consumer) > (?1, ?2, ?3)
             ORDER BY request_id, producer, consumer LIMIT ?4",
        )?;
        // No text is less than the empty one, and no key is of empty texts alone.
        let [request_id, producer, consumer] = after.map_or([""; 3], |key| {
            [&key.request_id, &key.producer, &key.consumer].map(String::as_str)
        });
        let rows =
            statement.query_map(params![request_id, producer, consumer, count(most)], |row| {
                let (request_id, producer) = (row.get(0)?, row.get(1)?);
                Ok(Key { request_id, producer, consumer: row.get(2)? })
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn outbox(&self, after: Option<OutboxId>, limit: usize) -> Result<Vec<Outgoing>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT r.ticket, r.kind, r.body FROM outbox o JOIN record r ON r.seq = o.record
             WHERE o.id > ?1 ORDER BY o.id LIMIT ?2",
        )?;
        let after = after.map_or(i64::MIN, |id| sql(id.0));
        let mut rows = statement.query([after, count(limit)])?;
        let mut waiting = Vec::new();
        let mut bytes = 0;
        while bytes < OUTBOX_BYTES
            && let Some(row) = rows.next()?
        {
            let ticket = Ticket(number(row, 0)?);
            let response = match decode(ticket, kind(row, 1)?, blob(row, 2)?)? {
                Event::Progress { response } | Event::Resolved { response: Some(response), .. } => {
                    response
                }
                Event::Outcome(concluded) if concluded.response.is_some() => {
                    concluded.response.expect("it was just looked at")
                }
                _ => return Err(damaged(ticket, "the outbox names a record without a response")),
            };
            bytes += response.payload.len();
            waiting.push(response);
        }
        Ok(waiting)
    }

    fn page(&self, listing: &Listing) -> Result<Page, JournalError> {
        view::page(&self.connection, listing)
    }

    fn find(&self, request_id: &str) -> Result<Vec<Ticket>, JournalError> {
        view::find(&self.connection, request_id)
    }

    fn detail(&self, ticket: Ticket) -> Result<Option<Detail>, JournalError> {
        view::detail(&self.connection, ticket)
    }

    fn command(&self, ticket: Ticket) -> Result<Option<(Entry, Unfinished)>, JournalError> {
        let Some(detail) = self.detail(ticket)? else { return Ok(None) };
        let command = self.commands_in_full(&[ticket], true)?.pop();
        Ok(command.map(|command| (detail.entry, command)))
    }

    fn commands(&self) -> u64 {
        self.mark.commands
    }

    fn forgotten_ms(&self) -> u64 {
        self.mark.past.forgotten_ms
    }

    fn trust_clock(&mut self, now_ms: u64) -> Result<Option<u64>, JournalError> {
        let ahead_ms = self.mark.past.trust(now_ms);
        if ahead_ms.is_some() {
            self.begin()?;
        }
        Ok(ahead_ms)
    }

    fn candidates(&self, after: Ticket, most: usize) -> Result<Vec<Candidate>, JournalError> {
        forget::candidates(&self.connection, self.mark.past, after, most)
    }

    fn remove(&mut self, ticket: Ticket) -> Result<(), JournalError> {
        self.begin()?;
        forget::remove(self, ticket)
    }

    fn check(&self, check: &mut Check, most: u32) -> Result<(), JournalError> {
        check.slice(&self.connection, most)
    }

    fn export(&self, after: u64, most: u32) -> Result<Vec<Exported>, JournalError> {
        view::export(&self.connection, after, most)
    }

    fn tidy(&mut self) -> Result<(), JournalError> {
        // Never in an open transaction: records for which nobody waits may be in one, and a
        // checkpoint is an error there. It comes after the next commit.
        if self.connection.is_autocommit()
            && self.wal_pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES
        {
            self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
            self.wal_pages.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    fn failed(&mut self, error: &JournalError) {
        let is_full = match error {
            JournalError::Store(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            JournalError::Folder { source, .. } => reserve::is_full(source),
            _ => false,
        };
        if let (true, Some(reserve)) = (is_full, self.reserve.take()) {
            let bytes = reserve.release();
            tracing::error!(
                bytes,
                "the disk is full: what was held in reserve is free now, and the bridge ends. \
                 Nothing that was not written has been acknowledged; make room and start it again"
            );
        }
    }

    fn close(self: Box<Self>) -> Result<(), JournalError> {
        self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}

/// The database of a journal that nobody has open, to look into it.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
    // Below the connection, as above.
    _lock: Lock,
}

impl Reader {
    /// Opens the journal in a folder, and writes nothing.
    pub(super) fn open(dir: &Path) -> Result<Self, JournalError> {
        let lock = Lock::shared(dir)?;
        Ok(Self { connection: schema::open_to_read(dir)?, _lock: lock })
    }

    /// Looks at the structure of the file, as a start does.
    pub(super) fn look_at_pages(&mut self) -> Result<(), JournalError> {
        schema::check_content(&mut self.connection)
    }

    /// How it contradicts the file beside it, if it does.
    pub(super) fn compare(&self, dir: &Path) -> Result<Option<Loss>, JournalError> {
        let (seq, link) = last_record(&self.connection)?;
        let Some(mark) = Mark::read(&self.connection)? else {
            return Ok(Some(Loss::Changed(MARK_CHANGED.to_owned())));
        };
        let found = Head { seq, ticket: mark.ticket, outbox: mark.outbox, link };
        loss::compare(&self.connection, found, head::read(dir)?)
    }

    pub(super) fn check(&self, check: &mut Check, most: u32) -> Result<(), JournalError> {
        check.slice(&self.connection, most)
    }

    pub(super) fn export(&self, after: u64, most: u32) -> Result<Vec<Exported>, JournalError> {
        view::export(&self.connection, after, most)
    }

    pub(super) fn page(&self, listing: &Listing) -> Result<Page, JournalError> {
        view::page(&self.connection, listing)
    }

    pub(super) fn find(&self, request_id: &str) -> Result<Vec<Ticket>, JournalError> {
        view::find(&self.connection, request_id)
    }

    pub(super) fn detail(&self, ticket: Ticket) -> Result<Option<Detail>, JournalError> {
        view::detail(&self.connection, ticket)
    }
}

/// Number and link of the last record, or of the last that is gone.
fn last_record(connection: &Connection) -> Result<(u64, Link), JournalError> {
    let last = connection.query_row(
        "SELECT * FROM (SELECT seq, link FROM record ORDER BY seq DESC LIMIT 1)
         UNION ALL
         SELECT * FROM (SELECT last_seq, link FROM anchor ORDER BY first_seq DESC LIMIT 1)
         ORDER BY 1 DESC LIMIT 1",
        [],
        |row| Ok((number(row, 0)?, row.get::<_, Vec<u8>>(1)?)),
    );
    let (seq, link) = last.optional()?.unwrap_or_default();
    Ok((seq, link.try_into().unwrap_or(BEGINNING)))
}

/// A bound for SQL.
fn count(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// SQLite's integers have a sign; ours are mapped bit by bit, so that none is ever refused.
pub(super) fn sql(number: u64) -> i64 {
    number.cast_signed()
}

/// The way back from [`sql`].
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get(column).map(i64::cast_unsigned)
}

/// What stands in a column `kind`.
pub(super) fn kind(row: &Row<'_>, column: usize) -> Result<Kind, JournalError> {
    let name = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Kind::from_str(name)
        .ok_or_else(|| JournalError::Damaged { what: format!("{name:?} is not a kind of record") })
}

/// What stands in a column `body`.
pub(super) fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8], rusqlite::Error> {
    Ok(row.get_ref(column)?.as_blob()?)
}

fn decode(ticket: Ticket, kind: Kind, body: &[u8]) -> Result<Event, JournalError> {
    body::decode(ticket, kind, body).map_err(|what| damaged(ticket, &what))
}

fn damaged(ticket: Ticket, what: &str) -> JournalError {
    JournalError::Damaged { what: format!("command {ticket}: {what}") }
}
