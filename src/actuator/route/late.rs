//! Commands that nobody waits for any more, and that are open for late answers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Commands of one route that are open for late answers; where one more comes, the
/// oldest is closed before its time.
const MOST: usize = 512;

/// Those that are open, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<VecDeque<CancellationToken>>);

/// The place of one of them; given up when dropped.
#[derive(Debug)]
pub(super) struct Place(CancellationToken);

impl Late {
    pub fn enter(&self) -> Place {
        let place = CancellationToken::new();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| !other.is_cancelled());
        if open.len() >= MOST
            && let Some(oldest) = open.pop_front()
        {
            oldest.cancel();
        }
        open.push_back(place.clone());
        Place(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Waits until another needs the place; for ever where there is none.
pub(super) async fn left(place: Option<&Place>) {
    match place {
        Some(Place(place)) => place.cancelled().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_makes_room_and_who_has_gone_takes_none() {
        let late = Late::default();
        drop(late.enter());
        let mut places: Vec<_> = (0..MOST).map(|_| late.enter()).collect();
        assert!(!places[0].0.is_cancelled());
        places.push(late.enter());
        left(places.first()).await;
        assert!(!places[1].0.is_cancelled());
    }
}
