//! The journal in memory: the twin of the database, for tests and benchmarks.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use super::body::{self, Kind};
use super::error::JournalError;
use super::export::Exported;
use super::lock::Lock;
use super::past::Past;
use super::sqlite::Check;
use super::store::{Candidate, FOUND, OUTBOX_BYTES, Page, RECORDS_SHOWN, Recovered, SLICE, Store};
use super::view::{Detail, Entry, Listing, State, Stored};
use crate::dispatch::{
    Accepted, Class, Concluded, ContentDigest, Due, Errand, Event, Key, Known, Named, OutboxId,
    Outgoing, Place, Record, Ticket, Unfinished,
};

/// What stands in for the disk under a [`Memory`]: it holds what was
/// committed, and keeps it when the [`Memory`] goes. All clones of it are one disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Durable>>);

#[derive(Clone, Debug, Default)]
struct Durable {
    records: BTreeMap<u64, Arc<Record>>,
    mark: Mark,
}

/// Numbers that only grow.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    seq: u64,
    ticket: u64,
    outbox: u64,
    past: Past,
}

impl Disk {
    /// A disk of its own with what is on this one now.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.content().clone())))
    }

    fn content(&self) -> MutexGuard<'_, Durable> {
        self.0.lock().expect("nobody panics while writing")
    }
}

/// A journal without a file, and without a wait.
///
/// It answers as the one on a disk does, and forgets as that does: a crash is
/// to drop it and to open another one on the same [`Disk`]. What was committed
/// is there again, and nothing else.
#[derive(Debug)]
pub struct Memory {
    disk: Disk,
    records: BTreeMap<u64, Arc<Record>>,
    commands: BTreeMap<u64, Row>,
    keys: BTreeMap<Key, u64>,
    /// The record that holds each response.
    outbox: BTreeMap<u64, u64>,
    mark: Mark,
    /// Records that the disk has and is to forget.
    forgotten: Vec<u64>,
    _lock: Option<Lock>,
}

/// What the records of a command come to.
#[derive(Debug)]
struct Row {
    entry: Entry,
    digest: Option<ContentDigest>,
    key: Option<Key>,
    records: Vec<u64>,
    /// The record that holds its last response.
    response: Option<u64>,
    /// Its responses in the outbox.
    waiting: u64,
    stop_ms: Option<u64>,
    /// When something is to happen to it next.
    due_ms: Option<u64>,
}

impl Memory {
    /// Takes up what is on a disk.
    #[must_use]
    pub fn open(disk: &Disk) -> Self {
        let Durable { records, mark } = disk.content().clone();
        let mut memory = Self {
            disk: disk.clone(),
            records: BTreeMap::new(),
            commands: BTreeMap::new(),
            keys: BTreeMap::new(),
            outbox: BTreeMap::new(),
            mark,
            forgotten: Vec::new(),
            _lock: None,
        };
        for (seq, record) in records {
            memory.add(seq, &record);
        }
        // The records may be later than a clock that was trusted since.
        memory.mark = mark;
        memory
    }

    /// The same, keeping others out of the folder beside it for as long as it lives.
    pub(super) fn guarded_by(self, lock: Lock) -> Self {
        Self { _lock: Some(lock), ..self }
    }

    /// Adds records; they are seen at once, and durable after [`Memory::commit`].
    pub fn append(&mut self, records: Vec<Record>) {
        for record in records {
            self.mark.seq += 1;
            self.add(self.mark.seq, &Arc::new(record));
        }
    }

    /// Makes everything durable that was done since the last commit.
    pub fn commit(&mut self) {
        let mut disk = self.disk.content();
        for seq in self.forgotten.drain(..) {
            disk.records.remove(&seq);
        }
        let new = self.records.range(disk.mark.seq + 1..);
        disk.records.extend(new.map(|(seq, record)| (*seq, Arc::clone(record))));
        disk.mark = self.mark;
    }

