//! Commands that begin or end at a given time, and those that a crash leaves in doubt.

use super::*;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600_000;

/// The house, with a wall that can end what it denies.
pub(super) fn house_with_stop() -> House {
    let mut house = house();
    let wall = house.actuators.get_mut("wall").unwrap();
    wall.stops = wall.pairs.clone();
    wall.queue = 100;
    house
}

pub(super) fn room() -> Room {
    Room::with(house_with_stop(), Rules::default())
}

pub(super) fn hears(room: &mut Room, request_id: &str, args: &Value) -> Seen {
    room.hears("device/gateway-1", &message(request_id, &deny_and(args)))
}

pub(super) fn stopped(room: &mut Room, ticket: Ticket, response: Response) -> Seen {
    let report = Report::Stopped { ticket, outcome: response.into() };
    let effects = room.dispatcher.report(report, room.now_ms);
    let mut seen = room.see(effects);
    seen.add(room.keeps_time());
    seen
}

fn started(seen: &Seen) -> Vec<&str> {
    seen.starts.iter().map(|work| work.request_id.as_str()).collect()
}

/// L11-3.3.1.4-1: a later start is kept, over restarts, and begins at its time and not before.
#[test]
fn a_later_start_waits_and_begins_at_its_time() {
    let mut room = room();
    let start = NOW + HOUR;
    let seen = hears(&mut room, "r", &json!({"start_time": start}));
    assert!(seen.is_silent(), "{seen:?}");
    assert_eq!(seen.records.len(), 1, "it is recorded, and nothing else");
    assert!(room.keeps_time().starts.is_empty());
    assert_eq!(room.dispatcher.next_due_ms(), Some(start));
    assert_eq!(room.dispatcher.counters().in_progress, 1);

    assert!(room.at(start - 1).starts.is_empty());
    assert!(room.restarts(house_with_stop()).starts.is_empty());
    assert_eq!(room.dispatcher.next_due_ms(), Some(start));

    let seen = room.at(start);
    assert_eq!(started(&seen), ["r"]);
    assert_eq!(seen.records[0].event, Event::Started);
    let ticket = seen.starts[0].ticket;
    assert_eq!(room.ends(ticket, ok()).answer().0, 200);
    assert_eq!(room.dispatcher.counters().in_progress, 0);
}

/// L11-3.3.1.4-2, L11-3.3.1.4-3, L11-3.3.1.4-4, L11-3.3.1.4-5.
#[test]
fn a_later_start_is_answered_as_its_producer_asked() {
    #[rustfmt::skip]
    let cases: [(&str, Vec<u64>, Vec<u64>, _); 4] = [
        // asked       at once       at its time   at the end
        ("none",       vec![],       vec![],       vec![]),
        ("ack",        vec![102],    vec![],       vec![]),
        ("status",     vec![102],    vec![],       vec![200]),
        ("complete",   vec![],       vec![],       vec![200]),
    ];
    for (asked, at_once, at_its_time, at_end) in cases {
        let mut room = room();
        let args = json!({"start_time": NOW + HOUR, "response_requested": asked});
        assert_eq!(statuses(&hears(&mut room, "r", &args)), at_once, "{asked}");
        let seen = room.at(NOW + HOUR);
        assert_eq!(statuses(&seen), at_its_time, "{asked}");
        let ended = room.ends(seen.starts[0].ticket, ok());
        assert_eq!(statuses(&ended), at_end, "{asked}");
    }
}

#[test]
fn a_repetition_of_a_command_that_waits_for_its_time_changes_nothing() {
    let mut room = room();
    let args = json!({"start_time": NOW + HOUR, "response_requested": "ack"});
    let first = hears(&mut room, "r", &args);
    for _ in 0..2 {
        let again = hears(&mut room, "r", &args);
        assert_eq!(again.responses[0].payload, first.responses[0].payload);
        room.restarts(house_with_stop());
    }
    assert_eq!(room.dispatcher.counters().repeated, 0, "that was another process");
    assert_eq!(started(&room.at(NOW + HOUR)), ["r"]);
}

#[test]
fn two_of_the_same_in_one_batch_start_once() {
    let mut room = room();
    let late = message("r", &deny_and(&json!({"start_time": NOW + HOUR})));
    let inbounds = [late.clone(), late].map(|it| room.inbound("device/gateway-1", it.to_string()));
    let opened = inbounds.map(|inbound| room.dispatcher.open(inbound));
    room.dispatcher.before_recall();
    for opened in opened {
        let effects = room.dispatcher.admit(opened, &[None], &[]);
        room.see(effects);
    }
    assert_eq!(room.dispatcher.counters().repeated, 1);
    assert_eq!(started(&room.at(NOW + HOUR)), ["r"]);
}

