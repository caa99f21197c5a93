//! The backend on PostgreSQL obeys the laws, in one pool and across two, as two servers have.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use records::UnixTime;
use server::Server;
use store::{Backend, CommitError, IndexEntry, Key, Kind, Operation, Row, Space, Unavailable, laws};
use store_postgres::{IfEmpty, Postgres, Settings};

async fn open(address: &str) -> Postgres {
    Postgres::open(&Settings::parse(address).unwrap(), IfEmpty::Make).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_backend_on_postgresql_obeys_every_law() {
    let server = Server::start();
    let made = AtomicUsize::new(0);
    let make = async || {
        made.fetch_add(1, Ordering::Relaxed);
        open(&server.database()).await
    };
    laws::all(make, |task| drop(tokio::spawn(task))).await;
    assert!(made.into_inner() > 20);
}

/// Two servers on one database: whatever comes goes to one of them and then to the other.
#[derive(Clone)]
struct Two {
    servers: [Postgres; 2],
    turn: Arc<AtomicUsize>,
}

impl Two {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_on_one_database_obey_every_law() {
    let server = Server::start();
    let make = async || {
        let address = server.database();
        let servers = [open(&address).await, open(&address).await];
        Two { servers, turn: Arc::default() }
    };
    laws::all(make, |task| drop(tokio::spawn(task))).await;
}
