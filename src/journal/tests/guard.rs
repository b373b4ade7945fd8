//! Nothing is lost or changed in silence.

use std::fs;

use super::*;
use crate::journal::lock::Lock;

/// A generator that gives the same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Commands in every state, some of them forgotten, part of it in the log only:
/// the folder as a kill leaves it.
async fn killed_in_the_middle(home: &Home) -> Home {
    let (journal, mut committed, _) = home.open();
    for ticket in 1..=120 {
        write(&journal, &mut committed, whole(ticket)).await;
    }
    journal.close().await.unwrap();
    let mut store = home.store();
    for ticket in (1..=120).filter(|ticket| ticket % 3 == 0) {
        store.remove(Ticket(ticket)).unwrap();
    }
    store.commit().unwrap();
    store.close().unwrap();

    let (journal, mut committed, _) = home.open();
    for ticket in 121..=160 {
        write(&journal, &mut committed, whole(ticket)).await;
    }
    write(&journal, &mut committed, vec![accepted(161), started(161), ended(161)]).await;
    write(&journal, &mut committed, vec![accepted(162), started(162)]).await;
    write(&journal, &mut committed, vec![accepted(163)]).await;
    let killed = home.killed();
    journal.close().await.unwrap();
    killed
}

/// Everything that can be asked of a journal, in one text.
fn everything(store: &dyn Store) -> String {
    let commands = (1..=170).map(|ticket| {
        format!("{:?}{:?}", store.recall(&key(ticket)), store.detail(Ticket(ticket)))
    });
    let commands: Vec<_> = commands.collect();
    let (recovered, outbox) = (store.recovered().unwrap(), store.outbox(None, 1000));
    format!("{recovered:?}{}{outbox:?}{}", commands.concat(), store.commands())
}

/// What a harm to the files came to.
#[derive(Debug, Eq, PartialEq)]
enum Verdict {
    /// The journal is not opened.
    Refused,
    /// It is opened, and the check of it tells.
    Told,
    /// It is what it was.
    Harmless,
    /// It is not what it was, and nobody is told.
    Silent,
}

fn verdict(config: &JournalConfig, whole: &str) -> Verdict {
    let Ok(store) = Sqlite::open(config) else { return Verdict::Refused };
    if !config.unguarded {
        let mut check = Check::default();
        while !check.is_over {
            if store.check(&mut check, 1000).is_err() {
                return Verdict::Told;
            }
        }
        if check.wrong > 0 {
            return Verdict::Told;
        }
    }
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| everything(&store)));
    match asked {
        Ok(now) if now == whole => Verdict::Harmless,
        _ => Verdict::Silent,
    }
}

/// Everything of the journal that a disk can damage. Its lock and its reserve are [`OTHER_FILES`].
const STORE_FILES: [&str; 3] = ["journal.db", "journal.db-wal", "journal.head"];

/// Bits that are flipped in a file, and as many cuts: all that row 11 asks for, or a tenth.
fn flips() -> u64 {
    if std::env::var_os("OC2_SOAK").is_some() { 100 } else { 10 }
}

