//! The stores of all tenants on one backend: its sealer, its cache, its root secret (threat DA-02).

use std::fmt;
use std::sync::Arc;

use records::{TenantId, UnixTime, Versioned};
use zeroize::Zeroizing;

use crate::cache::{Cache, Id};
use crate::seal::{self, Sealer};
use crate::stored::{self, RootSecret, Stored};
use crate::{
    Backend, CommitError, Directory, Expect, IndexEntry, Key, Kind, Operation, Space, Store, Unavailable,
    crypto,
};

/// How many configuration records are kept parsed.
const CACHED: usize = 65_536;

/// A backend with everything that belongs to all of its tenants. Clones share it.
#[derive(Clone)]
pub struct Stores<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    backend: B,
    sealer: Sealer,
    cache: Cache,
    root: RootSecret,
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
                 Start with the key that the database was made with"
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
    /// [`OpenError::WrongSealingKey`] where it is not.
    pub async fn open(backend: B, sealer: Sealer) -> Result<Self, OpenError> {
        let root = match load_root(&backend, &sealer).await? {
            Some(root) => root,
            None => make_root(&backend, &sealer).await?,
        };
        Ok(Self { shared: Arc::new(Shared { backend, sealer, cache: Cache::new(CACHED), root }) })
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
        seal::derive(&self.shared.root.0, label)
            .map_err(|crypto::Failed| Unavailable::Backend("key derivation failed".to_owned()))
    }

    /// Asks the backend whether configuration was written, and if so forgets what is cached. Call it from a timer:
    /// its period is how long another process's changes may stay unseen. Call it also when [`Stores::refresh_hint`] comes.
    /// Returns whether anything was forgotten.
    ///
    /// # Errors
    ///
    /// Where the backend cannot be asked; what is cached stays in use.
    pub async fn refresh(&self) -> Result<bool, Unavailable> {
        let version = self.shared.backend.configuration_version().await?;
        Ok(self.shared.cache.refresh(version))
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
        self.shared.backend.sweep(now, at_most).await
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.shared.sealer
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.shared.cache
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
        self.load(space, id).await
    }

    /// A record as the backend has it now. Not parsed again if the cache holds this very version.
    pub(crate) async fn load<T: Stored + Send + Sync + 'static>(
        &self,
        space: &Space,
        id: Id,
    ) -> Result<Option<Arc<Versioned<T>>>, Unavailable> {
        let cache = self.cache();
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
        let outcome = self.backend().commit(space, operations).await;
        for id in &named {
            self.cache().invalidate(id);
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

async fn load_root<B: Backend>(backend: &B, sealer: &Sealer) -> Result<Option<RootSecret>, OpenError> {
    let Some(row) = backend.get(&Space::Directory, Kind::RootSecret, &RootSecret::row_key()).await? else {
        return Ok(None);
    };
    match stored::read::<RootSecret>(sealer, &Space::Directory, row) {
        Ok(root) => Ok(Some(root.record)),
        Err(Unavailable::Unreadable { why, .. }) => Err(OpenError::WrongSealingKey { why }),
        Err(unavailable) => Err(unavailable.into()),
    }
}

async fn make_root<B: Backend>(backend: &B, sealer: &Sealer) -> Result<RootSecret, OpenError> {
    let root = RootSecret(crypto::random().map_err(|crypto::Failed| OpenError::NoRandomness)?);
    let becomes = stored::put(sealer, &Space::Directory, &root).map_err(|_| OpenError::NoRandomness)?;
    let operation =
        Operation { kind: Kind::RootSecret, key: RootSecret::row_key(), expect: Expect::Absent, becomes };
    match backend.commit(&Space::Directory, vec![operation]).await {
        Ok(()) => Ok(root),
        // Another process was first: its root secret is the one.
        Err(CommitError::Conflict) => load_root(backend, sealer).await?.ok_or_else(|| {
            OpenError::Unavailable(Unavailable::Backend("the root secret was there and is gone".to_owned()))
        }),
        Err(CommitError::Unavailable(unavailable)) => Err(unavailable.into()),
        Err(CommitError::Refused(refused)) => {
            Err(OpenError::Unavailable(Unavailable::Backend(refused.to_string())))
        }
    }
}