    /// Commands without an outcome, and the highest numbers given.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        let is_open = |row: &&Row| row.entry.ended_ms.is_none();
        let is_waiting = |row: &Row| row.entry.started_ms.is_none() && row.entry.actuator.is_some();
        let rows = || self.commands.values();
        let begun = rows().filter(is_open).filter(|row| !is_waiting(row));
        let begun: Vec<Ticket> = begun.map(|row| Ticket(row.entry.ticket)).collect();
        let waiting = rows().filter(is_open).filter(|row| is_waiting(row)).count();
        let effects = rows().filter(|row| !is_open(row) && row.due_ms.is_some()).count();
        Recovered {
            unfinished: self.unfinished(&begun),
            waiting: waiting as u64,
            effects: effects as u64,
            last_ticket: Ticket(self.mark.ticket),
            last_outbox: OutboxId(self.mark.outbox),
            outbox_waiting: self.outbox.len() as u64,
            clock_ms: self.mark.past.clock_ms,
            forgotten_ms: self.mark.past.forgotten_ms,
        }
    }

    /// What there is of these commands; those of which nothing is left to do are left out.
    #[must_use]
    pub fn unfinished(&self, tickets: &[Ticket]) -> Vec<Unfinished> {
        let rows = tickets.iter().filter_map(|ticket| self.commands.get(&ticket.0));
        let open = rows.filter(|row| row.entry.ended_ms.is_none() || row.due_ms.is_some());
        open.filter_map(|row| self.in_full(row)).collect()
    }

    /// The newest command for an actuator that has this name.
    #[must_use]
    pub fn named(&self, name: &Key) -> Option<Named> {
        let Key { consumer, producer, request_id } = name;
        let mut rows = self.rows_called(producer, request_id);
        let row = rows.find(|row| row.entry.consumer == *consumer)?;
        self.numbered(Ticket(row.entry.ticket))
    }

    /// Every command of this producer for an actuator that has this name, the newest first.
    #[must_use]
    pub fn called(&self, producer: &str, name: &str) -> Vec<Named> {
        let rows = self.rows_called(producer, name).take(FOUND);
        rows.filter_map(|row| self.numbered(Ticket(row.entry.ticket))).collect()
    }

    fn rows_called<'a>(
        &'a self,
        producer: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Row> {
        self.commands.values().rev().filter(move |row| {
            row.entry.producer.as_deref() == Some(producer)
                && self.accepted(row).and_then(Accepted::name) == Some(name)
        })
    }

    /// The same of the command with this number.
    #[must_use]
    pub fn numbered(&self, ticket: Ticket) -> Option<Named> {
        let row = self.commands.get(&ticket.0)?;
        let ended = row.entry.ended_ms.map(|_| (row.entry.status, row.entry.text.clone()));
        let response = row.response.and_then(|seq| response(self.records.get(&seq)?));
        Some(Named {
            command: self.in_full(row)?,
            in_effect: ended.is_some() && row.due_ms.is_some(),
            ended,
            response: response.map(|response| response.payload.clone()),
        })
    }

    fn in_full(&self, row: &Row) -> Option<Unfinished> {
        let mut records = row.records.iter().filter_map(|seq| self.records.get(seq));
        Some(Unfinished {
            ticket: Ticket(row.entry.ticket),
            accepted_ms: row.entry.accepted_ms,
            accepted: self.accepted(row)?.clone(),
            started: row.entry.started_ms.is_some(),
            cancelled: records.any(|record| record.event == Event::Cancelled),
        })
    }

    /// What is due after this place, in order.
    #[must_use]
    pub fn due(&self, after: Place, limit: usize) -> Vec<Due> {
        let mut due: Vec<Due> = self
            .commands
            .values()
            .filter_map(|row| {
                let errand =
                    if row.entry.started_ms.is_some() { Errand::Stop } else { Errand::Perform };
                Some(Due {
                    at_ms: row.due_ms?,
                    ticket: Ticket(row.entry.ticket),
                    errand,
                    actuator: row.entry.actuator.clone().unwrap_or_default(),
                })
            })
            .filter(|due| (due.at_ms, due.ticket) > after)
            .collect();
        due.sort_unstable_by_key(|due| (due.at_ms, due.ticket));
        due.truncate(limit);
        due
    }

    /// What is known of a key.
    #[must_use]
    pub fn recall(&self, key: &Key) -> Option<Known> {
        let ticket = *self.keys.get(key)?;
        let row = self.commands.get(&ticket)?;
        let response = row.response.and_then(|seq| response(self.records.get(&seq)?));
        Some(Known {
            ticket: Ticket(ticket),
            digest: row.digest,
            response: response.map(|response| response.payload.clone()),
            ended: row.entry.ended_ms.is_some(),
        })
    }

    /// The responses that wait, oldest first: at most `limit`, and fewer where they are large.
    #[must_use]
    pub fn outbox(&self, after: Option<OutboxId>, limit: usize) -> Vec<Outgoing> {
        let after = after.map_or(0, |id| id.0.saturating_add(1));
        let mut bytes = 0;
        let mut waiting = Vec::new();
        for seq in self.outbox.range(after..).map(|(_, seq)| seq).take(limit) {
            if bytes >= OUTBOX_BYTES {
                break;
            }
            let Some(response) = self.records.get(seq).and_then(|record| response(record)) else {
                continue;
            };
            bytes += response.payload.len();
            waiting.push(response.clone());
        }
        waiting
    }

    /// How many commands are kept.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.len() as u64
    }

    /// All that there is of a command.
    pub(super) fn row(&self, ticket: Ticket) -> Option<Stored> {
        self.commands.get(&ticket.0).map(|row| Stored {
            entry: row.entry.clone(),
            digest: row.digest.map(|digest| digest.0),
            response: row.response,
            waiting: row.waiting,
            stop_ms: row.stop_ms,
            due_ms: row.due_ms,
        })
    }

    /// Responses in the outbox, each with the record that holds it.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (u64, u64)> {
        self.outbox.iter().map(|(id, seq)| (*id, *seq))
    }

    fn accepted(&self, row: &Row) -> Option<&Accepted> {
        row.records.iter().find_map(|seq| match &self.records.get(seq)?.event {
            Event::Accepted(accepted) => Some(&**accepted),
            _ => None,
        })
    }

    /// Adds a record with a number of its own.
    pub(super) fn add(&mut self, seq: u64, record: &Arc<Record>) {
        let Record { ticket, at_ms, event } = &**record;
        let (ticket, at_ms) = (ticket.0, *at_ms);
        self.records.insert(seq, Arc::clone(record));
        self.mark.past.saw(at_ms);
        if let Event::Accepted(accepted) = event {
            self.accept(ticket, at_ms, accepted);
        }
        let Some(row) = self.commands.get_mut(&ticket) else { return };
        row.records.push(seq);
        match event {
            Event::Accepted(_) | Event::Heard(_) | Event::Overdue { .. } => {}
            Event::Cancelled => {
                // The end of its effect is due at once.
                if row.entry.ended_ms.is_some() {
                    row.due_ms = row.due_ms.map(|_| 0);
                }
            }
            Event::Started => {
                row.entry.started_ms.get_or_insert(at_ms);
                row.due_ms = row.stop_ms;
                row.entry.state = State::of(row.entry.started_ms, row.entry.ended_ms);
            }
            Event::Progress { response } => self.respond(ticket, seq, response.id),
            Event::Outcome(concluded) => self.conclude(ticket, at_ms, seq, concluded),
            Event::Resolved { status, text, response } => {
                row.entry.status = Some(*status);
                row.entry.text.clone_from(text);
                row.entry.ended_ms.get_or_insert(at_ms);
                row.entry.class.get_or_insert_with(|| body::class_name(Class::Answered).to_owned());
                row.entry.state = State::Ended;
                if let Some(response) = response {
                    self.respond(ticket, seq, response.id);
                }
            }
            Event::Answered { outbox } => {
                if self.outbox.remove(&outbox.0).is_some() {
                    row.waiting -= 1;
                    if row.waiting == 0 && row.entry.ended_ms.is_some() {
                        row.entry.answered_ms = Some(at_ms);
                    }
                }
            }
            Event::Stopped { .. } => row.due_ms = None,
        }
    }

    fn accept(&mut self, ticket: u64, at_ms: u64, accepted: &Accepted) {
        self.mark.ticket = self.mark.ticket.max(ticket);
        let key = accepted.key.clone();
        if let Some(key) = &key {
            self.keys.entry(key.clone()).or_insert(ticket);
        }
        let row = || Row {
            entry: Entry {
                ticket,
                request_id: accepted.request_id.clone(),
                producer: accepted.producer.clone(),
                consumer: accepted.consumer.clone(),
                summary: accepted.summary.clone(),
                actuator: accepted.actuator.clone(),
                state: State::Accepted,
                class: None,
                status: None,
                text: None,
                accepted_ms: at_ms,
                started_ms: None,
                ended_ms: None,
                answered_ms: None,
            },
            digest: accepted.digest,
            key,
            records: Vec::new(),
            response: None,
            waiting: 0,
            stop_ms: accepted.stop_ms,
            due_ms: accepted.actuator.as_ref().map(|_| accepted.start_ms.unwrap_or(0)),
        };
        self.commands.entry(ticket).or_insert_with(row);
    }

    fn conclude(&mut self, ticket: u64, at_ms: u64, seq: u64, concluded: &Concluded) {
        if let Some(row) = self.commands.get_mut(&ticket)
            && row.entry.ended_ms.is_none()
        {
            row.entry.ended_ms = Some(at_ms);
            row.due_ms = row.stop_ms.filter(|_| concluded.in_effect);
            row.entry.class = Some(body::class_name(concluded.class).to_owned());
            row.entry.status = concluded.status;
            row.entry.text.clone_from(&concluded.text);
            row.entry.state = State::Ended;
        }
        if let Some(response) = &concluded.response {
            self.respond(ticket, seq, response.id);
        }
        if !concluded.remembered {
            self.forget_key(ticket);
        }
    }

    fn respond(&mut self, ticket: u64, seq: u64, id: OutboxId) {
        self.mark.outbox = self.mark.outbox.max(id.0);
        let is_new = !self.outbox.contains_key(&id.0);
        self.outbox.entry(id.0).or_insert(seq);
        if let Some(row) = self.commands.get_mut(&ticket) {
            row.response = Some(seq);
            row.waiting += u64::from(is_new);
        }
    }

    fn forget_key(&mut self, ticket: u64) {
        let Some(key) = self.commands.get(&ticket).and_then(|row| row.key.as_ref()) else { return };
        if self.keys.get(key) == Some(&ticket) {
            self.keys.remove(key);
        }
    }
}