#[test]
fn a_start_that_was_missed_runs_late_or_is_refused_as_the_setting_says() {
    let start = NOW + HOUR;
    #[rustfmt::skip]
    let cases = [
        // the setting     late by        starts  answer
        (Missed::Run,      60 * SECOND,   true,   None),
        (Missed::Run,      61 * SECOND,   true,   None),
        (Missed::Refuse,   60 * SECOND,   true,   None),
        (Missed::Refuse,   61 * SECOND,   false,  Some(500)),
    ];
    for (missed, late_ms, starts, answer) in cases {
        let time = TimeRules { missed, ..TimeRules::default() };
        let mut room = Room::with(house_with_stop(), Rules { time, ..Rules::default() });
        hears(&mut room, "r", &json!({"start_time": start}));
        room.now_ms = start + late_ms;
        let seen = room.restarts(house_with_stop());
        assert_eq!(seen.starts.len(), usize::from(starts), "{missed:?} {late_ms}");
        assert_eq!(statuses(&seen).first().copied(), answer, "{missed:?} {late_ms}");
        if answer.is_some() {
            assert!(seen.text().contains("start_time was missed by 61 s"), "{}", seen.text());
            assert!(seen.text().contains("nothing was begun"), "{}", seen.text());
            let again = hears(&mut room, "r", &json!({"start_time": start}));
            assert_eq!(again.responses[0].payload, seen.responses[0].payload, "never again");
        }
        let is_missed = late_ms > 60 * SECOND;
        assert_eq!(seen.alarms.len(), usize::from(is_missed), "never in silence");
        assert_eq!(room.dispatcher.counters().starts_missed, u64::from(is_missed));
    }
}

#[test]
fn at_its_stop_time_an_actuator_is_told_to_end_the_effect_once() {
    let mut room = room();
    let stop = NOW + HOUR;
    let seen = hears(&mut room, "r", &json!({"stop_time": stop}));
    let ticket = seen.starts[0].ticket;
    assert_eq!(seen.starts[0].errand, Errand::Perform);
    assert_eq!(room.ends(ticket, ok()).answer().0, 200);
    assert_eq!(room.dispatcher.counters().in_effect, 1);
    assert!(room.at(stop - 1).starts.is_empty());
    assert!(room.restarts(house_with_stop()).starts.is_empty());

    let seen = room.at(stop);
    assert_eq!(seen.starts[0].errand, Errand::Stop);
    assert_eq!(seen.starts[0].command.target.name().to_string(), "ipv4_net");
    // Killed before it was known: told again.
    let seen = room.restarts(house_with_stop());
    assert_eq!(seen.starts[0].errand, Errand::Stop);

    let seen = stopped(&mut room, ticket, ok());
    assert_eq!(seen.records[0].event, Event::Stopped { status: 200, text: None });
    let counters = room.dispatcher.counters();
    assert_eq!((counters.effects_ended, counters.effects_not_ended), (1, 0));
    assert!(seen.responses.is_empty(), "the command had its response");
    assert_eq!(room.dispatcher.counters().in_effect, 0);
    assert!(room.at(stop + HOUR).starts.is_empty());
    assert!(room.restarts(house_with_stop()).starts.is_empty());
}

#[test]
fn start_and_duration_make_both_ends() {
    let mut room = room();
    hears(&mut room, "r", &json!({"start_time": NOW + HOUR, "duration": 60 * SECOND}));
    let seen = room.at(NOW + HOUR);
    assert_eq!(started(&seen), ["r"]);
    room.ends(seen.starts[0].ticket, ok());
    assert_eq!(room.dispatcher.next_due_ms(), Some(NOW + HOUR + 60 * SECOND));
    let seen = room.at(NOW + HOUR + 60 * SECOND);
    assert_eq!(seen.starts[0].errand, Errand::Stop);
}

#[test]
fn only_what_may_have_had_an_effect_is_ended() {
    #[rustfmt::skip]
    let cases = [
        // the actuator answers          told to end it
        (Status::Ok,                     true),
        (Status::InternalError,          true),
        (Status::BadRequest,             false),
        (Status::NotFound,               false),
        (Status::NotImplemented,         false),
        (Status::ServiceUnavailable,     false),
    ];
    for (status, is_told) in cases {
        let mut room = room();
        let seen = hears(&mut room, "r", &json!({"duration": HOUR}));
        room.ends(seen.starts[0].ticket, Response::new(status));
        let seen = room.at(NOW + HOUR);
        assert_eq!(seen.starts.len(), usize::from(is_told), "{status}");
        assert_eq!(room.dispatcher.counters().in_effect, u64::from(is_told), "{status}");
    }
}

