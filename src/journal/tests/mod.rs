//! Stories about the journal, told through its handle.

mod clock;
mod crash;
mod damage;
mod file;
mod guard;
mod keys;
mod prune;
mod settle;
mod socket;
mod startup;
mod view;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::sqlite::{Sqlite, schema};
use super::store::Store;
use super::*;
use crate::dispatch::{
    Accepted, Address, Class, Concluded, ContentDigest, Due, Errand, Event, Heard, Key, Known,
    OutboxId, Outgoing, Record, Ticket,
};

/// A time in 2020, from which `at_ms` counts.
const THEN_MS: u64 = 1_577_836_800_000;

/// A journal in a folder of its own. Nothing is pruned by age: the tests live in 2020.
fn config(dir: &TempDir) -> JournalConfig {
    JournalConfig {
        dir: dir.path().join("journal"),
        keep_age: Duration::from_hours(24 * 365 * 1000),
        reserve: 0,
        ..JournalConfig::default()
    }
}

fn open(config: &JournalConfig) -> (Journal<u64>, Committed<u64>, Recovered) {
    Journal::open(config).unwrap()
}

/// What a journal is kept on, so that it can be opened again.
enum Home {
    File(TempDir),
    Memory(Disk),
}

impl Home {
    fn config(&self) -> JournalConfig {
        match self {
            Self::File(dir) => config(dir),
            Self::Memory(_) => JournalConfig {
                keep_age: Duration::from_hours(24 * 365 * 1000),
                ..JournalConfig::default()
            },
        }
    }

    fn open(&self) -> (Journal<u64>, Committed<u64>, Recovered) {
        Journal::start(self.store(), &self.config()).unwrap()
    }

    fn store(&self) -> Box<dyn Store + Send> {
        match self {
            Self::File(_) => Box::new(Sqlite::open(&self.config()).unwrap()),
            Self::Memory(disk) => Box::new(Memory::open(disk)),
        }
    }

    /// One like it, with what would be left if the process were killed now.
    fn killed(&self) -> Self {
        match self {
            Self::File(_) => {
                let dir = TempDir::new().unwrap();
                std::fs::create_dir(config(&dir).dir).unwrap();
                crash::copy_of(&self.config().dir, &config(&dir).dir);
                Self::File(dir)
            }
            Self::Memory(disk) => Self::Memory(disk.copy()),
        }
    }
}

/// Makes a test of each story for the journal on a disk and for its twin in memory.
macro_rules! both_tell {
    ($($story:ident),* $(,)?) => {
        mod on_a_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $story() {
                super::$story(&super::Home::File(super::TempDir::new().unwrap())).await;
            })*
        }
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $story() {
                super::$story(&super::Home::Memory(super::Disk::default())).await;
            })*
        }
    };
}
use both_tell;

/// Appends and waits until it is durable.
async fn write(journal: &Journal<u64>, committed: &mut Committed<u64>, records: Vec<Record>) {
    journal.append(records, 0).unwrap();
    committed.recv().await.unwrap();
}

fn key(ticket: u64) -> Key {
    Key {
        consumer: "gateway-1".to_owned(),
        producer: "producer-1".to_owned(),
        request_id: format!("request-{ticket}"),
    }
}

fn message(ticket: u64) -> Bytes {
    Bytes::from(format!("{{\"command\": {ticket},\n \"raw\": \"\u{e9}\"}}\n"))
}

fn payload(ticket: u64) -> Bytes {
    Bytes::from(format!("{{\"answer\":{ticket}}}"))
}

fn command(ticket: u64) -> Accepted {
    Accepted {
        key: Some(key(ticket)),
        digest: Some(ContentDigest([7; 32])),
        consumer: "gateway-1".to_owned(),
        producer: Some("producer-1".to_owned()),
        request_id: Some(format!("request-{ticket}")),
        summary: "set x-probe:level".to_owned(),
        actuator: Some("probe".to_owned()),
        address: Address::Device("gateway-1".to_owned()),
        command_id: None,
        start_ms: None,
        stop_ms: None,
        message: message(ticket),
        unverified_signature: false,
        posted: false,
        hops: 0,
        about: None,
    }
}