/// The response that a record holds.
fn response(record: &Record) -> Option<&Outgoing> {
    match &record.event {
        Event::Progress { response } => Some(response),
        Event::Outcome(concluded) => concluded.response.as_ref(),
        Event::Resolved { response, .. } => response.as_ref(),
        Event::Accepted(_)
        | Event::Started
        | Event::Answered { .. }
        | Event::Cancelled
        | Event::Heard(_)
        | Event::Overdue { .. }
        | Event::Stopped { .. } => None,
    }
}

impl Store for Memory {
    fn recovered(&self) -> Result<Recovered, JournalError> {
        Ok(self.recovered())
    }

    fn unfinished(&self, tickets: &[Ticket]) -> Result<Vec<Unfinished>, JournalError> {
        Ok(self.unfinished(tickets))
    }

    fn named(&self, name: &Key) -> Result<Option<Named>, JournalError> {
        Ok(self.named(name))
    }

    fn called(&self, producer: &str, name: &str) -> Result<Vec<Named>, JournalError> {
        Ok(self.called(producer, name))
    }

    fn numbered(&self, ticket: Ticket) -> Result<Option<Named>, JournalError> {
        Ok(self.numbered(ticket))
    }

    fn due(&self, after: Place, limit: usize) -> Result<Vec<Due>, JournalError> {
        Ok(self.due(after, limit))
    }

