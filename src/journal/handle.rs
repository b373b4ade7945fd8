//! What the rest of the program holds of the journal.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::config::{JournalConfig, Storage};
use super::error::JournalError;
use super::export::Exported;
use super::keys::KeyFilter;
use super::memory::{Disk, Memory};
use super::now_ms;
use super::settle;
use super::sqlite::{Check, Sqlite};
use super::store::{Recovered, Store};
use super::view::{Detail, Entry, Listing};
use super::writer::{Read, Request, Writer};
use crate::dispatch::{
    Due, Key, Known, Named, OutboxId, Outgoing, Place, Record, Ticket, Unfinished,
};

/// Calls of [`Journal::append_lazily`] that may wait for the writer.
const LAZY_WAITING: usize = 4096;

/// Questions that may wait for the writer; who asks more waits for his turn.
const READS_WAITING: usize = 64;

/// Records that a question for a check goes over: a few milliseconds of the writer's time.
pub(super) const CHECKED: u32 = 256;

/// Records that one answer brings of an export.
pub(super) const EXPORTED: u32 = 256;

/// The handle: cheap to clone, for any task.
///
/// Behind it one thread owns the store and takes requests strictly in order.
/// When all handles are gone it writes what is left and ends.
pub struct Journal<T> {
    queue: SyncSender<Request<T>>,
    shared: Arc<Shared>,
}

/// Where the `then` values come out once their records are durable.
pub struct Committed<T> {
    receiver: mpsc::Receiver<T>,
    shared: Arc<Shared>,
}

/// How the journal is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Health {
    /// Records from before the start that have been checked.
    pub checked: u64,
    /// All of them have been.
    pub check_is_over: bool,
    /// How much was found that is not what was written.
    pub wrong: u64,
    /// Latest time at which a command was accepted that is forgotten by now,
    /// in milliseconds since 1970-01-01T00:00:00Z.
    pub forgotten_ms: u64,
    /// No more is taken for now: as much waits to be written as may.
    pub is_full: bool,
}

/// What the handles and the writer both see.
#[derive(Debug)]
pub(super) struct Shared {
    failure: OnceLock<Arc<JournalError>>,
    /// Appended, and not yet taken from [`Committed`].
    outstanding: AtomicUsize,
    /// Appended lazily, and not yet taken by the writer.
    lazy_waiting: AtomicUsize,
    /// What the check of older records has come to.
    checked: Mutex<Health>,
    /// [`Recovered::forgotten_ms`] as it is now.
    forgotten_ms: AtomicU64,
    /// Which keys are new without a question.
    pub(super) keys: KeyFilter,
    /// One permit for each question that may wait.
    reads: Arc<Semaphore>,
}

