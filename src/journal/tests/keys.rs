//! What is known of keys without a look into the store.

use super::*;
use crate::journal::keys::KeyFilter;

both_tell! {
    no_known_key_is_taken_for_a_new_one,
    pages_of_keys_have_each_key_once,
}

/// With a filter that is made anew over and over, while commands are on their way to the writer.
async fn no_known_key_is_taken_for_a_new_one(home: &Home) {
    const BEFORE: u64 = 20;
    const BURST: u64 = 200;
    const BURSTS: u64 = 8;
    let mut store = home.store();
    (1..=BEFORE).for_each(|ticket| store.apply(accepted(ticket)).unwrap());
    store.commit().unwrap();
    drop(store);

    let config = JournalConfig { batch_records: 4, ..home.config() };
    let filter = KeyFilter::renewed_after(50, BEFORE);
    let (journal, mut committed, _) = Journal::start_with(filter, home.store(), &config).unwrap();
    assert_eq!(known(&journal, 1..=BEFORE + 1).await, BEFORE, "before the filter is filled");
    let mut last = BEFORE;
    for _ in 0..BURSTS {
        let burst = last + 1..=last + BURST;
        for ticket in burst.clone() {
            journal.append(vec![accepted(ticket)], ticket).unwrap();
            assert_eq!(known(&journal, ticket..=ticket).await, 1, "the newest");
        }
        for ticket in burst.clone() {
            journal.append(vec![accepted(ticket + BURST)], ticket + BURST).unwrap();
        }
        last += 2 * BURST;
        while committed.recv().await != Some(last) {}
        assert_eq!(known(&journal, 1..=last + 9).await, last);
    }
    journal.close().await.unwrap();
}

/// How many of the keys with these numbers are known.
async fn known(journal: &Journal<u64>, numbers: std::ops::RangeInclusive<u64>) -> u64 {
    let keys: Vec<_> = numbers.map(key).collect();
    let known = journal.recall(&keys.iter().collect::<Vec<_>>()).await.unwrap();
    known.iter().flatten().count() as u64
}

async fn pages_of_keys_have_each_key_once(home: &Home) {
    let mut store = home.store();
    (1..=100).for_each(|ticket| store.apply(accepted(ticket)).unwrap());
    let mut keys: Vec<Key> = Vec::new();
    loop {
        let page = store.keys(keys.last(), 7).unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        keys.extend(page);
    }
    let (mut found, mut wanted) = (keys, (1..=100).map(key).collect::<Vec<_>>());
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}
