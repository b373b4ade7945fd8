//! One fingerprint for all spellings of the same JSON.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 of the canonical form (RFC 8785) of a JSON value.
#[must_use]
pub fn digest(value: &Value) -> [u8; 32] {
    let canonical =
        serde_json_canonicalizer::to_vec(value).expect("a JSON value has a canonical form");
    Sha256::digest(canonical).into()
}

/// SHA-256 of bytes as they are.
#[must_use]
pub fn digest_of_bytes(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 of these bytes, one part after the other.
#[must_use]
pub fn digest_of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sha256(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    #[test]
    fn the_digest_is_of_the_canonical_text() {
        let value = json!({"b": [200.0, 1e30, "\u{fc}\n"], "a": 1, "B": {}});
        let canonical = "{\"B\":{},\"a\":1,\"b\":[200,1e+30,\"\u{fc}\\n\"]}";
        assert_eq!(digest(&value), sha256(canonical));
    }

    /// Language v1.1, appendix C.4.2, step 2.
    #[test]
    fn the_example_of_the_standard_has_its_canonical_text() {
        let message = json!({
            "headers": {
                "request_id": "95ad511c-3339-4111-9c47-9156c47d37d3",
                "created": 1_595_268_027_000_u64,
                "from": "Producer1@example.com",
                "to": ["consumer1@example.com", "consumer2@example.com", "consumer3@example.com"]
            },
            "body": {"openc2": {"request": {
                "action": "deny",
                "target": {"uri": "http://www.example.com"}
            }}}
        });
        let canonical = concat!(
            r#"{"body":{"openc2":{"request":{"action":"deny","#,
            r#""target":{"uri":"http://www.example.com"}}}},"#,
            r#""headers":{"created":1595268027000,"#,
            r#""from":"Producer1@example.com","#,
            r#""request_id":"95ad511c-3339-4111-9c47-9156c47d37d3","#,
            r#""to":["consumer1@example.com","consumer2@example.com","consumer3@example.com"]}}"#,
        );
        assert_eq!(digest(&message), sha256(canonical));
    }

    #[test]
    fn spelling_makes_no_difference_and_meaning_does() {
        let body: Value = serde_json::from_str(r#"{"b": "\u0061", "a": 2e2}"#).unwrap();
        assert_eq!(digest(&body), digest(&json!({"a": 200, "b": "a"})));
        assert_ne!(digest(&body), digest(&json!({"a": 201, "b": "a"})));
    }
}
