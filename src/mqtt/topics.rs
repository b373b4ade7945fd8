//! The default topic structure (Transfer via MQTT v1.0, section 2.2), made
//! only from parts that have been checked: no topic is put together anywhere else.

use std::fmt;

use serde::Deserialize;

use crate::dispatch::Address;

/// One level of a topic: a consumer's id, a profile, a producer's id.
///
/// 1 to [`TopicLevel::MAX_BYTES`] bytes, without `/`, `+`, `#`, control characters and
/// non-characters, so that a topic made with it has exactly the levels it
/// was meant to have. There is no other way to make one.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct TopicLevel(String);

impl TopicLevel {
    /// Longest level accepted, in bytes.
    pub const MAX_BYTES: usize = 128;

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

/// Why a text is no level of a topic.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TopicError {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// Longer than [`TopicLevel::MAX_BYTES`].
    #[error("is {bytes} bytes long, allowed are {}", TopicLevel::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character that has a meaning in topics, or none anywhere.
    #[error("holds {found:?}, which a topic level must not")]
    Character {
        /// The first such character.
        found: char,
    },
    /// A prefix that begins with `$`: brokers keep those topics for themselves.
    #[error("begins with '$', which is the broker's own")]
    Reserved,
}

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
    // MQTT v5.0, section 1.5.4: NUL must not, control characters and
    // non-characters should not be in a topic.
    let forbidden = |c: &char| {
        matches!(c, '/' | '+' | '#' | '\u{FDD0}'..='\u{FDEF}')
            || c.is_control()
            || u32::from(*c) & 0xFFFE == 0xFFFE
    };
    match text.len() {
        0 => Err(TopicError::Empty),
        bytes if bytes > TopicLevel::MAX_BYTES => Err(TopicError::TooLong { bytes }),
        _ => match text.chars().find(forbidden) {
            Some(found) => Err(TopicError::Character { found }),
            None => Ok(()),
        },
    }
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
            return Err(TopicError::Reserved);
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
        let long = "x".repeat(TopicLevel::MAX_BYTES);
        let too_long = format!("{long}x");
        #[rustfmt::skip]
        let cases = [
            ("gateway-1",   Ok(())),
            ("x y",         Ok(())),
            ("émile@home",  Ok(())),
            (long.as_str(), Ok(())),
            ("..",          Ok(())),
            ("",            Err(TopicError::Empty)),
            (&too_long,     Err(TopicError::TooLong { bytes: 129 })),
            ("a/b",         Err(TopicError::Character { found: '/' })),
            ("+",           Err(TopicError::Character { found: '+' })),
            ("a#",          Err(TopicError::Character { found: '#' })),
            ("a\0",         Err(TopicError::Character { found: '\0' })),
            ("a\n",         Err(TopicError::Character { found: '\n' })),
            ("a\u{85}",     Err(TopicError::Character { found: '\u{85}' })),
            ("\u{FFFF}",    Err(TopicError::Character { found: '\u{FFFF}' })),
            ("\u{FDD0}",    Err(TopicError::Character { found: '\u{FDD0}' })),
        ];
        for (text, expected) in cases {
            assert_eq!(TopicLevel::try_from(text).map(drop), expected, "{text:?}");
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
    fn a_prefix_is_levels_and_not_the_brokers_own() {
        for text in ["", "/oc2", "oc2/", "a//b", "#", "$share/oc2", "$SYS"] {
            assert!(TopicPrefix::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
