//! A group of commits, decided in memory: which of them hold, and what all of those together change.
//!
//! The rows that the group names are locked and read first; then its commits are gone through in order, each seeing what
//! the earlier ones made. What remains is the difference between what was found and what is to be: one write a row,
//! however many commits of the group wrote it.

use std::collections::BTreeMap;

use records::{UnixTime, Version};
use store::{Becomes, CommitError, Expect, IndexEntry, Kind, Operation, Retention, Space};
use tokio::sync::oneshot;

use crate::migrate::hash;
use crate::read;
use crate::ring::{SLOTS, integer, period, slot_of};

/// One commit and who waits for it.
pub(crate) struct Commit {
    pub(crate) space: Space,
    pub(crate) operations: Vec<Operation>,
    pub(crate) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// Whether a commit's expectations held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is written, in this transaction.
    Written,
    /// It is not, and nothing of it is.
    Conflict,
}

/// A row's name. Ordered as the database orders them: locks are taken in this order by every server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name<'a> {
    pub(crate) space: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) key: &'a str,
}

/// What stands where an operation goes, as the database says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) version: i64,
    /// Long-lived rows: the index entries as text.
    pub(crate) entries: String,
    /// Short-lived rows: which table of the ring.
    pub(crate) slot: usize,
}

/// How many rows there are to lock in place of rows that are not there.
const STRIPES: u64 = 16_384;

/// The rows of one retention that a group names, in order, and what is known of each.
pub(crate) struct Named<'a> {
    names: BTreeMap<Name<'a>, usize>,
}

impl<'a> Named<'a> {
    fn of(operations: impl Iterator<Item = (Name<'a>, bool)>, is_ring: bool) -> Self {
        let mut names: BTreeMap<_, _> =
            operations.filter(|(_, ring)| *ring == is_ring).map(|(name, _)| (name, 0)).collect();
        for (position, place) in names.values_mut().enumerate() {
            *place = position;
        }
        Self { names }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The names as three columns.
    pub(crate) fn columns(&self) -> Columns<'a> {
        let mut columns = Columns::default();
        self.names.keys().for_each(|name| columns.push(*name));
        columns
    }
}

/// Names as three columns of a statement.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    pub(crate) spaces: Vec<&'a str>,
    pub(crate) kinds: Vec<&'a str>,
    pub(crate) keys: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, name: Name<'a>) {
        self.spaces.push(name.space);
        self.kinds.push(name.kind);
        self.keys.push(name.key);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// A group of commits and the rows that they name.
pub(crate) struct Group<'a> {
    commits: &'a [Commit],
    pub(crate) records: Named<'a>,
    pub(crate) rings: Named<'a>,
}

fn name<'a>(space: &'a Space, operation: &'a Operation) -> Name<'a> {
    Name { space: space.as_str(), kind: operation.kind.name(), key: operation.key.as_str() }
}

fn is_ring(kind: Kind) -> bool {
    kind.retention() == Retention::Ring
}

impl<'a> Group<'a> {
    pub(crate) fn of(commits: &'a [Commit]) -> Self {
        let operations = || {
            commits.iter().flat_map(|commit| {
                commit
                    .operations
                    .iter()
                    .map(|operation| (name(&commit.space, operation), is_ring(operation.kind)))
            })
        };
        Self { commits, records: Named::of(operations(), false), rings: Named::of(operations(), true) }
    }

    /// What to lock before anything is read, in order: whatever relies on a row not being there, or may make it, and all
    /// short-lived rows, whose name may stand in any table of the ring.
    pub(crate) fn stripes(&self) -> Vec<i32> {
        let mut stripes: Vec<i32> = self
            .commits
            .iter()
            .flat_map(|commit| commit.operations.iter().map(|operation| (&commit.space, operation)))
            .filter(|(_, operation)| {
                is_ring(operation.kind) || !matches!(operation.expect, Expect::Version(_))
            })
            .map(|(space, operation)| stripe(name(space, operation)))
            .collect();
        stripes.sort_unstable();
        stripes.dedup();
        stripes
    }

    /// The most versions that it can use.
    pub(crate) fn puts(&self) -> usize {
        self.commits.iter().map(|commit| commit.operations.len()).sum()
    }

