//! `kind = "exec"`: any program as an actuator.
//!
//! The manual is `docs/actuators.md`. In short: a process for each command
//! (`oneshot`) or one for all of them ([`stream`]), both with the same
//! grammar (`message`): an object of JSON on each line. The program gets its
//! command on standard input and nowhere else, in a clean environment, in a
//! process group of its own (`confine`) that is killed when its time is
//! over; whatever it does wrong becomes a status (`fault`).
//!
//! This is the only room that names `nix`.

mod config;
mod confine;
mod error;
mod escape;
mod fault;
mod launcher;
mod lines;
mod message;
mod oneshot;
mod process;
mod program;
mod setting;
mod stderr;
mod stream;
mod teller;
#[cfg(test)]
mod tests;
mod workdir;

use std::sync::{Arc, OnceLock};

use serde_json::Value;

pub use self::config::{ExecConfig, ExecLimits, Mode, RunAs, Understood};
pub use self::error::ExecError;
use self::fault::{Fault, Lie};
use self::message::Request;
use self::setting::{Patience, Setting};
use self::stream::Stream;
use self::teller::Teller;
use super::{Perform, Progress};
use crate::dispatch::{Outcome, Work};
use crate::openc2::{Response, Status};
use crate::wire;

/// An actuator that is a program.
#[derive(Debug)]
pub struct Exec {
    setting: Arc<Setting>,
    mode: Mode,
    /// Started by the first command, or by [`Self::start`].
    stream: OnceLock<Stream>,
}

impl Exec {
    /// Checks the settings and the program file. Nothing is started.
    pub fn new(name: &str, config: ExecConfig) -> Result<Self, ExecError> {
        Self::with_patience(name, config, Patience::default())
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn mistakes(name: &str, config: &ExecConfig) -> Vec<ExecError> {
        Setting::mistakes(name, config)
    }

    fn with_patience(
        name: &str,
        config: ExecConfig,
        patience: Patience,
    ) -> Result<Self, ExecError> {
        let mode = config.mode;
        let setting = Arc::new(Setting::check(name, config, patience)?);
        Ok(Self { setting, mode, stream: OnceLock::new() })
    }

    /// Starts a program that stays now, rather than with the first command.
    /// Must be called within a runtime; in mode `oneshot` it does nothing.
    pub fn start(&self) {
        if self.mode == Mode::Stream {
            self.stream();
        }
    }

    fn stream(&self) -> &Stream {
        self.stream.get_or_init(|| Stream::start(Arc::clone(&self.setting)))
    }

    async fn carry_out(&self, request: Request, progress: Progress) -> Result<Value, Fault> {
        let cancelled = progress.cancelled.clone();
        let teller = Teller::new(progress);
        match self.mode {
            Mode::Oneshot => oneshot::carry_out(&self.setting, &request, teller, &cancelled).await,
            Mode::Stream => {
                self.stream().carry_out(&self.setting, request, teller, &cancelled).await
            }
        }
    }
}

impl Perform for Exec {
    async fn perform(&self, work: Work, progress: Progress) -> Outcome {
        let answer = self.carry_out(Request::from(&work), progress).await;
        match answer.and_then(|answer| read_response(&answer)) {
            Ok(response) => response.into(),
            Err(fault) => {
                tracing::warn!(actuator = self.setting.name, ticket = work.ticket.0, "{fault}");
                fault.into_outcome()
            }
        }
    }

    async fn close(&self) {
        if let Some(stream) = self.stream.get() {
            stream.close().await;
        }
    }
}

/// A response that may be passed on: well-formed, with a status that ends the command.
fn read_response(answer: &Value) -> Result<Response, Fault> {
    let response = wire::response_from_json(answer).map_err(Lie::BadResponse)?;
    match response.status {
        Status::Processing => Err(Lie::NotFinal.into()),
        _ => Ok(response),
    }
}
