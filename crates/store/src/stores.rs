//! The stores of all tenants on one backend: its sealer, its cache, its root secret (threat DA-02).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use records::{TenantId, UnixTime, Versioned};
use zeroize::Zeroizing;

use crate::cache::{Absent, Cache, Id};
use crate::seal::{self, Sealer, SealingKeys};
use crate::stored::{self, RootSecret, Stored};
use crate::{
    Backend, Becomes, CommitError, Directory, Freshness, IndexEntry, Key, Kind, Operation, Space, Store,
    Unavailable, crypto, root,
};

/// How many configuration records are kept parsed.
const CACHED: usize = 65_536;
/// How many people and what they allowed, each a row, are remembered ([`Freshness::Remembered`]): about 2 KB each.
const REMEMBERED: usize = 4_096;
/// The longest body that is remembered, in bytes: so that so many rows have a bound in memory.
const REMEMBERED_BYTES: usize = 8_192;
/// Who was not asked for since the last time but one that so many seconds passed is forgotten: what another process removed
/// does not stay in memory.
const FORGET_EVERY: u64 = 300;

/// A backend with everything that belongs to all of its tenants. Clones share it.
#[derive(Clone)]
pub struct Stores<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    backend: B,
    sealer: Sealer,
    cache: Cache,
    people: Cache,
    /// When people were last forgotten, in seconds since 1970.
    forgot: AtomicU64,
    root: RootSecret,
    /// Keys that were offered and cannot be used, so that they are complained of once.
    refused: Mutex<Option<Arc<SealingKeys>>>,
}

impl<B> fmt::Debug for Stores<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}

