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
        let message = Message {
            headers: Headers {
                request_id: request_id.map(str::to_owned),
                created: Some(now_ms),
                from: Some(consumer.to_owned()),
                to: producer.map(str::to_owned).into_iter().collect(),
                others: serde_json::Map::new(),
            },
            content: Content::Response(response),
            signature: None,
        };
        Outgoing {
            id: self.next_outbox(),
            ticket,
            producer: producer.and_then(own_level),
            payload: wire::write(&message),
        }
    }
}

/// The producer's identity where it can be a topic level; else its responses
/// go to the shared topic.
pub(super) fn own_level(producer: &str) -> Option<String> {
    format::topic_level(producer).is_ok().then(|| producer.to_owned())
}
