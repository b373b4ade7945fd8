//! The HTTPS door: commands are posted, and answered where they came from
//! (`OpenC2` Transfer via HTTPS v1.1).
//!
//! It judges nothing of what a message says. What is wrong with the HTTP around
//! it (path, method, media type, length) is answered here as a problem (RFC 9457);
//! everything else is an `OpenC2` response, and the quiet room's.

mod callers;
mod config;
mod connections;
mod door;
mod media;
mod problem;
mod request;

pub use config::{HttpsConfig, HttpsMistake};
pub use door::{Door, DoorEvent, DoorHandle, DoorStatistics, OpenError};

/// Where commands are posted (Transfer via HTTPS v1.1, section 3.2.2).
pub const WELL_KNOWN: &str = "/.well-known/openc2";
