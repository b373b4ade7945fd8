//! The Client Identifier: made once, stored, used again at every connection.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Random letters and digits; at most 23 of them, so that every broker takes
/// it (MQTT v5.0, section 3.1.3.1; Transfer via MQTT v1.0, section 2.6).
const LENGTH: usize = 23;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a client must not forget of its session: the file in which it is kept.
///
/// The first line is the Client Identifier. The others are the topic filters of
/// the subscriptions that the broker was last known to hold for it, so that one which
/// the configuration no longer names can be ended.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
    client_id: String,
    filters: BTreeSet<String>,
    is_new: bool,
}

/// The session file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionFileError {
    /// Reading or writing failed.
    #[error("{}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What stands there is no Client Identifier of ours.
    #[error("{path}: the first line is no client identifier (1 to 23 letters and digits)")]
    NoClientId {
        /// Which file.
        path: PathBuf,
    },
}

impl SessionFile {
    /// Reads the file; makes it, with a new identifier, where there is none.
    ///
    /// The file is durable and its owner's alone (mode 0600) before this returns,
    /// and so before the first connection.
    pub fn open(path: &Path) -> Result<Self, SessionFileError> {
        let failed = |source| SessionFileError::File { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = Self {
                    path: path.to_owned(),
                    client_id: random_client_id().map_err(failed)?,
                    filters: BTreeSet::new(),
                    is_new: true,
                };
                new.write()?;
                Ok(new)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SessionFileError> {
        let mut lines = text.lines();
        let client_id = lines.next().unwrap_or_default();
        let fits = (1..=LENGTH).contains(&client_id.len())
            && client_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return Err(SessionFileError::NoClientId { path: path.to_owned() });
        }
        Ok(Self {
            path: path.to_owned(),
            client_id: client_id.to_owned(),
            filters: lines.map(ToOwned::to_owned).collect(),
            is_new: false,
        })
    }

    /// The Client Identifier.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// There was no file: the identifier has just been made.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Topic filters that the broker was last known to hold for us. Where there are
    /// any, there was a session, and it should still be there.
    #[must_use]
    pub fn filters(&self) -> &BTreeSet<String> {
        &self.filters
    }

    /// Remembers these filters instead; durable when it returns.
    pub fn remember(&mut self, filters: BTreeSet<String>) -> Result<(), SessionFileError> {
        if filters == self.filters {
            return Ok(());
        }
        self.filters = filters;
        self.write()
    }

    /// Writes beside the file and renames, so that a crash leaves the old file or the new one.
    fn write(&self) -> Result<(), SessionFileError> {
        let failed = |source| SessionFileError::File { path: self.path.clone(), source };
        let mut text = format!("{}\n", self.client_id);
        for filter in &self.filters {
            text.push_str(filter);
            text.push('\n');
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        let write = || {
            fs::create_dir_all(folder)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(failed)
    }
}

/// A new identifier of [`LENGTH`] letters and digits, from the system's random numbers.
pub fn random_client_id() -> io::Result<String> {
    // Bytes above the last multiple of 62 would make some characters likelier.
    const FAIR: u8 = 248;
    let mut source = File::open("/dev/urandom")?;
    let mut id = String::with_capacity(LENGTH);
    while id.len() < LENGTH {
        let mut bytes = [0; 2 * LENGTH];
        source.read_exact(&mut bytes)?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let letters = fair.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        id.extend(letters.take(LENGTH - id.len()));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Shows MQTT-3.1-4 for the file; the wire is in `tests/it/mqtt_connect.rs`.
    #[test]
    fn an_identifier_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/client-id");
        let made = SessionFile::open(&path).unwrap();
        assert!(made.is_new());
        assert_eq!(made.client_id().len(), 23);
        assert!(made.client_id().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let again = SessionFile::open(&path).unwrap();
        assert_eq!(again.client_id(), made.client_id());
        assert!(!again.is_new());
        let other = SessionFile::open(&folder.path().join("other")).unwrap();
        assert_ne!(other.client_id(), made.client_id());
    }

    #[test]
    fn filters_are_remembered_beside_the_identifier() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client-id");
        let mut file = SessionFile::open(&path).unwrap();
        assert!(file.filters().is_empty());
        file.remember(["b".to_owned(), "a b".to_owned()].into()).unwrap();
        let again = SessionFile::open(&path).unwrap();
        assert_eq!(again.client_id(), file.client_id());
        assert!(again.filters().iter().eq(["a b", "b"]));
    }

    #[test]
    fn a_file_that_holds_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client-id");
        let texts: [&[u8]; 5] =
            [b"", b"\n", b"has space\n", b"012345678901234567890123\n", b"\xff\xfe\n"];
        for text in texts {
            fs::write(&path, text).unwrap();
            assert!(SessionFile::open(&path).is_err(), "{text:?}");
            assert_eq!(fs::read(&path).unwrap(), text);
        }
    }
}
