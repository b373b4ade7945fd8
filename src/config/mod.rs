//! The two files that say what this bridge is and how it runs.
//!
//! Each room owns its settings; here they are only put together, so that one
//! look finds every mistake in both files. `bridge.toml` is read once;
//! `topics.toml` may be read again while the bridge runs.

mod routes;
mod schemas;
mod source;
mod topics;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

pub use schemas::SchemasConfig;
pub use source::{Mistake, Source, nearest_of};
pub use topics::Topics;

use crate::dispatch::{Missed, Rules, TimeRules, WithoutCreated};
use crate::format::duration;
use crate::https::HttpsConfig;
use crate::journal::JournalConfig;
use crate::mqtt::MqttConfig;
use crate::telemetry::LogConfig;
use crate::trust::TrustConfig;
use crate::wire::Limits;

/// What an environment variable begins with that overrides a key of
/// bridge.toml: `OC2_MQTT_URL` is `url` in `[mqtt]`.
const ENVIRONMENT: &str = "OC2_";

/// How the bridge runs: bridge.toml.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The broker.
    pub mqtt: MqttConfig,
    /// The door for what is posted.
    pub https: HttpsConfig,
    /// The durable record.
    pub journal: JournalConfig,
    /// What a message may cost us.
    pub limits: LimitsConfig,
    /// What begins or ends at a given time.
    pub time: TimeConfig,
    /// Where schemas come from.
    pub schemas: SchemasConfig,
    /// Whom to believe.
    pub trust: TrustConfig,
    /// The log.
    pub log: LogConfig,
}

/// The `[limits]` table of bridge.toml.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LimitsConfig {
    /// Longest message, in bytes.
    pub message: usize,
    /// Deepest nesting of objects and arrays.
    pub depth: usize,
    /// How long started commands may go on after a stop was asked for.
    #[serde(deserialize_with = "duration::deserialize")]
    pub drain: Duration,
}

/// Limits with which no message could come in, or none could be told that it is too long.
#[derive(Debug, thiserror::Error)]
enum LimitError {
    #[error("it is 0, and every message is longer")]
    NoMessage,
    #[error(
        "it is {message}, and mqtt.maximum-packet-size only {packet}: the broker does not deliver \
         what is longer, so nobody is told that it was too long"
    )]
    BeyondPacket { message: usize, packet: u32 },
    #[error("it is {depth}; allowed are 1 to {}", Limits::MAX_DEPTH)]
    Depth { depth: usize },
}

impl LimitsConfig {
    /// What is wrong, by its key.
    fn mistakes(&self, packet: u32) -> impl Iterator<Item = (&'static str, LimitError)> {
        let Self { message, depth, .. } = *self;
        let of_message = if message == 0 {
            Some(LimitError::NoMessage)
        } else if message as u64 >= u64::from(packet) {
            Some(LimitError::BeyondPacket { message, packet })
        } else {
            None
        };
        let is_depth = (1..=Limits::MAX_DEPTH).contains(&depth);
        let of_depth = (!is_depth).then_some(LimitError::Depth { depth });
        let of_message = of_message.map(|error| ("message", error));
        of_message.into_iter().chain(of_depth.map(|error| ("depth", error)))
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let Limits { message_bytes, depth } = Limits::default();
        Self { message: message_bytes, depth, drain: Duration::from_secs(10) }
    }
}

/// The `[time]` table of bridge.toml.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TimeConfig {
    /// A start that is later than this was missed.
    #[serde(deserialize_with = "duration::deserialize")]
    pub late: Duration,
    /// What to do about a start that was missed.
    pub missed: Missed,
    /// Commands that may wait for their time, or for the end of their effect.
    pub waiting: u64,
    /// What to do with commands without `created`.
    pub without_created: WithoutCreated,
    /// The clock is right, even where the journal has seen a later time.
    pub trust_clock: bool,
}

impl Default for TimeConfig {
    fn default() -> Self {
        let TimeRules { late_ms, missed, waiting, without_created, .. } = TimeRules::default();
        let late = Duration::from_millis(late_ms);
        Self { late, missed, waiting, without_created, trust_clock: false }
    }
}

