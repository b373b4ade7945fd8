//! The log: one event, one line, on standard error.
//!
//! Names and texts that strangers chose (topics, identities, status texts) end
//! up here, so nothing of them reaches a terminal or a log reader unescaped:
//! no line break, no terminal sequence, no change of writing direction.

mod escape;
mod line;

use std::io::{self, IsTerminal};

use serde::Deserialize;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use line::{Line, SpanFields};

/// Target of every event that holds a message or a part of one:
/// `tracing::debug!(target: "payload", …)`. Off unless [`LogConfig::payloads`].
const PAYLOADS: &str = "payload";

/// The `[log]` table of bridge.toml.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level, or levels by target.
    pub level: LogFilter,
    /// Whether the content of messages may be logged.
    pub payloads: bool,
}

impl LogConfig {
    /// Warnings and errors, as text.
    #[must_use]
    pub fn warnings() -> Self {
        Self { level: LogFilter("warn".to_owned()), ..Self::default() }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Time, level, target, message, and `name=value` for each field.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What is logged: `info`, or `warn,openc2_bridge::mqtt=debug`.
///
/// The syntax is that of tracing-subscriber's `EnvFilter`. A value of this type
/// has been read by it once, and does not hold a bare word that is no level:
/// `EnvFilter` takes such a word for a target, so that `inof` would switch off
/// everything else without a word.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl TryFrom<String> for LogFilter {
    type Error = LogFilterError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bare = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
        for word in bare {
            if word.is_empty() || word.parse::<LevelFilter>().is_err() {
                return Err(LogFilterError::NoLevel { word: word.to_owned() });
            }
        }
        match EnvFilter::builder().parse(with_payloads(&text, false)) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(LogFilterError::Syntax { reason: error.to_string() }),
        }
    }
}

/// Why a text is no [`LogFilter`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LogFilterError {
    /// A bare word that is none of the levels.
    #[error("{word:?} is no level: off, error, warn, info, debug, trace, or target=level")]
    NoLevel {
        /// The word.
        word: String,
    },
    /// Something else that the filter's syntax does not have.
    #[error("no filter of levels: {reason}")]
    Syntax {
        /// What the reader of the syntax says.
        reason: String,
    },
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// [`init`] was called before, or a library brought a log of its own.
    #[error("this process has a log already")]
    AlreadySet,
}

/// Sends the log of this process to standard error from now on.
///
/// Colours are used only in text, only on a terminal, and not where the
/// environment says `NO_COLOR`.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = io::stderr().is_terminal() && !no_color;
    subscriber(config, io::stderr, colours).try_init().map_err(|_| TelemetryError::AlreadySet)
}

fn subscriber<W>(config: &LogConfig, writer: W, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let directives = with_payloads(&config.level.0, config.payloads);
    let filter = EnvFilter::builder().parse(directives).expect("a LogFilter has been read before");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours)
        .fmt_fields(SpanFields)
        .event_format(Line { format: config.format, colours })
        .finish()
}

/// The filter, with the last word on payloads. What the MQTT library warns of is
/// said by the room that uses it, with the name of what it means; whoever wants
/// the library's own words names it in the filter.
fn with_payloads(level: &str, payloads: bool) -> String {
    let payloads = if payloads { "trace" } else { "off" };
    format!("rumqttc=error,{level},{PAYLOADS}={payloads}")
}

#[cfg(test)]
mod tests;
