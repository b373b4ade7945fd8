//! Responses, composed.

use super::{Dispatcher, Outgoing, Ticket};
use crate::format;
use crate::openc2::{Content, Headers, Message, Response, Status};
use crate::wire::{self, Manner};

impl Dispatcher {
    /// A response message of a consumer, ready to publish.
    ///
    /// The `request_id` is copied unchanged (Language v1.1, section 3.2), and
    /// `from` holds the consumer's identity (Transfer via MQTT v1.0, section 3.2).
    pub(super) fn compose(
        &mut self,
        ticket: Ticket,
        to: &Answers<'_>,
        response: Response,
        now_ms: u64,
    ) -> Outgoing {
        Outgoing {
            id: self.next_outbox(),
            ticket,
            producer: to.producer.and_then(own_level),
            payload: self.letter(to, response, now_ms),
        }
    }

    /// A response message, written as its command was.
    pub(super) fn letter(&self, to: &Answers<'_>, response: Response, now_ms: u64) -> bytes::Bytes {
        let Manner { encoding, version } = to.manner;
        let language = self.house.library.language(version);
        let written = wire::write_by(&message(to, response, now_ms), encoding, language);
        written.unwrap_or_else(|fault| {
            let text = format!("the response cannot be said in this form: {fault}");
            let plain = Response::with_text(Status::InternalError, text);
            let written = wire::write_by(&message(to, plain, now_ms), encoding, language);
            written.expect("a status and a text can be written in every form")
        })
    }
}

/// A response with its headers.
pub(super) fn message(to: &Answers<'_>, response: Response, now_ms: u64) -> Message {
    Message {
        headers: Headers {
            request_id: to.request_id.map(str::to_owned),
            created: Some(now_ms),
            from: to.consumer.map(str::to_owned),
            to: to.producer.map(str::to_owned).into_iter().collect(),
            others: serde_json::Map::new(),
        },
        content: Content::Response(response),
        signature: None,
    }
}

/// Who answers whom, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answers<'a> {
    /// Identity of the consumer.
    pub consumer: Option<&'a str>,
    /// Identity of the producer.
    pub producer: Option<&'a str>,
    /// As the command had it.
    pub request_id: Option<&'a str>,
    /// As the command was written.
    pub manner: Manner,
}

/// The producer's identity where it can be a topic level; else its responses
/// go to the shared topic.
pub(super) fn own_level(producer: &str) -> Option<String> {
    format::topic_level(producer).is_ok().then(|| producer.to_owned())
}
