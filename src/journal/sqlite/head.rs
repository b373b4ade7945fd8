//! The file beside the database that knows how far the journal had come.
//!
//! Damage to a write-ahead log rolls the database back without a word. So
//! after each commit the number and the link of the last record are written
//! into `journal.head` as well: without a wait for the disk, since it is
//! written only when the commit is durable. A file that is behind proves
//! nothing; one that is ahead of the database proves that records are gone.
//!
//! It has two slots of 64 bytes, written in turn, so that a torn write leaves
//! the older one:
//!
//! ```text
//! seq, ticket, outbox    8 bytes each, big endian: the highest numbers given
//! link                   32 bytes: the link of record `seq`
//! check                  8 bytes: the first of the SHA-256 of a name and the 56 before
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::schema::sync_dir;
use crate::journal::chain::Link;
use crate::journal::error::JournalError;
use crate::trust::digest_of_parts;

/// Name of the file in the journal's folder.
pub(super) const FILE: &str = "journal.head";

/// Says in each check what the slot is.
const NAME: &[u8] = b"oc2 journal head 1";

const SLOT_BYTES: usize = 64;
const CHECKED_BYTES: usize = 56;

/// How far a journal has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::journal) struct Head {
    pub(in crate::journal) seq: u64,
    pub(in crate::journal) ticket: u64,
    pub(in crate::journal) outbox: u64,
    pub(in crate::journal) link: Link,
}

impl Head {
    fn to_slot(self) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&self.seq.to_be_bytes());
        slot[8..16].copy_from_slice(&self.ticket.to_be_bytes());
        slot[16..24].copy_from_slice(&self.outbox.to_be_bytes());
        slot[24..CHECKED_BYTES].copy_from_slice(&self.link);
        let check = digest_of_parts([NAME, &slot[..CHECKED_BYTES]]);
        slot[CHECKED_BYTES..].copy_from_slice(&check[..SLOT_BYTES - CHECKED_BYTES]);
        slot
    }

    fn from_slot(slot: &[u8; SLOT_BYTES]) -> Option<Self> {
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&slot[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let mut link = [0; 32];
        link.copy_from_slice(&slot[24..CHECKED_BYTES]);
        let head = Self { seq: number(0), ticket: number(8), outbox: number(16), link };
        (head.to_slot() == *slot).then_some(head)
    }
}

/// What the file says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::journal) enum Said {
    /// There is none.
    Nothing,
    /// It is there, and neither slot can be read.
    Nonsense,
    /// This; one of the slots may be unreadable.
    Head { head: Head, is_whole: bool },
}

/// The file, to write.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    path: PathBuf,
    /// Which slot is next.
    turn: u64,
}

/// Where it is.
pub(in crate::journal) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Reads the file.
pub(in crate::journal) fn read(dir: &Path) -> Result<Said, JournalError> {
    let path = path(dir);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Said::Nothing),
        Err(source) => return Err(JournalError::Folder { path, source }),
    };
    let slot = |at: u64| {
        let mut slot = [0; SLOT_BYTES];
        file.read_exact_at(&mut slot, at).ok()?;
        Head::from_slot(&slot)
    };
    let slots = [slot(0), slot(SLOT_BYTES as u64)];
    let is_whole = slots.iter().all(Option::is_some);
    let newest = slots.into_iter().flatten().max_by_key(|head| head.seq);
    Ok(newest.map_or(Said::Nonsense, |head| Said::Head { head, is_whole }))
}

impl HeadFile {
    /// Makes the file anew, so that not even a power cut leaves it empty.
    pub(super) fn make(dir: &Path, head: Head) -> Result<Self, JournalError> {
        let path = path(dir);
        let make = || {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            file.write_all_at(&[head.to_slot(), head.to_slot()].concat(), 0)?;
            file.set_len(2 * SLOT_BYTES as u64)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = make().map_err(|source| JournalError::Folder { path: path.clone(), source })?;
        sync_dir(dir)?;
        Ok(Self { file, path, turn: 0 })
    }

    /// Notes how far it has come. The caller has made that durable.
    pub(super) fn write(&mut self, head: Head) -> Result<(), JournalError> {
        let at = (self.turn % 2) * SLOT_BYTES as u64;
        self.turn += 1;
        self.file
            .write_all_at(&head.to_slot(), at)
            .map_err(|source| JournalError::Folder { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn head(seq: u64) -> Head {
        Head { seq, ticket: seq / 2, outbox: seq / 3, link: [7; 32] }
    }

    #[test]
    fn the_newest_slot_counts_and_a_torn_one_leaves_the_other() {
        let dir = TempDir::new().unwrap();
        assert_eq!(read(dir.path()).unwrap(), Said::Nothing);
        let mut file = HeadFile::make(dir.path(), head(1)).unwrap();
        for seq in 2..=9 {
            file.write(head(seq)).unwrap();
            let said = Said::Head { head: head(seq), is_whole: true };
            assert_eq!(read(dir.path()).unwrap(), said);
        }

        let whole = std::fs::read(path(dir.path())).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path(dir.path()), &flipped).unwrap();
            // 8 went into the first slot, 9 into the second.
            let left = if bit < SLOT_BYTES * 8 { 9 } else { 8 };
            let said = read(dir.path()).unwrap();
            assert_eq!(said, Said::Head { head: head(left), is_whole: false }, "bit {bit}");
        }
        for cut in 0..whole.len() {
            std::fs::write(path(dir.path()), &whole[..cut]).unwrap();
            let said = read(dir.path()).unwrap();
            assert_eq!(said == Said::Nonsense, cut < SLOT_BYTES, "cut at {cut}: {said:?}");
        }
    }
}
