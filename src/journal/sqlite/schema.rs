//! The tables, and how the file is opened.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::journal::error::JournalError;

/// Name of the database in the journal's folder.
const FILE: &str = "journal.db";

/// Oldest SQLite that will do: 3.51.3 mends a write-ahead log that is reset wrongly.
const SQLITE_NEEDED: i32 = 3_051_003;

/// `OC2J`: marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x4f43_324a;

/// Version of the tables (`PRAGMA user_version`).
const VERSION: i32 = 6;

/// Longest that the start may be held up by the check of the file. What is not
/// checked by then goes unchecked.
const CHECK_LONGEST: Duration = Duration::from_secs(1);

/// Steps of the check between two looks at the clock.
const CHECK_STEPS: i32 = 100;

/// Statements kept ready.
const STATEMENTS: usize = 64;

/// `record` is what happened, one row an event, never changed; `seq` has no
/// gaps but those in `anchor`, which are the rows that pruning removed or that
/// somebody accepted as lost. `link` chains them: the one of an anchor is that
/// of its last row.
const RECORDS: &str = "
    CREATE TABLE record (
        seq INTEGER PRIMARY KEY,
        ticket INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL,
        link BLOB NOT NULL DEFAULT x''
    );
    CREATE INDEX record_ticket ON record (ticket);

    CREATE TABLE anchor (
        first_seq INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,
        link BLOB NOT NULL DEFAULT x''
    );
";

/// How the tables of version 1, which had no chain, get one.
pub(super) const ADD_LINKS: &str = "
    ALTER TABLE record ADD COLUMN link BLOB NOT NULL DEFAULT x'';
    ALTER TABLE anchor ADD COLUMN link BLOB NOT NULL DEFAULT x'';
";

/// Names of the tables in [`DERIVED`].
const DERIVED_NAMES: [&str; 4] = ["command", "key", "outbox", "mark"];

/// Made from the records, so that questions need not read them all:
/// `command` is the state of each command (`response` is the record that
/// holds its last response, `waiting` counts its responses in `outbox`, `due_ms` is
/// when something is to happen to it next: before its start 0 or its start time,
/// after it the time to end its effect, `name` is its `command_id`, or else its
/// `request_id`, where it is for an actuator and `key` does not say it already), `key` is
/// how a repetition is recognised, `outbox` the responses that wait to be
/// published, and `mark` keeps the highest numbers given, also after pruning:
/// `clock_ms`, `forgotten_ms` and `trusted_ms` are what is known of time
/// ([`Past`](crate::journal::past::Past)), and `sum` shows whether the row has changed.
const DERIVED: &str = "
    CREATE TABLE command (
        ticket INTEGER PRIMARY KEY,
        consumer TEXT NOT NULL,
        producer TEXT,
        request_id TEXT,
        summary TEXT NOT NULL,
        actuator TEXT,
        digest BLOB,
        accepted_ms INTEGER NOT NULL,
        started_ms INTEGER,
        ended_ms INTEGER,
        answered_ms INTEGER,
        class TEXT,
        status INTEGER,
        text TEXT,
        response INTEGER,
        waiting INTEGER NOT NULL DEFAULT 0,
        stop_ms INTEGER,
        due_ms INTEGER,
        name TEXT
    );
    CREATE INDEX command_unfinished ON command (ticket) WHERE ended_ms IS NULL;
    CREATE INDEX command_name ON command (name, producer) WHERE name IS NOT NULL;
    CREATE INDEX command_effect ON command (ticket)
        WHERE due_ms IS NOT NULL AND ended_ms IS NOT NULL;
    CREATE INDEX command_due ON command (due_ms, ticket) WHERE due_ms IS NOT NULL;

    CREATE TABLE key (
        request_id TEXT NOT NULL,
        producer TEXT NOT NULL,
        consumer TEXT NOT NULL,
        ticket INTEGER NOT NULL,
        PRIMARY KEY (request_id, producer, consumer)
    ) WITHOUT ROWID;

    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        record INTEGER NOT NULL
    );

    CREATE TABLE mark (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        ticket INTEGER NOT NULL,
        outbox INTEGER NOT NULL,
        commands INTEGER NOT NULL,
        clock_ms INTEGER NOT NULL,
        forgotten_ms INTEGER NOT NULL,
        trusted_ms INTEGER NOT NULL,
        sum BLOB NOT NULL
    );
