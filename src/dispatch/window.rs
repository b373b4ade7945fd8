//! Which commands may be new: the window on `created`, and the clock by which it is judged.
//!
//! A repeated command is recognised by its key for as long as the journal
//! remembers it. Beyond that nobody can say whether a command was carried out
//! before, so what was created before that is refused.

use std::time::Duration;

use super::admit::Decided;
use super::{Alarm, Dispatcher, Effect};
use crate::format::duration;
use crate::openc2::Headers;

/// How far ahead of our clock another's may be, in milliseconds.
const AHEAD_MS: u64 = 60_000;

/// How far behind the latest time that was ever seen the clock may be, in
/// milliseconds, before it is not believed.
const BEHIND_MS: u64 = 5 * 60_000;

/// What to do with commands without `created`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutCreated {
    /// Take them: they are recognised for as long as they are remembered, and no longer.
    #[default]
    Accept,
    /// Answer 400.
    Refuse,
}

/// What is known of time beside what the clock says, in milliseconds since
/// 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// The latest time that was ever seen: the high-water mark of the clock.
    high_water_ms: u64,
    /// Commands that were accepted up to then may be forgotten.
    forgotten_ms: u64,
    is_suspect: bool,
}

impl Past {
    /// The time that a message is judged by: a clock that was set back makes
    /// nothing young again.
    fn now_ms(&self, clock_ms: u64) -> u64 {
        self.high_water_ms.max(clock_ms)
    }
}

impl Dispatcher {
    /// What the journal says of the past: the latest time in a record, and
    /// until when commands were accepted that it has forgotten.
    pub fn remember(&mut self, latest_ms: u64, forgotten_ms: u64) {
        self.past.high_water_ms = self.past.high_water_ms.max(latest_ms);
        self.past.forgotten_ms = self.past.forgotten_ms.max(forgotten_ms);
    }

    /// The clock says so much now. One that is far behind what it said before
    /// is an alarm, once.
    pub fn look_at_clock(&mut self, clock_ms: u64) -> Vec<Effect> {
        let mut decided = Decided::default();
        let Past { high_water_ms, is_suspect, .. } = &mut self.past;
        let behind_ms = high_water_ms.saturating_sub(clock_ms);
        *high_water_ms = clock_ms.max(*high_water_ms);
        if behind_ms > BEHIND_MS && !*is_suspect {
            decided.alarms.push(Alarm::ClockSuspect { behind_ms });
        }
        *is_suspect = behind_ms > BEHIND_MS;
        self.counters.clock_suspect = *is_suspect;
        decided.into_effects(None)
    }

    /// Why a command that nobody here knows cannot be taken for a new one.
    pub(super) fn outside_window(&self, headers: &Headers, clock_ms: u64) -> Option<String> {
        let Some(created_ms) = headers.created_ms() else {
            let is_refused = self.rules.time.without_created == WithoutCreated::Refuse;
            return is_refused.then(|| {
                "headers.created is missing: without it a replay could not be told from a new \
                 command"
                    .to_owned()
            });
        };
        let now_ms = self.past.now_ms(clock_ms);
        let window_ms = self.rules.time.window_ms;
        let clock = if self.past.is_suspect {
            " (the clock of this consumer is behind what it has said before, and is not believed)"
        } else {
            ""
        };
        if created_ms > now_ms.saturating_add(AHEAD_MS) {
            let ahead = seconds(created_ms - now_ms);
            return Some(format!(
                "headers.created is {ahead} ahead of the clock here, allowed is {}{clock}",
                seconds(AHEAD_MS)
            ));
        }
        if created_ms < now_ms.saturating_sub(window_ms) {
            let (age, window) = (seconds(now_ms - created_ms), seconds(window_ms));
            return Some(format!(
                "headers.created is {age} ago: commands are remembered for {window}, so that it \
                 cannot be told whether this one was carried out before{clock}"
            ));
        }
        (created_ms <= self.past.forgotten_ms).then(|| {
            "headers.created is so long ago that commands of that time are forgotten already: it \
             cannot be told whether this one was carried out before"
                .to_owned()
        })
    }
}

/// A time in whole seconds, written as settings are.
fn seconds(ms: u64) -> String {
    duration::format(Duration::from_secs(ms / 1000))
}
