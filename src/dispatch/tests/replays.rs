//! Old commands, and clocks that are wrong.

use super::*;

const SECOND: u64 = 1_000;
const DAY: u64 = 86_400_000;

fn created(request_id: &str, created_ms: u64) -> Value {
    let mut message = message(request_id, &deny());
    message["headers"]["created"] = json!(created_ms);
    message
}

fn rules(without_created: WithoutCreated) -> Rules {
    let time = TimeRules { without_created, window_ms: 7 * DAY, ..TimeRules::default() };
    Rules { time, ..Rules::default() }
}

#[test]
fn what_is_too_old_or_from_the_future_is_refused_and_says_why() {
    #[rustfmt::skip]
    let cases = [
        // created                    taken   the text says
        (NOW,                         true,   ""),
        (NOW - 7 * DAY,               true,   ""),
        (NOW - 7 * DAY - SECOND,      false,  "remembered for 7d"),
        (NOW - 3650 * DAY,            false,  "carried out before"),
        (NOW + 60 * SECOND,           true,   ""),
        (NOW + 61 * SECOND,           false,  "61s ahead"),
        (NOW / 1000 - 8 * 86_400,     false,  "remembered for 7d"), // in seconds
        (NOW / 1000,                  true,   ""),
    ];
    for (created_ms, is_taken, text) in cases {
        let mut room = Room::with(house(), rules(WithoutCreated::Accept));
        let seen = room.hears("device/gateway-1", &created("r", created_ms));
        assert_eq!(seen.starts.len(), usize::from(is_taken), "{created_ms}");
        if !is_taken {
            assert_eq!(seen.answer().0, 400, "{created_ms}");
            assert!(seen.text().contains(text), "{created_ms}: {}", seen.text());
            assert_eq!(room.memory.len(), 0, "its key is left to whoever owns it");
        }
    }
}

#[test]
fn without_a_time_the_setting_decides() {
    for (setting, is_taken) in [(WithoutCreated::Accept, true), (WithoutCreated::Refuse, false)] {
        let mut room = Room::with(house(), rules(setting));
        let mut message = message("r", &deny());
        message["headers"].as_object_mut().unwrap().remove("created");
        let seen = room.hears("device/gateway-1", &message);
        assert_eq!(seen.starts.len(), usize::from(is_taken), "{setting:?}");
        if !is_taken {
            assert_eq!(seen.answer().0, 400);
            assert!(seen.text().contains("headers.created is missing"), "{}", seen.text());
        }
    }
}

/// Whatever the clock does, and whatever the journal forgets, none acts twice.
#[test]
fn ten_thousand_replays_act_never_again_at_once_after_a_restart_and_after_the_window() {
    const COMMANDS: u64 = 2_500;
    let mut house = house();
    house.actuators.get_mut("wall").unwrap().queue = 10_000;
    let mut room = Room::with(house.clone(), rules(WithoutCreated::Accept));
    let captured: Vec<Value> =
        (0..COMMANDS).map(|number| created(&number.to_string(), NOW - number)).collect();
    for message in &captured {
        room.hears("device/gateway-1", message);
        let seen = room.keeps_time();
        assert!(seen.alarms.is_empty());
    }
    // All are carried out, one after the other.
    let mut acts = 0;
    while let Some(ticket) = room.dispatcher.in_progress.keys().min().copied() {
        room.ends(ticket, ok());
        room.keeps_time();
        acts += 1;
    }
    assert_eq!(acts, COMMANDS);

    let replays = |room: &mut Room, when: &str| {
        for message in &captured {
            let seen = room.hears("device/gateway-1", message);
            assert!(seen.starts.is_empty(), "{when}: {message}");
        }
    };
    replays(&mut room, "at once");
    room.restarts(house.clone());
    replays(&mut room, "after a restart");
    // The window is over, and the journal has forgotten them.
    room.memory.clear();
    room.now_ms = NOW + 7 * DAY + SECOND;
    replays(&mut room, "after the window");
    // The clock is set back, so that they would be young again.
    room.now_ms = NOW;
    let effects = room.dispatcher.look_at_clock(NOW + 7 * DAY + SECOND);
    room.see(effects);
    let effects = room.dispatcher.look_at_clock(NOW);
    assert_eq!(room.see(effects).alarms.len(), 1);
    replays(&mut room, "with the clock set back");
    assert_eq!(room.dispatcher.counters().repeated, COMMANDS, "in this process");
}

#[test]
fn a_clock_that_is_set_opens_no_window_and_is_an_alarm() {
    #[rustfmt::skip]
    let cases: [(i64, bool, bool); 5] = [
        // set by (days)   alarm   a command made at the true time is taken
        (0,                false,  true),
        (-1,               true,   true),
        (1,                false,  true),
        (-3650,            true,   true),
        (3650,             false,  false),
    ];
    for (days, is_alarm, is_taken) in cases {
        let mut room = Room::with(house(), rules(WithoutCreated::Accept));
        let effects = room.dispatcher.look_at_clock(NOW);
        room.see(effects);
        let clock_ms = NOW.checked_add_signed(days * 86_400_000).unwrap();
        let effects = room.dispatcher.look_at_clock(clock_ms);
        let alarms = room.see(effects).alarms;
        assert_eq!(!alarms.is_empty(), is_alarm, "{days}: {alarms:?}");
        assert_eq!(room.dispatcher.counters().clock_suspect, is_alarm, "{days}");
        room.now_ms = clock_ms;
        let fresh = room.hears("device/gateway-1", &created("fresh", NOW));
        assert_eq!(fresh.starts.len(), usize::from(is_taken), "{days}");
        let old = room.hears("device/gateway-1", &created("old", NOW - 8 * DAY));
        assert!(old.starts.is_empty(), "{days}: a replay is never young again");

        // Said once, and over when the clock is right again.
        let effects = room.dispatcher.look_at_clock(clock_ms);
        assert!(room.see(effects).alarms.is_empty());
        let effects = room.dispatcher.look_at_clock(NOW.max(clock_ms));
        room.see(effects);
        assert!(!room.dispatcher.counters().clock_suspect, "{days}");
    }
}

#[test]
fn what_the_journal_knows_of_the_past_counts_after_a_restart() {
    let mut room = Room::with(house(), rules(WithoutCreated::Accept));
    room.dispatcher.remember(NOW + 30 * DAY, NOW - DAY);
    let effects = room.dispatcher.look_at_clock(NOW);
    assert_eq!(room.see(effects).alarms, [Alarm::ClockSuspect { behind_ms: 30 * DAY }]);
    let seen = room.hears("device/gateway-1", &created("r", NOW));
    assert_eq!(seen.answer().0, 400);
    assert!(seen.text().contains("is not believed"), "{}", seen.text());

    let mut room = Room::with(house(), rules(WithoutCreated::Accept));
    room.dispatcher.remember(NOW, NOW - DAY);
    for (created_ms, is_taken) in [(NOW - DAY, false), (NOW - DAY + 1, true)] {
        let seen = room.hears("device/gateway-1", &created(&created_ms.to_string(), created_ms));
        assert_eq!(seen.starts.len(), usize::from(is_taken), "{created_ms}");
    }
}