";

/// Where the database of a journal is.
pub(in crate::journal) fn file(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Makes the folder, for this user only, where there is none.
pub(super) fn make_dir(dir: &Path) -> Result<(), JournalError> {
    let folder = |source| JournalError::Folder { path: dir.to_owned(), source };
    if dir.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// What was found when a database was opened to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Nothing: it has just been made, without a row of `mark`.
    New,
    /// A journal of this version.
    Ours,
    /// A journal of an older version, whose tables are as they were.
    Older,
}

/// Opens the database to write, makes it where there is none, and checks it.
pub(super) fn open(dir: &Path) -> Result<(Connection, Found), JournalError> {
    let found = rusqlite::version_number();
    if found < SQLITE_NEEDED {
        return Err(JournalError::StoreTooOld { found, needed: SQLITE_NEEDED });
    }

    // Made by us so that it is for this user only; the log takes its mode from it.
    let path = file(dir);
    let create = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    create.map_err(|source| JournalError::Folder { path: path.clone(), source })?;

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // After a failure nothing is written any more, not by closing either.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A plan does not depend on the values: or else the planner, which looks whether the partial
    // index of `command` fits them, plans the look-up of a key anew each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The lock mode comes first: so the log is never indexed in shared memory.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let what = format!("it cannot use a write-ahead log, only {mode}");
        return Err(JournalError::Foreign { path, what });
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;",
    )?;

    let found = if is_empty(&connection)? {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {RECORDS} {DERIVED} {}
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;
             PRAGMA wal_checkpoint(TRUNCATE);",
            super::mark::FIRST_ROW,
        ))?;
        Found::New
    } else {
        let version = check_owner(&connection, &path)?;
        check_content(&mut connection)?;
        if version == VERSION { Found::Ours } else { Found::Older }
    };
    sync_dir(dir)?;
    Ok((connection, found))
}

/// Makes the derived tables anew, empty and as this version has them, in the open transaction.
pub(super) fn renew_derived(connection: &Connection) -> Result<(), JournalError> {
    for table in DERIVED_NAMES {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    connection.execute_batch(&format!(
        "{DERIVED} {} PRAGMA user_version = {VERSION};",
        super::mark::FIRST_ROW
    ))?;
    Ok(())
}

/// Opens the database of a journal that nobody has open, to read, without
/// writing anything. The caller holds a shared [`Lock`](crate::journal::lock::Lock).
///
/// A process that was killed leaves committed pages in the log only. To see
/// them without recovering the file, the log is indexed in this process's
/// memory (exclusive mode) and the lock that this would take on the file is
/// left out (`unix-none`), since a file open for reading cannot be locked so.
pub(in crate::journal) fn open_to_read(dir: &Path) -> Result<Connection, JournalError> {
    let path = file(dir);
    if !path.exists() {
        return Err(JournalError::Missing { dir: dir.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(&path, flags, c"unix-none")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;",
    )?;
    check_owner(&connection, &path)?;
    Ok(connection)
}

fn is_empty(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Its version, if it is a journal at all and one that this program can read.
fn check_owner(connection: &Connection, path: &Path) -> Result<i32, JournalError> {
    let pragma = |name: &str| -> Result<i32, rusqlite::Error> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let foreign = |what| JournalError::Foreign { path: path.to_owned(), what };

    let owner = pragma("application_id")?;
    if owner != APPLICATION_ID {
        return Err(foreign(format!("its application id is {owner:#x}, not {APPLICATION_ID:#x}")));
    }
    match pragma("user_version")? {
        version @ 1..=VERSION => Ok(version),
        version => Err(foreign(format!(
            "its version is {version}, and {VERSION} is the newest that is known; a newer oc2 wrote it"
        ))),
    }
}

/// Looks at the structure of every page, as far as [`CHECK_LONGEST`] allows.
pub(super) fn check_content(connection: &mut Connection) -> Result<(), JournalError> {
    let deadline = Instant::now() + CHECK_LONGEST;
    connection.progress_handler(CHECK_STEPS, Some(move || Instant::now() >= deadline))?;
    let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;

    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(what) => Err(JournalError::malformed(&what)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!(
                seconds = CHECK_LONGEST.as_secs(),
                "the journal is too large to be checked in full at the start"
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes new names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| JournalError::Folder { path: dir.to_owned(), source })
}
