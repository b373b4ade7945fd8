//! Stories of what is posted and goes by a route.

use serde_json::{Value, json};

use super::{NOW, Room, Seen, deny, face, house, message, ok};
use crate::dispatch::{
    ActuatorFace, Address, Caller, Event, Heard, House, Match, Outcome, Report, Route, Rules, Work,
};
use crate::openc2::{Response, Status};

/// How long who waits for a route may have to.
pub(super) const WAIT_MS: u64 = 10_000;

/// The house of the other stories, and a route that ends in the actuator `way`.
pub(super) fn house_with_route(matches: Match) -> House {
    let mut house = house();
    let way = ActuatorFace { concurrency: 2, idempotent: true, ..face("", &[]) };
    house.actuators.insert("way".to_owned(), way);
    let (actuator, identity) = ("way".to_owned(), "bridge".to_owned());
    house.routes.push(Route { actuator, matches, identity, wait_ms: WAIT_MS });
    house
}

pub(super) fn firewalls() -> Match {
    Match { device: Some("fw-*".to_owned().into()), ..Match::default() }
}

pub(super) fn to(consumers: &[&str], mut message: Value) -> Value {
    message["headers"]["to"] = json!(consumers);
    message
}

impl Room {
    pub(super) fn is_posted(&mut self, message: &Value) -> Seen {
        self.is_posted_by(Caller::default(), message)
    }

    /// soar-1 posts a message, with these preferences.
    fn is_posted_by(&mut self, caller: Caller, message: &Value) -> Seen {
        let mut inbound = self.inbound("all", message.to_string());
        let identity = Some("soar-1".to_owned());
        inbound.caller = Some(Caller { identity, ..caller });
        self.takes(inbound)
    }
}

pub(super) fn answer(seen: &Seen) -> (u16, Value) {
    let [reply] = seen.replies.as_slice() else { panic!("one reply: {seen:?}") };
    let payload = reply.payload.as_ref().expect("a body");
    (reply.status.code(), serde_json::from_slice(payload).unwrap())
}

#[test]
fn each_address_has_its_way() {
    let named = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let mut with_profile = message("r-3", &deny());
    with_profile["body"]["openc2"]["request"]["actuator"] = json!({"slpf": {}});
    #[rustfmt::skip]
    let cases = [
        // message                                            published on                      for whom               who answers
        (to(&["fw-1"], message("r-1", &deny())),              Address::Device("fw-1".into()),   named(&["fw-1"]),         "fw-1"),
        (to(&["fw-1", "fw-2"], message("r-2", &deny())),      Address::All,                     named(&["fw-1", "fw-2"]), "bridge"),
        (with_profile,                                        Address::Profile("slpf".into()),  named(&[]),               "bridge"),
        (message("r-4", &deny()),                             Address::All,                     named(&[]),               "bridge"),
    ];
    for (message, address, whom, consumer) in cases {
        let mut room = Room::with(house_with_route(Match::default()), Rules::default());
        let seen = room.is_posted(&message);
        let [Work { actuator, address: found, to, consumer: who, .. }] = seen.starts.as_slice()
        else {
            panic!("one start: {seen:?}")
        };
        assert_eq!(
            (actuator.as_str(), found, to, who.as_str()),
            ("way", &address, &whom, consumer)
        );
    }
}

#[test]
fn what_no_route_leads_to_is_for_nobody_and_what_is_here_stays_here() {
    let mut room = Room::with(house_with_route(firewalls()), Rules::default());
    assert_eq!(answer(&room.is_posted(&to(&["cam-1"], message("r-1", &deny())))).0, 404);
    let seen = room.is_posted(&to(&["gateway-1", "fw-1"], message("r-2", &deny())));
    let actuators: Vec<_> = seen.starts.iter().map(|work| work.actuator.as_str()).collect();
    assert_eq!(actuators.len(), 2);
    assert!(actuators.contains(&"way") && actuators[0] != "way", "{actuators:?}");
}

