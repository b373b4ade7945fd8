//! One device and its map: which commands it takes, and what it has to be subscribed to. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::config::{DeviceConfig, MapConfig, Vars, Wait};
use super::engine::{Scope, TemplateError};
use super::judge::Heard;
use super::map::{CompiledMap, Entry, MapError, Stop};
use super::prepared::Prepared;
use super::refusal::{self, Refusal};
use super::topic::Topic;
use super::{builtin, compile, names};
use crate::openc2::{Action, Pairs, Status, TargetName};

/// Why there is no such device.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DeviceError {
    /// No map has this name.
    #[error("actuator {device}: there is no map {map:?}; there are {}", known.join(", "))]
    UnknownMap {
        /// Name of the actuator.
        device: String,
        /// The name given.
        map: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The device gives a variable that the map has no use for.
    #[error("actuator {device}: the map {map:?} has no variable {name:?}; it has {}", known.join(", "))]
    UnknownVariable {
        /// Name of the actuator.
        device: String,
        /// Name of the map.
        map: String,
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The device does not give what the map needs, or what it gives does not fit.
    #[error("actuator {device}: not what the map {map:?} needs: {}", reasons(mistakes))]
    Variables {
        /// Name of the actuator.
        device: String,
        /// Name of the map.
        map: String,
        /// What is wrong, wherever in the map it shows.
        mistakes: Vec<MapError>,
    },
    /// The map has mistakes.
    #[error("actuator {device}: {}", list(mistakes))]
    Mistakes {
        /// Name of the actuator.
        device: String,
        /// All of them.
        mistakes: Vec<MapError>,
    },
}

/// What is wrong, each once: every command of a map may stumble over the same variable.
fn reasons(mistakes: &[MapError]) -> String {
    let reasons: BTreeSet<_> = mistakes.iter().map(|it| it.reason.as_str()).collect();
    reasons.into_iter().collect::<Vec<_>>().join("; ")
}

fn list(mistakes: &[MapError]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A command, and what its message says of it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "request_id is the name of the header")]
pub(super) struct Request {
    /// As it stands in `body.openc2.request`.
    pub command: Value,
    pub request_id: String,
    pub producer: String,
    pub consumer: String,
}

/// A device as its map sees it.
#[derive(Debug)]
pub(super) struct Plan {
    device: String,
    pub(super) map: CompiledMap,
    vars: Vars,
    names: Vec<String>,
    reply_src: String,
    timeout: Option<Duration>,
    unconfirmed: bool,
    online_topic: Option<String>,
    filters: Vec<Filter>,
    /// Which entries of the map have topics on this device.
    supported: Vec<bool>,
}

/// What a device has to be subscribed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Filter {
    pub filter: String,
    /// The last message on it counts, a retained one included.
    pub keeps_last: bool,
}

impl Plan {
    pub(super) fn new(
        device: &str,
        config: &DeviceConfig,
        maps: &BTreeMap<String, MapConfig>,
        reply_src: &str,
    ) -> Result<Self, DeviceError> {
        let map = maps.get(&config.map).or_else(|| builtin::maps().get(&config.map));
        let Some(map) = map else {
            let mut known: Vec<String> =
                maps.keys().chain(builtin::maps().keys()).cloned().collect();
            known.sort();
            known.dedup();
            return Err(DeviceError::UnknownMap {
                device: device.to_owned(),
                map: config.map.clone(),
                known,
            });
        };
        let mistakes = |mistakes| DeviceError::Mistakes { device: device.to_owned(), mistakes };
        let compiled = compile::compile(&config.map, map).map_err(mistakes)?;
        if let Some(name) = compiled.strange_vars(&config.vars).next() {
            return Err(DeviceError::UnknownVariable {
                device: device.to_owned(),
                map: config.map.clone(),
                name: name.clone(),
                known: compiled.vars.iter().cloned().collect(),
            });
        }
        let mut vars = map.vars.clone();
        vars.extend(config.vars.clone());
        let missing = compiled.missing_vars(&vars);
        let unfit = |mistakes| {
            let (device, map) = (device.to_owned(), config.map.clone());
            DeviceError::Variables { device, map, mistakes }
        };
        if !missing.is_empty() {
            return Err(unfit(missing));
        }
        let mut plan = Self {
            device: device.to_owned(),
            map: compiled,
            vars,
            names: config.names.clone(),
            reply_src: reply_src.to_owned(),
            timeout: config.timeout.map(Wait::duration),
            unconfirmed: config.confirm.is_some(),
            online_topic: None,
            filters: Vec::new(),
            supported: Vec::new(),
        };
        plan.settle(&config.map).map_err(unfit)?;
        Ok(plan)
    }

