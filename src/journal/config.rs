//! The `[journal]` table of bridge.toml.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected};

use crate::format::duration;

/// What the records are kept on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// A database in [`JournalConfig::dir`].
    #[default]
    File,
    /// The memory of this process. When it ends, however it ends, everything
    /// is forgotten: commands under way are lost without an answer, unsent
    /// responses too, and repetitions are carried out again. For tests and
    /// benchmarks.
    Memory,
}

/// Where the journal is, and how long it remembers.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct JournalConfig {
    /// Folder of the journal. Made, for this user only, where it does not exist.
    pub dir: PathBuf,
    /// What the records are kept on.
    pub storage: Storage,
    /// How long a command is kept after it has been answered; at least one
    /// minute. As long is a repetition of it recognised, so it must not be
    /// shorter than the MQTT session expiry.
    #[serde(deserialize_with = "keep_age")]
    pub keep_age: Duration,
    /// How many commands are kept; at least 1. Beyond it the oldest answered
    /// ones leave before they reach `keep_age`.
    #[serde(deserialize_with = "keep_count")]
    pub keep_count: u64,
    /// Records that go into one commit, at most: 1 to 4096. One call of
    /// `append` is never split, whatever it brings.
    #[serde(deserialize_with = "batch_records")]
    pub batch_records: usize,
    /// How long the writer gathers what is queued already before it commits;
    /// at most one second. It never waits for what is not there yet.
    #[serde(deserialize_with = "gather")]
    pub gather: Duration,
    /// Bytes of the disk that are held back; 0 for none. When the disk is full
    /// they are given free, so that this can be said, and the bridge ends. It
    /// begins again when as much is free beside them.
    pub reserve: u64,
    /// Without the chain and without `journal.head`. It has no key in the file:
    /// it is there to measure what the guard costs, and to see that the tests
    /// of the guard fail without it.
    #[serde(skip)]
    pub unguarded: bool,
    /// The clock is right, even where a record has a later time. Its key is `trust-clock` of
    /// `[time]`.
    #[serde(skip)]
    pub trust_clock: bool,
}

impl JournalConfig {
    /// Shortest `keep-age`.
    pub const KEEP_AGE_MIN: Duration = Duration::from_mins(1);
    /// Largest `batch-records`.
    pub const BATCH_RECORDS_MAX: usize = 4096;
    /// Longest `gather`.
    pub const GATHER_MAX: Duration = Duration::from_secs(1);
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("journal"),
            storage: Storage::File,
            keep_age: Duration::from_hours(7 * 24),
            keep_count: 1_000_000,
            batch_records: 256,
            gather: Duration::from_millis(2),
            reserve: 16 * 1024 * 1024,
            unguarded: false,
            trust_clock: false,
        }
    }
}

fn keep_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let age = duration::deserialize(deserializer)?;
    if age < JournalConfig::KEEP_AGE_MIN {
        let (is, least) = (duration::format(age), duration::format(JournalConfig::KEEP_AGE_MIN));
        return Err(D::Error::custom(format!("keep-age is {is}, allowed is {least} or more")));
    }
    Ok(age)
}

fn keep_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(D::Error::invalid_value(Unexpected::Unsigned(0), &"a keep-count of 1 or more")),
        count => Ok(count),
    }
}

fn batch_records<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let most = JournalConfig::BATCH_RECORDS_MAX;
    match usize::deserialize(deserializer)? {
        records if (1..=most).contains(&records) => Ok(records),
        records => {
            Err(D::Error::custom(format!("batch-records is {records}, allowed are 1 to {most}")))
        }
    }
}

fn gather<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let gather = duration::deserialize(deserializer)?;
    if gather > JournalConfig::GATHER_MAX {
        let (is, most) = (duration::format(gather), duration::format(JournalConfig::GATHER_MAX));
        return Err(D::Error::custom(format!("gather is {is}, allowed is {most} or less")));
    }
    Ok(gather)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default() {
        let read: JournalConfig = toml::from_str("").unwrap();
        assert_eq!(read, JournalConfig::default());
    }

    #[test]
    fn every_key_is_read() {
        let file = "dir = \"/var/lib/j\"\nstorage = \"memory\"\nkeep-age = \"36h\"\nkeep-count = 5\nbatch-records = 1\ngather = \"0s\"\nreserve = 0";
        let read: JournalConfig = toml::from_str(file).unwrap();
        let meant = JournalConfig {
            dir: PathBuf::from("/var/lib/j"),
            storage: Storage::Memory,
            keep_age: Duration::from_hours(36),
            keep_count: 5,
            batch_records: 1,
            gather: Duration::ZERO,
            reserve: 0,
            unguarded: false,
            trust_clock: false,
        };
        assert_eq!(read, meant);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("keep-age = \"59s\"", "keep-age is 59s, allowed is 1m or more"),
            ("keep-age = 7", "expected a string"),
            ("keep-age = \"7 days\"", "\"7 days\" is not a duration"),
            ("storage = \"disk\"", "expected `file` or `memory`"),
            ("keep-count = 0", "expected a keep-count of 1 or more"),
            ("batch-records = 0", "batch-records is 0, allowed are 1 to 4096"),
            ("gather = \"2s\"", "gather is 2s, allowed is 1s or less"),
            ("reserve = -1", "expected u64"),
            ("keep-cuont = 1", "unknown field `keep-cuont`"),
        ];
        for (file, complaint) in cases {
            let error = toml::from_str::<JournalConfig>(file).unwrap_err().to_string();
            assert!(error.contains(complaint), "{file}: {error}");
        }
    }
}
