//! What this bridge is on MQTT: topics.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Mistake, Source, nearest_of, read_file, refuse_the_rest, source};
use crate::actuator::device::{self, DeviceConfig, DeviceError, MapConfig};
use crate::actuator::exec::{Exec, ExecConfig, Understood};
use crate::actuator::relay::{Relay, RelayConfig};
use crate::actuator::route::BrokerConfig;
use crate::actuator::{
    self, ActuatorConfig, CommonConfig, Kind, KindConfig, OwnPairs, Reach, Skills, Unpaired,
};
use crate::dispatch::{Consumer, House};
use crate::format;
use crate::language::{Library, TEXT_SPECIFIERS, Version};
use crate::mqtt::door::CommandTopics;
use crate::mqtt::topics::{TopicLevel, TopicPrefix};

/// Most commands a minute that a rate limit may allow; above that it is none.
const MAX_RATE: u32 = 1_000_000;

/// Consumers, the actuators behind each, and the maps of devices.
#[derive(Clone, Debug)]
pub struct Topics {
    /// What every OpenC2 topic begins with.
    pub prefix: TopicPrefix,
    /// By name.
    pub actuators: BTreeMap<String, ActuatorConfig>,
    /// By name: those of the file, which stand over the built-in ones.
    pub maps: BTreeMap<String, MapConfig>,
    /// Consumers and actuators as the quiet room sees them.
    pub house: House,
}

/// A `[[consumer]]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConsumerConfig {
    id: String,
    #[serde(default)]
    actuators: Vec<String>,
    /// Versions of the language; without them the newest alone.
    versions: Option<Vec<String>>,
    rate_limit: Option<NonZeroU32>,
}

/// The short form of a consumer that has just one actuator, a device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ShortDevice {
    id: String,
    ap: Vec<String>,
    versions: Option<Vec<String>>,
    rate_limit: Option<NonZeroU32>,
}

impl ShortDevice {
    const KEYS: [&'static str; 4] = ["id", "ap", "versions", "rate-limit"];
}

impl Topics {
    /// What may stand at the top of the file.
    pub(super) const KEYS: [&'static str; 8] =
        ["prefix", "producer", "consumer", "device", "actuator", "route", "map", "map-files"];

    /// Reads topics.toml and the files that it names; the schemas of profiles
    /// are those of `library`.
    ///
    /// # Errors
    ///
    /// Every mistake in any of them.
    pub fn load(file: &Path, library: &Library) -> Result<Self, Vec<Mistake>> {
        Self::parse(file, &read_file(file)?, library)
    }

    /// The command topics to listen to (Transfer via MQTT v1.0, section 3.3).
    #[must_use]
    pub fn command_topics(&self) -> CommandTopics {
        let level = |text: &String| TopicLevel::try_from(text.clone()).expect(CHECKED);
        let consumers = &self.house.consumers;
        CommandTopics {
            prefix: self.prefix.clone(),
            profiles: consumers
                .iter()
                .flat_map(|consumer| &consumer.actuators)
                .filter_map(|name| self.house.actuators.get(name))
                .map(|face| level(&face.profile))
                .collect(),
            devices: consumers.iter().map(|consumer| level(&consumer.id)).collect(),
        }
    }

    /// Reads the text of topics.toml; `file` is where it stands, for the
    /// mistakes and for the files that it names.
    ///
    /// # Errors
    ///
    /// Every mistake.
    pub fn parse(file: &Path, text: &str, library: &Library) -> Result<Self, Vec<Mistake>> {
        let mut source = Source::new(file, text);
        if !source.is_toml() {
            return Err(source.mistakes);
        }
        let prefix = read_prefix(&mut source);
        let maps = read_maps(&mut source, file);
        let mut house = House { library: library.clone(), ..House::default() };
        let mut actuators = read_actuators(&mut source, &maps, &mut house);
        read_consumers(&mut source, &mut house);
        read_short_devices(&mut source, &maps, &mut house, &mut actuators);
        super::routes::read(&mut source, &prefix, &mut house, &mut actuators);
        refuse_the_rest(&mut source, Self::KEYS);
        let is_nobody = house.consumers.is_empty() && house.routes.is_empty();
        if source.mistakes.is_empty() && is_nobody {
            source.note("", "there is no consumer: nobody could be addressed", None);
        }
        if source.mistakes.is_empty() {
            Ok(Self { prefix, actuators, maps, house })
        } else {
            Err(source.mistakes)
        }
    }
}

/// Every actuator of a consumer has a profile that is a topic level, and every
/// consumer an id that is one.
const CHECKED: &str = "checked when the file was read";

fn read_prefix(source: &mut Source<'_>) -> TopicPrefix {
    let read = source.take("prefix").and_then(|value| source.read("prefix", value));
    read.unwrap_or_default()
}

fn read_maps(source: &mut Source<'_>, file: &Path) -> BTreeMap<String, MapConfig> {
    let mut maps = BTreeMap::new();
    if let Some(value) = source.take("map-files") {
        let files: Vec<PathBuf> = source.read("map-files", value).unwrap_or_default();
        for (index, named) in files.iter().enumerate() {
            let path = super::beside(file, named);
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let mut inner = Source::new(&path, &text);
                    take_maps(&mut inner, &mut maps);
                    refuse_the_rest(&mut inner, ["map"]);
                    source.mistakes.append(&mut inner.mistakes);
                }
                Err(error) => {
                    let text = format!("{} cannot be read: {error}", path.display());
                    source.note(&format!("map-files[{index}]"), text, None);
                }
            }
        }
    }
    take_maps(source, &mut maps);
    maps
}

