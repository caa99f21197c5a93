//! Laws that every backend obeys, as functions that its own tests run.
//!
//! Each law takes a fresh and empty backend and panics with a sentence where it is broken; [`all`] runs every one.
//! What a law does at once it gives to a `spawn` of the caller's, so that laws need no runtime of their own: give it
//! one that runs tasks in parallel.

mod conditions;
mod ends;
mod pages;
mod races;

pub use conditions::{
    a_commit_is_all_or_nothing, an_absent_row_can_be_made_once, configuration_version_follows_configuration,
    covered_rows_are_written_whatever_they_are, ill_formed_commits_are_refused,
    keep_checks_and_writes_nothing, odd_keys_and_large_bodies_come_back_unchanged, reads_see_writes,
    spaces_do_not_see_each_other, versions_guard_changes, versions_never_repeat,
};
pub use ends::{
    kept_rows_stay, long_lived_rows_leave_in_bounded_slices, renewed_rows_stay_until_their_new_end,
    short_lived_rows_stay_until_their_end, short_lived_rows_survive_later_ones,
};
pub use pages::{
    entries_are_found_or_refused_however_long, filtered_pages_follow_the_index,
    pages_are_ordered_and_bounded, pages_do_not_skip_what_was_there, short_lived_kinds_have_no_pages,
};
pub use races::{
    many_rotations_of_one_row_happen_one_by_one, one_of_many_claims_succeeds, swaps_lose_nothing,
};

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use records::{TenantId, UnixTime, Version};

use crate::{Backend, Becomes, CommitError, Expect, IndexEntry, Key, Kind, Operation, Row, Space};

/// What a law has carried out beside itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs every law, each on a backend of its own.
///
/// # Panics
///
/// Where a law is broken.
pub async fn all<B, M, F, S>(make: M, spawn: S)
where
    B: Backend,
    M: Fn() -> F,
    F: Future<Output = B>,
    S: Fn(Task),
{
    reads_see_writes(make().await).await;
    an_absent_row_can_be_made_once(make().await).await;
    versions_guard_changes(make().await).await;
    versions_never_repeat(make().await).await;
    covered_rows_are_written_whatever_they_are(make().await).await;
    keep_checks_and_writes_nothing(make().await).await;
    a_commit_is_all_or_nothing(make().await).await;
    ill_formed_commits_are_refused(make().await).await;
    spaces_do_not_see_each_other(make().await).await;
    odd_keys_and_large_bodies_come_back_unchanged(make().await).await;
    configuration_version_follows_configuration(make().await).await;
    pages_are_ordered_and_bounded(make().await).await;
    pages_do_not_skip_what_was_there(make().await).await;
    filtered_pages_follow_the_index(make().await).await;
    entries_are_found_or_refused_however_long(make().await).await;
    short_lived_kinds_have_no_pages(make().await).await;
    kept_rows_stay(make().await).await;
    long_lived_rows_leave_in_bounded_slices(make().await).await;
    renewed_rows_stay_until_their_new_end(make().await).await;
    short_lived_rows_stay_until_their_end(make().await).await;
    short_lived_rows_survive_later_ones(make().await).await;
    one_of_many_claims_succeeds(make().await, &spawn).await;
    many_rotations_of_one_row_happen_one_by_one(make().await, &spawn).await;
    swaps_lose_nothing(make().await, &spawn).await;
}

/// Runs tasks beside each other and waits for all of them.
async fn race<T: Send + 'static>(
    spawn: &impl Fn(Task),
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let finish =
        Arc::new(Finish { state: Mutex::new(Waiting { left: 0, results: Vec::new(), waker: None }) });
    let tasks: Vec<_> = tasks.into_iter().collect();
    let count = tasks.len();
    finish.with(|waiting| waiting.left = count);
    for task in tasks {
        // Made before the task runs, so that one that panics, or is never run, is noticed too.
        let runner = Runner(Arc::clone(&finish));
        spawn(Box::pin(async move {
            let result = task.await;
            runner.0.with(|waiting| waiting.results.push(result));
            drop(runner);
        }));
    }
    let results = std::future::poll_fn(|context| {
        finish.with(|waiting| {
            if waiting.left == 0 {
                return Poll::Ready(std::mem::take(&mut waiting.results));
            }
            waiting.waker = Some(context.waker().clone());
            Poll::Pending
        })
    })
    .await;
    law(results.len() == count, "every task finishes");
    results
}

