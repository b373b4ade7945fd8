//! How a map and a device are written down.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

/// Values that a map's templates see as `v.*`.
pub type Vars = BTreeMap<String, Value>;

/// A `[map.NAME]` table: how a family of devices is spoken to.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MapConfig {
    /// One line for people.
    pub about: String,
    /// Namespace identifier under which results say how a command was confirmed.
    pub profile: String,
    /// Defaults of `v.*`, for what a device does not set.
    pub vars: Vars,
    /// How the device says that it is there.
    pub online: Option<OnlineConfig>,
    /// What the device can be told. The first of these tables is number 1.
    #[serde(rename = "command")]
    pub commands: Vec<CommandConfig>,
}

impl Default for MapConfig {
    fn default() -> Self {
        Self {
            about: String::new(),
            profile: "x-iot".to_owned(),
            vars: Vars::new(),
            online: None,
            commands: Vec::new(),
        }
    }
}

/// Where the device says that it is there; usually a retained message and its last will.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnlineConfig {
    /// Topic template; may use `v` and `device`. Renders to nothing: the device does not say.
    pub topic: String,
    /// Expression over `topic`, `levels`, `payload` and `json`: true means that it is there.
    pub when: String,
}

/// A `[[map.NAME.command]]` table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandConfig {
    /// Which commands this is about.
    pub on: OnConfig,
    /// Members the target may have, each with the expression that its `value`
    /// must satisfy; a name ending in `?` is optional. Absent: not looked at.
    pub takes: Option<BTreeMap<String, String>>,
    /// What the device is sent. Absent: nothing, its last words are read (`reply.last`).
    pub publish: Option<PublishConfig>,
    /// What the device answers.
    pub reply: Option<ReplyConfig>,
    /// How to ask it what it did, where it may stay silent, or where the
    /// bridge stopped before it knew.
    pub probe: Option<ProbeConfig>,
    /// Which command of this map ends the effect of this one.
    pub stop: Option<StopConfig>,
    /// Which command of this map is sent where this one is cancelled while it is under way.
    pub cancel: Option<StopConfig>,
    /// Results by namespace identifier; each value is a table of typed leaves.
    #[serde(default)]
    pub result: BTreeMap<String, Value>,
    /// What a reply proves. By default `id` where the match uses `seq` or `request_id`, else `echo`.
    pub confirm: Option<Confirm>,
}

/// Actions and the target they act on.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OnConfig {
    /// One action or a list of them.
    pub action: OneOrMore,
    /// Name of the target, such as `device` or `x-iot:switch`.
    pub target: String,
}

/// A message to the device.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublishConfig {
    /// Topic template.
    pub topic: String,
    /// Text template; absent together with `json`: an empty payload.
    pub payload: Option<String>,
    /// A table whose text leaves are templates.
    pub json: Option<Value>,
    /// Quality of service, 0 or 1.
    #[serde(default)]
    pub qos: Qos,
}

/// How the device's answer is recognised and judged.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReplyConfig {
    /// Topic template; whole levels may be `+`, the last may be `#`.
    pub topic: String,
    /// Expression: this message answers this command.
    #[serde(rename = "match")]
    pub matches: String,
    /// Expression: the device did it. Absent: a match is enough.
    pub ok: Option<String>,
    /// Text template for people, used where `ok` is false.
    pub text: Option<String>,
    /// How long to wait for it.
    pub timeout: Option<Wait>,
    /// Judge the last message seen on the topic, a retained one included: for
    /// reading the state of a device that cannot be asked.
    #[serde(default)]
    pub last: bool,
}

/// A question to the device: whether it did what a command says. It is sent
/// when it has not answered for a while, and after a crash of the bridge.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProbeConfig {
    /// How long to wait before asking. Absent: only after a crash.
    pub after: Option<Wait>,
    /// Topic template.
    pub topic: String,
    /// Text template; absent together with `json`: an empty payload.
    pub payload: Option<String>,
    /// A table whose text leaves are templates.
    pub json: Option<Value>,
    /// Quality of service, 0 or 1.
    #[serde(default)]
    pub qos: Qos,
}

/// A command of the same map that undoes another. What is not said is as in that one.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StopConfig {
    /// Text template of the action.
    pub action: Option<String>,
    /// The value of the target: a table whose text leaves are templates. Its
    /// type is that of the command.
    pub target: Option<Value>,
}

/// The fields of an `[actuator.NAME]` table with `kind = "device"`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceConfig {
    /// Name of the map.
    pub map: String,
    /// What the map's templates see as `v.*`.
    #[serde(default)]
    pub vars: Vars,
    /// How long to wait for the device, instead of what the map says.
    pub timeout: Option<Wait>,
    /// `none`: send and answer 200 without waiting. The operator's word that this is good enough.
    pub confirm: Option<Unconfirmed>,
    /// Other names by which the target `device` may mean this device.
    #[serde(default)]
    pub names: Vec<String>,
}

/// What proves that a command was carried out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Confirm {
    /// The reply carries the number of this very command.
    Id,
    /// The reply fits the command, but carries no number: it may have been meant for somebody else.
    Echo,
    /// The device reports the state that was asked for.
    State,
    /// Nothing: the message was handed to the broker.
    None,
}

impl Confirm {
    /// The word in results and in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Echo => "echo",
            Self::State => "state",
            Self::None => "none",
        }
    }
}

/// The one thing an operator can say about confirmation: that none is needed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Unconfirmed {
    /// Send and forget.
    None,
}

/// Quality of service of a message to a device: 0 or 1, and 1 by default.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "u8")]
pub struct Qos(u8);

impl Qos {
    /// The number on the wire.
    #[must_use]
    pub fn level(self) -> u8 {
        self.0
    }
}

impl Default for Qos {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        match level {
            0 | 1 => Ok(Self(level)),
            _ => Err(format!("qos is {level}, allowed are 0 and 1")),
        }
    }
}

/// A time to wait, written `"500ms"`, `"5s"` or `"2m"`; more than nothing, at most [`Wait::MAX`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Wait(Duration);

impl Wait {
    /// Longest wait, one hour.
    pub const MAX: Duration = Duration::from_hours(1);

    /// How long.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Wait {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &text[..text.len() - unit.len()];
        let wait = match (number.parse::<u32>(), unit) {
            (Ok(number), "ms") => Duration::from_millis(number.into()),
            (Ok(number), "s") => Duration::from_secs(number.into()),
            (Ok(number), "m") => Duration::from_secs(u64::from(number) * 60),
            _ => return Err(format!("{text:?} is no time: write \"500ms\", \"5s\" or \"2m\"")),
        };
        if wait.is_zero() || wait > Self::MAX {
            return Err(format!("{text:?} is out of range: more than 0, at most 60m"));
        }
        Ok(Self(wait))
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OneOrMore(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    // By hand, because serde's untagged enums forget what was wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, one: &str) -> Result<Self::Value, E> {
                Ok(OneOrMore(vec![one.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMore(all))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Reads the `[map.*]` tables of a file; other tables are somebody else's.
pub fn read_maps(text: &str) -> Result<BTreeMap<String, MapConfig>, toml::de::Error> {
    #[derive(Deserialize)]
    struct MapFile {
        #[serde(default)]
        map: BTreeMap<String, MapConfig>,
    }

    Ok(toml::from_str::<MapFile>(text)?.map)
}
