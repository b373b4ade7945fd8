//! What is run: a program file that nobody else can replace, as whom, and with which environment.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use super::config::{ExecConfig, Mode, RunAs};
use super::error::ExecError;

const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE: u32 = 0o111;

/// Set by the bridge itself, for every program.
const OWN_VARIABLES: &str = "OPENC2_ACTUATOR and OPENC2_MODE";

/// A program that has passed the checks.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Where it is, all symbolic links followed: what was checked is what runs.
    pub(super) path: PathBuf,
    /// As it was written; becomes `argv[0]`.
    pub(super) name: String,
    /// The other arguments, always the same.
    pub(super) arguments: Vec<String>,
    /// The whole environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Whom to become.
    pub(super) identity: Option<Identity>,
}

/// A user and a group, and no supplementary groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) user: Uid,
    pub(super) group: Gid,
}

impl Program {
    /// What is wrong with the program, with whom it runs as, and with its environment.
    pub(super) fn mistakes(actuator: &str, config: &ExecConfig) -> Vec<ExecError> {
        let command = match config.command.first() {
            None => Some(ExecError::NoCommand),
            Some(name) => program_file(Path::new(name)).err(),
        };
        let rest = [identity(config).err(), environment(actuator, config).err()];
        command.into_iter().chain(rest.into_iter().flatten()).collect()
    }

    pub(super) fn check(actuator: &str, config: &ExecConfig) -> Result<Self, ExecError> {
        let (name, arguments) = config.command.split_first().ok_or(ExecError::NoCommand)?;
        let environment = environment(actuator, config)?;
        let texts = config.command.iter().chain(environment.values());
        if let Some(text) = texts.into_iter().find(|text| text.contains('\0')) {
            return Err(ExecError::HoldsNul { text: text.clone() });
        }
        let identity = identity(config)?;
        let path = program_file(Path::new(name))?;
        Ok(Self { path, name: name.clone(), arguments: arguments.to_vec(), environment, identity })
    }
}

fn environment(actuator: &str, config: &ExecConfig) -> Result<BTreeMap<String, String>, ExecError> {
    let mut environment = BTreeMap::from(
        [
            ("PATH", "/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("OPENC2_ACTUATOR", actuator),
            ("OPENC2_MODE", if config.mode == Mode::Stream { "stream" } else { "oneshot" }),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    for (name, value) in &config.env {
        let is_ours = name.strip_prefix("OPENC2_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
        });
        if !is_ours || environment.contains_key(name) {
            let name = name.clone();
            return Err(ExecError::ForeignVariable { name, reserved: OWN_VARIABLES });
        }
        environment.insert(name.clone(), value.clone());
    }
    Ok(environment)
}

fn identity(config: &ExecConfig) -> Result<Option<Identity>, ExecError> {
    let own = geteuid();
    let identity = config.run_as.as_ref().map(find_identity).transpose()?;
    let user = identity.map_or(own, |identity| identity.user);
    if user.is_root() && !config.allow_root {
        return Err(ExecError::WouldRunAsRoot);
    }
    match &config.run_as {
        Some(run_as) if !own.is_root() => {
            Err(ExecError::CannotBecome { name: run_as.user.clone() })
        }
        _ => Ok(identity),
    }
}

fn find_identity(run_as: &RunAs) -> Result<Identity, ExecError> {
    let user = match run_as.user.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(&run_as.user),
    };
    // A number that no user has is refused as well: it would have no group.
    let user =
        user.ok().flatten().ok_or_else(|| ExecError::NoSuchUser { name: run_as.user.clone() })?;
    let group = match &run_as.group {
        None => user.gid,
        Some(name) => {
            let group = match name.parse() {
                Ok(number) => Group::from_gid(Gid::from_raw(number)),
                Err(_) => Group::from_name(name),
            };
            let group = group.ok().flatten();
            group.ok_or_else(|| ExecError::NoSuchGroup { name: name.clone() })?.gid
        }
    };
    Ok(Identity { user: user.uid, group })
}

/// Checks the file and every directory on the way to it, both as it was
/// written and with all symbolic links followed; answers the latter.
fn program_file(written: &Path) -> Result<PathBuf, ExecError> {
    if !written.is_absolute() {
        return Err(ExecError::NotAbsolute { path: written.to_owned() });
    }
    let real = resolve(written)?;
    let found = look_at(&real)?;
    if !found.is_file() {
        return Err(ExecError::NotAFile { path: real });
    }
    if found.permissions().mode() & EXECUTABLE == 0 {
        return Err(ExecError::NotExecutable { path: real });
    }
    check_hands_off(&real, &found, None, Sticky::MeansNothing)?;
    check_way_to(written, Sticky::MeansNothing)?;
    check_way_to(&real, Sticky::MeansNothing)?;
    Ok(real)
}

/// What the sticky bit is worth: in such a directory others can add entries,
/// but they cannot replace ours.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Sticky {
    Protects,
    MeansNothing,
}

/// Checks the directories that lead to `path`; `parent` says whether the
/// nearest of them may be a sticky one, those above it may.
pub(super) fn check_way_to(path: &Path, parent: Sticky) -> Result<(), ExecError> {
    for (height, directory) in path.ancestors().skip(1).enumerate() {
        let sticky = if height == 0 { parent } else { Sticky::Protects };
        check_hands_off(directory, &look_at(directory)?, None, sticky)?;
    }
    Ok(())
}

/// Checks that nobody can change it but root, ourselves and `other`.
pub(super) fn check_hands_off(
    path: &Path,
    found: &Metadata,
    other: Option<u32>,
    sticky: Sticky,
) -> Result<(), ExecError> {
    let own = geteuid().as_raw();
    let (owner, mode) = (found.uid(), found.permissions().mode() & 0o7777);
    if owner != 0 && owner != own && Some(owner) != other {
        return Err(ExecError::ForeignOwner { path: path.to_owned(), owner, own });
    }
    let protected = sticky == Sticky::Protects && mode & STICKY != 0;
    if mode & WRITABLE_BY_OTHERS != 0 && !protected {
        return Err(ExecError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

pub(super) fn resolve(path: &Path) -> Result<PathBuf, ExecError> {
    fs::canonicalize(path).map_err(unreachable_at(path))
}

pub(super) fn look_at(path: &Path) -> Result<Metadata, ExecError> {
    fs::metadata(path).map_err(unreachable_at(path))
}

fn unreachable_at(path: &Path) -> impl Fn(io::Error) -> ExecError {
    move |source| ExecError::Unreachable { path: path.to_owned(), source }
}
