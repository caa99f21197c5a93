//! Schema changes beside servers of the version before, and killed at every point (threats R18, R19; docs/adr/0012).
//!
//! The test starts itself again as the process that migrates, and kills it. The changes are this version's and then some:
//! what adds in three steps, one of them in slices, and what takes away in two.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails stops")]

mod server;
mod version_1;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use server::Server;
use store::migration::{At, Contracts, Migration, Phase, Plan, Progress, Step};
use store::{Backend, Kind, Space};
use store_postgres::migrate::{self, MIGRATIONS};
use store_postgres::{IfEmpty, OpenError, Postgres, Settings};
use version_1::{SPACE, Version1};

const ROWS: u32 = 50;

const _: () = assert!(MIGRATIONS.len() == 2, "the list below begins with all of them");

static CHANGES: [Migration; 4] = [
    MIGRATIONS[0],
    MIGRATIONS[1],
    Migration {
        name: "wider",
        phase: Phase::Expand,
        needs: 1,
        steps: &[
            Step::Once("ALTER TABLE authd.record ADD COLUMN size INTEGER"),
            Step::Slices(
                "UPDATE authd.record SET size = length(body) WHERE (space, kind, key) IN
                 (SELECT space, kind, key FROM authd.record WHERE size IS NULL LIMIT 20 FOR UPDATE SKIP LOCKED)",
            ),
            Step::Once(
                "CREATE TABLE authd.account (number INTEGER PRIMARY KEY);
                 CREATE INDEX record_size ON authd.record (size)",
            ),
        ],
    },
    Migration {
        name: "narrower",
        phase: Phase::Contract,
        needs: 4,
        steps: &[
            Step::Slices(
                "DELETE FROM authd.entry WHERE (space, kind, name, value, key) IN
                 (SELECT space, kind, name, value, key FROM authd.entry WHERE name = 'user' LIMIT 20)",
            ),
            Step::Once("ALTER TABLE authd.ring RENAME COLUMN last_period TO until"),
        ],
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["migrate", address, stop] => migrate_until(address, stop.parse().unwrap()),
        _ if arguments.contains(&"--list") => {}
        _ => {
            for (name, test) in TESTS {
                let began = std::time::Instant::now();
                test();
                println!("test {name} ... ok in {:.1} s", began.elapsed().as_secs_f64());
            }
        }
    }
}

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("r18_version_1_goes_on_at_every_point_of_what_adds", version_1_goes_on),
    ("r18_a_server_starts_on_what_a_newer_one_added_and_not_on_what_it_took_away", who_starts_on_what),
    ("r19_killed_at_any_point_a_migration_goes_on_where_it_was", killed_at_any_point),
    ("r19_of_many_that_migrate_at_once_each_step_is_done_by_one", many_at_once),
];

