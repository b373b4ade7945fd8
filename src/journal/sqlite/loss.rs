//! Going on with what is left, because somebody has said so.

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::check::{Check, Finding};
use super::head::{self, Head, HeadFile, Said};
use super::{Sqlite, sql};
use crate::journal::body::{self, Kind};
use crate::journal::chain::{self, Row};
use crate::journal::error::{JournalError, Loss};
use crate::journal::now_ms;

/// Most records that may be accepted as they are. A journal with more of them
/// is no record of anything.
const BREAKS_MAX: usize = 10_000;

/// Records that a check takes at a time: no more than it keeps findings of.
const SLICE: u32 = 32;

/// What was accepted as lost.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Accepted {
    /// Records that were durable and are gone from the end.
    pub gone: u64,
    /// Commands of which nothing is left, as far as is known: the first and the last ticket.
    pub commands_gone: Option<(u64, u64)>,
    /// Records that are not those that were written.
    pub breaks: Vec<u64>,
    /// Records in the middle that are missing: the first and the last of each gap.
    pub missing: Vec<(u64, u64)>,
    /// What the file beside the database was found to be.
    pub head: Option<String>,
    /// Records are gone, changed, or cannot be told to be all there: what was created up to then,
    /// in milliseconds since 1970-01-01T00:00:00Z, may be a repetition that nobody recognises, and
    /// is refused from now on.
    pub forgotten_ms: Option<u64>,
    /// Number of the record that says so.
    pub seq: u64,
}

/// Takes the journal as it is from now on: notes what is missing as a record
/// of the chain, makes the tables anew from the records that are there, and
/// writes `journal.head`. `None` where nothing is wrong; then nothing is written.
///
/// No bridge may run on it meanwhile.
pub fn accept(dir: &Path, text: &str) -> Result<Option<Accepted>, JournalError> {
    let mut store = Sqlite::open_as_it_is(dir)?;
    let said = head::read(dir)?;
    let found = store.head();
    let loss = compare(&store.connection, found, said)?;

    let mut check = Check::default();
    let mut wrong = Vec::new();
    while !check.is_over {
        check.slice(&store.connection, SLICE)?;
        wrong.append(&mut check.findings);
        if wrong.len() > BREAKS_MAX {
            let what = format!("more than {BREAKS_MAX} records are not those that were written");
            return Err(JournalError::Damaged { what });
        }
    }
    if loss.is_none() && wrong.is_empty() && store.mark_is_right {
        return Ok(None);
    }

    let mut breaks: Vec<u64> = wrong.iter().filter_map(|finding| finding.seq).collect();

    store.begin()?;
    let known = match said {
        Said::Head { head, .. } => head,
        Said::Nothing | Said::Nonsense => found,
    };
    let is_ahead = known.seq > found.seq;
    store.mark.ticket = store.mark.ticket.max(known.ticket);
    store.mark.outbox = store.mark.outbox.max(known.outbox);
    if is_ahead {
        store.execute(
            "INSERT INTO anchor (first_seq, last_seq, link) VALUES (?1, ?2, ?3)",
            (sql(found.seq + 1), sql(known.seq), known.link.as_slice()),
        )?;
        store.last_seq = known.seq;
        store.link = known.link;
    }
    // Of these not even the link is known: the chain goes on behind them as it is.
    for (first, last) in wrong.iter().filter_map(|finding| finding.missing) {
        store.execute(
            "INSERT OR REPLACE INTO anchor (first_seq, last_seq, link) VALUES (?1, ?2, x'')",
            [sql(first), sql(last)],
        )?;
    }
    let unreadable = store.rebuild()?;
    breaks.extend(unreadable);
    breaks.sort_unstable();
    breaks.dedup();

    // Where only the tables were wrong, the records make them right and nothing is forgotten.
    let is_of_records = |finding: &Finding| finding.ticket.is_none() || finding.seq.is_some();
    let has_lost = loss.is_some()
        || !store.mark_is_right
        || !breaks.is_empty()
        || wrong.iter().any(is_of_records);
    let at_ms = now_ms();
    if has_lost {
        store.mark.past.forget_all(at_ms);
    }

    let accepted = Accepted {
        gone: known.seq.saturating_sub(found.seq),
        commands_gone: (known.ticket > found.ticket).then_some((found.ticket + 1, known.ticket)),
        breaks,
        missing: wrong.iter().filter_map(|finding| finding.missing).collect(),
        head: match &loss {
            Some(Loss::NoHead { .. } | Loss::Other { .. }) => loss.as_ref().map(Loss::to_string),
            _ => None,
        },
        forgotten_ms: has_lost.then_some(store.mark.past.forgotten_ms),
        seq: store.last_seq + 1,
    };
    let places = ((known.seq, known.ticket), (found.seq, found.ticket));
    let body = body::loss(places.0, places.1, &accepted.breaks, accepted.forgotten_ms, text);
    store.append_loss(at_ms, &body)?;
    let head = store.head();
    store.mark.write(&store.connection)?;
    store.execute("COMMIT", [])?;
    store.mark_saved = store.mark;
    HeadFile::make(dir, head)?;
    store.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(Some(accepted))
}

impl Sqlite {
    fn append_loss(&mut self, at_ms: u64, body: &[u8]) -> Result<(), JournalError> {
        let seq = self.last_seq + 1;
        let kind = Kind::Loss.as_str();
        let link = chain::link(&self.link, &Row { seq, ticket: 0, at_ms, kind, body });
        self.execute(
            "INSERT INTO record (seq, ticket, at_ms, kind, body, link)
             VALUES (?1, 0, ?2, ?3, ?4, ?5)",
            (sql(seq), sql(at_ms), kind, body, link.as_slice()),
        )?;
        self.last_seq = seq;
        self.link = link;
        self.mark.past.saw(at_ms);
        Ok(())
    }
}

/// How the file beside the database contradicts what was found in it, if it does.
pub(super) fn compare(
    connection: &Connection,
    found: Head,
    said: Said,
) -> Result<Option<Loss>, JournalError> {
    let no_head = |is_there| Loss::NoHead { file: head::FILE, is_there };
    let known = match said {
        // Nothing has happened yet, so nothing can be gone.
        Said::Nothing if found.seq == 0 => return Ok(None),
        Said::Nothing => return Ok(Some(no_head(false))),
        Said::Nonsense => return Ok(Some(no_head(true))),
        Said::Head { head, .. } => head,
    };
    if known.seq > found.seq {
        return Ok(Some(Loss::Behind {
            known_seq: known.seq,
            known_ticket: known.ticket,
            found_seq: found.seq,
            found_ticket: found.ticket,
        }));
    }
    let its_link = link_at(connection, known.seq)?;
    let is_other = its_link.is_some_and(|link| link.as_slice() != known.link);
    Ok(is_other.then_some(Loss::Other { seq: known.seq }))
}

/// The link of a record that is there, or was the last of those that are gone.
fn link_at(connection: &Connection, seq: u64) -> Result<Option<Vec<u8>>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT link FROM record WHERE seq = ?1
         UNION ALL SELECT link FROM anchor WHERE last_seq = ?1 LIMIT 1",
    )?;
    let mut rows = statement.query([sql(seq)])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