    /// Renders what is the same for every command, and so finds out whether the `v.*` fit.
    fn settle(&mut self, map: &str) -> Result<(), Vec<MapError>> {
        let scope = Scope::new(self.fixed_names());
        let mut mistakes = Vec::new();
        let mut mistake = |entry, key: &str, error: TemplateError| {
            let (map, key) = (map.to_owned(), key.to_owned());
            mistakes.push(MapError { map, entry, key, line: error.line, reason: error.reason });
        };
        let mut render = |entry, key, topic: &Topic| {
            topic.filter(&scope).map_err(|error| mistake(entry, key, error)).ok()
        };

        if let Some(online) = &self.map.online {
            self.online_topic = render(None, "online.topic", &online.topic);
            self.online_topic.take_if(|topic| topic.is_empty());
        }
        let mut filters: BTreeMap<String, bool> =
            self.online_topic.iter().map(|topic| (topic.clone(), true)).collect();

        let mut without_reply = Vec::new();
        for (index, entry) in self.map.entries.iter().enumerate() {
            let number = Some(index + 1);
            let sent = entry.message.as_ref();
            let sent = sent.map(|message| render(number, "publish.topic", &message.topic));
            if let Some(probe) = &entry.probe {
                render(number, "probe.topic", &probe.message.topic);
            }
            let heard = entry.reply.as_ref().filter(|reply| reply.last || !self.unconfirmed);
            let is_last = heard.is_some_and(|reply| reply.last);
            let heard = heard.and_then(|reply| render(number, "reply.topic", &reply.topic));
            let is_supported = match (&sent, heard.as_deref()) {
                (Some(Some(topic)), _) if topic.is_empty() => false,
                (None, Some("")) => false,
                (_, Some("")) => {
                    without_reply.push(number);
                    false
                }
                _ => true,
            };
            if let (true, Some(filter)) = (is_supported, heard) {
                *filters.entry(filter).or_default() |= is_last;
            }
            self.supported.push(is_supported);
        }
        for number in without_reply {
            let reason = "renders to nothing; give the device its topic, or confirm = \"none\"";
            mistake(number, "reply.topic", TemplateError::new(reason));
        }
        let filters = filters.into_iter();
        self.filters = filters.map(|(filter, keeps_last)| Filter { filter, keeps_last }).collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// What the device supports, from the commands of its map.
    pub(super) fn pairs(&self) -> Pairs {
        self.pairs_of(|_| true)
    }

    /// Of those, what the map can undo.
    pub(super) fn stops(&self) -> Pairs {
        self.pairs_of(|entry| entry.stop.is_some())
    }

    /// Of those, what the map can break off.
    pub(super) fn cancels(&self) -> Pairs {
        self.pairs_of(|entry| entry.cancel.is_some())
    }

    /// Of those, what the device can be asked about afterwards.
    pub(super) fn probes(&self) -> Pairs {
        self.pairs_of(|entry| entry.probe.is_some() && !self.unconfirmed)
    }

    fn pairs_of(&self, fits: impl Fn(&Entry) -> bool) -> Pairs {
        let mut pairs = Pairs::new();
        for (_, entry) in self.supported_entries().filter(|(_, entry)| fits(entry)) {
            for action in &entry.actions {
                pairs.entry(*action).or_default().push(entry.target.clone());
            }
        }
        pairs
    }

    /// What it has to be subscribed to.
    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Where it says that it is there, if it does.
    pub(super) fn online_topic(&self) -> Option<&str> {
        self.online_topic.as_deref()
    }

    /// Whether these words mean that it is there. Words that cannot be understood keep nobody out.
    pub(super) fn is_online(&self, heard: &Heard) -> bool {
        let scope = Scope::new(self.fixed_names()).with(heard.names());
        self.map.online.as_ref().is_none_or(|online| online.when.holds(&scope).unwrap_or(true))
    }

    /// The command that ends the effect of this one; otherwise what to answer.
    pub(super) fn undoing(&self, request: &Request, seq: u64) -> Result<Request, Refusal> {
        let text = "the map has no stop for this command";
        self.instead(request, seq, |entry| entry.stop.as_ref(), text)
    }

    /// The command that breaks this one off; otherwise what to answer.
    pub(super) fn breaking_off(&self, request: &Request, seq: u64) -> Result<Request, Refusal> {
        let text = "the map has no cancel for this command";
        self.instead(request, seq, |entry| entry.cancel.as_ref(), text)
    }

    fn instead(
        &self,
        request: &Request,
        seq: u64,
        which: fn(&Entry) -> Option<&Stop>,
        text: &str,
    ) -> Result<Request, Refusal> {
        let Found { entry, target_type, target, .. } = self.find(request)?;
        let Some(stop) = which(entry) else {
            return Err(Refusal::new(Status::NotImplemented, text));
        };
        let scope = self.scope(request, target_type, target, seq);
        let action = match &stop.action {
            Some(action) => Value::String(action.render(&scope)?),
            None => request.command["action"].clone(),
        };
        let target = match &stop.target {
            Some(target) => target.render(&scope)?.unwrap_or_default(),
            None => target.clone(),
        };
        let mut targets = Map::new();
        targets.insert(target_type.to_owned(), target);
        let mut command = Map::new();
        command.insert("action".to_owned(), action);
        command.insert("target".to_owned(), Value::Object(targets));
        Ok(Request { command: Value::Object(command), ..request.clone() })
    }

    /// Decides what to send for a command; otherwise what to answer.
    pub(super) fn prepare(
        self: &Arc<Self>,
        request: &Request,
        seq: u64,
    ) -> Result<Prepared, Refusal> {
        let Found { index, entry, target_type, target } = self.find(request)?;
        if entry.target == TargetName::Device {
            self.is_meant(target, &request.consumer)?;
        }
        let scope = self.scope(request, target_type, target, seq);
        if let Some(takes) = &entry.takes {
            refusal::check_members(takes, target, &scope)?;
        }
        let mut prepared = Prepared::new(Arc::clone(self), index, scope)?;
        prepared.asked = asked_properties(&entry.target, target);
        if let Some(timeout) = self.timeout {
            prepared.timeout = timeout;
        }
        if self.unconfirmed {
            prepared.without_confirmation();
        }
        Ok(prepared)
    }

    /// The entry of the map for a command.
    fn find<'a>(&'a self, request: &'a Request) -> Result<Found<'a>, Refusal> {
        let command = &request.command;
        let action: Option<Action> = command["action"].as_str().and_then(|name| name.parse().ok());
        let target = command["target"].as_object().and_then(|target| target.iter().next());
        let (Some(action), Some((target_type, target))) = (action, target) else {
            return Err(Refusal::new(Status::BadRequest, "no action or no target"));
        };
        let name = names::target(target_type);
        let entry = self.supported_entries().find(|(_, entry)| {
            entry.actions.contains(&action) && Some(&entry.target) == name.as_ref()
        });
        let Some((index, entry)) = entry else {
            let text = format!("{} supports no {action} {target_type}", self.device);
            return Err(Refusal::new(Status::NotImplemented, text));
        };
        Ok(Found { index, entry, target_type, target })
    }

    /// What has topics on this device, with its index in the map.
    fn supported_entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.map.entries.iter().enumerate();
        entries.filter(|(index, _)| self.supported[*index])
    }

