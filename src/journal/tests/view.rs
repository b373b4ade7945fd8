//! What lists show, and what is shown of one command.

use super::*;

both_tell!(a_list_is_newest_first_and_filtered, a_command_is_shown_with_all_that_happened_to_it);

async fn a_list_is_newest_first_and_filtered(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let elsewhere =
        Accepted { consumer: "gateway-2".to_owned(), producer: None, actuator: None, ..command(4) };
    let mut records = whole(1);
    records.extend([accepted(2), started(2), accepted(3)]);
    records.push(event(4, Event::Accepted(Box::new(elsewhere))));
    // More than one slice of answered commands in between.
    records.extend((5..=1500).flat_map(whole));
    write(&journal, &mut committed, records).await;

    let all = Listing { limit: 2000, ..Listing::default() };
    #[rustfmt::skip]
    let cases = [
        ("the newest",   Listing { limit: 2, ..all.clone() },                                vec![1500, 1499]),
        ("older ones",   Listing { before: Some(3), ..all.clone() },                         vec![2, 1]),
        ("accepted",     Listing { state: Some(State::Accepted), ..all.clone() },            vec![4, 3]),
        ("started",      Listing { state: Some(State::Started), ..all.clone() },             vec![2]),
        ("ended, first", Listing { state: Some(State::Ended), before: Some(6), ..all.clone() }, vec![5, 1]),
        ("a consumer",   Listing { consumer: Some("gateway-2".into()), ..all.clone() },      vec![4]),
        ("a request",    Listing { request_id: Some("request-2".into()), ..all.clone() },    vec![2]),
        ("a stranger",   Listing { producer: Some("nobody".into()), ..all.clone() },         vec![]),
    ];
    for (what, listing, expected) in cases {
        let entries = journal.list(listing).await.unwrap();
        let tickets: Vec<_> = entries.iter().map(|entry| entry.ticket).collect();
        assert_eq!(tickets, expected, "{what}");
    }
    assert_eq!(journal.list(all).await.unwrap().len(), 1500);
    journal.close().await.unwrap();
}

async fn a_command_is_shown_with_all_that_happened_to_it(home: &Home) {
    let (journal, mut committed, _) = home.open();
    let odd = Accepted {
        message: Bytes::from_static(b"\xff\n\0"),
        unverified_signature: true,
        ..command(1)
    };
    let text = Some("level set".to_owned());
    let outcome = Concluded { text, late_until_ms: Some(99), ..conclusion(1) };
    let response = Bytes::from_static(b"{\"status\":200}");
    let heard = Heard { from: "fw-1".to_owned(), status: 200, is_late: true, response };
    let records = vec![
        event(1, Event::Accepted(Box::new(odd.clone()))),
        started(1),
        event(1, Event::Outcome(Box::new(outcome))),
        answered(1),
        // After the end: it changes nothing of that.
        event(1, Event::Heard(Box::new(heard.clone()))),
        event(2, Event::Accepted(Box::new(odd.clone()))),
        event(2, Event::Overdue { status: 503, text: Some("not yet".to_owned()) }),
        event(2, Event::Heard(Box::new(heard))),
    ];
    write(&journal, &mut committed, records).await;

    let shown = journal.show(Ticket(1)).await.unwrap().unwrap();
    let json = serde_json::to_value(&shown).unwrap();
    let at = THEN_MS + 1;
    let expected = serde_json::json!({
        "ticket": 1, "request_id": "request-1", "producer": "producer-1",
        "consumer": "gateway-1", "summary": "set x-probe:level", "actuator": "probe",
        "state": "ended", "class": "answered", "status": 200, "text": "level set",
        "accepted_ms": at, "started_ms": at, "ended_ms": at, "answered_ms": at,
        "response": {"answer": 1}, "message": "\u{fffd}\n\0", "unverified_signature": true,
        "records": [
            {"seq": 1, "at_ms": at, "kind": "accepted",
             "key": ["gateway-1", "producer-1", "request-1"], "digest": "07".repeat(32),
             "consumer": "gateway-1", "producer": "producer-1", "request_id": "request-1",
             "summary": "set x-probe:level", "actuator": "probe",
             "address": {"device": "gateway-1"}, "unverified_signature": true},
            {"seq": 2, "at_ms": at, "kind": "started"},
            {"seq": 3, "at_ms": at, "kind": "outcome", "class": "answered", "status": 200,
             "text": "level set", "response": {"outbox": 1, "producer": "producer-1"},
             "late_until_ms": 99},
            {"seq": 4, "at_ms": at, "kind": "answered", "outbox": 1},
            {"seq": 5, "at_ms": at, "kind": "heard", "from": "fw-1", "status": 200, "late": true,
             "response": {"status": 200}},
        ],
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<Detail>(json).unwrap(), shown);
    assert_eq!(journal.show_durable(Ticket(1)).await.unwrap().unwrap(), shown);
    let steps = journal.show(Ticket(2)).await.unwrap().unwrap().records;
    let at = THEN_MS + 2;
    let expected = serde_json::json!([
        {"seq": 7, "at_ms": at, "kind": "overdue", "status": 503, "text": "not yet"},
        {"seq": 8, "at_ms": at, "kind": "heard", "from": "fw-1", "status": 200, "late": true,
         "response": {"status": 200}},
    ]);
    assert_eq!(serde_json::to_value(&steps[1..]).unwrap(), expected);
    assert_eq!(journal.show(Ticket(3)).await.unwrap(), None);
    journal.close().await.unwrap();

    // Shown lossily, kept as it was.
    let kept = home.store().unfinished(&[Ticket(2)]).unwrap();
    assert_eq!(kept[0].accepted, odd);
}
