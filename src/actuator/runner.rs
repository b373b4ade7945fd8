//! The task that owns one actuator.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Perform, Progress};
use crate::dispatch::{Errand, Finding, Outcome, Report, Ticket, Work};
use crate::fail_point;
use crate::openc2::{Response, Status};

/// Carries out the commands of one actuator, a few at a time.
///
/// It takes from one bounded queue and puts into another, and shares nothing
/// else with the rest of the bridge: an actuator that is slow or dead fills
/// its own queue and disturbs no other.
pub struct Runner<A> {
    /// What carries them out.
    pub actuator: Arc<A>,
    /// Commands to carry out, in order.
    pub work: mpsc::Receiver<Job>,
    /// Where outcomes go. When it is full the actuator waits: an outcome is never dropped.
    pub reports: mpsc::Sender<Report>,
    /// Commands that may run at the same time; 1 keeps their order.
    pub concurrency: usize,
}

/// A command on its way to an actuator, and the means to take it back.
#[derive(Debug)]
pub struct Job {
    /// What is to be done.
    pub work: Work,
    /// Cancelled when its producer does not want it any more.
    pub cancelled: CancellationToken,
}

impl<A: Perform + Send + Sync + 'static> Runner<A> {
    /// Runs until the queue closes and what came through it has been carried
    /// out, then closes the actuator. `enough` ends that at once: commands
    /// that are still running are aborted.
    pub async fn run(mut self, enough: CancellationToken) -> Ended {
        let mut running = JoinSet::new();
        let mut is_open = true;

        while is_open || !running.is_empty() {
            tokio::select! {
                biased;
                () = enough.cancelled() => break,
                Some(done) = running.join_next() => pass_on_panic(done),
                job = self.work.recv(), if is_open && running.len() < self.concurrency => {
                    let Some(job) = job else {
                        is_open = false;
                        continue;
                    };
                    let actuator = Arc::clone(&self.actuator);
                    let is_prompt = actuator.is_prompt();
                    let carried_out = carry_out(actuator, job, self.reports.clone());
                    if !is_prompt {
                        running.spawn(carried_out);
                        continue;
                    }
                    let mut carried_out = Box::pin(carried_out);
                    let looked_at = poll_fn(|cx| Poll::Ready(carried_out.as_mut().poll(cx))).await;
                    // There is no room for its outcome: it waits like any other.
                    if looked_at.is_pending() {
                        running.spawn(carried_out);
                    }
                }
            }
        }

        let commands = running.len();
        running.shutdown().await;
        self.actuator.close().await;
        if commands == 0 { Ended::Clean } else { Ended::Aborted { commands } }
    }
}

/// How a [`Runner`] came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every command it began has finished, and its outcome was handed over.
    Clean,
    /// There was no more time.
    Aborted {
        /// Commands that had begun and did not finish: the journal says so.
        commands: usize,
    },
}

/// Carries out one command and hands its outcome over, however long the other side takes.
async fn carry_out<A: Perform>(actuator: Arc<A>, job: Job, reports: mpsc::Sender<Report>) {
    let Job { work, cancelled } = job;
    let (ticket, errand) = (work.ticket, work.errand);
    let progress = Progress { ticket, reports: reports.clone(), cancelled };
    fail_point::pass("before-perform");
    let outcome = actuator.perform(work, progress).await;
    fail_point::pass("after-perform");
    // The other side only goes away when the process does; the journal then
    // still says "started", which is the truth.
    let _gone = reports.send(report(ticket, errand, outcome)).await;
}

/// How an errand ended, for the quiet room.
#[must_use]
pub fn report(ticket: Ticket, errand: Errand, outcome: Outcome) -> Report {
    match errand {
        Errand::Perform => Report::Outcome { ticket, outcome },
        Errand::Stop => Report::Stopped { ticket, outcome },
        Errand::Probe => Report::Probed { ticket, finding: finding(outcome) },
    }
}

