//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use records::UnixTime;
use store::{CommitError, Operation, Space, Unavailable};

/// How often the processor is given away before a group is written: bounds how long its first commit waits.
const YIELDS: usize = 8;

/// One commit and who waits for it.
pub(crate) struct Commit {
    pub(crate) space: Space,
    pub(crate) operations: Vec<Operation>,
    pub(crate) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// One sweep and who waits for it.
pub(crate) struct Sweep {
    pub(crate) now: UnixTime,
    pub(crate) at_most: usize,
    pub(crate) answer: oneshot::Sender<Result<usize, Unavailable>>,
}

/// What the writer does next.
pub(crate) enum Work {
    /// These commits, in one transaction.
    Group(Vec<Commit>),
    /// A sweep.
    Sweep(Sweep),
    /// Write the rest of the log back into the file.
    Checkpoint,
    /// Nothing more, ever.
    Close,
}

#[derive(Default)]
struct Waiting {
    commits: VecDeque<Commit>,
    sweeps: VecDeque<Sweep>,
    checkpoint: bool,
    is_closed: bool,
    /// Whether the writer sleeps until something arrives: only then it is woken, which takes a system call.
    is_idle: bool,
}

/// Commits, sweeps and checkpoints that wait. While the writer syncs one group, the next one gathers.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Queue {
    /// Adds a commit; gives it back if the store is closed.
    pub(crate) fn commit(&self, commit: Commit) -> Result<(), Commit> {
        self.add(commit, |waiting, commit| waiting.commits.push_back(commit))
    }

    /// Adds a sweep; gives it back if the store is closed.
    pub(crate) fn sweep(&self, sweep: Sweep) -> Result<(), Sweep> {
        self.add(sweep, |waiting, sweep| waiting.sweeps.push_back(sweep))
    }

    /// Asks for a checkpoint on the writer's connection.
    pub(crate) fn checkpoint(&self) {
        // A closed store makes its last checkpoint anyway.
        let _ = self.add((), |waiting, ()| waiting.checkpoint = true);
    }

    /// Takes no more. What waits is still done.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// Drops what waits: whoever waits for an answer hears that there is none.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        *waiting = Waiting { is_closed: true, ..Waiting::default() };
    }

    /// Waits for work. Of the commits that wait, at most `at_most`.
    ///
    /// Sweeps and checkpoints come first: they are few and short, and put off behind commits that never end they would
    /// never come.
    pub(crate) fn next(&self, at_most: usize) -> Work {
        let mut waiting = self.gather(at_most);
        loop {
            if waiting.checkpoint {
                waiting.checkpoint = false;
                return Work::Checkpoint;
            }
            if let Some(sweep) = waiting.sweeps.pop_front() {
                return Work::Sweep(sweep);
            }
            if !waiting.commits.is_empty() {
                let count = waiting.commits.len().min(at_most);
                return Work::Group(waiting.commits.drain(..count).collect());
            }
            if waiting.is_closed {
                return Work::Close;
            }
            waiting.is_idle = true;
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.is_idle = false;
        }
    }

    /// Lets whoever waits for this processor run first, as long as that brings more commits: a sync costs the same for
    /// many as for one. Where a processor is free this takes no time, and commits gather while the disk syncs.
    fn gather(&self, at_most: usize) -> MutexGuard<'_, Waiting> {
        let mut waiting = self.lock();
        for _ in 0..YIELDS {
            let before = waiting.commits.len();
            let is_awaited = waiting.checkpoint || !waiting.sweeps.is_empty();
            if before == 0 || before >= at_most || is_awaited {
                break;
            }
            drop(waiting);
            std::thread::yield_now();
            waiting = self.lock();
            if waiting.commits.len() == before {
                break;
            }
        }
        waiting
    }

    fn add<T>(&self, item: T, push: impl FnOnce(&mut Waiting, T)) -> Result<(), T> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(item);
        }
        push(&mut waiting, item);
        let was_idle = std::mem::take(&mut waiting.is_idle);
        drop(waiting);
        if was_idle {
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::TenantId;

    fn commit() -> (Commit, oneshot::Receiver<Result<(), CommitError>>) {
        let (answer, answered) = oneshot::channel();
        let space = Space::Tenant(TenantId::parse("acme").unwrap());
        (Commit { space, operations: Vec::new(), answer }, answered)
    }

    #[test]
    fn a_sweep_does_not_wait_behind_commits_that_never_end() {
        let queue = Queue::default();
        for _ in 0..10 {
            assert!(queue.commit(commit().0).is_ok());
        }
        let (answer, _answered) = oneshot::channel();
        assert!(queue.sweep(Sweep { now: UnixTime(1), at_most: 1, answer }).is_ok());
        assert!(matches!(queue.next(4), Work::Sweep(_)));
        assert!(matches!(queue.next(4), Work::Group(commits) if commits.len() == 4));
        assert!(matches!(queue.next(8), Work::Group(commits) if commits.len() == 6));
    }

    #[test]
    fn what_waits_when_the_queue_is_closed_is_still_done() {
        let queue = Queue::default();
        assert!(queue.commit(commit().0).is_ok());
        queue.close();
        assert!(queue.commit(commit().0).is_err());
        assert!(matches!(queue.next(4), Work::Group(_)));
        assert!(matches!(queue.next(4), Work::Close));
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_gone() {
        let queue = Queue::default();
        let (waiting, mut answered) = commit();
        assert!(queue.commit(waiting).is_ok());
        queue.abandon();
        assert_eq!(answered.try_recv(), Err(oneshot::Canceled));
        assert!(queue.commit(commit().0).is_err());
    }
}