/// Who waits is let go with what there is to say, and the command goes on.
#[test]
fn meanwhile_is_no_outcome() {
    let mut room = Room::with(house_with_route(firewalls()), Rules::default());
    let message = to(&["fw-1"], message("r-1", &deny()));
    let seen = room.is_posted(&message);
    let ticket = seen.starts[0].ticket;
    let outcome = Outcome::ours(Status::ServiceUnavailable, "not yet");
    let effects = room.dispatcher.report(Report::Meanwhile { ticket, outcome }, NOW);
    let seen = room.see(effects);
    let (status, said) = answer(&seen);
    assert_eq!((status, &said["headers"]["from"]), (503, &json!("bridge")), "the bridge says so");
    let overdue = Event::Overdue { status: 503, text: Some("not yet".to_owned()) };
    let recorded: Vec<_> = seen.records.iter().map(|record| &record.event).collect();
    assert_eq!(recorded, [&overdue], "that the time is over, and no response");
    let outcome = Outcome::ours(Status::ServiceUnavailable, "still not");
    let effects = room.dispatcher.report(Report::Meanwhile { ticket, outcome }, NOW);
    assert!(room.see(effects).records.is_empty(), "which is so but once");

    let seen = room.is_posted(&message);
    assert!(seen.starts.is_empty() && seen.records.iter().all(|it| it.ticket != ticket));
    let (status, said) = answer(&seen);
    assert_eq!(
        (status, &said["body"]["openc2"]["response"]["status_text"]),
        (503, &json!("still not")),
        "who comes again is told at once how it stands"
    );
    let seen = room.is_posted_by(Caller { will_wait: true, ..Caller::default() }, &message);
    assert!(seen.starts.is_empty() && seen.replies.is_empty(), "who says so waits: {seen:?}");
    let (status, said) = answer(&room.ends(ticket, ok()));
    assert_eq!((status, &said["headers"]["from"]), (200, &json!("fw-1")));
    assert_eq!(answer(&room.is_posted(&message)), (200, said));
}

/// Who does not wait at all is told where to ask, and not that the time is over.
#[test]
fn who_does_not_wait_is_not_told_of_a_wait_that_is_over() {
    let mut room = Room::with(house_with_route(firewalls()), Rules::default());
    let message = to(&["fw-1"], message("r-1", &deny()));
    let ticket = room.is_posted(&message).starts[0].ticket;
    let outcome = Outcome::ours(Status::ServiceUnavailable, "not yet");
    room.dispatcher.report(Report::Meanwhile { ticket, outcome }, NOW);
    let seen = room.is_posted_by(Caller { will_not_wait: true, ..Caller::default() }, &message);
    assert_eq!(answer(&seen).0, 102);
    assert!(seen.replies[0].begun.is_some(), "{seen:?}");
}

/// One whose time is over and one that is at work: the second is waited for.
#[test]
fn who_posts_again_for_two_waits_for_the_one_whose_time_is_not_over() {
    let mut room = Room::with(house_with_route(firewalls()), Rules::default());
    let message = to(&["gateway-1", "fw-1"], message("r-1", &deny()));
    let seen = room.is_posted(&message);
    let here = seen.starts.iter().find(|work| work.actuator != "way").expect("one here").ticket;
    let there = seen.starts.iter().find(|work| work.actuator == "way").expect("one there").ticket;
    let outcome = Outcome::ours(Status::ServiceUnavailable, "not yet");
    room.dispatcher.report(Report::Meanwhile { ticket: there, outcome }, NOW);
    assert!(room.is_posted(&message).replies.is_empty());
    let replies = room.ends(here, ok()).replies;
    assert_eq!(replies.len(), 2, "the first and the second are answered alike: {replies:?}");
    assert_eq!(replies[0].payload, replies[1].payload);
}

