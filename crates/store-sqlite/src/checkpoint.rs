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

    fn frames(&self) -> u32 {
        self.lock().frames
    }

    /// A checkpoint of a log of so many frames ended. A reader may have kept part of it from being written back:
    /// that part is tried again a mark later, not at once.
    fn wrote_back(&self, frames: i64) {
        let mut state = self.lock();
        // Where the log started again meanwhile, its length is another one's.
        state.written_back = u32::try_from(frames).unwrap_or(0).min(state.frames);
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
        self.frames.saturating_sub(self.written_back) >= MARK
    }
}

/// The thread that writes back: works until the log is closed.
pub(crate) fn work(connection: &Connection, log: &Arc<Log>, queue: &Queue, counters: &Counters) {
    while log.wait() {
        run(connection, log, counters);
        if log.frames() >= FAR {
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
