//! What both modes need to know of an actuator.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::config::{ExecConfig, Mode};
use super::error::ExecError;
use super::fault::{Fault, Output};
use super::process::Launch;
use super::program::Program;
use super::stderr::StderrLog;
use super::workdir::WorkDir;
use crate::openc2::Members;

/// How long the pipes of a process that is gone are still read. Only a
/// descendant that has left its group makes us wait for the whole of it.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_millis(250);

/// What may be said as `timeout`.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);

/// An actuator's settings, checked.
#[derive(Debug)]
pub(super) struct Setting {
    /// Name of the actuator.
    pub(super) name: String,
    pub(super) launch: Launch,
    /// How long a command may take.
    pub(super) timeout: Duration,
    /// Goes into `hello`.
    pub(super) config: Members,
    pub(super) stderr: StderrLog,
    pub(super) patience: Patience,
}

impl Setting {
    /// Everything that [`Setting::check`] would complain of, one after the other.
    pub(super) fn mistakes(name: &str, config: &ExecConfig) -> Vec<ExecError> {
        let mut mistakes = Program::mistakes(name, config);
        mistakes.extend(bad_timeout(config));
        mistakes.extend(bad_config(config));
        if mistakes.is_empty() {
            mistakes.extend(Self::check(name, config.clone(), Patience::default()).err());
        }
        mistakes
    }

    pub(super) fn check(
        name: &str,
        config: ExecConfig,
        patience: Patience,
    ) -> Result<Self, ExecError> {
        let program = Program::check(name, &config)?;
        let work_dir = WorkDir::check(config.work_dir.as_deref(), program.identity)?;
        if let Some(error) = bad_timeout(&config).or(bad_config(&config)) {
            return Err(error);
        }
        let ExecConfig { timeout, config, limits, .. } = config;
        let stderr = StderrLog::new(name, limits.stderr_bytes_per_minute.get());
        let launch = Launch { program, work_dir, limits };
        Ok(Self { name: name.to_owned(), launch, timeout, config, stderr, patience })
    }

    /// Checks a line against the limit of its kind.
    pub(super) fn check_length(&self, line: &[u8], of: Output) -> Result<(), Fault> {
        let limits = &self.launch.limits;
        let limit = match of {
            Output::Progress => limits.progress_bytes.get(),
            Output::Response => limits.response_bytes.get(),
            Output::Line => limits.line_bytes(),
            Output::StandardError => limits.stderr_bytes_per_minute.get(),
        };
        if line.len() > limit { Err(Fault::TooMuch { of, limit }) } else { Ok(()) }
    }
}

fn bad_timeout(config: &ExecConfig) -> Option<ExecError> {
    let ExecConfig { timeout, .. } = *config;
    (!TIMEOUTS.contains(&timeout)).then_some(ExecError::TimeoutOutOfRange { timeout })
}

fn bad_config(config: &ExecConfig) -> Option<ExecError> {
    let is_in_vain = config.mode == Mode::Oneshot && !config.config.is_empty();
    is_in_vain.then_some(ExecError::ConfigInOneshot)
}

/// How long we wait for a program that should have done something by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Between asking it to stop and killing it.
    pub(super) kill_grace: Duration,
    /// Until a program that stays says that it is ready.
    pub(super) ready_within: Duration,
    /// Of silence, with nothing to do, before it is asked whether it is there.
    pub(super) ping_after: Duration,
    /// For the answer to that.
    pub(super) pong_within: Duration,
    /// Before the first restart; doubled for each failure after that.
    pub(super) first_restart: Duration,
    /// Before any restart, at most. A program that has been ready for longer
    /// has its earlier failures forgiven.
    pub(super) last_restart: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            kill_grace: Duration::from_secs(2),
            ready_within: Duration::from_secs(10),
            ping_after: Duration::from_secs(30),
            pong_within: Duration::from_secs(10),
            first_restart: Duration::from_secs(1),
            last_restart: Duration::from_mins(1),
        }
    }
}
