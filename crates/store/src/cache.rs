//! A bounded cache of configuration records: read through, invalidated exactly by own commits, flushed for others'.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Key, Kind, Space};

const SHARDS: usize = 16;

/// That there is no such row. Remembered only of keys that name configuration which is there: asking for many unknown
/// ones fills nothing.
pub(crate) struct Absent;

/// Parsed records by row.
pub(crate) struct Cache {
    hashing: RandomState,
    shards: [RwLock<Shard>; SHARDS],
    /// The most entries of a generation of a shard.
    generation: usize,
    /// The configuration version as of which nothing here is stale.
    seen: AtomicU64,
    has_seen: AtomicBool,
}

/// Two generations: a full young one becomes the old one, and what is asked for again becomes young again.
#[derive(Default)]
struct Shard {
    young: Generation,
    old: Generation,
    /// Advances with each invalidation, so that a record that was read before it cannot be filled in after it.
    epoch: u64,
}

type Generation = HashMap<Id, Cached, Prehashed>;

/// A record of whichever type its kind has.
type Cached = Arc<dyn Any + Send + Sync>;

/// Whose row: hashed once, under the cache's own key.
#[derive(Clone)]
pub(crate) struct Id {
    hash: u64,
    space: Space,
    kind: Kind,
    key: Key,
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.kind == other.kind
            && self.key == other.key
            && self.space == other.space
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Passes on the hash that an [`Id`] carries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Prehashed(u64);

impl BuildHasher for Prehashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// When a read began: what [`Cache::fill`] needs to know whether the record may be out of date by now.
#[derive(Clone, Copy)]
pub(crate) struct Epoch(u64);

impl Epoch {
    /// Fills nothing.
    pub(crate) const NEVER: Self = Self(u64::MAX);
}

impl Id {
    /// The row's key.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }
}

impl Cache {
    /// A cache of at most about this many records.
    pub(crate) fn new(at_most: usize) -> Self {
        Self {
            hashing: RandomState::new(),
            shards: std::array::from_fn(|_| RwLock::default()),
            generation: (at_most / SHARDS / 2).max(1),
            seen: AtomicU64::new(0),
            has_seen: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self, space: &Space, kind: Kind, key: Key) -> Id {
        let hash = self.hashing.hash_one((space.as_str(), kind as u8, key.as_str()));
        Id { hash, space: space.clone(), kind, key }
    }

    /// The record, if it is here.
    pub(crate) fn find<T: Send + Sync + 'static>(&self, id: &Id) -> Option<Arc<T>> {
        let shard = read(self.shard(id));
        if let Some(cached) = shard.young.get(id) {
            return Arc::clone(cached).downcast().ok();
        }
        let cached = Arc::clone(shard.old.get(id)?);
        let epoch = shard.epoch;
        drop(shard);
        self.insert(id.clone(), epoch, Arc::clone(&cached));
        cached.downcast().ok()
    }

    /// To be taken before the backend is asked.
    pub(crate) fn epoch(&self, id: &Id) -> Epoch {
        Epoch(read(self.shard(id)).epoch)
    }

    /// Remembers what was read since `epoch`, unless something was invalidated meanwhile.
    pub(crate) fn fill<T: Send + Sync + 'static>(&self, id: Id, epoch: Epoch, record: Arc<T>) {
        self.insert(id, epoch.0, record);
    }

    /// Forgets a record, and keeps reads that are under way from filling it in.
    pub(crate) fn invalidate(&self, id: &Id) {
        let mut shard = write(self.shard(id));
        shard.epoch += 1;
        shard.young.remove(id);
        shard.old.remove(id);
    }

    /// Forgets what was not asked for since the last call but one.
    pub(crate) fn age(&self) {
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.old = std::mem::take(&mut shard.young);
        }
    }

    /// Notes the backend's configuration version. Where it is not the one of last time, forgets everything.
    ///
    /// Own commits change it too: they cost one reload of what is in use, and in return a commit whose answer never
    /// arrived is noticed like anybody else's.
    pub(crate) fn refresh(&self, version: u64) -> bool {
        // In this order: whoever sees the new number finds the old records gone.
        let is_new = !self.has_seen.load(Ordering::Acquire) || self.seen.load(Ordering::Acquire) != version;
        if is_new {
            for shard in &self.shards {
                let mut shard = write(shard);
                shard.epoch += 1;
                shard.young.clear();
                shard.old.clear();
            }
            self.seen.store(version, Ordering::Release);
            self.has_seen.store(true, Ordering::Release);
        }
        is_new
    }

    fn insert(&self, id: Id, epoch: u64, record: Cached) {
        let mut shard = write(self.shard(&id));
        if shard.epoch != epoch {
            return;
        }
        if shard.young.len() >= self.generation && !shard.young.contains_key(&id) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.old.remove(&id);
        shard.young.insert(id, record);
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the array's length")]
    fn shard(&self, id: &Id) -> &RwLock<Shard> {
        // The maps take the low and the topmost bits.
        &self.shards[(id.hash >> 32) as usize % SHARDS]
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(read).map(|shard| shard.young.len() + shard.old.len()).sum()
    }
}

