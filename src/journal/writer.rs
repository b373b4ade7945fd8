//! The one thread that writes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::config::JournalConfig;
use super::error::{JournalError, with_causes};
use super::handle::Shared;
use super::prune::Pruning;
use super::sqlite::Check;
use super::store::Store;
use crate::dispatch::{Key, Record};
use crate::fail_point;

/// Longest that a record for which nobody waits stays unwritten.
const LAZY: Duration = Duration::from_millis(50);

/// Commands that an idle writer looks at between two looks at its queue.
const PRUNE_IDLE: usize = 256;

/// Commands that a busy writer looks at after each commit, at least.
const PRUNE_BUSY: usize = 16;

/// Records that an idle writer checks between two looks at its queue.
const CHECK_IDLE: u32 = 64;

/// Records that a busy writer checks after a commit.
const CHECK_BUSY: u32 = 16;

/// After a slice of the check follows a rest of so many times its own length:
/// an idle writer spends a fifth of its time on it, a busy one a fiftieth.
const CHECK_REST_IDLE: u32 = 4;
const CHECK_REST_BUSY: u32 = 49;

/// Keys that are put into a new filter at a time, and the rest after it: as with the check.
const KEYS: usize = 512;

/// What the writer is asked to do.
pub(super) enum Request<T> {
    /// Write each of these lists; hand out what came with it when it is durable.
    Append { lists: Vec<(Vec<Record>, T)> },
    /// Write these some time soon.
    Lazily { records: Vec<Record> },
    /// Look something up, in what is durable and what is yet to be.
    Read(Read),
    /// Look something up in what is durable: all that was asked for before is, by then.
    ReadDurable(Read),
    /// Write what is left and end.
    Close { closed: oneshot::Sender<Result<(), JournalError>> },
}

/// A question, and where its answer goes. An error stops the writer.
pub(super) type Read = Box<dyn FnOnce(&dyn Store) -> Result<(), Failure> + Send>;

/// Shared, since everybody who waits is told.
type Failure = Arc<JournalError>;

/// Owns the store; takes requests in the order in which they came.
pub(super) struct Writer<T> {
    pub(super) store: Box<dyn Store + Send>,
    pub(super) queue: Receiver<Request<T>>,
    pub(super) committed: mpsc::Sender<T>,
    pub(super) shared: Arc<Shared>,
    pub(super) batch_records: usize,
    pub(super) gather: Duration,
    pruning: Pruning,
    /// Goes once over everything that is there from before.
    check: Check,
    check_at: Instant,
    /// Up to where the filter of keys has been filled that is growing.
    filled: Option<Key>,
    fill_at: Instant,
    /// Since when there is something in the open transaction that nobody waits for.
    lazy_since: Option<Instant>,
    /// Whom to tell when everything is written and closed.
    closed: Option<oneshot::Sender<Result<(), JournalError>>>,
}

/// What is done between two looks at the commit.
struct Batch<T> {
    records: usize,
    /// To hand out afterwards, in order.
    thens: Vec<T>,
    /// One of them waits for records.
    is_urgent: bool,
}

impl<T> Writer<T> {
    pub(super) fn new(
        store: Box<dyn Store + Send>,
        queue: Receiver<Request<T>>,
        committed: mpsc::Sender<T>,
        shared: Arc<Shared>,
        config: &JournalConfig,
    ) -> Self {
        let now = Instant::now();
        let pruning = Pruning::new(config, now);
        let mut check = Check::default();
        check.is_over = config.unguarded;
        let JournalConfig { batch_records, gather, .. } = *config;
        Self {
            store,
            queue,
            committed,
            shared,
            batch_records,
            gather,
            pruning,
            check,
            check_at: now,
            filled: None,
            fill_at: now,
            lazy_since: None,
            closed: None,
        }
    }

    /// Works until it is closed, everybody has gone, or the store fails.
    pub(super) fn run(mut self) {
        if let Err(error) = self.work() {
            tracing::error!(error = with_causes(&error), "the journal has stopped");
            self.store.failed(&error);
            // Said before the channels close. The store goes without another
            // write, and nothing more is handed out.
            self.shared.fail(error);
            return;
        }
        let Self { store, closed, .. } = self;
        let result = store.close();
        if let Some(closed) = closed {
            // Whoever closed it may have lost interest.
            drop(closed.send(result));
        }
    }

    fn work(&mut self) -> Result<(), Failure> {
        while self.closed.is_none()
            && let Some(request) = self.next()?
        {
            let mut batch = Batch { records: 0, thens: Vec::new(), is_urgent: false };
            self.take(request, &mut batch)?;
            self.gather(&mut batch)?;
            if batch.is_urgent || self.is_lazy_due() {
                fail_point::pass("before-commit");
                self.commit()?;
                fail_point::pass("after-commit");
            }
            self.hand_out(batch.thens);
            self.store.tidy()?;
            self.prune_while_busy(batch.records)?;
            self.go_on_checking(CHECK_BUSY, CHECK_REST_BUSY)?;
            self.go_on_filling(CHECK_REST_BUSY)?;
        }
        Ok(self.commit()?)
    }