fn event(ticket: u64, event: Event) -> Record {
    Record { ticket: Ticket(ticket), at_ms: THEN_MS + ticket, event }
}

pub(super) fn accepted(ticket: u64) -> Record {
    event(ticket, Event::Accepted(Box::new(command(ticket))))
}

fn started(ticket: u64) -> Record {
    event(ticket, Event::Started)
}

fn response(ticket: u64) -> Outgoing {
    Outgoing {
        id: OutboxId(ticket),
        ticket: Ticket(ticket),
        producer: Some("producer-1".to_owned()),
        payload: payload(ticket),
    }
}

fn conclusion(ticket: u64) -> Concluded {
    Concluded {
        class: Class::Answered,
        status: Some(200),
        text: None,
        response: Some(response(ticket)),
        remembered: true,
        in_effect: false,
        late_until_ms: None,
    }
}

/// The outcome, with a response whose number in the outbox is the ticket.
fn ended(ticket: u64) -> Record {
    event(ticket, Event::Outcome(Box::new(conclusion(ticket))))
}

fn answered(ticket: u64) -> Record {
    event(ticket, Event::Answered { outbox: OutboxId(ticket) })
}

/// Everything that happens to a command.
fn whole(ticket: u64) -> Vec<Record> {
    vec![accepted(ticket), started(ticket), ended(ticket), answered(ticket)]
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

both_tell!(
    what_is_unfinished_is_found_again_in_every_state,
    what_is_due_is_told_in_order_of_its_time,
    a_command_is_found_by_its_name_and_says_how_far_it_is,
    a_response_stays_in_the_outbox_until_it_is_answered,
    a_response_is_durable_before_anybody_sees_it_in_the_outbox,
    lazy_records_are_written_without_anybody_waiting,
    a_key_is_known_from_the_call_of_append_and_after_a_restart,
    a_command_turned_away_for_now_is_forgotten,
    the_first_owner_of_a_key_keeps_it_and_no_record_is_lost,
    what_many_tasks_append_comes_out_in_the_order_of_the_calls,
    more_than_the_allowed_number_of_calls_is_refused_and_the_rest_comes_out,
    a_closed_journal_says_so,
);

async fn what_is_unfinished_is_found_again_in_every_state(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let progress = |ticket, id| {
        let response = Outgoing { id: OutboxId(id), ..response(ticket) };
        event(ticket, Event::Progress { response })
    };
    let records = vec![
        accepted(1),
        accepted(2),
        started(2),
        accepted(3),
        started(3),
        progress(3, 11),
        accepted(4),
        started(4),
        ended(4),
        accepted(5),
        started(5),
        ended(5),
        answered(5),
    ];
    write(&journal, &mut committed, records).await;
    journal.close().await.unwrap();

    let (journal, _committed, recovered) = home.open();
    let found: Vec<_> =
        recovered.unfinished.iter().map(|command| (command.ticket.0, command.started)).collect();
    assert_eq!(found, [(2, true), (3, true)]);
    assert_eq!(recovered.unfinished[0].accepted, command(2), "the message, byte for byte");
    assert_eq!(recovered.unfinished[0].accepted_ms, THEN_MS + 2);
    assert_eq!((recovered.waiting, recovered.effects), (1, 0));
    let waiting = journal.unfinished([1, 2, 4, 9].map(Ticket).to_vec()).await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|it| (it.ticket.0, it.started)).collect();
    assert_eq!(waiting, [(1, false), (2, true)]);
    assert_eq!(recovered.last_ticket, Ticket(5));
    assert_eq!(recovered.last_outbox, OutboxId(11));
    assert_eq!(recovered.outbox_waiting, 2);

    let waiting = journal.outbox(None, 10).await.unwrap();
    let progress = Outgoing { id: OutboxId(11), ..response(3) };
    assert_eq!(waiting, [response(4), progress.clone()]);
    assert_eq!(journal.outbox(Some(OutboxId(4)), 10).await.unwrap(), [progress]);
    assert_eq!(journal.outbox(None, 1).await.unwrap(), [response(4)]);
    journal.close().await.unwrap();
}

