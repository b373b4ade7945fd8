//! Making the tables from the records once more.

use super::schema::{self, ADD_LINKS};
use super::{Sqlite, blob, body, decode, kind, number, sql};
use crate::dispatch::{Record, Ticket};
use crate::journal::body::Kind;
use crate::journal::chain::{self, BEGINNING, Link};
use crate::journal::error::JournalError;

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
        self.mark.forgotten_ms = self.mark.forgotten_ms.max(passed.lost_until_ms);
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
        let (ticket, outbox) =
            self.connection.query_row("SELECT ticket, outbox FROM mark", [], |row| {
                Ok((number(row, 0)?, number(row, 1)?))
            })?;
        if has_links {
            let forgotten = "SELECT forgotten_ms FROM mark";
            self.mark.forgotten_ms =
                self.connection.query_row(forgotten, [], |row| number(row, 0))?;
        }
        self.mark.ticket = ticket;
        self.mark.outbox = outbox;
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
