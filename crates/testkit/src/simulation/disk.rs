//! What outlives a crash: rows, as `store::laws` wants them kept, that can be copied whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use records::{UnixTime, Version};
use store::{Becomes, CommitError, IndexEntry, Key, Kind, Operation, RING_PERIOD, Retention, Row, Space};

use super::dice::mixed;

/// The rows of every tenant. A copy is a copy of everything, versions included.
#[derive(Clone, Default)]
pub(super) struct Disk {
    tables: BTreeMap<(Space, Kind), Table>,
    ends: BTreeSet<(u64, Space, Kind, Key)>,
    last_version: u64,
    pub(super) configuration_version: u64,
}

#[derive(Clone, Default)]
struct Table {
    rows: BTreeMap<Key, Held>,
    index: BTreeMap<IndexEntry, BTreeSet<Key>>,
}

#[derive(Clone)]
struct Held {
    version: Version,
    body: String,
    index: Vec<IndexEntry>,
    leaves_at: Option<u64>,
}

impl Disk {
    pub(super) fn get(&self, space: &Space, kind: Kind, key: &Key) -> Option<Row> {
        let held = self.tables.get(&(space.clone(), kind))?.rows.get(key)?;
        Some(row(key, held))
    }

    pub(super) fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Vec<Row> {
        let Some(table) = self.tables.get(&(space.clone(), kind)) else { return Vec::new() };
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        match filter {
            None => {
                table.rows.range::<Key, _>(range).take(at_most).map(|(key, held)| row(key, held)).collect()
            }
            Some(entry) => {
                let keys = table.index.get(entry).into_iter().flat_map(|keys| keys.range::<Key, _>(range));
                keys.take(at_most).map(|key| row(key, &table.rows[key])).collect()
            }
        }
    }

    /// Whether everything that the operations rely on holds.
    fn holds(&self, space: &Space, operations: &[Operation]) -> bool {
        operations.iter().all(|operation| {
            let table = self.tables.get(&(space.clone(), operation.kind));
            let version = table.and_then(|table| table.rows.get(&operation.key)).map(|held| held.version);
            operation.expect.holds(version)
        })
    }

    pub(super) fn commit(&mut self, space: &Space, operations: &[Operation]) -> Result<(), CommitError> {
        Operation::validate(operations)?;
        if !self.holds(space, operations) {
            return Err(CommitError::Conflict);
        }
        if operations.iter().any(Operation::changes_configuration) {
            self.configuration_version += 1;
        }
        for Operation { kind, key, becomes, .. } in operations {
            match becomes {
                Becomes::Put { body, index, drop_at } => {
                    self.last_version += 1;
                    let leaves_at = drop_at.map(|end| leaves_at(*kind, key, end));
                    let version = Version(self.last_version);
                    let held = Held { version, body: body.clone(), index: index.clone(), leaves_at };
                    self.put(space, *kind, key.clone(), held);
                }
                Becomes::Delete => self.remove(space, *kind, key),
                Becomes::Keep => {}
            }
        }
        Ok(())
    }

    /// Lets rows leave whose time has come, and says how many.
    pub(super) fn sweep(&mut self, now: UnixTime, at_most: usize) -> usize {
        let mut left = 0;
        while left < at_most {
            match self.ends.first() {
                Some((end, space, kind, key)) if *end <= now.0 => {
                    let (space, kind, key) = (space.clone(), *kind, key.clone());
                    self.remove(&space, kind, &key);
                    left += 1;
                }
                _ => break,
            }
        }
        left
    }

    fn put(&mut self, space: &Space, kind: Kind, key: Key, held: Held) {
        self.remove(space, kind, &key);
        if let Some(end) = held.leaves_at {
            self.ends.insert((end, space.clone(), kind, key.clone()));
        }
        let table = self.tables.entry((space.clone(), kind)).or_default();
        for entry in &held.index {
            table.index.entry(entry.clone()).or_default().insert(key.clone());
        }
        table.rows.insert(key, held);
    }

    fn remove(&mut self, space: &Space, kind: Kind, key: &Key) {
        let Some(table) = self.tables.get_mut(&(space.clone(), kind)) else { return };
        let Some(held) = table.rows.remove(key) else { return };
        for entry in held.index {
            if let Some(keys) = table.index.get_mut(&entry) {
                keys.remove(key);
            }
        }
        if let Some(end) = held.leaves_at {
            self.ends.remove(&(end, space.clone(), kind, key.clone()));
        }
    }
}

/// Short-lived rows may outstay their end, as in a ring of tables: each by a time of its own, so that both a code that is
/// gone and one that is only over are met.
fn leaves_at(kind: Kind, key: &Key, end: UnixTime) -> u64 {
    match kind.retention() {
        Retention::Ring => {
            let hash = key.as_str().bytes().fold(0, |hash, byte| mixed(hash ^ u64::from(byte)));
            end.0.saturating_add(hash % RING_PERIOD)
        }
        Retention::Kept | Retention::Slices => end.0,
    }
}

fn row(key: &Key, held: &Held) -> Row {
    Row { key: key.clone(), version: held.version, body: held.body.clone() }
}
