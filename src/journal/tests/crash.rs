//! What is left when the process, or the file, comes to a sudden end.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

/// Set in a child process: the folder of the journal that it fills.
const CHILD_DIR: &str = "OC2_TEST_JOURNAL_DIR";

/// The files as they are at this moment: what a kill would leave.
///
/// The head is copied first: between two copies the journal goes on, and a
/// head that is ahead of the database would be a loss.
pub(super) fn copy_of(from: &Path, to: &Path) {
    let head = "journal.head".to_owned();
    for name in [head].into_iter().chain(names(from)) {
        if name.starts_with("journal.db") || (name == "journal.head" && !to.join(&name).exists()) {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Set in a child process: the bytes that it holds in reserve.
const CHILD_RESERVE: &str = "OC2_TEST_JOURNAL_RESERVE";

/// Is no test of its own: the tests below run it in a process that they can kill.
/// It appends for ever and prints what was handed out, or why nothing more is.
#[tokio::test]
async fn child_that_appends() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let reserve = std::env::var(CHILD_RESERVE).map_or(0, |bytes| bytes.parse().unwrap());
    let config = JournalConfig { dir: dir.into(), reserve, ..JournalConfig::default() };
    let (journal, mut committed, recovered) = open(&config);
    let mut out = std::io::stdout();
    let mut ticket = recovered.last_ticket.0;
    let mut outstanding = 0;
    loop {
        // Commits of every size: 1 to 32 commands wait at a time.
        while outstanding <= ticket % 32 {
            ticket += 1;
            outstanding += 1;
            if journal.append(vec![accepted(ticket), ended(ticket)], ticket).is_err() {
                break;
            }
        }
        if let Some(durable) = committed.recv().await {
            outstanding -= 1;
            writeln!(out, "durable {durable}").unwrap();
        } else {
            let error = error::with_causes(&committed.failure().unwrap());
            writeln!(out, "stopped {error}").unwrap();
            let error = journal.append(vec![accepted(ticket + 1)], 0).unwrap_err();
            writeln!(out, "refused {error}").unwrap();
            return;
        }
    }
}

/// This test binary, told to run the child above.
fn child(dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "journal::tests::crash::child_that_appends", "--nocapture"]);
    with_dir(command, dir)
}

fn with_dir(mut command: Command, dir: &Path) -> Command {
    command.env(CHILD_DIR, dir).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

fn durable(line: &str) -> Option<u64> {
    line.strip_prefix("durable ")?.parse().ok()
}

/// Every command up to `last` is there, in full.
async fn assert_holds(journal: &Journal<u64>, last: u64) {
    for ticket in 1..=last {
        let known = journal.recall(&[&key(ticket)]).await.unwrap();
        let known = known[0].as_ref().unwrap_or_else(|| panic!("{ticket} of {last} is lost"));
        assert_eq!(known.response, Some(payload(ticket)));
    }
}

#[tokio::test]
async fn what_was_handed_out_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let mut last = 0;
    for round in 0..8 {
        let mut child = child(&config.dir).spawn().unwrap();
        // Killed in the middle of whatever it is doing after so many.
        let mut left = 50 + round * 37;
        for ticket in lines(&mut child).filter_map(|line| durable(&line)) {
            assert_eq!(ticket, last + 1, "in order, and none twice");
            last = ticket;
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let (journal, _committed, recovered) = open(&config);
        assert!(recovered.last_ticket.0 >= last);
        assert_eq!(recovered.unfinished, [], "both records of a command, or neither");
        assert_holds(&journal, last).await;
        last = recovered.last_ticket.0;
        journal.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_journal_and_loses_nothing_handed_out() {
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    // Files end at 300 blocks of 512 bytes; a write beyond is an error instead of a signal.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 300; exec \"$@\"", "sh"]);
    shell.arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "journal::tests::crash::child_that_appends", "--nocapture"]);
    let mut child = with_dir(shell, &config.dir).spawn().unwrap();

    let mut last = 0;
    let mut said = Vec::new();
    for line in lines(&mut child) {
        if let Some(ticket) = durable(&line) {
            assert_eq!(ticket, last + 1);
            assert!(said.is_empty(), "nothing is handed out after the failure");
            last = ticket;
        } else if line.starts_with("stopped ") || line.starts_with("refused ") {
            said.push(line);
        }
    }
    child.wait().unwrap();
    assert!(last > 0);
    let [stopped, refused] = &said[..] else { panic!("{said:?}") };
    let why = "the journal cannot be written or read: ";
    assert!(stopped.contains(why), "{stopped}");
    assert!(refused.contains("the journal has stopped") && refused.contains(why), "{refused}");

    let (journal, _committed, _) = open(&config);
    assert_holds(&journal, last).await;
    journal.close().await.unwrap();
}

/// A file system of its own in a folder, gone with it.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this user may not mount; with `CI` set that is a failure.
    fn mount(bytes: u64, test: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(dir.path());
        let mounted = mount.stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "1" || ci == "true");
        assert!(!is_ci, "{test}: a tmpfs cannot be mounted");
        println!("skipped: {test}: a tmpfs cannot be mounted");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

/// Scorecard row 9: the disk fills up, the reserve is given back, nothing that
/// was handed out is lost, and there is no new beginning before there is room.
#[tokio::test]
async fn a_reserve_is_given_back_when_the_disk_is_full() {
    const DISK: u64 = 4 * 1024 * 1024;
    const RESERVE: u64 = 512 * 1024;
    let test = "a_reserve_is_given_back_when_the_disk_is_full";
    let Some(disk) = SmallDisk::mount(DISK, test) else { return };
    let dir = disk.0.path().join("journal");
    let reserve = dir.join("journal.reserve");
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![1; 1024 * 1024]).unwrap();

    let mut child = child(&dir);
    let mut child = child.env(CHILD_RESERVE, RESERVE.to_string()).spawn().unwrap();
    let mut last = 0;
    let mut said = Vec::new();
    for line in lines(&mut child) {
        match durable(&line) {
            Some(ticket) => last = ticket,
            None if line.starts_with("stopped ") => said.push(line),
            None => {}
        }
    }
    child.wait().unwrap();
    let [stopped] = &said[..] else { panic!("{said:?}") };
    assert!(stopped.contains("full"), "{stopped}");
    assert!(last > 0);
    assert!(!reserve.exists(), "it is given back");

    let config = JournalConfig { dir, reserve: RESERVE, ..JournalConfig::default() };
    let Err(error) = Journal::<u64>::open(&config) else { panic!("there is no room to begin") };
    assert!(matches!(error, JournalError::NoRoom { bytes: RESERVE, .. }), "{error}");

    std::fs::remove_file(filler).unwrap();
    let (journal, mut committed, _) = open(&config);
    assert_eq!(reserve.metadata().unwrap().len(), RESERVE);
    assert_holds(&journal, last).await;
    write(&journal, &mut committed, vec![accepted(last + 100)]).await;
    journal.close().await.unwrap();
    println!("disk full: {last} handed out, 0 lost, {RESERVE} bytes given back and held again");
}

