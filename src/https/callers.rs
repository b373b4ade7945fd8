//! POST requests that wait for their reply.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::door::DoorEvent;
use super::problem::Problem;
use super::shares::{Share, Shares};
use crate::dispatch::{Inbound, Receipt, Reply};
use crate::format::duration;

/// Requests that may wait at the same time, of all producers together.
pub(super) const MAX_WAITING: usize = 1024;

/// Who waits, by receipt.
#[derive(Debug)]
pub(super) struct Callers {
    waiting: Mutex<Waiting>,
    room: Arc<Semaphore>,
    shares: Arc<Shares>,
    events: mpsc::Sender<DoorEvent>,
    max_wait: Duration,
}

/// A place among those who wait; given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    /// Where nobody is asked for a certificate, it is nobody's.
    _share: Option<Share>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    /// Nobody is answered any more.
    is_closed: bool,
    replies: HashMap<Receipt, oneshot::Sender<Reply>>,
}

impl Callers {
    /// Callers that wait no longer than `max_wait`, and at most so many of one producer.
    pub(super) fn new(
        events: mpsc::Sender<DoorEvent>,
        max_wait: Duration,
        most_of_one: NonZeroUsize,
    ) -> Self {
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        let shares = Shares::new(most_of_one.get());
        Self { waiting: Mutex::default(), room, shares, events, max_wait }
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
        identity: Option<&str>,
        wait_for: Duration,
        inbound: impl FnOnce(Receipt) -> Inbound,
    ) -> Result<Reply, Problem> {
        let place = self.place(identity)?;
        let (receipt, reply) = self.enrol().ok_or_else(ending)?;
        if self.events.try_send(DoorEvent::Posted(Box::new(inbound(receipt)))).is_err() {
            self.lock().replies.remove(&receipt);
            return Err(busy());
        }
        let wait = wait(receipt, reply, self.events.clone(), wait_for, place);
        match tokio::spawn(wait).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(ending()),
            // Nobody cancels it, so this is a panic: pass it on.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Room for one who waits: some is left, and its producer has not had its share.
    pub(super) fn place(&self, identity: Option<&str>) -> Result<Place, Problem> {
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| busy())?;
        let share = identity.map(|identity| {
            self.shares.take(identity).ok_or_else(|| {
                let most = self.shares.most();
                let detail = format!(
                    "{identity} has {most} requests that wait for their responses, and \
                     https.max-waiting-per-producer allows no more"
                );
                Problem::busy(&detail)
            })
        });
        Ok(Place { _permit: permit, _share: share.transpose()? })
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

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a reply; `None` when the bridge ends first.
async fn wait(
    receipt: Receipt,
    mut reply: oneshot::Receiver<Reply>,
    events: mpsc::Sender<DoorEvent>,
    wait_for: Duration,
    _place: Place,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_its_share_and_all_together_no_more_than_there_is() {
        let most = NonZeroUsize::new(3).unwrap();
        let callers = Callers::new(mpsc::channel(1).0, Duration::ZERO, most);
        let mut places: Vec<_> = (0..3).map(|_| callers.place(Some("a")).unwrap()).collect();
        let refused = callers.place(Some("a")).unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.detail.starts_with("a has 3 requests that wait"), "{}", refused.detail);
        places.pop();
        places.push(callers.place(Some("a")).unwrap());
        // Another has its own, and who is not known is counted with all.
        places.push(callers.place(Some("b")).unwrap());
        places.extend(std::iter::from_fn(|| callers.place(None).ok()));
        assert_eq!(places.len(), MAX_WAITING);
        assert_eq!(callers.place(Some("b")).unwrap_err(), busy());
        drop(places);
        assert_eq!(callers.number(), 0);
    }
}
