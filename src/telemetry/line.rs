//! An event as one line.

use std::error::Error;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::{LogFormat, escape};

/// Writes events; the fields of spans are written by [`SpanFields`].
pub(super) struct Line {
    pub(super) format: LogFormat,
    pub(super) colours: bool,
}

impl<S> FormatEvent<S, SpanFields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, SpanFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let happened = Happened {
            time,
            level: *event.metadata().level(),
            target: fields.log_target.take().unwrap_or(event.metadata().target().to_owned()),
            spans: spans(context),
            fields,
        };
        match self.format {
            LogFormat::Text => writeln!(writer, "{}", happened.text(self.colours)),
            LogFormat::Json => writeln!(writer, "{}", happened.json()),
        }
    }
}

/// `name{field=value}` for each span around the event, the outermost first.
fn spans<S>(context: &FmtContext<'_, S, SpanFields>) -> Vec<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let scope = context.event_scope().into_iter().flat_map(Scope::from_root);
    scope
        .map(|span| {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<SpanFields>>();
            match fields.map_or("", |fields| fields.fields.as_str()) {
                "" => span.name().to_owned(),
                fields => format!("{}{{{fields}}}", span.name()),
            }
        })
        .collect()
}

/// An event with all that belongs on its line.
struct Happened {
    time: String,
    level: Level,
    target: String,
    spans: Vec<String>,
    fields: Fields,
}

impl Happened {
    fn text(&self, colours: bool) -> String {
        let Self { time, level, target, spans, fields } = self;
        let message = escape::escaped(&fields.message);
        let target = escape::escaped(target);
        let mut line = if colours {
            let colour = colour(*level);
            format!(
                "\x1b[2m{time}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m \x1b[2m{target}:\x1b[0m {message}"
            )
        } else {
            format!("{time} {level:>5} {target}: {message}")
        };
        if !fields.named.is_empty() {
            write!(line, " {}", fields.text()).expect("writing to a string");
        }
        if !spans.is_empty() {
            write!(line, " in {}", spans.join(":")).expect("writing to a string");
        }
        line
    }

    fn json(self) -> String {
        let Self { time, level, target, spans, fields } = self;
        let mut object = Map::new();
        object.insert("time".to_owned(), time.into());
        object.insert("level".to_owned(), level.as_str().to_lowercase().into());
        object.insert("source".to_owned(), target.into());
        object.insert("message".to_owned(), fields.message.into());
        if !spans.is_empty() {
            object.insert("spans".to_owned(), spans.into());
        }
        for (name, value) in fields.named {
            let mut name = name.to_owned();
            while object.contains_key(&name) {
                name.insert_str(0, "field.");
            }
            object.insert(name, value);
        }
        escape::json(&Value::Object(object).to_string())
    }
}

/// Parameter of the terminal's SGR sequence.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// Writes the fields of a span, as text in either format.
pub(super) struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, new: R) -> fmt::Result {
        let mut fields = Fields::default();
        new.record(&mut fields);
        writer.write_str(&fields.text())
    }
}

/// What an event or a span carries. Texts are cut, and not yet escaped.
#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(&'static str, Value)>,
    /// Target of an event that came through the `log` crate.
    log_target: Option<String>,
}

impl Fields {
    fn text(&self) -> String {
        let each = self.named.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name}={}", escape::value(text)),
            other => format!("{name}={other}"),
        });
        each.collect::<Vec<_>>().join(" ")
    }

    fn push_text(&mut self, field: &Field, text: &str) {
        let text = escape::cut(text);
        match field.name() {
            "message" => self.message = text,
            "log.target" => self.log_target = Some(text),
            // Where in a library's source: of no use to who runs the bridge.
            "log.module_path" | "log.file" => {}
            name => self.named.push((name, Value::String(text))),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, value);
    }

    /// The whole chain: what happened, and why.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            write!(text, ": {error}").expect("writing to a string");
            source = error.source();
        }
        self.push_text(field, &text);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() != "log.line" {
            self.named.push((field.name(), value.into()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.named.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.named.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has neither NaN nor infinity.
        match serde_json::Number::from_f64(value) {
            Some(number) => self.named.push((field.name(), number.into())),
            None => self.push_text(field, &value.to_string()),
        }
    }
}
