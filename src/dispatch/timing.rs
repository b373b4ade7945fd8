//! When a command is in force.

use crate::openc2::Args;

/// The three arguments that say when, as a command has them; in milliseconds.
#[expect(clippy::struct_field_names, reason = "the unit stands in the name")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Timing {
    /// `start_time`, since 1970-01-01T00:00:00Z.
    pub start_ms: Option<u64>,
    /// `stop_time`, since 1970-01-01T00:00:00Z.
    pub stop_ms: Option<u64>,
    /// `duration`.
    pub duration_ms: Option<u64>,
}

/// From when until when a command is in force, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Schedule {
    pub start_ms: u64,
    /// Absent: for ever.
    pub stop_ms: Option<u64>,
}

/// Why there is no such time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum TimingError {
    /// All three are given, even if they agree.
    #[error("args: at most two of start_time, stop_time and duration; the third follows from them")]
    Overdetermined,
    /// The sum does not fit.
    #[error("args: start_time, stop_time and duration name a time that there is not")]
    OutOfRange,
    /// It would end before, or when, it begins.
    #[error("args: the command would end before it begins, or when it does")]
    Empty,
    /// It would have ended by now.
    #[error("args: the time to end the command has passed")]
    Over,
}

impl From<&Args> for Timing {
    fn from(args: &Args) -> Self {
        Self { start_ms: args.start_time, stop_ms: args.stop_time, duration_ms: args.duration }
    }
}

impl Timing {
    /// Works out when a command that was received at `now_ms` is in force.
    ///
    /// Two of the three arguments fix the third by
    /// `stop_time = start_time + duration`; a missing start is now, and a
    /// missing stop is never (Language v1.1, section 3.3.1.4).
    ///
    /// # Errors
    ///
    /// [`TimingError::Overdetermined`] when all three are given, even if they
    /// agree. [`TimingError::OutOfRange`] when a sum does not fit 64 bits.
    /// [`TimingError::Empty`] and [`TimingError::Over`] where nothing is left
    /// of the time, so that there is nothing to do.
    pub(super) fn resolve(self, now_ms: u64) -> Result<Schedule, TimingError> {
        let Self { start_ms, stop_ms, duration_ms } = self;
        let sum = |start: u64, duration| start.checked_add(duration).ok_or(TimingError::OutOfRange);
        let (start_ms, stop_ms) = match (start_ms, stop_ms, duration_ms) {
            (Some(_), Some(_), Some(_)) => return Err(TimingError::Overdetermined),
            (None, Some(stop), Some(duration)) => {
                (stop.checked_sub(duration).ok_or(TimingError::OutOfRange)?, Some(stop))
            }
            (start, None, Some(duration)) => {
                let start = start.unwrap_or(now_ms);
                (start, Some(sum(start, duration)?))
            }
            (start, stop, None) => (start.unwrap_or(now_ms), stop),
        };
        let is_before = |time_ms| stop_ms.is_some_and(|stop_ms| stop_ms <= time_ms);
        // Without a start of its own, a stop that has passed comes before no beginning.
        if self.start_ms.or(duration_ms).is_some() && is_before(start_ms) {
            return Err(TimingError::Empty);
        }
        if is_before(now_ms) {
            return Err(TimingError::Over);
        }
        Ok(Schedule { start_ms, stop_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L11-3.3.1.4-1.
    #[test]
    fn timing_resolves_as_the_language_says() {
        use TimingError::{Empty, OutOfRange, Over, Overdetermined};
        const NOW: u64 = 1_000;
        const FOREVER: Option<u64> = None;

        #[rustfmt::skip]
        let cases = [
            // given                         start         stop          duration        in force
            ("nothing",                      None,         None,         None,           Ok((NOW, FOREVER))),
            ("start",                        Some(5_000),  None,         None,           Ok((5_000, FOREVER))),
            ("a start that has passed",      Some(500),    None,         None,           Ok((500, FOREVER))),
            ("stop",                         None,         Some(9_000),  None,           Ok((NOW, Some(9_000)))),
            ("duration",                     None,         None,         Some(200),      Ok((NOW, Some(1_200)))),
            ("start and duration",           Some(5_000),  None,         Some(200),      Ok((5_000, Some(5_200)))),
            ("start and stop",               Some(5_000),  Some(9_000),  None,           Ok((5_000, Some(9_000)))),
            ("stop and duration",            None,         Some(9_000),  Some(200),      Ok((8_800, Some(9_000)))),
            ("one that has begun",           Some(900),    None,         Some(200),      Ok((900, Some(1_100)))),
            ("all three, in agreement",      Some(5_000),  Some(5_200),  Some(200),      Err(Overdetermined)),
            ("a duration past the last ms",  Some(5_000),  None,         Some(u64::MAX), Err(OutOfRange)),
            ("a duration before the first",  None,         Some(9_000),  Some(9_001),    Err(OutOfRange)),
            ("no time at all",               None,         None,         Some(0),        Err(Empty)),
            ("the end before the beginning", Some(9_000),  Some(5_000),  None,           Err(Empty)),
            ("a stop that has passed",       None,         Some(999),    None,           Err(Over)),
            ("a stop that is now",           None,         Some(NOW),    None,           Err(Over)),
            ("a duration that has passed",   Some(100),    None,         Some(200),      Err(Over)),
        ];

        for (given, start_ms, stop_ms, duration_ms, in_force) in cases {
            let timing = Timing { start_ms, stop_ms, duration_ms };
            let in_force = in_force.map(|(start_ms, stop_ms)| Schedule { start_ms, stop_ms });
            assert_eq!(timing.resolve(NOW), in_force, "given {given}");
        }
    }
}