    fn apply(&mut self, record: Record) -> Result<(), JournalError> {
        self.append(vec![record]);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        self.commit();
        Ok(())
    }

    fn recall(&self, key: &Key) -> Result<Option<Known>, JournalError> {
        Ok(self.recall(key))
    }

    fn keys(&self, after: Option<&Key>, most: usize) -> Result<Vec<Key>, JournalError> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.keys.range((after, Bound::Unbounded)).map(|(key, _)| key.clone());
        Ok(keys.take(most).collect())
    }

    fn outbox(&self, after: Option<OutboxId>, limit: usize) -> Result<Vec<Outgoing>, JournalError> {
        Ok(self.outbox(after, limit))
    }

    fn page(&self, listing: &Listing) -> Result<Page, JournalError> {
        let mut page = Page { entries: Vec::new(), before: None };
        let range = self.commands.range(..listing.before.unwrap_or(u64::MAX));
        for (seen, (ticket, row)) in range.rev().enumerate() {
            if page.entries.len() == listing.limit || seen == SLICE {
                return Ok(page);
            }
            page.before = Some(*ticket);
            if listing.admits(&row.entry) {
                page.entries.push(row.entry.clone());
            }
        }
        page.before = None;
        Ok(page)
    }

    fn find(&self, request_id: &str) -> Result<Vec<Ticket>, JournalError> {
        let owned = self.keys.iter().filter(|(key, _)| key.request_id == request_id);
        let mut tickets: Vec<_> = owned.map(|(_, ticket)| Ticket(*ticket)).collect();
        tickets.sort_unstable_by(|one, other| other.cmp(one));
        tickets.truncate(FOUND);
        Ok(tickets)
    }

    fn detail(&self, ticket: Ticket) -> Result<Option<Detail>, JournalError> {
        let Some(row) = self.commands.get(&ticket.0) else { return Ok(None) };
        let mut detail = Detail::new(row.entry.clone());
        let shown = row.records.len().saturating_sub(RECORDS_SHOWN);
        for seq in &row.records[shown..] {
            let Record { at_ms, event, .. } = &*self.records[seq];
            let added = detail.add(*seq, *at_ms, Kind::of(event), &body::encode(event));
            added.map_err(|what| JournalError::Damaged { what })?;
        }
        Ok(Some(detail))
    }

    fn commands(&self) -> u64 {
        self.commands()
    }

    fn command(&self, ticket: Ticket) -> Result<Option<(Entry, Unfinished)>, JournalError> {
        let row = self.commands.get(&ticket.0);
        Ok(row.and_then(|row| Some((row.entry.clone(), self.in_full(row)?))))
    }

    fn forgotten_ms(&self) -> u64 {
        self.mark.past.forgotten_ms
    }

    fn trust_clock(&mut self, now_ms: u64) -> Result<Option<u64>, JournalError> {
        Ok(self.mark.past.trust(now_ms))
    }

    fn candidates(&self, after: Ticket, most: usize) -> Result<Vec<Candidate>, JournalError> {
        let next = self.commands.range(after.0.saturating_add(1)..).take(most);
        let candidates = next.map(|(ticket, Row { entry, waiting, due_ms, .. })| Candidate {
            ticket: Ticket(*ticket),
            ended: entry.ended_ms.is_some() && due_ms.is_none(),
            last_ms: self.mark.past.believed(entry.answered_ms.or(entry.ended_ms).unwrap_or(0)),
            waiting: *waiting,
        });
        Ok(candidates.collect())
    }

    fn remove(&mut self, ticket: Ticket) -> Result<(), JournalError> {
        self.forget_key(ticket.0);
        if let Some(row) = self.commands.remove(&ticket.0) {
            self.mark.past.forget(row.entry.accepted_ms);
            for seq in row.records {
                self.records.remove(&seq);
                self.forgotten.push(seq);
            }
        }
        Ok(())
    }

    fn check(&self, check: &mut Check, _most: u32) -> Result<(), JournalError> {
        check.is_over = true;
        Ok(())
    }

    fn export(&self, _after: u64, _most: u32) -> Result<Vec<Exported>, JournalError> {
        Err(JournalError::InMemory)
    }

    fn tidy(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    fn failed(&mut self, _error: &JournalError) {}

    fn close(self: Box<Self>) -> Result<(), JournalError> {
        Ok(())
    }
}