/// What an answer to [`Errand::Probe`] means: a response that the actuator
/// itself gave is how the command ended, but for 404, nothing of it was done.
fn finding(outcome: Outcome) -> Finding {
    match (outcome.response.status, &outcome.reason) {
        (Status::NotFound, None) => Finding::NotBegun,
        (Status::ServiceUnavailable, _) => Finding::Unreachable(outcome),
        (_, None) => Finding::Ended(outcome),
        // It could not say: what became of the command is as unknown as before.
        (_, Some(_)) => {
            let text = outcome.response.status_text.unwrap_or_default();
            let text = format!("in doubt, and the actuator cannot say what is the case: {text}");
            Finding::Ended(Outcome {
                response: Response::with_text(Status::InternalError, text),
                reason: outcome.reason,
            })
        }
    }
}

fn pass_on_panic(done: Result<(), JoinError>) {
    // Nothing cancels a task before the end, so this is a panic.
    if let Err(error) = done {
        resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use std::time::Duration;

    use serde_json::json;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::dispatch::Address;
    use crate::wire;

    /// Works for as many seconds as the ticket says.
    #[derive(Default)]
    struct Sleeper {
        is_closed: AtomicBool,
    }

    impl Perform for Sleeper {
        async fn perform(&self, work: Work, progress: Progress) -> Outcome {
            progress.say("half way");
            sleep(Duration::from_secs(work.ticket.0)).await;
            Response::new(Status::Ok).into()
        }

        async fn close(&self) {
            self.is_closed.store(true, Ordering::Relaxed);
        }
    }

    struct Running {
        queue: mpsc::Sender<Job>,
        reports: mpsc::Receiver<Report>,
        enough: CancellationToken,
        sleeper: Arc<Sleeper>,
        runner: tokio::task::JoinHandle<Ended>,
    }

    fn run(concurrency: usize, reports_capacity: usize) -> Running {
        let (queue, work) = mpsc::channel(8);
        let (outcomes, reports) = mpsc::channel(reports_capacity);
        let enough = CancellationToken::new();
        let sleeper = Arc::new(Sleeper::default());
        let runner =
            Runner { actuator: Arc::clone(&sleeper), work, reports: outcomes, concurrency };
        let runner = tokio::spawn(runner.run(enough.clone()));
        Running { queue, reports, enough, sleeper, runner }
    }

    /// A command for a [`Sleeper`]; its ticket is the seconds it takes.
    pub(in crate::actuator) fn work(secs: u64) -> Work {
        let command = json!({"action": "query", "target": {"properties": ["load"]}});
        Work {
            errand: Errand::Perform,
            ticket: Ticket(secs),
            actuator: "sleeper".to_owned(),
            consumer: "gateway-1".to_owned(),
            producer: "soc-1".to_owned(),
            request_id: secs.to_string(),
            command_id: secs.to_string(),
            address: Address::All,
            command: Arc::new(wire::command_from_json(&command).unwrap()),
            signed: None,
            hops: 0,
            again: false,
            to: Vec::new(),
            about: None,
        }
    }

    fn job(secs: u64) -> Job {
        Job { work: work(secs), cancelled: CancellationToken::new() }
    }

    fn outcomes(reports: &mut mpsc::Receiver<Report>) -> Vec<u64> {
        std::iter::from_fn(|| reports.try_recv().ok())
            .filter_map(|report| match report {
                Report::Outcome { ticket, .. } => Some(ticket.0),
                _ => None,
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_lets_what_came_through_it_finish() {
        let Running { queue, mut reports, sleeper, runner, .. } = run(2, 8);
        for secs in [3, 4, 5] {
            queue.send(job(secs)).await.unwrap();
        }
        drop(queue);
        assert_eq!(runner.await.unwrap(), Ended::Clean);
        assert_eq!(outcomes(&mut reports), [3, 4, 5]);
        assert!(sleeper.is_closed.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn enough_aborts_what_is_running_and_counts_it() {
        let mut running = run(3, 8);
        for secs in [3, 60, 61] {
            running.queue.send(job(secs)).await.unwrap();
        }
        sleep(Duration::from_secs(10)).await;
        let then = Instant::now();
        running.enough.cancel();

        assert_eq!(running.runner.await.unwrap(), Ended::Aborted { commands: 2 });
        assert_eq!(then.elapsed(), Duration::ZERO);
        assert_eq!(outcomes(&mut running.reports), [3]);
        assert!(running.sleeper.is_closed.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_keeps_the_order_and_a_closed_queue_is_the_end() {
        let Running { queue, mut reports, runner, .. } = run(1, 16);
        for secs in [5, 1, 3] {
            queue.send(job(secs)).await.unwrap();
        }
        sleep(Duration::from_secs(7)).await;
        drop(queue);
        assert_eq!(runner.await.unwrap(), Ended::Clean);
        assert_eq!(outcomes(&mut reports), [5, 1, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_outcome_is_lost_where_nobody_listens_for_a_while() {
        let mut running = run(1, 1);
        for secs in [1, 2, 3] {
            running.queue.send(job(secs)).await.unwrap();
        }
        sleep(Duration::from_mins(1)).await;

        let mut ended = Vec::new();
        while ended.len() < 3 {
            if let Some(Report::Outcome { ticket, .. }) = running.reports.recv().await {
                ended.push(ticket.0);
            }
        }
        assert_eq!(ended, [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn enough_is_heard_even_where_nobody_takes_outcomes() {
        let running = run(1, 1);
        for secs in [1, 2] {
            running.queue.send(job(secs)).await.unwrap();
        }
        sleep(Duration::from_mins(1)).await;
        running.enough.cancel();
        assert_eq!(running.runner.await.unwrap(), Ended::Aborted { commands: 1 });
    }

    /// Answers at once, but for the ticket that is its end.
    struct Prompt;

    const LAST: u64 = 13;

    impl Perform for Prompt {
        async fn perform(&self, work: Work, _progress: Progress) -> Outcome {
            assert_ne!(work.ticket.0, LAST, "this one is its end");
            Response::new(Status::Ok).into()
        }

        fn is_prompt(&self) -> bool {
            true
        }

        async fn close(&self) {}
    }

    fn run_prompt(
        concurrency: usize,
    ) -> (mpsc::Sender<Job>, mpsc::Receiver<Report>, Runner<Prompt>) {
        let (queue, work) = mpsc::channel(8);
        let (outcomes, reports) = mpsc::channel(1);
        let runner = Runner { actuator: Arc::new(Prompt), work, reports: outcomes, concurrency };
        (queue, reports, runner)
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_of_a_prompt_actuator_wait_for_room_in_order_and_within_its_concurrency() {
        for concurrency in [1, 3] {
            let (queue, mut reports, runner) = run_prompt(concurrency);
            for ticket in 1..=8 {
                queue.send(job(ticket)).await.unwrap();
            }
            let runner = tokio::spawn(runner.run(CancellationToken::new()));
            sleep(Duration::from_mins(1)).await;
            // One outcome is in the channel; so many more have been carried out.
            assert_eq!(queue.capacity(), 1 + concurrency);
            drop(queue);
            for expected in 1..=8 {
                let report = reports.recv().await.unwrap();
                let Report::Outcome { ticket, .. } = report else { panic!("{report:?}") };
                assert_eq!(ticket, Ticket(expected));
            }
            assert_eq!(runner.await.unwrap(), Ended::Clean);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn enough_ends_a_prompt_actuator_whose_outcomes_nobody_takes() {
        let (queue, _reports, runner) = run_prompt(3);
        for ticket in 1..=8 {
            queue.send(job(ticket)).await.unwrap();
        }
        let enough = CancellationToken::new();
        let runner = tokio::spawn(runner.run(enough.clone()));
        sleep(Duration::from_mins(1)).await;
        enough.cancel();
        assert_eq!(runner.await.unwrap(), Ended::Aborted { commands: 3 });
    }

    #[tokio::test]
    async fn a_panic_of_a_prompt_actuator_is_passed_on() {
        let (queue, _reports, runner) = run_prompt(1);
        queue.send(job(LAST)).await.unwrap();
        let ended = tokio::spawn(runner.run(CancellationToken::new())).await;
        assert!(ended.unwrap_err().is_panic());
    }

    #[tokio::test(start_paused = true)]
    async fn an_actuator_that_hangs_disturbs_no_other() {
        let dead = run(1, 8);
        let mut lively = run(1, 8);
        for _ in 0..8 {
            dead.queue.try_send(job(1_000_000)).unwrap();
        }
        for secs in [1, 2, 3] {
            lively.queue.send(job(secs)).await.unwrap();
        }
        sleep(Duration::from_secs(7)).await;
        assert_eq!(outcomes(&mut lively.reports), [1, 2, 3]);
    }
}
