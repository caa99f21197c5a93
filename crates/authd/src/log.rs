//! Logs: events with fields, text for people and JSON for programs, without secrets (threats DA-04, DA-05).

use std::io::{IsTerminal, Write};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

mod batches;
mod json;

/// How many lines may wait for a reader that is slow; what comes on top is dropped. Requests never wait.
const WAITING_LINES: usize = 16_384;

/// Keeps the log going; what still waits is written when it is dropped.
#[must_use]
#[derive(Debug)]
pub struct Logging {
    _writer: WorkerGuard,
}

/// Sends events to standard error from now on. `AUTHD_LOG` chooses how much: `info` unless set.
///
/// A full disk or a reader that stands still costs lines of the log, never a request: the lines are written by a
/// thread of their own, many at a time under load, and its errors go nowhere. A second call in one process changes
/// nothing.
pub fn start(format: Option<LogFormat>) -> Logging {
    let filter = EnvFilter::try_from_env("AUTHD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(batches::paced(std::io::stderr()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        // Its way of reporting a failed write is to print, which panics where the log cannot be written.
        .log_internal_errors(false);
    let _ = match format {
        LogFormat::Text => builder.with_ansi(is_terminal).try_init(),
        LogFormat::Json => builder.json().event_format(json::Lines::default()).try_init(),
    };
    Logging { _writer: guard }
}

/// Prints a line to standard error; where that cannot be written, nobody is there to be told.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