#[test]
fn an_effect_in_doubt_is_ended_too() {
    let mut room = room();
    hears(&mut room, "r", &json!({"duration": HOUR}));
    let seen = room.restarts(house_with_stop());
    assert_eq!(seen.answer().0, 500);
    let seen = room.at(NOW + HOUR);
    assert_eq!(seen.starts[0].errand, Errand::Stop);
}

#[test]
fn who_is_still_at_work_at_the_stop_time_is_told_when_it_is_known() {
    let mut room = room();
    let ticket = hears(&mut room, "r", &json!({"duration": SECOND})).starts[0].ticket;
    assert!(room.at(NOW + 2 * SECOND).starts.is_empty());
    let mut seen = room.ends(ticket, ok());
    seen.add(room.keeps_time());
    assert_eq!(seen.starts[0].errand, Errand::Stop);
}

/// A restart finds its time over while it waits to run again; then the clock is set back.
#[test]
fn an_end_that_comes_due_twice_is_told_once_and_the_hand_becomes_free() {
    let hands = |concurrency| {
        let mut house = house_with_stop();
        let wall = house.actuators.get_mut("wall").unwrap();
        (wall.idempotent, wall.concurrency) = (true, concurrency);
        house
    };
    let at_once = json!({"response_requested": "complete"});
    let mut room = Room::with(hands(2), Rules::default());
    let first = hears(&mut room, "1", &at_once).starts[0].ticket;
    let second = hears(&mut room, "2", &json!({"duration": SECOND})).starts[0].ticket;
    room.now_ms = NOW + 2 * SECOND;
    assert_eq!(room.restarts(hands(1)).starts.len(), 1, "one hand");
    room.at(NOW);

    let seen = room.ends(first, ok());
    assert_eq!((seen.starts[0].ticket, seen.starts[0].errand), (second, Errand::Perform));
    let mut seen = room.ends(second, ok());
    seen.add(room.keeps_time());
    assert_eq!(seen.starts[0].errand, Errand::Stop);
    assert!(room.at(NOW + 2 * SECOND).starts.is_empty(), "due once more");
    assert!(stopped(&mut room, second, ok()).starts.is_empty(), "told once");
    assert_eq!(room.dispatcher.counters().in_effect, 0);
    assert_eq!(hears(&mut room, "3", &at_once).starts.len(), 1);
}

#[test]
fn a_command_whose_time_is_over_before_its_turn_is_never_begun() {
    let mut room = room();
    let first = hears(&mut room, "1", &json!({"response_requested": "complete"}));
    hears(&mut room, "2", &json!({"duration": SECOND}));
    room.at(NOW + 2 * SECOND);
    let seen = room.ends(first.starts[0].ticket, ok());
    assert!(seen.starts.is_empty());
    assert_eq!(statuses(&seen), [200, 500]);
    assert!(room.at(NOW + HOUR).starts.is_empty());
    assert_eq!(room.dispatcher.counters().in_effect, 0);
}

#[test]
fn an_effect_that_cannot_be_ended_is_tried_again_and_then_is_an_alarm() {
    let mut room = room();
    let ticket = hears(&mut room, "r", &json!({"duration": SECOND})).starts[0].ticket;
    room.ends(ticket, ok());
    let mut seen = room.at(NOW + SECOND);
    let mut told_at = Vec::new();
    while let Some(work) = seen.starts.pop() {
        assert_eq!(work.errand, Errand::Stop);
        told_at.push((room.now_ms - NOW) / SECOND);
        seen = stopped(&mut room, ticket, Response::with_text(Status::InternalError, "stuck"));
        if let Some(due_ms) = room.dispatcher.next_due_ms() {
            seen.add(room.at(due_ms));
        }
    }
    assert_eq!(told_at, [1, 2, 6, 22, 86, 342]);
    let text = "stuck (status 500)".to_owned();
    assert_eq!(seen.alarms, [Alarm::EffectGoesOn { ticket, text }]);
    assert!(matches!(seen.records[0].event, Event::Stopped { status: 500, .. }));
    let counters = room.dispatcher.counters();
    assert_eq!((counters.in_effect, counters.effects_ended, counters.effects_not_ended), (0, 0, 1));
}

