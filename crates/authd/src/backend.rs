//! The storage that was chosen at start: one enum, so that everything above is compiled for it alone.

mod other;

use records::UnixTime;
use store::{
    Backend, CommitError, IndexEntry, Key, Kind, MemoryBackend, Operation, Row, Space, Stores, Unavailable,
};
use store_postgres::Postgres;
use store_sqlite::Sqlite;

pub use other::OtherBackend;

/// A storage engine.
#[derive(Clone, Debug)]
pub enum AnyBackend {
    /// Gone when the process ends.
    Memory(MemoryBackend),
    /// One file.
    Sqlite(Sqlite),
    /// A PostgreSQL server's database.
    Postgres(Postgres),
    /// One that this crate does not know. No setting chooses it.
    Other(OtherBackend),
}

/// The stores of every tenant on the engine that was chosen.
pub type AnyStores = Stores<AnyBackend>;

/// One tenant's store on the engine that was chosen.
pub type AnyStore = store::Store<AnyBackend>;

impl Backend for AnyBackend {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        match self {
            Self::Memory(backend) => backend.get(space, kind, key).await,
            Self::Sqlite(backend) => backend.get(space, kind, key).await,
            Self::Postgres(backend) => backend.get(space, kind, key).await,
            Self::Other(backend) => backend.get(space, kind, key).await,
        }
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        match self {
            Self::Memory(backend) => backend.page(space, kind, filter, after, at_most).await,
            Self::Sqlite(backend) => backend.page(space, kind, filter, after, at_most).await,
            Self::Postgres(backend) => backend.page(space, kind, filter, after, at_most).await,
            Self::Other(backend) => backend.page(space, kind, filter, after, at_most).await,
        }
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        match self {
            Self::Memory(backend) => backend.commit(space, operations).await,
            Self::Sqlite(backend) => backend.commit(space, operations).await,
            Self::Postgres(backend) => backend.commit(space, operations).await,
            Self::Other(backend) => backend.commit(space, operations).await,
        }
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        match self {
            Self::Memory(backend) => backend.sweep(now, at_most).await,
            Self::Sqlite(backend) => backend.sweep(now, at_most).await,
            Self::Postgres(backend) => backend.sweep(now, at_most).await,
            Self::Other(backend) => backend.sweep(now, at_most).await,
        }
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        match self {
            Self::Memory(backend) => backend.configuration_version().await,
            Self::Sqlite(backend) => backend.configuration_version().await,
            Self::Postgres(backend) => backend.configuration_version().await,
            Self::Other(backend) => backend.configuration_version().await,
        }
    }

    async fn configuration_hint(&self) {
        match self {
            Self::Memory(backend) => backend.configuration_hint().await,
            Self::Sqlite(backend) => backend.configuration_hint().await,
            Self::Postgres(backend) => backend.configuration_hint().await,
            Self::Other(backend) => backend.configuration_hint().await,
        }
    }
}
