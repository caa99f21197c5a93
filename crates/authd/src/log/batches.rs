//! Lines that came while the last were written go out together: a wake-up and a write for many.

use std::io::{BufWriter, Write};
use std::time::Duration;

/// A pipe takes this much at once, so that lines of several processes do not mix (PIPE_BUF).
const BATCH_BYTES: usize = 4096;

/// How long a line may wait for others. The first after a quiet time waits for nothing.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends whole lines to `destination`, and pauses after each batch.
pub(super) fn paced<W: Write>(destination: W) -> Batches<W, impl FnMut()> {
    Batches { lines: BufWriter::with_capacity(BATCH_BYTES, destination), pause: || std::thread::sleep(PAUSE) }
}

/// What the log's thread writes to: a line at a time, and a flush whenever no further line waits.
///
/// The thread sleeps for the pause before it waits for lines again, and whoever has one need not wake it meanwhile.
/// It never fails: lines that cannot be written stay until they can, and what does not fit beside them is dropped.
pub(super) struct Batches<W: Write, P> {
    lines: BufWriter<W>,
    pause: P,
}

impl<W: Write, P: FnMut()> Write for Batches<W, P> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let _ = self.lines.write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if !self.lines.buffer().is_empty() {
            let _ = self.lines.flush();
            (self.pause)();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
