//! Messages that end in the moment they come: answered on the spot, turned
//! away, repeated, dropped.

use std::sync::Arc;

use super::admit::{Decided, summary};
use super::post::Party;
use super::reply::Answers;
use super::{
    Accepted, Class, Concluded, ContentDigest, Dispatcher, Event, Inbound, Key, Known, LogLine,
    Outgoing, Reason, Record, Ticket,
};
use crate::openc2::{Command, Response, ResponseType, Status};
use crate::wire::{Glimpse, Manner};

impl Dispatcher {
    /// Turns a message away, and tells its producer why unless it asked for silence.
    pub(super) fn refuse(
        &mut self,
        decided: &mut Decided,
        inbound: &Inbound,
        envelope: &Envelope,
        status: Status,
        reason: Reason,
    ) {
        let response = Response::with_text(status, reason.text());
        let end = Class::Refused;
        self.conclude_at_once(decided, inbound, envelope, end, response, Some(reason));
    }

    /// Ends a message with a response, which its producer gets unless it
    /// asked for none.
    pub(super) fn conclude_at_once(
        &mut self,
        decided: &mut Decided,
        inbound: &Inbound,
        envelope: &Envelope,
        class: Class,
        response: Response,
        reason: Option<Reason>,
    ) {
        let ticket = self.next_ticket();
        let (status, text) = (response.status, response.status_text.clone());
        let is_silent = envelope.wants == ResponseType::None;
        let outgoing = (!is_silent).then(|| {
            let to = Answers {
                consumer: Some(envelope.consumer.as_str()).filter(|_| !envelope.is_absent),
                // A producer that gave no request_id would not find its
                // answer among others: it goes where everybody listens.
                producer: envelope.producer.as_deref().filter(|_| envelope.request_id.is_some()),
                request_id: envelope.request_id.as_deref(),
                manner: envelope.manner,
            };
            self.compose(ticket, &to, response, inbound.received_ms)
        });
        let remembered = status != Status::ServiceUnavailable;
        if let Some(key) = envelope.key.clone().filter(|_| remembered) {
            let known = Known {
                ticket,
                digest: envelope.digest,
                response: outgoing.as_ref().map(|outgoing| outgoing.payload.clone()),
                ended: true,
            };
            self.settled.insert(key, known);
        }
        let concluded = Concluded {
            class: if is_silent { Class::Silent } else { class },
            status: Some(status.code()),
            text,
            response: outgoing,
            remembered,
            in_effect: false,
            late_until_ms: None,
        };
        self.close_at_once(decided, inbound, envelope, (ticket, concluded, reason));
    }

    /// A known command came again: nothing acts, the recorded response goes out again.
    pub(super) fn repeat(
        &mut self,
        decided: &mut Decided,
        inbound: &Inbound,
        envelope: &Envelope,
        recorded: Option<bytes::Bytes>,
    ) {
        let ticket = self.next_ticket();
        let response = recorded.map(|payload| Outgoing {
            id: self.next_outbox(),
            ticket,
            producer: envelope.producer.as_deref().and_then(super::reply::own_level),
            payload,
        });
        let concluded = Concluded {
            class: Class::Repeated,
            status: None,
            text: None,
            response,
            remembered: false,
            in_effect: false,
            late_until_ms: None,
        };
        // Such a command is known by its bytes alone, and its producer may have meant it anew.
        let reason = envelope.request_id.is_none().then(|| {
            let text = "the same message came before, and without a request_id it is the same \
                        command";
            Reason::from(text)
        });
        self.close_at_once(decided, inbound, envelope, (ticket, concluded, reason));
    }

    /// Keeps a message that is neither acted upon nor answered.
    pub(super) fn drop_message(
        &mut self,
        decided: &mut Decided,
        inbound: &Inbound,
        envelope: &Envelope,
        reason: Reason,
    ) {
        let ticket = self.next_ticket();
        let concluded = Concluded {
            class: Class::Dropped,
            status: None,
            text: Some(reason.text().to_owned()),
            response: None,
            remembered: false,
            in_effect: false,
            late_until_ms: None,
        };
        self.close_at_once(decided, inbound, envelope, (ticket, concluded, Some(reason)));
    }

    /// Records a message and its end in one commit.
    fn close_at_once(
        &mut self,
        decided: &mut Decided,
        inbound: &Inbound,
        envelope: &Envelope,
        (ticket, concluded, reason): (Ticket, Concluded, Option<Reason>),
    ) {
        let at_ms = inbound.received_ms;
        let accepted = envelope.accepted(inbound);
        self.counters.ended(concluded.class);
        decided.lines.push(LogLine { reason, ..envelope.line(ticket, &concluded) });
        let (is_published, response) = (!accepted.posted, concluded.response.clone());
        decided.records.push(Record { ticket, at_ms, event: Event::Accepted(Box::new(accepted)) });
        decided.records.push(Record { ticket, at_ms, event: Event::Outcome(Box::new(concluded)) });
        if let Some(outgoing) = response {
            if !is_published {
                let (consumer, said) = (envelope.consumer.clone(), Some(outgoing.payload.clone()));
                decided.parties.push(Party { ticket, consumer, said });
            }
            decided.send(outgoing, is_published, at_ms);
        }
    }
}

/// What is known of a message's sender and sense when its end is recorded.
#[derive(Default)]
pub(super) struct Envelope {
    pub consumer: String,
    pub key: Option<Key>,
    pub digest: Option<ContentDigest>,
    pub producer: Option<String>,
    pub request_id: Option<String>,
    pub wants: ResponseType,
    pub command: Option<Arc<Command>>,
    pub is_signed: bool,
    pub manner: Manner,
    /// The consumer is out of reach: it is answered for, and not in its name.
    pub is_absent: bool,
}

impl Envelope {
    /// Of a message that could not be read to its end.
    pub fn glimpsed(consumer: String, glimpse: &Glimpse) -> Self {
        let wants = if glimpse.wants_silence { ResponseType::None } else { ResponseType::Complete };
        Self {
            consumer,
            producer: glimpse.from.clone(),
            request_id: glimpse.request_id.clone(),
            wants,
            ..Self::default()
        }
    }

    /// What a message said of its sender, where nothing else matters.
    pub fn of(producer: Option<String>, request_id: Option<String>) -> Self {
        Self { producer, request_id, ..Self::default() }
    }

    /// The first record of a message like this.
    pub fn accepted(&self, inbound: &Inbound) -> Accepted {
        Accepted {
            key: self.key.clone(),
            digest: self.digest,
            consumer: self.consumer.clone(),
            producer: self.producer.clone(),
            request_id: self.request_id.clone(),
            summary: self.command.as_deref().map(summary).unwrap_or_default(),
            actuator: None,
            address: inbound.address.clone(),
            command_id: None,
            start_ms: None,
            stop_ms: None,
            message: inbound.payload.clone(),
            unverified_signature: self.is_signed,
            posted: inbound.caller.is_some(),
            hops: inbound.hops(),
            about: None,
        }
    }

    fn line(&self, ticket: Ticket, concluded: &Concluded) -> LogLine {
        LogLine {
            ticket: Some(ticket),
            request_id: self.request_id.clone(),
            producer: self.producer.clone(),
            consumer: self.consumer.clone(),
            action: self.command.as_deref().map(|command| command.action.as_str()),
            target: self.command.as_deref().map(|command| command.target.name().to_string()),
            unverified_signature: self.is_signed,
            class: Some(concluded.class),
            status: concluded.status,
            ..LogLine::default()
        }
    }
}