/// What is refused was never passed on, so it is the bridge that says so.
#[test]
fn what_is_refused_is_not_said_by_a_consumer_that_was_never_asked() {
    let mut without_id = to(&["fw-1"], message("", &deny()));
    without_id["headers"].as_object_mut().unwrap().remove("request_id");
    let mut claimed = to(&["fw-1"], message("r-2", &deny()));
    claimed["headers"]["from"] = json!("other-1");
    let mut signed = to(&["fw-1"], message("r-3", &deny()));
    signed["signature"] = json!("e30..c2ln");
    let mut old = to(&["fw-1"], message("r-4", &deny()));
    old["headers"]["created"] = json!(NOW - 30 * 24 * 3_600_000);
    let far = to(&["fw-1"], message("r-5", &deny()));
    let hops = Caller { hops: 1, ..Caller::default() };
    #[rustfmt::skip]
    let cases = [
        // posted        by                 status  to
        // (Who gives no id could not find an answer to himself.)
        (without_id,     Caller::default(), 400,    Value::Null),
        (claimed,        Caller::default(), 403,    json!(["soar-1"])),
        (signed,         Caller::default(), 501,    json!(["soar-1"])),
        (old,            Caller::default(), 400,    json!(["soar-1"])),
        (far,            hops,              403,    json!(["soar-1"])),
    ];
    for (message, caller, status, whom) in cases {
        let mut room = Room::with(house_with_route(firewalls()), Rules::default());
        let seen = room.is_posted_by(caller, &message);
        assert!(seen.starts.is_empty(), "{message}");
        let (code, said) = answer(&seen);
        let headers = &said["headers"];
        assert_eq!((code, &headers["from"]), (status, &json!("bridge")), "{message}: {said}");
        assert_eq!(headers["to"], whom, "{message}: {said}");
    }
}

/// What each of several has said is recorded when it comes, and answers nobody.
#[test]
fn what_one_of_several_says_is_kept() {
    let mut room = Room::with(house_with_route(firewalls()), Rules::default());
    let ticket = room.is_posted(&to(&["fw-1", "fw-2"], message("r-1", &deny()))).starts[0].ticket;
    let mut says = |from: &str, response: Response| {
        let report = Report::Heard { ticket, from: from.to_owned(), response };
        let effects = room.dispatcher.report(report, NOW);
        let seen = room.see(effects);
        assert!(seen.replies.is_empty() && seen.responses.is_empty(), "{seen:?}");
        assert_eq!(seen.records.len(), 1, "{seen:?}");
        let Event::Heard(heard) = &seen.records[0].event else { panic!("{seen:?}") };
        (**heard).clone()
    };
    let from = "fw-1".to_owned();
    let response = r#"{"status":404,"status_text":"no"}"#.into();
    assert_eq!(
        says("fw-1", Response::with_text(Status::NotFound, "no")),
        Heard { from, status: 404, is_late: false, response }
    );
    let outcome = Outcome::ours(Status::ServiceUnavailable, "not yet");
    room.dispatcher.report(Report::Meanwhile { ticket, outcome }, NOW);
    let mut says = |from: &str| {
        let response = Response::new(Status::Ok);
        room.dispatcher.report(Report::Heard { ticket, from: from.to_owned(), response }, NOW)
    };
    let effects = says("fw-2");
    let seen = room.see(effects);
    let Event::Heard(heard) = &seen.records[0].event else { panic!("{seen:?}") };
    assert!(heard.is_late);
    room.ends(ticket, ok());
    let response = Response::new(Status::Ok);
    let report = Report::Heard { ticket, from: "fw-3".to_owned(), response };
    assert!(room.dispatcher.report(report, NOW).is_empty(), "after the end there is nothing");
}

/// After a restart a command is passed on again, under the id that it had; whoever does it
/// knows that it may have been published before.
#[test]
fn a_command_that_is_taken_up_again_keeps_its_id() {
    let mut room = Room::with(house_with_route(firewalls()), Rules::default());
    let first = room.is_posted(&to(&["fw-1"], message("r-1", &deny()))).starts.remove(0);
    let second = room.restarts(house_with_route(firewalls())).starts.remove(0);
    assert_eq!((first.again, second.again), (false, true));
    assert_eq!(first.passed_on_as(), second.passed_on_as());
    assert_eq!(first.to, second.to);

    let other = room.is_posted(&to(&["fw-1"], message("r-2", &deny()))).starts.remove(0);
    assert_ne!(first.passed_on_as(), other.passed_on_as());
}
