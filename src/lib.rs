//! OpenC2 over MQTT: a command comes in, is judged, written down, carried out
//! and answered.

pub mod actuator;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod dispatch;
pub mod encoding;
pub mod format;
pub mod journal;
pub mod mqtt;
pub mod openc2;
pub mod producer;
pub mod telemetry;
pub mod tls;
pub mod trust;
pub mod wire;