    /// Takes what is queued already. It does not wait for more: while one
    /// batch is being written the next one queues up, and that is enough.
    fn gather(&mut self, batch: &mut Batch<T>) -> Result<(), Failure> {
        let deadline = Instant::now() + self.gather;
        while batch.records < self.batch_records && self.closed.is_none() {
            let Ok(request) = self.queue.try_recv() else { break };
            self.take(request, batch)?;
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, request: Request<T>, batch: &mut Batch<T>) -> Result<(), Failure> {
        match request {
            Request::Append { lists } => {
                self.shared.keys.arrive(lists.iter().flat_map(|(records, _)| records));
                for (records, then) in lists {
                    batch.is_urgent |= !records.is_empty();
                    batch.records += records.len();
                    batch.thens.push(then);
                    self.store.apply_all(records)?;
                }
                Ok(())
            }
            Request::Lazily { records } => {
                self.shared.lazily_taken();
                self.shared.keys.arrive(&records);
                batch.records += records.len();
                self.lazy_since.get_or_insert_with(Instant::now);
                Ok(self.store.apply_all(records)?)
            }
            Request::Read(read) => read(&*self.store),
            Request::ReadDurable(read) => {
                self.commit()?;
                read(&*self.store)
            }
            Request::Close { closed } => {
                self.closed = Some(closed);
                Ok(())
            }
        }
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        self.lazy_since = None;
        self.store.commit()
    }

    fn hand_out(&self, thens: Vec<T>) {
        for then in thens {
            // There is room: no more are outstanding than the channel holds.
            // Nobody may be listening any more, which is their affair.
            drop(self.committed.try_send(then));
        }
    }

    /// The next request. While there is none, sees to what waits for a quiet moment.
    fn next(&mut self) -> Result<Option<Request<T>>, JournalError> {
        loop {
            let now = Instant::now();
            let prune_at = self.pruning.due(self.store.commands(), now);
            let lazy_at = self.lazy_since.map(|since| since + LAZY);
            let check_at = (!self.check.is_over).then_some(self.check_at);
            let fill_at = self.shared.keys.is_growing().then_some(self.fill_at);
            let until =
                [lazy_at, check_at, fill_at].into_iter().flatten().fold(prune_at, Instant::min);
            match self.queue.recv_timeout(until.saturating_duration_since(now)) {
                Ok(request) => return Ok(Some(request)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    if prune_at <= Instant::now() {
                        self.prune(PRUNE_IDLE)?;
                    }
                    self.commit()?;
                    self.store.tidy()?;
                    self.go_on_checking(CHECK_IDLE, CHECK_REST_IDLE)?;
                    self.go_on_filling(CHECK_REST_IDLE)?;
                }
            }
        }
    }

    /// A writer that is never idle must forget as well: what leaves goes out
    /// with the next commit, and as fast as new commands come in.
    fn prune_while_busy(&mut self, batch_records: usize) -> Result<(), JournalError> {
        let now = Instant::now();
        if self.pruning.due(self.store.commands(), now) > now {
            return Ok(());
        }
        self.lazy_since.get_or_insert(now);
        self.prune(batch_records.max(PRUNE_BUSY))
    }

    /// Forgets the next commands. That they are forgotten is known before anybody can ask for them and
    /// not find them, which is before the commit: otherwise one that comes again would pass for new.
    fn prune(&mut self, most: usize) -> Result<(), JournalError> {
        self.pruning.slice(&mut *self.store, most)?;
        self.shared.forgotten(self.store.forgotten_ms());
        Ok(())
    }

    /// Checks the next records, if it is time. What is wrong is told and does
    /// not stop the bridge: the commands under way were looked at before it began.
    fn go_on_checking(&mut self, records: u32, rest: u32) -> Result<(), JournalError> {
        let began = Instant::now();
        if self.check.is_over || self.check_at > began {
            return Ok(());
        }
        let told = self.check.findings.len();
        self.store.check(&mut self.check, records)?;
        for finding in &self.check.findings[told..] {
            tracing::error!(
                seq = finding.seq,
                ticket = finding.ticket,
                "the journal is not what was written: {}; see `oc2 journal verify`",
                finding.what
            );
        }
        self.shared.checked(&self.check);
        self.check_at = began + began.elapsed() * (1 + rest);
        Ok(())
    }

    /// Puts the next keys of the store into the filter that is growing, if it is time.
    fn go_on_filling(&mut self, rest: u32) -> Result<(), JournalError> {
        let began = Instant::now();
        let filter = &self.shared.keys;
        filter.renew(self.store.commands());
        if !filter.is_growing() || self.fill_at > began {
            return Ok(());
        }
        let keys = self.store.keys(self.filled.as_ref(), KEYS)?;
        filter.fill(&keys);
        match keys.into_iter().next_back() {
            Some(last) => self.filled = Some(last),
            None if filter.complete() => self.filled = None,
            // What has yet to arrive is there when it is looked at again.
            None => {}
        }
        self.fill_at = began + began.elapsed() * (1 + rest);
        Ok(())
    }

    fn is_lazy_due(&self) -> bool {
        self.lazy_since.is_some_and(|since| since.elapsed() >= LAZY)
    }
}
