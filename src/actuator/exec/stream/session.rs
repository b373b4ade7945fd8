//! One life of a program that stays: what it is told, and what it answers.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout};

use super::Call;
use super::circuit::Circuit;
use super::supervisor::{Inbox, Stopped, at};
use crate::actuator::exec::fault::{Fault, Lie, Output, describe};
use crate::actuator::exec::lines::Lines;
use crate::actuator::exec::message::{self, FromProgram};
use crate::actuator::exec::process::{Process, Streams, log_end};
use crate::actuator::exec::setting::{DRAIN_WITHIN, Setting};
use crate::actuator::exec::stderr::Follower;

/// Why a session came to an end that nobody asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the actuator's program could not be started: {0}")]
    NotStarted(io::Error),
    #[error("the actuator's program ended ({})", describe(*.0))]
    Exited(ExitStatus),
    #[error("the actuator's program closed its standard input or output")]
    Closed,
    #[error("the actuator's program was not ready within {0:?}")]
    NotReady(Duration),
    #[error("the actuator's program did not answer a ping within {0:?}")]
    NoPong(Duration),
    #[error("the actuator's program went on with a cancelled command for {0:?} and was killed")]
    WouldNotStop(Duration),
    #[error("{0}")]
    Misbehaved(Fault),
}

impl<F: Into<Fault>> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self::Misbehaved(fault.into())
    }
}

/// One process of the program.
pub(super) struct Session<'a> {
    setting: &'a Setting,
    process: Process,
    stdin: ChildStdin,
    lines: Lines<ChildStdout>,
    stderr: Follower<'a, ChildStderr>,
    /// What it has yet to be told. Each command is in it once: the
    /// actuator's concurrency bounds it.
    outbox: BytesMut,
    /// Commands that it has, by their ids.
    in_flight: BTreeMap<String, InFlight>,
    last_heard: Instant,
    /// It was asked whether it is there, and has until then to answer.
    pong_due: Option<Instant>,
    departure: Departure,
}

/// A command that the program has.
struct InFlight {
    call: Call,
    /// It was told to give it up, and has until then to do so.
    cancelled: Option<Instant>,
    /// That was its producer's wish, and not the clock's.
    is_unwanted: bool,
}

/// How far a process is in leaving us.
#[derive(Default)]
struct Departure {
    /// Its standard output has ended.
    is_silent: bool,
    /// It has exited, and all of its group is gone.
    status: Option<ExitStatus>,
    /// We listen until then for the rest of it.
    until: Option<Instant>,
}

impl<'a> Session<'a> {
    pub(super) async fn start(setting: &'a Setting) -> Result<Self, Failure> {
        let (process, Streams { stdin, stdout, stderr }) =
            setting.launch.start().await.map_err(Failure::NotStarted)?;
        Ok(Self {
            setting,
            process,
            stdin,
            lines: Lines::new(stdout, setting.launch.limits.line_bytes()),
            stderr: setting.stderr.follow(stderr),
            outbox: BytesMut::from(&message::hello(&setting.name, &setting.config)[..]),
            in_flight: BTreeMap::new(),
            last_heard: Instant::now(),
            pong_due: None,
            departure: Departure::default(),
        })
    }

    /// Says hello and waits for the program to be ready.
    pub(super) async fn greet(&mut self) -> Result<(), Failure> {
        let patience = self.setting.patience.ready_within;
        let Ok(line) = timeout(patience, self.line()).await else {
            return Err(Failure::NotReady(patience));
        };
        match message::read(&line?)? {
            FromProgram::Ready { .. } => {
                self.last_heard = Instant::now();
                Ok(())
            }
            _ => Err(Lie::OutOfTurn.into()),
        }
    }

    /// Hands commands over and passes responses on, until the actuator is
    /// closed or the program fails.
    pub(super) async fn serve(
        &mut self,
        inbox: &mut Inbox,
        circuit: &mut Circuit,
    ) -> Result<Stopped, Failure> {
        loop {
            while let Some(call) = inbox.waiting.pop_front() {
                self.begin(call);
            }
            let due = self.next_due();
            tokio::select! {
                biased;
                () = inbox.stop.cancelled() => return Ok(Stopped),
                // Before the lines: a program that never stops talking must not stop the clock.
                () = at(Some(due)) => self.look_at_the_clock()?,
                call = inbox.calls.recv() => match call {
                    Some(call) => self.begin(call),
                    None => return Ok(Stopped),
                },
                Some(id) = inbox.cancels.recv() => self.cancel(&id),
                line = self.line() => self.hear(&line?, circuit)?,
            }
        }
    }

    /// Asks the program to give up a command that is not wanted any more.
    fn cancel(&mut self, id: &str) {
        let grace = self.setting.patience.kill_grace;
        if let Some(in_flight) = self.in_flight.get_mut(id)
            && in_flight.cancelled.is_none()
        {
            self.outbox.extend_from_slice(&message::cancel(id));
            in_flight.cancelled = Some(Instant::now() + grace);
            in_flight.is_unwanted = true;
        }
    }

