//! A house to try the bridge in: a broker inside the process, and devices that
//! are not there.
//!
//! The only room that names rmqtt, and rcgen for the certificates of its gateway. The
//! devices need no broker of ours: tests run them against any. `run` is what `oc2 demo` does.

#[cfg(feature = "embedded-broker")]
pub mod broker;
pub mod devices;
#[cfg(feature = "embedded-broker")]
pub mod gateway;
pub mod house;
#[cfg(feature = "embedded-broker")]
mod run;
#[cfg(feature = "embedded-broker")]
mod show;
pub mod tour;

#[cfg(feature = "embedded-broker")]
pub use run::{Bridge, DemoError, DemoOptions, Files, Mode, Style, Verdict, run};

/// Why something that the demo was handed failed, in its own words.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
