//! A TCP proxy between a client and its broker that writes down every packet.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use super::packet::{Packet, Raw};
use super::soon;

/// What the proxy does with its connections.
#[derive(Clone, Copy, Debug, Default)]
struct Mode {
    flow: Flow,
    /// New connections end with a reset: what is on its way then is lost.
    is_rude: bool,
    /// Connections from before the last cut are closed.
    cuts: u64,
    /// Connections before this one stay open, and move nothing any more.
    stuck_before: usize,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Flow {
    #[default]
    Open,
    /// Moves nothing from the broker to the client.
    Mute,
    /// Keeps connections, and moves nothing.
    Stalled,
    /// Accepts no connections.
    Cut,
}

/// A packet that came by.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    /// From the client to the broker.
    pub is_up: bool,
    /// Which connection, counted from 0.
    pub connection: usize,
    pub packet: Packet,
}

#[derive(Default)]
struct Record {
    seen: Mutex<Vec<Seen>>,
    /// When somebody connected, or tried to.
    attempts: Mutex<Vec<Instant>>,
    news: Notify,
}

pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    record: Arc<Record>,
}

impl Proxy {
    /// Listens on a free port and forwards to `broker`.
    pub async fn start(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, modes) = watch::channel(Mode::default());
        let record = Arc::new(Record::default());
        tokio::spawn(accept(listener, broker, modes, Arc::clone(&record)));
        Self { port, mode, record }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection and takes no new one until [`Proxy::restore`].
    pub fn cut(&self) {
        self.mode.send_modify(|mode| {
            mode.flow = Flow::Cut;
            mode.cuts += 1;
        });
    }

    /// Keeps connections open and moves no byte until [`Proxy::restore`].
    pub fn stall(&self) {
        self.mode.send_modify(|mode| mode.flow = Flow::Stalled);
    }

    /// Lets the client speak, and keeps from it what the broker says, until [`Proxy::restore`].
    pub fn mute(&self) {
        self.mode.send_modify(|mode| mode.flow = Flow::Mute);
    }

    /// Leaves the connections of now open and dead, as when one side has lost its power; new
    /// ones are well.
    pub fn half_open(&self) {
        let next = self.record.attempts.lock().unwrap().len();
        self.mode.send_modify(|mode| mode.stuck_before = next);
    }

    /// When somebody connected, or tried to.
    pub fn attempts(&self) -> Vec<Instant> {
        self.record.attempts.lock().unwrap().clone()
    }

    /// Whether connections made from now on end with a reset (RST) or in order (FIN).
    pub fn be_rude(&self, is_rude: bool) {
        self.mode.send_modify(|mode| mode.is_rude = is_rude);
    }

    pub fn restore(&self) {
        self.mode.send_modify(|mode| mode.flow = Flow::Open);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.record.seen.lock().unwrap().clone()
    }

    /// What came by after this moment.
    pub fn seen_after(&self, moment: Instant) -> Vec<Seen> {
        let seen = self.record.seen.lock().unwrap();
        let after = seen.iter().rev().take_while(|seen| seen.at > moment).count();
        seen[seen.len() - after..].to_vec()
    }

    /// Waits for the first packet, past and to come, of which this is true.
    pub async fn first(&self, what: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
        soon(what, async {
            loop {
                let news = self.record.news.notified();
                if let Some(seen) = self.seen().into_iter().find(&is_it) {
                    return seen;
                }
                news.await;
            }
        })
        .await
    }

    /// What the client has sent, of which this makes something.
    pub fn sent<T>(&self, pick: impl Fn(&Packet) -> Option<T>) -> Vec<T> {
        self.seen().iter().filter(|seen| seen.is_up).filter_map(|seen| pick(&seen.packet)).collect()
    }
}

async fn accept(
    listener: TcpListener,
    broker: u16,
    modes: watch::Receiver<Mode>,
    record: Arc<Record>,
) {
    for connection in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        record.attempts.lock().unwrap().push(Instant::now());
        let Mode { flow, is_rude, .. } = *modes.borrow();
        if flow == Flow::Cut {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", broker)).await else { continue };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        if is_rude {
            client.set_zero_linger().unwrap();
            server.set_zero_linger().unwrap();
        }
        let (client_in, client_out) = tokio::io::split(client);
        let (server_in, server_out) = tokio::io::split(server);
        let up =
            forward(client_in, server_out, modes.clone(), true, connection, Arc::clone(&record));
        let down =
            forward(server_in, client_out, modes.clone(), false, connection, Arc::clone(&record));
        // The end of one direction is passed on, and the other goes on to its own end.
        tokio::spawn(async move { tokio::join!(up, down) });
    }
}

async fn forward(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    mut modes: watch::Receiver<Mode>,
    is_up: bool,
    connection: usize,
    record: Arc<Record>,
) {
    let cuts = modes.borrow().cuts;
    loop {
        let raw = tokio::select! {
            raw = Raw::read(&mut from) => raw,
            _ = modes.wait_for(|mode| mode.cuts != cuts) => return,
        };
        let Ok(Some(raw)) = raw else { break };
        let may_pass = |mode: &Mode| match mode.flow {
            _ if connection < mode.stuck_before => false,
            Flow::Open | Flow::Cut => true,
            Flow::Mute => is_up,
            Flow::Stalled => false,
        };
        match modes.wait_for(|mode| may_pass(mode) || mode.cuts != cuts).await {
            Ok(mode) if mode.cuts == cuts => {}
            Ok(_) | Err(_) => return,
        }
        let seen = Seen { at: Instant::now(), is_up, connection, packet: raw.parse() };
        if to.write_all(&raw.to_bytes()).await.is_err() {
            break;
        }
        record.seen.lock().unwrap().push(seen);
        record.news.notify_waiters();
    }
    // The other side may be gone already.
    let _gone = to.shutdown().await;
}
