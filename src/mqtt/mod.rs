//! MQTT 5: the only room that names rumqttc.
//!
//! Read in this order: [`config`], what can be set; [`topics`], the only place where
//! topics are made; [`link`], one connection to a broker, kept up; [`door`], the
//! consumer's side of `OpenC2` over such a link.

mod broker_url;
pub mod client_id;
pub mod config;
pub mod door;
pub mod link;
pub mod peer;
mod probe;
mod properties;
mod reason;
pub mod topics;

pub use config::MqttConfig;
pub use probe::{Finding, probe};
pub use properties::openc2_properties;
pub use reason::Reason;