fn take_maps(source: &mut Source<'_>, maps: &mut BTreeMap<String, MapConfig>) {
    for (name, value) in tables(source, "map") {
        let path = format!("map.{name}");
        if let Some(map) = source.read::<MapConfig>(&path, value) {
            for error in device::lint(&name, &map) {
                source.note(&path, error.to_string(), None);
            }
            maps.insert(name, map);
        }
    }
}

fn read_actuators(
    source: &mut Source<'_>,
    maps: &BTreeMap<String, MapConfig>,
    house: &mut House,
) -> BTreeMap<String, ActuatorConfig> {
    let mut actuators = BTreeMap::new();
    for (name, value) in tables(source, "actuator") {
        let path = format!("actuator.{name}");
        let Value::Table(mut table) = value else {
            source.note(&path, format!("{path}: expected a table"), None);
            continue;
        };
        let kind: Option<Kind> = table.get("kind").and_then(|kind| kind.clone().try_into().ok());
        let own = [Kind::Exec, Kind::Device, Kind::Https, Kind::Mqtt].into_iter();
        let own = own.filter(|it| kind.is_none_or(|kind| kind == *it)).flat_map(keys_of_kind);
        let known = CommonConfig::KEYS.map(str::to_owned).into_iter().chain(own);
        refuse_strangers(source, &path, &mut table, &known.collect::<Vec<_>>());
        let (common, own): (Table, Table) =
            table.into_iter().partition(|(key, _)| CommonConfig::KEYS.contains(&key.as_str()));
        let common: Option<CommonConfig> = source.read(&path, Value::Table(common));
        let Some(common) = common else { continue };
        let Some(kind) = read_kind(source, &path, common.kind, own) else { continue };
        let config = ActuatorConfig { common, kind };
        add_actuator(source, &path, &name, config, maps, house, &mut actuators);
    }
    actuators
}

fn read_kind(source: &mut Source<'_>, path: &str, kind: Kind, own: Table) -> Option<KindConfig> {
    match kind {
        Kind::Exec => {
            let exec = source.read::<ExecConfig>(path, Value::Table(own));
            exec.map(|exec| KindConfig::Exec(exec.beside(source.folder())))
        }
        Kind::Device => source.read(path, Value::Table(own)).map(KindConfig::Device),
        Kind::Https => {
            let relay = source.read::<RelayConfig>(path, Value::Table(own));
            relay.map(|relay| KindConfig::Https(relay.beside(source.folder())))
        }
        Kind::Mqtt => {
            let broker = source.read::<BrokerConfig>(path, Value::Table(own));
            broker.map(|broker| KindConfig::Mqtt(broker.beside(source.folder())))
        }
        // It has no keys of its own.
        Kind::Log => Some(KindConfig::Log),
    }
}

