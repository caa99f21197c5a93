//! A complete backend in memory: for tests, and for a server that is to forget.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use records::{UnixTime, Version};

use crate::{
    Backend, Becomes, CommitError, IndexEntry, Key, Kind, Operation, Retention, Row, Space, Unavailable,
};

/// Rows in memory, gone when the last clone is dropped. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryBackend(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tables: BTreeMap<(Space, Kind), Table>,
    ends: BTreeSet<(UnixTime, Space, Kind, Key)>,
    last_version: u64,
    configuration_version: u64,
    reads: BTreeMap<Kind, u64>,
}

/// A row and how long it may stay, for whoever asks what there is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldRow {
    /// Whose.
    pub space: Space,
    /// What it is of.
    pub kind: Kind,
    /// Which.
    pub key: Key,
    /// Its version: another one after each change.
    pub version: Version,
    /// From when on it may leave.
    pub drop_at: Option<UnixTime>,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<Key, Held>,
    index: BTreeMap<IndexEntry, BTreeSet<Key>>,
}

struct Held {
    version: Version,
    body: Box<str>,
    index: Vec<IndexEntry>,
    drop_at: Option<UnixTime>,
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryBackend")
    }
}

impl MemoryBackend {
    /// Every row there is, in the order of space, kind and key, short-lived ones too.
    pub fn rows(&self) -> Vec<HeldRow> {
        let state = self.state();
        let rows = state.tables.iter().flat_map(|((space, kind), table)| {
            table.rows.iter().map(|(key, held)| HeldRow {
                space: space.clone(),
                kind: *kind,
                key: key.clone(),
                version: held.version,
                drop_at: held.drop_at,
            })
        });
        rows.collect()
    }

    /// How often rows of each kind were asked for, one by one or by the page.
    pub fn reads(&self) -> BTreeMap<Kind, u64> {
        self.state().reads.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No operation below leaves the state half-written when it unwinds: none of them unwinds.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn holds(&self, space: &Space, operation: &Operation) -> bool {
        let held = self
            .tables
            .get(&(space.clone(), operation.kind))
            .and_then(|table| table.rows.get(&operation.key))
            .map(|held| held.version);
        operation.expect.holds(held)
    }

    fn remove(&mut self, space: &Space, kind: Kind, key: &Key) {
        let Some(table) = self.tables.get_mut(&(space.clone(), kind)) else { return };
        let Some(held) = table.rows.remove(key) else { return };
        for entry in held.index {
            if let Some(keys) = table.index.get_mut(&entry) {
                keys.remove(key);
                if keys.is_empty() {
                    table.index.remove(&entry);
                }
            }
        }
        if let Some(drop_at) = held.drop_at {
            self.ends.remove(&(drop_at, space.clone(), kind, key.clone()));
        }
    }

    fn put(&mut self, space: &Space, kind: Kind, key: Key, held: Held) {
        self.remove(space, kind, &key);
        if let Some(drop_at) = held.drop_at {
            self.ends.insert((drop_at, space.clone(), kind, key.clone()));
        }
        let table = self.tables.entry((space.clone(), kind)).or_default();
        for entry in &held.index {
            table.index.entry(entry.clone()).or_default().insert(key.clone());
        }
        table.rows.insert(key, held);
    }

    fn commit(&mut self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        Operation::validate(&operations)?;
        // Everything is checked before anything is written, so that there is nothing to undo.
        if !operations.iter().all(|operation| self.holds(space, operation)) {
            return Err(CommitError::Conflict);
        }
        if operations.iter().any(Operation::changes_configuration) {
            self.configuration_version += 1;
        }
        for Operation { kind, key, becomes, .. } in operations {
            match becomes {
                Becomes::Put { body, index, drop_at } => {
                    self.last_version += 1;
                    let version = Version(self.last_version);
                    let body = body.into_boxed_str();
                    self.put(space, kind, key, Held { version, body, index, drop_at });
                }
                Becomes::Delete => self.remove(space, kind, &key),
                Becomes::Keep => {}
            }
        }
        Ok(())
    }

    fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Vec<Row> {
        let Some(table) = self.tables.get(&(space.clone(), kind)) else { return Vec::new() };
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let row = |(key, held): (&Key, &Held)| row(key, held);
        match filter {
            None => table.rows.range::<Key, _>(range).take(at_most).map(row).collect(),
            Some(entry) => {
                let Some(keys) = table.index.get(entry) else { return Vec::new() };
                keys.range::<Key, _>(range)
                    .take(at_most)
                    .filter_map(|key| table.rows.get_key_value(key))
                    .map(row)
                    .collect()
            }
        }
    }

    fn sweep(&mut self, now: UnixTime, at_most: usize) -> usize {
        let mut left = 0;
        while left < at_most {
            match self.ends.first() {
                Some((drop_at, space, kind, key)) if *drop_at <= now => {
                    let (space, kind, key) = (space.clone(), *kind, key.clone());
                    self.remove(&space, kind, &key);
                    left += 1;
                }
                _ => break,
            }
        }
        left
    }
}

fn row(key: &Key, held: &Held) -> Row {
    Row { key: key.clone(), version: held.version, body: held.body.to_string() }
}

impl Backend for MemoryBackend {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        let mut state = self.state();
        *state.reads.entry(kind).or_default() += 1;
        let table = state.tables.get(&(space.clone(), kind));
        Ok(table.and_then(|table| table.rows.get_key_value(key)).map(|(key, held)| row(key, held)))
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        if kind.retention() == Retention::Ring {
            return Err(Unavailable::Backend(format!("{} has no pages", kind.name())));
        }
        let mut state = self.state();
        *state.reads.entry(kind).or_default() += 1;
        Ok(state.page(space, kind, filter, after, at_most))
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        self.state().commit(space, operations)
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        Ok(self.state().sweep(now, at_most))
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        Ok(self.state().configuration_version)
    }
}
