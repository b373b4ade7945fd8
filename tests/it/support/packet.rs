//! MQTT 5 packets, written and read by hand: the tests' own, so that what they assert does
//! not come from the library under test.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A packet as it crosses the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Raw {
    /// Type and flags.
    pub first: u8,
    /// Everything after the remaining length.
    pub body: Vec<u8>,
}

impl Raw {
    /// Reads one; `None` at the end of the connection.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let first = match stream.read_u8().await {
            Ok(first) => first,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = stream.read_u8().await?;
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self { first, body }))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.first];
        put_var(&mut bytes, self.body.len());
        bytes.extend(&self.body);
        bytes
    }

    pub fn parse(&self) -> Packet {
        Packet::parse(self)
    }
}

/// A property (MQTT v5.0, section 2.2.2.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Var(usize),
    Text(String),
    Pair(String, String),
    Binary(Vec<u8>),
}

/// Identifiers of the properties the tests look at.
pub mod id {
    pub const PAYLOAD_FORMAT: u8 = 0x01;
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const REASON_STRING: u8 = 0x1F;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const MAXIMUM_QOS: u8 = 0x24;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}

pub type Properties = Vec<(u8, Value)>;

/// The value of the first property with this identifier.
pub fn property(properties: &Properties, id: u8) -> Option<&Value> {
    properties.iter().find(|(found, _)| *found == id).map(|(_, value)| value)
}

