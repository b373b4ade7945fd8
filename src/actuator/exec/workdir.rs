//! The directory a program works in.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::unistd::{chown, geteuid, mkdtemp};

use super::error::ExecError;
use super::program::{Identity, Sticky, check_hands_off, check_way_to, look_at, resolve};

/// Where a program is started: as configured, or a private directory of ours.
#[derive(Debug)]
pub(super) enum WorkDir {
    /// `work-dir` of the settings, checked.
    Given(PathBuf),
    /// Made when it is first needed, removed in the end.
    Private { identity: Option<Identity>, made: Mutex<Option<PathBuf>> },
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
        if let Some(path) = made.as_ref().filter(|path| is_still_ours(path, identity)) {
            return Ok(path.clone());
        }
        let path = mkdtemp(&std::env::temp_dir().join("oc2-exec-XXXXXX"))?;
        if let Some(Identity { user, group }) = identity {
            chown(&path, Some(user), Some(group))?;
        }
        *made = Some(path.clone());
        Ok(path)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if let Self::Private { identity, made } = self
            && let Some(path) = made.get_mut().unwrap_or_else(PoisonError::into_inner)
            && is_still_ours(path, *identity)
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::debug!(?path, %error, "the private directory of a program stays behind");
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
