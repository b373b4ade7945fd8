//! The language as types: OpenC2 1.1 (CSD01), section 3.
//!
//! A value of these types has been checked; `wire` is the way in from bytes.
//! Nothing here knows JSON or CBOR, a transport or a clock.

mod action;
mod command;
mod message;
mod net;
mod response;
mod target;
mod target_name;
mod text;

pub use action::{Action, UnknownAction};
pub use command::{Actuator, Args, Command, ResponseType};
pub use message::{Content, Headers, Message, Notification};
pub use net::{Connection, IpAddress, Ipv4Net, Ipv6Net, L4Protocol};
pub use response::{Pairs, Response, Results, Status};
pub use target::{
    Artifact, Device, ExtensionTarget, Feature, File, Hashes, Payload, Process, Target,
};
pub use target_name::{TargetName, UnknownTarget};
pub use text::{
    Base64Url, CommandId, DomainName, EmailAddr, Hostname, IdnDomainName, IdnEmailAddr,
    IdnHostname, Iri, MacAddr, Malformed, Md5, Nsid, Sha1, Sha256, Uri, Version,
};

/// Free-form members of an extension: what stands under a namespace identifier.
pub type Members = serde_json::Map<String, serde_json::Value>;
