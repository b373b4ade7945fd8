//! POST requests that wait for their reply.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::door::DoorEvent;
use super::problem::Problem;
use crate::dispatch::{Inbound, Receipt, Reply};
use crate::format::duration;

/// POST requests that may wait at the same time.
pub(super) const MAX_WAITING: usize = 1024;

/// Who waits, by receipt.
#[derive(Debug)]
pub(super) struct Callers {
    waiting: Mutex<Waiting>,
    room: Arc<Semaphore>,
    events: mpsc::Sender<DoorEvent>,
    max_wait: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    /// Nobody is answered any more.
    is_closed: bool,
    replies: HashMap<Receipt, oneshot::Sender<Reply>>,
}

impl Callers {
    pub(super) fn new(events: mpsc::Sender<DoorEvent>, max_wait: Duration) -> Self {
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        Self { waiting: Mutex::default(), room, events, max_wait }
    }

    /// How long a caller waits who would like to wait so long.
    pub(super) fn wait(&self, wanted: Option<Duration>) -> Result<Duration, Problem> {
        match wanted {
            None => Ok(self.max_wait),
            Some(wanted) if wanted <= self.max_wait => Ok(wanted),
            Some(_) => {
                let longest = duration::format(self.max_wait);
                let detail = format!("a wait is at most {longest}");
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
        }
    }

    /// Hands a message in and waits for its reply. Where the connection goes
    /// away meanwhile the command goes on, and its wait as well: whoever cuts
    /// connections gets no further than whoever keeps them.
    pub(super) async fn ask(
        &self,
        wait_for: Duration,
        inbound: impl FnOnce(Receipt) -> Inbound,
    ) -> Result<Reply, Problem> {
        let permit = self.place()?;
        let (receipt, reply) = self.enrol().ok_or_else(ending)?;
        if self.events.try_send(DoorEvent::Posted(Box::new(inbound(receipt)))).is_err() {
            self.lock().replies.remove(&receipt);
            return Err(busy());
        }
        let wait = wait(receipt, reply, self.events.clone(), wait_for, permit);
        match tokio::spawn(wait).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(ending()),
            // Nobody cancels it, so this is a panic: pass it on.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Room for one who waits.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| busy())
    }

    /// Gives a reply to whoever waits for it.
    pub(super) fn reply(&self, reply: Reply) {
        let waiting = self.lock().replies.remove(&reply.receipt);
        if let Some(waiting) = waiting {
            // The process may be ending.
            let _gone = waiting.send(reply);
        }
    }

    /// From now on there are no replies: who waits is told to try again.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.replies.clear();
    }

    pub(super) fn number(&self) -> usize {
        MAX_WAITING - self.room.available_permits()
    }

    fn enrol(&self) -> Option<(Receipt, oneshot::Receiver<Reply>)> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return None;
        }
        waiting.last += 1;
        let receipt = Receipt(waiting.last);
        let (sender, reply) = oneshot::channel();
        waiting.replies.insert(receipt, sender);
        Some((receipt, reply))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a reply; `None` when the bridge ends first.
async fn wait(
    receipt: Receipt,
    mut reply: oneshot::Receiver<Reply>,
    events: mpsc::Sender<DoorEvent>,
    wait_for: Duration,
    _permit: OwnedSemaphorePermit,
) -> Option<Reply> {
    if let Ok(reply) = timeout(wait_for, &mut reply).await {
        return reply.ok();
    }
    // Answered at once, with what there is to say by now.
    events.send(DoorEvent::GaveUp(receipt)).await.ok()?;
    reply.await.ok()
}

fn busy() -> Problem {
    Problem::busy("too many commands wait for their responses")
}

fn ending() -> Problem {
    Problem::busy("the bridge is ending; the same request again finds what became of the command")
}
