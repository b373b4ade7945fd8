//! One process for all commands, kept up.

mod circuit;
mod session;
mod supervisor;

use std::convert::Infallible;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::supervisor::Supervisor;
use super::fault::Fault;
use super::message::Request;
use super::setting::Setting;
use super::teller::Teller;

/// The program that stays, and the task that looks after it.
#[derive(Debug)]
pub(super) struct Stream {
    calls: mpsc::Sender<Call>,
    /// Ids of commands that their producers have cancelled.
    cancels: mpsc::Sender<String>,
    stop: CancellationToken,
}

/// A command on its way to the program. Whoever holds it replies, or hands it on.
#[derive(Debug)]
struct Call {
    request: Request,
    deadline: Instant,
    teller: Teller,
    reply: oneshot::Sender<Result<Value, Fault>>,
}

impl Call {
    fn answer(self, answer: Result<Value, Fault>) {
        // Who asked may have been aborted; the journal then says that it is in doubt.
        let _gone = self.reply.send(answer);
    }
}

impl Stream {
    /// Starts the task, and that starts the program. Needs a runtime.
    pub(super) fn start(setting: Arc<Setting>) -> Self {
        // Room for one: those who call wait in line, each until its own deadline.
        let (calls, inbox) = mpsc::channel(1);
        let (cancels, cancelled) = mpsc::channel(1);
        let stop = CancellationToken::new();
        tokio::spawn(Supervisor::new(setting, inbox, cancelled, stop.clone()).run());
        Self { calls, cancels, stop }
    }

    /// Hands a command over and waits for its response.
    pub(super) async fn carry_out(
        &self,
        setting: &Setting,
        request: Request,
        teller: Teller,
        cancelled: &CancellationToken,
    ) -> Result<Value, Fault> {
        let id = request.id.clone();
        let deadline = Instant::now() + setting.timeout;
        let (reply, answer) = oneshot::channel();
        let call = Call { request, deadline, teller, reply };
        match timeout_at(deadline, self.calls.send(call)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Fault::Closed),
            Err(_) => return Err(Fault::NotReady),
        }
        // The supervisor keeps the deadline. It drops without an answer only
        // what it finds in the queue when it ends.
        tokio::select! {
            answer = answer => answer.unwrap_or(Err(Fault::Closed)),
            never = self.take_back(id, cancelled) => match never {},
        }
    }

    /// Once its producer does not want a command any more, says so; the answer comes as ever.
    async fn take_back(&self, id: String, cancelled: &CancellationToken) -> Infallible {
        cancelled.cancelled().await;
        // Where nobody is left to hear it, the answer is on its way.
        let _gone = self.cancels.send(id).await;
        std::future::pending().await
    }

    /// Ends the program, and returns when it is gone.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.calls.closed().await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
