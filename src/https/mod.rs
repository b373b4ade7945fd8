//! HTTPS (`OpenC2` Transfer via HTTPS v1.1): the door, where commands are posted and answered
//! where they came from, and [`Peer`], the other end, that posts to consumers elsewhere.
//!
//! The door judges nothing of what a message says. What is wrong with the HTTP around
//! it (path, method, media type, length) is answered here as a problem (RFC 9457);
//! everything else is an `OpenC2` response, and the quiet room's.

mod archive;
mod body;
mod callers;
mod config;
mod connections;
mod date;
mod description;
mod door;
mod follow;
mod media;
mod paths;
mod peer;
mod posting;
mod prefer;
mod problem;
mod query;
mod request;
mod resources;
mod shares;

pub use archive::{Archive, Failure, Filed, Followed, Happened, Soon, Wanted, Withdrawal};
pub use config::{HttpsConfig, HttpsMistake, Operators};
pub use door::{Door, DoorEvent, DoorHandle, DoorStatistics, OpenError};
pub use peer::{Answer, Peer, PeerConfig, PeerError, PeerMistake, PeerUrl};

/// Where commands are posted (Transfer via HTTPS v1.1, section 3.2.2).
pub const WELL_KNOWN: &str = "/.well-known/openc2";