    /// Whether a target `device` (Language v1.1, section 3.4.1.5) names this one.
    fn is_meant(&self, target: &Value, consumer: &str) -> Result<(), Refusal> {
        let known = |name: &str| {
            name == self.device || name == consumer || self.names.iter().any(|own| own == name)
        };
        let given = ["hostname", "idn_hostname", "device_id"].map(|member| target[member].as_str());
        match given.into_iter().flatten().find(|name| !known(name)) {
            Some(stranger) => {
                let text = format!(
                    "{stranger:?} is another device than {:?}, which was asked",
                    self.device
                );
                Err(Refusal::new(Status::NotFound, text))
            }
            None => Ok(()),
        }
    }

    fn fixed_names(&self) -> [(&'static str, Value); 3] {
        [
            ("v", self.vars.clone().into_iter().collect()),
            ("device", self.device.as_str().into()),
            ("reply_src", self.reply_src.as_str().into()),
        ]
    }

    fn scope(&self, request: &Request, target_type: &str, target: &Value, seq: u64) -> Scope {
        let member = |name: &str| match &request.command[name] {
            Value::Null => Value::Object(Map::new()),
            value => value.clone(),
        };
        Scope::new(self.fixed_names()).with([
            ("action", request.command["action"].clone()),
            ("target", target.clone()),
            ("target_type", target_type.into()),
            ("args", member("args")),
            ("actuator", member("actuator")),
            ("request_id", request.request_id.as_str().into()),
            ("from", request.producer.as_str().into()),
            ("consumer", request.consumer.as_str().into()),
            ("seq", seq.into()),
        ])
    }
}

/// A command, and the entry of the map for it.
struct Found<'a> {
    index: usize,
    entry: &'a Entry,
    target_type: &'a str,
    target: &'a Value,
}

/// Names in a target `properties` (Language v1.1, section 3.4.1.17); none means all.
fn asked_properties(name: &TargetName, target: &Value) -> Vec<String> {
    match (name, target) {
        (TargetName::Properties, Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
