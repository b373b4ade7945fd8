//! Which stored client identifier is ours, while we run.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::mqtt::client_id::random_client_id;

/// Programs of one user that may be producers at the same time.
const SLOTS: u16 = 64;

/// Longest client identifier every broker takes, in characters (MQTT 5, section 3.1.3.1).
const CLIENT_ID_CHARS: usize = 23;

/// A stored client identifier that nobody else uses while this value lives.
///
/// The transfer specification wants a random identifier that is stored before
/// the first connection and used again ever after (section 2.6), and a broker
/// cuts one of two clients that have the same. So there is a file for each
/// program that may run at once, and the lock on it (`flock`, which ends with
/// the process, however it ends) says that it is taken.
#[derive(Debug)]
pub struct Slot {
    number: u16,
    client_id: String,
    locked: File,
}

/// Why there is no client identifier.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// Neither variable says where a user's state is kept.
    #[error("no place for the client identifier: set XDG_STATE_HOME or HOME")]
    NoHome,
    /// Every slot is locked.
    #[error("{SLOTS} producers of this user are running; {} is full", dir.display())]
    AllTaken {
        /// The slots' directory.
        dir: PathBuf,
    },
    /// A file could not be made, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Slot {
    /// Takes the first slot in `dir` that is free, and makes its identifier if
    /// it has none that can be used.
    pub fn take(dir: &Path) -> Result<Self, SlotError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |source| SlotError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault(dir))?;
        for number in 0..SLOTS {
            let path = dir.join(number.to_string());
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(fault(&path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(source)) => return Err(SlotError::Io { path, source }),
            }
            let client_id = stored_or_new(&mut file).map_err(fault(&path))?;
            return Ok(Self { number, client_id, locked: file });
        }
        Err(SlotError::AllTaken { dir: dir.to_owned() })
    }

    /// Which slot it is.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The client identifier: 1 to 23 letters and digits.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// An identity for a producer that was not given one: stable from run to
    /// run, says who it is, and can stand in a topic.
    #[must_use]
    pub fn default_identity(&self, user: &str) -> String {
        /// Longest part of the user's name, in characters.
        const USER_CHARS: usize = 32;
        let kept = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let user: String =
            user.chars().take(USER_CHARS).map(|c| if kept(c) { c } else { '-' }).collect();
        let user = if user.is_empty() { "user" } else { &user };
        format!("oc2-{user}-{}", self.number)
    }
}

impl Drop for Slot {
    /// Closing the file would not do while a process that is just being started
    /// still holds a copy of it.
    fn drop(&mut self) {
        // Where it fails, the end of the process unlocks.
        let _still_locked = self.locked.unlock();
    }
}

/// The identifier in the file; a new one, made durable, where there is none or
/// what is there cannot be one (a write that a crash cut short).
fn stored_or_new(file: &mut File) -> io::Result<String> {
    // One more than allowed, so that what is too long does not look right.
    let limit = u64::try_from(CLIENT_ID_CHARS + 1).expect("a small number");
    let mut stored = Vec::new();
    (&*file).take(limit).read_to_end(&mut stored)?;
    if let Ok(text) = String::from_utf8(stored)
        && (1..=CLIENT_ID_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Ok(text);
    }
    let fresh = random_client_id()?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(fresh.as_bytes())?;
    file.sync_all()?;
    Ok(fresh)
}