struct Finish<T> {
    state: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    left: usize,
    results: Vec<T>,
    waker: Option<Waker>,
}

impl<T> Finish<T> {
    fn with<R>(&self, change: impl FnOnce(&mut Waiting<T>) -> R) -> R {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Runner<T>(Arc<Finish<T>>);

impl<T> Drop for Runner<T> {
    fn drop(&mut self) {
        let waker = self.0.with(|waiting| {
            waiting.left -= 1;
            if waiting.left == 0 { waiting.waker.take() } else { None }
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[expect(clippy::panic, reason = "a law that is broken fails the test that runs it")]
#[track_caller]
fn law(holds: bool, sentence: &str) {
    if !holds {
        panic!("a law of the store is broken: {sentence}");
    }
}

#[expect(clippy::panic, reason = "a backend that fails fails the test that runs it")]
#[track_caller]
fn works<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("the backend failed: {error}"),
    }
}

/// A long-lived kind that is no configuration.
const LONG: Kind = Kind::Session;
/// A kept kind that is configuration.
const CONFIGURATION: Kind = Kind::Client;
/// A kept kind that is no configuration.
const KEPT: Kind = Kind::RootSecret;
/// A short-lived kind.
const SHORT: Kind = Kind::SeenJti;

fn tenant(name: &str) -> Space {
    Space::Tenant(works(TenantId::parse(name)))
}

fn key(name: &str) -> Key {
    Key::of(&[name])
}

fn body(text: &str) -> String {
    format!("{{\"text\":\"{text}\"}}")
}

/// An operation that is about to be told what it relies on.
fn put(kind: Kind, name: &str, text: &str) -> Operation {
    let drop_at = (kind == SHORT).then_some(UnixTime(u64::from(u32::MAX)));
    Operation {
        kind,
        key: key(name),
        expect: Expect::Absent,
        becomes: Becomes::Put { body: body(text), index: Vec::new(), drop_at },
    }
}

fn delete(kind: Kind, name: &str) -> Operation {
    Operation { kind, key: key(name), expect: Expect::Covered, becomes: Becomes::Delete }
}

impl Operation {
    fn at(mut self, version: Version) -> Self {
        self.expect = Expect::Version(version);
        self
    }

    fn covered(mut self) -> Self {
        self.expect = Expect::Covered;
        self
    }

    fn until(mut self, end: u64) -> Self {
        if let Becomes::Put { drop_at, .. } = &mut self.becomes {
            *drop_at = Some(UnixTime(end));
        }
        self
    }

    fn indexed(mut self, entries: &[(&'static str, &str)]) -> Self {
        if let Becomes::Put { index, .. } = &mut self.becomes {
            *index = entries.iter().map(|(name, value)| IndexEntry::of(name, &[value])).collect();
        }
        self
    }
}

async fn commit(backend: &impl Backend, space: &Space, operations: impl Into<Vec<Operation>>) {
    works(backend.commit(space, operations.into()).await);
}

async fn conflicts(
    backend: &impl Backend,
    space: &Space,
    operations: impl Into<Vec<Operation>>,
    sentence: &str,
) {
    let outcome = backend.commit(space, operations.into()).await;
    law(outcome == Err(CommitError::Conflict), sentence);
}

async fn read(backend: &impl Backend, space: &Space, kind: Kind, name: &str) -> Option<Row> {
    works(backend.get(space, kind, &key(name)).await)
}

async fn version(backend: &impl Backend, space: &Space, kind: Kind, name: &str) -> Version {
    let row = read(backend, space, kind, name).await;
    law(row.is_some(), "a row that was written is there");
    row.map_or(Version(0), |row| row.version)
}

async fn page(
    backend: &impl Backend,
    space: &Space,
    filter: Option<(&'static str, &str)>,
    after: Option<&str>,
    at_most: usize,
) -> Vec<Row> {
    let filter = filter.map(|(name, value)| IndexEntry::of(name, &[value]));
    let after = after.map(key);
    works(backend.page(space, LONG, filter.as_ref(), after.as_ref(), at_most).await)
}

fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}
