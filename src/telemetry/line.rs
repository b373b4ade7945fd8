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
        match self.format {
            LogFormat::Text => self.text(&spans(context), &mut writer, event),
            LogFormat::Json => json(spans(context), &mut writer, event),
        }
    }
}

impl Line {
    /// Goes straight into the line: there is one of these for every command.
    fn text(&self, spans: &[String], writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut head = Head::default();
        event.record(&mut head);
        let level = *event.metadata().level();
        let target = head.log_target.as_deref().unwrap_or(event.metadata().target());
        if self.colours {
            writer.write_str("\x1b[2m")?;
            SystemTime.format_time(writer)?;
            write!(writer, "\x1b[0m \x1b[{}m{level:>5}\x1b[0m \x1b[2m", colour(level))?;
            escape::write_escaped(writer, target)?;
            writer.write_str(":\x1b[0m ")?;
        } else {
            SystemTime.format_time(writer)?;
            write!(writer, " {level:>5} ")?;
            escape::write_escaped(writer, target)?;
            writer.write_str(": ")?;
        }
        escape::write_escaped(writer, &head.message)?;
        let mut tail = Tail { writer: &mut *writer, written: Ok(()) };
        event.record(&mut tail);
        tail.written?;
        if !spans.is_empty() {
            write!(writer, " in {}", spans.join(":"))?;
        }
        writer.write_char('\n')
    }
}

fn json(spans: Vec<String>, writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let mut fields = Fields::default();
    event.record(&mut fields);
    let target = fields.log_target.take().unwrap_or(event.metadata().target().to_owned());
    let mut object = Map::new();
    object.insert("time".to_owned(), time.into());
    object.insert("level".to_owned(), event.metadata().level().as_str().to_lowercase().into());
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
    writeln!(writer, "{}", escape::json(&Value::Object(object).to_string()))
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
        let mut text = String::new();
        let mut tail = Tail { writer: &mut text, written: Ok(()) };
        new.record(&mut tail);
        tail.written?;
        // Each field has a space before it.
        writer.write_str(text.trim_start())
    }
}

/// What stands before the fields of a line of text. Cut, and not yet escaped.
#[derive(Default)]
struct Head {
    message: String,
    /// Target of an event that came through the `log` crate.
    log_target: Option<String>,
}

impl Visit for Head {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if matches!(field.name(), "message" | "log.target") {
            self.record_str(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = escape::cut(value).into_owned(),
            "log.target" => self.log_target = Some(escape::cut(value).into_owned()),
            _ => {}
        }
    }
}

/// Fields that are not shown as such: what [`Head`] takes, and where in a library's source an event
/// came from, which is of no use to who runs the bridge.
fn is_shown(field: &Field) -> bool {
    let name = field.name();
    name != "message" && !matches!(name, "log.target" | "log.module_path" | "log.file" | "log.line")
}

/// Writes ` name=value` for each field.
struct Tail<'a, W> {
    writer: &'a mut W,
    written: fmt::Result,
}

impl<W: fmt::Write> Tail<'_, W> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.written.is_ok() && is_shown(field) {
            self.written =
                write!(self.writer, " {}=", field.name()).and_then(|()| value(self.writer));
        }
    }
}

impl<W: fmt::Write> Visit for Tail<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_shown(field) {
            self.record_str(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |writer| escape::write_value(writer, &escape::cut(value)));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &with_sources(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, |writer| write!(writer, "{value:?}"));
    }
}

/// The whole chain: what happened, and why.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error}").expect("writing to a string");
        source = error.source();
    }
    text
}

/// What an event carries, for a line of JSON. Texts are cut, and not yet escaped.
#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(&'static str, Value)>,
    /// Target of an event that came through the `log` crate.
    log_target: Option<String>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = escape::cut(value).into_owned();
        match field.name() {
            "message" => self.message = text,
            "log.target" => self.log_target = Some(text),
            name if is_shown(field) => self.named.push((name, Value::String(text))),
            _ => {}
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &with_sources(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_shown(field) {
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
            None => self.record_str(field, &value.to_string()),
        }
    }
}
