//! An event of the log as one line of JSON, written in one pass (RFC 8259 §7, RFC 3339 §5.6).

use std::fmt::{self, Debug, Write};
use std::time::Duration;

use jiff::{Timestamp, tz::Offset};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::moment;

/// Room for the line of a request; a longer one grows.
const USUAL_BYTES: usize = 512;

/// Writes what tracing-subscriber's own JSON formatter writes, byte for byte, at a quarter of its cost: every request
/// is a line.
///
/// A field that is named like a standard member (`timestamp`, `level`) comes after that member, under the same name.
#[derive(Debug)]
pub(super) struct Lines {
    /// Only libraries open spans, and only below the level `info`.
    inside_spans: Format<Json>,
}

impl Default for Lines {
    fn default() -> Self {
        let inside_spans = tracing_subscriber::fmt::format().json().flatten_event(true).with_target(false);
        Self { inside_spans }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.parent().is_some() || context.lookup_current().is_some() {
            return self.inside_spans.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL_BYTES);
        line.push_str("{\"timestamp\":\"");
        push_timestamp(&mut line, moment::since_1970());
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        event.record(&mut Members(&mut line));
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

/// The fields of an event, each written as a further member. A field without a value is not visited.
struct Members<'line>(&'line mut String);

impl Members<'_> {
    fn push_name(&mut self, field: &Field) {
        self.0.push_str(",\"");
        push_escaped(self.0, field.name());
        self.0.push_str("\":");
    }

    fn push_number(&mut self, field: &Field, number: impl fmt::Display) {
        self.push_name(field);
        let _ = write!(self.0, "{number}");
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_name(field);
        self.0.push('"');
        push_escaped(self.0, value);
        self.0.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.push_number(field, number),
            // JSON has no infinity.
            None => self.push_number(field, "null"),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_number(field, value);
    }

    // Messages, errors, and all that has no method of its own, come here.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.push_name(field);
        self.0.push('"');
        // A value that fails to describe itself ends where it failed: the line is worth more than its last words.
        let _ = write!(Escaped(self.0), "{value:?}");
        self.0.push('"');
    }
}

/// What is written here becomes the inside of a JSON string.
struct Escaped<'line>(&'line mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

//= RFC 8259 §7
fn push_escaped(line: &mut String, text: &str) {
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().any(is_special) {
        line.push_str(text);
    } else if let Ok(quoted) = serde_json::to_string(text) {
        line.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
    }
}

/// Writes UTC with microseconds; `since_1970` beyond the year 9999 reads as 1970.
//= RFC 3339 §5.6
fn push_timestamp(line: &mut String, since_1970: Duration) {
    let second =
        i64::try_from(since_1970.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
    let at = Offset::UTC.to_datetime(second.unwrap_or_default());
    let mut push = |number: u32, first: u32, after: char| {
        let mut unit = first;
        while unit > 0 {
            line.push(char::from(b'0' + (number / unit % 10) as u8));
            unit /= 10;
        }
        line.push(after);
    };
    push(at.year().unsigned_abs().into(), 1000, '-');
    push(at.month().unsigned_abs().into(), 10, '-');
    push(at.day().unsigned_abs().into(), 10, 'T');
    push(at.hour().unsigned_abs().into(), 10, ':');
    push(at.minute().unsigned_abs().into(), 10, ':');
    push(at.second().unsigned_abs().into(), 10, '.');
    push(since_1970.subsec_micros(), 100_000, 'Z');
}

#[cfg(test)]
mod tests;