/// The keys that a kind of actuator has beside those of all kinds.
fn keys_of_kind(kind: Kind) -> Vec<String> {
    match kind {
        Kind::Exec => source::keys_of::<ExecConfig>(),
        Kind::Device => source::keys_of::<DeviceConfig>(),
        Kind::Https => source::keys_of::<RelayConfig>(),
        Kind::Mqtt => source::keys_of::<BrokerConfig>(),
        Kind::Log => Vec::new(),
    }
}

/// Takes out the keys that a table cannot have, and says which ones may have been meant. Done
/// for the whole table at once: who looks at a part of it knows only the keys of that part.
fn refuse_strangers(source: &mut Source<'_>, path: &str, table: &mut Table, known: &[String]) {
    table.retain(|key, _| {
        let is_known = known.iter().any(|known| known == key);
        if !is_known {
            let nearest = nearest_of(key, known.iter().map(String::as_str));
            let key = format!("{path}.{key}");
            source.note(&key, format!("unknown key `{key}`"), nearest);
        }
        is_known
    });
}

fn add_actuator(
    source: &mut Source<'_>,
    path: &str,
    name: &str,
    config: ActuatorConfig,
    maps: &BTreeMap<String, MapConfig>,
    house: &mut House,
    actuators: &mut BTreeMap<String, ActuatorConfig>,
) {
    if let Err(error) = format::nsid(&config.common.profile) {
        source.note(&format!("{path}.profile"), format!("{path}.profile: {error}"), None);
        return;
    }
    let (own_pairs, skills) = match &config.kind {
        KindConfig::Exec(exec) => {
            for error in Exec::mistakes(name, exec) {
                let key = format!("{path}.{}", error.key());
                source.note(&key, format!("{path}: {error}"), None);
            }
            let knows = |message| Reach::all_if(exec.understands.contains(&message));
            let skills = Skills {
                stop: knows(Understood::Stop),
                probe: knows(Understood::Probe),
                // A process can be ended, whatever it understands.
                cancel: Reach::All,
            };
            (program_pairs(&house.library), skills)
        }
        KindConfig::Device(config) => match device::check(name, config, maps) {
            Ok(device::Abilities { pairs, stops, probes, cancels }) => {
                let cancel = Reach::Only(cancels);
                let skills =
                    Skills { stop: Reach::Only(stops), probe: Reach::Only(probes), cancel };
                (OwnPairs::Only(pairs), skills)
            }
            Err(DeviceError::UnknownVariable { name, known, .. }) => {
                let key = format!("{path}.vars.{name}");
                let nearest = nearest_of(&name, known.iter().map(String::as_str));
                let text = format!(
                    "unknown key `{key}`: the map {:?} has {}",
                    config.map,
                    known.join(", ")
                );
                source.note(&key, text, nearest);
                return;
            }
            Err(error @ DeviceError::Variables { .. }) => {
                source.note(&format!("{path}.vars"), format!("{path}.vars: {error}"), None);
                return;
            }
            Err(error) => {
                let known = maps.keys().chain(device::built_in_maps().keys());
                let is_known = known.clone().any(|map| *map == config.map);
                let nearest = nearest_of(&config.map, known.map(String::as_str));
                let nearest = nearest.filter(|_| !is_known);
                source.note(&format!("{path}.map"), format!("{path}.map: {error}"), nearest);
                return;
            }
        },
        KindConfig::Https(relay) => {
            if let Err(error) = Relay::new(name, relay.clone()) {
                source.note(&format!("{path}.url"), format!("{path}: {error}"), None);
            }
            let skills = Skills::default();
            // The peer itself says what it does not support.
            (OwnPairs::Default(actuator::log::pairs()), skills)
        }
        KindConfig::Mqtt(broker) => {
            let connection = broker.connection();
            if let Err(error) = connection.check() {
                source.note(&format!("{path}.url"), format!("{path}: {error}"), None);
            }
            for (key, error) in connection.check_files() {
                source.note(&format!("{path}.{key}"), format!("{path}.{key}: {error}"), None);
            }
            (OwnPairs::Default(actuator::log::pairs()), Skills::default())
        }
        KindConfig::Route(_) => unreachable!("a route is no [actuator.NAME] table"),
        KindConfig::Log => {
            let skills = Skills { stop: Reach::All, ..Skills::default() };
            (OwnPairs::Default(actuator::log::pairs()), skills)
        }
    };
    // What cannot be known for the mistakes in a schema is no mistake here.
    let is_whole = house.library.is_whole();
    let profile = house.library.profile(&config.common.profile).filter(|_| is_whole);
    check_specifiers(source, path, &config.common, profile.is_some(), house);
    match actuator::pairs(&config.common.pairs, &own_pairs, profile) {
        Ok(pairs) => {
            let mut face = actuator::face(&config.common, pairs, &skills);
            // A consumer knows a command that is published again.
            face.idempotent |= matches!(config.kind, KindConfig::Mqtt(_));
            house.actuators.insert(name.to_owned(), face);
            actuators.insert(name.to_owned(), config);
        }
        Err(problems) => {
            for Unpaired { at, text, found, known } in problems {
                let nearest =
                    found.and_then(|it| nearest_of(&it, known.iter().map(String::as_str)));
                let at = format!("{path}.pairs.{at}");
                source.note(at.trim_end_matches('.'), format!("{path}: {text}"), nearest);
            }
        }
    }
}

