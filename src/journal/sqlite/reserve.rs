//! Room that is held back, for the moment at which there is none.
//!
//! A full disk ends the bridge, and it must be able to say so: the log may be
//! on the same disk, and the systems beside it want to write as well.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;

use crate::journal::error::JournalError;

/// Name of the file in the journal's folder.
const FILE: &str = "journal.reserve";

/// Bytes in a block, as the kernel counts them in a file.
const BLOCK_BYTES: u64 = 512;

/// The file, as long as it is.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

/// Holds so many bytes back. As much must be free beside them, or else there
/// is no use in beginning: what a full disk ended would be ended again at once.
pub(super) fn hold(dir: &Path, bytes: u64) -> Result<Option<Reserve>, JournalError> {
    if bytes == 0 {
        return Ok(None);
    }
    let path = dir.join(FILE);
    let reserve = Reserve { path: path.clone(), bytes };
    match fill(&path, bytes) {
        Ok(()) => {}
        Err(error) if is_full(&error) => return Err(reserve.no_room()),
        Err(source) => return Err(JournalError::Folder { path, source }),
    }
    let free = statvfs(dir)
        .map_err(|error| JournalError::Folder { path: dir.to_owned(), source: error.into() })?;
    if u128::from(free.blocks_available()) * u128::from(free.fragment_size()) < u128::from(bytes) {
        return Err(reserve.no_room());
    }
    Ok(Some(reserve))
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let file: File =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let found = file.metadata()?;
    if found.len() == bytes && found.blocks() * BLOCK_BYTES >= bytes {
        return Ok(());
    }
    file.set_len(0)?;
    let length = i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    posix_fallocate(&file, 0, length).map_err(Errno::into)
}

/// Whether there is no room for what was to be written.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl Reserve {
    /// Gives the room back, and says how much.
    pub(super) fn release(&self) -> u64 {
        match fs::remove_file(&self.path) {
            Ok(()) => self.bytes,
            Err(error) => {
                tracing::warn!(%error, "the reserve could not be given back");
                0
            }
        }
    }

    fn no_room(&self) -> JournalError {
        // It is worth more to whoever makes room.
        let bytes = self.bytes;
        if self.path.exists() {
            self.release();
        }
        JournalError::NoRoom { path: self.path.clone(), bytes }
    }
}
