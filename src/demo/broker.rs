//! An MQTT broker inside this process, for the demo and for tests.
//!
//! rmqtt as a library, MQTT 5 and 3.1.1, on 127.0.0.1 only, everything in memory.
//! Whoever runs more than a demo wants a real broker with a disk behind it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::server::MqttServer;
use rmqtt::types::{Retain, TopicFilter, TopicName};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::NoSubscriber;

/// Largest packet it takes, in bytes.
const MAX_PACKET_BYTES: u32 = 1024 * 1024;
/// Messages it sends a client before the first is acknowledged, and takes from it.
const MAX_INFLIGHT: NonZeroU16 = NonZeroU16::new(1024).expect("not zero");
/// Messages it keeps for a client that is away or slow.
const QUEUE_MESSAGES: usize = 10_000;
/// How long it keeps the session of an MQTT 3.1.1 client, and at most that of any other.
const KEEP_SESSIONS: Duration = Duration::from_hours(24);
/// Handshakes at a time; the others wait.
const HANDSHAKES: usize = 64;
/// Connections at a time.
const CONNECTIONS: usize = 10_000;

/// A running broker. Dropping it ends it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    port: u16,
    stop: CancellationToken,
    stopped: oneshot::Receiver<()>,
}

/// Why the embedded broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The port is taken, or nobody may listen on it.
    #[error("the embedded broker cannot listen on 127.0.0.1:{port}: {reason}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        reason: String,
    },
    /// The system gave no thread or no event loop.
    #[error("the embedded broker cannot start")]
    Start(#[from] io::Error),
}

impl EmbeddedBroker {
    /// Starts a broker on this port of 127.0.0.1, or on any free one where `port` is 0.
    ///
    /// It accepts connections when this returns.
    pub async fn start(port: u16) -> Result<Self, BrokerError> {
        let stop = CancellationToken::new();
        let (listens, listening) = oneshot::channel();
        let (has_stopped, stopped) = oneshot::channel();
        let until = stop.clone();

        // A thread and an event loop of its own: rmqtt spawns tasks that nobody
        // can stop one by one, and they all end with the event loop.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("broker".to_owned()).spawn(move || {
            // It writes a line for every connection, and names every client that
            // leaves without a farewell an error. Nobody who tries the bridge asked.
            let _quiet = tracing::subscriber::set_default(NoSubscriber::new());
            runtime.block_on(serve(port, listens, until));
            drop(runtime);
            // Nobody waits where the broker was dropped.
            let _unheard = has_stopped.send(());
        })?;

        // Held from here on, so that a caller who gives up waiting ends it too.
        let mut broker = Self { port, stop, stopped };
        let told = listening.await;
        broker.port = told.map_err(|_| io::Error::other("its thread ended"))??;
        Ok(broker)
    }

    /// The TCP port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mqtt://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, cutting every connection, and returns when its port is free again.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // An error means that the thread is gone, and the broker with it.
        let _gone = (&mut self.stopped).await;
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The broker, until `stop`. Says first on which port it listens, or why it does not.
async fn serve(
    port: u16,
    listens: oneshot::Sender<Result<u16, BrokerError>>,
    stop: CancellationToken,
) {
    let (listener, port) = match listen(port) {
        Ok(bound) => bound,
        Err(error) => {
            let _unheard = listens.send(Err(error));
            return;
        }
    };
    // Its own guard against overload reads the load of the whole machine, and
    // would turn clients away because somebody compiles.
    let context = ServerContext::new().busy_check_enable(false).build().await;
    *context.extends.retain_mut().await = Box::new(Retained(DefaultRetainStorage::new()));
    let server = MqttServer::new(context).listener_by_id(listener, port).build();

    // The socket listens already: who connects before the server accepts just waits.
    let _unheard = listens.send(Ok(port));
    tokio::select! {
        () = stop.cancelled() => {}
        // It never ends by itself.
        _ended = server.run() => {}
    }
}

fn listen(port: u16) -> Result<(Listener, u16), BrokerError> {
    let listening = Builder::new()
        .name("embedded")
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        // Else a fixed port stays taken for a minute after the last demo.
        .reuseaddr(Some(true))
        .nodelay(true)
        .max_connections(CONNECTIONS)
        .max_handshaking_limit(HANDSHAKES)
        .max_packet_size(MAX_PACKET_BYTES)
        .max_inflight(MAX_INFLIGHT)
        .max_mqueue_len(QUEUE_MESSAGES)
        // Zero means never, and anything else would be written into every message
        // as its Message Expiry Interval (MQTT v5.0, section 3.3.2.3.3).
        .message_expiry_interval(Duration::ZERO)
        // A message must not be sent again on the same connection (section 4.4).
        .message_retry_interval(Duration::ZERO)
        .session_expiry_interval(KEEP_SESSIONS)
        .max_session_expiry_interval(KEEP_SESSIONS)
        .bind()
        .and_then(Listener::tcp)
        .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    match listening {
        Ok((port, listener)) => Ok((listener, port)),
        Err(error) => Err(BrokerError::Listen { port, reason: error.to_string() }),
    }
}

/// Retained messages, in memory.
///
/// rmqtt brings the store but leaves it switched off, and then refuses every
/// client with a retained will: most devices have one.
struct Retained(DefaultRetainStorage);

type Kept<'a, T> = Pin<Box<dyn Future<Output = rmqtt::Result<T>> + Send + 'a>>;

// Written out as `async_trait` would: a dependency less.
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    fn set<'s, 't, 'f>(
        &'s self,
        topic: &'t TopicName,
        retain: Retain,
        expiry_interval: Option<Duration>,
    ) -> Kept<'f, ()>
    where
        's: 'f,
        't: 'f,
        Self: 'f,
    {
        // Zero is the listener's "never", and would be "at once" here.
        let expiry_interval = expiry_interval.filter(|interval| !interval.is_zero());
        Box::pin(self.0.set_with_timeout(topic, retain, expiry_interval))
    }

    fn get<'s, 't, 'f>(
        &'s self,
        topic_filter: &'t TopicFilter,
    ) -> Kept<'f, Vec<(TopicName, Retain)>>
    where
        's: 'f,
        't: 'f,
        Self: 'f,
    {
        Box::pin(self.0.get_message(topic_filter))
    }

    fn count<'s, 'f>(&'s self) -> Pin<Box<dyn Future<Output = isize> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        self.0.count()
    }

    fn max<'s, 'f>(&'s self) -> Pin<Box<dyn Future<Output = isize> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        self.0.max()
    }
}

#[cfg(test)]
mod tests;
