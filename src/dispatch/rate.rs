//! Commands a minute.

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// One minute, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// Remembers when the last commands came, as many as a minute may hold.
///
/// A window that slides, not a bucket: in no minute whatever do more commands
/// pass than the limit says, which is also what `query features` promises
/// (Language v1.1, section 3.3.2.2, `rate_limit`).
#[derive(Debug, Default)]
pub(super) struct LastMinute {
    passed_ms: VecDeque<u64>,
}

impl LastMinute {
    /// Whether one more command may pass at `now_ms`; if so, it counts.
    pub fn admits(&mut self, limit: NonZeroU32, now_ms: u64) -> bool {
        // A clock that was set back leaves times in the future behind: forget them.
        while self.passed_ms.pop_back_if(|then| *then > now_ms).is_some() {}
        while self.passed_ms.pop_front_if(|then| now_ms - *then >= MINUTE_MS).is_some() {}
        if self.passed_ms.len() >= limit.get() as usize {
            return false;
        }
        self.passed_ms.push_back(now_ms);
        true
    }

    /// How long until one more may pass, in whole seconds, at least one.
    pub fn wait_secs(&self, now_ms: u64) -> u64 {
        let oldest = self.passed_ms.front().copied().unwrap_or(now_ms);
        (oldest + MINUTE_MS).saturating_sub(now_ms).div_ceil(1000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_no_minute_more_pass_than_the_limit() {
        let limit = NonZeroU32::new(2).unwrap();
        #[rustfmt::skip]
        let cases = [
            // at        admitted
            (0,          true),
            (30_000,     true),
            (59_999,     false),
            (60_000,     true),
            (60_001,     false),
            (90_000,     true),
            (100_000,    false),
            (50_000,     true), // the clock was set back
        ];
        let mut minute = LastMinute::default();
        for (at_ms, admitted) in cases {
            assert_eq!(minute.admits(limit, at_ms), admitted, "at {at_ms}");
        }
    }

    #[test]
    fn the_wait_ends_when_the_oldest_leaves_the_minute() {
        let mut minute = LastMinute::default();
        assert!(minute.admits(NonZeroU32::MIN, 10_000));
        assert_eq!(minute.wait_secs(10_000), 60);
        assert_eq!(minute.wait_secs(69_500), 1);
    }
}
