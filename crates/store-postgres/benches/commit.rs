//! Durable rotations of one-row families at 1, 16 and 128 at once, and point reads, on 200,000 rows.
#![expect(clippy::unwrap_used, reason = "a bench that fails stops")]

#[path = "../tests/server/mod.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use records::{TenantId, UnixTime};
use store::{Backend, Becomes, Expect, Key, Kind, Operation, Space};
use store_postgres::{IfEmpty, Postgres, Settings};

const ROWS: u64 = 200_000;
const BODY: usize = 180;

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn name(number: u64) -> String {
    // Spread over the key space, as random ids are.
    format!("{:016x}{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number)
}

fn put(kind: Kind, number: u64, expect: Expect, end: UnixTime) -> Operation {
    let body = format!("{{\"v\":1,\"pad\":\"{}\"}}", "x".repeat(BODY - 16));
    let becomes = Becomes::Put { body, index: Vec::new(), drop_at: Some(end) };
    Operation { kind, key: Key::of(&[&name(number)]), expect, becomes }
}

const END: UnixTime = UnixTime(2_000_000_000);

async fn rotations(database: &Postgres, at_once: u64, time: Duration) -> (f64, Duration, Duration) {
    let started = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|task| {
            let database = database.clone();
            tokio::spawn(async move {
                let (space, mut latencies) = (space(), Vec::new());
                let mut number = task;
                while started.elapsed() < time {
                    number = (number + at_once * 7919) % (ROWS / at_once * at_once);
                    let operation = put(Kind::RefreshFamily, number, Expect::Absent, END);
                    let row =
                        database.get(&space, Kind::RefreshFamily, &operation.key).await.unwrap().unwrap();
                    let operation = Operation { expect: Expect::Version(row.version), ..operation };
                    let began = Instant::now();
                    database.commit(&space, vec![operation]).await.unwrap();
                    latencies.push(began.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    latencies.sort_unstable();
    let at = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or_default();
    (latencies.len() as f64 / started.elapsed().as_secs_f64(), at(0.5), at(0.99))
}

async fn claims(database: &Postgres, first: u64, at_once: u64, time: Duration) -> f64 {
    let (next, started) = (Arc::new(AtomicU64::new(first)), Instant::now());
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (database, next) = (database.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                while started.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let claim = put(Kind::SeenJti, number, Expect::Absent, END);
                    database.commit(&space(), vec![claim]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (next.load(Ordering::Relaxed) - first) as f64 / started.elapsed().as_secs_f64()
}

async fn reads(database: &Postgres, tasks: u64, time: Duration) -> f64 {
    let (done, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let (database, done) = (database.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let (space, mut number) = (space(), task);
                while started.elapsed() < time {
                    number = (number + 7919) % ROWS;
                    let key = Key::of(&[&name(number)]);
                    database.get(&space, Kind::RefreshFamily, &key).await.unwrap().unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    // `cargo test --benches` runs this too: then briefly.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let time = Duration::from_secs(if is_bench { 5 } else { 0 });
    let server = server::Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = Settings::parse(&server.database()).unwrap();
        let database = Postgres::open(&settings, IfEmpty::Make).await.unwrap();
        for start in (0..ROWS).step_by(1000) {
            let rows = (start..start + 1000).map(|number| put(Kind::RefreshFamily, number, Expect::Absent, END));
            database.commit(&space(), rows.collect()).await.unwrap();
        }
        let mut first = 0;
        for at_once in [1, 16, 128, 512] {
            let before = database.statistics();
            let (per_second, p50, p99) = rotations(&database, at_once, time).await;
            let after = database.statistics();
            let group = (after.commits - before.commits) as f64
                / (after.transactions - before.transactions).max(1) as f64;
            let claims = claims(&database, first, at_once, time).await;
            first += 100_000_000;
            println!(
                "{at_once:3} at once: {per_second:.0} rotations/s, p50 {p50:?}, p99 {p99:?}, {group:.1} per transaction; \
                 {claims:.0} claims of short-lived names/s"
            );
        }
        for tasks in [1, 16, 128] {
            println!("point reads, {tasks:3} tasks: {:.0}/s", reads(&database, tasks, time).await);
        }
        let began = Instant::now();
        let left = database.sweep(UnixTime(END.0 + 2 * store::RING_PERIOD), 1).await.unwrap();
        println!("emptying a table of {} short-lived rows: {:?}", left.saturating_sub(1), began.elapsed());
        database.close();
    });
}