    /// Decides each commit. `records` and `rings` are what was found, in the order of the names.
    pub(crate) fn decide(
        &self,
        records: Vec<Option<Found>>,
        rings: Vec<Option<Found>>,
        versions: &mut Versions,
    ) -> Decided<'a> {
        let mut records = Rows::new(records);
        let mut rings = Rows::new(rings);
        let mut outcomes = Vec::with_capacity(self.commits.len());
        let mut configuration = false;
        for commit in self.commits {
            let places: Vec<(&'a Operation, bool, usize)> = commit
                .operations
                .iter()
                .map(|operation| {
                    let is_ring = is_ring(operation.kind);
                    let names = if is_ring { &self.rings } else { &self.records };
                    let place = names.names.get(&name(&commit.space, operation)).copied();
                    (operation, is_ring, place.unwrap_or(usize::MAX))
                })
                .collect();
            let holds = places.iter().all(|(operation, is_ring, place)| {
                let rows = if *is_ring { &rings } else { &records };
                operation.expect.holds(rows.version(*place))
            });
            if !holds {
                outcomes.push(Outcome::Conflict);
                continue;
            }
            for (operation, is_ring, place) in places {
                let rows = if is_ring { &mut rings } else { &mut records };
                rows.apply(operation, place, versions);
            }
            configuration |= commit.operations.iter().any(Operation::changes_configuration);
            outcomes.push(Outcome::Written);
        }
        let mut writes = Writes { configuration, ..Writes::default() };
        for (name, row) in self.records.names.keys().zip(records.0) {
            writes.record(*name, row);
        }
        for (name, row) in self.rings.names.keys().zip(rings.0) {
            writes.ring(*name, row);
        }
        Decided { outcomes, writes }
    }
}

fn stripe(name: Name<'_>) -> i32 {
    let bytes = [name.space, "\0", name.kind, "\0", name.key];
    let hash = hash(bytes.iter().flat_map(|part| part.bytes()));
    i32::try_from((hash ^ (hash >> 32)) % STRIPES).unwrap_or_default()
}

/// What was found of a row, and what is to be.
struct Row<'a> {
    found: Option<Found>,
    now: Now<'a>,
}

enum Now<'a> {
    AsFound,
    Gone,
    Put(Put<'a>),
}

/// A row as it is to be.
struct Put<'a> {
    version: i64,
    body: &'a str,
    entries: String,
    drop_at: Option<UnixTime>,
}

struct Rows<'a>(Vec<Row<'a>>);

impl<'a> Rows<'a> {
    fn new(found: Vec<Option<Found>>) -> Self {
        Self(found.into_iter().map(|found| Row { found, now: Now::AsFound }).collect())
    }

    fn version(&self, place: usize) -> Option<Version> {
        let row = self.0.get(place)?;
        let version = match &row.now {
            Now::AsFound => row.found.as_ref().map(|found| found.version),
            Now::Gone => None,
            Now::Put(put) => Some(put.version),
        };
        version.map(read::version)
    }

    fn apply(&mut self, operation: &'a Operation, place: usize, versions: &mut Versions) {
        let Some(row) = self.0.get_mut(place) else { return };
        match &operation.becomes {
            Becomes::Keep => {}
            Becomes::Delete => row.now = Now::Gone,
            Becomes::Put { body, index, drop_at } => {
                let (entries, drop_at) = (entries_text(index), *drop_at);
                row.now = Now::Put(Put { version: versions.take(), body, entries, drop_at });
            }
        }
    }
}

/// Index entries as sorted lines `NAME=VALUE`: names are words of ours, and values are escaped as keys are, so neither
/// has a line break or, the name, an equals sign.
fn entries_text(index: &[IndexEntry]) -> String {
    let mut lines: Vec<String> =
        index.iter().map(|entry| format!("{}={}", entry.name, entry.value.as_str())).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join("\n")
}

/// What was decided.
pub(crate) struct Decided<'a> {
    /// One for each commit.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) writes: Writes<'a>,
}

/// What a group changes, as columns of statements.
#[derive(Default)]
pub(crate) struct Writes<'a> {
    pub(crate) update: Records<'a>,
    pub(crate) insert: Records<'a>,
    pub(crate) delete: Columns<'a>,
    pub(crate) delete_entries: Entries<'a>,
    pub(crate) insert_entries: Entries<'a>,
    pub(crate) rings: [RingWrites<'a>; SLOTS],
    pub(crate) configuration: bool,
}

/// Long-lived rows as columns.
#[derive(Default)]
pub(crate) struct Records<'a> {
    pub(crate) names: Columns<'a>,
    pub(crate) versions: Vec<i64>,
    pub(crate) bodies: Vec<&'a str>,
    pub(crate) entries: Vec<String>,
    pub(crate) drop_at: Vec<Option<i64>>,
}

