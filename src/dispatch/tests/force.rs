//! When a command is in force, by each of the ways in which its producer can say so.

use super::time::{hears, house_with_stop, room, stopped};
use super::*;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600_000;

/// L11-3.3.1.4-1: two of the three arguments give the third, and a command acts from when to when
/// they say; none of them is left to its actuator.
#[test]
fn a_command_starts_and_ends_when_its_arguments_say_so() {
    let (start, stop) = (NOW + HOUR, NOW + 2 * HOUR);
    #[rustfmt::skip]
    let cases = [
        // given                              args                                                    starts      is ended
        ("nothing",                           json!({"response_requested": "complete"}),                                              NOW,        None),
        ("start",                             json!({"start_time": start}),                           start,      None),
        ("stop",                              json!({"stop_time": stop}),                             NOW,        Some(stop)),
        ("duration",                          json!({"duration": HOUR}),                              NOW,        Some(NOW + HOUR)),
        ("start and stop",                    json!({"start_time": start, "stop_time": stop}),        start,      Some(stop)),
        ("start and duration",                json!({"start_time": start, "duration": SECOND}),       start,      Some(start + SECOND)),
        ("stop and duration",                 json!({"stop_time": stop, "duration": SECOND}),         stop - SECOND, Some(stop)),
        ("stop and a duration that has begun", json!({"stop_time": NOW + SECOND, "duration": 2 * SECOND}), NOW,   Some(NOW + SECOND)),
    ];
    for (given, args, start_ms, stop_ms) in cases {
        for restarts in [false, true] {
            let mut room = room();
            let mut seen = hears(&mut room, "r", &args);
            if start_ms > NOW {
                assert!(seen.starts.is_empty(), "{given}");
                if restarts {
                    assert!(room.restarts(house_with_stop()).starts.is_empty(), "{given}");
                }
                assert!(room.at(start_ms - 1).starts.is_empty(), "{given}");
                seen = room.at(start_ms);
            }
            let [work] = &seen.starts[..] else { panic!("{given}: {seen:?}") };
            assert_eq!(work.errand, Errand::Perform, "{given}");
            let ticket = work.ticket;
            assert_eq!(room.ends(ticket, ok()).answer().0, 200, "{given}");
            if restarts {
                assert!(room.restarts(house_with_stop()).starts.is_empty(), "{given}");
            }
            assert!(room.keeps_time().starts.is_empty(), "{given}");
            assert_eq!(room.dispatcher.next_due_ms(), stop_ms, "{given}");
            let Some(stop_ms) = stop_ms else { continue };
            assert!(room.at(stop_ms - 1).starts.is_empty(), "{given}");
            let seen = room.at(stop_ms);
            let [work] = &seen.starts[..] else { panic!("{given}: {seen:?}") };
            assert_eq!((work.errand, work.ticket), (Errand::Stop, ticket), "{given}");
            let seen = stopped(&mut room, ticket, ok());
            assert_eq!(
                seen.records[0].event,
                Event::Stopped { status: 200, text: None },
                "{given}"
            );
            assert_eq!(room.dispatcher.next_due_ms(), None, "{given}");
        }
    }
}

/// The third follows from two, and may not be said as well.
#[test]
fn a_command_with_all_three_is_refused_even_where_they_agree() {
    let mut room = room();
    let args = json!({"start_time": NOW, "stop_time": NOW + HOUR, "duration": HOUR});
    let seen = hears(&mut room, "r", &args);
    assert_eq!(seen.answer().0, 400);
    assert!(seen.starts.is_empty());
    assert!(seen.text().contains("at most two of start_time, stop_time and duration"));
    assert_eq!(room.dispatcher.next_due_ms(), None);
}
