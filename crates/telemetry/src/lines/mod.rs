//! One line for each log event. We have our own layer for two reasons. The trace id must be a top-level
//! member of every line of a request, not part of a list of spans. And a span must be cheap when no line is
//! written: it keeps the trace id as a number and its other fields as text.

use crate::trace::TraceId;
use std::fmt::{self, Write as _};
use std::io::Write;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Text,
    ColouredText,
}

/// Writes lines to `W`.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    form: Form,
    writer: W,
}

impl<W> Lines<W> {
    pub(crate) const fn new(form: Form, writer: W) -> Self {
        Self { form, writer }
    }
}

/// What a span adds to each line inside it.
#[derive(Debug)]
struct SpanFields {
    trace_id: Option<TraceId>,
    rendered: String,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new(self.form);
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields { trace_id: fields.trace_id, rendered: fields.rendered });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new(self.form);
        values.record(&mut fields);
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(known) = extensions.get_mut::<SpanFields>() {
            known.trace_id = fields.trace_id.or(known.trace_id);
            known.rendered.push_str(&fields.rendered);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new(self.form);
        event.record(&mut fields);
        let mut span_names = String::new();
        let mut span_fields = String::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            let separator = if span_names.is_empty() { "" } else { ":" };
            let _ = write!(span_names, "{separator}{}", span.name());
            if let Some(known) = span.extensions().get::<SpanFields>() {
                // The event's own trace id comes first, then that of the innermost span.
                fields.span_trace_id = known.trace_id.or(fields.span_trace_id);
                span_fields.push_str(&known.rendered);
            }
        }
        let mut line = String::with_capacity(256);
        let parts = Parts { event, fields: &fields, span_names: &span_names, span_fields: &span_fields };
        let _ = match self.form {
            Form::Json => parts.json(&mut line),
            Form::Text => parts.text(&mut line, Colours::NONE),
            Form::ColouredText => parts.text(&mut line, Colours::of(*event.metadata().level())),
        };
        // One write for each line, so that lines of several threads do not mix. If the line cannot be
        // written, the process continues.
        let _ = self.writer.make_writer().write_all(line.as_bytes());
    }
}

/// The parts of a line, not yet in order.
struct Parts<'a> {
    event: &'a Event<'a>,
    fields: &'a Fields,
    span_names: &'a str,
    span_fields: &'a str,
}

impl Parts<'_> {
    fn trace_id(&self) -> Option<TraceId> {
        self.fields.trace_id.or(self.fields.span_trace_id)
    }

    fn json(&self, line: &mut String) -> fmt::Result {
        let metadata = self.event.metadata();
        line.push_str("{\"time\":\"");
        SystemTime.format_time(&mut Writer::new(line))?;
        let level = metadata.level().as_str().to_ascii_lowercase();
        write!(line, "\",\"level\":\"{level}\",\"target\":\"{}\",\"message\":", metadata.target())?;
        write_json_text(line, &self.fields.message)?;
        if let Some(trace_id) = self.trace_id() {
            write!(line, ",\"trace_id\":\"{trace_id}\"")?;
        }
        if !self.span_names.is_empty() {
            write!(line, ",\"span\":\"{}\"", self.span_names)?;
        }
        writeln!(line, "{}{}}}", self.span_fields, self.fields.rendered)
    }

    fn text(&self, line: &mut String, colours: Colours) -> fmt::Result {
        let Colours { level, dim, end } = colours;
        line.push_str(dim);
        SystemTime.format_time(&mut Writer::new(line))?;
        let name = self.event.metadata().level().as_str();
        write!(line, "{end} {level}{name:>5}{end} {}", self.fields.message)?;
        write!(line, "{dim}{}{}", self.fields.rendered, self.span_fields)?;
        if let Some(trace_id) = self.trace_id() {
            write!(line, " trace_id={trace_id}")?;
        }
        writeln!(line, "{end}")
    }
}

/// Terminal sequences around the parts of a text line (ECMA-48, section 8.3.117).
#[derive(Clone, Copy)]
struct Colours {
    level: &'static str,
    dim: &'static str,
    end: &'static str,
}

impl Colours {
    const NONE: Self = Self { level: "", dim: "", end: "" };

    fn of(level: Level) -> Self {
        let level = match level {
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            Level::DEBUG => "\x1b[34m",
            Level::TRACE => "\x1b[35m",
        };
        Self { level, dim: "\x1b[2m", end: "\x1b[0m" }
    }
}

/// Collects an event's or a span's fields.
struct Fields {
    form: Form,
    message: String,
    trace_id: Option<TraceId>,
    span_trace_id: Option<TraceId>,
    /// `,"name":value` in JSON, ` name=value` in text.
    rendered: String,
}

impl Fields {
    const fn new(form: Form) -> Self {
        Self { form, message: String::new(), trace_id: None, span_trace_id: None, rendered: String::new() }
    }

    /// A value that looks the same in JSON and in text: a number or a boolean.
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        let _ = match self.form {
            Form::Json => write!(self.rendered, ",\"{}\":{value}", field.name()),
            Form::Text | Form::ColouredText => write!(self.rendered, " {}={value}", field.name()),
        };
    }

    fn text(&mut self, field: &Field, value: &str) {
        // Spans are created far more often than lines are written. So memory for their fields is allocated in
        // one step, and text is copied without the formatting machinery where possible.
        self.rendered.reserve(64);
        let _ = match self.form {
            Form::Json => {
                self.rendered.push_str(",\"");
                self.rendered.push_str(field.name());
                self.rendered.push_str("\":");
                write_json_text(&mut self.rendered, value)
            }
            Form::Text | Form::ColouredText => {
                let bare =
                    !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c.is_control());
                let name = field.name();
                if bare {
                    write!(self.rendered, " {name}={value}")
                } else {
                    write!(self.rendered, " {name}={value:?}")
                }
            }
        };
    }
}

impl Visit for Fields {
    fn record_u128(&mut self, field: &Field, value: u128) {
        if field.name() == "trace_id" {
            self.trace_id = TraceId::from_bits(value);
        } else {
            self.plain(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity and no NaN.
        if value.is_finite() { self.plain(field, value) } else { self.text(field, &value.to_string()) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" { self.message.push_str(value) } else { self.text(field, value) }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.text(field, &format!("{value:?}"));
        }
    }
}

/// A JSON string (RFC 8259, section 7).
fn write_json_text(out: &mut String, text: &str) -> fmt::Result {
    out.push('"');
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        out.push_str(text);
        out.push('"');
        return Ok(());
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

#[cfg(test)]
mod tests;
