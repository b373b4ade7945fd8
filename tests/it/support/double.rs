//! A broker that does what a test tells it, packet by packet: for what no real one can be made to do.

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::packet::{Connect, Packet, Properties, Publish, Raw};
use super::soon;

pub struct Double {
    listener: TcpListener,
}

/// One connection of a client.
pub struct Guest {
    pub stream: TcpStream,
    pub connect: Connect,
}

impl Double {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// The next connection, up to its CONNECT.
    pub async fn guest(&self) -> Guest {
        soon("a connection", async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let raw = Raw::read(&mut stream).await.unwrap().expect("a CONNECT");
            let Packet::Connect(connect) = raw.parse() else { panic!("no CONNECT: {raw:?}") };
            Guest { stream, connect }
        })
        .await
    }

    /// The next connection, accepted, and its one SUBSCRIBE granted.
    pub async fn welcome(&self, session_present: bool, properties: Properties) -> Guest {
        let mut guest = self.guest().await;
        guest.connack(session_present, 0, properties).await;
        guest.grant().await;
        guest
    }
}

impl Guest {
    pub async fn send(&mut self, packet: &Packet) {
        // The other side may just have gone, which some tests are about.
        let _gone = self.stream.write_all(&packet.to_raw().to_bytes()).await;
    }

    pub async fn connack(&mut self, session_present: bool, reason: u8, properties: Properties) {
        self.send(&Packet::ConnAck { session_present, reason, properties }).await;
    }

    /// The next packet; `None` when the client has closed the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        soon("a packet", Raw::read(&mut self.stream)).await.unwrap_or(None).map(|raw| raw.parse())
    }

    /// Reads a SUBSCRIBE and answers each filter with its Maximum QoS.
    pub async fn grant(&mut self) -> Vec<(String, u8)> {
        match self.next().await {
            Some(Packet::Subscribe { packet, filters, .. }) => {
                let codes = filters.iter().map(|(_, options)| options & 3).collect();
                self.send(&Packet::SubAck { packet, codes }).await;
                filters
            }
            Some(Packet::Unsubscribe { packet, filters }) => {
                self.send(&Packet::UnsubAck { packet, codes: vec![0x11; filters.len()] }).await;
                Vec::new()
            }
            other => panic!("no SUBSCRIBE: {other:?}"),
        }
    }

    /// Reads packets up to the next PUBLISH.
    pub async fn publish(&mut self) -> Publish {
        loop {
            match self.next().await.expect("a PUBLISH") {
                Packet::Publish(publish) => return publish,
                Packet::PingReq => self.send(&Packet::PingResp).await,
                other => panic!("no PUBLISH: {other:?}"),
            }
        }
    }

    pub async fn puback(&mut self, packet: u16, reason: u8) {
        self.send(&Packet::PubAck { packet, reason }).await;
    }

    /// Sends a message with `QoS` 1.
    pub async fn deliver(&mut self, topic: &str, packet: u16) {
        let publish = Publish { qos: 1, topic: topic.to_owned(), packet, ..Publish::default() };
        self.send(&Packet::Publish(publish)).await;
    }
}