impl<T: Send + 'static> Journal<T> {
    /// Opens the journal, or makes it where there is none, and reads what is unfinished.
    ///
    /// Blocks while it reads. The journal is this process's alone until it is closed.
    pub fn open(config: &JournalConfig) -> Result<(Self, Committed<T>, Recovered), JournalError> {
        match config.storage {
            Storage::File => Self::start(Box::new(Sqlite::open(config)?), config),
            Storage::Memory => {
                let lock = Sqlite::lock(&config.dir)?;
                Self::start(Box::new(Memory::open(&Disk::default()).guarded_by(lock)), config)
            }
        }
    }

    /// Puts a store to work.
    pub(super) fn start(
        store: Box<dyn Store + Send>,
        config: &JournalConfig,
    ) -> Result<(Self, Committed<T>, Recovered), JournalError> {
        Self::start_with(KeyFilter::of(store.commands()), store, config)
    }

    /// The same with a filter of one's own.
    pub(super) fn start_with(
        keys: KeyFilter,
        mut store: Box<dyn Store + Send>,
        config: &JournalConfig,
    ) -> Result<(Self, Committed<T>, Recovered), JournalError> {
        if config.trust_clock {
            trust_clock(&mut *store)?;
        }
        let recovered = store.recovered()?;

        let (queue, requests) = sync_channel(Self::MAX_OUTSTANDING + LAZY_WAITING + READS_WAITING);
        let (committed, receiver) = mpsc::channel(Self::MAX_OUTSTANDING);
        let shared = Arc::new(Shared {
            failure: OnceLock::new(),
            outstanding: AtomicUsize::new(0),
            lazy_waiting: AtomicUsize::new(0),
            checked: Mutex::default(),
            forgotten_ms: AtomicU64::new(recovered.forgotten_ms),
            keys,
            reads: Arc::new(Semaphore::new(READS_WAITING)),
        });
        let writer = Writer::new(store, requests, committed, Arc::clone(&shared), config);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(|| writer.run())
            .map_err(|source| JournalError::Folder { path: config.dir.clone(), source })?;

        let committed = Committed { receiver, shared: Arc::clone(&shared) };
        Ok((Self { queue, shared }, committed, recovered))
    }

    /// Queues records for one commit. Once they are durable `then` comes out
    /// of [`Committed`], in the order of the calls. Without records it keeps
    /// its place in that order and costs no commit. Never blocks.
    ///
    /// [`JournalError::Overrun`] beyond [`Journal::MAX_OUTSTANDING`],
    /// [`JournalError::Stopped`] when the writer has ended.
    pub fn append(&self, records: Vec<Record>, then: T) -> Result<(), JournalError> {
        self.append_all(vec![(records, then)])
    }

    /// The same for many at once, which then share a commit.
    pub fn append_all(&self, lists: Vec<(Vec<Record>, T)>) -> Result<(), JournalError> {
        if lists.is_empty() {
            return Ok(());
        }
        claim(&self.shared.outstanding, lists.len(), Self::MAX_OUTSTANDING)?;
        self.shared.keys.send(lists.iter().flat_map(|(records, _)| records));
        self.send(Request::Append { lists })
    }

    /// Queues records for which nobody waits: they are written with the next
    /// commit, or 50 ms later when there is none. Never blocks.
    pub fn append_lazily(&self, records: Vec<Record>) -> Result<(), JournalError> {
        claim(&self.shared.lazy_waiting, 1, LAZY_WAITING)?;
        self.shared.keys.send(&records);
        self.send(Request::Lazily { records })
    }

    /// What is known of these keys, in their order. Everything that was
    /// appended before counts, durable or not yet. Only those are looked up that are not
    /// certainly new.
    pub async fn recall(&self, keys: &[&Key]) -> Result<Vec<Option<Known>>, JournalError> {
        let mut known = vec![None; keys.len()];
        let open = keys.iter().enumerate().filter(|(_, key)| !self.shared.keys.lacks(key));
        let (places, keys): (Vec<_>, Vec<_>) =
            open.map(|(place, key)| (place, Key::clone(key))).unzip();
        if !keys.is_empty() {
            let look_up = move |store: &dyn Store| -> Result<Vec<_>, _> {
                keys.iter().map(|key| store.recall(key)).collect()
            };
            for (place, found) in places.into_iter().zip(self.read(look_up).await?) {
                known[place] = found;
            }
        }
        Ok(known)
    }

    /// What is due after this place, in order: starts, and ends of effects.
    /// Everything that was appended before counts. None at all means that
    /// there are no more.
    pub async fn due(&self, after: Place, limit: usize) -> Result<Vec<Due>, JournalError> {
        self.read(move |store| store.due(after, limit)).await
    }

    /// The newest commands for actuators that have these names, in their
    /// order (see [`Opened::names`](crate::dispatch::Opened::names)).
    /// Everything that was appended before counts.
    pub async fn named(&self, names: Vec<Key>) -> Result<Vec<Option<Named>>, JournalError> {
        self.read(move |store| names.iter().map(|name| store.named(name)).collect()).await
    }

    /// Every command of this producer for an actuator that has this name, the newest first,
    /// whoever is addressed. Everything that was appended before counts.
    pub async fn called(&self, producer: String, name: String) -> Result<Vec<Named>, JournalError> {
        self.read(move |store| store.called(&producer, &name)).await
    }

    /// The same of the command with this number.
    pub async fn numbered(&self, ticket: Ticket) -> Result<Option<Named>, JournalError> {
        self.read(move |store| store.numbered(ticket)).await
    }

    /// What there is of these commands, in their order; those of which
    /// nothing is left to do are left out. Everything that was appended before counts.
    pub async fn unfinished(&self, tickets: Vec<Ticket>) -> Result<Vec<Unfinished>, JournalError> {
        self.read(move |store| store.unfinished(&tickets)).await
    }

    /// Responses in the outbox with a number above `after`, oldest first: at
    /// most `limit`, and fewer where they are large. None at all means that
    /// there are no more.
    ///
    /// All of them are durable, since they are about to leave the house: a
    /// crash must not find one published whose outcome it does not know.
    pub async fn outbox(
        &self,
        after: Option<OutboxId>,
        limit: usize,
    ) -> Result<Vec<Outgoing>, JournalError> {
        self.ask(Request::ReadDurable, move |store| store.outbox(after, limit)).await
    }

    /// Commands, newest first.
    ///
    /// Looks through the journal in slices, so that commits go on meanwhile.
    pub async fn list(&self, mut query: Listing) -> Result<Vec<Entry>, JournalError> {
        let limit = query.limit.min(Listing::LIMIT_MAX);
        let mut entries = Vec::new();
        while entries.len() < limit {
            query.limit = limit - entries.len();
            let slice = query.clone();
            let page = self.read(move |store| store.page(&slice)).await?;
            entries.extend(page.entries);
            let Some(before) = page.before else { break };
            query.before = Some(before);
        }
        Ok(entries)
    }

    /// All there is about a command.
    pub async fn show(&self, ticket: Ticket) -> Result<Option<Detail>, JournalError> {
        self.read(move |store| store.detail(ticket)).await
    }

    /// The same, of what is durable: for whoever must not be told what a crash could take back.
    pub async fn show_durable(&self, ticket: Ticket) -> Result<Option<Detail>, JournalError> {
        self.ask(Request::ReadDurable, move |store| store.detail(ticket)).await
    }

    /// The commands that have this request id, newest first.
    ///
    /// Commands whose key is another's (repetitions) or is forgotten are not
    /// among them; a [`Listing`] by request id finds those as well.
    pub async fn find(&self, request_id: String) -> Result<Vec<Ticket>, JournalError> {
        self.read(move |store| store.find(&request_id)).await
    }

    /// A command that may be settled, or why this one may not. Everything that
    /// was appended before counts.
    pub async fn in_doubt(
        &self,
        ticket: Ticket,
    ) -> Result<Result<Unfinished, String>, JournalError> {
        self.read(move |store| settle::in_doubt(store, ticket, true)).await
    }

    /// Waits until everything is durable that was appended before.
    pub async fn settled(&self) -> Result<(), JournalError> {
        self.ask(Request::ReadDurable, |_| Ok(())).await
    }

    /// Goes on with a check of everything that is there, by some records.
    pub async fn check(&self, mut check: Check) -> Result<Check, JournalError> {
        self.read(move |store| {
            store.check(&mut check, CHECKED)?;
            Ok(check)
        })
        .await
    }

    /// The records after a number, in order. None at all means that there are no more.
    pub async fn export(&self, after: u64) -> Result<Vec<Exported>, JournalError> {
        self.read(move |store| store.export(after, EXPORTED)).await
    }

    /// Writes what is queued, moves it all into the database, and gives the journal free.
    /// Other handles find it stopped afterwards.
    pub async fn close(self) -> Result<(), JournalError> {
        let permit = self.shared.permit().await;
        let (closed, wait) = oneshot::channel();
        self.send(Request::Close { closed })?;
        let result = wait.await.map_err(|_| self.shared.stopped())?;
        drop(permit);
        result
    }

    pub(super) async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<R, JournalError> + Send + 'static,
    ) -> Result<R, JournalError> {
        self.ask(Request::Read, read).await
    }

    async fn ask<R: Send + 'static>(
        &self,
        how: fn(Read) -> Request<T>,
        read: impl FnOnce(&dyn Store) -> Result<R, JournalError> + Send + 'static,
    ) -> Result<R, JournalError> {
        // It goes with the question, since whoever asked may lose interest first.
        let permit = self.shared.permit().await;
        let (answer, wait) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        self.send(how(Box::new(move |store| {
            // Noted before `answer` goes, so that whoever waits is told why.
            let found = read(store).map_err(|error| shared.fail(Arc::new(error)))?;
            drop(answer.send(found));
            drop(permit);
            Ok(())
        })))?;
        wait.await.map_err(|_| self.shared.stopped())
    }

    fn send(&self, request: Request<T>) -> Result<(), JournalError> {
        self.queue.try_send(request).map_err(|error| match error {
            TrySendError::Disconnected(_) => self.shared.stopped(),
            TrySendError::Full(_) => unreachable!("each kind of request is counted before it"),
        })
    }
}

