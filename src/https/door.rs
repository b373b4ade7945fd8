//! The consumer's door for HTTPS: opened, told of replies, closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callers::Callers;
use super::connections::{Counted, Shared, listen};
use super::follow::{MAX_STREAMS, MAX_STREAMS_OF_ONE};
use super::shares::Shares;
use super::{Archive, HttpsConfig};
use crate::dispatch::{Inbound, Receipt, Reply};
use crate::tls::{ServerTls, TlsError};

/// Messages that may wait for the daemon; further ones are told 503.
const EVENTS: usize = 256;

/// What the door tells the daemon.
#[derive(Debug)]
pub enum DoorEvent {
    /// A message was posted. To be answered with a [`Reply`] of its receipt.
    Posted(Box<Inbound>),
    /// A caller has waited as long as it may, and is to be answered now.
    GaveUp(Receipt),
}

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not to be had.
    #[error("cannot listen on {listen}")]
    Listen {
        /// As configured.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the door has counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct DoorStatistics {
    /// Connections that came.
    pub connections: u64,
    /// Of these, without TLS of the right kind or without a certificate that is trusted.
    pub refused_handshakes: u64,
    /// Requests that were answered with an `OpenC2` response.
    pub posts: u64,
    /// Requests that asked after commands or consumers, and were told.
    pub reads: u64,
    /// Requests that were answered with a problem of HTTP.
    pub problems: u64,
    /// Requests that wait for their response now.
    pub waiting: u64,
    /// Commands that are followed now.
    pub followed: u64,
}

/// The door itself: opens handles.
#[derive(Debug)]
pub struct Door;

/// A handle to the door. Cloning gives another.
#[derive(Clone, Debug)]
pub struct DoorHandle {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    /// Opens the door where `config` names an address. Must be called within a tokio runtime.
    ///
    /// `message_bytes` is the longest message that is read; `archive` knows what became of commands.
    pub async fn open(
        config: &HttpsConfig,
        message_bytes: usize,
        archive: Arc<dyn Archive>,
    ) -> Result<Option<(DoorHandle, mpsc::Receiver<DoorEvent>)>, OpenError> {
        let Some(listen_on) = config.listen else { return Ok(None) };
        let tls = config.server_files().map(ServerTls::load).transpose()?;
        let unavailable = |source| OpenError::Listen { listen: listen_on, source };
        let listener = TcpListener::bind(listen_on).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        if tls.is_none() {
            tracing::warn!(%address, "plain HTTP, and everybody is believed: for tests only");
        }
        let (events, events_out) = mpsc::channel(EVENTS);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let shared = Arc::new(Shared {
            callers: Callers::new(events, config.max_wait, config.max_waiting_per_producer),
            tls,
            identities: config.identities.clone(),
            operators: config.operators.identities.clone(),
            archive,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stream_shares: Shares::new(MAX_STREAMS_OF_ONE),
            stop: stop.clone(),
            message_bytes,
            counted: Counted::default(),
        });
        tasks.spawn(listen(listener, Arc::clone(&shared), stop.clone()));
        tasks.close();
        tracing::info!(%address, "commands may be posted");
        Ok(Some((DoorHandle { shared, address, stop, tasks }, events_out)))
    }
}

impl DoorHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers a POST. Whoever has gone away meanwhile is passed over.
    pub fn reply(&self, reply: Reply) {
        self.shared.callers.reply(reply);
    }

    /// Takes no new connections, and no new requests on those that are open.
    pub fn stop_listening(&self) {
        self.stop.cancel();
    }

    /// Tells who still waits to try again, and gives the answers that time to leave.
    pub async fn close(&self, grace: Duration) {
        self.stop_listening();
        self.shared.callers.close();
        // Whoever is slower than that keeps nobody here.
        let _slow = tokio::time::timeout(grace, self.tasks.wait()).await;
    }

    /// What has been counted so far.
    #[must_use]
    pub fn statistics(&self) -> DoorStatistics {
        let Counted { connections, refused_handshakes, posts, reads, problems } =
            &self.shared.counted;
        DoorStatistics {
            connections: connections.load(Ordering::Relaxed),
            refused_handshakes: refused_handshakes.load(Ordering::Relaxed),
            posts: posts.load(Ordering::Relaxed),
            reads: reads.load(Ordering::Relaxed),
            problems: problems.load(Ordering::Relaxed),
            waiting: self.shared.callers.number() as u64,
            followed: (MAX_STREAMS - self.shared.streams.available_permits()) as u64,
        }
    }
}