/// Index entries as columns.
#[derive(Default)]
pub(crate) struct Entries<'a> {
    pub(crate) rows: Columns<'a>,
    pub(crate) names: Vec<String>,
    pub(crate) values: Vec<String>,
}

/// What changes in one table of the ring.
#[derive(Default)]
pub(crate) struct RingWrites<'a> {
    pub(crate) names: Columns<'a>,
    pub(crate) versions: Vec<i64>,
    pub(crate) bodies: Vec<&'a str>,
    pub(crate) drop_at: Vec<i64>,
    /// The latest period of these rows.
    pub(crate) last_period: Option<i64>,
    pub(crate) delete: Columns<'a>,
}

impl<'a> Entries<'a> {
    fn push(&mut self, row: Name<'a>, line: &str) {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        self.rows.push(row);
        self.names.push(name.to_owned());
        self.values.push(value.to_owned());
    }
}

impl<'a> Writes<'a> {
    fn record(&mut self, name: Name<'a>, row: Row<'a>) {
        let old = row.found.as_ref().map(|found| found.entries.as_str()).unwrap_or_default();
        let put = match row.now {
            Now::AsFound => return,
            Now::Gone => None,
            Now::Put(put) => Some(put),
        };
        let new = put.as_ref().map(|put| put.entries.as_str()).unwrap_or_default();
        for line in old.lines().filter(|line| !new.lines().any(|other| other == *line)) {
            self.delete_entries.push(name, line);
        }
        for line in new.lines().filter(|line| !old.lines().any(|other| other == *line)) {
            self.insert_entries.push(name, line);
        }
        match (put, row.found) {
            (None, None) => {}
            (None, Some(_)) => self.delete.push(name),
            (Some(put), found) => {
                let records = if found.is_some() { &mut self.update } else { &mut self.insert };
                records.names.push(name);
                records.versions.push(put.version);
                records.bodies.push(put.body);
                records.entries.push(put.entries);
                records.drop_at.push(put.drop_at.map(|end| integer(end.0)));
            }
        }
    }

    fn ring(&mut self, name: Name<'a>, row: Row<'a>) {
        let slot = match &row.now {
            Now::AsFound => return,
            Now::Gone => None,
            // A short-lived row has an end: `Operation::validate`.
            Now::Put(put) => Some(slot_of(put.drop_at.unwrap_or_default())),
        };
        if let Some(found) = row.found
            && slot != Some(found.slot)
            && let Some(writes) = self.rings.get_mut(found.slot)
        {
            writes.delete.push(name);
        }
        let (Some(slot), Now::Put(put)) = (slot, row.now) else { return };
        let Some(writes) = self.rings.get_mut(slot) else { return };
        let end = put.drop_at.unwrap_or_default();
        writes.names.push(name);
        writes.versions.push(put.version);
        writes.bodies.push(put.body);
        writes.drop_at.push(integer(end.0));
        writes.last_period = writes.last_period.max(Some(period(end)));
    }
}

/// Hands out versions that were reserved for this process, in a transaction of their own: none is ever handed out twice.
#[derive(Default)]
pub(crate) struct Versions {
    next: i64,
    end: i64,
}

impl Versions {
    /// How many a process reserves at a time. Those that it does not use are never used.
    const BLOCK: i64 = 65_536;

