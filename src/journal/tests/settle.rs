//! Commands in doubt, and what people find out about them.

use super::*;
use crate::dispatch::{IN_DOUBT, Outcome};
use crate::openc2::{Response, Status};

/// A command as its producer wrote it, so that what he wants to be told can be read.
fn readable(ticket: u64, wants: &str) -> Record {
    let message = serde_json::json!({
        "headers": { "request_id": format!("request-{ticket}"), "from": "producer-1" },
        "body": { "openc2": { "request": {
            "action": "query", "target": { "features": [] },
            "args": { "response_requested": wants },
        } } },
    });
    let message = Bytes::from(message.to_string());
    event(ticket, Event::Accepted(Box::new(Accepted { message, ..command(ticket) })))
}

fn given_up(ticket: u64) -> Record {
    let text = Some(format!("{IN_DOUBT}: nobody knows"));
    let concluded = Concluded { status: Some(500), text, ..conclusion(ticket) };
    event(ticket, Event::Outcome(Box::new(concluded)))
}

fn found_out() -> Outcome {
    Response::with_text(Status::Ok, "it is closed").into()
}

both_tell!(what_is_in_doubt_can_be_settled_once_and_a_repetition_gets_the_new_answer);

async fn what_is_in_doubt_can_be_settled_once_and_a_repetition_gets_the_new_answer(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let mut records = whole(1);
    records.extend([readable(2, "complete"), started(2), given_up(2), answered(2)]);
    records.extend([readable(3, "none"), started(3), given_up(3), answered(3)]);
    records.extend([accepted(4), accepted(5), started(5)]);
    write(&journal, &mut committed, records).await;

    let in_doubt = Listing { state: Some(State::InDoubt), ..Listing::default() };
    let tickets =
        |entries: Vec<Entry>| -> Vec<u64> { entries.iter().map(|it| it.ticket).collect() };
    assert_eq!(tickets(journal.list(in_doubt.clone()).await.unwrap()), [3, 2]);
    #[rustfmt::skip]
    let refused = [
        (1, "command 1 is not in doubt: it ended with 200"),
        (4, "command 4 is not in doubt: it has not begun"),
        (5, "command 5 is not in doubt: its actuator is at work"),
        (6, "the journal knows no command 6"),
    ];
    for (ticket, complaint) in refused {
        let verdict = journal.in_doubt(Ticket(ticket)).await.unwrap();
        assert_eq!(verdict.unwrap_err(), complaint);
    }

    let mut dispatcher = crate::dispatch::Dispatcher::new(
        crate::dispatch::House::default(),
        crate::dispatch::Rules::default(),
        Ticket(5),
        OutboxId(5),
    );
    for ticket in [2, 3] {
        let command = journal.in_doubt(Ticket(ticket)).await.unwrap().unwrap();
        for effect in dispatcher.resolve(&command, found_out(), THEN_MS + 9) {
            if let crate::dispatch::Effect::Record(records) = effect {
                write(&journal, &mut committed, records).await;
            }
        }
    }
    assert_eq!(journal.list(in_doubt).await.unwrap(), []);
    let verdict = journal.in_doubt(Ticket(2)).await.unwrap();
    assert_eq!(verdict.unwrap_err(), "command 2 is not in doubt: it ended with 200");
    journal.close().await.unwrap();

    let (journal, ..) = home.open();
    let waiting = journal.outbox(None, 10).await.unwrap();
    assert_eq!(waiting.len(), 1, "the producer of 3 did not want to be told");
    let answer: serde_json::Value = serde_json::from_slice(&waiting[0].payload).unwrap();
    assert_eq!(answer["headers"]["request_id"], "request-2");
    assert_eq!(answer["body"]["openc2"]["response"]["status"], 200);
    let known = journal.recall(&[&key(2)]).await.unwrap();
    assert_eq!(known[0].as_ref().unwrap().response.as_ref(), Some(&waiting[0].payload));
    let shown = journal.show(Ticket(2)).await.unwrap().unwrap();
    assert_eq!(
        (shown.entry.status, shown.entry.text.as_deref()),
        (Some(200), Some("it is closed"))
    );
    assert_eq!(shown.records.last().unwrap().kind, "resolved");
    journal.close().await.unwrap();
}

#[tokio::test]
async fn without_a_bridge_what_was_started_can_be_settled_as_well() {
    let home = Home::File(TempDir::new().unwrap());
    let dir = home.config().dir;
    let (journal, mut committed, _) = home.open();
    write(&journal, &mut committed, vec![readable(1, "complete"), started(1)]).await;
    journal.close().await.unwrap();

    let resolve = |id: &str, truth| Request::Resolve {
        id: id.to_owned(),
        truth,
        text: "it is open".to_owned(),
    };
    let answer = ask(&dir, resolve("request-1", Truth::Failed)).await.unwrap();
    assert_eq!(answer, Answer::Resolved(1));
    let error = ask(&dir, resolve("1", Truth::Done)).await.unwrap_err().to_string();
    assert_eq!(error, "command 1 is not in doubt: it ended with 500");
    let error = ask(&dir, resolve("7", Truth::Done)).await.unwrap_err().to_string();
    assert_eq!(error, "the journal knows no such command");

    let (journal, _committed, recovered) = home.open();
    assert_eq!((recovered.unfinished.len(), recovered.outbox_waiting), (0, 1));
    journal.close().await.unwrap();
    assert_eq!(verify(&dir).await.unwrap().wrong, 0);
}
