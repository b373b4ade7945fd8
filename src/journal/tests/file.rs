//! What there is to say of the files.

use super::*;

/// Records for which nobody waits are in an open transaction when the log has become long.
#[test]
fn a_long_log_is_moved_into_the_database_once_no_transaction_is_open() {
    const COMMANDS: u64 = 3_000;
    let dir = TempDir::new().unwrap();
    let mut store = Sqlite::open(&config(&dir)).unwrap();
    (1..=COMMANDS).for_each(|ticket| store.apply(accepted(ticket)).unwrap());
    store.commit().unwrap();
    let database = config(&dir).dir.join("journal.db");
    let before = std::fs::metadata(&database).unwrap().len();

    store.apply(accepted(COMMANDS + 1)).unwrap();
    store.tidy().unwrap();
    assert_eq!(std::fs::metadata(&database).unwrap().len(), before, "not yet");
    store.commit().unwrap();
    store.tidy().unwrap();
    assert!(std::fs::metadata(&database).unwrap().len() > before);
}

/// A command that starts at once has its row written once, and the row is the same.
#[test]
fn it_makes_no_difference_to_the_tables_how_records_are_put_together() {
    let until = |stop_ms| match accepted(2) {
        Record { event: Event::Accepted(accepted), ticket, at_ms } => {
            let event = Event::Accepted(Box::new(Accepted { stop_ms, ..*accepted }));
            Record { ticket, at_ms, event }
        }
        other => panic!("{other:?}"),
    };
    let records = || {
        let with_an_end = [until(Some(9_999_999_999_999)), started(2)];
        let of_two = [accepted(3), accepted(4), started(3), ended(3)];
        [accepted(1), started(1)].into_iter().chain(with_an_end).chain(of_two)
    };
    let tables = |apply: fn(&mut Sqlite, Vec<Record>)| {
        let dir = TempDir::new().unwrap();
        let mut store = Sqlite::open(&config(&dir)).unwrap();
        apply(&mut store, records().collect());
        store.commit().unwrap();
        let rows = |table: &str| {
            let mut statement =
                store.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect()
            };
            let rows = statement.query_map([], row).unwrap();
            rows.collect::<Result<Vec<Vec<_>>, _>>().unwrap()
        };
        ["record", "command", "key", "outbox", "mark"].map(rows)
    };
    let together = tables(|store, records| store.apply_all(records).unwrap());
    let one_by_one =
        tables(|store, records| records.into_iter().for_each(|it| store.apply(it).unwrap()));
    assert_eq!(together, one_by_one);
    assert_eq!(together[1].len(), 4);
}

#[tokio::test]
async fn a_new_journal_is_empty_and_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, _committed, recovered) = open(&config);

    let nothing = Recovered {
        unfinished: Vec::new(),
        waiting: 0,
        effects: 0,
        last_ticket: Ticket(0),
        last_outbox: OutboxId(0),
        outbox_waiting: 0,
        clock_ms: 0,
        forgotten_ms: 0,
    };
    assert_eq!(recovered, nothing);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.dir), 0o700);
    for name in names(&config.dir) {
        assert_eq!(mode(&config.dir.join(&name)), 0o600, "{name}");
    }
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_has_it() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, _committed, _) = open(&config);
    let Err(error) = Journal::<u64>::open(&config) else { panic!("it was opened twice") };
    let expected = format!(
        "the journal in {} is in use by process {}",
        config.dir.display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    journal.close().await.unwrap();
    open(&config).0.close().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    std::fs::create_dir(&config.dir).unwrap();
    let path = schema::file(&config.dir);

    std::fs::write(&path, "Dear diary, today nothing happened. ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(Journal::<u64>::open(&config).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE cats (name TEXT); PRAGMA user_version = 1").unwrap();
    drop(other);
    let Err(error) = Journal::<u64>::open(&config) else { panic!("it was opened") };
    assert!(error.to_string().contains("its application id is 0x0, not 0x4f43324a"), "{error}");
}
