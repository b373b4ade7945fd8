//! Stories of commands that are taken back by their number.

use serde_json::{Value, json};

use super::routes::{answer, firewalls, house_with_route, to};
use super::{Room, Seen, deny, message, ok};
use crate::dispatch::{
    Accepted, Address, Caller, Event, House, Rules, Ticket, Withdrawn, Work, command_id,
};

fn room() -> Room {
    let mut house: House = house_with_route(firewalls());
    house.actuators.get_mut("way").expect("the route").concurrency = 2;
    Room::with(house, Rules::default())
}

impl Room {
    /// A DELETE, as the HTTPS door brings it.
    fn takes_back(&mut self, ticket: Ticket, request_id: &str, to: &[&str]) -> Seen {
        let mut records = self.records.iter().filter(|record| record.ticket == ticket);
        let accepted = match records.next().map(|record| record.event.clone()) {
            Some(Event::Accepted(accepted)) => *accepted,
            _ => panic!("{ticket} was never accepted"),
        };
        let Accepted { consumer, actuator, address, .. } = accepted;
        let name = command_id(ticket, "soar-1", "r");
        let mut cancel =
            message(request_id, &json!({"action": "cancel", "target": {"command": name}}));
        if !to.is_empty() {
            cancel["headers"]["to"] = json!(to);
        }
        let mut inbound = self.inbound("all", cancel.to_string());
        inbound.caller = Some(Caller {
            identity: Some("soar-1".to_owned()),
            withdraws: Some(Withdrawn { ticket, consumer, actuator, address }),
            ..Caller::default()
        });
        self.takes(inbound)
    }
}

fn text(said: &Value) -> &str {
    said["body"]["openc2"]["response"]["status_text"].as_str().unwrap_or_default()
}

/// Where a command went to consumers elsewhere the cancel follows it, to the same topics and
/// under the name that it has there; it is published no more, also after a restart.
#[test]
fn a_cancel_follows_a_command_to_where_it_went() {
    for (consumers, address) in
        [(&["fw-1"][..], Address::Device("fw-1".to_owned())), (&["fw-1", "fw-2"][..], Address::All)]
    {
        let mut room = room();
        let first = room.is_posted(&to(consumers, message("r", &deny()))).starts.remove(0);
        let seen = room.takes_back(first.ticket, "c", consumers);
        assert!(seen.replies.is_empty(), "its consumers say what becomes of it");
        assert_eq!(seen.cancels, [first.ticket]);
        let [Work { actuator, address: found, to, command, .. }] = seen.starts.as_slice() else {
            panic!("one start: {seen:?}")
        };
        assert_eq!((actuator.as_str(), found, to), ("way", &address, &first.to));
        let target = json!({"command": command_id(first.ticket, "soar-1", "r")});
        assert_eq!(crate::wire::command_to_json(command)["target"], target);
        assert_eq!(first.passed_on_as(), target["command"].as_str().unwrap());

        let cancel = seen.starts[0].ticket;
        let (status, said) = answer(&room.ends(cancel, ok()));
        let from = if consumers.len() == 1 { "fw-1" } else { "bridge" };
        assert_eq!((status, &said["headers"]["from"]), (200, &json!(from)));
        let seen = room.restarts(house_with_route(firewalls()));
        assert!(seen.starts.is_empty(), "{seen:?}");
        let mut ended = seen.records.iter().filter(|record| record.ticket == first.ticket);
        assert!(ended.any(|record| matches!(record.event, Event::Outcome(_))), "{seen:?}");
    }
}

#[test]
fn what_waits_for_its_turn_never_leaves_and_what_has_ended_has_ended() {
    let mut room = room();
    let mut post = |request_id| {
        let seen = room.is_posted(&to(&["fw-1"], message(request_id, &deny())));
        (seen.records[0].ticket, seen.starts.len())
    };
    let (first, _) = post("r");
    post("r-2");
    let (last, started) = post("r-3");
    assert_eq!(started, 0, "it waits");
    let seen = room.takes_back(last, "c-1", &["fw-1"]);
    assert!(seen.starts.is_empty() && seen.cancels.is_empty(), "{seen:?}");
    let said: Vec<_> = seen.replies.iter().map(|reply| reply.status.code()).collect();
    assert_eq!(said, [500, 200], "the command itself, and its cancel");

    room.ends(first, ok());
    let seen = room.takes_back(first, "c-2", &["fw-1"]);
    let (status, said) = answer(&seen);
    assert_eq!((status, &said["headers"]["from"]), (200, &json!("bridge")), "the bridge says so");
    assert!(text(&said).starts_with("the command had ended with status 200"), "{said}");
    assert!(seen.starts.is_empty());
}

