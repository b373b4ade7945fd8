//! Whether a peer is worth asking: closed, open, or to be tried once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// Failures in a row after which the peer is left alone by the commands that come.
const OPENS_AFTER: u32 = 5;

/// How long it is left alone after the last one before one of them may try it.
const REST: Duration = Duration::from_secs(10);

/// The state of a peer, for everybody to see.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    failures: u32,
    /// While open: when one command may try it.
    tries_at: Option<Instant>,
}

/// What a peer's breaker says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Commands go through.
    Closed,
    /// One command tries whether the peer is back.
    HalfOpen,
    /// Commands are refused.
    Open,
}

/// A peer as `oc2 journal status` shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct View {
    /// Whether commands go through.
    pub breaker: Verdict,
    /// Failures in a row.
    pub failures: u32,
}

impl Breaker {
    /// Whether a command that begins may try the peer now. Who is told [`Verdict::HalfOpen`] is
    /// the one; all others are refused until it has come back.
    pub(super) fn ask(&self) -> Verdict {
        let mut inside = self.lock();
        let verdict = inside.verdict();
        if verdict == Verdict::HalfOpen {
            inside.tries_at = Some(Instant::now() + REST);
        }
        verdict
    }

    /// The peer answered: whatever it said, it is there.
    pub(super) fn answered(&self) -> bool {
        let was_open = self.lock().tries_at.is_some();
        *self.lock() = Inside::default();
        was_open
    }

    /// It did not; answers whether that opened the breaker.
    pub(super) fn failed(&self) -> bool {
        let mut inside = self.lock();
        inside.failures = inside.failures.saturating_add(1);
        if inside.failures < OPENS_AFTER {
            return false;
        }
        inside.tries_at.replace(Instant::now() + REST).is_none()
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> View {
        let inside = self.lock();
        View { breaker: inside.verdict(), failures: inside.failures }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn verdict(&self) -> Verdict {
        match self.tries_at {
            None => Verdict::Closed,
            Some(at) if at <= Instant::now() => Verdict::HalfOpen,
            Some(_) => Verdict::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_one_command_tries_after_a_rest() {
        let breaker = Breaker::default();
        for _ in 1..OPENS_AFTER {
            assert!(!breaker.failed());
            assert_eq!(breaker.ask(), Verdict::Closed);
        }
        assert!(breaker.failed(), "the fifth opens it");
        assert_eq!(breaker.ask(), Verdict::Open);

        tokio::time::advance(REST).await;
        assert_eq!(breaker.ask(), Verdict::HalfOpen);
        assert_eq!(breaker.ask(), Verdict::Open, "one command tries, not two");
        assert!(!breaker.failed(), "it is open already");
        assert_eq!(breaker.view(), View { breaker: Verdict::Open, failures: 6 });

        tokio::time::advance(REST).await;
        assert_eq!(breaker.ask(), Verdict::HalfOpen);
        assert!(breaker.answered());
        assert_eq!(breaker.view(), View { breaker: Verdict::Closed, failures: 0 });
        assert!(!breaker.answered());
    }
}
