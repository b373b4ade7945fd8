//! A large journal is ready soon.

use std::time::Instant;

use super::*;

/// Scorecard row 26.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// A test binary is not optimised, and the machine may have much else to do.
const PATIENCE: u32 = 10;

/// Ends without an answer: two records a command.
fn in_silence(ticket: u64) -> Record {
    let concluded = Concluded { class: Class::Silent, response: None, ..conclusion(ticket) };
    event(ticket, Event::Outcome(Box::new(concluded)))
}

/// Scorecard row 26: a million answered and 100,000 waiting commands; a
/// hundredth of them where nobody asks for a soak, since making them takes longer than the test.
#[test]
fn a_large_journal_is_ready_soon() {
    let is_soak = std::env::var_os("OC2_SOAK").is_some();
    let (answered, waiting) = if is_soak { (1_000_000, 100_000) } else { (10_000, 1_000) };
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let mut store = Sqlite::open(&config).unwrap();
    for ticket in 1..=answered + waiting {
        store.apply(accepted(ticket)).unwrap();
        if ticket <= answered {
            store.apply(in_silence(ticket)).unwrap();
        }
        if ticket % 10_000 == 0 {
            store.commit().unwrap();
            store.tidy().unwrap();
        }
    }
    store.commit().unwrap();
    Box::new(store).close().unwrap();

    let began = Instant::now();
    let (journal, committed, recovered) = open(&config);
    let took = began.elapsed();
    assert_eq!(recovered.waiting, waiting);
    println!(
        "{answered} answered and {waiting} waiting commands: ready in {} ms",
        took.as_millis()
    );
    let allowed = if cfg!(debug_assertions) { READY_WITHIN * PATIENCE } else { READY_WITHIN };
    assert!(took <= allowed, "{took:?}");
    drop((journal, committed));
}
