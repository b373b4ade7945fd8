//! What is measured: each subject by its settings.

use std::fmt::Write as _;

use super::load::Target;
use super::{consumer, device};

/// Who stands behind the broker and answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Subject {
    /// The bare echo.
    Floor,
    /// The bridge as shipped, with an actuator that does nothing.
    Durable,
    /// The same with the journal in memory: what durability costs.
    Memory,
    /// The bridge with a device on the same broker.
    Device,
    /// The bridge with a program that stays.
    Exec,
    /// The bridge between a producer on HTTPS and a consumer on the broker.
    Gateway,
    /// As `durable`, of another `oc2`: two builds compared.
    #[value(skip)]
    Other,
}

/// Commands that an actuator may have at the same time, and that may wait for it: as many as the
/// load has outstanding. A device takes fewer at a time: each that waits for it looks at every reply.
const CONCURRENCY: usize = 256;
const QUEUE: usize = 256;
const DEVICE_CONCURRENCY: usize = 16;

impl Subject {
    /// What is always measured, in the order of its turns. The floor is the first.
    pub const ALL: [Self; 6] =
        [Self::Floor, Self::Durable, Self::Memory, Self::Device, Self::Exec, Self::Gateway];

    /// As it stands in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Durable => "durable",
            Self::Memory => "memory",
            Self::Device => "device",
            Self::Exec => "exec",
            Self::Gateway => "gateway",
            Self::Other => "other",
        }
    }

    /// What it is sent over MQTT. [`Self::Gateway`] is posted the same command.
    pub fn target(self, consumers: usize) -> Target {
        Target {
            topics: (1..=consumers).map(|n| format!("oc2/cmd/device/gateway-{n}")).collect(),
            command: match self {
                Self::Device => {
                    r#"{"action":"set","target":{"x-iot:switch":{"state":"on"}},"args":{"response_requested":"complete"},"command_id":"8a2f0c3e-60b9-4b44-8d6f-1b7a40e3c5d1","actuator":{"x-iot":{}}}"#
                }
                _ => {
                    r#"{"action":"deny","target":{"ipv4_connection":{"protocol":"tcp","src_addr":"198.51.100.7","src_port":10996,"dst_addr":"203.0.113.80","dst_port":443}},"args":{"response_requested":"complete"},"command_id":"8a2f0c3e-60b9-4b44-8d6f-1b7a40e3c5d1"}"#
                }
            },
            is_echo: self == Self::Floor,
        }
    }

    /// The bridge's bridge.toml: all as shipped, but that the `log` actuator does not write.
    pub fn bridge_toml(self, port: u16, https_port: u16) -> String {
        let storage = if self == Self::Memory { "memory" } else { "file" };
        let mut text = format!(
            "[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n\n\
             [log]\nlevel = \"info,openc2_bridge::actuator::log=off\"\n\n\
             [journal]\nstorage = \"{storage}\"\n"
        );
        if self == Self::Gateway {
            write!(
                text,
                "\n[https]\nlisten = \"127.0.0.1:{https_port}\"\ncert-file = \"certs/server.crt\"\n\
                 key-file = \"certs/server.key\"\nclient-ca-file = \"certs/ca.crt\"\n\n\
                 [https.identities]\n\"DNS:load\" = \"load\"\n"
            )
            .expect("a String");
        }
        text
    }

    /// The bridge's topics.toml, with so many consumers. A program is found beside it.
    pub fn topics_toml(self, consumers: usize) -> String {
        let mut text = match self {
            Self::Gateway => "producer = \"gateway-1\"\n\n".to_owned(),
            _ => String::new(),
        };
        for n in 1..=consumers {
            writeln!(text, "[[consumer]]\nid = \"gateway-{n}\"\nactuators = [\"it\"]\n")
                .expect("a String");
        }
        let concurrency = if self == Self::Device { DEVICE_CONCURRENCY } else { CONCURRENCY };
        writeln!(text, "[actuator.it]\nconcurrency = {concurrency}\nqueue = {QUEUE}")
            .expect("a String");
        let kind = match self {
            Self::Floor | Self::Durable | Self::Memory | Self::Gateway | Self::Other => {
                "kind = \"log\"\nprofile = \"x-log\"\npairs = { deny = [\"ipv4_connection\"] }\n"
                    .to_owned()
            }
            Self::Device => format!(
                "kind = \"device\"\nprofile = \"x-iot\"\nmap = \"shelly\"\n\
                 vars = {{ prefix = \"{}\" }}\npairs = {{ set = [\"x-iot:switch\"] }}\n",
                device::PREFIX
            ),
            Self::Exec => "kind = \"exec\"\nprofile = \"x-exec\"\nmode = \"stream\"\n\
                           allow-root = true\ncommand = [\"stream_actuator\"]\n\
                           pairs = { deny = [\"ipv4_connection\"] }\n"
                .to_owned(),
        };
        text += &kind;
        if self == Self::Gateway {
            write!(
                text,
                "\n[[route]]\nmatch = {{ device = \"{}\" }}\nvia = \"mqtt\"\nwait = \"30s\"\n",
                consumer::ID
            )
            .expect("a String");
        }
        text
    }
}
