//! Stories of consumers that a command names and that nobody can reach.

use serde_json::{Value, json};

use super::routes::{answer, firewalls, house_with_route, to};
use super::{Room, Seen, deny, deny_and, message, ok};
use crate::dispatch::absent::MOST;
use crate::dispatch::{Caller, Event, Match, Rules, SUMMARY, Said, Tally, Work};
use crate::openc2::{Action, Status};

fn room() -> Room {
    Room::with(house_with_route(firewalls()), Rules::default())
}

/// What each consumer has said, in an answer that sums up.
fn each(said: &Value) -> Vec<(&str, u64)> {
    let responses = &said["body"]["openc2"]["response"]["results"][SUMMARY]["responses"];
    let one = |it: &'_ Value| it["status"].as_u64().expect("a status");
    let responses = responses.as_array().unwrap_or_else(|| panic!("no summary: {said}"));
    responses.iter().map(|it| (it["from"].as_str().expect("from"), one(it))).collect()
}

fn response(said: &Value) -> &Value {
    &said["body"]["openc2"]["response"]
}

/// All that was begun succeeds; what the caller is told.
fn all_end(room: &mut Room, seen: Seen) -> (u16, Value) {
    let mut last = seen;
    for ticket in last.starts.iter().map(|work| work.ticket).collect::<Vec<_>>() {
        last = room.ends(ticket, ok());
    }
    answer(&last)
}

#[test]
fn who_is_posted_to_and_cannot_be_reached_is_answered_for() {
    #[rustfmt::skip]
    let cases = [
        // to                                 whom the route leads to    status  what each has said
        (&["gateway-1", "ghost"][..],         vec![],                    vec![("gateway-1", 200), ("ghost", 404)]),
        (&["ghost", "gateway-1", "ghost"],    vec![],                    vec![("gateway-1", 200), ("ghost", 404)]),
        (&["fw-1", "ghost"],                  vec!["fw-1"],              vec![("ghost", 404), ("fw-1", 200)]),
        (&["gateway-1", "fw-1", "ghost", "wraith"], vec!["fw-1"],        vec![("gateway-1", 200), ("ghost", 404), ("wraith", 404), ("fw-1", 200)]),
    ];
    for (named, led_to, said_by) in cases {
        let mut room = room();
        let seen = room.is_posted(&to(named, message("r-1", &deny())));
        let whom: Vec<_> = seen.starts.iter().flat_map(|work| work.to.clone()).collect();
        assert_eq!(whom, led_to, "{named:?}");
        let (status, said) = all_end(&mut room, seen);
        assert_eq!((status, each(&said)), (200, said_by.clone()), "{named:?}");
        let response = response(&said);
        let count = said_by.len();
        let failed = said_by.iter().filter(|(_, status)| *status == 404).count();
        let text = format!("{count} of {count} answered in time, {failed} failed");
        assert_eq!(response["status_text"], text, "{named:?}");
        let summary = &response["results"][SUMMARY];
        assert_eq!((&summary["expected"], &summary["answered"]), (&json!(count), &json!(count)));
        let entries = summary["responses"].as_array().unwrap();
        let ghost = entries.iter().find(|it| it["from"] == "ghost").unwrap();
        let text = "\"ghost\" is no consumer here, and no route leads to it";
        assert_eq!(ghost["status_text"], text);
    }
}

/// What is published goes to those alone that the route leads to, also after a restart.
#[test]
fn several_consumers_on_the_broker_get_a_command_and_who_is_out_of_reach_does_not() {
    let mut room = room();
    let message = to(&["fw-1", "ghost", "fw-2"], message("r-1", &deny()));
    let first = room.is_posted(&message).starts.remove(0);
    assert_eq!(first.to, ["fw-1", "fw-2"]);
    let second = room.restarts(house_with_route(firewalls())).starts.remove(0);
    assert_eq!(second.to, ["fw-1", "fw-2"]);

    // The route leads elsewhere from now on: the command is still for those that it was for.
    let match_lamps = Match { device: Some("lamp-*".to_owned().into()), ..Match::default() };
    let third = room.restarts(house_with_route(match_lamps)).starts.remove(0);
    assert_eq!(third.to, ["fw-1", "ghost", "fw-2"], "and never for everybody");
}

