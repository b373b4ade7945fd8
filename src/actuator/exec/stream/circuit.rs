//! How often a program has failed, and what follows from it.

use std::time::Duration;

/// Failures in a row after which commands are refused until it is up again.
const OPENS_AFTER: u32 = 5;

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Circuit {
    failures: u32,
    first_pause: Duration,
    last_pause: Duration,
}

impl Circuit {
    /// Pauses grow from the first to the last.
    pub(super) fn new(first_pause: Duration, last_pause: Duration) -> Self {
        Self { failures: 0, first_pause, last_pause }
    }

    /// It did what it is for.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It failed; answers how long to wait before the next attempt.
    pub(super) fn failed(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.first_pause.saturating_mul(doubled).min(self.last_pause)
    }

    /// So many times that no command waits for it any more.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= OPENS_AFTER
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_the_fifth_failure_opens_the_circuit() {
        let mut circuit = Circuit::new(Duration::from_secs(1), Duration::from_mins(1));
        let steps = [(1, false), (2, false), (4, false), (8, false), (16, true), (32, true)];
        for (pause, is_open) in steps.into_iter().chain([(60, true); 40]) {
            assert_eq!(circuit.failed(), Duration::from_secs(pause));
            assert_eq!(circuit.is_open(), is_open);
        }
        circuit.succeeded();
        assert!(!circuit.is_open());
        assert_eq!(circuit.failed(), Duration::from_secs(1));
    }
}
