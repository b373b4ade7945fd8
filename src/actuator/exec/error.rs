//! What can be wrong with the settings of an actuator program.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a program is not accepted as an actuator.
///
/// Each text says what is wrong, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the texts name")]
pub enum ExecError {
    /// `command` is missing or empty.
    #[error("command is empty: write the path of a program, then its arguments")]
    NoCommand,

    /// Where to look for it would depend on who starts the bridge.
    #[error(
        "{path:?} is no absolute path: write it from the root, as in \"/usr/local/lib/oc2/probe\""
    )]
    NotAbsolute { path: PathBuf },

    /// No program can be given such an argument.
    #[error("{text:?} holds a NUL character, which no argument or environment variable can")]
    HoldsNul { text: String },

    /// It is not there, or not for us to see.
    #[error("{path:?} cannot be looked at: {source}; it must exist, and the bridge must reach it")]
    Unreachable { path: PathBuf, source: io::Error },

    /// A directory, a device, a socket.
    #[error("{path:?} is no regular file: name the program itself")]
    NotAFile { path: PathBuf },

    /// Nobody may run it.
    #[error("{path:?} is not executable: chmod 0755 it")]
    NotExecutable { path: PathBuf },

    /// Its owner could put another program in its place.
    #[error(
        "{path:?} belongs to user {owner}: whoever owns it decides what the bridge runs; \
         chown it to root or to the user of the bridge ({own})"
    )]
    ForeignOwner { path: PathBuf, owner: u32, own: u32 },

    /// Others could put another program in its place.
    #[error(
        "{path:?} can be written by its group or by everybody (mode {mode:04o}): chmod go-w it"
    )]
    Writable { path: PathBuf, mode: u32 },

    /// `work-dir` is something else.
    #[error("work-dir {path:?} is no directory")]
    NotADirectory { path: PathBuf },

    /// Root can undo every other precaution.
    #[error(
        "the program would run as root: set run-as = {{ user = \"…\" }}, run the bridge as \
         another user, or set allow-root = true if it really must be root"
    )]
    WouldRunAsRoot,

    /// No such user.
    #[error("run-as: there is no user {name:?} here")]
    NoSuchUser { name: String },

    /// No such group.
    #[error("run-as: there is no group {name:?} here")]
    NoSuchGroup { name: String },

    /// Only root can become somebody else.
    #[error("run-as {name:?} needs a bridge that runs as root; leave run-as out")]
    CannotBecome { name: String },

    /// The environment is clean but for our own names.
    #[error(
        "env: {name:?} is not for the bridge to set: names begin with OPENC2_ and go on with \
         A to Z, 0 to 9 and _; {reserved} are set by the bridge"
    )]
    ForeignVariable { name: String, reserved: &'static str },

    /// Nothing would read it.
    #[error(
        "config is handed over in \"hello\", which only mode = \"stream\" has; use env instead"
    )]
    ConfigInOneshot,

    /// No command could be carried out, or none would ever end.
    #[error("timeout is {timeout:?}, allowed are 1 ms to 1 day (\"1d\")")]
    TimeoutOutOfRange { timeout: Duration },
}

impl ExecError {
    /// The key of the actuator's table that is wrong.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoCommand
            | Self::NotAbsolute { .. }
            | Self::HoldsNul { .. }
            | Self::Unreachable { .. }
            | Self::NotAFile { .. }
            | Self::NotExecutable { .. }
            | Self::ForeignOwner { .. }
            | Self::Writable { .. }
            | Self::WouldRunAsRoot => "command",
            Self::NotADirectory { .. } => "work-dir",
            Self::NoSuchUser { .. } | Self::NoSuchGroup { .. } | Self::CannotBecome { .. } => {
                "run-as"
            }
            Self::ForeignVariable { .. } => "env",
            Self::ConfigInOneshot => "config",
            Self::TimeoutOutOfRange { .. } => "timeout",
        }
    }
}
