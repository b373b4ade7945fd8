//! The demo house: which devices stand in it, and the two files that tell the bridge of them.

use std::path::Path;

use super::devices::{RunningDevice, ShellySwitch, TasmotaPlug, ZigbeeLamp};
use crate::mqtt::peer::PeerError;

/// Topic of the plug, as its owner has set it.
const PLUG_TOPIC: &str = "tasmota_switch";
/// The plug has two sockets; the bridge is told of the first.
const PLUG_RELAYS: usize = 2;
/// Base topic of zigbee2mqtt.
const ZIGBEE_BASE: &str = "zigbee2mqtt";
/// Friendly name of the lamp.
const LAMP_NAME: &str = "lamp";
/// Topic prefix of the switch.
const HEATER_PREFIX: &str = "shellyplus1-a8032abe54dc";

/// Which of the three.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceName {
    /// The Tasmota plug.
    Plug,
    /// The zigbee2mqtt lamp.
    Lamp,
    /// The heater behind a Shelly switch.
    Heater,
}

impl DeviceName {
    /// All three, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Plug, Self::Lamp, Self::Heater];

    /// Name of its actuator in topics.toml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plug => "plug",
            Self::Lamp => "lamp",
            Self::Heater => "heater",
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Plug => "Tasmota plug, two sockets",
            Self::Lamp => "lamp behind zigbee2mqtt",
            Self::Heater => "heater behind a Shelly Gen2 switch",
        }
    }
}

/// Name of the actuator that only writes into the log.
const DIARY: &str = "diary";
/// Profile of the three devices.
const IOT: &str = "x-iot";
/// Profile of the diary.
const DEMO: &str = "x-demo";

/// A consumer of the demo.
#[derive(Debug)]
pub struct Consumer {
    /// Its identity: `id` in topics.toml.
    pub id: &'static str,
    /// Names of its actuators.
    pub actuators: &'static [&'static str],
}

impl Consumer {
    /// Namespace identifiers of its profiles.
    #[must_use]
    pub fn profiles(&self) -> &'static [&'static str] {
        if self.actuators.contains(&DIARY) { &[IOT, DEMO] } else { &[IOT] }
    }
}

/// The whole house behind one name, and each device behind its own.
pub const CONSUMERS: [Consumer; 4] = [
    Consumer { id: "demo-house", actuators: &["plug", "lamp", "heater", DIARY] },
    Consumer { id: "demo-plug", actuators: &["plug"] },
    Consumer { id: "demo-lamp", actuators: &["lamp"] },
    Consumer { id: "demo-heater", actuators: &["heater"] },
];

/// Commands for a person to paste: what follows `oc2`, without `--broker`.
pub const TO_PASTE: [&str; 3] = [
    "query features --device demo-house",
    r#"send set x-iot:light '{"state":"on","level":50}' --device demo-house"#,
    r#"send start device '{"device_id":"plug"}' --device demo-plug"#,
];

/// The demo's bridge.toml, for this broker, with its files in this folder and this much in its log.
#[must_use]
pub fn bridge_toml(broker_url: &str, dir: &Path, log_level: &str) -> String {
    let dir = dir.display();
    format!(
        r#"# How the bridge of the demo runs.

[mqtt]
url = "{broker_url}"
client-id-file = "{dir}/client-id"

[journal]
dir = "{dir}/journal"

[log]
level = "{log_level}"
"#
    )
}

/// The demo's topics.toml.
#[must_use]
pub fn topics_toml() -> String {
    // `Debug` writes a list of plain names exactly as TOML does.
    let consumers = CONSUMERS.each_ref().map(|Consumer { id, actuators }| {
        format!("[[consumer]]\nid = {id:?}\nactuators = {actuators:?}\n")
    });
    let consumers = consumers.join("\n");
    format!(
        r#"# What the bridge of the demo is on MQTT.

prefix = "oc2"

{consumers}
[actuator.plug]
kind = "device"
profile = "{IOT}"
map = "tasmota"
vars = {{ topic = "{PLUG_TOPIC}", relay = 1 }}
# The map knows dimmers as well; this plug is none.
pairs = {{ set = ["x-iot:switch"], start = ["device"], stop = ["device"], query = ["properties"] }}

[actuator.lamp]
kind = "device"
profile = "{IOT}"
map = "zigbee2mqtt"
vars = {{ name = "{LAMP_NAME}" }}

[actuator.heater]
kind = "device"
profile = "{IOT}"
map = "shelly"
vars = {{ prefix = "{HEATER_PREFIX}", channel = 0 }}

[actuator.{DIARY}]
kind = "log"
profile = "{DEMO}"
pairs = {{ set = ["{DEMO}:note"] }}
"#
    )
}

/// The three devices, on a broker.
#[derive(Debug)]
pub struct Devices {
    plug: RunningDevice,
    lamp: RunningDevice,
    heater: RunningDevice,
}

impl Devices {
    /// Puts them on this broker: plug and lamp off, heater on.
    pub async fn start(broker_url: &str) -> Result<Self, PeerError> {
        let plug = TasmotaPlug::new(PLUG_TOPIC, PLUG_RELAYS);
        let lamp = ZigbeeLamp::new(ZIGBEE_BASE, LAMP_NAME);
        let heater = ShellySwitch::new(HEATER_PREFIX).that_is_on();
        let (plug, lamp, heater) = tokio::try_join!(
            RunningDevice::start(plug, broker_url),
            RunningDevice::start(lamp, broker_url),
            RunningDevice::start(heater, broker_url),
        )?;
        Ok(Self { plug, lamp, heater })
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: DeviceName) -> &RunningDevice {
        match name {
            DeviceName::Plug => &self.plug,
            DeviceName::Lamp => &self.lamp,
            DeviceName::Heater => &self.heater,
        }
    }

    /// Switches them off.
    pub async fn stop(self) {
        tokio::join!(self.plug.stop(), self.lamp.stop(), self.heater.stop());
    }
}
