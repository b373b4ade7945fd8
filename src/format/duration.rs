//! Durations as people write them in the configuration: `"10s"`, `"250ms"`, `"7d"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// The units, longest name first, so that `ms` is not read as `s`.
const UNITS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Why a text is no duration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DurationError {
    /// No whole number, no unit, or something else beside them.
    #[error(
        "{text:?} is not a duration: write a whole number and one of ms, s, m, h, d, such as \"10s\""
    )]
    Malformed {
        /// What was written.
        text: String,
    },
    /// More milliseconds than 64 bits hold.
    #[error("{text:?} is too long a duration")]
    TooLong {
        /// What was written.
        text: String,
    },
}

/// Reads a whole number followed directly by `ms`, `s`, `m`, `h` or `d`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed { text: text.to_owned() };
    let too_long = || DurationError::TooLong { text: text.to_owned() };

    let (digits, unit_ms) = UNITS_MS
        .iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)))
        .ok_or_else(malformed)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let count: u64 = digits.parse().map_err(|_| too_long())?;
    count.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(too_long)
}

/// Writes a duration so that [`parse`] reads it back, in the largest unit that
/// holds it exactly. What is below a millisecond is left out.
#[must_use]
pub fn format(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = UNITS_MS.iter().rev().find(|(_, unit_ms)| ms != 0 && ms.is_multiple_of(*unit_ms));
    exact.map_or_else(|| "0s".to_owned(), |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms))
}

/// For `#[serde(with = "crate::format::duration")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[serde(with = "crate::format::duration")]`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_back() {
        #[rustfmt::skip]
        let cases = [
            // written    milliseconds   written back
            ("0s",        0,             "0s"),
            ("2ms",       2,             "2ms"),
            ("10s",       10_000,        "10s"),
            ("1500ms",    1_500,         "1500ms"),
            ("90s",       90_000,        "90s"),
            ("5m",        300_000,       "5m"),
            ("24h",       86_400_000,    "1d"),
            ("7d",        604_800_000,   "7d"),
        ];
        for (text, ms, back) in cases {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(ms), "{text}");
            assert_eq!(format(duration), back, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_named() {
        for text in
            ["", "10", "s", "10 s", "+1s", "-1s", "1.5s", "1h30m", "10S", "ten s", "1\u{661}s"]
        {
            let error = parse(text).unwrap_err();
            assert_eq!(error, DurationError::Malformed { text: text.to_owned() });
            assert!(error.to_string().contains("such as \"10s\""), "{error}");
        }
        for text in ["18446744073709551615s", "99999999999999999999ms"] {
            assert!(matches!(parse(text), Err(DurationError::TooLong { .. })), "{text}");
        }
    }
}
