//! A journal in which much has happened already.

use std::path::Path;

use bytes::Bytes;
use openc2_bridge::dispatch::{
    Accepted, Address, Class, Concluded, ContentDigest, Event, Key, Record, Ticket,
};
use openc2_bridge::journal::{Journal, JournalConfig};
use openc2_bridge::producer::now_ms;
use serde_json::json;

use super::scene::{PRODUCER, letter, text};

/// When those that wait are to begin, from now; in milliseconds.
const LATER_MS: u64 = 24 * 3_600_000;

/// Commands that become durable at once.
const AT_ONCE: u64 = 5_000;

/// Who carries them out, and how many there are.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    pub consumer: &'a str,
    pub actuator: &'a str,
    /// `set` with this target.
    pub target: &'a str,
    /// Commands that have ended and are answered.
    pub answered: u64,
    /// Commands that begin in a day.
    pub waiting: u64,
}

/// Makes a journal in this folder, before a bridge runs there.
pub async fn fill(folder: &Path, past: Past<'_>) {
    let config = JournalConfig { dir: folder.to_owned(), ..JournalConfig::default() };
    let (journal, mut committed, _) = Journal::<()>::open(&config).expect("a new journal");
    let all = past.answered + past.waiting;
    for first in (1..=all).step_by(usize::try_from(AT_ONCE).expect("it fits")) {
        let tickets = first..=all.min(first + AT_ONCE - 1);
        journal.append(tickets.flat_map(|ticket| past.records(ticket)).collect(), ()).unwrap();
        committed.recv().await.expect("the journal goes on");
    }
    journal.close().await.expect("it ends well");
}

impl Past<'_> {
    fn records(&self, ticket: u64) -> Vec<Record> {
        let at_ms = now_ms();
        let event = |event| Record { ticket: Ticket(ticket), at_ms, event };
        let is_waiting = ticket > self.answered;
        let accepted = self.accepted(ticket, is_waiting.then_some(at_ms + LATER_MS));
        let accepted = event(Event::Accepted(Box::new(accepted)));
        if is_waiting {
            return vec![accepted];
        }
        let concluded = Concluded {
            class: Class::Silent,
            status: Some(200),
            text: None,
            response: None,
            remembered: true,
            in_effect: false,
            late_until_ms: None,
        };
        vec![accepted, event(Event::Started), event(Event::Outcome(Box::new(concluded)))]
    }

    fn accepted(&self, ticket: u64, start_ms: Option<u64>) -> Accepted {
        let Self { consumer, actuator, target, .. } = *self;
        let request_id = format!("past-{ticket}");
        let mut command = json!({"action": "set", "target": {target: ticket}});
        if let Some(start_ms) = start_ms {
            command["args"] = json!({"start_time": start_ms});
        }
        Accepted {
            key: Some(Key {
                consumer: consumer.to_owned(),
                producer: PRODUCER.to_owned(),
                request_id: request_id.clone(),
            }),
            digest: Some(ContentDigest([0; 32])),
            consumer: consumer.to_owned(),
            producer: Some(PRODUCER.to_owned()),
            message: Bytes::from(text(&letter(&request_id, &command))),
            request_id: Some(request_id),
            summary: format!("set {target}"),
            actuator: Some(actuator.to_owned()),
            address: Address::Device(consumer.to_owned()),
            unverified_signature: false,
            posted: false,
            command_id: None,
            start_ms,
            stop_ms: None,
            hops: 0,
            about: None,
        }
    }
}
