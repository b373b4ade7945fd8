//! The default topic structure (Transfer via MQTT v1.0, section 2.2), made
//! only from parts that have been checked: no topic is put together anywhere else.

use std::fmt;

use serde::Deserialize;

use crate::dispatch::Address;
use crate::format::{self, Flaw};

/// One level of a topic: a consumer's id, a profile, a producer's id.
///
/// Checked by [`format::topic_level`](crate::format::topic_level), so that a topic made with it has exactly the levels it
/// was meant to have. There is no other way to make one.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct TopicLevel(String);

impl TopicLevel {
    /// The level as it stands in a topic.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no level of a topic, or no prefix of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot be in a topic: {0}")]
pub struct TopicError(pub Flaw);

impl TryFrom<&str> for TopicLevel {
    type Error = TopicError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        check_level(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for TopicLevel {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        check_level(&text)?;
        Ok(Self(text))
    }
}

fn check_level(text: &str) -> Result<(), TopicError> {
    format::topic_level(text).map_err(TopicError)
}

/// What stands before `/cmd` and `/rsp` in every topic: one level, or several.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct TopicPrefix(String);

impl TopicPrefix {
    /// The prefix as it stands in a topic.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TopicPrefix {
    fn default() -> Self {
        Self("oc2".to_owned())
    }
}

impl TryFrom<String> for TopicPrefix {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.starts_with('$') {
            return Err(TopicError("it begins with $, which is the broker's own"));
        }
        text.split('/').try_for_each(check_level)?;
        Ok(Self(text))
    }
}

/// `oc2/cmd/all`: commands to every consumer.
#[must_use]
pub fn cmd_all(prefix: &TopicPrefix) -> String {
    format!("{}/cmd/all", prefix.0)
}

/// `oc2/cmd/ap/<profile>`: commands to all that implement a profile.
#[must_use]
pub fn cmd_profile(prefix: &TopicPrefix, profile: &TopicLevel) -> String {
    format!("{}/cmd/ap/{profile}", prefix.0)
}

/// `oc2/cmd/device/<id>`: commands to one consumer.
#[must_use]
pub fn cmd_device(prefix: &TopicPrefix, device: &TopicLevel) -> String {
    format!("{}/cmd/device/{device}", prefix.0)
}

/// `oc2/rsp/<producer>`, or `oc2/rsp` for all producers.
#[must_use]
pub fn rsp(prefix: &TopicPrefix, producer: Option<&TopicLevel>) -> String {
    match producer {
        Some(producer) => format!("{}/rsp/{producer}", prefix.0),
        None => format!("{}/rsp", prefix.0),
    }
}

/// `oc2/#`: everything under the prefix, for who watches.
#[must_use]
pub fn everything(prefix: &TopicPrefix) -> String {
    format!("{}/#", prefix.0)
}

/// Reads a topic filter (MQTT 5 section 4.7).
///
/// # Errors
///
/// Where a wildcard is no level of its own, `#` is not the last level, or a text is no UTF-8
/// string of MQTT.
pub fn filter(text: &str) -> Result<String, FilterError> {
    rumqttc::ValidatedTopicFilter::new(text).map(String::from).map_err(|_| FilterError)
}

/// Why a text is no topic filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no topic filter: + and # each stand for a whole level, and # for the last one")]
pub struct FilterError;

/// Whom a command topic addresses; `None` for a topic that is none.
#[must_use]
pub fn address(prefix: &TopicPrefix, topic: &str) -> Option<Address> {
    let kind = topic.strip_prefix(&prefix.0)?.strip_prefix("/cmd/")?;
    match kind.split_once('/') {
        None => (kind == "all").then_some(Address::All),
        Some((_, level)) if check_level(level).is_err() => None,
        Some(("ap", profile)) => Some(Address::Profile(profile.to_owned())),
        Some(("device", device)) => Some(Address::Device(device.to_owned())),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_refused_when_a_topic_would_change_its_shape() {
        for (text, is_level) in [("gateway-1", true), ("..", true), ("", false), ("a/b", false)] {
            assert_eq!(TopicLevel::try_from(text).is_ok(), is_level, "{text:?}");
        }
    }

    /// Shows MQTT-3.2-10, MQTT-3.2-11 and MQTT-3.3-1 for the names of the topics.
    #[test]
    fn topics_are_those_of_the_transfer_specification() {
        let prefix = TopicPrefix::default();
        let id = TopicLevel::try_from("zulu").unwrap();
        assert_eq!(cmd_all(&prefix), "oc2/cmd/all");
        assert_eq!(cmd_profile(&prefix, &id), "oc2/cmd/ap/zulu");
        assert_eq!(cmd_device(&prefix, &id), "oc2/cmd/device/zulu");
        assert_eq!(rsp(&prefix, None), "oc2/rsp");
        assert_eq!(rsp(&prefix, Some(&id)), "oc2/rsp/zulu");
    }

    #[test]
    fn an_address_comes_back_from_its_topic() {
        let prefix = TopicPrefix::try_from("site/oc2".to_owned()).unwrap();
        #[rustfmt::skip]
        let cases = [
            ("site/oc2/cmd/all",          Some(Address::All)),
            ("site/oc2/cmd/ap/slpf",      Some(Address::Profile("slpf".into()))),
            ("site/oc2/cmd/device/zulu",  Some(Address::Device("zulu".into()))),
            ("site/oc2/cmd/device",       None),
            ("site/oc2/cmd/device/",      None),
            ("site/oc2/cmd/device/a/b",   None),
            ("site/oc2/cmd/all/x",        None),
            ("site/oc2/cmd",              None),
            ("site/oc2/rsp/zulu",         None),
            ("oc2/cmd/all",               None),
            ("",                          None),
        ];
        for (topic, expected) in cases {
            assert_eq!(address(&prefix, topic), expected, "{topic:?}");
        }
    }

    #[test]
    fn a_filter_has_its_wildcards_where_they_may_be() {
        for (text, is_filter) in [
            ("oc2/#", true),
            ("oc2/+/device/gateway-1", true),
            ("#", true),
            ("", false),
            ("a/#/b", false),
            ("a/b#", false),
            ("a+/b", false),
            ("a\0b", false),
        ] {
            assert_eq!(filter(text).is_ok(), is_filter, "{text:?}");
        }
    }

    #[test]
    fn a_prefix_is_levels_and_not_the_brokers_own() {
        for text in ["", "/oc2", "oc2/", "a//b", "#", "$share/oc2", "$SYS"] {
            assert!(TopicPrefix::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
