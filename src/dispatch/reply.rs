//! Responses, composed.

use super::{Dispatcher, Outgoing, Ticket};
use crate::format;
use crate::openc2::{Content, Headers, Message, Response};
use crate::wire;

impl Dispatcher {
    /// A response message of a consumer, ready to publish.
    ///
    /// The `request_id` is copied unchanged (Language v1.1, section 3.2), and
    /// `from` holds the consumer's identity (Transfer via MQTT v1.0, section 3.2).
    pub(super) fn compose(
        &mut self,
        ticket: Ticket,
        consumer: &str,
        producer: Option<&str>,
        request_id: Option<&str>,
        response: Response,
        now_ms: u64,
    ) -> Outgoing {
        Outgoing {
            id: self.next_outbox(),
            ticket,
            producer: producer.and_then(own_level),
            payload: letter(Some(consumer), producer, request_id, response, now_ms),
        }
    }
}

/// A response message.
pub(super) fn letter(
    from: Option<&str>,
    to: Option<&str>,
    request_id: Option<&str>,
    response: Response,
    now_ms: u64,
) -> bytes::Bytes {
    wire::write(&Message {
        headers: Headers {
            request_id: request_id.map(str::to_owned),
            created: Some(now_ms),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned).into_iter().collect(),
            others: serde_json::Map::new(),
        },
        content: Content::Response(response),
        signature: None,
    })
}

/// The producer's identity where it can be a topic level; else its responses
/// go to the shared topic.
pub(super) fn own_level(producer: &str) -> Option<String> {
    format::topic_level(producer).is_ok().then(|| producer.to_owned())
}
