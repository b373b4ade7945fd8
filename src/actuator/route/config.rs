//! The settings of a `[[route]]`, and of `kind = "mqtt"`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Collect;
use crate::actuator::{self, ActuatorConfig, CommonConfig, Kind, KindConfig, Skills};
use crate::dispatch::{ActuatorFace, Match};
use crate::format::duration;
use crate::mqtt::MqttConfig;
use crate::mqtt::config::BrokerUrl;
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::openc2::{Action, Members, Pairs};

/// Commands of a route that wait for their answers, or for late ones.
const UNDER_WAY: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not 0");

/// Commands that may wait until one of those has ended.
const WAITING: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

/// On what terms commands are passed on.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The one consumer that all of them are for; else those that each command says.
    pub to: Option<String>,
    /// Consumers to wait for where none is named, beside those that were seen.
    pub expect: Vec<String>,
    /// How many have to answer.
    pub collect: Collect,
    /// How long who waits for the answers may have to.
    pub wait: Duration,
    /// How much longer late answers are taken.
    pub keep_for: Duration,
    /// Without a connection they wait for it, and are not refused.
    pub queue: bool,
    /// The producer of each is named in a header of its message.
    pub on_behalf_of: bool,
}

/// A `[[route]]`, as the actuator at its end has it.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// What every topic begins with.
    pub prefix: TopicPrefix,
    /// The bridge as a producer.
    pub identity: TopicLevel,
    /// How commands are passed on; how long late answers are taken stands elsewhere.
    pub terms: Terms,
}

/// A `[[route]]` table of topics.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteTable {
    /// Which commands go this way.
    #[serde(default)]
    pub r#match: Match,
    /// What it leads over.
    #[serde(rename = "via")]
    _via: Via,
    /// How many of several consumers have to answer.
    #[serde(default)]
    pub collect: Collect,
    /// How long who waits for the answers may have to.
    #[serde(default = "wait", deserialize_with = "duration::deserialize")]
    pub wait: Duration,
    /// Without a connection commands wait for it, and are not refused.
    #[serde(default)]
    pub queue: bool,
    /// Consumers to wait for where none is named, beside those that were seen.
    #[serde(default)]
    pub expect: Vec<String>,
    /// The producer of each command is named in a header of its message.
    #[serde(default)]
    pub on_behalf_of: bool,
}

/// What a route leads over.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Via {
    /// The broker of bridge.toml.
    Mqtt,
}

fn wait() -> Duration {
    Duration::from_secs(10)
}

impl RouteTable {
    /// Shortest and longest `wait`.
    pub const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

    /// The actuator at its end.
    #[must_use]
    pub fn actuator(&self, prefix: &TopicPrefix, identity: &TopicLevel) -> ActuatorConfig {
        let kind = KindConfig::Route(RouteConfig {
            prefix: prefix.clone(),
            identity: identity.clone(),
            terms: Terms {
                to: None,
                expect: self.expect.clone(),
                collect: self.collect,
                wait: self.wait,
                keep_for: Duration::ZERO,
                queue: self.queue,
                on_behalf_of: self.on_behalf_of,
            },
        });
        // Nobody addresses a route as an actuator, so it has no profile, and no pairs.
        let common = CommonConfig {
            kind: Kind::Mqtt,
            profile: String::new(),
            pairs: BTreeMap::new(),
            // A consumer knows a command that is published again.
            idempotent: true,
            concurrency: UNDER_WAY,
            queue: WAITING,
            specifiers: Members::new(),
            enforces_time: true,
        };
        ActuatorConfig { common, kind }
    }

    /// The action in its match that is none, and those there are.
    #[must_use]
    pub fn unknown_action(&self) -> Option<(&str, [&'static str; Action::ALL.len()])> {
        let action = self.r#match.action.as_ref()?.literal()?;
        let is_unknown = action.parse::<Action>().is_err();
        is_unknown.then(|| (action, Action::ALL.map(Action::as_str)))
    }
}

/// What the quiet room has to know of the actuator at the end of a route.
#[must_use]
pub fn face(common: &CommonConfig) -> ActuatorFace {
    actuator::face(common, Pairs::new(), &Skills::default())
}

/// What an `[actuator.NAME]` table of `kind = "mqtt"` has beside the common keys.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BrokerConfig {
    /// The other broker: `mqtts://host[:port]`.
    pub url: BrokerUrl,
    /// The consumer there.
    pub to: TopicLevel,
    /// `headers.from` of what is relayed, and the response topic there: the bridge as a producer.
    pub from: TopicLevel,
    /// What every topic there begins with.
    #[serde(default)]
    pub prefix: TopicPrefix,
    /// Longest time for a command.
    #[serde(default = "timeout", deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// An unencrypted connection may leave this machine.
    #[serde(default)]
    pub allow_plain_text: bool,
    /// User name there.
    pub username: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// PEM file with the authorities that may vouch for the broker; the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our certificate; needs `key-file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its private key; needs `cert-file`.
    pub key_file: Option<PathBuf>,
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

impl BrokerConfig {
    /// The same, with paths that start from this folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        let Self { password_file, ca_file, cert_file, key_file, .. } = &mut self;
        for file in [password_file, ca_file, cert_file, key_file] {
            *file = file.take().map(|path| folder.join(path));
        }
        self
    }

    /// The part that is about the connection.
    #[must_use]
    pub fn connection(&self) -> MqttConfig {
        MqttConfig {
            url: self.url.clone(),
            allow_plain_text: self.allow_plain_text,
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            ..MqttConfig::default()
        }
    }

    /// The part that is about the commands.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            to: Some(self.to.as_str().to_owned()),
            expect: Vec::new(),
            collect: Collect::All,
            wait: self.timeout,
            keep_for: Duration::ZERO,
            queue: true,
            on_behalf_of: false,
        }
    }
}
