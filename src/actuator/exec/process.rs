//! One process of a program, from its start to the last of its group.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::timeout;

use super::config::ExecLimits;
use super::confine::{confine, group_of, resource_limits};
use super::fault::describe;
use super::launcher;
use super::program::Program;
use super::workdir::WorkDir;

/// How long a killed process may take to vanish. It takes longer only while
/// it hangs in the kernel, on a dead network file system for example.
const REAP_WITHIN: Duration = Duration::from_secs(5);

/// All that is needed to start a process of a program.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) program: Program,
    pub(super) work_dir: WorkDir,
    pub(super) limits: ExecLimits,
}

/// The standard streams of a process.
pub(super) struct Streams {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Launch {
    /// Starts a process. It is killed when the [`Process`] is dropped.
    pub(super) async fn start(&self) -> io::Result<(Process, Streams)> {
        let program = &self.program;
        let mut command = Command::new(&program.path);
        command
            .arg0(&program.name)
            .args(&program.arguments)
            .env_clear()
            .envs(&program.environment)
            .current_dir(self.work_dir.path()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(identity) = program.identity {
            // The standard library drops the supplementary groups with the user.
            command.uid(identity.user.as_raw()).gid(identity.group.as_raw());
        }
        confine(&mut command, resource_limits(&self.limits));

        launcher::launch(move || Process::start(command)).await
    }
}

/// Logs how a process ended that nobody else will hear of.
pub(super) fn log_end(actuator: &str, ended: io::Result<ExitStatus>) {
    match ended {
        Ok(status) => tracing::debug!(actuator, "the program was stopped ({})", describe(status)),
        Err(error) => tracing::error!(actuator, %error, "the program cannot be stopped"),
    }
}

/// A running process that leads its own group.
///
/// It is waited for only after the rest of its group has been killed: until
/// then its number cannot be given to another process or group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    /// Says that some child of ours has changed.
    children: Signals,
}

impl Process {
    fn start(mut command: Command) -> io::Result<(Self, Streams)> {
        // Before the start, so that not even the shortest life is missed.
        let children = signal(SignalKind::child())?;
        let mut child = command.spawn()?;
        let streams = Streams {
            stdin: child.stdin.take().expect("stdin is piped"),
            stdout: child.stdout.take().expect("stdout is piped"),
            stderr: child.stderr.take().expect("stderr is piped"),
        };
        let group = group_of(child.id().expect("nobody has waited for it yet"));
        Ok((Self { child, group, children }, streams))
    }

    /// Waits until it has exited. What it leaves behind stays until [`Self::kill`].
    pub(super) async fn exited(&mut self) {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        while let Ok(WaitStatus::StillAlive) = waitid(Id::Pid(self.group), look) {
            self.children.recv().await;
        }
    }

    /// Kills it with its whole group, unless it has exited before, and says how it ended.
    pub(super) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::SIGKILL);
        timeout(REAP_WITHIN, self.child.wait()).await?
    }

    /// Waits until it has exited, then kills the rest of its group.
    /// Nothing is lost when the future is dropped.
    pub(super) async fn gone(&mut self) -> io::Result<ExitStatus> {
        self.exited().await;
        self.kill().await
    }

    /// Asks its group to end, and kills what is left of it after `grace`.
    pub(super) async fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        // Whether it has exited or not: the rest is the same.
        let _late = timeout(grace, self.exited()).await;
        self.kill().await
    }

    fn signal(&self, signal: Signal) {
        // Without a number it has been waited for: the number may be another's by now.
        if self.child.id().is_some() {
            // It fails only where nobody is left to hear it.
            let _nobody = killpg(self.group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
