//! One process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::JournalError;

/// The file whose lock says who has the journal, and whose content is its process id.
const FILE: &str = "journal.lock";

/// How long to wait for people who are reading the journal directly, and for
/// what a process that is dead has left behind.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two attempts meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Room for a process id and the end of its line.
const PID_BYTES: usize = 16;

/// The right to use a journal, for as long as it lives. The kernel takes it
/// back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// For the one process that writes.
    ///
    /// Those who only read it directly are waited for, a little, and so is
    /// what a dead owner has left behind.
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
                    let is_owned =
                        is_written_to(&file).map_err(folder)? && owner(&file).is_living();
                    wait(dir, &file, is_owned, deadline)?;
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

    /// For somebody who reads while nobody writes. Writes nothing. What a dead
    /// owner has left behind is waited for, a little.
    pub(super) fn shared(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE);
        let folder = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => JournalError::Missing { dir: dir.to_owned() },
            _ => JournalError::Folder { path: path.clone(), source },
        };
        let file = File::open(&path).map_err(folder)?;

        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(folder(error)),
                Err(TryLockError::WouldBlock) => {
                    wait(dir, &file, owner(&file).is_living(), deadline)?;
                }
            }
        }
    }
}

/// A moment's wait for somebody who will soon be gone. A writer that lives is
/// named at once, anybody else when the time is up.
fn wait(dir: &Path, file: &File, is_owned: bool, deadline: Instant) -> Result<(), JournalError> {
    if is_owned || Instant::now() >= deadline {
        return Err(JournalError::InUse { dir: dir.to_owned(), pid: owner(file).0 });
    }
    thread::sleep(PAUSE);
    Ok(())
}

/// Whether the lock that is in our way is a writer's.
fn is_written_to(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The process that the file names, where it names one.
struct Owner(Option<u32>);

fn owner(file: &File) -> Owner {
    let mut text = [0; PID_BYTES];
    let read = file.read_at(&mut text, 0).unwrap_or(0);
    let text = std::str::from_utf8(&text[..read]).ok();
    Owner(text.and_then(|text| text.trim().parse().ok()))
}

impl Owner {
    /// Whether the lock is this process's, and not what it left behind.
    ///
    /// When a writer is killed while it starts a program, its child holds the
    /// lock for the milliseconds that it needs to become that program. Who
    /// has not written his name yet lives.
    ///
    /// Asks `/proc` and not `kill`, to which a process that is dead and only
    /// waits for its parent looks alive. Where there is no `/proc` to read,
    /// that costs no more than [`PATIENCE`].
    fn is_living(&self) -> bool {
        let Some(pid) = self.0 else { return true };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        // The state follows the program's name, which stands in parentheses
        // and may hold any text (proc_pid_stat(5)).
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        !matches!(state, Some('Z' | 'X'))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Somebody has the lock, and the file says that it is the process `pid`.
    fn held(dir: &Path, pid: u32) -> File {
        let path = dir.join(FILE);
        fs::write(&path, format!("{pid}\n")).unwrap();
        let file = File::open(path).unwrap();
        file.try_lock().unwrap();
        file
    }

    /// A process that has ended, and that nobody has asked about yet.
    fn ended() -> std::process::Child {
        let child = Command::new("true").spawn().unwrap();
        let owner = Owner(Some(child.id()));
        let deadline = Instant::now() + PATIENCE;
        while owner.is_living() {
            assert!(Instant::now() < deadline, "`true` does not end");
            thread::yield_now();
        }
        child
    }

    #[test]
    fn what_a_dead_owner_left_behind_is_waited_for() {
        for take in [Lock::exclusive, Lock::shared] {
            for is_buried in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let mut child = ended();
                if is_buried {
                    child.wait().unwrap();
                }
                let left_over = held(dir.path(), child.id());
                let release = thread::spawn(move || {
                    thread::sleep(PAUSE * 5);
                    left_over.unlock().unwrap();
                });
                take(dir.path()).unwrap();
                release.join().unwrap();
                child.wait().unwrap();
            }
        }
    }

    #[test]
    fn a_living_owner_is_named_at_once() {
        for take in [Lock::exclusive, Lock::shared] {
            let dir = tempfile::tempdir().unwrap();
            let me = std::process::id();
            let _mine = held(dir.path(), me);
            let began = Instant::now();
            let error = take(dir.path()).unwrap_err();
            assert!(matches!(error, JournalError::InUse { pid: Some(pid), .. } if pid == me));
            assert!(began.elapsed() < PATIENCE / 2, "it waited");
        }
    }

    #[test]
    fn patience_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = ended();
        child.wait().unwrap();
        let _left_over = held(dir.path(), child.id());
        let error = Lock::exclusive(dir.path()).unwrap_err();
        assert!(matches!(error, JournalError::InUse { pid: Some(pid), .. } if pid == child.id()));
    }
}
