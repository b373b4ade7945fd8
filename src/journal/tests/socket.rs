//! What people are told, with a bridge running and without.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;

/// A journal with a few commands, and its socket.
async fn running(config: &JournalConfig) -> (Journal<u64>, JoinHandle<()>) {
    let (journal, mut committed, recovered) = open(config);
    if recovered.last_ticket == Ticket(0) {
        let repetition = Accepted { key: None, ..command(3) };
        let repetition = Accepted { request_id: Some("request-1".to_owned()), ..repetition };
        let mut records = whole(1);
        records.extend([accepted(2), event(3, Event::Accepted(Box::new(repetition)))]);
        write(&journal, &mut committed, records).await;
    }
    let socket = Socket::bind(&config.dir).unwrap();
    let status: StatusSource = Arc::new(|| serde_json::json!({ "received": 2 }));
    (journal.clone(), tokio::spawn(socket.serve(journal, status, tokio::sync::mpsc::channel(1).0)))
}

async fn stop(journal: Journal<u64>, serving: JoinHandle<()>) {
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    journal.close().await.unwrap();
}

fn show(id: &str) -> Request {
    Request::Show { id: id.to_owned() }
}

async fn tickets(config: &JournalConfig, request: Request) -> Vec<u64> {
    match ask(&config.dir, request).await.unwrap() {
        Answer::List(entries) => entries.iter().map(|entry| entry.ticket).collect(),
        Answer::Show(details) => details.iter().map(|detail| detail.entry.ticket).collect(),
        other => panic!("{other:?}"),
    }
}

/// The same questions have the same answers, whoever reads.
async fn assert_answers(config: &JournalConfig) {
    let accepted = Listing { state: Some(State::Accepted), ..Listing::default() };
    let newest = Listing { limit: 1, ..Listing::default() };
    #[rustfmt::skip]
    let cases = [
        (Request::List(Listing::default()), vec![3, 2, 1]),
        (Request::List(accepted),           vec![3, 2]),
        (Request::List(newest),             vec![3]),
        (show("2"),                         vec![2]),
        (show("request-2"),                 vec![2]),
        (show("request-1"),                 vec![1]),
        (show("17"),                        vec![]),
    ];
    for (request, expected) in cases {
        assert_eq!(tickets(config, request.clone()).await, expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_running_bridge_answers_through_its_socket() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    let mode = std::fs::metadata(config.dir.join("journal.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    assert_answers(&config).await;
    let expected = journal.show(Ticket(1)).await.unwrap().unwrap();
    assert_eq!(ask(&config.dir, show("1")).await.unwrap(), Answer::Show(vec![expected]));
    let status = ask(&config.dir, Request::Status).await.unwrap();
    assert_eq!(status, Answer::Status(serde_json::json!({ "received": 2 })));

    stop(journal, serving).await;
    assert_eq!(
        names(&config.dir),
        ["journal.db", "journal.db-wal", "journal.head", "journal.lock"]
    );
}

#[tokio::test]
async fn what_is_no_request_is_told_so_and_the_next_one_is_answered() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    let too_long = format!("{{\"show\":{{\"id\":\"{}\"}}}}\n", "7".repeat(20_000));
    let cases = [
        ("\"statsu\"\n", "unknown variant"),
        ("{\"list\":{\"limt\":3}}\n", "unknown field"),
        ("\n", "EOF while parsing"),
        ("\u{1}\n", "expected value"),
        (too_long.as_str(), "EOF while parsing a string"),
    ];
    for (request, complaint) in cases {
        let mut stream = UnixStream::connect(config.dir.join("journal.sock")).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A request that was not read to its end may also end in a reset, after the answer.
        let read = stream.read_to_string(&mut answer).await;
        if read.is_ok() {
            assert!(answer.starts_with("{\"error\":") && answer.contains(complaint), "{answer}");
            assert!(answer.ends_with("\"end\"\n"), "{answer}");
        } else {
            assert_eq!(request, too_long);
        }
    }
    assert_answers(&config).await;
    stop(journal, serving).await;
}

#[tokio::test]
async fn silent_clients_do_not_keep_others_out_for_ever() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    let path = config.dir.join("journal.sock");
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(UnixStream::connect(&path).await.unwrap());
    }
    // They are thrown out after a while; here the while passes at once.
    tokio::time::pause();
    let mut nothing = Vec::new();
    for mut stream in silent {
        stream.read_to_end(&mut nothing).await.unwrap();
    }
    tokio::time::resume();
    assert!(nothing.is_empty());
    assert_answers(&config).await;
    stop(journal, serving).await;
}

#[tokio::test]
async fn without_a_bridge_the_journal_is_read_directly_and_nothing_is_written() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    let contents = |dir: &Path| -> Vec<_> {
        let read = |name: String| (std::fs::read(dir.join(&name)).unwrap(), name);
        names(dir).into_iter().map(read).collect()
    };

    // As a killed bridge leaves it: everything still in the log, a dead socket.
    let killed = JournalConfig { dir: dir.path().join("killed"), ..config.clone() };
    std::fs::create_dir(&killed.dir).unwrap();
    crash::copy_of(&config.dir, &killed.dir);
    std::fs::copy(config.dir.join("journal.lock"), killed.dir.join("journal.lock")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(killed.dir.join("journal.sock"));
    drop(socket.unwrap());
    let without_socket = |dir: &Path| {
        std::fs::remove_file(dir.join("journal.sock")).unwrap();
        contents(dir)
    };
    assert!(std::fs::metadata(killed.dir.join("journal.db-wal")).unwrap().len() > 0);
    assert_answers(&killed).await;
    let after = without_socket(&killed.dir);
    assert_answers(&killed).await;
    assert_eq!(after, contents(&killed.dir));

    stop(journal, serving).await;
    let before = contents(&config.dir);
    assert_answers(&config).await;
    assert_eq!(before, contents(&config.dir));

    let error = ask(&config.dir, Request::Status).await.unwrap_err();
    assert!(error.to_string().starts_with("no bridge is running"), "{error}");
    let nowhere = dir.path().join("nowhere");
    let error = ask(&nowhere, Request::List(Listing::default())).await.unwrap_err();
    assert_eq!(error.to_string(), format!("there is no journal in {}", nowhere.display()));
}

#[tokio::test]
async fn the_next_bridge_takes_the_socket_of_a_dead_one_over() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    stop(journal, serving).await;
    drop(std::os::unix::net::UnixListener::bind(config.dir.join("journal.sock")).unwrap());

    let (journal, serving) = running(&config).await;
    assert_answers(&config).await;
    stop(journal, serving).await;
}

#[tokio::test]
async fn a_bridge_whose_socket_is_gone_is_named() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    std::fs::remove_file(config.dir.join("journal.sock")).unwrap();
    let error = ask(&config.dir, Request::List(Listing::default())).await.unwrap_err();
    assert!(error.to_string().contains("is in use by process"), "{error}");
    stop(journal, serving).await;
}

#[tokio::test]
async fn a_bridge_that_starts_waits_for_those_who_read() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, serving) = running(&config).await;
    stop(journal, serving).await;

    let reader = super::super::lock::Lock::shared(&config.dir).unwrap();
    let starting = tokio::task::spawn_blocking({
        let config = config.clone();
        move || Journal::<u64>::open(&config).map(|(journal, ..)| journal)
    });
    drop(reader);
    starting.await.unwrap().unwrap().close().await.unwrap();
}