/// Specifiers that no command could ever match.
fn check_specifiers(
    source: &mut Source<'_>,
    path: &str,
    common: &CommonConfig,
    has_schema: bool,
    house: &House,
) {
    let CommonConfig { profile: nsid, specifiers, .. } = common;
    let path = format!("{path}.specifiers");
    if has_schema {
        let language = house.library.language(Version::V1_1);
        if let Err(fault) = language.judge_specifiers(nsid, specifiers) {
            source.note(&path, format!("{path}: {fault}"), None);
        }
        return;
    }
    // No schema says so; but senders write these as text.
    for (name, value) in specifiers {
        if TEXT_SPECIFIERS.contains(&name.as_str()) && !value.is_string() {
            let key = format!("{path}.{name}");
            source.note(&key, format!("{key}: expected a text, such as \"{value}\""), None);
        }
    }
}

/// The pairs of a program are those of its profile's schema; where a schema could not be read,
/// none are asked for.
fn program_pairs(library: &Library) -> OwnPairs {
    if library.is_whole() { OwnPairs::None } else { OwnPairs::Default(actuator::log::pairs()) }
}

fn read_consumers(source: &mut Source<'_>, house: &mut House) {
    let Some(value) = source.take("consumer") else { return };
    let Value::Array(consumers) = value else {
        source.note("consumer", "consumer: expected [[consumer]] tables", None);
        return;
    };
    for (index, value) in consumers.into_iter().enumerate() {
        let path = format!("consumer[{index}]");
        let Some(config) = source.read::<ConsumerConfig>(&path, value) else { continue };
        let mut seen = BTreeSet::new();
        for name in &config.actuators {
            if !seen.insert(name) {
                let text = format!("{path}.actuators: {name:?} stands there twice");
                source.note(&format!("{path}.actuators"), text, None);
                continue;
            }
            if !house.actuators.contains_key(name) {
                let known = house.actuators.keys().map(String::as_str);
                let nearest = nearest_of(name, known);
                let (text, nearest) = if source.has(&["actuator", name]) {
                    (format!("{path}.actuators: [actuator.{name}] has a mistake"), None)
                } else {
                    (format!("{path}.actuators: there is no [actuator.{name}]"), nearest)
                };
                source.note(&format!("{path}.actuators"), text, nearest);
            }
        }
        let ConsumerConfig { id, actuators, versions, rate_limit } = config;
        let versions = read_versions(source, &path, versions.as_deref());
        add_consumer(source, &path, house, Consumer { id, actuators, versions, rate_limit });
    }
}