async fn what_is_due_is_told_in_order_of_its_time(home: &Home) {
    let timed = |ticket, start_ms, stop_ms| {
        let accepted = Accepted { start_ms, stop_ms, ..command(ticket) };
        event(ticket, Event::Accepted(Box::new(accepted)))
    };
    let in_effect = |ticket| {
        let concluded = Concluded { in_effect: true, response: None, ..conclusion(ticket) };
        event(ticket, Event::Outcome(Box::new(concluded)))
    };
    let stopped = |ticket| event(ticket, Event::Stopped { status: 200, text: None });
    let records = [
        vec![timed(1, Some(900), None)],
        vec![timed(2, Some(100), Some(500))],
        vec![timed(3, None, Some(500)), started(3)],
        vec![timed(4, None, Some(300)), started(4), in_effect(4)],
        vec![timed(5, None, Some(200)), started(5), ended(5), answered(5)],
        vec![timed(6, None, Some(400)), started(6), in_effect(6), stopped(6)],
        vec![accepted(7)],
        vec![accepted(8), started(8)],
        vec![event(9, Event::Accepted(Box::new(Accepted { actuator: None, ..command(9) })))],
    ];
    let (journal, mut committed, _) = home.open();
    write(&journal, &mut committed, records.concat()).await;
    let numbers = |due: Vec<Due>| -> Vec<(u64, u64, Errand)> {
        due.into_iter().map(|due| (due.at_ms, due.ticket.0, due.errand)).collect()
    };
    let all = [
        (0, 7, Errand::Perform),
        (100, 2, Errand::Perform),
        (300, 4, Errand::Stop),
        (500, 3, Errand::Stop),
        (900, 1, Errand::Perform),
    ];
    let first = journal.due((0, Ticket(0)), 2).await.unwrap();
    assert_eq!(first[0].actuator, "probe");
    assert_eq!(numbers(first), all[..2]);
    assert_eq!(numbers(journal.due((100, Ticket(2)), 9).await.unwrap()), all[2..]);
    let ended_with_an_effect = journal.unfinished(vec![Ticket(4), Ticket(6)]).await.unwrap();
    assert_eq!(ended_with_an_effect.len(), 1);
    assert_eq!(ended_with_an_effect[0].accepted.stop_ms, Some(300));
    journal.close().await.unwrap();

    let (journal, _committed, recovered) = home.open();
    let begun: Vec<_> = recovered.unfinished.iter().map(|it| it.ticket.0).collect();
    assert_eq!(begun, [3, 8, 9]);
    assert_eq!((recovered.waiting, recovered.effects), (3, 1));
    assert_eq!(numbers(journal.due((0, Ticket(0)), 9).await.unwrap()), all);
    journal.close().await.unwrap();
}

