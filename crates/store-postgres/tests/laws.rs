//! The backend on PostgreSQL obeys the laws, in one pool and across two, as two servers have.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

mod server;
mod two;

use std::sync::atomic::{AtomicUsize, Ordering};

use server::Server;
use store::laws;
use store_postgres::{IfEmpty, Postgres, Settings};
use two::Two;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_on_one_database_obey_every_law() {
    let server = Server::start();
    let make = async || {
        let address = server.database();
        Two::of([open(&address).await, open(&address).await])
    };
    laws::all(make, |task| drop(tokio::spawn(task))).await;
}
