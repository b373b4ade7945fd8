//! What leaves, and what must stay.

use super::*;

/// Rows of `anchor`, as (first, last).
fn anchors(home: &Home) -> Vec<(u64, u64)> {
    let store = Sqlite::open(&home.config()).unwrap();
    let mut rows = store.connection.prepare("SELECT * FROM anchor ORDER BY first_seq").unwrap();
    let rows = rows.query_map([], |row| Ok((sqlite::number(row, 0)?, sqlite::number(row, 1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn tickets(store: &dyn Store) -> Vec<u64> {
    let listing = Listing { limit: 1000, ..Listing::default() };
    let page = store.page(&listing).unwrap();
    page.entries.iter().rev().map(|entry| entry.ticket).collect()
}

/// The numbers of all records that are kept.
fn seqs(store: &dyn Store) -> Vec<u64> {
    let details = tickets(store).into_iter().map(|ticket| store.detail(Ticket(ticket)));
    let steps = details.flat_map(|detail| detail.unwrap().unwrap().records);
    let mut seqs: Vec<_> = steps.map(|step| step.seq).collect();
    seqs.sort_unstable();
    seqs
}

/// Prunes until nothing more leaves, looking at few commands at a time.
fn prune(store: &mut dyn Store, config: &JournalConfig) {
    let now = std::time::Instant::now();
    let mut pruning = super::super::prune::Pruning::new(config, now);
    while pruning.due(store.commands(), now) <= now {
        pruning.slice(store, 3).unwrap();
        store.commit().unwrap();
    }
}

fn fill(home: &Home, records: impl IntoIterator<Item = Record>) -> Box<dyn Store + Send> {
    let mut store = home.store();
    for record in records {
        store.apply(record).unwrap();
    }
    store.commit().unwrap();
    store
}

fn one_hour(home: &Home) -> JournalConfig {
    JournalConfig { keep_age: Duration::from_hours(1), ..home.config() }
}

both_tell!(
    old_answered_commands_leave_and_the_others_stay,
    a_command_stays_until_its_effect_has_ended,
    young_commands_stay_until_there_are_too_many,
    what_leaves_without_a_commit_is_there_again,
    what_is_no_longer_found_is_known_to_be_forgotten,
    a_busy_writer_forgets_as_well,
);

async fn old_answered_commands_leave_and_the_others_stay(home: &Home) {
    let records = [
        whole(1),
        vec![accepted(2)],
        whole(3),
        vec![accepted(4), started(4)],
        vec![accepted(5), started(5), ended(5)],
        whole(6),
        whole(7),
    ];
    let mut store = fill(home, records.concat());
    prune(&mut *store, &one_hour(home));

    assert_eq!(tickets(&*store), [2, 4, 5]);
    assert_eq!(seqs(&*store), [5, 10, 11, 12, 13, 14]);
    for (ticket, is_known) in [(1, false), (2, true), (4, true), (5, true), (7, false)] {
        assert_eq!(store.recall(&key(ticket)).unwrap().is_some(), is_known, "{ticket}");
    }
    drop(store);

    let store = home.store();
    let recovered = store.recovered().unwrap();
    assert_eq!(recovered.last_ticket, Ticket(7), "numbers are not given again");
    assert_eq!(recovered.last_outbox, OutboxId(7));
    drop(store);

    // What held them back happens; the next record follows the last that there ever was.
    let mut store = fill(home, [ended(2), answered(2), answered(5), ended(4)]);
    prune(&mut *store, &one_hour(home));
    assert_eq!(tickets(&*store), [4]);
    assert_eq!(seqs(&*store), [10, 11, 26]);
}

async fn a_command_stays_until_its_effect_has_ended(home: &Home) {
    let accepted = Accepted { stop_ms: Some(THEN_MS), ..command(1) };
    let concluded = Concluded { in_effect: true, ..conclusion(1) };
    let records = [
        event(1, Event::Accepted(Box::new(accepted))),
        started(1),
        event(1, Event::Outcome(Box::new(concluded))),
        answered(1),
    ];
    let mut store = fill(home, records);
    prune(&mut *store, &one_hour(home));
    assert_eq!(tickets(&*store), [1]);
    drop(store);

    let mut store = fill(home, [event(1, Event::Stopped { status: 200, text: None })]);
    prune(&mut *store, &one_hour(home));
    assert!(tickets(&*store).is_empty());
}

async fn young_commands_stay_until_there_are_too_many(home: &Home) {
    let five = JournalConfig { keep_count: 5, ..home.config() };
    let mut store = fill(home, (1..=5).flat_map(whole));
    prune(&mut *store, &five);
    assert_eq!(tickets(&*store), [1, 2, 3, 4, 5]);

    let mut records = vec![accepted(6)];
    records.extend((7..=10).flat_map(whole));
    drop(store);
    let mut store = fill(home, records);
    prune(&mut *store, &five);
    assert_eq!(tickets(&*store), [6, 7, 8, 9, 10]);

    drop(store);
    let mut store = fill(home, whole(11));
    prune(&mut *store, &JournalConfig { keep_count: 2, ..five });
    assert_eq!(tickets(&*store), [6, 11], "an unfinished one counts, but does not leave");
}

async fn what_leaves_without_a_commit_is_there_again(home: &Home) {
    let mut store = fill(home, (1..=3).flat_map(whole));
    store.remove(Ticket(2)).unwrap();
    store.apply(accepted(4)).unwrap();
    assert_eq!(tickets(&*store), [1, 3, 4]);
    drop(store);

    let mut store = home.store();
    assert_eq!(tickets(&*store), [1, 2, 3]);
    assert!(store.recall(&key(2)).unwrap().is_some() && store.recall(&key(4)).unwrap().is_none());
    store.remove(Ticket(2)).unwrap();
    store.commit().unwrap();
    drop(store);
    assert_eq!(tickets(&*home.store()), [1, 3]);
}

/// Between the two a forgotten command would pass for a new one.
async fn what_is_no_longer_found_is_known_to_be_forgotten(home: &Home) {
    const COMMANDS: u64 = 3000;
    drop(fill(home, (1..=COMMANDS).flat_map(whole)));
    let (journal, _committed, _) = Journal::<u64>::start(home.store(), &one_hour(home)).unwrap();
    let mut gone = 0;
    // All of them leave in the end. Whoever asks may be ahead of that at first.
    while gone == 0 {
        for ticket in 1..=COMMANDS {
            let known = journal.recall(&[&key(ticket)]).await.unwrap();
            if known[0].is_none() {
                gone += 1;
                assert!(journal.forgotten_ms() >= THEN_MS + ticket, "{ticket}");
            }
        }
    }
    journal.close().await.unwrap();
}

async fn a_busy_writer_forgets_as_well(home: &Home) {
    const COMMANDS: u64 = 3000;
    let config = one_hour(home);
    let (journal, mut committed, _) = Journal::start(home.store(), &config).unwrap();
    for ticket in 1..=COMMANDS {
        journal.append(whole(ticket), ticket).unwrap();
    }
    // One round may be over before all this was written, and the next is a
    // minute away; so not everything leaves, but it does while the queue is full.
    for ticket in 1..=COMMANDS {
        assert_eq!(committed.recv().await, Some(ticket));
    }
    journal.close().await.unwrap();
    let mut store = home.store();
    prune(&mut *store, &config);
    assert_eq!(store.commands(), 0);
}

#[test]
fn anchors_join_in_whatever_order_records_leave() {
    let home = Home::File(TempDir::new().unwrap());
    // Interleaved, as concurrent commands are.
    let mut records: Vec<_> = (1..=9).map(accepted).collect();
    records.extend((1..=9).rev().map(ended));
    records.extend([5, 1, 9, 3, 7].map(answered));
    let mut store = fill(&home, records);
    prune(&mut *store, &one_hour(&home));
    assert_eq!(tickets(&*store), [2, 4, 6, 8]);
    assert_eq!(seqs(&*store), [2, 4, 6, 8, 11, 13, 15, 17]);
    drop(store);
    let gone: u64 = anchors(&home).iter().map(|(first, last)| last - first + 1).sum();
    assert_eq!(gone, 15);

    let mut store = home.store();
    for ticket in [6, 2, 8, 4] {
        store.apply(answered(ticket)).unwrap();
        prune(&mut *store, &one_hour(&home));
    }
    assert_eq!(store.commands(), 0);
    drop(store);
    assert_eq!(anchors(&home), [(1, 27)]);
}
