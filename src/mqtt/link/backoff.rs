//! How long to wait before trying again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Waits that double from the shortest to the longest, each with jitter, so
/// that those who lost the same broker do not all come back at once.
#[derive(Debug)]
pub(in crate::mqtt) struct Backoff {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(in crate::mqtt) fn new((shortest, longest): (Duration, Duration)) -> Self {
        Self { shortest, longest, failures: 0 }
    }

    /// The same after so many failures.
    pub(in crate::mqtt) fn after(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// The next wait: between half and all of what is due.
    pub(in crate::mqtt) fn next(&mut self) -> Duration {
        let due =
            self.shortest.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        jittered(due.min(self.longest))
    }

    /// It worked: the next wait is the shortest again.
    pub(in crate::mqtt) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half and all of a wait.
pub(in crate::mqtt) fn jittered(wait: Duration) -> Duration {
    // Keyed by the system's random numbers: good enough to spread, and needs no library.
    let random = RandomState::new().hash_one(());
    let share =
        f64::from(u32::try_from(random >> 32).expect("32 bits are left")) / f64::from(u32::MAX);
    wait.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_begin_again_after_success() {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new((shortest, longest));
        for due_ms in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = backoff.next();
            let due = Duration::from_millis(due_ms);
            assert!(due / 2 <= wait && wait <= due, "{wait:?} for {due:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= longest);
        }
        backoff.reset();
        assert!(backoff.next() <= shortest);
    }
}
