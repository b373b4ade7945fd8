//! What a place for records must be able to do.

use super::error::JournalError;
use super::export::Exported;
use super::sqlite::Check;
use super::view::{Detail, Entry, Listing};
use crate::dispatch::{
    Due, Key, Known, Named, OutboxId, Outgoing, Place, Record, Ticket, Unfinished,
};

/// Commands looked at for a list before the writer goes on with its own work.
pub(super) const SLICE: usize = 512;

/// Commands that one request id may bring up: it can have gone to many consumers.
pub(super) const FOUND: usize = 16;

/// Records shown of one command; the last ones, where it has more.
pub(super) const RECORDS_SHOWN: usize = 1000;

/// Most bytes of payload that one look into the outbox brings.
pub(super) const OUTBOX_BYTES: usize = 4 * 1024 * 1024;

/// What the journal held when it was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// Commands that had started and have no outcome, and those without an
    /// actuator; oldest first.
    pub unfinished: Vec<Unfinished>,
    /// Commands that are yet to start.
    pub waiting: u64,
    /// Commands that have ended, and whose effects are yet to.
    pub effects: u64,
    /// Highest ticket ever given; 0 when none was.
    pub last_ticket: Ticket,
    /// Highest outbox number ever given; 0 when none was.
    pub last_outbox: OutboxId,
    /// Responses that wait in the outbox.
    pub outbox_waiting: u64,
    /// Latest time in any record, in milliseconds since 1970-01-01T00:00:00Z: a
    /// clock that is behind it has been set back. 0 when there was none.
    pub clock_ms: u64,
    /// Latest time at which a command was accepted that is forgotten by now, in
    /// milliseconds since 1970-01-01T00:00:00Z: an older one may be a repetition
    /// that nobody recognises. 0 while nothing is forgotten.
    pub forgotten_ms: u64,
}

/// Keeps records, and answers questions about them. What is asked sees
/// everything that was applied, committed or not; what is committed survives.
///
/// There are two: [`Sqlite`](super::sqlite::Sqlite) on a disk, and
/// [`Memory`](super::Memory). The same tests hold for both.
pub(super) trait Store {
    /// What the crash rules are applied to.
    fn recovered(&self) -> Result<Recovered, JournalError>;

    /// What there is of these commands, in their order. Those of which
    /// nothing is left to do are left out.
    fn unfinished(&self, tickets: &[Ticket]) -> Result<Vec<Unfinished>, JournalError>;

    /// The newest command for an actuator that has this name: its
    /// `command_id`, or its `request_id` where it has none of its own. The
    /// name stands in place of the request id.
    fn named(&self, name: &Key) -> Result<Option<Named>, JournalError>;

    /// Every command of this producer for an actuator that has this name, the newest first,
    /// whoever is addressed: at most [`FOUND`].
    fn called(&self, producer: &str, name: &str) -> Result<Vec<Named>, JournalError>;

    /// The same of the command with this number.
    fn numbered(&self, ticket: Ticket) -> Result<Option<Named>, JournalError>;

    /// What is due after this place, in order: starts, and ends of effects.
    fn due(&self, after: Place, limit: usize) -> Result<Vec<Due>, JournalError>;

    /// Adds a record; it is part of the next commit.
    fn apply(&mut self, record: Record) -> Result<(), JournalError>;

    /// Adds records in their order.
    fn apply_all(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        records.into_iter().try_for_each(|record| self.apply(record))
    }

    /// Makes everything durable that was applied or removed since the last
    /// commit. Without such it costs nothing.
    ///
    /// After an error nothing is known of it, and it must not be tried again.
    fn commit(&mut self) -> Result<(), JournalError>;

    /// What is known of a key.
    fn recall(&self, key: &Key) -> Result<Option<Known>, JournalError>;

    /// The keys after one, in an order of the store's own. None at all means that there are no more.
    fn keys(&self, after: Option<&Key>, most: usize) -> Result<Vec<Key>, JournalError>;

    /// The responses that wait, oldest first: at most `limit`, and fewer where they are large.
    fn outbox(&self, after: Option<OutboxId>, limit: usize) -> Result<Vec<Outgoing>, JournalError>;

    /// Looks through the next commands, newest first, and no further than [`SLICE`].
    fn page(&self, listing: &Listing) -> Result<Page, JournalError>;

    /// Tickets of the commands that own this request id, newest first,
    /// whoever sent them and to whomever: at most [`FOUND`].
    fn find(&self, request_id: &str) -> Result<Vec<Ticket>, JournalError>;

    /// All there is about a command.
    fn detail(&self, ticket: Ticket) -> Result<Option<Detail>, JournalError>;

    /// A command, ended or not: how far it has come, and its first record.
    fn command(&self, ticket: Ticket) -> Result<Option<(Entry, Unfinished)>, JournalError>;

    /// How many commands are kept.
    fn commands(&self) -> u64;

    /// [`Recovered::forgotten_ms`], as it is now.
    fn forgotten_ms(&self) -> u64;

    /// The clock is right and says so much, somebody says: what is recorded at a later time happened
    /// before now. By how much it was later, if it was; it is part of the next commit.
    fn trust_clock(&mut self, now_ms: u64) -> Result<Option<u64>, JournalError>;

    /// The next commands after a ticket, oldest first, as pruning sees them.
    fn candidates(&self, after: Ticket, most: usize) -> Result<Vec<Candidate>, JournalError>;

    /// Forgets a command and its records; it is part of the next commit.
    fn remove(&mut self, ticket: Ticket) -> Result<(), JournalError>;

    /// Goes on with a check, by at most so many records.
    fn check(&self, check: &mut Check, most: u32) -> Result<(), JournalError>;

    /// The records after a number, and the gaps between them: at most so many.
    fn export(&self, after: u64, most: u32) -> Result<Vec<Exported>, JournalError>;

    /// Sees to the files, when that has become necessary.
    fn tidy(&mut self) -> Result<(), JournalError>;

    /// The store has failed, and nothing is written any more: what is to be
    /// done about it besides saying so.
    fn failed(&mut self, error: &JournalError);

    /// The orderly end, after the last commit.
    fn close(self: Box<Self>) -> Result<(), JournalError>;
}

/// A part of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// Where to go on; absent at the end of the journal.
    pub(super) before: Option<u64>,
}

/// A command that may have to leave.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) ticket: Ticket,
    /// It has ended, and so has its effect.
    pub(super) ended: bool,
    /// When it was answered, or else ended.
    pub(super) last_ms: u64,
    /// Its responses in the outbox.
    pub(super) waiting: u64,
}
