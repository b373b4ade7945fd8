//! Commands about other commands.

use super::*;

const HOUR: u64 = 3_600_000;

fn house_that_can() -> House {
    let mut house = house();
    let wall = house.actuators.get_mut("wall").unwrap();
    wall.cancels = wall.pairs.clone();
    wall.stops = wall.pairs.clone();
    wall.idempotent = true;
    wall.queue = 100;
    house
}

fn room() -> Room {
    Room::with(house_that_can(), Rules::default())
}

fn hears(room: &mut Room, request_id: &str, command: &Value) -> Seen {
    room.hears("device/gateway-1", &message(request_id, command))
}

fn about(action: &str, name: &str) -> Value {
    json!({"action": action, "target": {"command": name}})
}

/// The states that a query of a command tells of it.
fn state(room: &mut Room, name: &str) -> Value {
    let request_id = format!("q-{}", room.receipts);
    let (status, answer) = hears(room, &request_id, &about("query", name)).answer();
    assert_eq!(status, 200);
    answer["body"]["openc2"]["response"]["results"]["x-oc2b"]["command"].clone()
}

#[test]
fn a_command_that_waits_never_begins_once_it_is_cancelled() {
    #[rustfmt::skip]
    let cases = [
        // the command                                    before it there wait
        (deny_and(&json!({"start_time": NOW + HOUR})),    0),
        (deny(),                                          1),
        (deny(),                                          80), // so many that it is on the disk alone
    ];
    for (command, before) in cases {
        let mut room = room();
        let mut starts = Vec::new();
        for number in 0..before {
            starts.extend(hears(&mut room, &format!("before-{number}"), &deny()).starts);
        }
        hears(&mut room, "r", &command);
        assert_eq!(state(&mut room, "r")["state"], "waiting");

        let seen = hears(&mut room, "c", &about("cancel", "r"));
        let answers = statuses(&seen);
        assert!(answers.contains(&200) && answers.contains(&500), "{before}: {answers:?}");
        assert!(seen.cancels.is_empty());
        assert_eq!(state(&mut room, "r")["status"], 500, "{before}");
        let again = hears(&mut room, "r", &command);
        assert_eq!(statuses(&again), [500], "it is known, and stays cancelled");

        let mut began = 0;
        while let Some(work) = starts.pop() {
            began += 1;
            let mut seen = room.ends(work.ticket, ok());
            seen.add(room.keeps_time());
            starts.extend(seen.starts);
        }
        assert_eq!(began, before);
        assert!(room.at(NOW + 2 * HOUR).starts.is_empty(), "{before}");
        assert!(room.restarts(house_that_can()).starts.is_empty(), "{before}");
        assert_eq!(room.dispatcher.counters().in_progress, 0);
    }
}

/// Whoever repeats it at the same moment comes too late as well.
#[test]
fn what_comes_together_with_a_cancel_does_not_bring_the_command_back() {
    let mut room = room();
    hears(&mut room, "before", &deny());
    let commands = [("r", deny()), ("c", about("cancel", "r")), ("r", deny())];
    let opened = commands.map(|(request_id, command)| {
        let text = message(request_id, &command).to_string();
        let inbound = room.inbound("device/gateway-1", text);
        room.dispatcher.open(inbound)
    });
    room.dispatcher.before_recall();
    let mut last = Seen::default();
    for opened in opened {
        let named: Vec<_> =
            opened.names().iter().map(|name| recorded::named(&room.records, name)).collect();
        let effects = room.dispatcher.admit(opened, &[None], &named);
        last = room.see(effects);
        assert!(last.starts.is_empty());
    }
    assert_eq!(statuses(&last), [500], "the recorded answer");
}