#[test]
fn what_those_on_the_broker_said_stands_beside_who_is_out_of_reach() {
    let mut room = room();
    let seen = room.is_posted(&to(&["fw-1", "ghost", "fw-2"], message("r-1", &deny())));
    let said = ["fw-1", "fw-2"].map(|id| Said {
        from: id.to_owned(),
        response: ok(),
        is_late: id == "fw-2",
    });
    let sum = Tally { expected: 2, said: &said, is_open: false }.sum_up();
    let (status, said) = answer(&room.ends(seen.starts[0].ticket, sum));
    assert_eq!((status, each(&said)), (200, vec![("ghost", 404), ("fw-1", 200), ("fw-2", 200)]));
    let text = &response(&said)["status_text"];
    assert_eq!(text, "3 of 3 answered, 1 late, 1 failed");
    assert_eq!(response(&said)["results"][SUMMARY]["expected"], 3);
}

/// Over MQTT it may be somebody else's.
#[test]
fn over_mqtt_nothing_is_said_of_others() {
    let mut room = room();
    let seen = room.hears("all", &to(&["gateway-1", "ghost"], message("r-1", &deny())));
    assert_eq!((seen.starts.len(), seen.records.len()), (1, 2), "{seen:?}");
    let seen = room.ends(seen.starts[0].ticket, ok());
    assert_eq!(seen.answer().1["headers"]["from"], "gateway-1");
}

/// It is recorded, under a name that is not used to speak; and where nobody can be reached,
/// the answer is that alone.
#[test]
fn it_is_recorded_and_nobody_speaks_in_its_name() {
    let mut room = room();
    let seen = room.is_posted(&to(&["gateway-1", "ghost"], message("r-1", &deny())));
    let outcome = seen.records.iter().find_map(|record| match &record.event {
        Event::Outcome(concluded) => Some(concluded),
        _ => None,
    });
    let concluded = outcome.expect("an outcome");
    assert_eq!(concluded.status, Some(404));
    let payload = &concluded.response.as_ref().expect("a response").payload;
    let said: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(said["headers"].get("from"), None, "{said}");
    let accepted = seen.records.iter().filter_map(|record| match &record.event {
        Event::Accepted(accepted) => Some(accepted.consumer.as_str()),
        _ => None,
    });
    assert_eq!(accepted.collect::<Vec<_>>(), ["gateway-1", "ghost"]);

    let (status, said) =
        answer(&room.is_posted(&to(&["ghost", "wraith"], message("r-2", &deny()))));
    assert_eq!(
        (status, response(&said)["status_text"].as_str()),
        (404, Some("no consumer here is addressed"))
    );
}

#[test]
fn the_same_again_is_the_same_and_anothers_name_or_another_command_is_refused() {
    let mut room = room();
    let command = to(&["gateway-1", "ghost"], message("r-1", &deny()));
    let seen = room.is_posted(&command);
    let (_, first) = all_end(&mut room, seen);
    let seen = room.is_posted(&command);
    assert!(seen.starts.is_empty(), "{seen:?}");
    assert_eq!(response(&answer(&seen).1), response(&first));

    let other = deny_and(&json!({"response_requested": "complete"}));
    let (status, said) =
        answer(&room.is_posted(&to(&["gateway-1", "ghost"], message("r-1", &other))));
    assert_eq!((status, each(&said)), (400, vec![("gateway-1", 400), ("ghost", 400)]));

    let mut inbound =
        room.inbound("all", to(&["gateway-1", "ghost"], message("r-2", &deny())).to_string());
    inbound.caller = Some(Caller { identity: Some("soar-2".to_owned()), ..Caller::default() });
    assert_eq!(answer(&room.takes(inbound)).0, 403, "the certificate is another's");
}

