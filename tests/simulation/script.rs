//! Scripts: what happens to a bridge, one thing after the other.

use std::fmt;

/// One thing that happens. Numbers stand for one of what there is, modulo how
/// many there are, so that a script means something when parts of it are taken out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// A producer hands a message to the broker.
    Send { letter: u8 },
    /// A producer cancels a command that was sent, or asks after it.
    SendAbout { at: u8 },
    /// The broker delivers some messages, beginning with one that need not be the oldest.
    Deliver { at: u8, count: u8 },
    /// The broker delivers a message again that was not acknowledged.
    Duplicate { at: u8 },
    /// The journal's thread takes so many lists of records and makes them durable.
    Write { lists: u8 },
    /// The bridge carries out the next effect.
    CarryOut,
    /// An actuator does something with a command that it has.
    Act { run: u8, how: How },
    /// The door publishes the next response.
    Publish,
    /// The broker confirms a response.
    Confirm { at: u8 },
    /// The connection is cut, and there is another one.
    Disconnect,
    /// The same, and the broker has forgotten the session.
    LoseSession,
    /// The clock goes on, or is set.
    Clock { by_ms: i64 },
    /// The bridge is killed and starts again. Of each command at work its actuator
    /// may still do what it was about to: one bit for each.
    Crash { still_done: u8 },
}

/// What an actuator does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// The effect, and says nothing yet.
    Effect,
    /// 200, after the effect.
    Done,
    /// 500.
    Fail,
    /// Dies after the effect.
    Die,
    /// Says that it cannot now.
    NotNow,
    /// Goes on.
    Progress,
    /// 200 for nothing.
    Lie,
    /// Ends with 102, which is no end.
    EndWith102,
    /// Says how it ended, twice.
    SayTwice,
    /// Speaks of a command that nobody gave it.
    SpeakOfAnother,
}

type Draw = fn(&mut fastrand::Rng) -> Action;

/// How often each comes up, in a thousand.
const SHARES: [(u16, Draw); 13] = [
    (100, |rng| Action::Send { letter: rng.u8(..) }),
    (25, |rng| Action::SendAbout { at: rng.u8(..) }),
    (115, |rng| Action::Deliver { at: rng.u8(..4), count: 1 + rng.u8(..3) }),
    (10, |rng| Action::Duplicate { at: rng.u8(..) }),
    (165, |rng| Action::Write { lists: 1 + rng.u8(..4) }),
    (273, |_| Action::CarryOut),
    (125, |rng| Action::Act { run: rng.u8(..), how: how(rng) }),
    (70, |_| Action::Publish),
    (70, |rng| Action::Confirm { at: rng.u8(..) }),
    (7, |_| Action::Disconnect),
    (3, |_| Action::LoseSession),
    (32, |rng| Action::Clock { by_ms: clock_step(rng) }),
    (5, |rng| Action::Crash { still_done: rng.u8(..) }),
];

fn how(rng: &mut fastrand::Rng) -> How {
    match rng.u8(..32) {
        0..=4 => How::Effect,
        5..=18 => How::Done,
        19..=20 => How::Fail,
        21..=22 => How::Die,
        23..=24 => How::NotNow,
        25..=27 => How::Progress,
        28 => How::Lie,
        29 => How::EndWith102,
        30 => How::SayTwice,
        _ => How::SpeakOfAnother,
    }
}

fn clock_step(rng: &mut fastrand::Rng) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    match rng.u8(..64) {
        0 => -DAY_MS,
        1 => DAY_MS,
        2 => 3650 * DAY_MS,
        3..=8 => -rng.i64(0..60_000),
        _ => rng.i64(0..3_000),
    }
}

impl Action {
    /// Draws one.
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut share = rng.u16(..SHARES.iter().map(|(share, _)| share).sum::<u16>());
        for (its_share, draw) in SHARES {
            if share < its_share {
                return draw(rng);
            }
            share -= its_share;
        }
        unreachable!("the shares add up")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