/// What SQLite promises of a log that ends early: the commits before the tear
/// are there, in order and each of them whole, and the others are gone without
/// a word. What had been moved into the database is there in any case.
#[tokio::test]
async fn a_torn_log_opens_and_holds_the_commits_before_the_tear() {
    const COMMITS: u64 = 600;
    let dir = TempDir::new().unwrap();
    let config = config(&dir);
    let (journal, mut committed, _) = open(&config);
    // Copied where the log is young and where it has been started over.
    let copies: Vec<_> = (0..2).map(|_| TempDir::new().unwrap()).collect();
    for ticket in 1..=COMMITS {
        write(&journal, &mut committed, vec![accepted(ticket), ended(ticket)]).await;
        match ticket {
            17 => copy_of(&config.dir, copies[0].path()),
            COMMITS => copy_of(&config.dir, copies[1].path()),
            _ => {}
        }
    }
    journal.close().await.unwrap();

    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for (copy, last) in copies.iter().zip([17, COMMITS]) {
        let whole_len = copy.path().join("journal.db-wal").metadata().unwrap().len();
        let mut cuts = vec![0, 1, 32, whole_len];
        for _ in 0..10 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            cuts.push(random % whole_len);
        }
        cuts.sort_unstable();

        let mut held_before = 0;
        for cut in cuts {
            let torn = TempDir::new().unwrap();
            copy_of(copy.path(), torn.path());
            let log = OpenOptions::new().write(true).open(torn.path().join("journal.db-wal"));
            log.unwrap().set_len(cut).unwrap();

            // Without the head the journal cannot know that anything is missing.
            let config =
                JournalConfig { dir: torn.path().to_owned(), unguarded: true, ..config.clone() };
            let (journal, mut committed, recovered) = open(&config);
            let held = recovered.last_ticket.0;
            assert_eq!(recovered.unfinished, [], "each commit is whole");
            assert_holds(&journal, held).await;
            assert!(held >= held_before, "a longer log holds no less");
            held_before = held;
            if cut == whole_len {
                assert_eq!(held, last);
            }
            // And it goes on from there.
            write(&journal, &mut committed, vec![accepted(held + 1), ended(held + 1)]).await;
            assert_holds(&journal, held + 1).await;
            journal.close().await.unwrap();
        }
    }
}