#[test]
fn an_actuator_at_work_is_told_once_and_the_command_says_how_it_ended() {
    let mut room = room();
    let ticket = hears(&mut room, "r", &deny()).starts[0].ticket;
    assert_eq!(state(&mut room, "r")["state"], "running");
    let seen = hears(&mut room, "c-1", &about("cancel", "r"));
    assert_eq!(seen.answer().0, 200);
    assert!(seen.text().contains("is told to give it up"), "{}", seen.text());
    assert_eq!(seen.cancels, [ticket]);
    assert!(seen.records.iter().any(|record| record.event == Event::Cancelled));
    let seen = hears(&mut room, "c-2", &about("cancel", "r"));
    assert_eq!(seen.answer().0, 200);
    assert!(seen.cancels.is_empty(), "told once");

    let response = Response::with_text(Status::InternalError, "gave up");
    assert_eq!(room.ends(ticket, response).answer().0, 500);
    let seen = hears(&mut room, "c-3", &about("cancel", "r"));
    assert_eq!(seen.answer().0, 200);
    assert!(seen.text().contains("had ended with status 500: gave up"), "{}", seen.text());
}

/// Although its actuator says that twice is as good as once.
#[test]
fn what_was_cancelled_at_work_does_not_run_again_after_a_crash() {
    let mut room = room();
    hears(&mut room, "r", &deny());
    hears(&mut room, "c", &about("cancel", "r"));
    let seen = room.restarts(house_that_can());
    assert!(seen.starts.is_empty());
    assert_eq!(seen.answer().0, 500);
    assert!(seen.text().contains("cancelled"), "{}", seen.text());
}

/// It waits for its turn once more, and that turn does not come.
#[test]
fn what_is_cancelled_after_a_crash_does_not_run_again_either() {
    let mut room = room();
    hears(&mut room, "before", &deny());
    hears(&mut room, "r", &deny());
    let mut house = house_that_can();
    house.actuators.get_mut("wall").unwrap().concurrency = 2;
    room.restarts(house);
    let both: Vec<_> = room.dispatcher.in_progress.keys().copied().collect();
    assert_eq!(both.len(), 2, "both were begun");
    let began = room.restarts(house_that_can()).starts;
    assert_eq!(began.len(), 1, "one hand");

    let seen = hears(&mut room, "c", &about("cancel", "r"));
    assert!(seen.cancels.is_empty());
    let mut answers = statuses(&seen);
    answers.sort_unstable();
    assert_eq!(answers, [200, 500]);
    assert!(room.ends(began[0].ticket, ok()).starts.is_empty());
    assert!(room.restarts(house_that_can()).starts.is_empty());
}

#[test]
fn what_was_cancelled_is_asked_about_and_not_handed_over_once_more() {
    let mut house = house_that_can();
    let wall = house.actuators.get_mut("wall").unwrap();
    (wall.idempotent, wall.probes) = (false, wall.pairs.clone());
    for cancelled_before_the_crash in [true, false] {
        let mut room = Room::with(house.clone(), Rules::default());
        let ticket = hears(&mut room, "r", &deny()).starts[0].ticket;
        if cancelled_before_the_crash {
            hears(&mut room, "c", &about("cancel", "r"));
        }
        assert_eq!(room.restarts(house.clone()).starts[0].errand, Errand::Probe);
        if !cancelled_before_the_crash {
            let seen = hears(&mut room, "c", &about("cancel", "r"));
            assert_eq!(seen.answer().0, 200);
            assert!(seen.text().contains("will not carry it out again"), "{}", seen.text());
        }
        let report = Report::Probed { ticket, finding: Finding::NotBegun };
        let effects = room.dispatcher.report(report, NOW);
        let seen = room.see(effects);
        assert!(seen.starts.is_empty());
        assert_eq!(seen.answer().0, 500);
        assert!(seen.text().contains("nothing was begun"), "{}", seen.text());
    }
}

