//! A database that goes away under load and comes back: what is unavailable, and for how long (threat R12).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails stops")]

mod proxy;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proxy::Proxy;
use records::TenantId;
use server::Server;
use store::{Backend, Becomes, CommitError, Expect, Key, Kind, Operation, Space};
use store_postgres::{IfEmpty, Postgres, Settings};
use tokio::task::JoinSet;

const CLIENTS: usize = 20;
const CONNECTIONS: usize = 8;
/// How soon everybody is served again.
const SOON: Duration = Duration::from_secs(2);

async fn open(address: &str) -> Postgres {
    let settings = Settings::parse(address).unwrap().with_connections(CONNECTIONS);
    Postgres::open(&settings, IfEmpty::Make).await.unwrap()
}

fn name_of(address: &str) -> &str {
    address.split(['/', '?']).nth(3).unwrap()
}

/// Clients that write and read without a pause, each a row of its own.
struct Load {
    clients: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    stop: AtomicBool,
    unavailable: AtomicUsize,
    served: Vec<AtomicUsize>,
}

impl Load {
    fn on(database: &Postgres) -> Self {
        let served = (0..CLIENTS).map(|_| AtomicUsize::new(0)).collect();
        let shared =
            Arc::new(Shared { stop: AtomicBool::new(false), unavailable: AtomicUsize::new(0), served });
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (database, shared) = (database.clone(), Arc::clone(&shared));
            clients.spawn(async move {
                let space = Space::Tenant(TenantId::parse("acme").unwrap());
                let key = Key::of(&[&format!("row{number}")]);
                let becomes = Becomes::Put { body: "{}".to_owned(), index: Vec::new(), drop_at: None };
                let row = Operation { kind: Kind::Session, key, expect: Expect::Covered, becomes };
                while !shared.stop.load(Ordering::SeqCst) {
                    let committed = database.commit(&space, vec![row.clone()]).await;
                    let read = database.get(&space, Kind::Session, &row.key).await;
                    match (committed, read) {
                        (Ok(()), Ok(Some(_))) => {
                            shared.served.get(number).unwrap().fetch_add(1, Ordering::SeqCst);
                        }
                        // What a client hears as 503, and nothing else.
                        (Ok(()) | Err(CommitError::Unavailable(_)), Err(_))
                        | (Err(CommitError::Unavailable(_)), Ok(_)) => {
                            shared.unavailable.fetch_add(1, Ordering::SeqCst);
                        }
                        (committed, read) => panic!("{committed:?} {read:?}"),
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { clients, shared }
    }

    /// Waits until somebody is told that it is unavailable.
    async fn is_away(&self) {
        let before = self.shared.unavailable.load(Ordering::SeqCst);
        while self.shared.unavailable.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    }

    /// How long it takes from now until every client was served again.
    async fn is_back(&self) -> Duration {
        let (began, served) =
            (Instant::now(), || self.shared.served.iter().map(|served| served.load(Ordering::SeqCst)));
        let before: Vec<usize> = served().collect();
        // The one that was under way, and one that began after it.
        while served().zip(&before).any(|(now, before)| now < before + 2) {
            assert!(began.elapsed() < Duration::from_secs(40), "it never came back");
            tokio::task::yield_now().await;
        }
        began.elapsed()
    }

    async fn end(mut self) -> usize {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        self.shared.unavailable.load(Ordering::SeqCst)
    }
}

fn connections(server: &Server) -> usize {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'authd'";
    server.sql("postgres", count).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_after_a_crash_or_a_standstill_of_the_server_everybody_is_served_again_soon() {
    let mut server = Server::start();
    let database = open(&server.database()).await;
    let load = Load::on(&database);
    load.is_back().await;
    for mode in ["immediate", "fast", "immediate"] {
        server.stop(mode);
        load.is_away().await;
        server.resume();
        let back = load.is_back().await;
        println!("stop -m {mode}: served again after {:.3} s", back.as_secs_f64());
        assert!(back < SOON, "{back:?} after {mode}");
    }
    server.signal("STOP");
    let still = Instant::now();
    load.is_away().await;
    let still = still.elapsed();
    server.signal("CONT");
    let back = load.is_back().await;
    println!("stood still for {:.1} s: served again after {:.3} s", still.as_secs_f64(), back.as_secs_f64());
    // A write and then a read, each of which waits.
    assert!(still < Duration::from_secs(20), "{still:?} until it was said to be unavailable");
    assert!(back < SOON, "{back:?} after a standstill");
    assert!(connections(&server) <= CONNECTIONS, "no more connections than before");
    assert!(load.end().await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_after_connections_were_cut_or_silent_everybody_is_served_again_soon() {
    let server = Server::start();
    let address = server.database();
    let proxy = Proxy::before(&server.directory().join(".s.PGSQL.5432"), &[]);
    let database = open(&proxy.address(name_of(&address))).await;
    let load = Load::on(&database);
    load.is_back().await;
    for _ in 0..3 {
        proxy.cut();
        let back = load.is_back().await;
        println!("connections cut: served again after {:.3} s", back.as_secs_f64());
        assert!(back < SOON, "{back:?} after a cut");
    }
    proxy.stand_still(true);
    load.is_away().await;
    proxy.stand_still(false);
    let back = load.is_back().await;
    println!("network silent: served again after {:.3} s", back.as_secs_f64());
    assert!(back < SOON, "{back:?} after silence");
    // The other end is gone for good and does not say so: an answer is waited for once, and not once for each connection.
    proxy.forget();
    let back = load.is_back().await;
    println!("connections forgotten: served again after {:.3} s", back.as_secs_f64());
    assert!(back < Duration::from_secs(12), "{back:?} after connections that never answer");
    load.end().await;
    assert!(
        connections(&server) <= 2 * CONNECTIONS,
        "those that the server knows, and those it does not know to be dead"
    );
}