impl Settings {
    /// The rules of the quiet room.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            limits: Limits { message_bytes: self.limits.message, depth: self.limits.depth },
            trust: self.trust,
            accept_without_properties: self.mqtt.accept_without_properties,
            time: TimeRules {
                late_ms: millis(self.time.late),
                missed: self.time.missed,
                waiting: self.time.waiting,
                window_ms: millis(self.journal.keep_age),
                without_created: self.time.without_created,
            },
            keep_for_ms: millis(self.https.keep_for),
        }
    }

    /// Reads bridge.toml, and the environment over it.
    ///
    /// # Errors
    ///
    /// Every mistake in the file and in the variables.
    pub fn load(file: &Path) -> Result<Self, Vec<Mistake>> {
        let text = read_file(file)?;
        Self::parse(file, &text, std::env::vars())
    }

    /// Reads bridge.toml, and these variables over it.
    ///
    /// # Errors
    ///
    /// Every mistake in the file and in the variables.
    pub fn load_with(
        file: &Path,
        environment: Vec<(String, String)>,
    ) -> Result<Self, Vec<Mistake>> {
        Self::parse(file, &read_file(file)?, environment)
    }

    /// Reads the text of bridge.toml, and environment variables over it.
    ///
    /// # Errors
    ///
    /// Every mistake in either.
    pub fn parse(
        file: &Path,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Mistake>> {
        Self::look(file, text, environment, false)
    }

    /// Reads bridge.toml as [`Self::load`] does, and opens the files that it names.
    ///
    /// # Errors
    ///
    /// Every mistake in the file, in the variables, and in those files.
    pub fn load_with_files(file: &Path) -> Result<Self, Vec<Mistake>> {
        Self::look(file, &read_file(file)?, std::env::vars(), true)
    }

    /// The `[schemas]` table, where that at least is in order.
    #[must_use]
    pub fn schemas_alone(file: &Path) -> Option<SchemasConfig> {
        let text = std::fs::read_to_string(file).ok()?;
        let mut source = Source::new(file, &text);
        let variables = overrides(std::env::vars(), &["schemas"]);
        let schemas = part(&mut source, "schemas", &variables);
        source.mistakes.is_empty().then_some(schemas)
    }

    fn look(
        file: &Path,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        with_files: bool,
    ) -> Result<Self, Vec<Mistake>> {
        const TABLES: [&str; 8] =
            ["mqtt", "https", "journal", "limits", "time", "schemas", "trust", "log"];
        let mut source = Source::new(file, text);
        let variables = overrides(environment, &TABLES);
        let before = source.mistakes.len();
        let mut mqtt = read_mqtt(&mut source, &variables, with_files);
        let is_mqtt_right = source.mistakes.len() == before;
        let https = read_https(&mut source, &variables, with_files);
        let before = source.mistakes.len();
        let journal: JournalConfig = part(&mut source, "journal", &variables);
        let is_journal_right = source.mistakes.len() == before;
        // As many as one commit records: more would only wait here and not at the broker.
        let batch = u16::try_from(journal.batch_records).ok().and_then(NonZeroU16::new);
        mqtt.receive_maximum = mqtt.receive_maximum.or(batch);
        let settings = Self {
            mqtt,
            https,
            journal,
            limits: part(&mut source, "limits", &variables),
            time: part(&mut source, "time", &variables),
            schemas: part(&mut source, "schemas", &variables),
            trust: part(&mut source, "trust", &variables),
            log: part(&mut source, "log", &variables),
        };
        refuse_the_rest(&mut source, TABLES);
        // What a mistaken key would have said is not known: nothing is held against its default.
        let packet =
            if is_mqtt_right { settings.mqtt.maximum_packet_size.bytes() } else { u32::MAX };
        for (key, error) in settings.limits.mistakes(packet) {
            note_in_table(&mut source, &variables, "limits", key, &error);
        }
        if is_mqtt_right
            && is_journal_right
            && settings.journal.keep_age < settings.mqtt.session_expiry
        {
            let text = format!(
                "journal.keep-age is {}, shorter than mqtt.session-expiry, {}: \
                 the broker may deliver again what the journal has forgotten",
                duration::format(settings.journal.keep_age),
                duration::format(settings.mqtt.session_expiry),
            );
            source.note("journal.keep-age", text, None);
        }
        if source.mistakes.is_empty() { Ok(settings) } else { Err(source.mistakes) }
    }
}

/// Reads `[mqtt]`.
fn read_mqtt(source: &mut Source<'_>, variables: &[Override], with_files: bool) -> MqttConfig {
    let before = source.mistakes.len();
    let mqtt: MqttConfig = part(source, "mqtt", variables);
    if source.mistakes.len() == before {
        for error in mqtt.mistakes() {
            source.note("mqtt", error.to_string(), None);
        }
        let files = if with_files { mqtt.check_files() } else { Vec::new() };
        for (key, error) in files {
            note_in_table(source, variables, "mqtt", key, &error);
        }
    }
    mqtt
}