    /// How many must be reserved so that so many can be handed out; `None`: there are enough.
    pub(crate) fn missing(&self, count: usize) -> Option<i64> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        (self.end - self.next < count).then(|| Self::BLOCK.saturating_add(count))
    }

    /// So many, up to this one, were reserved.
    pub(crate) fn reserved(&mut self, block: i64, end: i64) {
        *self = Self { next: end.saturating_sub(block), end };
    }

    fn take(&mut self) -> i64 {
        let version = self.next;
        self.next = version.saturating_add(1);
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::{TenantId, Version};
    use store::Key;

    fn commit(operations: Vec<Operation>) -> Commit {
        let space = Space::Tenant(TenantId::parse("acme").unwrap());
        Commit { space, operations, answer: oneshot::channel().0 }
    }

    fn put(kind: Kind, name: &str, expect: Expect, index: &[&str]) -> Operation {
        let drop_at = (kind.retention() == Retention::Ring).then_some(UnixTime(3600));
        let index = index.iter().map(|value| IndexEntry::of("colour", &[value])).collect();
        let becomes = Becomes::Put { body: format!("{name} {expect:?}"), index, drop_at };
        Operation { kind, key: Key::of(&[name]), expect, becomes }
    }

    fn delete(kind: Kind, name: &str, expect: Expect) -> Operation {
        Operation { becomes: Becomes::Delete, ..put(kind, name, expect, &[]) }
    }

    fn versions() -> Versions {
        let mut versions = Versions::default();
        versions.reserved(100, 200);
        versions
    }

    fn found(version: i64, entries: &str) -> Option<Found> {
        Some(Found { version, entries: entries.to_owned(), slot: 0 })
    }

    #[test]
    fn a_commit_of_the_group_sees_what_the_earlier_ones_made() {
        let session = Kind::Session;
        let commits = [
            commit(vec![put(session, "a", Expect::Absent, &[])]),
            commit(vec![put(session, "a", Expect::Absent, &[])]),
            commit(vec![put(session, "a", Expect::Version(Version(100)), &[])]),
            commit(vec![delete(session, "a", Expect::Version(Version(100)))]),
            commit(vec![delete(session, "a", Expect::Version(Version(101)))]),
            commit(vec![put(session, "a", Expect::Absent, &[])]),
        ];
        let group = Group::of(&commits);
        let decided = group.decide(vec![None], vec![], &mut versions());
        use Outcome::{Conflict, Written};
        assert_eq!(decided.outcomes, [Written, Conflict, Written, Conflict, Written, Written]);
        assert_eq!(decided.writes.insert.versions, [102], "one write a row: what it ends as");
        assert!(decided.writes.update.versions.is_empty() && decided.writes.delete.is_empty());
    }

    #[test]
    fn what_conflicts_leaves_nothing_of_itself_and_the_rest_of_the_group_stands() {
        let commits = [
            commit(vec![
                put(Kind::Session, "new", Expect::Absent, &["red"]),
                put(Kind::Client, "there", Expect::Absent, &[]),
            ]),
            commit(vec![put(Kind::Session, "other", Expect::Absent, &[])]),
        ];
        let group = Group::of(&commits);
        // In the order of names: client there, session new, session other.
        let decided = group.decide(vec![found(5, ""), None, None], vec![], &mut versions());
        assert_eq!(decided.outcomes, [Outcome::Conflict, Outcome::Written]);
        assert_eq!(decided.writes.insert.names.keys, ["other"]);
        assert!(decided.writes.insert_entries.names.is_empty());
        assert!(!decided.writes.configuration, "configuration that was not written does not show");
    }

    #[test]
    fn only_entries_that_differ_are_touched() {
        let commits = [commit(vec![put(Kind::Session, "a", Expect::Version(Version(7)), &["blue", "red"])])];
        let group = Group::of(&commits);
        let decided = group.decide(vec![found(7, "colour=green\ncolour=red")], vec![], &mut versions());
        assert_eq!(decided.writes.delete_entries.values, ["green"]);
        assert_eq!(decided.writes.insert_entries.values, ["blue"]);
        assert_eq!(decided.writes.update.entries, ["colour=blue\ncolour=red"]);
    }

    #[test]
    fn a_short_lived_row_that_moves_leaves_its_old_table() {
        let commits = [commit(vec![put(Kind::SeenJti, "a", Expect::Version(Version(7)), &[])])];
        let group = Group::of(&commits);
        let decided = group.decide(vec![], vec![found(7, "")], &mut versions());
        let [zero, one, ..] = &decided.writes.rings;
        assert_eq!(
            (zero.delete.keys.as_slice(), one.names.keys.as_slice()),
            (["a"].as_slice(), ["a"].as_slice())
        );
        assert_eq!(one.last_period, Some(1));
    }

    #[test]
    fn whatever_may_make_a_row_or_relies_on_its_absence_locks_its_stripe() {
        let stripes = |operation: Operation| Group::of(&[commit(vec![operation])]).stripes().len();
        assert_eq!(stripes(put(Kind::Session, "a", Expect::Absent, &[])), 1);
        assert_eq!(stripes(put(Kind::Session, "a", Expect::Covered, &[])), 1);
        let keep = Operation { becomes: Becomes::Keep, ..put(Kind::Session, "a", Expect::Absent, &[]) };
        assert_eq!(stripes(keep), 1);
        assert_eq!(stripes(put(Kind::Session, "a", Expect::Version(Version(1)), &[])), 0);
        assert_eq!(stripes(put(Kind::SeenJti, "a", Expect::Version(Version(1)), &[])), 1);
        let all: Vec<Operation> = (0..1000)
            .map(|number| put(Kind::Session, &format!("{number:032}"), Expect::Absent, &[]))
            .collect();
        let commits = [commit(all)];
        assert!(Group::of(&commits).stripes().len() > 940, "names spread over the stripes");
    }
}
