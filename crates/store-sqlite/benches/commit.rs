//! Durable rotations of one-row families at 1, 16 and 128 at once, and point reads, on 200,000 rows.
//!
//! Beside each figure stands the engine's own: the same conditional update, grouped as far as the callers' number
//! allows, by one loop without a queue, without futures and without the contract.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a bench that fails stops")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use records::{TenantId, UnixTime, Version};
use rusqlite::{Connection, params};
use store::{Backend, Becomes, Expect, Key, Kind, Operation, Space};
use store_sqlite::Sqlite;

const ROWS: u64 = 200_000;
const BODY: usize = 180;

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn name(number: u64) -> String {
    // Spread over the key space, as random ids are.
    format!("{:016x}{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number)
}

fn put(number: u64, expect: Expect) -> Operation {
    let body = format!("{{\"v\":1,\"pad\":\"{}\"}}", "x".repeat(BODY - 16));
    let becomes = Becomes::Put { body, index: Vec::new(), drop_at: Some(UnixTime(2_000_000_000)) };
    Operation { kind: Kind::RefreshFamily, key: Key::of(&[&name(number)]), expect, becomes }
}

/// What each task has done so far, so that latencies can be told.
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn figures(mut latencies: Vec<Duration>, took: Duration) -> Figures {
    latencies.sort_unstable();
    let at = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or_default();
    Figures { per_second: latencies.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

async fn rotations(database: &Sqlite, at_once: u64, time: Duration) -> Figures {
    let started = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|task| {
            let database = database.clone();
            tokio::spawn(async move {
                let (space, mut latencies) = (space(), Vec::new());
                let mut number = task;
                while started.elapsed() < time {
                    number = (number + at_once * 7919) % (ROWS / at_once * at_once);
                    let operation = put(number, Expect::Absent);
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
    figures(latencies, started.elapsed())
}

async fn reads(database: &Sqlite, tasks: u64, time: Duration) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let (database, done) = (database.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let (space, mut number) = (space(), task);
                while started.elapsed() < time {
                    for _ in 0..100 {
                        number = (number + 7919) % ROWS;
                        let key = Key::of(&[&name(number)]);
                        database.get(&space, Kind::RefreshFamily, &key).await.unwrap().unwrap();
                    }
                    done.fetch_add(100, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

/// The engine alone, with checkpoints where SQLite makes them.
fn engine(path: &std::path::Path, group: u64, time: Duration) -> f64 {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS family
             (id TEXT PRIMARY KEY, generation INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
        )
        .unwrap();
    let body = "x".repeat(BODY);
    let count: u64 = connection
        .query_row("SELECT count(*) FROM family", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .unsigned_abs();
    if count == 0 {
        connection.execute_batch("BEGIN").unwrap();
        for number in 0..ROWS {
            let mut insert = connection.prepare_cached("INSERT INTO family VALUES (?1, 0, ?2)").unwrap();
            insert.execute(params![name(number), body]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    let mut generations = vec![0i64; ROWS as usize];
    let rows = connection.prepare("SELECT id, generation FROM family").unwrap();
    drop(rows);
    for (number, generation) in generations.iter_mut().enumerate() {
        *generation = connection
            .prepare_cached("SELECT generation FROM family WHERE id = ?1")
            .unwrap()
            .query_row([name(number as u64)], |row| row.get(0))
            .unwrap();
    }
    let (started, mut number, mut done) = (Instant::now(), 0u64, 0u64);
    while started.elapsed() < time {
        connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for _ in 0..group {
            number = (number + 7919) % ROWS;
            let generation = generations.get_mut(number as usize).unwrap();
            let changed = connection
                .prepare_cached(
                    "UPDATE family SET generation = ?3, body = ?4 WHERE id = ?1 AND generation = ?2",
                )
                .unwrap()
                .execute(params![name(number), *generation, *generation + 1, body])
                .unwrap();
            assert_eq!(changed, 1);
            *generation += 1;
        }
        connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        done += group;
    }
    done as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    // `cargo test --benches` runs this too: then briefly.
    let time =
        Duration::from_secs(if std::env::args().any(|argument| argument == "--bench") { 5 } else { 0 });
    let directory = match std::env::var_os("BENCH_DIRECTORY") {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let directory = directory.unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    runtime.block_on(async {
        let database = Sqlite::open(directory.path().join("authd.db")).unwrap();
        for start in (0..ROWS).step_by(1000) {
            let rows = (start..start + 1000).map(|number| put(number, Expect::Absent)).collect();
            database.commit(&space(), rows).await.unwrap();
        }
        assert_eq!(
            database.commit(&space(), vec![put(0, Expect::Version(Version(0)))]).await,
            Err(store::CommitError::Conflict)
        );
        for at_once in [1, 16, 128, 512] {
            let engine = engine(&directory.path().join("engine.db"), at_once, time);
            let before = database.statistics();
            let Figures { per_second, p50, p99 } = rotations(&database, at_once, time).await;
            let after = database.statistics();
            let group = (after.commits - before.commits) as f64
                / (after.transactions - before.transactions).max(1) as f64;
            println!(
                "rotations, {at_once:3} at once: {per_second:7.0}/s, p50 {p50:?}, p99 {p99:?}, {group:.1} per sync, \
                 {} checkpoints; engine alone {engine:.0}/s",
                after.checkpoints - before.checkpoints
            );
        }
        for tasks in [1, 16] {
            println!("point reads, {tasks:2} tasks: {:.0}/s", reads(&database, tasks, time).await);
        }
        const END: UnixTime = UnixTime(1_800_000_000);
        for start in (0..ROWS).step_by(1000) {
            let short = |number| Operation {
                kind: Kind::SeenJti,
                becomes: Becomes::Put { body: "x".repeat(BODY), index: Vec::new(), drop_at: Some(END) },
                ..put(number, Expect::Absent)
            };
            database.commit(&space(), (start..start + 1000).map(short).collect()).await.unwrap();
        }
        let began = Instant::now();
        let left = database.sweep(UnixTime(END.0 + 2 * store::RING_PERIOD), 1000).await.unwrap();
        println!("emptying a table of {left} short-lived rows: {:?}", began.elapsed());
        database.close();
    });
}