#[test]
fn who_does_not_wait_hears_of_it_as_well_and_who_asked_for_silence_does_not() {
    let posted = |message: &Value, will_not_wait: bool| {
        let mut room = room();
        let mut inbound = room.inbound("all", message.to_string());
        let identity = Some("soar-1".to_owned());
        inbound.caller = Some(Caller { identity, will_not_wait, ..Caller::default() });
        room.takes(inbound)
    };
    let seen = posted(&to(&["gateway-1", "ghost"], message("r-1", &deny())), true);
    let begun = seen.replies[0].begun.as_ref().expect("it has begun");
    assert_eq!((seen.replies[0].status, begun.ids.len()), (Status::Processing, 2));

    let silent = deny_and(&json!({"response_requested": "none"}));
    let seen = posted(&to(&["gateway-1", "ghost"], message("r-2", &silent)), false);
    assert_eq!((seen.replies[0].status, &seen.replies[0].payload), (Status::Ok, &None));

    // An acknowledgement says that it goes on.
    let ack = deny_and(&json!({"response_requested": "ack"}));
    let (status, said) = answer(&posted(&to(&["gateway-1", "ghost"], message("r-3", &ack)), false));
    assert_eq!((status, each(&said)), (102, vec![("gateway-1", 102), ("ghost", 404)]));
}

/// Each is recorded, so there is an end to how many there may be; then nothing is begun.
#[test]
fn too_many_of_them_are_a_mistake() {
    for (count, status) in [(MOST, 200), (MOST + 1, 400)] {
        let mut room = room();
        let ghosts: Vec<_> = (0..count).map(|n| format!("ghost-{n}")).collect();
        let mut named = vec!["gateway-1", "fw-1"];
        named.extend(ghosts.iter().map(String::as_str));
        let seen = room.is_posted(&to(&named, message("r-1", &deny())));
        assert_eq!(seen.starts.is_empty(), status == 400);
        let (code, said) = all_end(&mut room, seen);
        assert_eq!(code, status, "{said}");
        if status == 400 {
            let text = response(&said)["status_text"].as_str().unwrap();
            assert!(text.starts_with("33 of the consumers in headers.to are not here"), "{text}");
            assert!(text.ends_with("the first is \"ghost-0\""), "{text}");
        }
    }
}

/// A consumer here that is named, and has nothing of what the command is for.
#[test]
fn who_is_here_and_not_meant_is_answered_for_too() {
    let mut room = room();
    let mut command = to(&["gateway-1", "lamp-2"], message("r-1", &deny()));
    command["body"]["openc2"]["request"]["actuator"] = json!({"slpf": {}});
    let seen = room.is_posted(&command);
    let (status, said) = all_end(&mut room, seen);
    assert_eq!((status, each(&said)), (200, vec![("gateway-1", 200), ("lamp-2", 404)]));
}

/// What is about a command follows it, whatever the match of the routes; who was not asked then
/// is out of reach now.
#[test]
fn a_cancel_reaches_whom_its_command_went_to_and_says_of_others_that_it_does_not() {
    let denials = Match { action: Some("deny".to_owned().into()), ..firewalls() };
    let mut room = Room::with(house_with_route(denials), Rules::default());
    let first = room.is_posted(&to(&["fw-1"], message("r-1", &deny()))).starts.remove(0);
    let cancel = json!({"action": "cancel", "target": {"command": "r-1"}});
    let seen = room.is_posted(&to(&["fw-1", "fw-2"], message("r-2", &cancel)));
    let [Work { to: whom, command, ticket, .. }] = seen.starts.as_slice() else {
        panic!("one start: {seen:?}")
    };
    assert_eq!((whom.as_slice(), command.action), (&["fw-1".to_owned()][..], Action::Cancel));
    assert_ne!(*ticket, first.ticket);
    let (_, said) = answer(&room.ends(*ticket, ok()));
    assert_eq!(each(&said), [("fw-2", 404), ("fw-1", 200)]);
}
