//! A database that is none any more, and files that were put back: the ways out that are documented.

use std::fs;

use super::*;

/// A journal of so many commands, closed.
async fn filled(home: &Home, commands: u64) {
    let (journal, mut committed, _) = home.open();
    for ticket in 1..=commands {
        write(&journal, &mut committed, whole(ticket)).await;
    }
    journal.close().await.unwrap();
}

fn refused(config: &JournalConfig) -> String {
    let Err(error) = Journal::<u64>::open(config) else { panic!("it was opened") };
    error.to_string()
}

/// One harm to a file.
type Harm = fn(&mut Vec<u8>);

#[tokio::test]
async fn a_malformed_database_says_the_way_out_and_that_is_one() {
    const COMMANDS: u64 = 40;
    const PAGE: usize = 4096;
    let harms: [(&str, Harm); 4] = [
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut within a page", |bytes| bytes.truncate(bytes.len() - PAGE / 2)),
        ("pages of garbage", |bytes| bytes[PAGE..4 * PAGE].fill(0x5a)),
        ("no header", |bytes| bytes[..100].fill(0)),
    ];
    for (harm, change) in harms {
        let home = Home::File(TempDir::new().unwrap());
        filled(&home, COMMANDS).await;
        let config = home.config();
        let database = schema::file(&config.dir);
        let mut bytes = fs::read(&database).unwrap();
        change(&mut bytes);
        fs::write(&database, bytes).unwrap();

        let told = [
            refused(&config),
            accept_loss(&config.dir, "ann").unwrap_err().to_string(),
            match verify(&config.dir).await {
                Ok(Check { findings, .. }) => {
                    let mut said = findings.into_iter().map(|finding| finding.what);
                    said.find(|what| what.contains("is damaged")).unwrap_or_default()
                }
                Err(error) => error.to_string(),
            },
        ];
        for said in told {
            for part in ["is damaged", "Move journal.db and journal.db-wal", "accept-loss"] {
                assert!(said.contains(part), "{harm}: {part:?} is not in: {said}");
            }
            assert!(!said.contains('\n') && !said.contains("***"), "{harm}: {said}");
        }

        // As it says.
        fs::rename(&database, config.dir.join("kept-aside")).unwrap();
        if let Err(error) = fs::remove_file(config.dir.join("journal.db-wal")) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
        let said = refused(&config);
        assert!(said.contains(&format!("of commands 1 to {COMMANDS} nothing is left")), "{said}");
        let accepted_loss = accept_loss(&config.dir, "ann").unwrap().unwrap();
        assert_eq!(accepted_loss.gone, 4 * COMMANDS);
        let (journal, mut committed, recovered) = open(&config);
        assert_eq!(recovered.last_ticket, Ticket(COMMANDS), "lost numbers are not given again");
        assert_eq!(Some(recovered.forgotten_ms), accepted_loss.forgotten_ms);
        write(&journal, &mut committed, whole(COMMANDS + 1)).await;
        journal.close().await.unwrap();
        assert_eq!(verify(&config.dir).await.unwrap().wrong, 0);
    }
}

/// The whole of an older folder says nothing of what is missing: whoever puts it back says so, by
/// the head of now or by none.
#[tokio::test]
async fn an_older_folder_that_is_put_back_forgets_when_its_head_is_taken_away() {
    for has_newest_head in [true, false] {
        let home = Home::File(TempDir::new().unwrap());
        filled(&home, 8).await;
        let backup = home.killed();
        let (journal, mut committed, _) = home.open();
        write(&journal, &mut committed, whole(9)).await;
        journal.close().await.unwrap();

        let (newest, config) = (home.config().dir, backup.config());
        let head = config.dir.join("journal.head");
        let (journal, _, recovered) = backup.open();
        assert_eq!(recovered.last_ticket, Ticket(8), "nobody can know");
        journal.close().await.unwrap();

        if has_newest_head {
            fs::copy(newest.join("journal.head"), &head).unwrap();
            assert!(refused(&config).contains("of commands 9 to 9 nothing is left"));
        } else {
            fs::remove_file(&head).unwrap();
            assert!(refused(&config).contains("journal.head is missing"));
        }
        let before_ms = now_ms();
        let accepted_loss =
            accept_loss(&config.dir, "ann: a backup was put back").unwrap().unwrap();
        let (journal, _, recovered) = backup.open();
        assert!(recovered.forgotten_ms >= before_ms);
        assert_eq!(Some(recovered.forgotten_ms), accepted_loss.forgotten_ms);
        let last = if has_newest_head { 9 } else { 8 };
        assert_eq!(recovered.last_ticket, Ticket(last));
        journal.close().await.unwrap();
    }
}
