//! Which subscriptions there should be, which there are, and who waits for them.

use std::collections::{BTreeMap, BTreeSet};

use rumqttc::SubAck;

use super::{LinkError, Reply, Subscription};
use crate::mqtt::reason::Reason;

/// The subscriptions of a link over all of its connections.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// What there should be, in the order in which it was asked for.
    wanted: Vec<Subscription>,
    /// What the broker may still hold from before, and should not.
    unwanted: BTreeSet<String>,
    /// What the broker has granted on this connection, and with which `QoS`.
    granted: BTreeMap<String, u8>,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    filters: Vec<String>,
    /// Waits for the end of the subscriptions, not for their beginning.
    is_for_end: bool,
    reply: Reply,
}

/// What the broker said to one filter of a SUBSCRIBE.
pub(super) struct Verdict {
    pub filter: String,
    pub asked_qos: u8,
    pub reason: Reason,
    /// The Reason String of the packet.
    pub said: Option<String>,
}

impl Verdict {
    /// What a SUBACK says to what was asked for.
    pub(super) fn all(asked: &[Subscription], suback: &SubAck) -> Vec<Self> {
        let said = suback.properties.as_ref();
        let verdict = |(one, code): (&Subscription, _)| Self {
            filter: one.filter.clone(),
            asked_qos: one.qos,
            reason: Reason::from(code),
            said: said.and_then(|said| said.reason_string.clone()),
        };
        asked.iter().zip(&suback.return_codes).map(verdict).collect()
    }

    /// Why this is not what was asked for. Less than `QoS` 1 is an error where at least that was
    /// asked for (Transfer via MQTT v1.0, section 3.3); 1 instead of 2 is not.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.reason.is_failure() {
            Some(format!("{}: {}", self.filter, self.reason.with(self.said.as_deref())))
        } else if self.reason == Reason::SUCCESS && self.asked_qos > 0 {
            Some(format!("{}: granted with QoS 0 (0x00) only", self.filter))
        } else {
            None
        }
    }
}

