//! Numbers that only grow, how many commands there are, and what is known of time.

use rusqlite::{Connection, OptionalExtension};

use super::{number, sql};
use crate::journal::error::JournalError;
use crate::journal::past::Past;
use crate::trust::digest_of_parts;

/// Says in each sum what the row is.
const NAME: &[u8] = b"oc2 journal mark 1";

/// The row of a journal in which nothing has happened. Nobody has read it
/// before the first commit writes it with its sum.
pub(super) const FIRST_ROW: &str = "INSERT INTO mark VALUES (1, 0, 0, 0, 0, 0, 0, x'');";

/// The row of the table `mark`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::journal) struct Mark {
    pub(in crate::journal) ticket: u64,
    pub(in crate::journal) outbox: u64,
    pub(in crate::journal) commands: u64,
    pub(in crate::journal) past: Past,
}

impl Mark {
    fn numbers(self) -> [u64; 6] {
        let Self { ticket, outbox, commands, past } = self;
        [ticket, outbox, commands, past.clock_ms, past.forgotten_ms, past.trusted_ms]
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
                "SELECT ticket, outbox, commands, clock_ms, forgotten_ms, trusted_ms, sum FROM mark",
                [],
                |row| {
                    let mark = Self {
                        ticket: number(row, 0)?,
                        outbox: number(row, 1)?,
                        commands: number(row, 2)?,
                        past: Past {
                            clock_ms: number(row, 3)?,
                            forgotten_ms: number(row, 4)?,
                            trusted_ms: number(row, 5)?,
                        },
                    };
                    Ok((mark, row.get::<_, Vec<u8>>(6)?))
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
        let [ticket, outbox, commands, clock_ms, forgotten_ms, trusted_ms] =
            self.numbers().map(sql);
        let mut statement = connection.prepare_cached(
            "UPDATE mark SET ticket = ?1, outbox = ?2, commands = ?3, clock_ms = ?4,
                             forgotten_ms = ?5, trusted_ms = ?6, sum = ?7",
        )?;
        statement.execute((
            ticket,
            outbox,
            commands,
            clock_ms,
            forgotten_ms,
            trusted_ms,
            self.sum(),
        ))?;
        Ok(())
    }
}
