//! Two servers on one database as one backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use records::UnixTime;
use store::{Backend, CommitError, IndexEntry, Key, Kind, Operation, Row, Space, Unavailable};
use store_postgres::Postgres;

/// Two servers on one database: whatever comes goes to one of them and then to the other.
#[derive(Clone)]
pub(crate) struct Two {
    servers: [Postgres; 2],
    turn: Arc<AtomicUsize>,
}

impl Two {
    pub(crate) fn of(servers: [Postgres; 2]) -> Self {
        Self { servers, turn: Arc::default() }
    }

    fn next(&self) -> &Postgres {
        let [one, two] = &self.servers;
        if self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { one } else { two }
    }
}

impl Backend for Two {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        self.next().get(space, kind, key).await
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        self.next().page(space, kind, filter, after, at_most).await
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        self.next().commit(space, operations).await
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        self.next().sweep(now, at_most).await
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        self.next().configuration_version().await
    }
}