    /// Ends the process, and answers for every command that it still has.
    pub(super) async fn end(mut self, failure: Option<&Failure>) {
        let ended = match failure {
            None => {
                // The end of its input is the polite form; those who do not
                // read it hear the signal.
                drop(self.stdin);
                self.process.end(self.setting.patience.kill_grace).await
            }
            // Others may be at work in it: they are told as politely as there is time for.
            Some(Failure::WouldNotStop(grace)) => self.process.end(*grace).await,
            Some(_) => self.process.kill().await,
        };
        log_end(&self.setting.name, ended);
        // Its last words often say why it failed.
        let _held_open = timeout(DRAIN_WITHIN, self.stderr.until_end()).await;

        let why = failure.map_or("the actuator was closed".to_owned(), ToString::to_string);
        for (_, InFlight { call, cancelled, is_unwanted }) in self.in_flight {
            call.answer(Err(match cancelled {
                Some(_) if is_unwanted => Fault::Cancelled,
                Some(_) => Fault::TimedOut { after: self.setting.timeout },
                None => Fault::Lost { why: why.clone() },
            }));
        }
    }

    /// The next line of the program. Tells it meanwhile what it has yet to be told.
    ///
    /// Nothing is lost when the future is dropped.
    async fn line(&mut self) -> Result<Bytes, Failure> {
        loop {
            let Departure { is_silent, status, until } = self.departure;
            if let Some(status) = status.filter(|_| is_silent) {
                return Err(Failure::Exited(status));
            }
            tokio::select! {
                biased;
                line = self.lines.next(), if !is_silent => match line? {
                    Some(line) => return Ok(line),
                    None => self.departure.is_silent = true,
                },
                ended = self.process.gone(), if status.is_none() => {
                    self.departure.status = Some(ended.map_err(Fault::Unheard)?);
                }
                flood = self.stderr.until_flood() => return Err(flood.into()),
                written = self.stdin.write(&self.outbox), if !self.outbox.is_empty() => {
                    match written {
                        Ok(bytes) => {
                            self.outbox.advance(bytes);
                            continue;
                        }
                        Err(_) => self.outbox.clear(),
                    }
                }
                () = at(until), if until.is_some() => {
                    return Err(status.map_or(Failure::Closed, Failure::Exited));
                }
            }
            // A pipe is broken or the process gone. What it printed before
            // that still counts, and how it exited is worth a moment.
            self.departure.until.get_or_insert_with(|| Instant::now() + DRAIN_WITHIN);
        }
    }

    fn begin(&mut self, call: Call) {
        let remaining = call.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return call.answer(Err(Fault::NotReady));
        }
        self.outbox.extend_from_slice(&call.request.line(remaining));
        let id = call.request.id.clone();
        let twin =
            self.in_flight.insert(id, InFlight { call, cancelled: None, is_unwanted: false });
        debug_assert!(twin.is_none(), "a ticket is given once");
    }

    fn hear(&mut self, line: &[u8], circuit: &mut Circuit) -> Result<(), Failure> {
        self.last_heard = Instant::now();
        self.pong_due = None;
        match message::read(line)? {
            FromProgram::Pong => {}
            FromProgram::Ready { .. } => return Err(Lie::OutOfTurn.into()),
            FromProgram::Progress { id, status_text } => {
                self.setting.check_length(line, Output::Progress)?;
                let in_flight = self.in_flight.get_mut(&id).ok_or(Lie::WrongId)?;
                in_flight.call.teller.say(status_text);
            }
            FromProgram::Response { id, response } => {
                self.setting.check_length(line, Output::Response)?;
                let in_flight = self.in_flight.remove(&id).ok_or(Lie::WrongId)?;
                let InFlight { call, cancelled, is_unwanted } = in_flight;
                if cancelled.is_some() && !is_unwanted {
                    call.answer(Err(Fault::TimedOut { after: self.setting.timeout }));
                } else {
                    call.answer(Ok(response));
                    circuit.succeeded();
                }
            }
        }
        Ok(())
    }

    /// When [`Self::look_at_the_clock`] has something to do next.
    fn next_due(&self) -> Instant {
        let commands = self.in_flight.values().map(InFlight::due).min();
        commands.unwrap_or_else(|| self.ping_due())
    }

    /// Pings are for a program with nothing to do: a busy one may be too busy to answer.
    fn ping_due(&self) -> Instant {
        self.pong_due.unwrap_or(self.last_heard + self.setting.patience.ping_after)
    }

    fn look_at_the_clock(&mut self) -> Result<(), Failure> {
        let (now, patience) = (Instant::now(), self.setting.patience);
        for (id, in_flight) in self.in_flight.iter_mut().filter(|(_, entry)| entry.due() <= now) {
            if in_flight.cancelled.is_some() {
                return Err(Failure::WouldNotStop(patience.kill_grace));
            }
            self.outbox.extend_from_slice(&message::cancel(id));
            in_flight.cancelled = Some(now + patience.kill_grace);
        }
        if self.in_flight.is_empty() && self.ping_due() <= now {
            if self.pong_due.is_some() {
                return Err(Failure::NoPong(patience.pong_within));
            }
            self.outbox.extend_from_slice(&message::ping());
            self.pong_due = Some(now + patience.pong_within);
        }
        Ok(())
    }
}

impl InFlight {
    /// When its time, or the time to give it up, is over.
    fn due(&self) -> Instant {
        self.cancelled.unwrap_or(self.call.deadline)
    }
}
