//! The load of the gateway: one producer that posts over HTTPS/2 with a certificate, to a consumer on
//! the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use openc2_bridge::https::{Peer, PeerConfig, PeerUrl};
use openc2_bridge::producer::now_ms;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::PATIENCE;
use super::consumer;
use super::load::{Measured, PRODUCER, request_id};
use super::stage::Stage;

/// Connections, which take turns: one carries 128 requests at a time at most.
const CONNECTIONS: usize = 4;

/// A producer with a certificate.
pub struct Poster {
    connections: Vec<Arc<Peer>>,
    /// What stands in `body.openc2.request`.
    command: &'static str,
    /// Number of the next command; the first is 1.
    next: Arc<AtomicU64>,
}

impl Poster {
    /// Reads the certificates; the first commands connect.
    pub fn new(stage: &Stage, command: &'static str) -> Result<Self> {
        let file = |name: String| Some(stage.certificates().join(name));
        let url = format!("https://localhost:{}/", stage.https_port);
        let config = PeerConfig {
            url: PeerUrl::try_from(url).map_err(anyhow::Error::msg)?,
            ca_file: file("ca.crt".to_owned()),
            cert_file: file(format!("{PRODUCER}.crt")),
            key_file: file(format!("{PRODUCER}.key")),
        };
        let connection = || Ok(Arc::new(Peer::new(config.clone())?));
        let connections = (0..CONNECTIONS).map(|_| connection()).collect::<Result<_>>()?;
        Ok(Self { connections, command, next: Arc::new(AtomicU64::new(1)) })
    }

    /// So many commands, `window` of them outstanding at any time.
    pub async fn closed_loop(&mut self, window: usize, commands: usize) -> Result<Measured> {
        let begun = Instant::now();
        let left = Arc::new(AtomicUsize::new(commands));
        let mut callers = JoinSet::new();
        for caller in 0..window.min(commands) {
            let connection = Arc::clone(&self.connections[caller % CONNECTIONS]);
            let (left, next, command) = (Arc::clone(&left), Arc::clone(&self.next), self.command);
            callers.spawn(async move {
                let mut latencies = Vec::new();
                let one_less = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    latencies.push(post(&connection, command, number).await?);
                }
                anyhow::Ok(latencies)
            });
        }
        let patience = PATIENCE + Duration::from_millis(20) * u32::try_from(commands)?;
        let all = async {
            let mut latencies = Vec::with_capacity(commands);
            while let Some(caller) = callers.join_next().await {
                latencies.extend(caller??);
            }
            anyhow::Ok(latencies)
        };
        let mut latencies =
            timeout(patience, all).await.context("not every command was answered")??;
        let took = begun.elapsed();
        latencies.sort_unstable();
        Ok(Measured { took, latencies, ..Measured::default() })
    }
}

/// Posts one command; how long its response took, which must be a good one.
async fn post(connection: &Peer, command: &str, number: u64) -> Result<Duration> {
    let created = now_ms();
    let id = request_id(number);
    let message = format!(
        r#"{{"headers":{{"request_id":"{id}","created":{created},"from":"{PRODUCER}","to":["{}"]}},"body":{{"openc2":{{"request":{command}}}}}}}"#,
        consumer::ID
    );
    let begun = Instant::now();
    let answer = connection.post_preferring(Some(&id), "wait=30", message.into()).await?;
    let took = begun.elapsed();
    let said = || String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200 && answer.is_openc2, "{} {}", answer.status, said());
    let named = format!(r#""request_id":"{id}""#);
    ensure!(said().contains(&named), "a response to another command: {}", said());
    Ok(took)
}
