//! The actuators at work: one runner each, so that none disturbs another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::actuator::device::{Device, DeviceError, DeviceLink, MapConfig};
use crate::actuator::exec::{Exec, ExecError};
use crate::actuator::log::Log;
use crate::actuator::relay::{Breaker, Relay};
use crate::actuator::route::{Broker, BrokerError, Route, RouteConfig, Terms};
use crate::actuator::{Actuator, ActuatorConfig, Ended, Job, KindConfig, Runner, report};
use crate::config::{Settings, Topics};
use crate::dispatch::{Errand, Late, Outcome, Report, Ticket, Work};
use crate::https::PeerMistake;
use crate::mqtt::client_id::random_client_id;
use crate::mqtt::link::{Link, LinkSettings};
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::openc2::Status;

/// An actuator that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// A program that may not be run.
    #[error("actuator {name:?}")]
    Exec {
        /// Its name in topics.toml.
        name: String,
        /// Why.
        source: ExecError,
    },
    /// A device that cannot be driven.
    #[error("actuator {name:?}")]
    Device {
        /// Its name in topics.toml.
        name: String,
        /// Why.
        source: DeviceError,
    },
    /// A peer that cannot be spoken to.
    #[error("actuator {name:?}")]
    Https {
        /// Its name in topics.toml.
        name: String,
        /// Why.
        source: Box<PeerMistake>,
    },
    /// A broker that cannot be spoken to.
    #[error("actuator {name:?}")]
    Broker {
        /// Its name in topics.toml.
        name: String,
        /// Why.
        source: BrokerError,
    },
    /// The connection to the devices.
    #[error("the connection to the devices")]
    Link(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection of the routes.
    #[error("the connection for what goes by routes")]
    Routes(#[source] BrokerError),
}

pub(super) struct Crew {
    runners: BTreeMap<String, Post>,
    /// Those that a reload took away while commands still waited for them.
    leaving: BTreeMap<String, Post>,
    /// The way back; dropped when the crew is dismissed, so that the hall
    /// sees the last report.
    reports: Option<mpsc::Sender<Report>>,
    /// Where answers go for which no route waits any more.
    strays: mpsc::Sender<Late>,
    /// Ends what is still running after the time to finish.
    enough: CancellationToken,
    /// Ends what the next start goes on with.
    leave: CancellationToken,
    settings: Settings,
    link: Option<DeviceLink>,
    routes: Option<RouteBroker>,
    /// The same for others.
    told_routes: watch::Sender<Option<Arc<Broker>>>,
    peers: watch::Sender<Peers>,
    /// The means to take back what actuators work on.
    under_way: HashMap<Ticket, CancellationToken>,
}

/// The connection of all routes.
#[derive(Clone)]
struct RouteBroker {
    identity: TopicLevel,
    prefix: TopicPrefix,
    broker: Arc<Broker>,
}

/// How the peers of the relays are doing, by name of the actuator.
pub(super) type Peers = BTreeMap<String, Arc<Breaker>>;

/// An actuator at work.
struct Post {
    work: mpsc::Sender<Job>,
    /// What it was set up from: a reload that changes none of it leaves it alone.
    config: ActuatorConfig,
    map: Option<MapConfig>,
}

impl Crew {
    /// Sets every actuator up.
    pub fn assemble(
        settings: &Settings,
        topics: &Topics,
        reports: mpsc::Sender<Report>,
        strays: mpsc::Sender<Late>,
    ) -> Result<Self, CrewError> {
        let mut crew = Self {
            runners: BTreeMap::new(),
            leaving: BTreeMap::new(),
            reports: Some(reports),
            strays,
            enough: CancellationToken::new(),
            leave: CancellationToken::new(),
            settings: settings.clone(),
            link: None,
            routes: None,
            told_routes: watch::Sender::default(),
            peers: watch::Sender::default(),
            under_way: HashMap::new(),
        };
        crew.reload(topics)?;
        Ok(crew)
    }

    /// Goes on with other actuators. What the old ones have begun they finish;
    /// one of which nothing has changed stays as it is.
    pub fn reload(&mut self, topics: &Topics) -> Result<(), CrewError> {
        let needs_link =
            topics.actuators.values().any(|config| matches!(config.kind, KindConfig::Device(_)));
        if needs_link && self.link.is_none() {
            let link = device_link(&self.settings);
            self.link = Some(link.map_err(CrewError::Link)?);
        }
        let routes = self.broker_for(topics).map_err(CrewError::Routes)?;
        let mut ready = Vec::new();
        for (name, config) in &topics.actuators {
            let map = map_of(config, topics);
            let is_as_before = self
                .runners
                .get(name)
                .is_some_and(|post| post.config == *config && post.map.as_ref() == map);
            if !is_as_before {
                ready.push((
                    name,
                    config,
                    map.cloned(),
                    self.set_up(name, config, topics, routes.as_ref())?,
                ));
            }
        }
        self.told_routes.send_replace(routes.as_ref().map(|routes| Arc::clone(&routes.broker)));
        self.routes = routes;
        // Nothing is refused from here on. The old runners end by themselves
        // when their queues close and what they had is done.
        let gone = self.runners.extract_if(.., |name, _| !topics.actuators.contains_key(name));
        self.leaving.extend(gone);
        self.leaving.retain(|name, _| !topics.actuators.contains_key(name));
        self.peers.send_modify(|peers| peers.retain(|name, _| self.runners.contains_key(name)));
        for (name, config, map, actuator) in ready {
            if let Actuator::Exec(exec) = &actuator {
                exec.start();
            }
            self.peers.send_modify(|peers| match &actuator {
                Actuator::Https(relay) => drop(peers.insert(name.to_owned(), relay.breaker())),
                _ => drop(peers.remove(name)),
            });
            self.employ(name, config.clone(), map, actuator);
        }
        Ok(())
    }

    fn set_up(
        &self,
        name: &str,
        config: &ActuatorConfig,
        topics: &Topics,
        routes: Option<&RouteBroker>,
    ) -> Result<Actuator, CrewError> {
        Ok(match &config.kind {
            KindConfig::Exec(exec) => {
                let exec = Exec::new(name, exec.clone())
                    .map_err(|source| CrewError::Exec { name: name.to_owned(), source })?;
                Actuator::Exec(exec)
            }
            KindConfig::Device(device) => {
                let link = self.link.clone().expect("opened above when there is a device");
                Actuator::Device(
                    Device::new(name, device, &topics.maps, link)
                        .map_err(|source| CrewError::Device { name: name.to_owned(), source })?,
                )
            }
            KindConfig::Https(relay) => {
                let relay = Relay::new(name, relay.clone()).map_err(|source| CrewError::Https {
                    name: name.to_owned(),
                    source: Box::new(source),
                })?;
                Actuator::Https(Box::new(relay))
            }
            KindConfig::Mqtt(config) => {
                let (own, from, prefix) = (config.connection(), &config.from, &config.prefix);
                let broker = Broker::open(&own, from, prefix, None);
                let broker =
                    broker.map_err(|source| CrewError::Broker { name: name.to_owned(), source })?;
                Actuator::Mqtt(Route::new(name, config.terms(), broker))
            }
            KindConfig::Route(RouteConfig { terms, .. }) => {
                let broker = &routes.expect("opened above when there is a route").broker;
                let keep_for = self.settings.https.keep_for;
                let terms = Terms { keep_for, ..terms.clone() };
                Actuator::Mqtt(Route::new(name, terms, Arc::clone(broker)))
            }
            KindConfig::Log => Actuator::Log(Log::new(name)),
        })
    }

    fn employ(
        &mut self,
        name: &str,
        config: ActuatorConfig,
        map: Option<MapConfig>,
        actuator: Actuator,
    ) {
        let Some(reports) = self.reports.clone() else { return };
        let concurrency = config.common.concurrency.get();
        // Never more wait here than may run: the others wait in `dispatch`.
        let (work_in, work) = mpsc::channel(concurrency);
        let actuator = Arc::new(actuator);
        let leave = is_left(&config);
        let enough = if leave { self.leave.clone() } else { self.enough.clone() };
        let runner = Runner { actuator, work, reports, concurrency };
        let its_name = name.to_owned();
        tokio::spawn(async move {
            if let Ended::Aborted { commands } = runner.run(enough).await {
                if leave {
                    tracing::info!(actuator = its_name, commands, "left to the next start");
                } else {
                    tracing::warn!(actuator = its_name, commands, "aborted; they are in doubt now");
                }
            }
        });
        self.runners.insert(name.to_owned(), Post { work: work_in, config, map });
    }

    /// Gives a command to its actuator; where there is none to take it, the
    /// report that says so.
    pub fn start(&mut self, work: Work) -> Option<Report> {
        let (ticket, errand) = (work.ticket, work.errand);
        let cancelled = CancellationToken::new();
        let post = self.runners.get(&work.actuator).or(self.leaving.get(&work.actuator));
        let refused = match post {
            Some(post) => {
                let cancelled = cancelled.clone();
                post.work.try_send(Job { work, cancelled }).is_err()
            }
            None => true,
        };
        if errand == Errand::Perform && !refused {
            self.under_way.insert(ticket, cancelled);
        }
        refused.then(|| {
            let text = "the actuator was taken away while the command waited; nothing was begun";
            report(ticket, errand, Outcome::ours(Status::ServiceUnavailable, text))
        })
    }

    /// Lets those go that a reload took away and that have nothing more to do.
    pub fn let_go(&mut self, has_work: impl Fn(&str) -> bool) {
        self.leaving.retain(|name, _| has_work(name));
    }

    /// How the peers of the relays are doing, now and after a reload.
    pub fn peers(&self) -> watch::Receiver<Peers> {
        self.peers.subscribe()
    }

    /// Tells an actuator to give a command up. One that has just ended is left alone.
    pub fn cancel(&mut self, ticket: Ticket) {
        if let Some(cancelled) = self.under_way.remove(&ticket) {
            cancelled.cancel();
        }
    }

    /// Nothing is left of a command to take back.
    pub fn has_ended(&mut self, ticket: Ticket) {
        self.under_way.remove(&ticket);
    }

    /// The connection to the devices, if there are any.
    pub fn link(&self) -> Option<DeviceLink> {
        self.link.clone()
    }

    /// The connection of the routes, if there are any, now and after a reload.
    pub fn route_broker(&self) -> watch::Receiver<Option<Arc<Broker>>> {
        self.told_routes.subscribe()
    }

    /// The connection that routes need: the one there is, where nothing of it has changed.
    fn broker_for(&self, topics: &Topics) -> Result<Option<RouteBroker>, BrokerError> {
        let mut configs = topics.actuators.values();
        let route = configs.find_map(|config| match &config.kind {
            KindConfig::Route(route) => Some(route),
            _ => None,
        });
        let Some(RouteConfig { identity, prefix, .. }) = route else { return Ok(None) };
        if let Some(routes) = &self.routes
            && (&routes.identity, &routes.prefix) == (identity, prefix)
        {
            return Ok(Some(routes.clone()));
        }
        let strays = Some(self.strays.clone());
        let broker = Broker::open(&self.settings.mqtt, identity, prefix, strays)?;
        broker.ask_around();
        Ok(Some(RouteBroker { identity: identity.clone(), prefix: prefix.clone(), broker }))
    }

    /// Nothing more comes: the actuators finish what they have by the
    /// deadline, and then end.
    pub fn dismiss(&mut self, deadline: Instant) {
        self.runners.clear();
        self.leaving.clear();
        self.reports = None;
        self.leave.cancel();
        let enough = self.enough.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(deadline).await;
            enough.cancel();
        });
    }
}

/// Whether the next start may go on with what an actuator had begun, so that nobody
/// waits for it at the end: a command is published again, and known there.
fn is_left(config: &ActuatorConfig) -> bool {
    matches!(config.kind, KindConfig::Mqtt(_) | KindConfig::Route(_))
}

/// The operator's own map that an actuator goes by, if it does.
fn map_of<'a>(config: &ActuatorConfig, topics: &'a Topics) -> Option<&'a MapConfig> {
    match &config.kind {
        KindConfig::Device(device) => topics.maps.get(&device.map),
        KindConfig::Exec(_)
        | KindConfig::Https(_)
        | KindConfig::Mqtt(_)
        | KindConfig::Route(_)
        | KindConfig::Log => None,
    }
}

/// A connection of its own, with a clean start: a stale reply from a kept
/// session cannot confirm a new command.
fn device_link(
    settings: &Settings,
) -> Result<DeviceLink, Box<dyn std::error::Error + Send + Sync>> {
    let client_id = random_client_id()?;
    let link_settings = LinkSettings {
        purpose: "devices",
        ..LinkSettings::clean(&settings.mqtt, client_id.clone())?
    };
    let (link, events) = Link::open(link_settings);
    Ok(DeviceLink::start(link, events, client_id))
}