impl<T> Journal<T> {
    /// Calls of [`Journal::append`] whose `then` has not been taken yet, at most.
    pub const MAX_OUTSTANDING: usize = 4096;

    /// How the journal is.
    #[must_use]
    pub fn health(&self) -> Health {
        let waiting = self.shared.outstanding.load(Ordering::Relaxed);
        Health {
            forgotten_ms: self.forgotten_ms(),
            is_full: waiting >= Self::MAX_OUTSTANDING,
            ..*self.shared.checked.lock().expect("nobody panics with it")
        }
    }

    /// [`Recovered::forgotten_ms`], as it is now: it grows when commands leave
    /// because there are too many, or because they are old.
    #[must_use]
    pub fn forgotten_ms(&self) -> u64 {
        self.shared.forgotten_ms.load(Ordering::Relaxed)
    }

    /// Why the writer has stopped, if it did so by itself.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<JournalError>> {
        self.shared.failure.get().cloned()
    }
}

impl<T> Clone for Journal<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<T> Committed<T> {
    /// The next `then` whose records are durable. `None` when the writer has
    /// ended: [`Committed::failure`] says whether something went wrong, and
    /// what has not come out by then must be taken as not written.
    pub async fn recv(&mut self) -> Option<T> {
        let then = self.receiver.recv().await?;
        self.shared.outstanding.fetch_sub(1, Ordering::Relaxed);
        Some(then)
    }