impl Subscriptions {
    pub(super) fn new(wanted: Vec<Subscription>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// A new connection: nothing has been granted on it.
    pub(super) fn begin_connection(&mut self, session_present: bool) {
        self.granted.clear();
        if !session_present {
            self.unwanted.clear();
            self.settle();
        }
    }

    /// Asks for these too. Gives back what has to be sent where there is a connection.
    pub(super) fn want(&mut self, asked: Vec<Subscription>, reply: Reply) -> Vec<Subscription> {
        let filters = asked.iter().map(|one| one.filter.clone()).collect();
        let mut new = Vec::new();
        for subscription in asked {
            self.unwanted.remove(&subscription.filter);
            if self.wanted.contains(&subscription)
                && self.granted.contains_key(&subscription.filter)
            {
                continue;
            }
            self.wanted.retain(|one| one.filter != subscription.filter);
            self.granted.remove(&subscription.filter);
            self.wanted.push(subscription.clone());
            new.push(subscription);
        }
        self.waiting.push(Waiting { filters, is_for_end: false, reply });
        self.settle();
        new
    }

    /// Asks for these no longer.
    pub(super) fn drop(&mut self, filters: Vec<String>, reply: Reply) {
        self.wanted.retain(|one| !filters.contains(&one.filter));
        for filter in &filters {
            self.granted.remove(filter);
            self.unwanted.insert(filter.clone());
        }
        self.waiting.push(Waiting { filters, is_for_end: true, reply });
        // Who names none has nothing to wait for.
        self.settle();
    }

    /// What should be there and has not been granted on this connection.
    pub(super) fn missing(&self) -> Vec<Subscription> {
        let is_missing = |one: &&Subscription| !self.granted.contains_key(&one.filter);
        self.wanted.iter().filter(is_missing).cloned().collect()
    }

    pub(super) fn unwanted(&self) -> Vec<String> {
        self.unwanted.iter().cloned().collect()
    }

    /// Takes in what the broker said; gives back what is wrong with it.
    pub(super) fn judge(&mut self, verdicts: &[Verdict]) -> Vec<String> {
        let mut complaints = BTreeMap::new();
        for verdict in verdicts {
            // Asked for no longer: the UNSUBSCRIBE is on its way.
            if !self.wanted.iter().any(|one| one.filter == verdict.filter) {
                continue;
            }
            match verdict.complaint() {
                Some(complaint) => {
                    complaints.insert(verdict.filter.clone(), complaint);
                }
                None => {
                    self.granted.insert(verdict.filter.clone(), verdict.reason.0);
                }
            }
        }
        let (refused, waiting) = self.waiting.drain(..).partition(|one| {
            !one.is_for_end && one.filters.iter().any(|filter| complaints.contains_key(filter))
        });
        self.waiting = waiting;
        for one in refused {
            let Waiting { filters, reply, .. }: Waiting = one;
            let reasons: Vec<_> =
                filters.iter().filter_map(|filter| complaints.get(filter)).cloned().collect();
            // Whoever asked may have stopped waiting.
            let _gone = reply.send(Err(LinkError::Refused { reason: reasons.join("; ") }));
        }
        self.settle();
        complaints.into_values().collect()
    }

    /// The broker holds these no longer, or will not end them: either way there is
    /// nothing more to do about them.
    pub(super) fn ended(&mut self, filters: &[String]) {
        for filter in filters {
            self.unwanted.remove(filter);
        }
        self.settle();
    }

    /// Tells those whose wish has come true.
    fn settle(&mut self) {
        let (granted, unwanted) = (&self.granted, &self.unwanted);
        let (done, waiting) = self.waiting.drain(..).partition(|one: &Waiting| {
            if one.is_for_end {
                !one.filters.iter().any(|filter| unwanted.contains(filter))
            } else {
                one.filters.iter().all(|filter| granted.contains_key(filter))
            }
        });
        self.waiting = waiting;
        for Waiting { filters, reply, .. } in Vec::<Waiting>::from_iter(done) {
            let qos = filters.iter().filter_map(|filter| granted.get(filter).copied());
            let _gone = reply.send(Ok(qos.collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn verdict(filter: &str, reason: u8) -> Verdict {
        Verdict { filter: filter.to_owned(), asked_qos: 2, reason: Reason(reason), said: None }
    }

    /// Shows MQTT-3.3-5 for the judgement.
    #[test]
    fn less_than_qos_1_is_an_error_with_a_name() {
        #[rustfmt::skip]
        let cases = [
            (2, 0x02, None),
            (2, 0x01, None),
            (1, 0x01, None),
            (2, 0x00, Some("a: granted with QoS 0 (0x00) only")),
            (0, 0x00, None),
            (2, 0x87, Some("a: Not authorized (0x87)")),
            (0, 0x97, Some("a: Quota exceeded (0x97)")),
        ];
        for (asked_qos, reason, complaint) in cases {
            let verdict = Verdict { asked_qos, ..verdict("a", reason) };
            assert_eq!(verdict.complaint().as_deref(), complaint, "{asked_qos} {reason}");
        }
    }

    #[test]
    fn who_asked_hears_when_all_is_granted_or_one_is_refused() {
        let mut subscriptions = Subscriptions::default();
        let ask = |filters: &[&str]| {
            filters.iter().map(|one| Subscription::openc2((*one).to_owned())).collect()
        };
        let (reply, mut first) = oneshot::channel();
        assert_eq!(subscriptions.want(ask(&["a", "b"]), reply).len(), 2);
        let (reply, mut second) = oneshot::channel();
        assert_eq!(subscriptions.want(ask(&["b", "c"]), reply).len(), 2);

        assert!(subscriptions.judge(&[verdict("a", 1), verdict("b", 2)]).is_empty());
        assert_eq!(first.try_recv().unwrap().unwrap(), [1, 2]);
        assert!(second.try_recv().is_err());
        assert_eq!(subscriptions.judge(&[verdict("c", 0x8F)]), ["c: Topic Filter invalid (0x8F)"]);
        assert!(second.try_recv().unwrap().is_err());

        subscriptions.begin_connection(true);
        let missing = subscriptions.missing();
        assert!(missing.iter().map(|one| one.filter.as_str()).eq(["a", "b", "c"]));
    }

    #[test]
    fn an_end_waits_for_the_broker_or_for_its_session_to_go() {
        let mut subscriptions = Subscriptions::default();
        let (reply, mut ended) = oneshot::channel();
        subscriptions.drop(vec!["a".to_owned()], reply);
        subscriptions.begin_connection(true);
        assert!(ended.try_recv().is_err());
        assert_eq!(subscriptions.unwanted(), ["a"]);
        subscriptions.begin_connection(false);
        assert!(ended.try_recv().unwrap().is_ok());
    }

    #[test]
    fn the_end_of_none_waits_for_nothing() {
        let (reply, mut ended) = oneshot::channel();
        Subscriptions::default().drop(Vec::new(), reply);
        assert!(ended.try_recv().unwrap().is_ok());
    }
}
