//! Starts the program, starts it again, and decides what commands do meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Call;
use super::circuit::Circuit;
use super::session::{Failure, Session};
use crate::actuator::exec::fault::Fault;
use crate::actuator::exec::setting::Setting;

/// Commands that wait for the program to become ready; more of them wait in
/// the queue. In practice the actuator's concurrency is the bound.
const WAITING_CALLS: usize = 1024;

/// Owns the program.
pub(super) struct Supervisor {
    setting: Arc<Setting>,
    inbox: Inbox,
    circuit: Circuit,
}

/// Commands that the program does not have yet.
pub(super) struct Inbox {
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) cancels: mpsc::Receiver<String>,
    pub(super) waiting: VecDeque<Call>,
    pub(super) stop: CancellationToken,
}

/// The actuator is being closed.
pub(super) struct Stopped;

impl Supervisor {
    pub(super) fn new(
        setting: Arc<Setting>,
        calls: mpsc::Receiver<Call>,
        cancels: mpsc::Receiver<String>,
        stop: CancellationToken,
    ) -> Self {
        let patience = setting.patience;
        let circuit = Circuit::new(patience.first_restart, patience.last_restart);
        let inbox = Inbox { calls, cancels, waiting: VecDeque::new(), stop };
        Self { setting, inbox, circuit }
    }

    /// Keeps the program up until the actuator is closed.
    pub(super) async fn run(mut self) {
        while let Err(failure) = self.live().await {
            let pause = self.circuit.failed();
            tracing::warn!(
                actuator = self.setting.name,
                failures = self.circuit.failures(),
                "{failure}; the program is started again in {pause:?}"
            );
            if let Err(Stopped) = self.inbox.wait_for(sleep(pause), &self.circuit).await {
                break;
            }
        }
        self.inbox.refuse_all(|| Fault::Closed);
    }

    /// The life of one process, from its start to its end.
    async fn live(&mut self) -> Result<Stopped, Failure> {
        let setting = Arc::clone(&self.setting);
        let mut session = Session::start(&setting).await?;

        let over = match self.inbox.wait_for(session.greet(), &self.circuit).await {
            Err(Stopped) => Ok(Stopped),
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(())) => {
                let ready = Instant::now();
                let over = session.serve(&mut self.inbox, &mut self.circuit).await;
                if ready.elapsed() > setting.patience.last_restart {
                    self.circuit.succeeded();
                }
                over
            }
        };
        session.end(over.as_ref().err()).await;
        over
    }
}

impl Inbox {
    /// Waits for `event` on behalf of a program that is not ready. Commands
    /// that come meanwhile wait for it, up to their deadlines; while the
    /// circuit is open they are refused at once.
    async fn wait_for<T>(
        &mut self,
        event: impl Future<Output = T>,
        circuit: &Circuit,
    ) -> Result<T, Stopped> {
        tokio::pin!(event);
        loop {
            if circuit.is_open() {
                let failures = circuit.failures();
                self.refuse_all(|| Fault::CircuitOpen { failures });
            }
            let deadline = self.waiting.iter().map(|call| call.deadline).min();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Stopped),
                done = &mut event => return Ok(done),
                call = self.calls.recv(), if self.waiting.len() < WAITING_CALLS => match call {
                    Some(call) => self.waiting.push_back(call),
                    None => return Err(Stopped),
                },
                Some(id) = self.cancels.recv() => self.take_back(&id),
                () = at(deadline) => self.refuse_late(),
            }
        }
    }

    /// A command is not wanted any more that the program does not have yet.
    fn take_back(&mut self, id: &str) {
        if let Some(at) = self.waiting.iter().position(|call| call.request.id == id)
            && let Some(call) = self.waiting.remove(at)
        {
            call.answer(Err(Fault::TakenBack));
        }
    }

    fn refuse_late(&mut self) {
        let now = Instant::now();
        let (late, waiting): (VecDeque<_>, _) =
            self.waiting.drain(..).partition(|call| call.deadline <= now);
        self.waiting = waiting;
        for call in late {
            call.answer(Err(Fault::NotReady));
        }
    }

    fn refuse_all(&mut self, fault: impl Fn() -> Fault) {
        for call in self.waiting.drain(..) {
            call.answer(Err(fault()));
        }
    }
}

/// Sleeps until then; for ever where there is no then.
pub(super) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
