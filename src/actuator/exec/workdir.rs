//! The directory a program works in.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::unistd::{chown, geteuid, mkdtemp};

use super::error::ExecError;
use super::program::{Identity, Sticky, check_hands_off, check_way_to, look_at, resolve};

/// What the names of private directories begin with.
const PREFIX: &str = "oc2-exec-";

/// How often a private directory is made until it is there to stay.
const ATTEMPTS: usize = 10;

/// Where a program is started: as configured, or a private directory of ours.
#[derive(Debug)]
pub(super) enum WorkDir {
    /// `work-dir` of the settings, checked.
    Given(PathBuf),
    /// Made when it is first needed, removed in the end.
    Private { identity: Option<Identity>, made: Mutex<Option<Private>> },
}

/// A directory that is locked as long as its owner lives. The kernel gives the
/// lock back however the owner ends, so that what a killed bridge has left
/// behind can be told from what another one is using, in whatever namespace
/// of process ids that may be.
#[derive(Debug)]
pub(super) struct Private {
    path: PathBuf,
    _lock: File,
}

impl WorkDir {
    pub(super) fn check(
        configured: Option<&Path>,
        identity: Option<Identity>,
    ) -> Result<Self, ExecError> {
        let Some(path) = configured else {
            return Ok(Self::Private { identity, made: Mutex::new(None) });
        };
        if !path.is_absolute() {
            return Err(ExecError::NotAbsolute { path: path.to_owned() });
        }
        let path = resolve(path)?;
        let found = look_at(&path)?;
        if !found.is_dir() {
            return Err(ExecError::NotADirectory { path });
        }
        // Unlike the program, it may belong to the user that the program runs as.
        let owner = identity.map(|identity| identity.user.as_raw());
        check_hands_off(&path, &found, owner, Sticky::MeansNothing)?;
        check_way_to(&path, Sticky::Protects)?;
        Ok(Self::Given(path))
    }

    /// The directory, made if need be.
    pub(super) fn path(&self) -> io::Result<PathBuf> {
        let (identity, made) = match self {
            Self::Given(path) => return Ok(path.clone()),
            Self::Private { identity, made } => (*identity, made),
        };
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Private { path, .. }) =
            made.as_ref().filter(|made| is_still_ours(&made.path, identity))
        {
            return Ok(path.clone());
        }
        let parent = std::env::temp_dir();
        remove_left_behind(&parent, identity);
        let made = made.insert(Private::new(&parent, identity)?);
        Ok(made.path.clone())
    }
}

impl Private {
    fn new(parent: &Path, identity: Option<Identity>) -> io::Result<Self> {
        // Before it is locked, somebody who tidies up just now may take it for
        // left behind.
        let fresh = || -> io::Result<Self> {
            let path = mkdtemp(&parent.join(format!("{PREFIX}XXXXXX")))?;
            let lock = open(&path)?;
            lock.try_lock()?;
            fs::symlink_metadata(&path)?;
            Ok(Self { path, _lock: lock })
        };
        let made = (1..ATTEMPTS).find_map(|_| fresh().ok()).map_or_else(fresh, Ok)?;
        if let Some(Identity { user, group }) = identity {
            chown(&made.path, Some(user), Some(group))?;
        }
        Ok(made)
    }
}

/// Removes the directories whose owners have ended without doing so.
fn remove_left_behind(parent: &Path, identity: Option<Identity>) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_named_so = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Before its owner changed, it was ours in any case.
        let is_ours = || is_still_ours(&path, identity) || is_still_ours(&path, None);
        if is_named_so
            && is_ours()
            && let Ok(lock) = open(&path)
            && lock.try_lock().is_ok()
        {
            remove(&path);
        }
    }
}

/// A directory itself, and nothing that somebody may have put in its place.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::debug!(?path, %error, "the private directory of a program stays behind");
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if let Self::Private { identity, made } = self
            && let Some(Private { path, .. }) =
                made.get_mut().unwrap_or_else(PoisonError::into_inner)
            && is_still_ours(path, *identity)
        {
            remove(path);
        }
    }
}

/// Those who tidy the directory of temporary files may have removed it, and
/// then anybody may have made another of that name.
fn is_still_ours(path: &Path, identity: Option<Identity>) -> bool {
    let owner = identity.map_or(geteuid(), |identity| identity.user).as_raw();
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_dir() && found.uid() == owner && found.permissions().mode() & 0o7777 == 0o700
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_owner_left_is_removed_and_what_a_living_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let in_use = Private::new(parent.path(), None).unwrap();
        // As the kernel leaves it after SIGKILL: the lock is gone, the directory is not.
        let Private { path: left_behind, _lock: lock } = Private::new(parent.path(), None).unwrap();
        fs::write(left_behind.join("file"), "what a program wrote").unwrap();
        drop(lock);
        let others = parent.path().join("oc2-exec-others");
        fs::create_dir(&others).unwrap();
        fs::set_permissions(&others, fs::Permissions::from_mode(0o755)).unwrap();
        let link = parent.path().join("oc2-exec-link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();

        remove_left_behind(parent.path(), None);

        assert!(!left_behind.exists());
        assert!(in_use.path.exists() && others.exists() && link.exists());
    }

    #[test]
    fn those_who_tidy_up_at_the_same_time_do_not_disturb_one_another() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        remove_left_behind(parent.path(), None);
                        let made = Private::new(parent.path(), None).unwrap();
                        assert!(made.path.is_dir());
                    }
                });
            }
        });
    }
}
