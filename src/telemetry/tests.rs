use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{LogConfig, LogFilter, LogFormat, escape, subscriber};

/// What strangers may try to put into our log.
const CORPUS: &[&str] = &[
    "",
    "plain",
    "two words",
    "line\nbreak 2026-11-23T00:00:00Z ERROR oc2: forged",
    "carriage\r\nreturn",
    "tab\tand nul\0",
    "x status=200 class=answered",
    "\"quoted\" and \\ back",
    "\"a\" b=\"c\"",
    "}{ } in braces",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\u{9b}31mC1 sequence\u{85}next line",
    "user\u{202e}txt.exe",
    "\u{2066}isolate\u{2069} \u{200f}mark\u{61c}",
    "line\u{2028}separator\u{2029}",
    "\u{feff}bom \u{200b}zero width \u{e0041}tag",
    "del\u{7f} bell\u{7} backspace\u{8}\u{8}\u{8}",
    "grüße, 世界",
    "{\"json\": [1, 2]}",
];

/// A place to log to that can be read.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while `act` runs.
fn logged(config: &LogConfig, act: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = subscriber(config, move || writer.clone(), false);
    tracing::subscriber::with_default(subscriber, act);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// One event that holds a foreign text in every way there is.
fn log_everywhere(foreign: &str) {
    let span = tracing::info_span!("span", foreign, shown = %foreign);
    let _inside = span.enter();
    let error = io::Error::other(foreign.to_owned());
    tracing::info!(
        text = foreign,
        shown = %foreign,
        debug = ?foreign,
        error = &error as &(dyn std::error::Error + 'static),
        level = foreign,
        count = 3_u64,
        "said {foreign}"
    );
}

fn config(format: LogFormat) -> LogConfig {
    LogConfig { format, ..LogConfig::default() }
}

#[test]
fn one_event_is_one_line_of_text_whatever_strangers_write() {
    for foreign in CORPUS {
        let log = logged(&config(LogFormat::Text), || log_everywhere(foreign));
        let line = log.strip_suffix('\n').unwrap();
        assert!(!line.contains(escape::is_dangerous), "{foreign:?}: {line:?}");
        assert!(line.contains(" INFO "), "{line:?}");
        assert!(line.contains(" count=3"), "{line:?}");
    }
}

#[test]
fn one_event_is_one_json_object_that_holds_what_strangers_wrote() {
    for foreign in CORPUS {
        let log = logged(&config(LogFormat::Json), || log_everywhere(foreign));
        let line = log.strip_suffix('\n').unwrap();
        assert!(!line.contains(escape::is_dangerous), "{foreign:?}: {line:?}");
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["level"], "info");
        assert_eq!(object["message"], format!("said {foreign}"));
        assert_eq!(object["text"], *foreign);
        assert_eq!(object["shown"], *foreign);
        assert_eq!(object["error"], *foreign);
        assert_eq!(object["field.level"], *foreign, "a field cannot take the place of the level");
        assert_eq!(object["count"], 3);
    }
}

#[test]
fn a_value_cannot_pretend_to_be_another_field() {
    let cases = [
        ("plain", "text=plain"),
        ("oc2/cmd/#", "text=oc2/cmd/#"),
        ("", "text=\"\""),
        ("x status=200", "text=\"x status=200\""),
        ("\"a\" b=\"c\"", "text=\"\\\"a\\\" b=\\\"c\\\"\""),
        ("a\nb", "text=\"a\\nb\""),
        ("\u{202e}a", "text=\"\\u{202e}a\""),
    ];
    for (foreign, expected) in cases {
        let log = logged(&config(LogFormat::Text), || tracing::info!(text = foreign, "said"));
        assert!(log.ends_with(&format!("said {expected}\n")), "{log:?}");
    }
}

#[test]
fn a_long_value_is_cut_and_says_so() {
    let text = "ü".repeat(escape::MAX_CHARS + 5);
    let log = logged(&config(LogFormat::Json), || tracing::info!(text, "said"));
    let object: Value = serde_json::from_str(&log).unwrap();
    let kept = "ü".repeat(escape::MAX_CHARS);
    assert_eq!(object["text"], format!("{kept}... (5 characters more)"));
}

#[test]
fn the_spans_around_an_event_stand_behind_it() {
    let log = logged(&config(LogFormat::Text), || {
        let outer = tracing::info_span!("outer", id = 7).entered();
        tracing::info_span!("inner").in_scope(|| tracing::warn!("deep"));
        drop(outer);
    });
    assert!(log.ends_with(": deep in outer{id=7}:inner\n"), "{log:?}");
}

#[test]
fn payloads_are_logged_only_when_asked_for() {
    let act = || {
        tracing::error!(target: "payload", "secret");
        tracing::trace!(target: "payload", "more");
    };
    let cases = [("trace", false, 0), ("trace,payload=trace", false, 0), ("error", true, 2)];
    for (level, payloads, lines) in cases {
        let level = LogFilter::try_from(level.to_owned()).unwrap();
        let config = LogConfig { level, payloads, ..LogConfig::default() };
        assert_eq!(logged(&config, act).lines().count(), lines, "{config:?}");
    }
}

#[test]
fn levels_go_by_target() {
    let act = || {
        tracing::debug!(target: "openc2_bridge::mqtt::link", "kept");
        tracing::debug!(target: "openc2_bridge::journal", "left out");
        tracing::warn!(target: "openc2_bridge::journal", "kept as well");
    };
    let level = LogFilter::try_from("warn,openc2_bridge::mqtt=debug".to_owned()).unwrap();
    let log = logged(&LogConfig { level, ..LogConfig::default() }, act);
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("level = \"inof\"", "\"inof\" is no level"),
        ("level = \"\"", "\"\" is no level"),
        ("level = \"warn,openc2_bridge\"", "\"openc2_bridge\" is no level"),
        ("level = \"openc2_bridge=loud\"", "no filter of levels"),
        ("format = \"xml\"", "unknown variant `xml`, expected `text` or `json`"),
        ("payload = true", "unknown field `payload`"),
    ];
    for (file, complaint) in cases {
        let error = toml::from_str::<LogConfig>(file).unwrap_err().to_string();
        assert!(error.contains(complaint), "{file}: {error}");
    }
}

#[test]
fn the_defaults_are_text_from_info_up_without_payloads() {
    let LogConfig { format, level, payloads } = toml::from_str("").unwrap();
    assert_eq!((format, level.0.as_str(), payloads), (LogFormat::Text, "info", false));
}