/// The value of a user property.
pub fn user<'a>(properties: &'a Properties, name: &str) -> Option<&'a str> {
    properties.iter().find_map(|(_, value)| match value {
        Value::Pair(key, value) if key == name => Some(value.as_str()),
        _ => None,
    })
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Packet {
    Connect(Connect),
    ConnAck { session_present: bool, reason: u8, properties: Properties },
    Publish(Publish),
    PubAck { packet: u16, reason: u8 },
    PubRec { packet: u16, reason: u8 },
    PubRel { packet: u16, reason: u8 },
    PubComp { packet: u16, reason: u8 },
    Subscribe { packet: u16, properties: Properties, filters: Vec<(String, u8)> },
    SubAck { packet: u16, codes: Vec<u8> },
    Unsubscribe { packet: u16, filters: Vec<String> },
    UnsubAck { packet: u16, codes: Vec<u8> },
    PingReq,
    PingResp,
    Disconnect { reason: u8, properties: Properties },
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connect {
    pub version: u8,
    pub flags: u8,
    pub keep_alive: u16,
    pub properties: Properties,
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Vec<u8>>,
    /// Bytes after what the flags announce: none.
    pub rest: usize,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Publish {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: String,
    pub packet: u16,
    pub properties: Properties,
    pub payload: Vec<u8>,
}

impl Packet {
    fn parse(raw: &Raw) -> Self {
        let mut at = Reader(&raw.body);
        match raw.first >> 4 {
            1 => {
                assert_eq!(at.text(), "MQTT");
                let (version, flags, keep_alive) = (at.byte(), at.byte(), at.two());
                let properties = if version == 5 { at.properties() } else { Vec::new() };
                let client_id = at.text();
                assert_eq!(flags & 0x04, 0, "a will: not for these tests");
                let username = (flags & 0x80 != 0).then(|| at.text());
                let password = (flags & 0x40 != 0).then(|| at.binary());
                let rest = at.0.len();
                Self::Connect(Connect {
                    version,
                    flags,
                    keep_alive,
                    properties,
                    client_id,
                    username,
                    password,
                    rest,
                })
            }
            2 => Self::ConnAck {
                session_present: at.byte() == 1,
                reason: at.byte(),
                properties: at.properties(),
            },
            3 => {
                let qos = raw.first >> 1 & 3;
                Self::Publish(Publish {
                    dup: raw.first & 8 != 0,
                    qos,
                    retain: raw.first & 1 != 0,
                    topic: at.text(),
                    packet: if qos > 0 { at.two() } else { 0 },
                    properties: at.properties(),
                    payload: at.0.to_vec(),
                })
            }
            kind @ 4..=7 => {
                let packet = at.two();
                let reason = if at.0.is_empty() { 0 } else { at.byte() };
                match kind {
                    4 => Self::PubAck { packet, reason },
                    5 => Self::PubRec { packet, reason },
                    6 => Self::PubRel { packet, reason },
                    _ => Self::PubComp { packet, reason },
                }
            }
            8 => {
                let (packet, properties) = (at.two(), at.properties());
                let mut filters = Vec::new();
                while !at.0.is_empty() {
                    filters.push((at.text(), at.byte()));
                }
                Self::Subscribe { packet, properties, filters }
            }
            kind @ (9 | 11) => {
                let packet = at.two();
                at.properties();
                let codes = at.0.to_vec();
                if kind == 9 {
                    Self::SubAck { packet, codes }
                } else {
                    Self::UnsubAck { packet, codes }
                }
            }
            10 => {
                let packet = at.two();
                at.properties();
                let mut filters = Vec::new();
                while !at.0.is_empty() {
                    filters.push(at.text());
                }
                Self::Unsubscribe { packet, filters }
            }
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => {
                let reason = if at.0.is_empty() { 0 } else { at.byte() };
                let properties = if at.0.is_empty() { Vec::new() } else { at.properties() };
                Self::Disconnect { reason, properties }
            }
            other => panic!("packet type {other}"),
        }
    }

    pub fn to_raw(&self) -> Raw {
        let mut body = Vec::new();
        let first = match self {
            Self::Connect(connect) => {
                put_text(&mut body, "MQTT");
                body.extend([connect.version, connect.flags]);
                body.extend(connect.keep_alive.to_be_bytes());
                if connect.version == 5 {
                    put_properties(&mut body, &connect.properties);
                }
                put_text(&mut body, &connect.client_id);
                0x10
            }
            Self::ConnAck { session_present, reason, properties } => {
                body.extend([u8::from(*session_present), *reason]);
                put_properties(&mut body, properties);
                0x20
            }
            Self::Publish(publish) => {
                put_text(&mut body, &publish.topic);
                if publish.qos > 0 {
                    body.extend(publish.packet.to_be_bytes());
                }
                put_properties(&mut body, &publish.properties);
                body.extend(&publish.payload);
                0x30 | u8::from(publish.dup) << 3 | publish.qos << 1 | u8::from(publish.retain)
            }
            Self::PubAck { packet, reason } => put_ack(&mut body, 0x40, *packet, *reason),
            Self::PubRec { packet, reason } => put_ack(&mut body, 0x50, *packet, *reason),
            Self::PubRel { packet, reason } => put_ack(&mut body, 0x62, *packet, *reason),
            Self::PubComp { packet, reason } => put_ack(&mut body, 0x70, *packet, *reason),
            Self::Subscribe { packet, properties, filters } => {
                body.extend(packet.to_be_bytes());
                put_properties(&mut body, properties);
                for (filter, options) in filters {
                    put_text(&mut body, filter);
                    body.push(*options);
                }
                0x82
            }
            Self::SubAck { packet, codes } | Self::UnsubAck { packet, codes } => {
                body.extend(packet.to_be_bytes());
                body.push(0);
                body.extend(codes);
                if matches!(self, Self::SubAck { .. }) { 0x90 } else { 0xB0 }
            }
            Self::Unsubscribe { packet, filters } => {
                body.extend(packet.to_be_bytes());
                body.push(0);
                for filter in filters {
                    put_text(&mut body, filter);
                }
                0xA2
            }
            Self::PingReq => 0xC0,
            Self::PingResp => 0xD0,
            Self::Disconnect { reason, properties } => {
                body.push(*reason);
                put_properties(&mut body, properties);
                0xE0
            }
        };
        Raw { first, body }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken.to_vec()
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn four(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn var(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    fn binary(&mut self) -> Vec<u8> {
        let length = self.two();
        self.take(usize::from(length))
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.binary()).unwrap()
    }

    fn properties(&mut self) -> Properties {
        let length = self.var();
        let bytes = self.take(length);
        let mut at = Reader(&bytes);
        let mut properties = Vec::new();
        while !at.0.is_empty() {
            let id = at.byte();
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => Value::Byte(at.byte()),
                0x13 | 0x21 | 0x22 | 0x23 => Value::Two(at.two()),
                0x02 | 0x11 | 0x18 | 0x27 => Value::Four(at.four()),
                0x0B => Value::Var(at.var()),
                0x26 => Value::Pair(at.text(), at.text()),
                0x09 | 0x16 => Value::Binary(at.binary()),
                _ => Value::Text(at.text()),
            };
            properties.push((id, value));
        }
        properties
    }
}

fn put_var(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7F).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return;
        }
        bytes.push(byte | 0x80);
    }
}

fn put_binary(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    bytes.extend(value);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_binary(bytes, text.as_bytes());
}

fn put_ack(body: &mut Vec<u8>, first: u8, packet: u16, reason: u8) -> u8 {
    body.extend(packet.to_be_bytes());
    if reason != 0 {
        body.push(reason);
    }
    first
}

fn put_properties(bytes: &mut Vec<u8>, properties: &Properties) {
    let mut inner = Vec::new();
    for (id, value) in properties {
        inner.push(*id);
        match value {
            Value::Byte(value) => inner.push(*value),
            Value::Two(value) => inner.extend(value.to_be_bytes()),
            Value::Four(value) => inner.extend(value.to_be_bytes()),
            Value::Var(value) => put_var(&mut inner, *value),
            Value::Text(text) => put_text(&mut inner, text),
            Value::Pair(key, value) => {
                put_text(&mut inner, key);
                put_text(&mut inner, value);
            }
            Value::Binary(value) => put_binary(&mut inner, value),
        }
    }
    put_var(bytes, inner.len());
    bytes.extend(inner);
}
