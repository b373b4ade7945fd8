//! What carries commands out.
//!
//! Every kind is a variant of [`Actuator`] and of [`KindConfig`], and
//! implements [`Perform`]; a new one is a file and a line in each.

pub mod device;
pub mod exec;
pub mod log;
mod pairs;
pub mod relay;
pub mod route;
mod runner;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use pairs::{OwnPairs, Unpaired, pairs};
pub use runner::{Ended, Job, Runner, report};

use crate::dispatch::{ActuatorFace, Outcome, Report, Ticket, Work};
use crate::openc2::{Members, Pairs, Response};

/// Carries out one command at a time, or several, as its settings say.
pub trait Perform {
    /// Does what its errand is, within the actuator's own time limit, and
    /// answers: carries the command out, ends its effect, or says whether it was done.
    ///
    /// Whatever goes wrong is a response as well: a fault of an actuator is
    /// never an error of the bridge. Status 503 says that nothing was begun.
    fn perform(&self, work: Work, progress: Progress) -> impl Future<Output = Outcome> + Send;

    /// Nothing that it does takes time: it answers as soon as it is asked, and needs no task of
    /// its own for a command.
    fn is_prompt(&self) -> bool {
        false
    }

    /// Ends what runs beside the commands (child processes, connections).
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Where an actuator says how far it is, and is told to give up.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The command.
    pub ticket: Ticket,
    /// The way back.
    pub reports: mpsc::Sender<Report>,
    /// Cancelled: the producer does not want it any more. Whoever can gives
    /// the command up, and answers as for any other end.
    pub cancelled: CancellationToken,
}

impl Progress {
    /// Says something before the end. Lost where the bridge is ending or too
    /// much is being said: progress promises nothing.
    pub fn say(&self, text: impl Into<String>) {
        let report = Report::Progress { ticket: self.ticket, text: text.into() };
        // Full or closed: see above.
        let _lost = self.reports.try_send(report);
    }

    /// Passes on what one of several consumers has said last.
    pub async fn heard(&self, from: &str, response: Response) {
        let report = Report::Heard { ticket: self.ticket, from: from.to_owned(), response };
        // Closed: the bridge is ending.
        let _gone = self.reports.send(report).await;
    }

    /// Lets those go who wait for the command, with what there is to say by now; it goes on.
    pub async fn meanwhile(&self, outcome: Outcome) {
        let report = Report::Meanwhile { ticket: self.ticket, outcome };
        // Closed: the bridge is ending, and nobody waits any more.
        let _gone = self.reports.send(report).await;
    }
}

/// What every `[actuator.NAME]` table may say, whatever its kind.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommonConfig {
    /// Which kind it is.
    pub kind: Kind,
    /// Namespace identifier of the profile it implements (Language v1.1, section 3.4.2.12).
    pub profile: String,
    /// Targets by action: some of those that the schema of its profile has,
    /// and its device map; all of them by default. Without such a schema, `log`
    /// and `https` have every action with every core target by default.
    #[serde(default)]
    pub pairs: BTreeMap<String, Vec<String>>,
    /// Carrying the same command out twice is as good as once: after a crash
    /// it is run again.
    #[serde(default)]
    pub idempotent: bool,
    /// Commands it carries out at the same time. One keeps their order.
    #[serde(default = "one", deserialize_with = "at_a_time")]
    pub concurrency: NonZeroUsize,
    /// Commands that may wait for it; one more gets 503.
    #[serde(default = "queue", deserialize_with = "at_a_time")]
    pub queue: NonZeroUsize,
    /// The actuator specifiers it answers to.
    #[serde(default)]
    pub specifiers: Members,
    /// It sees to `stop_time` and `duration` itself: the bridge does not tell
    /// it when the time is over.
    #[serde(default)]
    pub enforces_time: bool,
}

impl CommonConfig {
    /// The keys of this part; all others are those of the kind.
    pub const KEYS: [&'static str; 8] = [
        "kind",
        "profile",
        "pairs",
        "idempotent",
        "concurrency",
        "queue",
        "specifiers",
        "enforces-time",
    ];
}

/// Most commands that may be given to an actuator at a time, and most that may wait for it.
const MOST_AT_A_TIME: usize = 10_000;

fn at_a_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroUsize, D::Error> {
    let count = i64::deserialize(deserializer)?;
    usize::try_from(count)
        .ok()
        .and_then(NonZeroUsize::new)
        .filter(|count| count.get() <= MOST_AT_A_TIME)
        .ok_or_else(|| {
            D::Error::custom(format!("{count} commands; allowed are 1 to {MOST_AT_A_TIME}"))
        })
}

fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn queue() -> NonZeroUsize {
    const { NonZeroUsize::new(64).expect("64 is not 0") }
}

/// `kind = "…"`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any program: [`exec`].
    Exec,
    /// An MQTT device, from a map: [`device`].
    Device,
    /// A consumer behind HTTPS: [`relay`].
    Https,
    /// A consumer on another broker: [`route`].
    Mqtt,
    /// The log: [`log`].
    Log,
}

/// The part of an `[actuator.NAME]` table that its kind owns.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "see the variants of Kind")]
pub enum KindConfig {
    Exec(exec::ExecConfig),
    Device(device::DeviceConfig),
    Https(relay::RelayConfig),
    Mqtt(route::BrokerConfig),
    /// The end of a `[[route]]`: [`route`].
    Route(route::RouteConfig),
    Log,
}

/// An `[actuator.NAME]` table of topics.toml, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct ActuatorConfig {
    /// What every kind has.
    pub common: CommonConfig,
    /// What this kind has.
    pub kind: KindConfig,
}

/// An actuator of any kind, ready to work.
#[derive(Debug)]
#[expect(missing_docs, reason = "see the variants of Kind")]
pub enum Actuator {
    Exec(exec::Exec),
    Device(device::Device),
    Https(Box<relay::Relay>),
    Mqtt(route::Route),
    Log(log::Log),
}

impl Perform for Actuator {
    async fn perform(&self, work: Work, progress: Progress) -> Outcome {
        match self {
            Self::Exec(exec) => exec.perform(work, progress).await,
            Self::Device(device) => device.perform(work, progress).await,
            Self::Https(relay) => relay.perform(work, progress).await,
            Self::Mqtt(route) => route.perform(work, progress).await,
            Self::Log(log) => log.perform(work, progress).await,
        }
    }

    fn is_prompt(&self) -> bool {
        match self {
            Self::Exec(exec) => exec.is_prompt(),
            Self::Device(device) => device.is_prompt(),
            Self::Https(relay) => relay.is_prompt(),
            Self::Mqtt(route) => route.is_prompt(),
            Self::Log(log) => log.is_prompt(),
        }
    }

    async fn close(&self) {
        match self {
            Self::Exec(exec) => exec.close().await,
            Self::Device(device) => device.close().await,
            Self::Https(relay) => relay.close().await,
            Self::Mqtt(route) => route.close().await,
            Self::Log(log) => log.close().await,
        }
    }
}

/// What a kind can do about a command beside carrying it out.
#[derive(Clone, Debug, Default)]
pub struct Skills {
    /// End its effect.
    pub stop: Reach,
    /// Say afterwards whether it was done.
    pub probe: Reach,
    /// Give it up while it is at work on it.
    pub cancel: Reach,
}

/// Of which pairs a kind can do something.
#[derive(Clone, Debug, Default)]
pub enum Reach {
    /// Of none.
    #[default]
    None,
    /// Of all that it supports.
    All,
    /// Of these.
    Only(Pairs),
}

impl Reach {
    /// All or none.
    #[must_use]
    pub fn all_if(all: bool) -> Self {
        if all { Self::All } else { Self::None }
    }

    fn within(&self, pairs: &Pairs) -> Pairs {
        match self {
            Self::None => Pairs::new(),
            Self::All => pairs.clone(),
            Self::Only(own) => {
                let mut both = pairs.clone();
                for (action, targets) in &mut both {
                    targets.retain(|target| {
                        own.get(action).is_some_and(|targets| targets.contains(target))
                    });
                }
                both.retain(|_, targets| !targets.is_empty());
                both
            }
        }
    }
}

/// What the quiet room has to know of an actuator that has these pairs.
#[must_use]
pub fn face(common: &CommonConfig, pairs: Pairs, skills: &Skills) -> ActuatorFace {
    ActuatorFace {
        profile: common.profile.clone(),
        stops: skills.stop.within(&pairs),
        probes: skills.probe.within(&pairs),
        cancels: skills.cancel.within(&pairs),
        enforces_time: common.enforces_time,
        pairs,
        specifiers: common.specifiers.clone(),
        idempotent: common.idempotent,
        concurrency: common.concurrency.get(),
        queue: common.queue.get(),
    }
}
