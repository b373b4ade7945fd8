//! What each producer takes of something of which there is only so much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much each has, and may.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    taken: Mutex<HashMap<String, usize>>,
}

/// One piece of it; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    identity: String,
}

impl Shares {
    /// Nobody has anything, and each may have so much.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// What each may have.
    pub fn most(&self) -> usize {
        self.most
    }

    /// One piece more for this producer, if it may have more.
    pub fn take(self: &Arc<Self>, identity: &str) -> Option<Share> {
        let mut taken = self.lock();
        let number = taken.get(identity).copied().unwrap_or(0);
        if number >= self.most {
            return None;
        }
        taken.insert(identity.to_owned(), number + 1);
        Some(Share { shares: Arc::clone(self), identity: identity.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        if let Some(number) = taken.get_mut(&self.identity) {
            *number -= 1;
            if *number == 0 {
                taken.remove(&self.identity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_may_be_had_again_and_nothing_is_remembered_of_who_has_none() {
        let shares = Shares::new(2);
        let mut pieces: Vec<_> = (0..2).map(|_| shares.take("a").unwrap()).collect();
        assert!(shares.take("a").is_none());
        let other = shares.take("b").unwrap();
        pieces.pop();
        pieces.push(shares.take("a").unwrap());
        assert!(shares.take("a").is_none());
        drop((pieces, other));
        assert!(shares.lock().is_empty());
    }
}