async fn a_command_is_found_by_its_name_and_says_how_far_it_is(home: &Home) {
    let named = |ticket, name: Option<&str>, stop_ms| {
        let command_id = name.map(ToOwned::to_owned);
        let accepted = Accepted { command_id, stop_ms, ..command(ticket) };
        event(ticket, Event::Accepted(Box::new(accepted)))
    };
    let cancelled = |ticket| event(ticket, Event::Cancelled);
    let in_effect = |ticket| {
        let concluded = Concluded { in_effect: true, ..conclusion(ticket) };
        event(ticket, Event::Outcome(Box::new(concluded)))
    };
    let records = [
        vec![named(1, None, None)],
        vec![named(2, Some("by-name"), None), started(2), cancelled(2)],
        vec![named(3, Some("by-name"), Some(500)), started(3), in_effect(3), cancelled(3)],
        vec![event(4, Event::Accepted(Box::new(Accepted { actuator: None, ..command(4) })))],
    ];
    let (journal, mut committed, _) = home.open();
    write(&journal, &mut committed, records.concat()).await;
    let asked = ["request-1", "by-name", "request-2", "request-4", "nobody"];
    let asked = asked.map(|name| Key { request_id: name.to_owned(), ..key(0) });
    let found = journal.named(asked.to_vec()).await.unwrap();
    let waiting = found[0].as_ref().expect("by its request_id");
    assert_eq!((waiting.command.ticket, waiting.command.started), (Ticket(1), false));
    let newest = found[1].as_ref().expect("by its command_id, the newest");
    assert_eq!((newest.command.ticket, newest.in_effect), (Ticket(3), true));
    assert_eq!(newest.ended, Some((Some(200), None)));
    assert_eq!(newest.response, Some(payload(3)));
    assert_eq!(found[2..], [None, None, None], "not by a name that it does not go by");
    assert_eq!(journal.numbered(Ticket(3)).await.unwrap(), found[1], "and by its number");
    let without_actuator = journal.numbered(Ticket(4)).await.unwrap().expect("it is there");
    assert_eq!(without_actuator.command.accepted.actuator, None);
    assert_eq!(journal.numbered(Ticket(5)).await.unwrap(), None);
    let called = |producer: &str, name: &str| journal.called(producer.to_owned(), name.to_owned());
    assert_eq!(called("producer-1", "nothing").await.unwrap(), []);
    for named in found.iter().flatten() {
        let Accepted { producer, .. } = &named.command.accepted;
        let name = named.command.accepted.name().expect("it is for an actuator");
        let all = called(producer.as_deref().unwrap(), name).await.unwrap();
        assert!(all.contains(named), "whoever is addressed: {all:?}");
        assert!(all.is_sorted_by(|one, other| one.command.ticket > other.command.ticket));
        assert_eq!(called("producer-2", name).await.unwrap(), [], "its own alone");
    }

    let all = journal.unfinished(vec![Ticket(1), Ticket(2)]).await.unwrap();
    let cancelled: Vec<_> = all.iter().map(|command| command.cancelled).collect();
    assert_eq!(cancelled, [false, true]);
    let due = journal.due((0, Ticket(1)), 1).await.unwrap();
    assert_eq!((due[0].at_ms, due[0].ticket), (0, Ticket(3)), "its effect ends at once");
    journal.close().await.unwrap();
}

async fn a_response_stays_in_the_outbox_until_it_is_answered(home: &Home) {
    let (journal, mut committed, _) = home.open();
    write(&journal, &mut committed, vec![accepted(1), ended(1)]).await;
    journal.close().await.unwrap();

    let (journal, _committed, recovered) = home.open();
    assert_eq!(recovered.outbox_waiting, 1);
    journal.append_lazily(vec![answered(1)]).unwrap();
    assert_eq!(journal.outbox(None, 10).await.unwrap(), [], "seen before it is durable");
    // A broker that acknowledges twice does no harm.
    journal.append_lazily(vec![answered(1)]).unwrap();
    journal.close().await.unwrap();

    let (journal, _committed, recovered) = home.open();
    assert_eq!(recovered.outbox_waiting, 0);
    assert_eq!(recovered.last_outbox, OutboxId(1), "its number is not given again");
    let shown = journal.show(Ticket(1)).await.unwrap().unwrap();
    assert_eq!(shown.entry.answered_ms, Some(THEN_MS + 1));
    journal.close().await.unwrap();
}