fn run(
    address: &str,
    known: &'static [Migration],
    contracts: Contracts,
    watch: &mut (dyn FnMut(At<'_>, Progress) + Send),
) -> Result<(), OpenError> {
    let settings = Settings::parse(address).unwrap();
    runtime().block_on(migrate::run(&settings, known, contracts, watch))
}

fn pending(address: &str, known: &'static [Migration], contracts: Contracts) -> Plan {
    let settings = Settings::parse(address).unwrap();
    runtime().block_on(migrate::pending(&settings, known, contracts)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The child: does everything, says each point that it comes to, and at one of them stands still until it is killed.
fn migrate_until(address: &str, stop: usize) {
    let mut points = 0;
    let done = run(address, &CHANGES, Contracts::Run, &mut |at: At<'_>, progress| {
        points += 1;
        note(&format!("{} {} {progress:?}", at.name, at.step));
        if points == stop {
            note("here");
            let _ = std::io::stdin().read(&mut [0]);
        }
    });
    done.unwrap();
    note("done");
}

fn note(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn start(address: &str, stop: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["migrate", address, &stop.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a child at a point. Returns that point, or none where it came to its end before.
fn kill_at(address: &str, stop: usize) -> Option<String> {
    let mut child = start(address, stop);
    let mut point = String::new();
    let mut reached = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "here" {
            reached = Some(point);
            break;
        }
        point = line;
    }
    if reached.is_some() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(reached.is_some() || status.success());
    reached
}

fn name_of(address: &str) -> &str {
    address.split_once("@/").unwrap().1.split('?').next().unwrap()
}

fn version_1_database(server: &Server) -> String {
    let address = server.database();
    Version1::make(&address).fill(ROWS);
    address
}

/// Everything was done, once, and nothing was lost.
fn check_end(server: &Server, address: &str) {
    let is = |sql: &str, expected: &str| assert_eq!(server.sql(name_of(address), sql), expected, "{sql}");
    is(
        "SELECT string_agg(number || name || steps, ' ' ORDER BY number) FROM authd.migration",
        "1records1 2lineage1 3wider3 4narrower2",
    );
    is(
        "SELECT count(*), count(*) FILTER (WHERE size = length(body)) FROM authd.record WHERE key LIKE 'old%'",
        &format!("{ROWS}|{ROWS}"),
    );
    is("SELECT count(*) FROM authd.entry WHERE name = 'user'", "0");
    is("SELECT count(until) FROM authd.ring", "4");
    is("SELECT max(needs) FROM authd.migration", "4");
    let nothing = pending(address, &CHANGES, Contracts::Run);
    assert!(nothing.runs.is_empty() && nothing.waits.is_empty());
}

fn version_1_goes_on() {
    let database = Server::start();
    let address = version_1_database(&database);
    let server = Version1::open(&address).unwrap();
    let mut points = Vec::new();
    let done = run(&address, &CHANGES, Contracts::Wait, &mut |at, progress| {
        // The runtime that migrates is not the one that serves.
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| match (progress, at.name, at.step) {
                // While a table is being altered it is locked, for the moment that this takes: whoever comes waits.
                (Progress::Written, "wider", 1 | 3) => {}
                // Beside a slice that is not committed, even other rows are written.
                (Progress::Written, "wider", _) => server.serve(),
                (Progress::Written, ..) => server.read(),
                _ => {
                    server.serve();
                    drop(Version1::open(&address).unwrap());
                }
            });
            serving.join().unwrap();
        });
        points.push((at.number, at.step, progress));
    });
    done.unwrap();
    assert!(points.len() > 20, "{points:?}");
    assert_eq!(points.last(), Some(&(3, 3, Progress::Done)));
    server.serve();
    let left = pending(&address, &CHANGES, Contracts::Wait);
    assert!(left.runs.is_empty() && left.waits.len() == 1, "what takes away waits");
}

fn who_starts_on_what() {
    let database = Server::start();
    let address = version_1_database(&database);
    let runtime = runtime();
    let settings = Settings::parse(&address).unwrap();
    let open = || runtime.block_on(Postgres::open(&settings, IfEmpty::Make));
    let refused = open().unwrap_err();
    assert!(matches!(refused, OpenError::Older { number: 2, .. }), "{refused:?}");
    assert!(refused.to_string().contains("authd migrate"), "{refused}");
    drop(Version1::open(&address).unwrap());

    // This version's changes: both start, and each reads what the other writes.
    run(&address, MIGRATIONS, Contracts::Wait, &mut |_, _| {}).unwrap();
    let (now, before) = (open().unwrap(), Version1::open(&address).unwrap());
    let space = Space::Tenant(records::TenantId::parse(SPACE).unwrap());
    let rows = runtime.block_on(now.page(&space, Kind::Session, None, None, 1000)).unwrap();
    assert_eq!(rows.len(), ROWS as usize);
    before.serve();
    assert_eq!(runtime.block_on(now.disagreements()).unwrap(), Vec::<String>::new());
    now.close();

    // A newer version's, that adds: both go on. One that takes away: neither starts again.
    run(&address, &CHANGES, Contracts::Wait, &mut |_, _| {}).unwrap();
    drop(open().unwrap());
    Version1::open(&address).unwrap().serve();
    run(&address, &CHANGES, Contracts::Run, &mut |_, _| {}).unwrap();
    assert!(matches!(open().unwrap_err(), OpenError::Newer { needs: 4, known: 2, .. }));
    assert!(Version1::open(&address).err().unwrap().contains("newer version of authd"));
    let other = run(&address, MIGRATIONS, Contracts::Run, &mut |_, _| {}).unwrap_err();
    assert!(matches!(other, OpenError::Newer { .. }), "an older `authd migrate` is refused too");
}

fn killed_at_any_point() {
    // It is the process that migrates which is killed; the disk is another test's matter, and this makes many databases.
    let database =
        Server::start_with(&["-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off"]);
    let template = version_1_database(&database);
    let mut points = Vec::new();
    for stop in 1.. {
        let name = format!("copy{stop}");
        database.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {}", name_of(&template)));
        let address = database.address(&name);
        let Some(point) = kill_at(&address, stop) else { break };
        // What was cut off has not happened, and whoever may serve does.
        match Version1::open(&address) {
            Ok(server) => server.serve(),
            Err(why) => assert!(point.starts_with("narrower") && why.contains("newer"), "{point}: {why}"),
        }
        assert_eq!(kill_at(&address, usize::MAX), None, "{point}: it comes to its end");
        check_end(&database, &address);
        database.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
        points.push(point);
    }
    for change in &CHANGES[1..] {
        for step in 1..=change.steps.len() {
            for progress in ["Begins", "Written", "Committed", "Done"] {
                let point = format!("{} {step} {progress}", change.name);
                assert!(points.iter().any(|seen| seen.starts_with(&point)), "never killed at {point}");
            }
        }
    }
    println!("killed at {} points", points.len());
}

fn many_at_once() {
    let database = Server::start();
    let address = version_1_database(&database);
    let mut children: Vec<_> = (0..6).map(|_| start(&address, usize::MAX)).collect();
    for child in &mut children {
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
    }
    check_end(&database, &address);
}