    /// The same, for as many as there are: at most `most` more in `thens`. How many; 0 when the
    /// writer has ended.
    pub async fn recv_many(&mut self, thens: &mut Vec<T>, most: usize) -> usize {
        let taken = self.receiver.recv_many(thens, most).await;
        self.shared.outstanding.fetch_sub(taken, Ordering::Relaxed);
        taken
    }

    /// Why the writer has stopped, if it did so by itself.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<JournalError>> {
        self.shared.failure.get().cloned()
    }
}

impl Shared {
    /// Called by the writer before its end of the channels closes. The first failure stays.
    pub(super) fn fail(&self, error: Arc<JournalError>) -> Arc<JournalError> {
        Arc::clone(self.failure.get_or_init(|| error))
    }

    /// Called by the writer after each slice of its check.
    pub(super) fn checked(&self, check: &Check) {
        let mut health = self.checked.lock().expect("nobody panics with it");
        health.checked = check.records;
        health.check_is_over = check.is_over;
        health.wrong = check.wrong;
    }

    /// Called by the writer after each slice of forgetting.
    pub(super) fn forgotten(&self, until_ms: u64) {
        self.forgotten_ms.store(until_ms, Ordering::Relaxed);
    }

    /// Called by the writer for each lazy request that it takes.
    pub(super) fn lazily_taken(&self) {
        self.lazy_waiting.fetch_sub(1, Ordering::Relaxed);
    }

    async fn permit(&self) -> tokio::sync::OwnedSemaphorePermit {
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }

    fn stopped(&self) -> JournalError {
        JournalError::Stopped { failure: self.failure.get().cloned() }
    }
}

/// Somebody says that the clock is right: it is so from now on, and after the next start as well.
fn trust_clock(store: &mut dyn Store) -> Result<(), JournalError> {
    let ahead_ms = store.trust_clock(now_ms())?;
    store.commit()?;
    if let Some(ahead_ms) = ahead_ms {
        tracing::warn!(
            "the clock is trusted: the journal has seen a time that is {ahead_ms} ms later, and \
             goes by it no more. What was created before now, and is not in the journal, may be \
             refused"
        );
    }
    Ok(())
}

/// Counts so many more, unless that made more than `most`.
fn claim(count: &AtomicUsize, more: usize, most: usize) -> Result<(), JournalError> {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n + more <= most).then_some(n + more)
        })
        .map(drop)
        .map_err(|_| JournalError::Overrun { most })
}