#[test]
fn who_cannot_end_a_command_refuses_it_at_once_and_who_does_it_itself_is_left_alone() {
    let stop = json!({"stop_time": NOW + HOUR});
    let mut room = Room::new();
    let seen = hears(&mut room, "r", &stop);
    assert_eq!(seen.answer().0, 501);
    assert!(seen.text().contains("stop_time and duration are not for it"), "{}", seen.text());

    let mut house = house();
    house.actuators.get_mut("wall").unwrap().enforces_time = true;
    let mut room = Room::with(house, Rules::default());
    let seen = hears(&mut room, "r", &stop);
    assert_eq!(seen.starts[0].command.args.stop_time, Some(NOW + HOUR), "it is told when");
    room.ends(seen.starts[0].ticket, ok());
    assert_eq!(room.dispatcher.next_due_ms(), None);
    assert!(room.at(NOW + 2 * HOUR).starts.is_empty());
}

#[test]
fn what_is_due_at_the_same_time_starts_in_the_order_in_which_it_came() {
    let mut room = room();
    for number in 0..300 {
        hears(&mut room, &number.to_string(), &json!({"start_time": NOW + HOUR}));
    }
    room.restarts(house_with_stop());
    let mut order = Vec::new();
    let mut seen = room.at(NOW + HOUR);
    while let Some(work) = seen.starts.pop() {
        assert!(seen.starts.is_empty(), "one at a time");
        order.push(work.request_id);
        assert!(room.dispatcher.in_progress.len() <= 65, "the others are on the disk");
        seen = room.ends(work.ticket, ok());
        seen.add(room.keeps_time());
    }
    assert_eq!(order, (0..300).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_waits_far_behind_in_a_queue_waits_in_the_journal_and_keeps_its_place() {
    let mut house = house_with_stop();
    house.actuators.get_mut("wall").unwrap().queue = 200;
    let mut room = Room::with(house.clone(), Rules::default());
    let mut seen = Seen::default();
    for number in 0..201 {
        seen.add(room.hears("device/gateway-1", &message(&number.to_string(), &deny())));
    }
    let full = room.hears("device/gateway-1", &message("full", &deny()));
    assert_eq!(full.answer().0, 503);
    assert!(room.dispatcher.in_progress.len() <= 65, "the others are on the disk");
    assert_eq!(room.dispatcher.counters().in_progress, 201);

    let mut order = Vec::new();
    while let Some(work) = seen.starts.pop() {
        order.push(work.request_id);
        if order.len() == 70 {
            // What is at work just now is in doubt; the others go on.
            seen = room.restarts(house.clone());
        } else {
            seen = room.ends(work.ticket, ok());
        }
        seen.add(room.keeps_time());
    }
    assert_eq!(order, (0..201).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(room.dispatcher.counters().in_progress, 0);
}

#[test]
fn more_than_the_setting_allows_do_not_wait() {
    let time = TimeRules { waiting: 2, ..TimeRules::default() };
    let mut room = Room::with(house_with_stop(), Rules { time, ..Rules::default() });
    hears(&mut room, "1", &json!({"start_time": NOW + HOUR}));
    let seen = hears(&mut room, "2", &json!({"duration": HOUR}));
    room.ends(seen.starts[0].ticket, ok());
    for args in [json!({"start_time": NOW + HOUR}), json!({"duration": HOUR})] {
        assert_eq!(hears(&mut room, "3", &args).answer().0, 503);
    }
    assert_eq!(hears(&mut room, "4", &json!({"start_time": NOW - 1})).starts.len(), 1);
}

#[test]
fn a_clock_that_is_set_moves_what_is_due() {
    let mut room = room();
    hears(&mut room, "r", &json!({"start_time": NOW + HOUR}));
    assert!(room.at(NOW - 24 * HOUR).starts.is_empty());
    assert_eq!(room.dispatcher.next_due_ms(), Some(NOW + HOUR));
    let ten_years_on = NOW + 10 * 365 * 24 * HOUR;
    assert_eq!(started(&room.at(ten_years_on)), ["r"]);
    assert!(room.at(NOW).starts.is_empty(), "it is not started again");
}

/// The house, with a wall that can say what it has done.
fn house_with_probe() -> House {
    let mut house = house_with_stop();
    let wall = house.actuators.get_mut("wall").unwrap();
    wall.probes = wall.pairs.clone();
    house
}

fn probed(room: &mut Room, ticket: Ticket, finding: Finding) -> Seen {
    let effects = room.dispatcher.report(Report::Probed { ticket, finding }, room.now_ms);
    let mut seen = room.see(effects);
    seen.add(room.keeps_time());
    seen
}

#[test]
fn who_can_tell_is_asked_about_a_command_in_doubt_and_the_outcome_follows() {
    let unreachable = || Finding::Unreachable(Response::new(Status::ServiceUnavailable).into());
    #[rustfmt::skip]
    let cases = [
        // found                                                          answered    runs again
        (Finding::Ended(ok().into()),                                     Some(200),  false),
        (Finding::Ended(Response::new(Status::InternalError).into()),     Some(500),  false),
        (Finding::NotBegun,                                               None,       true),
        (unreachable(),                                                   None,       false),
    ];
    for (finding, answered, runs_again) in cases {
        let mut room = room();
        hears(&mut room, "r", &json!({"response_requested": "complete"}));
        let seen = room.restarts(house_with_probe());
        assert_eq!(seen.starts[0].errand, Errand::Probe);
        assert!(seen.responses.is_empty());
        let ticket = seen.starts[0].ticket;

        let seen = probed(&mut room, ticket, finding.clone());
        assert_eq!(statuses(&seen).first().copied(), answered, "{finding:?}");
        let errands: Vec<_> = seen.starts.iter().map(|work| work.errand).collect();
        assert_eq!(errands == [Errand::Perform], runs_again, "{finding:?}");
        if runs_again {
            assert!(seen.records.is_empty(), "it is recorded as started already");
            assert_eq!(room.ends(ticket, ok()).answer().0, 200);
        }
        if let Finding::Unreachable(_) = finding {
            let mut asked = 1;
            let seen = loop {
                let due_ms = room.dispatcher.next_due_ms().expect("it is asked again");
                assert_eq!(room.at(due_ms).starts[0].errand, Errand::Probe);
                asked += 1;
                let seen = probed(&mut room, ticket, unreachable());
                if !seen.responses.is_empty() {
                    break seen;
                }
            };
            assert_eq!(asked, 6);
            assert_eq!(seen.answer().0, 500);
            assert!(seen.text().contains("in doubt"), "{}", seen.text());
        }
        assert_eq!(room.dispatcher.counters().in_progress, 0);
        assert_eq!(room.dispatcher.counters().in_doubt, 1);
    }
}

/// An actuator that is asked has its hands full meanwhile: the next command comes after it.
#[test]
fn what_waits_goes_on_when_the_doubt_is_over() {
    let mut room = room();
    hears(&mut room, "1", &json!({"response_requested": "complete"}));
    hears(&mut room, "2", &json!({"response_requested": "complete"}));
    let seen = room.restarts(house_with_probe());
    assert_eq!(started(&seen), ["1"]);
    let seen = probed(&mut room, seen.starts[0].ticket, Finding::NotBegun);
    assert_eq!(started(&seen), ["2"], "the first has its turn again behind those that wait");
}

/// Who posts a command for later waits as long as for any other, and can ask again.
#[test]
fn who_posts_a_command_that_waits_is_answered_when_it_has_run() {
    let mut room = room();
    let mut inbound = room.inbound(
        "device/gateway-1",
        message("r", &deny_and(&json!({"start_time": NOW + SECOND}))).to_string(),
    );
    inbound.caller = Some(Caller::default());
    let receipt = inbound.receipt;
    assert!(room.takes(inbound).replies.is_empty());
    let seen = room.at(NOW + SECOND);
    let seen = room.ends(seen.starts[0].ticket, ok());
    assert_eq!(seen.replies.len(), 1);
    assert_eq!((seen.replies[0].receipt, seen.replies[0].status), (receipt, Status::Ok));
}

/// After a crash the callers are gone, and the command still waits: who posts it again hears.
#[test]
fn who_posts_it_again_while_it_waits_in_the_journal_hears_as_well() {
    let mut room = room();
    let text = message("r", &deny_and(&json!({"start_time": NOW + SECOND}))).to_string();
    let mut receipts = Vec::new();
    for _ in 0..2 {
        let mut inbound = room.inbound("device/gateway-1", text.clone());
        inbound.caller = Some(Caller::default());
        receipts.push(inbound.receipt);
        assert!(room.takes(inbound).replies.is_empty());
    }
    let seen = room.at(NOW + SECOND);
    assert_eq!(seen.starts.len(), 1);
    let seen = room.ends(seen.starts[0].ticket, ok());
    let mut answered: Vec<_> = seen.replies.iter().map(|reply| reply.receipt).collect();
    answered.sort_by_key(|receipt| receipt.0);
    assert_eq!(answered, receipts);
}