/// Reads `[https]`, which is a door or nothing at all.
fn read_https(source: &mut Source<'_>, variables: &[Override], with_files: bool) -> HttpsConfig {
    let before = source.mistakes.len();
    let https: HttpsConfig = part(source, "https", variables);
    if source.mistakes.len() == before {
        for mistake in https.check() {
            note_in_table(source, variables, "https", mistake.key(), &mistake);
        }
    }
    if source.mistakes.len() == before && with_files {
        for mistake in https.check_files() {
            note_in_table(source, variables, "https", mistake.key(), &mistake);
        }
    }
    https
}

/// Notes a mistake at a key of a table, or at the variable that stands over it.
fn note_in_table(
    source: &mut Source<'_>,
    variables: &[Override],
    table: &str,
    key: &str,
    error: &dyn std::error::Error,
) {
    let text = format!("{table}.{key}: {error}");
    match variables.iter().find(|it| it.table == table && it.key == key) {
        Some(set) => source.mistakes.push(Mistake::somewhere(&set.variable, text)),
        None => source.note(&format!("{table}.{key}"), text, None),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A variable of the environment that stands for a key.
struct Override {
    variable: String,
    table: &'static str,
    key: String,
    value: Value,
}

fn overrides(
    environment: impl IntoIterator<Item = (String, String)>,
    tables: &[&'static str],
) -> Vec<Override> {
    environment
        .into_iter()
        .filter_map(|(variable, text)| {
            let rest = variable.strip_prefix(ENVIRONMENT)?.to_lowercase();
            let (table, key) = rest.split_once('_')?;
            let table = tables.iter().find(|known| **known == table)?;
            let key = key.replace('_', "-");
            // `300` and `true` are what they look like; anything else is text.
            let value = format!("value = {text}")
                .parse::<Table>()
                .ok()
                .and_then(|mut table| table.remove("value"))
                .filter(|value| value.is_integer() || value.is_bool())
                .unwrap_or(Value::String(text));
            Some(Override { variable, table, key, value })
        })
        .collect()
}

/// Reads one table of the file with the variables over it. A mistake that a
/// variable makes is told under the variable's name.
fn part<T: serde::de::DeserializeOwned + Default>(
    source: &mut Source<'_>,
    name: &str,
    variables: &[Override],
) -> T {
    let written = source.take(name).unwrap_or_else(|| Value::Table(Table::new()));
    let mut whole = written.clone();
    start_paths_at(source.folder(), name, &mut whole);
    for variable in variables.iter().filter(|variable| variable.table == name) {
        if let Value::Table(table) = &mut whole {
            table.insert(variable.key.clone(), variable.value.clone());
        }
        let mut alone = Source::new(Path::new(&variable.variable), "");
        let lone = Table::from_iter([(variable.key.clone(), variable.value.clone())]);
        let _checked: Option<T> = alone.read(name, Value::Table(lone));
        source.mistakes.append(&mut alone.mistakes);
    }
    let before = source.mistakes.len();
    let read = source.read(name, written);
    if source.mistakes.len() > before {
        return read.unwrap_or_default();
    }
    let mut quiet = Source::new(Path::new(""), "");
    quiet.read(name, whole).unwrap_or_default()
}

/// Paths in the file start from its folder; those of the environment from
/// the folder that the process was started in.
fn start_paths_at(folder: &Path, table: &str, part: &mut Value) {
    let Value::Table(keys) = part else { return };
    if table == "journal" {
        let default = JournalConfig::default().dir;
        keys.entry("dir").or_insert_with(|| default.display().to_string().into());
    }
    for (key, value) in keys {
        if (key == "dir" || key.ends_with("-file"))
            && let Value::String(path) = value
        {
            *path = folder.join(&path).display().to_string();
        }
    }
}

/// Whatever is left at the top of a file is unknown.
fn refuse_the_rest<const N: usize>(source: &mut Source<'_>, known: [&str; N]) {
    let rest: Vec<String> = source.table.keys().cloned().collect();
    for key in rest {
        let nearest = nearest_of(&key, known);
        source.note(&key, format!("unknown key `{key}`"), nearest);
    }
}

/// The text of a file.
pub(crate) fn read_file(file: &Path) -> Result<String, Vec<Mistake>> {
    std::fs::read_to_string(file)
        .map_err(|error| vec![Mistake::somewhere(file, format!("cannot be read: {error}"))])
}

/// A path in a configuration file is relative to that file.
pub(crate) fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

#[cfg(test)]
mod tests;
