//! What leaves, and what must stay.

use super::*;

/// Rows of `anchor`, as (first, last).
fn anchors(store: &store::Store) -> Vec<(u64, u64)> {
    let mut rows = store.connection.prepare("SELECT * FROM anchor ORDER BY first_seq").unwrap();
    let rows = rows.query_map([], |row| Ok((store::number(row, 0)?, store::number(row, 1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn count(store: &store::Store, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table}");
    store.connection.query_row(&sql, [], |row| store::number(row, 0)).unwrap()
}

fn tickets(store: &store::Store) -> Vec<u64> {
    let listing = Listing { limit: 1000, ..Listing::default() };
    let page = super::super::view::page(&store.connection, &listing).unwrap();
    page.entries.iter().rev().map(|entry| entry.ticket).collect()
}

/// Prunes until nothing more leaves, looking at few commands at a time.
fn prune(store: &mut store::Store, config: &JournalConfig) {
    let now = std::time::Instant::now();
    let mut pruning = super::super::prune::Pruning::new(config, now);
    while pruning.due(store.mark.commands, now) <= now {
        pruning.slice(store, 3).unwrap();
        store.commit().unwrap();
    }
}

fn fill(config: &JournalConfig, records: impl IntoIterator<Item = Record>) -> store::Store {
    let mut store = store::Store::open(&config.dir).unwrap();
    store.begin().unwrap();
    for record in records {
        store.apply(&record).unwrap();
    }
    store.commit().unwrap();
    store
}

#[test]
fn old_answered_commands_leave_and_the_others_stay() {
    let dir = TempDir::new().unwrap();
    let config = JournalConfig { keep_age: Duration::from_hours(1), ..config(&dir) };
    let records = [
        whole(1),
        vec![accepted(2)],
        whole(3),
        vec![accepted(4), started(4)],
        vec![accepted(5), started(5), ended(5)],
        whole(6),
        whole(7),
    ];
    let mut store = fill(&config, records.concat());
    prune(&mut store, &config);

    assert_eq!(tickets(&store), [2, 4, 5]);
    assert_eq!(anchors(&store), [(1, 4), (6, 9), (15, 22)]);
    assert_eq!((count(&store, "record"), count(&store, "key")), (6, 3));
    drop(store);

    let store = store::Store::open(&config.dir).unwrap();
    let recovered = store.recovered().unwrap();
    assert_eq!(recovered.last_ticket, Ticket(7), "numbers are not given again");
    assert_eq!(recovered.last_outbox, OutboxId(7));
    drop(store);

    // What held them back happens; the next record follows the last that there ever was.
    let mut store = fill(&config, [ended(2), answered(2), answered(5), ended(4)]);
    prune(&mut store, &config);
    assert_eq!(tickets(&store), [4]);
    assert_eq!(anchors(&store), [(1, 9), (12, 25)]);
    assert_eq!(count(&store, "record"), 3);
}

#[test]
fn young_commands_stay_until_there_are_too_many() {
    let dir = TempDir::new().unwrap();
    let config = JournalConfig { keep_count: 5, ..config(&dir) };
    let mut store = fill(&config, (1..=5).flat_map(whole));
    prune(&mut store, &config);
    assert_eq!(tickets(&store), [1, 2, 3, 4, 5]);

    let mut records = vec![accepted(6)];
    records.extend((7..=10).flat_map(whole));
    drop(store);
    let mut store = fill(&config, records);
    prune(&mut store, &config);
    assert_eq!(tickets(&store), [6, 7, 8, 9, 10]);

    drop(store);
    let config = JournalConfig { keep_count: 2, ..config };
    let mut store = fill(&config, whole(11));
    prune(&mut store, &config);
    assert_eq!(tickets(&store), [6, 11], "an unfinished one counts, but does not leave");
}

#[test]
fn anchors_join_in_whatever_order_records_leave() {
    let dir = TempDir::new().unwrap();
    let config = JournalConfig { keep_age: Duration::from_hours(1), ..config(&dir) };
    // Interleaved, as concurrent commands are.
    let mut records: Vec<_> = (1..=9).map(accepted).collect();
    records.extend((1..=9).rev().map(ended));
    records.extend([5, 1, 9, 3, 7].map(answered));
    let mut store = fill(&config, records);
    prune(&mut store, &config);
    assert_eq!(tickets(&store), [2, 4, 6, 8]);
    let all = count(&store, "record");
    let gone: u64 = anchors(&store).iter().map(|(first, last)| last - first + 1).sum();
    assert_eq!((all, gone), (8, 15));

    for ticket in [6, 2, 8, 4] {
        store.begin().unwrap();
        store.apply(&answered(ticket)).unwrap();
        prune(&mut store, &config);
    }
    assert_eq!(anchors(&store), [(1, 27)]);
    assert_eq!(count(&store, "record") + count(&store, "key") + count(&store, "command"), 0);
}

#[tokio::test]
async fn a_busy_writer_forgets_as_well() {
    const COMMANDS: u64 = 3000;
    let dir = TempDir::new().unwrap();
    let config = JournalConfig { keep_age: Duration::from_hours(1), ..config(&dir) };
    let (journal, mut committed, _) = open(&config);
    for ticket in 1..=COMMANDS {
        journal.append(whole(ticket), ticket).unwrap();
    }
    // One round may be over before all this was written, and the next is a
    // minute away; so not everything leaves, but it does while the queue is full.
    for ticket in 1..=COMMANDS {
        assert_eq!(committed.recv().await, Some(ticket));
    }
    journal.close().await.unwrap();
    let mut store = store::Store::open(&config.dir).unwrap();
    prune(&mut store, &config);
    assert_eq!(store.mark.commands, 0);
    assert_eq!(anchors(&store), [(1, 4 * COMMANDS)]);
}