/// A response that is published and then forgotten by a crash would be followed by another one.
async fn a_response_is_durable_before_anybody_sees_it_in_the_outbox(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let (begin, may_begin) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let held = |until: std::sync::mpsc::Receiver<()>| {
        let journal = journal.clone();
        let wait = move |_: &dyn Store| {
            until.recv().unwrap();
            Ok(())
        };
        tokio::spawn(async move { journal.read(wait).await })
    };

    // One batch: the outcome, the look into the outbox, and something that holds up its end.
    let first = held(may_begin);
    journal.append(vec![accepted(1), ended(1)], 1).unwrap();
    let waiting = journal.outbox(None, 10);
    let after = async {
        let last = held(may_go_on);
        begin.send(()).unwrap();
        (last,)
    };
    let (waiting, (last,)) = tokio::join!(waiting, after);
    assert_eq!(waiting.unwrap(), [response(1)]);

    let left = home.killed().store().detail(Ticket(1)).unwrap();
    assert_eq!(left.map(|detail| detail.entry.state), Some(State::Ended));

    go_on.send(()).unwrap();
    assert_eq!(committed.recv().await, Some(1));
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    journal.close().await.unwrap();
}

async fn lazy_records_are_written_without_anybody_waiting(home: &Home) {
    let (journal, _committed, _) = home.open();
    journal.append_lazily(whole(1)).unwrap();

    let is_durable = || home.killed().store().detail(Ticket(1)).unwrap().is_some();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !is_durable() {
        assert!(std::time::Instant::now() < deadline, "it is not written");
        tokio::task::yield_now().await;
    }
    journal.close().await.unwrap();
}

async fn a_key_is_known_from_the_call_of_append_and_after_a_restart(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let known = |ticket, response: Option<Bytes>, ended| {
        let digest = Some(ContentDigest([7; 32]));
        Some(Known { ticket: Ticket(ticket), digest, response, ended })
    };

    journal.append(vec![accepted(1), started(1)], 1).unwrap();
    journal.append(vec![accepted(2), ended(2)], 2).unwrap();
    let keys = [&key(2), &key(1), &key(3)];
    let found = journal.recall(&keys).await.unwrap();
    assert_eq!(found, [known(2, Some(payload(2)), true), known(1, None, false), None]);

    assert_eq!(committed.recv().await, Some(1));
    assert_eq!(committed.recv().await, Some(2));
    journal.close().await.unwrap();
    let (journal, _committed, _) = home.open();
    assert_eq!(journal.recall(&keys).await.unwrap(), found);
    let others = [
        &Key { consumer: "gateway-2".to_owned(), ..key(1) },
        &Key { producer: "producer-2".to_owned(), ..key(1) },
    ];
    assert_eq!(journal.recall(&others).await.unwrap(), [None, None]);
    journal.close().await.unwrap();
}

async fn a_command_turned_away_for_now_is_forgotten(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let busy = |ticket| {
        let refusal = Concluded {
            class: Class::Refused,
            status: Some(503),
            remembered: false,
            ..conclusion(ticket)
        };
        event(ticket, Event::Outcome(Box::new(refusal)))
    };
    let again = |ticket| {
        let repetition = Accepted { key: Some(key(1)), ..command(ticket) };
        event(ticket, Event::Accepted(Box::new(repetition)))
    };

    write(&journal, &mut committed, vec![accepted(1), busy(1)]).await;
    assert_eq!(journal.recall(&[&key(1)]).await.unwrap(), [None]);
    assert_eq!(tickets_called(&journal, "request-1").await, [1], "its name stays");
    write(&journal, &mut committed, vec![again(2), ended(2)]).await;
    assert_eq!(tickets_called(&journal, "request-1").await, [1], "the other has its own name");
    let found = journal.recall(&[&key(1)]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().ticket, Ticket(2));
    assert_eq!(journal.outbox(None, 9).await.unwrap().len(), 2, "both are answered");
    journal.close().await.unwrap();
}