/// The directory of the slots in this user's state directory
/// (XDG Base Directory Specification 0.8: a relative path there does not count).
pub fn slots_dir() -> Result<PathBuf, SlotError> {
    let state = state_home(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
    Ok(state.ok_or(SlotError::NoHome)?.join("openc2-bridge/producer"))
}

fn state_home(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |text: OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    xdg.and_then(absolute).or_else(|| home.and_then(absolute).map(|home| home.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::{Command, Stdio};
    use std::sync::{Arc, Barrier};

    use super::*;

    /// Says to a test process that it is the child of one, and where the slots are.
    const CHILD_DIR: &str = "OC2_TEST_SLOTS_DIR";

    /// MQTT-3.1-4: random, 1 to 23 letters and digits, the same at every later start.
    #[test]
    fn an_identifier_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = Slot::take(dir.path()).unwrap().client_id().to_owned();
        let again = Slot::take(dir.path()).unwrap();
        assert_eq!(again.client_id(), first);
        assert_eq!(first.len(), CLIENT_ID_CHARS);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));

        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(Slot::take(elsewhere.path()).unwrap().client_id(), first);
    }

    #[test]
    fn what_cannot_be_an_identifier_is_replaced() {
        for stored in ["", "has space", "x\n", "waytoolongforaclientidentifier", "h\u{e9}"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("0"), stored).unwrap();
            let made = Slot::take(dir.path()).unwrap().client_id().to_owned();
            assert_eq!(fs::read_to_string(dir.path().join("0")).unwrap(), made, "{stored:?}");
            assert_eq!(made.len(), CLIENT_ID_CHARS);
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("0"), "MyOwn1").unwrap();
        assert_eq!(Slot::take(dir.path()).unwrap().client_id(), "MyOwn1");
    }

    #[test]
    fn threads_never_share_a_slot() {
        const THREADS: usize = 8;
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let all_hold_one = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (dir, all_hold_one) = (Arc::clone(&dir), Arc::clone(&all_hold_one));
                std::thread::spawn(move || {
                    let slot = Slot::take(dir.path()).unwrap();
                    all_hold_one.wait();
                    (slot.number(), slot.client_id().to_owned())
                })
            })
            .collect();
        let taken: BTreeSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let ids: BTreeSet<_> = taken.iter().map(|(_, id)| id).collect();
        assert_eq!(ids.len(), THREADS);
        assert_eq!(taken.len(), THREADS);
    }

    #[test]
    fn another_process_takes_another_slot_and_its_death_frees_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "producer::slot::tests::child_holds_a_slot", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = io::BufReader::new(child.stdout.take().unwrap());
        let theirs = io::BufRead::lines(&mut said)
            .find_map(|line| line.unwrap().split("slot=").nth(1).map(str::to_owned))
            .unwrap();

        let ours = Slot::take(dir.path()).unwrap();
        assert_eq!(ours.number(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        let freed = Slot::take(dir.path()).unwrap();
        assert_eq!((freed.number(), freed.client_id()), (0, theirs.as_str()));
    }

    /// The other process of the test above; by itself it has nothing to do.
    #[test]
    fn child_holds_a_slot() {
        let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
        let slot = Slot::take(Path::new(&dir)).unwrap();
        println!("slot={}", slot.client_id());
        // Until it is killed.
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    #[test]
    fn the_state_directory_is_where_the_user_keeps_it() {
        let cases = [
            (Some("/s"), Some("/h"), Some("/s")),
            (None, Some("/h"), Some("/h/.local/state")),
            (Some("relative"), Some("/h"), Some("/h/.local/state")),
            (Some(""), None, None),
            (None, None, None),
        ];
        for (xdg, home, dir) in cases {
            let found = state_home(xdg.map(OsString::from), home.map(OsString::from));
            assert_eq!(found, dir.map(PathBuf::from), "{xdg:?} {home:?}");
        }
    }

    #[test]
    fn a_default_identity_can_stand_in_a_topic() {
        let dir = tempfile::tempdir().unwrap();
        let slot = Slot::take(dir.path()).unwrap();
        let cases = [
            ("ann", "oc2-ann-0"),
            ("", "oc2-user-0"),
            ("DOMAIN/ann#+", "oc2-DOMAIN-ann---0"),
            ("j\u{f6}rg", "oc2-j-rg-0"),
        ];
        for (user, identity) in cases {
            assert_eq!(slot.default_identity(user), identity);
            assert!(super::super::topic_level(&slot.default_identity(user)).is_ok());
        }
    }
}
