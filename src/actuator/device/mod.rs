//! MQTT devices that know nothing of OpenC2, spoken to as a map says. Written up in docs/devices.md.
//!
//! ```text
//! config ─► compile ─► map ─► plan ─► prepared, judge ─► perform ─► link
//! what is   templates  what   for one  for one command   with a    one connection
//! written   and lint   runs   device                     clock     for all devices
//! ```
//!
//! All but `perform` and `link` is pure: a command goes in and messages come out, a message goes in
//! and a verdict comes out. Only `engine` names minijinja.

mod bench;
mod builtin;
mod compile;
mod config;
mod engine;
mod judge;
mod link;
mod map;
mod names;
mod perform;
mod plan;
mod prepared;
mod refusal;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use bench::{Bench, BenchReply, Judged, Message, Sent, Trial};
pub use builtin::{SOURCES as BUILT_IN_SOURCES, maps as built_in_maps};
pub use config::{
    CommandConfig, Confirm, DeviceConfig, MapConfig, OnConfig, OneOrMore, OnlineConfig,
    ProbeConfig, PublishConfig, Qos, ReplyConfig, StopConfig, Unconfirmed, Vars, Wait, read_maps,
};
pub use link::DeviceLink;
pub use map::{MapError, lint, needed_vars};
pub use plan::DeviceError;

use self::plan::{Plan, Request};
use super::{Perform, Progress};
use crate::dispatch::{Outcome, Work};
use crate::openc2::{Pairs, Response, Status};
use crate::wire;

/// An actuator of kind `device`.
#[derive(Clone, Debug)]
pub struct Device {
    plan: Arc<Plan>,
    link: DeviceLink,
}

impl Device {
    /// Makes a device of its map and its variables, and subscribes to what it may say.
    ///
    /// `maps` are the operator's own; one that has the name of a built-in map replaces it.
    pub fn new(
        name: &str,
        config: &DeviceConfig,
        maps: &BTreeMap<String, MapConfig>,
        link: DeviceLink,
    ) -> Result<Self, DeviceError> {
        let plan = Plan::new(name, config, maps, link.reply_src())?;
        link.watch(plan.filters());
        Ok(Self { plan: Arc::new(plan), link })
    }

    /// What the device supports: the answer to `query features`.
    #[must_use]
    pub fn pairs(&self) -> Pairs {
        self.plan.pairs()
    }
}

/// What a device can do by its map.
#[derive(Clone, Debug)]
pub struct Abilities {
    /// What it supports.
    pub pairs: Pairs,
    /// Of those, what the map can undo when the time is over.
    pub stops: Pairs,
    /// Of those, what the device can be asked about after a crash.
    pub probes: Pairs,
    /// Of those, what the map can break off while it is under way.
    pub cancels: Pairs,
}

/// Finds what [`Device::new`] would find wrong, and what the device can do, without a connection.
pub fn check(
    name: &str,
    config: &DeviceConfig,
    maps: &BTreeMap<String, MapConfig>,
) -> Result<Abilities, DeviceError> {
    /// Stands for the client identifier, which only a connection has.
    const SOME_REPLY_SRC: &str = "oc2";
    Plan::new(name, config, maps, SOME_REPLY_SRC).map(|plan| Abilities {
        pairs: plan.pairs(),
        stops: plan.stops(),
        probes: plan.probes(),
        cancels: plan.cancels(),
    })
}

impl Perform for Device {
    async fn perform(&self, work: Work, progress: Progress) -> Outcome {
        let request = Request {
            command: wire::command_to_json(&work.command),
            request_id: work.request_id,
            producer: work.producer,
            consumer: work.consumer,
        };
        let outcome = tokio::select! {
            outcome = perform::perform(&self.plan, &self.link, &request, work.errand) => outcome,
            () = progress.cancelled.cancelled() => {
                perform::break_off(&self.plan, &self.link, &request).await
            }
        };
        // Words of the device and of the map's author are in it: they must be
        // a response that may leave the house.
        match wire::response_from_json(&wire::response_to_json(&outcome.response)) {
            Ok(response) => Outcome { response, ..outcome },
            Err(fault) => Outcome {
                response: Response::with_text(
                    Status::InternalError,
                    format!("the map made a response that is none: {fault}"),
                ),
                reason: Some("the map made a response that is none".to_owned()),
            },
        }
    }

    /// The connection is everybody's: the daemon closes it.
    async fn close(&self) {}
}
