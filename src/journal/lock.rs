//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::JournalError;

/// The file whose lock says who has the journal, and whose content is its process id.
const FILE: &str = "journal.lock";

/// How long to wait for people who are reading the journal directly.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two attempts meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// The right to use a journal, for as long as it lives. The kernel takes it
/// back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// For the one process that writes.
    ///
    /// Those who only read it directly are waited for, a little.
    pub(super) fn exclusive(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE);
        let folder = |source| JournalError::Folder { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(folder)?;

        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(folder(error)),
                Err(TryLockError::WouldBlock) => {
                    if is_written_to(&file).map_err(folder)? || Instant::now() >= deadline {
                        return Err(in_use(dir, &mut file));
                    }
                    thread::sleep(PAUSE);
                }
            }
        }

        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_pid(&mut file).map_err(folder)?;
        Ok(Self { _file: file })
    }

    /// For somebody who reads while nobody writes. Writes nothing.
    pub(super) fn shared(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE);
        let folder = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => JournalError::Missing { dir: dir.to_owned() },
            _ => JournalError::Folder { path: path.clone(), source },
        };
        let mut file = File::open(&path).map_err(folder)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(in_use(dir, &mut file)),
            Err(TryLockError::Error(error)) => Err(folder(error)),
        }
    }
}

/// Whether the lock that is in our way is a writer's.
fn is_written_to(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn in_use(dir: &Path, file: &mut File) -> JournalError {
    let mut text = String::new();
    let pid = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let pid = pid.ok().and_then(|_| text.trim().parse().ok());
    JournalError::InUse { dir: dir.to_owned(), pid }
}
