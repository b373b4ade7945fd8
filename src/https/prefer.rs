//! What a request prefers (RFC 7240).

use std::time::Duration;

use hyper::StatusCode;

use super::problem::Problem;
use super::query;

/// Longest list of preferences that is read, in characters.
pub(super) const LONGEST: usize = 256;

/// The preferences that are known here; all others are passed over, as section 2 wants it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Preferences {
    /// `wait=10`: longest wait for the response, in seconds (section 4.3).
    pub wait: Option<Duration>,
    /// `respond-async`: not to wait for the response (section 4.1).
    pub respond_async: bool,
}

impl Preferences {
    /// Reads the value of `Prefer`; of several headers, joined by commas. Of a
    /// preference that stands there twice the first counts.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
        if text.len() > LONGEST {
            return Err(bad(format!("Prefer has at most {LONGEST} characters")));
        }
        let mut preferences = Self::default();
        for preference in text.split(',') {
            // Parameters follow after a semicolon; these preferences have none.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            preferences.respond_async |= name.trim().eq_ignore_ascii_case("respond-async");
            if name.trim().eq_ignore_ascii_case("wait") && preferences.wait.is_none() {
                let Some(secs) = query::number(value) else {
                    return Err(bad("Prefer: wait is a number of seconds".to_owned()));
                };
                preferences.wait = Some(Duration::from_secs(secs));
            }
        }
        Ok(preferences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_and_strange_ones_passed_over() {
        let secs = |secs| Some(Duration::from_secs(secs));
        for (text, wait) in [
            ("", None),
            ("wait=10", secs(10)),
            ("Wait = 7", secs(7)),
            ("wait=\"8\"", secs(8)),
            ("handling=lenient, wait=10; x=y, wait=20", secs(10)),
            ("return=minimal; foo=\"wait\"", None),
        ] {
            assert_eq!(Preferences::read(text).unwrap().wait, wait, "{text:?}");
        }
        assert!(Preferences::read("wait=1, Respond-Async").unwrap().respond_async);
        assert!(!Preferences::read("x=respond-async").unwrap().respond_async);
        for text in ["wait", "wait=", "wait=soon", "wait=-1", "wait=+1", &"x".repeat(LONGEST + 1)] {
            assert!(Preferences::read(text).is_err(), "{text:?}");
        }
    }
}