// A panic while a shard was held cannot have left it half-written: no operation above unwinds between two writes.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(cache: &Cache, name: &str) -> Id {
        cache.id(&Space::Directory, Kind::Client, Key::of(&[name]))
    }

    #[test]
    fn what_was_filled_is_found_until_it_is_invalidated() {
        let cache = Cache::new(1000);
        let a = id(&cache, "a");
        assert_eq!(cache.find::<u8>(&a), None);
        cache.fill(a.clone(), cache.epoch(&a), Arc::new(7u8));
        assert_eq!(cache.find::<u8>(&a).as_deref(), Some(&7));
        assert_eq!(cache.find::<u16>(&a), None, "another type is not that record");
        cache.invalidate(&a);
        assert_eq!(cache.find::<u8>(&a), None);
    }

    #[test]
    fn a_record_read_before_an_invalidation_is_not_filled_in_after_it() {
        let cache = Cache::new(1000);
        let a = id(&cache, "a");
        let epoch = cache.epoch(&a);
        cache.invalidate(&a);
        cache.fill(a.clone(), epoch, Arc::new(7u8));
        assert_eq!(cache.find::<u8>(&a), None);

        let epoch = cache.epoch(&a);
        assert!(cache.refresh(9));
        cache.fill(a.clone(), epoch, Arc::new(7u8));
        assert_eq!(cache.find::<u8>(&a), None);
    }

    #[test]
    fn a_refresh_forgets_everything_when_the_version_is_another_one_and_nothing_otherwise() {
        let cache = Cache::new(1000);
        assert!(cache.refresh(0), "the first one: what was filled before may be older");
        let a = id(&cache, "a");
        cache.fill(a.clone(), cache.epoch(&a), Arc::new(7u8));
        assert!(!cache.refresh(0));
        assert!(cache.find::<u8>(&a).is_some());
        assert!(cache.refresh(5));
        assert!(cache.find::<u8>(&a).is_none());
        cache.fill(a.clone(), cache.epoch(&a), Arc::new(7u8));
        assert!(cache.refresh(3), "a restored database may count from an earlier number");
        assert!(cache.find::<u8>(&a).is_none());
    }

    #[test]
    fn the_cache_stays_bounded_and_keeps_what_is_asked_for() {
        let cache = Cache::new(320);
        let kept = id(&cache, "kept");
        cache.fill(kept.clone(), cache.epoch(&kept), Arc::new(0usize));
        for number in 0..10_000usize {
            let other = id(&cache, &number.to_string());
            cache.fill(other.clone(), cache.epoch(&other), Arc::new(number));
            assert!(cache.find::<usize>(&kept).is_some(), "after {number} others");
        }
        assert!(cache.len() <= 320, "{} entries", cache.len());
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_with_age_and_what_somebody_does_is_not() {
        let cache = Cache::new(1000);
        let (idle, asked) = (id(&cache, "idle"), id(&cache, "asked"));
        for id in [&idle, &asked] {
            cache.fill(id.clone(), cache.epoch(id), Arc::new(7u8));
        }
        cache.age();
        assert!(cache.find::<u8>(&asked).is_some());
        cache.age();
        assert!(cache.find::<u8>(&idle).is_none());
        assert!(cache.find::<u8>(&asked).is_some());
    }

    #[test]
    fn spaces_and_kinds_do_not_share_entries() {
        let cache = Cache::new(1000);
        let key = Key::of(&["a"]);
        let here = cache.id(&Space::Directory, Kind::Client, key.clone());
        cache.fill(here.clone(), cache.epoch(&here), Arc::new(7u8));
        let tenant = Space::Tenant(records::TenantId::parse("a").unwrap());
        assert!(cache.find::<u8>(&cache.id(&tenant, Kind::Client, key.clone())).is_none());
        assert!(cache.find::<u8>(&cache.id(&Space::Directory, Kind::Tenant, key)).is_none());
    }
}
