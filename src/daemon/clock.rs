//! The clock on the wall, watched by one that nobody can set.

use std::time::Duration;

use tokio::time::Instant;

/// By how much the two may differ between two looks before somebody is told.
const JUMP: Duration = Duration::from_secs(1);

/// Notices when the wall clock is set.
///
/// What is due is always worked out from the wall clock as it stands, so a
/// clock that was set needs nothing but to be noticed.
#[derive(Debug)]
pub(super) struct Clock {
    last: Option<(Instant, u64)>,
    jumps: u64,
}

/// The wall clock was set.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("the clock was set {} by {} ms; what is due is worked out anew", if *.forward { "forward" } else { "back" }, .by.as_millis())]
pub(super) struct Jump {
    forward: bool,
    by: Duration,
}

impl Clock {
    pub fn start() -> Self {
        Self { last: None, jumps: 0 }
    }

    /// How often it was set.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// Compares the wall clock with the time that has passed since the last look.
    pub fn look(&mut self, wall_ms: u64) -> Option<Jump> {
        let now = Instant::now();
        let (then, then_ms) = self.last.replace((now, wall_ms))?;
        let passed = u64::try_from((now - then).as_millis()).unwrap_or(u64::MAX);
        let expected_ms = then_ms.saturating_add(passed);
        let by = Duration::from_millis(wall_ms.abs_diff(expected_ms));
        if by <= JUMP {
            return None;
        }
        self.jumps += 1;
        Some(Jump { forward: wall_ms > expected_ms, by })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_noticed_and_one_that_goes_is_not() {
        const DAY: u64 = 86_400_000;
        let mut clock = Clock::start();
        let mut wall_ms = 20_000 * DAY;
        assert_eq!(clock.look(wall_ms), None);
        #[rustfmt::skip]
        let steps = [
            // passed   on the wall              noticed
            (500,       500_i64,                 None),
            (500,       1_400,                   None),
            (60_000,    60_000,                  None),
            (500,       500 - 86_400_000,        Some((false, DAY))),
            (500,       500,                     None),
            (500,       500 + 10 * 365 * 86_400_000, Some((true, 3650 * DAY))),
            (0,         -2_000,                  Some((false, 2_000))),
        ];
        for (passed, on_the_wall, noticed) in steps {
            advance(Duration::from_millis(passed)).await;
            wall_ms = wall_ms.checked_add_signed(on_the_wall).unwrap();
            let noticed =
                noticed.map(|(forward, by)| Jump { forward, by: Duration::from_millis(by) });
            assert_eq!(clock.look(wall_ms), noticed, "{passed} {on_the_wall}");
        }
        assert_eq!(clock.jumps(), 3);
    }
}
