//! Brings in what the link receives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Alarm, DoorEvent, DoorStatistics, Parts};
use crate::dispatch::{Inbound, Receipt};
use crate::mqtt::client_id::SessionFile;
use crate::mqtt::link::{Delivery, LinkEvent, LinkEvents, Statistics};
use crate::mqtt::topics;

/// Events of the link that are taken at a time.
const AT_A_TIME: usize = 64;

/// The task that turns deliveries into commands.
pub(super) struct Porter {
    pub parts: Parts,
    pub session: SessionFile,
    /// What the link had counted when it was last looked at.
    pub seen: Statistics,
}

impl Porter {
    pub(super) async fn run(mut self, mut link_events: LinkEvents) {
        self.end_what_is_no_longer_named();
        let mut taken = Vec::with_capacity(AT_A_TIME);
        loop {
            tokio::select! {
                // What comes last may go on and on, and must not keep the others from their turn.
                biased;
                () = self.parts.events.closed() => return,
                Ok(()) = self.parts.named.changed() => {
                    // What is no longer named may still be there for a while.
                    let before = self.session.filters().clone();
                    self.remember(before);
                }
                count = link_events.recv_many(&mut taken, AT_A_TIME) => if count == 0 { return },
            }
            for event in taken.drain(..) {
                let (alarms, event) = self.translate(event);
                for event in alarms.into_iter().map(DoorEvent::Alarm).chain(event) {
                    // The daemon only stops listening when it ends.
                    if self.parts.events.send(event).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// What the daemon is told of it, in this order.
    fn translate(&mut self, event: LinkEvent) -> (Vec<Alarm>, Option<DoorEvent>) {
        match event {
            LinkEvent::Message(delivery) => (Vec::new(), self.admit(delivery)),
            LinkEvent::Up { session_present } => {
                self.remember(BTreeSet::new());
                (self.alarms(""), Some(DoorEvent::Up { session_present }))
            }
            LinkEvent::Down { reason, .. } => {
                (self.alarms(&reason), Some(DoorEvent::Down { reason }))
            }
        }
    }

    /// What of the link's counting since the last look is an alarm.
    fn alarms(&mut self, reason: &str) -> Vec<Alarm> {
        let (now, seen) = (self.parts.link.statistics(), self.seen);
        self.seen = now;
        let mut alarms = Vec::new();
        if now.sessions_lost > seen.sessions_lost {
            alarms.push(Alarm::SessionLost);
        }
        if now.takeovers > seen.takeovers {
            alarms.push(Alarm::SessionTakenOver);
        }
        if now.subscriptions_refused > seen.subscriptions_refused {
            alarms.push(Alarm::SubscriptionRefused { reason: reason.to_owned() });
        }
        alarms
    }

    fn count(&self, change: impl FnOnce(&mut DoorStatistics)) {
        self.parts.counted.send_modify(change);
    }

    fn admit(&mut self, delivery: Delivery) -> Option<DoorEvent> {
        let Delivery { receipt, topic, payload, retained, properties, .. } = delivery;
        let address = {
            let named = self.parts.named.borrow();
            let is_named = named.filters.contains(&topic);
            is_named.then(|| topics::address(&named.prefix, &topic)).flatten()
        };
        let Some(address) = address else {
            self.turn_away(receipt, topic);
            return None;
        };
        let declared = properties.declared();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let received_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Some(DoorEvent::Inbound(Inbound {
            receipt,
            address,
            payload,
            declared,
            retained,
            received_ms,
            caller: None,
        }))
    }

    /// A message on a topic that is none of ours: the broker still holds a subscription
    /// from an earlier configuration. It is acknowledged, counted, and the subscription ended.
    fn turn_away(&self, receipt: Receipt, topic: String) {
        self.count(|counted| counted.unknown_topic += 1);
        tracing::warn!(
            ?topic,
            "dropped: a message on a topic that the configuration does not name"
        );
        self.parts.link.acknowledge(receipt);
        self.end(vec![topic]);
    }

    /// Ends the subscriptions that the broker holds from an earlier configuration.
    fn end_what_is_no_longer_named(&self) {
        let named = Arc::clone(&self.parts.named.borrow());
        let stale: Vec<_> = self.session.filters().difference(&named.filters).cloned().collect();
        if !stale.is_empty() {
            let filters = stale.join(" ");
            tracing::info!(filters, "ending subscriptions that the configuration no longer names");
            self.end(stale);
        }
    }

    fn end(&self, filters: Vec<String>) {
        let link = self.parts.link.clone();
        tokio::spawn(async move {
            if let Err(error) = link.unsubscribe(filters).await {
                tracing::debug!(%error, "subscriptions not ended");
            }
        });
    }

    /// Writes down what the broker holds for us now: what is named, and these.
    ///
    /// A small file, and only when it changes: the few milliseconds are taken from this task.
    fn remember(&mut self, mut filters: BTreeSet<String>) {
        filters.extend(self.parts.named.borrow().filters.iter().cloned());
        if let Err(error) = self.session.remember(filters) {
            // Only that a later configuration cannot end these: worth a word, not an end.
            tracing::warn!(%error, "subscriptions not written down");
        }
    }
}