fn read_short_devices(
    source: &mut Source<'_>,
    maps: &BTreeMap<String, MapConfig>,
    house: &mut House,
    actuators: &mut BTreeMap<String, ActuatorConfig>,
) {
    let Some(value) = source.take("device") else { return };
    let Value::Array(devices) = value else {
        source.note("device", "device: expected [[device]] tables", None);
        return;
    };
    for (index, value) in devices.into_iter().enumerate() {
        let path = format!("device[{index}]");
        let Value::Table(mut table) = value else { continue };
        let own = source::keys_of::<DeviceConfig>();
        let keys = ShortDevice::KEYS.into_iter().chain(CommonConfig::KEYS).map(str::to_owned);
        refuse_strangers(source, &path, &mut table, &keys.chain(own).collect::<Vec<_>>());
        let (short, rest): (Table, Table) =
            table.into_iter().partition(|(key, _)| ShortDevice::KEYS.contains(&key.as_str()));
        let (common, own): (Table, Table) =
            rest.into_iter().partition(|(key, _)| CommonConfig::KEYS.contains(&key.as_str()));
        let Some(short) = source.read::<ShortDevice>(&path, Value::Table(short)) else { continue };
        let Some(own) = source.read::<DeviceConfig>(&path, Value::Table(own)) else { continue };
        // One map, and so one set of pairs, under each of the profiles.
        let mut names = Vec::new();
        for profile in &short.ap {
            let mut common = common.clone();
            common.insert("kind".to_owned(), Value::String("device".to_owned()));
            common.insert("profile".to_owned(), Value::String(profile.clone()));
            let Some(common) = source.read::<CommonConfig>(&path, Value::Table(common)) else {
                continue;
            };
            let name = if short.ap.len() == 1 {
                short.id.clone()
            } else {
                format!("{}-{profile}", short.id)
            };
            if house.actuators.contains_key(&name) {
                source.note(&path, format!("{path}: there is an actuator {name:?} already"), None);
                continue;
            }
            let config = ActuatorConfig { common, kind: KindConfig::Device(own.clone()) };
            add_actuator(source, &path, &name, config, maps, house, actuators);
            names.push(name);
        }
        let ShortDevice { id, ap: _, versions, rate_limit } = short;
        let versions = read_versions(source, &path, versions.as_deref());
        let consumer = Consumer { id, actuators: names, versions, rate_limit };
        add_consumer(source, &path, house, consumer);
    }
}

/// The versions of the language that a consumer lists, the newest first.
fn read_versions(source: &mut Source<'_>, path: &str, listed: Option<&[String]>) -> Vec<Version> {
    let Some(listed) = listed else { return vec![Version::V1_1] };
    let mut versions = BTreeSet::new();
    for (index, text) in listed.iter().enumerate() {
        let path = format!("{path}.versions[{index}]");
        match text.parse::<Version>() {
            Ok(version) if versions.insert(version) => {}
            Ok(_) => source.note(&path, format!("{path}: {text:?} stands there twice"), None),
            Err(error) => source.note(&path, format!("{path}: {error}"), None),
        }
    }
    if listed.is_empty() {
        let path = format!("{path}.versions");
        source.note(&path, format!("{path}: a consumer speaks at least one version"), None);
    }
    versions.into_iter().rev().collect()
}

fn add_consumer(source: &mut Source<'_>, path: &str, house: &mut House, consumer: Consumer) {
    if let Err(flaw) = format::topic_level(&consumer.id) {
        let text = format!("{path}.id: {:?} cannot be a topic level: {flaw}", consumer.id);
        source.note(&format!("{path}.id"), text, None);
    }
    if house.consumers.with_id(&consumer.id).is_some() {
        let text = format!("{path}.id: there are two consumers {:?}", consumer.id);
        source.note(&format!("{path}.id"), text, None);
    }
    if consumer.rate_limit.is_some_and(|limit| limit.get() > MAX_RATE) {
        let text = format!(
            "{path}.rate-limit: at most {MAX_RATE} commands a minute; leave it out for no limit"
        );
        source.note(&format!("{path}.rate-limit"), text, None);
    }
    house.consumers.push(consumer);
}

/// The tables `[KEY.NAME]`, by name.
fn tables(source: &mut Source<'_>, key: &str) -> Vec<(String, Value)> {
    match source.take(key) {
        None => Vec::new(),
        Some(Value::Table(tables)) => tables.into_iter().collect(),
        Some(_) => {
            source.note(key, format!("{key}: expected [{key}.NAME] tables"), None);
            Vec::new()
        }
    }
}
