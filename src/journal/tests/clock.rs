//! A clock that was wrong, and somebody who says that it is right now.

use super::*;

/// Ten years, in milliseconds.
const TEN_YEARS_MS: u64 = 10 * 365 * 86_400_000;

both_tell!(
    a_clock_that_is_trusted_once_is_trusted_after_further_starts,
    what_was_forgotten_under_a_wrong_clock_does_not_refuse_what_comes_now,
    commands_of_a_wrong_clock_leave_by_age_when_it_is_trusted,
);

/// Ten years from now.
fn ahead_ms() -> u64 {
    now_ms() + TEN_YEARS_MS
}

/// All that happens to a command that is answered, recorded at this time.
fn whole_at(at_ms: u64, ticket: u64) -> Vec<Record> {
    whole(ticket).into_iter().map(|record| Record { at_ms, ..record }).collect()
}

async fn fill(home: &Home, records: Vec<Record>) {
    let (journal, mut committed, _) = home.open();
    write(&journal, &mut committed, records).await;
    journal.close().await.unwrap();
}

/// Starts with the clock trusted, and ends.
async fn trust(home: &Home) -> Recovered {
    let trusting = JournalConfig { trust_clock: true, ..home.config() };
    let (journal, _, recovered) = Journal::<u64>::start(home.store(), &trusting).unwrap();
    journal.close().await.unwrap();
    recovered
}

async fn recovered(home: &Home) -> Recovered {
    let (journal, _, recovered) = home.open();
    journal.close().await.unwrap();
    recovered
}

async fn a_clock_that_is_trusted_once_is_trusted_after_further_starts(home: &Home) {
    fill(home, whole_at(ahead_ms(), 1)).await;
    assert!(recovered(home).await.clock_ms > now_ms());

    assert!(trust(home).await.clock_ms <= now_ms());
    for start in 1..=2 {
        assert!(recovered(home).await.clock_ms <= now_ms(), "start {start}");
    }

    // The mark goes on from there, and a clock that is wrong again is noticed again.
    let at_ms = now_ms();
    fill(home, whole_at(at_ms, 2)).await;
    assert_eq!(recovered(home).await.clock_ms, at_ms);
    assert_eq!(trust(home).await.clock_ms, at_ms, "there is nothing to trust");
    fill(home, whole_at(ahead_ms(), 3)).await;
    assert!(recovered(home).await.clock_ms > now_ms());
}

async fn what_was_forgotten_under_a_wrong_clock_does_not_refuse_what_comes_now(home: &Home) {
    let ahead_ms = ahead_ms();
    fill(home, (1..=3).flat_map(|ticket| whole_at(ahead_ms, ticket)).collect()).await;
    let forget = |ticket| {
        let mut store = home.store();
        store.remove(Ticket(ticket)).unwrap();
        store.commit().unwrap();
        store.close().unwrap();
    };
    forget(1);
    assert_eq!(recovered(home).await.forgotten_ms, ahead_ms);

    let before_ms = now_ms();
    let trusted = trust(home).await;
    let trusted_ms = trusted.forgotten_ms;
    assert!((before_ms..=now_ms()).contains(&trusted_ms), "{trusted_ms}");
    // What is forgotten later was accepted before the clock was trusted as well.
    forget(2);
    assert_eq!(recovered(home).await.forgotten_ms, trusted_ms);
    let later_ms = now_ms().max(trusted_ms + 1);
    fill(home, whole_at(later_ms, 4)).await;
    forget(3);
    assert_eq!(recovered(home).await.forgotten_ms, trusted_ms);
    forget(4);
    assert_eq!(recovered(home).await.forgotten_ms, later_ms);
}

async fn commands_of_a_wrong_clock_leave_by_age_when_it_is_trusted(home: &Home) {
    fill(home, whole_at(ahead_ms(), 1)).await;
    trust(home).await;
    let candidate = home.store().candidates(Ticket(0), 1).unwrap().pop().unwrap();
    assert!(candidate.last_ms <= now_ms(), "{candidate:?}");
}

/// That the clock was trusted is in the row of `mark` alone: records keep their times.
#[tokio::test]
async fn tables_that_are_made_anew_do_not_take_the_trust_back() {
    let home = Home::File(TempDir::new().unwrap());
    fill(&home, whole_at(ahead_ms(), 1)).await;
    trust(&home).await;
    let database = schema::file(&home.config().dir);
    let make_anew = || {
        let database = rusqlite::Connection::open(&database).unwrap();
        database.execute_batch("PRAGMA user_version = 5").unwrap();
    };
    make_anew();
    let again = recovered(&home).await;
    assert!(again.clock_ms <= now_ms());
    let mut store = home.store();
    store.remove(Ticket(1)).unwrap();
    assert!(store.forgotten_ms() <= now_ms());
    // Without a commit, it is there again.
    drop(store);

    // Where the row itself is lost, nobody knows of the trust: that is said, and can be mended.
    let database = rusqlite::Connection::open(&database).unwrap();
    database.execute_batch("UPDATE mark SET clock_ms = 1").unwrap();
    drop(database);
    accept_loss(&home.config().dir, "ann").unwrap().unwrap();
    assert!(recovered(&home).await.clock_ms > now_ms());
    let trusted = trust(&home).await;
    assert!(trusted.clock_ms <= now_ms() && trusted.forgotten_ms <= now_ms());
}