/// Here it is `cancel command`, of exactly this command, whatever others are called.
#[test]
fn a_command_here_is_taken_back_by_its_number() {
    let mut room = room();
    let first = room.is_posted(&to(&["gateway-1"], message("r", &deny()))).starts.remove(0);
    assert_eq!(answer(&room.ends(first.ticket, ok())).0, 200);
    let seen = room.takes_back(first.ticket, "c", &[]);
    let (status, said) = answer(&seen);
    assert_eq!((status, &said["headers"]["from"]), (200, &json!("gateway-1")));
    assert!(text(&said).starts_with("the command had ended with status 200"), "{said}");

    // Another producer's stays as it is.
    let other =
        room.is_posted(&to(&["gateway-1"], message("r-2", &deny()))).starts.remove(0).ticket;
    let mut cancel = message("c-2", &json!({"action": "cancel", "target": {"command": "x"}}));
    cancel["headers"]["from"] = json!("soar-2");
    let mut inbound = room.inbound("all", cancel.to_string());
    let (consumer, actuator) = (first.consumer, Some(first.actuator));
    let address = Address::All;
    inbound.caller = Some(Caller {
        identity: Some("soar-1".to_owned()),
        withdraws: Some(Withdrawn { ticket: other, consumer, actuator, address }),
        ..Caller::default()
    });
    let (status, _) = answer(&room.takes(inbound));
    assert_eq!(status, 403);
    assert_eq!(room.dispatcher.counters().in_progress, 1);
}

fn about(action: &str, name: &str) -> Value {
    json!({"action": action, "target": {"command": name}})
}

/// What its producer posts about a command, by the name that he gave it, goes to where that
/// went, and by the name that it has there; it does so again after a restart.
#[test]
fn what_is_said_of_a_command_by_its_own_name_follows_it() {
    let both = ["fw-1", "fw-2"];
    #[rustfmt::skip]
    let cases = [
        // the command is for   the cancel is for          it goes to              all of it
        (&both[..],             &["fw-1", "fw-2"][..],     &["fw-1", "fw-2"][..],  true),
        (&both[..],             &[][..],                   &["fw-1", "fw-2"][..],  true),
        (&both[..],             &["fw-2"][..],             &["fw-2"][..],          false),
        (&both[..],             &["fw-2", "fw-3"][..],     &["fw-2"][..],          false),
        (&["fw-1"][..],         &["fw-1"][..],             &["fw-1"][..],          true),
        (&["fw-1"][..],         &[][..],                   &["fw-1"][..],          true),
    ];
    for action in ["cancel", "query"] {
        for (consumers, to_whom, goes_to, is_whole) in cases {
            let mut room = room();
            let mut first = to(consumers, message("r", &deny()));
            first["body"]["openc2"]["request"]["command_id"] = json!("mine");
            let first = room.is_posted(&first).starts.remove(0);
            // Another one's, of the same name.
            let mut other = to(&["fw-1"], message("r", &deny()));
            other["headers"]["from"] = json!("soar-2");
            let mut inbound = room.inbound("all", other.to_string());
            let identity = Some("soar-2".to_owned());
            inbound.caller = Some(Caller { identity, ..Caller::default() });
            room.takes(inbound);

            let mut message = message("c", &about(action, "mine"));
            if !to_whom.is_empty() {
                message = to(to_whom, message);
            }
            let case = format!("{action} {consumers:?} {to_whom:?}");
            let seen = room.is_posted(&message);
            assert!(seen.replies.is_empty(), "{case}: its consumers say what becomes of it");
            let is_taken_back = is_whole && action == "cancel";
            let cancelled = if is_taken_back { vec![first.ticket] } else { Vec::new() };
            assert_eq!(seen.cancels, cancelled, "{case}");
            let waits = seen.starts.is_empty();
            let work = if waits { room.ends(first.ticket, ok()).starts } else { seen.starts };
            let [work] = work.as_slice() else { panic!("{case}: one start: {work:?}") };
            let id = first.passed_on_as();
            assert_eq!(
                (&work.actuator, work.about.as_ref()),
                (&first.actuator, Some(&id)),
                "{case}"
            );
            assert_eq!(work.to, goes_to, "{case}");

            let again = room.restarts(house_with_route(firewalls())).starts;
            let again = again.iter().find(|it| it.ticket == work.ticket).expect("it goes on");
            assert_eq!((&again.about, &again.to), (&work.about, &work.to), "{case}");
        }
    }
}

/// What has ended, what is another's and what nobody knows is answered as before.
#[test]
fn what_has_ended_is_told_and_what_is_not_there_is_passed_on() {
    let mut room = room();
    let first = room.is_posted(&to(&["fw-1"], message("r", &deny()))).starts.remove(0);
    room.ends(first.ticket, ok());
    let seen = room.is_posted(&message("c-1", &about("cancel", "r")));
    let (status, said) = answer(&seen);
    assert_eq!((status, &said["headers"]["from"]), (200, &json!("bridge")));
    assert!(text(&said).starts_with("the command had ended with status 200"), "{said}");
    assert!(seen.starts.is_empty());

    let seen = room.is_posted(&to(&["fw-1"], message("c-2", &about("cancel", "nothing"))));
    assert_eq!((seen.starts.len(), &seen.starts[0].about), (1, &None), "the device may know it");
    let seen = room.is_posted(&to(&["gateway-1"], message("c-3", &about("cancel", "nothing"))));
    assert_eq!(answer(&seen).0, 404);
    let mut signed = message("c-4", &about("cancel", "r"));
    signed["signature"] = json!("e30..c2ln");
    assert_eq!(answer(&room.is_posted(&signed)).0, 501);
}
