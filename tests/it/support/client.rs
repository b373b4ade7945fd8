//! A foreign MQTT client: the other side of what is tested.

use std::collections::VecDeque;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::packet::{Connect, Packet, Properties, Publish, Raw};
use super::soon;

pub struct Client {
    stream: TcpStream,
    next_packet: u16,
    is_version_5: bool,
    /// Messages that came while something else was waited for.
    waiting: VecDeque<Publish>,
}

impl Client {
    /// Connects with a clean session.
    pub async fn connect(port: u16, client_id: &str) -> Self {
        Self::connect_as(port, client_id, 5).await
    }

    /// Connects with MQTT 3.1.1, which knows no properties. Only publishes.
    pub async fn connect_3(port: u16, client_id: &str) -> Self {
        Self::connect_as(port, client_id, 4).await
    }

    async fn connect_as(port: u16, client_id: &str, version: u8) -> Self {
        let stream = soon("a connection", TcpStream::connect(("127.0.0.1", port))).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let is_version_5 = version == 5;
        let mut client = Self { stream, next_packet: 1, is_version_5, waiting: VecDeque::new() };
        client
            .send(&Packet::Connect(Connect {
                version,
                flags: 0x02,
                keep_alive: 60,
                properties: Vec::new(),
                client_id: client_id.to_owned(),
                username: None,
                password: None,
                rest: 0,
            }))
            .await;
        let answer = soon("CONNACK", Raw::read(&mut client.stream)).await.unwrap().unwrap();
        assert_eq!(answer.body[1], 0, "refused: {answer:?}");
        client
    }

    pub async fn send(&mut self, packet: &Packet) {
        self.stream.write_all(&packet.to_raw().to_bytes()).await.unwrap();
    }

    pub async fn next(&mut self) -> Packet {
        soon("a packet", Raw::read(&mut self.stream)).await.unwrap().expect("a packet").parse()
    }

    pub async fn subscribe(&mut self, filter: &str, options: u8) {
        let filters = vec![(filter.to_owned(), options)];
        self.send(&Packet::Subscribe { packet: 999, properties: Vec::new(), filters }).await;
        let Packet::SubAck { codes, .. } = self.next().await else { panic!("no SUBACK") };
        assert!(codes[0] < 0x80, "refused: {codes:?}");
    }

    pub async fn unsubscribe(&mut self, filter: &str) {
        let filters = vec![filter.to_owned()];
        self.send(&Packet::Unsubscribe { packet: 998, filters }).await;
        let Packet::UnsubAck { codes, .. } = self.answer().await else { panic!("no UNSUBACK") };
        assert_eq!(codes, [0]);
    }

    /// Publishes and, with `QoS` 1 and 2, waits for the end of the exchange.
    pub async fn publish(&mut self, topic: &str, payload: &str, qos: u8, properties: Properties) {
        self.post(Publish {
            qos,
            topic: topic.to_owned(),
            properties,
            payload: payload.as_bytes().to_vec(),
            ..Publish::default()
        })
        .await;
    }

    /// Publishes whatever it is, under the next packet identifier.
    pub async fn post(&mut self, publish: Publish) {
        let (packet, qos) = (self.next_packet, publish.qos);
        self.next_packet = self.next_packet.checked_add(1).unwrap_or(1);
        let after_topic = 2 + publish.topic.len() + if qos > 0 { 2 } else { 0 };
        let mut raw = Packet::Publish(Publish { packet, ..publish }).to_raw();
        if !self.is_version_5 {
            // The empty list of properties stands before the payload.
            assert_eq!(raw.body.remove(after_topic), 0, "MQTT 3.1.1 has no properties");
        }
        self.stream.write_all(&raw.to_bytes()).await.unwrap();
        match qos {
            0 => {}
            1 => {
                let Packet::PubAck { reason, .. } = self.answer().await else {
                    panic!("no PUBACK")
                };
                assert!(reason < 0x80, "{reason}");
            }
            _ => {
                assert_eq!(self.answer().await, Packet::PubRec { packet, reason: 0 });
                self.send(&Packet::PubRel { packet, reason: 0 }).await;
                assert_eq!(self.answer().await, Packet::PubComp { packet, reason: 0 });
            }
        }
    }

    /// The next packet that is no message; messages are kept for [`Client::message`].
    async fn answer(&mut self) -> Packet {
        loop {
            match self.next().await {
                Packet::Publish(publish) => {
                    self.acknowledge(&publish).await;
                    self.waiting.push_back(publish);
                }
                other => return other,
            }
        }
    }

    /// The next message; it is acknowledged.
    pub async fn message(&mut self) -> Publish {
        if let Some(publish) = self.waiting.pop_front() {
            return publish;
        }
        loop {
            if let Packet::Publish(publish) = self.next().await {
                self.acknowledge(&publish).await;
                return publish;
            }
        }
    }

    async fn acknowledge(&mut self, publish: &Publish) {
        if publish.qos == 1 {
            self.send(&Packet::PubAck { packet: publish.packet, reason: 0 }).await;
        }
    }
}
