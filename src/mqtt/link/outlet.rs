//! The way out of the task: events for the owner.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::LinkEvent;

/// Deliveries with `QoS` 0 that may wait for the owner; further ones have no place.
/// (Those with `QoS` 1 and 2 are bounded by the Receive Maximum.)
const QOS0_WAITING: usize = 256;

/// A bounded channel to the owner, and what it has no room for.
#[derive(Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<LinkEvent>,
    waiting: VecDeque<LinkEvent>,
    has_owner: bool,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<LinkEvent>) -> Self {
        Self { events, waiting: VecDeque::new(), has_owner: true }
    }

    /// Events for which the channel has no room.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// There is room for a delivery that the broker does not hold back for us.
    pub(super) fn has_room_for_qos0(&self) -> bool {
        self.waiting.len() < QOS0_WAITING
    }

    /// Hands an event on, or lets it wait. Without an owner it is nobody's.
    pub(super) fn tell(&mut self, event: LinkEvent) {
        if !self.has_owner {
            return;
        }
        // Who has not read the last one yet needs only the new one.
        let is_down = |event: &LinkEvent| matches!(event, LinkEvent::Down { .. });
        if is_down(&event) && self.waiting.back().is_some_and(is_down) {
            self.waiting.pop_back();
        }
        self.waiting.push_back(event);
        self.hand_on();
    }

    /// Hands on what waits, as far as there is room.
    pub(super) fn hand_on(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => {
                    self.has_owner = false;
                    self.waiting.clear();
                }
            }
        }
    }

    /// Waits for room in the channel, or for nobody to read it any more.
    ///
    /// Nobody else writes to it, so the room is still there afterwards.
    pub(super) async fn has_place(&self) {
        // Either way it is time for `hand_on`, which sees the difference.
        let _place = self.events.reserve().await;
    }
}
