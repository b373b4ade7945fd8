//! OpenC2 over MQTT: a command comes in, is judged, written down, carried out
//! and answered.
//!
//! The rooms of this house, in the order in which to read them. A room names
//! only rooms below it in this list of rows; `tests/it/layering.rs` holds the
//! table.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`openc2`] | the language as types: message, command, target, response |
//! | [`format`](mod@format), [`encoding`] | checks of single values; I-JSON and CBOR, read by what is asked |
//! | [`jadn`] | schemas as data, and messages judged by them |
//! | [`language`] | versions of the language and profiles, put together into one schema |
//! | [`wire`] | from bytes to the typed message and back |
//! | [`trust`] | canonical digests, and what to do with signatures |
//! | [`dispatch`] | **the quiet room**: messages and reports in, effects out; pure |
//! | [`journal`] | the durable record, the outbox, and the socket to look into them |
//! | [`tls`], [`mqtt`] | one connection kept up, and the OpenC2 door on it |
//! | [`https`] | the OpenC2 door for what is posted |
//! | [`producer`] | sends commands and collects responses |
//! | [`actuator`] | what carries commands out: programs, MQTT devices, consumers behind HTTPS or on a broker, the log |
//! | [`fail_point`] | where a test can have the process end |
//! | [`config`], [`telemetry`] | `bridge.toml` and `topics.toml`; the log |
//! | [`daemon`] | starts in order, carries effects out in order, ends in order |
//! | [`demo`] | an embedded broker and simulated devices |
//! | [`cli`] | the commands of `oc2` |
//!
//! Start with [`dispatch`]: what the bridge promises is decided there. Then
//! [`daemon`], which does it.

pub mod actuator;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod dispatch;
pub mod encoding;
pub mod fail_point;
pub mod format;
pub mod https;
pub mod jadn;
pub mod journal;
pub mod language;
pub mod mqtt;
pub mod openc2;
pub mod producer;
pub mod telemetry;
pub mod tls;
pub mod trust;
pub mod wire;
