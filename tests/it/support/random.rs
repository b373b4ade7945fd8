//! Chance that can be had again: the seed is printed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names the seed of a run that is to be had again.
const VARIABLE: &str = "OC2_TEST_SEED";

/// A small generator (xorshift64*): good enough to choose moments.
pub struct Random {
    state: u64,
}

impl Random {
    /// Begins with `OC2_TEST_SEED`, or else with the time of day, and prints which.
    pub fn for_test(test: &str) -> Self {
        let seed = match std::env::var(VARIABLE) {
            Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{VARIABLE}={seed}: no number")),
            Err(_) => micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap()),
        };
        println!("{test}: {VARIABLE}={seed}");
        Self { state: seed | 1 }
    }

    /// A moment between these two.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = micros(most.saturating_sub(least));
        least + Duration::from_micros(self.next() % (span + 1))
    }

    /// One of 0 to `most`, without `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("not that long")
}
