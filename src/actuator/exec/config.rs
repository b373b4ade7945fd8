//! The settings of `kind = "exec"`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::format::duration;
use crate::openc2::Members;

/// What `[actuator.NAME]` says beside the keys that every kind has.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ExecConfig {
    /// The program and its arguments. No shell reads them. In topics.toml a
    /// relative path starts from the folder of that file.
    pub command: Vec<String>,
    /// A process for each command, or one for all of them.
    pub mode: Mode,
    /// How long a command may take.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// Whom to become before the program runs; ourselves when absent.
    pub run_as: Option<RunAs>,
    /// Run the program as root all the same.
    pub allow_root: bool,
    /// What it can be told beside commands.
    pub understands: BTreeSet<Understood>,
    /// Constants for its environment; every name begins with `OPENC2_`.
    pub env: BTreeMap<String, String>,
    /// Goes to the program in `hello` (mode `stream` only).
    pub config: Members,
    /// The directory it works in; a private one, empty at first, when absent.
    pub work_dir: Option<PathBuf>,
    /// What it may use.
    pub limits: ExecLimits,
}

impl Default for ExecConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            mode: Mode::default(),
            timeout: Duration::from_secs(10),
            run_as: None,
            allow_root: false,
            understands: BTreeSet::new(),
            env: BTreeMap::new(),
            config: Members::new(),
            work_dir: None,
            limits: ExecLimits::default(),
        }
    }
}

impl ExecConfig {
    /// The same, with relative paths of program and folder from this folder on.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        if let Some(program) = self.command.first_mut() {
            *program = folder.join(&program).display().to_string();
        }
        self.work_dir = self.work_dir.map(|dir| folder.join(dir));
        self
    }
}

/// A message of the grammar that a program need not know.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Understood {
    /// End the effect of a command.
    Stop,
    /// Say whether a command was carried out.
    Probe,
}

/// How long a process of the program lives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// For one command.
    #[default]
    Oneshot,
    /// As long as the bridge.
    Stream,
}

/// Whom a program runs as.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunAs {
    /// Name or number of the user.
    pub user: String,
    /// Name or number of the group; the user's own when absent.
    pub group: Option<String>,
}

/// What a program may use. Passing an output limit kills it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ExecLimits {
    /// Longest response line, in bytes.
    pub response_bytes: NonZeroUsize,
    /// Longest progress line, in bytes.
    pub progress_bytes: NonZeroUsize,
    /// Standard error, in bytes a minute: of one process, and of the actuator in the log.
    pub stderr_bytes_per_minute: NonZeroUsize,
    /// Processor time of one process (`RLIMIT_CPU`), rounded up to whole seconds.
    #[serde(deserialize_with = "some_duration")]
    pub cpu: Option<Duration>,
    /// Address space of one process, in bytes (`RLIMIT_AS`).
    pub memory_bytes: Option<NonZeroU64>,
    /// Open files of one process (`RLIMIT_NOFILE`).
    pub open_files: Option<NonZeroU64>,
    /// Processes of the user it runs as (`RLIMIT_NPROC`); means nothing for root.
    pub processes: Option<NonZeroU64>,
    /// Largest file it may write, in bytes (`RLIMIT_FSIZE`).
    pub file_bytes: Option<NonZeroU64>,
}

impl Default for ExecLimits {
    fn default() -> Self {
        const KIB_64: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
        const KIB_256: NonZeroUsize = NonZeroUsize::new(256 * 1024).unwrap();
        Self {
            response_bytes: KIB_256,
            progress_bytes: KIB_64,
            stderr_bytes_per_minute: KIB_64,
            cpu: None,
            memory_bytes: None,
            open_files: None,
            processes: None,
            file_bytes: None,
        }
    }
}

impl ExecLimits {
    /// Longest line of either kind, in bytes.
    pub(super) fn line_bytes(&self) -> usize {
        self.response_bytes.max(self.progress_bytes).get()
    }
}

fn some_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let config: ExecConfig = toml::from_str("command = ['/bin/true']").unwrap();
        assert_eq!(config.mode, Mode::Oneshot);
        assert_eq!(config.timeout, Duration::from_secs(10));
        assert_eq!(config.limits.response_bytes.get(), 262_144);
        assert_eq!(config.limits.progress_bytes.get(), 65_536);
        assert_eq!(config.limits.stderr_bytes_per_minute.get(), 65_536);
        assert!(!config.allow_root);
    }

    #[test]
    fn every_key_can_be_written() {
        let config: ExecConfig = toml::from_str(
            r#"
            command = ["/usr/local/lib/oc2/probe", "-v"]
            mode = "stream"
            timeout = "250ms"
            run-as = { user = "nobody", group = "nogroup" }
            allow-root = true
            understands = ["stop", "probe"]
            env = { OPENC2_SITE = "north" }
            config = { level = 3 }
            work-dir = "/var/lib/oc2/probe"

            [limits]
            response-bytes = 1
            progress-bytes = 2
            stderr-bytes-per-minute = 3
            cpu = "5s"
            memory-bytes = 4
            open-files = 5
            processes = 6
            file-bytes = 7
            "#,
        )
        .unwrap();
        assert_eq!(config.mode, Mode::Stream);
        assert_eq!(config.limits.cpu, Some(Duration::from_secs(5)));
        assert_eq!(config.limits.line_bytes(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("comand = []", "unknown field `comand`"),
            ("command = '/bin/true'", "expected a sequence"),
            ("mode = 'daemon'", "unknown variant `daemon`"),
            ("understands = ['halt']", "unknown variant `halt`"),
            ("timeout = 10", "expected a string"),
            ("timeout = '10 s'", "is not a duration"),
            ("limits = { response-bytes = 0 }", "expected a nonzero usize"),
            ("limits = { cpus = '1s' }", "unknown field `cpus`"),
            ("run-as = { group = 'nogroup' }", "missing field `user`"),
        ];
        for (file, complaint) in cases {
            let error = toml::from_str::<ExecConfig>(file).unwrap_err().to_string();
            assert!(error.contains(complaint), "{file}: {error}");
        }
    }
}
