//! Making the tables from the records once more.

use super::schema::{self, ADD_LINKS};
use super::{Sqlite, blob, body, decode, kind, number, sql};
use crate::dispatch::{Record, Ticket};
use crate::journal::body::Kind;
use crate::journal::chain::{self, BEGINNING, Link};
use crate::journal::error::JournalError;
use crate::journal::past::Past;

/// Records taken at a time.
const AT_A_TIME: u32 = 1000;

/// Records of no command that can be read.
#[derive(Debug, Default)]
struct PassedOver {
    /// Those that cannot be read.
    unreadable: Vec<u64>,
    /// Until when commands may have been accepted that were lost, as losses that were accepted
    /// before say; 0 where none was.
    lost_until_ms: u64,
}

impl Sqlite {
    /// Empties the tables and makes them anew from the records, in the open
    /// transaction. The numbers in `mark` stay where they are or grow.
    ///
    /// Returns the numbers of records that cannot be read, which are passed over.
    pub(super) fn rebuild(&mut self) -> Result<Vec<u64>, JournalError> {
        schema::renew_derived(&self.connection)?;
        let known_ms = self.mark.past.clock_ms;
        self.mark.commands = 0;
        let mut passed = PassedOver::default();
        let mut after = 0;
        loop {
            let page = self.events_after(after, &mut passed)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (seq, record) in page {
                if let Some(record) = record {
                    self.derive(seq, &record)?;
                }
            }
        }
        // The row knew the latest time already, also of records that are gone. Where the clock has
        // been trusted since, it is earlier than what records say and stays so: to make the tables
        // anew says nothing new of the clock.
        if known_ms > 0 {
            self.mark.past.clock_ms = known_ms;
        }
        self.mark.past.forget(passed.lost_until_ms);
        Ok(passed.unreadable)
    }

    /// The next records, and whether each is one of a command.
    fn events_after(
        &self,
        after: u64,
        passed: &mut PassedOver,
    ) -> Result<Vec<(u64, Option<Record>)>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, ticket, at_ms, kind, body FROM record
             WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = statement.query([sql(after), i64::from(AT_A_TIME)])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let (seq, ticket, at_ms) = (number(row, 0)?, Ticket(number(row, 1)?), number(row, 2)?);
            let kind = kind(row, 3);
            let event = match &kind {
                Ok(Kind::Loss) | Err(_) => None,
                Ok(kind) => decode(ticket, *kind, blob(row, 4)?).ok(),
            };
            if matches!(kind, Ok(Kind::Loss)) {
                let lost_until_ms = body::lost_until_ms(blob(row, 4)?, at_ms).unwrap_or(0);
                passed.lost_until_ms = passed.lost_until_ms.max(lost_until_ms);
            } else if event.is_none() {
                passed.unreadable.push(seq);
            }
            let record = event.map(|event| Record { ticket, at_ms, event });
            page.push((seq, record));
        }
        Ok(page)
    }

    /// Brings a journal of an older version up to date, in the open transaction.
    pub(super) fn migrate(&mut self) -> Result<(), JournalError> {
        let has_links: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM pragma_table_info('record') WHERE name = 'link')",
            [],
            |row| row.get(0),
        )?;
        if !has_links {
            self.connection.execute_batch(ADD_LINKS)?;
            self.link = self.chain_up()?;
        }
        // What pruning forgot is in these numbers and nowhere else.
        self.mark.ticket = self.old_mark("ticket")?;
        self.mark.outbox = self.old_mark("outbox")?;
        self.mark.past = Past {
            clock_ms: self.old_mark("clock_ms")?,
            forgotten_ms: self.old_mark("forgotten_ms")?,
            trusted_ms: self.old_mark("trusted_ms")?,
        };
        let unreadable = self.rebuild()?;
        match unreadable.first() {
            None => self.mark.write(&self.connection),
            Some(seq) => {
                let what =
                    format!("record {seq} cannot be read, so it cannot be brought up to date");
                Err(JournalError::Damaged { what })
            }
        }
    }

    /// A number in the row of an older version; 0 where that had none of this name.
    fn old_mark(&self, column: &str) -> Result<u64, JournalError> {
        let has_it: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM pragma_table_info('mark') WHERE name = ?1)",
            [column],
            |row| row.get(0),
        )?;
        if !has_it {
            return Ok(0);
        }
        let select = format!("SELECT {column} FROM mark");
        Ok(self.connection.query_row(&select, [], |row| number(row, 0))?)
    }

    /// Gives every record its link. Where records are gone already the chain
    /// goes on as if they had never been.
    fn chain_up(&self) -> Result<Link, JournalError> {
        let mut link = BEGINNING;
        let mut after = 0;
        loop {
            let page = self.links_after(after, link)?;
            let Some((last, its_link)) = page.last() else { break };
            (after, link) = (*last, *its_link);
            for (seq, link) in page {
                self.execute(
                    "UPDATE record SET link = ?2 WHERE seq = ?1",
                    (sql(seq), link.as_slice()),
                )?;
            }
        }
        self.execute(
            "UPDATE anchor SET link = ifnull(
               (SELECT link FROM record WHERE seq < first_seq ORDER BY seq DESC LIMIT 1), ?1)",
            [BEGINNING.as_slice()],
        )?;
        Ok(link)
    }

    fn links_after(&self, after: u64, mut link: Link) -> Result<Vec<(u64, Link)>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, ticket, at_ms, kind, body FROM record
             WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = statement.query([sql(after), i64::from(AT_A_TIME)])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let row = chain::Row {
                seq: number(row, 0)?,
                ticket: number(row, 1)?,
                at_ms: number(row, 2)?,
                kind: row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?,
                body: blob(row, 4)?,
            };
            link = chain::link(&link, &row);
            page.push((row.seq, link));
        }
        Ok(page)
    }
}
