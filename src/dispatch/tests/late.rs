//! Stories of answers that come after the end.

use std::collections::BTreeSet;

use super::routes::{WAIT_MS, firewalls, house_with_route, to};
use super::{NOW, Room, deny, message, ok};
use crate::dispatch::{Closed, Concluded, Event, Late, Outcome, Report, Rules, Ticket};
use crate::openc2::{Response, Status};

/// Until when late answers are taken of what came now.
const UNTIL: u64 = NOW + WAIT_MS + KEEP_FOR_MS;

const KEEP_FOR_MS: u64 = 60_000;

fn room() -> Room {
    let rules = Rules { keep_for_ms: KEEP_FOR_MS, ..Rules::default() };
    Room::with(house_with_route(firewalls()), rules)
}

impl Room {
    /// A command for these is passed on, and ends; its number, name and record of its end.
    fn has_passed_on(
        &mut self,
        consumers: &[&str],
        outcome: Outcome,
    ) -> (Ticket, String, Concluded) {
        let seen = self.is_posted(&to(consumers, message("r-1", &deny())));
        let (ticket, id) = (seen.starts[0].ticket, seen.starts[0].passed_on_as());
        let effects = self.dispatcher.report(Report::Outcome { ticket, outcome }, NOW);
        let seen = self.see(effects);
        let concluded = seen.records.iter().find_map(|record| match &record.event {
            Event::Outcome(concluded) => Some((**concluded).clone()),
            _ => None,
        });
        (ticket, id, concluded.expect("an end"))
    }
}

/// The outcome says how long answers are taken, where it went to several and one has answered.
#[test]
fn only_what_went_to_several_is_open_after_its_end() {
    let refused = || Outcome::ours(Status::ServiceUnavailable, "nothing was begun");
    #[rustfmt::skip]
    let cases = [
        (&["fw-1", "fw-2"][..], ok().into(), Some(UNTIL)),
        (&["fw-1"][..],         ok().into(), None),
        (&["fw-1", "fw-2"][..], refused(),   None),
        (&["gateway-1"][..],    ok().into(), None),
    ];
    for (consumers, outcome, until_ms) in cases {
        let (_, _, concluded) = room().has_passed_on(consumers, outcome);
        assert_eq!(concluded.late_until_ms, until_ms, "{consumers:?}");
    }
}

/// An answer after the end is kept once of each consumer that was asked, and within the time.
#[test]
fn an_answer_after_the_end_is_kept_if_it_was_asked_for() {
    let mut room = room();
    let (ticket, id, concluded) = room.has_passed_on(&["fw-1", "fw-2", "fw-3"], ok().into());
    let closed = Closed {
        id: Some(id.clone()),
        to: ["fw-1", "fw-2", "fw-3"].map(str::to_owned).into(),
        late_until_ms: concluded.late_until_ms,
        heard: BTreeSet::from(["fw-2".to_owned()]),
    };
    let late = |id: &str, from: &str, status| Late {
        id: id.to_owned(),
        from: from.to_owned(),
        response: Response::new(status),
    };
    let foreign = "00000000-0000-4000-8000-000000000000";
    assert_eq!(room.dispatcher.answered_by(&late(&id, "fw-1", Status::Ok)), Some(ticket));
    assert_eq!(room.dispatcher.answered_by(&late(foreign, "fw-1", Status::Ok)), None);
    let at_an_end = Closed { late_until_ms: None, ..closed.clone() };
    let for_all = Closed { to: Vec::new(), ..closed.clone() };
    #[rustfmt::skip]
    let cases = [
        // what                        answer                                 closed      when       is kept
        ("the first of its consumer",  late(&id, "fw-1", Status::NotFound),   &closed,    UNTIL - 1, true),
        ("one too late",               late(&id, "fw-1", Status::Ok),         &closed,    UNTIL,     false),
        ("the same consumer's again",  late(&id, "fw-2", Status::Ok),         &closed,    NOW,       false),
        ("of nobody who was asked",    late(&id, "fw-9", Status::Ok),         &closed,    NOW,       false),
        ("of anybody, who all were",   late(&id, "fw-9", Status::Ok),         &for_all,   NOW,       true),
        ("no last word",               late(&id, "fw-1", Status::Processing), &closed,    NOW,       false),
        ("to another command",         late(foreign, "fw-1", Status::Ok),     &closed,    NOW,       false),
        ("to one that is at an end",   late(&id, "fw-1", Status::Ok),         &at_an_end, NOW,       false),
    ];
    for (what, late, closed, now_ms, is_kept) in cases {
        let (from, status) = (late.from.clone(), late.response.status.code());
        let effects = room.dispatcher.late(ticket, late, closed, now_ms);
        let seen = room.see(effects);
        assert!(seen.replies.is_empty() && seen.responses.is_empty(), "{what}: {seen:?}");
        let heard: Vec<_> = seen
            .records
            .iter()
            .map(|record| match &record.event {
                Event::Heard(heard) => {
                    (record.ticket, heard.from.clone(), heard.status, heard.is_late)
                }
                other => panic!("{what}: {other:?}"),
            })
            .collect();
        let expected = if is_kept { vec![(ticket, from, status, true)] } else { Vec::new() };
        assert_eq!(heard, expected, "{what}");
    }
}
