//! Numbers that only grow, and how many commands there are.

use rusqlite::{Connection, OptionalExtension};

use super::{number, sql};
use crate::journal::error::JournalError;
use crate::trust::digest_of_parts;

/// Says in each sum what the row is.
const NAME: &[u8] = b"oc2 journal mark 1";

/// The row of a journal in which nothing has happened. Nobody has read it
/// before the first commit writes it with its sum.
pub(super) const FIRST_ROW: &str = "INSERT INTO mark VALUES (1, 0, 0, 0, 0, 0, x'');";

/// The row of the table `mark`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::journal) struct Mark {
    pub(in crate::journal) ticket: u64,
    pub(in crate::journal) outbox: u64,
    pub(in crate::journal) commands: u64,
    /// Latest time in a record, in milliseconds since 1970-01-01T00:00:00Z.
    pub(in crate::journal) clock_ms: u64,
    /// Latest time at which a command was accepted that is forgotten now; 0 while none is.
    pub(in crate::journal) forgotten_ms: u64,
}

impl Mark {
    fn numbers(self) -> [u64; 5] {
        let Self { ticket, outbox, commands, clock_ms, forgotten_ms } = self;
        [ticket, outbox, commands, clock_ms, forgotten_ms]
    }

    /// Eight bytes that a changed row does not have.
    fn sum(self) -> [u8; 8] {
        let numbers = self.numbers().map(u64::to_be_bytes);
        let digest = digest_of_parts([NAME, numbers.as_flattened()]);
        std::array::from_fn(|at| digest[at])
    }

    /// Reads the row; `None` where it is not as it was written.
    pub(super) fn read(connection: &Connection) -> Result<Option<Self>, JournalError> {
        let row = connection
            .query_row(
                "SELECT ticket, outbox, commands, clock_ms, forgotten_ms, sum FROM mark",
                [],
                |row| {
                    let mark = Self {
                        ticket: number(row, 0)?,
                        outbox: number(row, 1)?,
                        commands: number(row, 2)?,
                        clock_ms: number(row, 3)?,
                        forgotten_ms: number(row, 4)?,
                    };
                    Ok((mark, row.get::<_, Vec<u8>>(5)?))
                },
            )
            .optional()?;
        let is_first = |mark: Self, sum: &[u8]| mark == Self::default() && sum.is_empty();
        Ok(row
            .filter(|(mark, sum)| *sum == mark.sum() || is_first(*mark, sum))
            .map(|(mark, _)| mark))
    }

    /// Writes the row, in the open transaction.
    pub(super) fn write(self, connection: &Connection) -> Result<(), JournalError> {
        let [ticket, outbox, commands, clock_ms, forgotten_ms] = self.numbers().map(sql);
        let mut statement = connection.prepare_cached(
            "UPDATE mark SET ticket = ?1, outbox = ?2, commands = ?3, clock_ms = ?4,
                             forgotten_ms = ?5, sum = ?6",
        )?;
        statement.execute((ticket, outbox, commands, clock_ms, forgotten_ms, self.sum()))?;
        Ok(())
    }
}