/// Why stores cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The key-encryption key is not the one that this database's secrets are sealed under.
    WrongSealingKey {
        /// What is wrong with it, as the end of a sentence that starts with the root secret.
        why: String,
    },
    /// Rows may be sealed under keys of these names, which are not at hand.
    MissingSealingKey {
        /// The names.
        names: Vec<String>,
    },
    /// The operating system gives no randomness.
    NoRandomness,
    /// The storage failed.
    Unavailable(Unavailable),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongSealingKey { why } => write!(
                f,
                "the key-encryption key is not this database's: its root secret {why}. \
                 Start with the key that sealed it, beside a newer one if there is one"
            ),
            Self::MissingSealingKey { names } => write!(
                f,
                "rows of this database may be sealed under the key-encryption key {}, which is not at hand: add it \
                 behind the current one, until everything is sealed again",
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            ),
            Self::NoRandomness => f.write_str("the operating system gives no random bytes"),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Unavailable> for OpenError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl<B: Backend> Stores<B> {
    /// Opens the stores. The first time makes the root secret, sealed; later times open it, and so show that the
    /// key-encryption key is the right one before anything else is read or written.
    ///
    /// # Errors
    ///
    /// [`OpenError::WrongSealingKey`] where it is not; [`OpenError::MissingSealingKey`] where an older one is needed too.
    pub async fn open(backend: B, sealer: Sealer) -> Result<Self, OpenError> {
        let root = root::with_keys(&backend, &sealer).await?;
        Ok(Self::with_root(backend, sealer, root))
    }

    /// Opens the stores though rows may be sealed under keys that are not at hand, for whoever looks into just that.
    ///
    /// # Errors
    ///
    /// [`OpenError::WrongSealingKey`] where the root secret does not open.
    pub async fn open_without_some_keys(backend: B, sealer: Sealer) -> Result<Self, OpenError> {
        let root = root::found_or_made(&backend, &sealer).await?.record;
        Ok(Self::with_root(backend, sealer, root))
    }

    fn with_root(backend: B, sealer: Sealer, root: RootSecret) -> Self {
        let (cache, people) = (Cache::new(CACHED), Cache::new(REMEMBERED));
        let (forgot, refused) = (AtomicU64::default(), Mutex::default());
        Self { shared: Arc::new(Shared { backend, sealer, cache, people, forgot, root, refused }) }
    }

    /// One tenant's store. Does not ask whether there is such a tenant: [`Directory::tenant`] does.
    pub fn tenant(&self, tenant: &TenantId) -> Store<B> {
        Store::new(self.clone(), Space::Tenant(tenant.clone()))
    }

    /// The server's own store: which tenants there are, and where.
    pub fn directory(&self) -> Directory<B> {
        Directory::new(self.clone())
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.shared.backend
    }

    /// A key for the use that `label` names, derived from the root secret: the same as long as the database lives,
    /// also when the key-encryption key is replaced (RFC 5869).
    ///
    /// # Errors
    ///
    /// Where the cryptographic backend fails, which for these lengths it does not.
    pub fn derive(&self, label: &str) -> Result<Zeroizing<[u8; 32]>, Unavailable> {
        seal::derive(&self.shared.root.secret, label)
            .map_err(|crypto::Failed| Unavailable::Backend("key derivation failed".to_owned()))
    }

    /// Asks the backend whether configuration was written, and if so forgets what is cached; and the source of the
    /// key-encryption keys whether they are others now. Call it from a timer: its period is how long another process's
    /// changes may stay unseen. Call it also when [`Stores::refresh_hint`] comes. Returns whether anything was forgotten.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be asked; what is cached stays in use. Once for new keys that do not open this
    /// database; those before stay in use.
    pub async fn refresh(&self) -> Result<bool, Unavailable> {
        let version = self.shared.backend.configuration_version().await?;
        let forgotten = self.shared.cache.refresh(version);
        self.renew_sealing_keys().await?;
        Ok(forgotten)
    }

    /// The keys that seal now and open.
    pub fn sealing_keys(&self) -> Arc<SealingKeys> {
        self.sealer().keys()
    }

    /// Notes the current key again where there are several: another server that thought itself the last to use an
    /// older one may have struck it off.
    async fn renew_sealing_keys(&self) -> Result<(), Unavailable> {
        let sealer = match self.sealer().offered() {
            Some(offered) => Sealer::new(offered),
            None if self.sealing_keys().names().count() > 1 => self.sealer().clone(),
            None => return Ok(()),
        };
        let keys = sealer.keys();
        match root::with_keys(self.backend(), &sealer).await {
            Ok(_) => {
                self.sealer().adopt(keys);
                *self.refused() = None;
                Ok(())
            }
            Err(OpenError::Unavailable(unavailable)) => Err(unavailable),
            Err(error) => {
                let is_news = self.refused().replace(Arc::clone(&keys)) != Some(keys);
                let why = format!("the key-encryption keys as they are now are not used: {error}");
                if is_news { Err(Unavailable::Backend(why)) } else { Ok(()) }
            }
        }
    }

    fn refused(&self) -> MutexGuard<'_, Option<Arc<SealingKeys>>> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a [`Stores::refresh`] may find something, as [`Backend::configuration_hint`]. It may never come: the
    /// timer is what is relied on.
    pub async fn refresh_hint(&self) {
        self.shared.backend.configuration_hint().await;
    }

    /// A number that changes whenever configuration was written, as [`Backend::configuration_version`].
    ///
    /// # Errors
    ///
    /// Where the backend cannot be asked.
    pub async fn configuration_version(&self) -> Result<u64, Unavailable> {
        self.shared.backend.configuration_version().await
    }

    /// Lets expired rows leave, as [`Backend::sweep`] does. Call it from a timer, again while it returns more than 0.
    ///
    /// # Errors
    ///
    /// Where the backend failed; the rest leaves next time.
    pub async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        let forgot = self.shared.forgot.load(Ordering::Relaxed);
        if now.0.abs_diff(forgot) >= FORGET_EVERY {
            self.shared.forgot.store(now.0, Ordering::Relaxed);
            self.people().age();
        }
        self.shared.backend.sweep(now, at_most).await
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.shared.sealer
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.shared.cache
    }

    /// People and what they allowed, as they were last read. Not told of other processes' changes.
    fn people(&self) -> &Cache {
        &self.shared.people
    }

    /// A record of a kind that is remembered, as new as is asked for.
    pub(crate) async fn as_of<T: Stored + Send + Sync + 'static>(
        &self,
        space: &Space,
        key: Key,
        freshness: Freshness,
    ) -> Result<Option<Arc<Versioned<T>>>, Unavailable> {
        let id = self.people().id(space, T::KIND, key);
        if freshness == Freshness::Remembered
            && let Some(found) = self.people().find(&id)
        {
            return Ok(Some(found));
        }
        self.load(self.people(), space, id).await
    }

    /// A record, from the cache if it is there.
    pub(crate) async fn cached<T: Stored + Send + Sync + 'static>(
        &self,
        space: &Space,
        key: Key,
    ) -> Result<Option<Arc<Versioned<T>>>, Unavailable> {
        let id = self.cache().id(space, T::KIND, key);
        if let Some(found) = self.cache().find(&id) {
            return Ok(Some(found));
        }
        self.load(self.cache(), space, id).await
    }

    /// A record, or its absence, from the cache if either is there. For rows whose key names other configuration that the
    /// caller found: most pairs of an application and an API have no such row, and every token would ask for it.
    pub(crate) async fn cached_or_absent<T: Stored + Send + Sync + 'static>(
        &self,
        space: &Space,
        key: Key,
    ) -> Result<Option<Arc<Versioned<T>>>, Unavailable> {
        let id = self.cache().id(space, T::KIND, key);
        if let Some(found) = self.cache().find(&id) {
            return Ok(Some(found));
        }
        if self.cache().find::<Absent>(&id).is_some() {
            return Ok(None);
        }
        let epoch = self.cache().epoch(&id);
        let loaded = self.load(self.cache(), space, id.clone()).await?;
        if loaded.is_none() {
            self.cache().fill(id, epoch, Arc::new(Absent));
        }
        Ok(loaded)
    }

    /// A record as the backend has it now. Not parsed again if the cache holds this very version.
    pub(crate) async fn load<T: Stored + Send + Sync + 'static>(
        &self,
        cache: &Cache,
        space: &Space,
        id: Id,
    ) -> Result<Option<Arc<Versioned<T>>>, Unavailable> {
        let mut epoch = cache.epoch(&id);
        let row = self.backend().get(space, T::KIND, id.key()).await?;
        let held = cache.find::<Versioned<T>>(&id);
        let Some(row) = row else {
            if held.is_some() {
                cache.invalidate(&id);
            }
            return Ok(None);
        };
        if let Some(held) = held {
            if held.version == row.version {
                return Ok(Some(held));
            }
            // One of the two is out of date, and which is not known: neither stays.
            cache.invalidate(&id);
            epoch = crate::cache::Epoch::NEVER;
        }
        if T::KIND.is_remembered() && row.body.len() > REMEMBERED_BYTES {
            epoch = crate::cache::Epoch::NEVER;
        }
        let record: Arc<Versioned<T>> = Arc::new(stored::read(self.sealer(), space, row)?);
        cache.fill(id, epoch, Arc::clone(&record));
        Ok(Some(record))
    }

    /// Records in the order of their keys, past the cache.
    pub(crate) async fn page<T: Stored>(
        &self,
        space: &Space,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Versioned<T>>, Unavailable> {
        let rows = self.backend().page(space, T::KIND, filter, after, at_most).await?;
        rows.into_iter().map(|row| stored::read(self.sealer(), space, row)).collect()
    }

    /// Commits, and forgets every row that was named, however it ended: a conflict means that something here is out
    /// of date, and a failure may have been a success.
    pub(crate) async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        let named: Vec<Id> = operations
            .iter()
            .filter(|operation| operation.kind.is_configuration())
            .flat_map(|operation| self.ids(space, operation))
            .collect();
        let people: Vec<Id> = operations
            .iter()
            .filter(|operation| operation.kind.is_remembered() && operation.becomes != Becomes::Keep)
            .map(|operation| self.people().id(space, operation.kind, operation.key.clone()))
            .collect();
        let outcome = self.backend().commit(space, operations).await;
        for id in &named {
            self.cache().invalidate(id);
        }
        for id in &people {
            self.people().invalidate(id);
        }
        outcome
    }

    fn ids(&self, space: &Space, operation: &Operation) -> impl Iterator<Item = Id> {
        let row = self.cache().id(space, operation.kind, operation.key.clone());
        let list = (operation.kind == Kind::SigningKey).then(|| self.signing_keys_id(space));
        std::iter::once(row).chain(list)
    }

    /// The entry of a tenant's signing keys, which are cached as one.
    pub(crate) fn signing_keys_id(&self, space: &Space) -> Id {
        self.cache().id(space, Kind::SigningKey, Key::of(&["", "all"]))
    }
}
