//! The envelope: headers, body, signature.

use super::{Command, Members, Response};

/// An OpenC2 message (Language v1.1, section 3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who, to whom, when, and in which exchange; the default where the message has none.
    pub headers: Headers,
    /// What stands in `body.openc2`.
    pub content: Content,
    /// A detached JWS over the rest, unverified here (section 3.3.4).
    pub signature: Option<String>,
}

/// Common message elements (Language v1.1, table 3-1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers {
    /// What ties responses to their command.
    pub request_id: Option<String>,
    /// When the content was made, in milliseconds since 1970-01-01T00:00:00Z,
    /// as it came; see [`Headers::created_ms`].
    pub created: Option<u64>,
    /// Identity of the sender.
    pub from: Option<String>,
    /// Identities of the recipients; empty means whoever the transport reaches.
    pub to: Vec<String>,
    /// Headers that the standard does not know, kept as they came.
    pub others: Members,
}

impl Headers {
    /// A `created` below this makes sense only in seconds: as milliseconds it
    /// would lie before 1973-03-03T09:46:40Z.
    const SECONDS_BELOW: u64 = 100_000_000_000;

    /// `created` in milliseconds, also where the sender counted seconds, as
    /// the examples of the MQTT specification do (Transfer via MQTT v1.0, appendix E).
    #[must_use]
    pub fn created_ms(&self) -> Option<u64> {
        let created = self.created?;
        Some(if self.is_created_in_seconds() { created * 1000 } else { created })
    }

    /// Whether `created` makes sense only in seconds, which is worth counting.
    #[must_use]
    pub fn is_created_in_seconds(&self) -> bool {
        self.created.is_some_and(|created| created < Self::SECONDS_BELOW)
    }
}

/// `OpenC2-Content`: exactly one of three (Language v1.1, section 3.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A command.
    Request(Command),
    /// An answer to a command.
    Response(Response),
    /// A one-way event.
    Notification(Notification),
}

/// An event; its fields are the profiles' own (Language v1.1, section 3.3.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// By namespace identifier; at least one.
    pub members: Members,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_makes_sense_only_in_seconds_is_read_as_seconds() {
        let cases = [
            (None, None),
            (Some(1_610_483_630), Some(1_610_483_630_000)),
            (Some(1_610_483_630_000), Some(1_610_483_630_000)),
            (Some(100_000_000_000), Some(100_000_000_000)),
        ];
        for (created, created_ms) in cases {
            let headers = Headers { created, ..Headers::default() };
            assert_eq!(headers.created_ms(), created_ms, "{created:?}");
        }
    }
}