async fn the_first_owner_of_a_key_keeps_it_and_no_record_is_lost(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let same_key = Accepted { key: Some(key(1)), ..command(2) };
    let no_key = Accepted { key: None, request_id: Some("request-1".to_owned()), ..command(3) };
    let records = vec![
        accepted(1),
        ended(1),
        event(2, Event::Accepted(Box::new(same_key))),
        ended(2),
        event(3, Event::Accepted(Box::new(no_key))),
        ended(3),
    ];
    write(&journal, &mut committed, records).await;

    let found = journal.recall(&[&key(1)]).await.unwrap();
    let owner = found[0].as_ref().unwrap();
    assert_eq!((owner.ticket, owner.response.as_ref()), (Ticket(1), Some(&payload(1))));
    assert_eq!(journal.list(Listing::default()).await.unwrap().len(), 3);
    assert_eq!(journal.find("request-1".to_owned()).await.unwrap(), [Ticket(1)]);
    let by_request = Listing { request_id: Some("request-1".to_owned()), ..Listing::default() };
    let tickets: Vec<_> =
        journal.list(by_request).await.unwrap().iter().map(|entry| entry.ticket).collect();
    assert_eq!(tickets, [3, 1]);
    assert_eq!(tickets_called(&journal, "request-1").await, [3, 1], "with a key and without");
    assert_eq!(tickets_called(&journal, "request-2").await, [2]);
    journal.close().await.unwrap();
}

/// The commands that go by a name, each of which is found by it alone as well.
async fn tickets_called(journal: &Journal<u64>, name: &str) -> Vec<u64> {
    let called = journal.called("producer-1".to_owned(), name.to_owned()).await.unwrap();
    let asked = Key { request_id: name.to_owned(), ..key(0) };
    let newest = journal.named(vec![asked]).await.unwrap().pop().flatten();
    assert_eq!(newest.as_ref(), called.first());
    called.iter().map(|named| named.command.ticket.0).collect()
}

async fn what_many_tasks_append_comes_out_in_the_order_of_the_calls(home: &Home) {
    const TASKS: u64 = 8;
    const EACH: u64 = 200;
    let (journal, mut committed, _) = home.open();
    let last = std::sync::Arc::new(std::sync::Mutex::new(0));

    for task in 0..TASKS {
        let (journal, last) = (journal.clone(), std::sync::Arc::clone(&last));
        tokio::spawn(async move {
            for _ in 0..EACH {
                // The lock makes "the order of the calls" a thing one can know.
                let mut last = last.lock().unwrap();
                *last += 1;
                // Every eighth keeps its place without a record.
                let records = if task == 0 { Vec::new() } else { vec![accepted(*last)] };
                journal.append(records, *last).unwrap();
            }
        });
    }
    for expected in 1..=TASKS * EACH {
        assert_eq!(committed.recv().await, Some(expected));
    }
    journal.close().await.unwrap();
    assert_eq!(home.open().2.waiting, (TASKS - 1) * EACH);
}

async fn more_than_the_allowed_number_of_calls_is_refused_and_the_rest_comes_out(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let most = Journal::<u64>::MAX_OUTSTANDING as u64;
    for n in 0..most {
        journal.append(vec![accepted(n + 1)], n).unwrap();
    }
    let error = journal.append(Vec::new(), most).unwrap_err();
    assert!(matches!(error, JournalError::Overrun { most: 4096 }), "{error}");
    for n in 0..most {
        assert_eq!(committed.recv().await, Some(n));
    }
    journal.append(Vec::new(), most).unwrap();
    assert_eq!(committed.recv().await, Some(most));
    journal.close().await.unwrap();
}

async fn a_closed_journal_says_so(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let other = journal.clone();
    journal.append(vec![accepted(1)], 1).unwrap();
    journal.close().await.unwrap();
    assert_eq!(committed.recv().await, Some(1), "it was written before");
    assert_eq!(committed.recv().await, None);
    assert!(committed.failure().is_none());
    let error = other.append(vec![accepted(2)], 2).unwrap_err();
    assert_eq!(error.to_string(), "the journal has stopped: it was closed");
    assert!(other.recall(&[&key(1)]).await.is_err());
}
