//! The client of the gateway's tour: what `oc2 send --url` posts with.

use std::time::Duration;

use tokio::time::timeout;

use crate::demo::BoxError;
use crate::demo::gateway::Door;
use crate::demo::gateway::tour::{Caller, Reply, Request};
use crate::https::{Peer, PeerConfig, PeerUrl};

/// Longest wait for an answer: longer than the gateway itself waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// The door, for who shows a certificate and for who does not.
pub(super) struct Client {
    known: Peer,
    stranger: Peer,
}

impl Caller for Client {
    fn new(door: &Door) -> Result<Self, BoxError> {
        let stranger = PeerConfig {
            url: PeerUrl::try_from(door.url())?,
            ca_file: Some(door.papers.authority()),
            cert_file: None,
            key_file: None,
        };
        let (certificate, key) = door.papers.client();
        let known =
            PeerConfig { cert_file: Some(certificate), key_file: Some(key), ..stranger.clone() };
        Ok(Self { known: Peer::new(known)?, stranger: Peer::new(stranger)? })
    }

    async fn call(&self, request: &Request) -> Result<Reply, BoxError> {
        let peer = if request.is_known { &self.known } else { &self.stranger };
        let answer = match &request.message {
            Some(message) => {
                let request_id = message["headers"]["request_id"].as_str();
                let text = message.to_string().into();
                timeout(PATIENCE, peer.post_preferring(request_id, request.prefer, text)).await??
            }
            None => timeout(PATIENCE, peer.get(&request.path)).await??,
        };
        Ok(Reply {
            status: answer.status,
            location: answer.location,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        })
    }
}
