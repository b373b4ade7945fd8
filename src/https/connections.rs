//! Connections: accepted, secured, served, ended.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Archive;
use super::body::{Body, without_body};
use super::callers::Callers;
use super::paths::Place;
use super::problem::Problem;
use super::request::{self, Posted};
use super::shares::Shares;
use super::{paths, posting, resources};
use crate::dispatch::Caller;
use crate::tls::{Secured, ServerTls};

/// Connections that may be open at the same time; further ones wait in the system's queue.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// Longest wait for a TLS handshake, and for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// Wait after the system had no connection to give, out of files say.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub callers: Callers,
    /// `None` is plain HTTP: the testing target.
    pub tls: Option<ServerTls>,
    pub identities: BTreeMap<String, String>,
    /// Identities that see every command.
    pub operators: Vec<String>,
    pub archive: Arc<dyn Archive>,
    /// A place for each command that is followed.
    pub streams: Arc<Semaphore>,
    /// How many of them each producer follows.
    pub stream_shares: Arc<Shares>,
    /// Cancelled: what is followed ends.
    pub stop: CancellationToken,
    pub message_bytes: usize,
    pub counted: Counted,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub connections: AtomicU64,
    pub refused_handshakes: AtomicU64,
    pub posts: AtomicU64,
    pub reads: AtomicU64,
    pub problems: AtomicU64,
}

/// Who is on the other side of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Peer {
    /// This producer.
    Known(String),
    /// Nobody is asked: the testing target.
    Unasked,
    /// The holder of a certificate that no identity is configured for.
    Stranger,
}

/// Takes connections until told to stop, then lets the open ones finish their requests.
pub(super) async fn listen(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.expect("never closed");
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let (tcp, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let (shared, watcher) = (Arc::clone(&shared), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            shared.counted.connections.fetch_add(1, Ordering::Relaxed);
            // Small answers, each waited for.
            let _best_effort = tcp.set_nodelay(true);
            if let Some((stream, peer)) = secure(tcp, from, &shared).await {
                let io = TokioIo::new(stream);
                let builder = builder();
                let service = service_fn(|request| {
                    let (peer, shared) = (peer.clone(), Arc::clone(&shared));
                    async move { serve(request, &peer, &shared).await }
                });
                let connection = builder.serve_connection(io, service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(%from, error, "a connection ended");
                }
            }
        });
    }
    // No new connections from here on.
    drop(listener);
    graceful.shutdown().await;
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).expect("a small number"))
        .keep_alive_interval(HEAD_TIME)
        .keep_alive_timeout(HEAD_TIME);
    builder
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn secure(
    tcp: TcpStream,
    from: SocketAddr,
    shared: &Shared,
) -> Option<(Box<dyn Stream>, Peer)> {
    let Some(tls) = &shared.tls else { return Some((Box::new(tcp), Peer::Unasked)) };
    let refused = match timeout(HEAD_TIME, tls.accept(tcp)).await {
        Ok(Ok(Secured { stream, names })) => {
            let known = names.iter().find_map(|name| shared.identities.get(name));
            let peer = known.cloned().map_or(Peer::Stranger, Peer::Known);
            if peer == Peer::Stranger {
                tracing::warn!(%from, ?names, "a certificate that no identity is configured for");
            }
            return Some((Box::new(stream), peer));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no handshake within {} s", HEAD_TIME.as_secs()),
    };
    shared.counted.refused_handshakes.fetch_add(1, Ordering::Relaxed);
    tracing::info!(%from, reason = refused, "a connection without TLS of the right kind");
    None
}

async fn serve(
    request: Request<Incoming>,
    peer: &Peer,
    shared: &Shared,
) -> Result<Response<Body>, Infallible> {
    let Counted { posts, reads, problems, .. } = &shared.counted;
    let is_read =
        request.method() == Method::GET && request.uri().path().starts_with(resources::ROOT);
    let asks_for_head = request.method() == Method::HEAD;
    let answered = answer(request, peer, shared).await;
    let counted = match answered {
        Ok(_) if is_read => reads,
        Ok(_) => posts,
        Err(_) => problems,
    };
    counted.fetch_add(1, Ordering::Relaxed);
    let response = answered.unwrap_or_else(Problem::into_response);
    Ok(if asks_for_head { without_body(response) } else { response })
}

async fn answer(
    request: Request<Incoming>,
    peer: &Peer,
    shared: &Shared,
) -> Result<Response<Body>, Problem> {
    let (head, body) = request.into_parts();
    let identity = match peer {
        Peer::Known(identity) => Ok(Some(identity.clone())),
        Peer::Unasked => Ok(None),
        Peer::Stranger => {
            let detail = "no identity is configured for this client certificate";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    };
    let found = identity.and_then(|identity| Ok((identity, paths::find(&head)?)));
    let (identity, place, id) = match found {
        Ok((identity, (place, id))) => (identity, place, id),
        Err(problem) => {
            request::discard(&head, body, shared.message_bytes).await;
            return Err(problem);
        }
    };
    if place != Place::Post {
        return resources::answer(place, id, &head, identity.as_deref(), shared).await;
    }
    let Posted { payload, request_id, hops, prefers } =
        request::read(&head, body, shared.message_bytes).await?;
    let wait = shared.callers.wait(prefers.wait)?;
    let (will_not_wait, will_wait) = (prefers.respond_async, prefers.wait.is_some());
    let caller = Caller { identity, request_id, hops, will_not_wait, will_wait, withdraws: None };
    posting::hand_in(payload, caller, wait, shared).await
}