/// Scorecard row 11: flips and cuts over every file of the journal, each seen
/// or without any consequence; and not so without the guard.
#[tokio::test]
async fn no_flipped_bit_and_no_missing_end_goes_unnoticed() {
    let flips = flips();
    let home = Home::File(TempDir::new().unwrap());
    let killed = killed_in_the_middle(&home).await;
    let from = killed.config().dir;
    let whole = {
        let dir = TempDir::new().unwrap();
        crash::copy_of(&from, dir.path());
        everything(&Sqlite::open(&in_dir(&dir, false)).unwrap())
    };

    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut sums = [0_u64; 4];
    for file in STORE_FILES {
        let bytes = fs::read(from.join(file)).unwrap();
        let len = bytes.len() as u64;
        let mut counts = [0_u64; 4];
        for harm in 0..2 * flips {
            let harmed = if harm % 2 == 0 {
                let bit = dice.below(len * 8);
                let mut harmed = bytes.clone();
                harmed[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
                harmed
            } else {
                bytes[..usize::try_from(dice.below(len)).unwrap()].to_vec()
            };
            for unguarded in [false, true] {
                let dir = TempDir::new().unwrap();
                crash::copy_of(&from, dir.path());
                fs::write(dir.path().join(file), &harmed).unwrap();
                let verdict = verdict(&in_dir(&dir, unguarded), &whole);
                match (unguarded, &verdict) {
                    (false, Verdict::Silent) => panic!("{file}, harm {harm}: nobody is told"),
                    (false, Verdict::Refused) => counts[0] += 1,
                    (false, Verdict::Told) => counts[1] += 1,
                    (false, Verdict::Harmless) => counts[2] += 1,
                    (true, Verdict::Silent) => counts[3] += 1,
                    (true, _) => {}
                }
            }
        }
        println!("{file}: refused, told, harmless, and silent without the guard: {counts:?}");
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let [refused, told, harmless, silent_without] = sums;
    println!(
        "reliability: | [11] {flips} flipped bits and {flips} cuts in each of {} files of the journal \
         | refused at the start {refused}, told by the check {told}, harmless {harmless}, silent 0 |",
        STORE_FILES.len()
    );
    println!(
        "reliability: | [11] control: {flips} flipped bits and {flips} cuts without the guard \
         | silent {silent_without} |"
    );
    assert!(silent_without > 0, "a test that cannot fail proves nothing");
}

/// Files of the journal that hold nothing of it: who has it, and room for bad times.
const OTHER_FILES: [(&str, u64); 2] = [("journal.lock", 0), ("journal.reserve", 64 * 1024)];

/// Scorecard row 11 for these: whatever becomes of them, the journal is what it was, and a start
/// puts them in order again.
#[tokio::test]
async fn what_holds_nothing_of_the_journal_may_be_harmed_without_harm() {
    let flips = flips();
    let home = Home::File(TempDir::new().unwrap());
    let killed = killed_in_the_middle(&home).await;
    let from = killed.config().dir;
    let fresh = || {
        let dir = TempDir::new().unwrap();
        crash::copy_of(&from, dir.path());
        dir
    };
    let open =
        |dir: &TempDir, reserve| Sqlite::open(&JournalConfig { reserve, ..in_dir(dir, false) });
    let whole = everything(&open(&fresh(), 0).unwrap());

    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (file, reserve) in OTHER_FILES {
        let sound = {
            let dir = fresh();
            drop(open(&dir, reserve).unwrap());
            fs::read(dir.path().join(file)).unwrap()
        };
        let len = sound.len() as u64;
        for harm in 0..2 * flips {
            let mut harmed = sound.clone();
            if harm % 2 == 0 {
                let bit = dice.below(len * 8);
                harmed[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
            } else {
                harmed.truncate(usize::try_from(dice.below(len)).unwrap());
            }
            let dir = fresh();
            fs::write(dir.path().join(file), &harmed).unwrap();
            let store = open(&dir, reserve).unwrap();
            assert_eq!(everything(&store), whole, "{file}, harm {harm}");
            let now = fs::metadata(dir.path().join(file)).unwrap().len();
            assert_eq!(now, len, "{file}, harm {harm}: it is what it should be again");
        }
    }
    println!(
        "reliability: | [11] {flips} flipped bits and {flips} cuts in each of {} files that hold \
         nothing of the journal | harmless {} |",
        OTHER_FILES.len(),
        2 * flips * OTHER_FILES.len() as u64,
    );
}

fn in_dir(dir: &TempDir, unguarded: bool) -> JournalConfig {
    JournalConfig { dir: dir.path().to_owned(), unguarded, reserve: 0, ..JournalConfig::default() }
}

/// A journal of ten commands whose log was rolled back to eight.
async fn rolled_back() -> TempDir {
    let home = Home::File(TempDir::new().unwrap());
    let (journal, mut committed, _) = home.open();
    for ticket in 1..=8 {
        write(&journal, &mut committed, vec![accepted(ticket), ended(ticket)]).await;
    }
    let old = home.killed();
    for ticket in 9..=10 {
        write(&journal, &mut committed, vec![accepted(ticket), ended(ticket)]).await;
    }
    let new = home.killed();
    journal.close().await.unwrap();

    let dir = TempDir::new().unwrap();
    fs::copy(new.config().dir.join("journal.head"), dir.path().join("journal.head")).unwrap();
    crash::copy_of(&old.config().dir, dir.path());
    dir
}

#[tokio::test]
async fn a_journal_that_was_rolled_back_says_what_is_gone_and_takes_no_command() {
    let dir = rolled_back().await;
    let Err(error) = Journal::<u64>::open(&in_dir(&dir, false)) else { panic!("it was opened") };
    let said = error.to_string();
    for part in [
        "4 records that were durable are gone",
        "the last was record 20, the database ends with record 16",
        "of commands 9 to 10 nothing is left",
        "oc2 journal verify",
        "oc2 journal accept-loss",
    ] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    let check = verify(dir.path()).await.unwrap();
    assert_eq!((check.wrong, check.records), (1, 16));
    assert!(check.findings[0].what.contains("of commands 9 to 10 nothing is left"));
}

#[tokio::test]
async fn a_loss_is_accepted_once_and_stays_in_the_chain() {
    let dir = rolled_back().await;
    let config = in_dir(&dir, false);
    let before_ms = now_ms();
    let accepted_loss = accept_loss(dir.path(), "ann: the disk was changed").unwrap().unwrap();
    let forgotten_ms = accepted_loss.forgotten_ms.unwrap();
    assert!((before_ms..=now_ms()).contains(&forgotten_ms), "{forgotten_ms}");
    let expected = LossAccepted {
        gone: 4,
        commands_gone: Some((9, 10)),
        breaks: Vec::new(),
        missing: Vec::new(),
        head: None,
        forgotten_ms: Some(forgotten_ms),
        seq: 21,
    };
    assert_eq!(accepted_loss, expected);
    assert_eq!(accept_loss(dir.path(), "again").unwrap(), None, "nothing is missing any more");

    let (journal, mut committed, recovered) = open(&config);
    assert_eq!(recovered.last_ticket, Ticket(10), "lost numbers are not given again");
    assert_eq!(recovered.forgotten_ms, forgotten_ms, "what is lost is not taken for new");
    write(&journal, &mut committed, vec![accepted(11)]).await;
    journal.close().await.unwrap();
    let check = verify(dir.path()).await.unwrap();
    assert_eq!((check.wrong, check.losses, check.gone, check.last_seq()), (0, 1, 4, 22));

    let lines = exported(dir.path()).await;
    let Exported::Record { body: Some(body), .. } = &lines[17] else { panic!("{:?}", lines[17]) };
    let expected = format!(
        r#"{{"known":{{"seq":20,"ticket":10}},"found":{{"seq":16,"ticket":8}},"forgotten_ms":{forgotten_ms},"text":"ann: the disk was changed"}}"#
    );
    assert_eq!(*body, expected);
}

/// A loss that was accepted is in the records as well: tables that are made from them once more
/// have it, also where the record is of a version that did not say until when.
#[tokio::test]
async fn what_was_lost_stays_refused_when_the_tables_are_made_anew() {
    let dir = rolled_back().await;
    let config = in_dir(&dir, false);
    let forgotten_ms = accept_loss(dir.path(), "ann").unwrap().unwrap().forgotten_ms.unwrap();
    let forgotten = || Sqlite::open(&config).unwrap().forgotten_ms();
    assert_eq!(forgotten(), forgotten_ms);

    // An older version, whose number for it was not what it should have been.
    let older = |change: &str| {
        sqlite(dir.path()).execute_batch(&format!("{change}; PRAGMA user_version = 5")).unwrap();
    };
    older("UPDATE mark SET forgotten_ms = 0");
    assert_eq!(forgotten(), forgotten_ms);

    older(
        "UPDATE mark SET forgotten_ms = 0;
         UPDATE record SET at_ms = 1577836899999, body = CAST(replace(body, '\"forgotten_ms\"', '\"x\"') AS BLOB)
         WHERE kind = 'loss'",
    );
    // Changed as it is, only a journal without the guard opens it.
    let store = Sqlite::open(&in_dir(&dir, true)).unwrap();
    assert_eq!(store.forgotten_ms(), 1_577_836_899_999);
}

/// All lines of an export.
async fn exported(dir: &Path) -> Vec<Exported> {
    let mut lines: Vec<Exported> = Vec::new();
    loop {
        let more = export(dir, lines.last()).await.unwrap();
        if more.is_empty() {
            return lines;
        }
        lines.extend(more);
    }
}

fn sqlite(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(schema::file(dir)).unwrap()
}

/// Changes that leave the file in order, each of which changes what it says.
#[tokio::test]
async fn what_somebody_changes_in_the_database_is_found_and_can_be_accepted() {
    #[rustfmt::skip]
    let cases = [
        ("UPDATE record SET body = CAST(replace(body, '200', '201') AS BLOB) WHERE seq = 8", "record 8 is not the one that was written", true),
        ("UPDATE record SET kind = 'cat' WHERE seq = 8",                         "record 8 is not the one that was written", true),
        ("UPDATE record SET kind = 'cat' WHERE seq = 7",                         "record 7 is not the one that was written", true),
        ("UPDATE record SET body = x'00' WHERE seq = 7",                        "record 7 is not the one that was written", true),
        ("UPDATE record SET at_ms = at_ms + 1 WHERE seq = 7",                   "record 7 is not the one that was written", true),
        ("DELETE FROM record WHERE seq = 7",                                    "records 7 to 7 are missing", true),
        ("DELETE FROM record WHERE seq > 10",                                   "records that were durable are gone", true),
        ("UPDATE command SET status = 500 WHERE ticket = 3",                    "command 3: its state is not what its records say", false),
        ("UPDATE command SET ended_ms = 1 WHERE ticket = 9",                    "command 9: its state is not what its records say", false),
        ("DELETE FROM command WHERE ticket = 3",                                "command 3: it is not in the table of commands", false),
        ("DELETE FROM key WHERE ticket = 3",                                    "command 3: a repetition of it would not be recognised", false),
        ("DELETE FROM outbox WHERE id = 8",                                     "command 8: its response 8 is not in the outbox", false),
        ("UPDATE mark SET ticket = 3",                                          "the highest numbers given are not what was written", false),
        ("UPDATE anchor SET link = zeroblob(32) WHERE first_seq = 3",                               "record 5 is not the one that was written", true),
        ("UPDATE anchor SET last_seq = 6 WHERE first_seq = 3",                                      "records 3 to 4 are missing", true),
    ];
    let home = Home::File(TempDir::new().unwrap());
    let (journal, mut committed, _) = home.open();
    for ticket in 1..=8 {
        write(&journal, &mut committed, vec![accepted(ticket), ended(ticket)]).await;
    }
    write(&journal, &mut committed, vec![answered(1), answered(2), accepted(9)]).await;
    journal.close().await.unwrap();
    let mut store = home.store();
    store.remove(Ticket(2)).unwrap();
    store.commit().unwrap();
    store.close().unwrap();

    for (change, complaint, is_in_the_chain) in cases {
        let dir = TempDir::new().unwrap();
        crash::copy_of(&home.config().dir, dir.path());
        let connection = sqlite(dir.path());
        assert!(connection.execute(change, []).unwrap() > 0, "{change}");
        drop(connection);
        drop(Lock::exclusive(dir.path()).unwrap());

        let check = verify(dir.path()).await.unwrap();
        let found: Vec<_> = check.findings.iter().map(|finding| finding.what.as_str()).collect();
        assert!(found.iter().any(|what| what.contains(complaint)), "{change}: {found:?}");

        let accepted = accept_loss(dir.path(), "test").unwrap().unwrap();
        let has_breaks =
            !accepted.breaks.is_empty() || !accepted.missing.is_empty() || accepted.gone > 0;
        assert_eq!(has_breaks, is_in_the_chain, "{change}: {accepted:?}");
        // Without the numbers nobody knows what is forgotten; what the records say is not lost.
        let is_lost = is_in_the_chain || change.starts_with("UPDATE mark");
        assert_eq!(accepted.forgotten_ms.is_some(), is_lost, "{change}: {accepted:?}");
        let check = verify(dir.path()).await.unwrap();
        assert_eq!(check.findings, [], "{change}");
        let (journal, _, recovered) = open(&in_dir(&dir, false));
        assert_eq!(recovered.forgotten_ms > THEN_MS + 1_000_000, is_lost, "{change}");
        journal.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_journal_without_its_head_is_not_opened_unless_it_is_empty() {
    let home = Home::File(TempDir::new().unwrap());
    let dir = home.config().dir;
    let head = dir.join("journal.head");
    home.open().0.close().await.unwrap();
    fs::remove_file(&head).unwrap();
    let (journal, mut committed, _) = home.open();
    write(&journal, &mut committed, whole(1)).await;
    journal.close().await.unwrap();

    for (harm, complaint) in
        [("", "journal.head is unreadable"), ("gone", "journal.head is missing")]
    {
        if harm.is_empty() {
            fs::write(&head, "").unwrap();
        } else {
            fs::remove_file(&head).unwrap();
        }
        let Err(error) = Journal::<u64>::open(&home.config()) else { panic!("it was opened") };
        assert!(error.to_string().contains(complaint), "{error}");
    }
    let before_ms = now_ms();
    let accepted = accept_loss(&dir, "ann").unwrap().unwrap();
    assert!(accepted.head.unwrap().starts_with("journal.head is missing"));
    let (journal, _, recovered) = home.open();
    assert!(recovered.forgotten_ms >= before_ms, "nobody knows what is gone");
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_check_of_older_records_tells_the_running_bridge() {
    let home = Home::File(TempDir::new().unwrap());
    let (journal, ..) = home.open();
    // More than is looked at before commands are taken.
    for ticket in 1..=2100 {
        journal.append_lazily(whole(ticket)).unwrap();
    }
    journal.close().await.unwrap();
    let change = "UPDATE command SET class = 'silent' WHERE ticket = 5";
    assert_eq!(sqlite(&home.config().dir).execute(change, []).unwrap(), 1);

    let (journal, ..) = home.open();
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !journal.health().check_is_over {
        assert!(std::time::Instant::now() < deadline, "{:?}", journal.health());
        tokio::task::yield_now().await;
    }
    let health = journal.health();
    assert_eq!((health.checked, health.wrong), (8400, 1));
    journal.close().await.unwrap();
}

#[tokio::test]
async fn an_exported_journal_is_verified_elsewhere() {
    let home = Home::File(TempDir::new().unwrap());
    let killed = killed_in_the_middle(&home).await;
    drop(killed.store());
    let dir = killed.config().dir;
    let direct = exported(&dir).await;

    // The same through a running bridge.
    let (journal, ..) = killed.open();
    let socket = Socket::bind(&dir).unwrap();
    let status: StatusSource = std::sync::Arc::new(|| serde_json::Value::Null);
    let serving =
        tokio::spawn(socket.serve(journal.clone(), status, tokio::sync::mpsc::channel(1).0));
    assert_eq!(exported(&dir).await, direct);
    assert_eq!(verify(&dir).await.unwrap().wrong, 0);
    serving.abort();
    drop(serving.await);
    journal.close().await.unwrap();

    let text = |lines: &[Exported]| -> String {
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    };
    let whole = text(&direct);
    let check = verify_file(whole.as_bytes()).unwrap();
    assert_eq!((check.findings.len(), check.wrong), (0, 0));
    assert_eq!(check.records, 4 * 120 + 6);
    assert_eq!(check.gone, 4 * 40);

    #[rustfmt::skip]
    let cases = [
        ("a line less at the end", text(&direct[..direct.len() - 1]),              "the file ends before its end"),
        ("a line less",            text(&[&direct[..5], &direct[6..]].concat()),   "are missing"),
        ("a changed body",         whole.replacen("200", "201", 1),                "is not the one that was written"),
        ("a changed time",         whole.replacen("\"at_ms\":1", "\"at_ms\":2", 1), "is not the one that was written"),
        ("another end",            whole.replace("{\"end\":{\"seq\":6", "{\"end\":{\"seq\":7"), "the file says that it ends"),
        ("something after it",     format!("{whole}{{}}\n"),                       "something follows the end"),
        ("no JSON",                format!("x{whole}"),                            "line 1: "),
    ];
    for (harm, file, complaint) in cases {
        assert_ne!(file, whole, "{harm}");
        let check = verify_file(file.as_bytes()).unwrap();
        assert!(check.wrong > 0, "{harm}");
        let found = check.findings.iter().any(|finding| finding.what.contains(complaint));
        assert!(found, "{harm}: {:?}", check.findings);
    }
}

/// Version 1 had no chain, no head, and a shorter row of `mark`.
#[tokio::test]
async fn a_journal_of_version_1_is_brought_up_to_date() {
    let home = Home::File(TempDir::new().unwrap());
    let killed = killed_in_the_middle(&home).await;
    let dir = killed.config().dir;
    let expected = everything(&*killed.store());
    fs::remove_file(dir.join("journal.head")).unwrap();
    sqlite(&dir)
        .execute_batch(
            "ALTER TABLE record DROP COLUMN link; ALTER TABLE anchor DROP COLUMN link;
             CREATE TABLE old (id INTEGER PRIMARY KEY CHECK (id = 1), ticket INTEGER NOT NULL,
                               outbox INTEGER NOT NULL, commands INTEGER NOT NULL);
             INSERT INTO old SELECT id, ticket, outbox, commands FROM mark;
             DROP TABLE mark; ALTER TABLE old RENAME TO mark; PRAGMA user_version = 1",
        )
        .unwrap();

    let forgetful = |text: String| text.replace("forgotten_ms: 1577836800120", "forgotten_ms: 0");
    assert_eq!(everything(&*killed.store()), forgetful(expected));
    let check = verify(&dir).await.unwrap();
    assert_eq!(check.findings, []);
    assert_eq!((check.records, check.gone), (4 * 120 + 6, 4 * 40));
    killed.open().0.close().await.unwrap();
}
