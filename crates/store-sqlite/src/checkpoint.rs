//! Writing the log back into the file, off the writer's path.
//!
//! A checkpoint beside a busy writer never catches up, and the log starts again from its beginning only when all of
//! it was written back. So the bulk is done here, beside the writer, and when the log has grown far beyond the mark
//! the writer is asked to do the short rest between two groups.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::Counters;
use crate::queue::Queue;
use crate::writer::is_the_disk;

/// From how many frames on, of 4 KiB, the log is written back.
const MARK: u32 = 1_000;
/// From how many frames on the writer helps.
const FAR: u32 = 8_000;

/// How long the log is, and whether writing it back failed.
#[derive(Default)]
pub(crate) struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Frames in the log, as of the last commit.
    frames: u32,
    /// How many of them were written back.
    written_back: u32,
    /// Whether the writer was asked to write back the rest and has not done so yet.
    is_asked: bool,
    is_closed: bool,
    failure: Option<String>,
}

impl Log {
    /// The writer committed, and the log is now so long.
    pub(crate) fn grew(&self, frames: u32) {
        let mut state = self.lock();
        if frames < state.frames {
            // It started again from its beginning.
            state.written_back = 0;
        }
        state.frames = frames;
        if state.is_due() {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Ends the thread that writes back.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Why writing back failed.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Waits until there is enough to write back. `false`: no more.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_closed || state.failure.is_some() {
                return false;
            }
            if state.is_due() {
                return true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A checkpoint of a log of so many frames ended; a negative number says that somebody else is making one.
    /// What a reader, or that somebody, kept from being written back is tried again a mark later, not at once.
    fn wrote_back(&self, frames: i64) {
        let mut state = self.lock();
        // Where the log started again meanwhile, its length is another one's.
        state.written_back = u32::try_from(frames).map_or(state.frames, |frames| frames.min(state.frames));
    }

    /// Whether the log has grown so far that the writer is to help. Until it has, nobody else writes back: two
    /// checkpoints at once only keep each other out.
    fn asks_the_writer(&self) -> bool {
        let mut state = self.lock();
        state.is_asked = state.frames >= FAR;
        state.is_asked
    }

    /// The writer has done what it was asked to.
    pub(crate) fn helped(&self) {
        self.lock().is_asked = false;
        self.changed.notify_one();
    }

    fn fail(&self, why: String) {
        self.lock().failure = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_due(&self) -> bool {
        !self.is_asked && self.frames.saturating_sub(self.written_back) >= MARK
    }
}

/// The thread that writes back: works until the log is closed.
pub(crate) fn work(connection: &Connection, log: &Arc<Log>, queue: &Queue, counters: &Counters) {
    while log.wait() {
        run(connection, log, counters);
        if log.asks_the_writer() {
            queue.checkpoint();
        }
    }
}

/// Writes back what can be written back without making anybody wait.
pub(crate) fn run(connection: &Connection, log: &Log, counters: &Counters) {
    let outcome = connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut statement| statement.query_row([], |row| row.get(1)));
    match outcome {
        Ok(frames) => {
            counters.checkpoints.fetch_add(1, Ordering::Relaxed);
            log.wrote_back(frames);
        }
        // The log stays and is written back next time; but a disk that failed is not relied on again.
        Err(error) if is_the_disk(&error) => {
            log.fail(format!(
                "the disk failed to take a checkpoint ({error}); nothing is written until a restart"
            ));
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_due(log: &Log) -> bool {
        log.lock().is_due()
    }

    #[test]
    fn the_log_is_written_back_a_mark_at_a_time() {
        let log = Log::default();
        log.grew(MARK - 1);
        assert!(!is_due(&log));
        log.grew(MARK);
        assert!(is_due(&log));
        log.wrote_back(i64::from(MARK));
        assert!(!is_due(&log));
        log.grew(2 * MARK - 1);
        assert!(!is_due(&log));
        log.grew(2 * MARK);
        assert!(is_due(&log));
        log.grew(1);
        assert!(!is_due(&log), "the log started again");
        log.grew(MARK);
        assert!(is_due(&log));
    }

    #[test]
    fn a_checkpoint_that_somebody_else_makes_is_not_tried_again_at_once() {
        let log = Log::default();
        log.grew(5 * MARK);
        log.wrote_back(-1);
        assert!(!is_due(&log));
        log.grew(6 * MARK);
        assert!(is_due(&log));
    }

    #[test]
    fn while_the_writer_is_asked_nobody_else_writes_back() {
        let log = Log::default();
        log.grew(FAR - 1);
        assert!(!log.asks_the_writer());
        log.grew(FAR);
        assert!(log.asks_the_writer());
        assert!(!is_due(&log));
        log.helped();
        assert!(is_due(&log));
    }
}