#[test]
fn an_effect_that_a_cancel_has_ended_is_ended_after_a_crash_as_well() {
    let mut room = room();
    let ticket = hears(&mut room, "r", &deny_and(&json!({"duration": HOUR}))).starts[0].ticket;
    room.ends(ticket, ok());
    hears(&mut room, "c", &about("cancel", "r"));
    let seen = room.restarts(house_that_can());
    assert_eq!(seen.starts[0].errand, Errand::Stop);
}

#[test]
fn a_cancel_ends_an_effect_before_its_time() {
    let mut room = room();
    let ticket = hears(&mut room, "r", &deny_and(&json!({"duration": HOUR}))).starts[0].ticket;
    room.ends(ticket, ok());
    let command = state(&mut room, "r");
    assert_eq!((&command["state"], &command["in_effect"]), (&json!("ended"), &json!(true)));
    let mut seen = hears(&mut room, "c", &about("cancel", "r"));
    assert!(seen.text().contains("its effect is being ended"), "{}", seen.text());
    seen.add(room.keeps_time());
    assert_eq!(seen.starts[0].errand, Errand::Stop);
    let report = Report::Stopped { ticket, outcome: ok().into() };
    let effects = room.dispatcher.report(report, NOW);
    room.see(effects);
    assert!(room.at(NOW + 2 * HOUR).starts.is_empty(), "once");
}

#[test]
fn who_may_ask_and_for_what() {
    let mut named = deny();
    named["command_id"] = json!("c-9");
    #[rustfmt::skip]
    let cases = [
        // the other     asked as                    by          status
        (deny(),         about("cancel", "r"),       "soar-1",   200),
        (deny(),         about("query", "r"),        "soar-1",   200),
        (named.clone(),  about("cancel", "c-9"),     "soar-1",   200),
        (named.clone(),  about("cancel", "r"),       "soar-1",   404),
        (deny(),         about("cancel", "r"),       "soar-2",   404),
        (deny(),         about("query", "r"),        "soar-2",   404),
        (deny(),         about("cancel", "other"),   "soar-1",   404),
        (deny(),         about("cancel", "ask"),     "soar-1",   404), // itself
        (deny(),         json!({"action": "cancel", "target": {"command": "r"}, "args": {"duration": 5}}), "soar-1", 400),
        (deny(),         json!({"action": "cancel", "target": {"command": "r"}, "actuator": {"x-none": {}}}), "soar-1", 501),
        (deny(),         about("delete", "r"),       "soar-1",   501),
    ];
    for (other, ask, producer, status) in cases {
        let mut room = room();
        hears(&mut room, "r", &other);
        let mut ask_for = message("ask", &ask);
        ask_for["headers"]["from"] = json!(producer);
        let seen = room.hears("device/gateway-1", &ask_for);
        assert_eq!(seen.answer().0, status, "{other} {ask} {producer}: {}", seen.text());
    }
}

#[test]
fn who_cannot_give_up_says_so_and_goes_on() {
    let mut house = house_that_can();
    house.actuators.get_mut("wall").unwrap().cancels.clear();
    let mut room = Room::with(house, Rules::default());
    let ticket = hears(&mut room, "r", &deny()).starts[0].ticket;
    let seen = hears(&mut room, "c", &about("cancel", "r"));
    assert_eq!(seen.answer().0, 501);
    assert!(seen.cancels.is_empty());
    assert_eq!(room.ends(ticket, ok()).answer().0, 200);
}

#[test]
fn a_query_tells_the_result() {
    let mut room = room();
    let ticket = hears(&mut room, "r", &deny()).starts[0].ticket;
    let mut response = ok();
    response.results = Some(crate::openc2::Results {
        extensions: Members::from_iter([("slpf".to_owned(), json!({"rule_number": 7}))]),
        ..crate::openc2::Results::default()
    });
    room.ends(ticket, response);
    let command = state(&mut room, "r");
    assert_eq!(
        command,
        json!({"state": "ended", "accepted": NOW, "status": 200,
            "results": {"slpf": {"rule_number": 7}}})
    );
}
