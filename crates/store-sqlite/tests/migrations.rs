//! Schema changes beside servers of the version before, and killed at every point (threats R18, R19; docs/adr/0012).
//!
//! The test starts itself again as the process that migrates, and kills it. The changes are this version's and then some:
//! what adds in three steps, one of them in slices, and what takes away in two.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails stops")]

mod version_1;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use store::migration::{At, Contracts, Migration, Phase, Progress, Step};
use store::{Backend, Key, Kind, Space};
use store_sqlite::migrate::{self, MIGRATIONS};
use store_sqlite::{OpenError, Sqlite};
use version_1::{SPACE, Version1};

const ROWS: u32 = 50;

const _: () = assert!(MIGRATIONS.len() == 3, "the list below begins with all of them");

static CHANGES: [Migration; 5] = [
    MIGRATIONS[0],
    MIGRATIONS[1],
    MIGRATIONS[2],
    Migration {
        name: "wider",
        phase: Phase::Expand,
        needs: 1,
        steps: &[
            Step::Once("ALTER TABLE record ADD COLUMN size INTEGER"),
            Step::Slices(
                "UPDATE record SET size = length(body) WHERE (space, kind, key) IN
                 (SELECT space, kind, key FROM record WHERE size IS NULL LIMIT 20)",
            ),
            Step::Once(
                "CREATE TABLE account (number INTEGER PRIMARY KEY); CREATE INDEX record_size ON record (size)",
            ),
        ],
    },
    Migration {
        name: "narrower",
        phase: Phase::Contract,
        needs: 5,
        steps: &[
            Step::Slices(
                "DELETE FROM entry WHERE (space, kind, name, value, key) IN
                 (SELECT space, kind, name, value, key FROM entry WHERE name = 'user' LIMIT 20)",
            ),
            Step::Once("ALTER TABLE ring RENAME COLUMN last_period TO until"),
        ],
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["migrate", path, stop] => migrate_until(Path::new(path), stop.parse().unwrap()),
        _ if arguments.contains(&"--list") => {}
        _ => {
            for (name, test) in TESTS {
                test();
                println!("test {name} ... ok");
            }
        }
    }
}

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("r18_version_1_goes_on_at_every_point_of_what_adds", version_1_goes_on),
    ("r18_a_server_starts_on_what_a_newer_one_added_and_not_on_what_it_took_away", who_starts_on_what),
    ("r19_killed_at_any_point_a_migration_goes_on_where_it_was", killed_at_any_point),
    ("r19_killed_again_and_again_a_migration_still_comes_to_its_end", killed_again_and_again),
    ("r19_of_many_that_migrate_at_once_each_step_is_done_by_one", many_at_once),
];

/// The child: does everything, says each point that it comes to, and at one of them stands still until it is killed.
fn migrate_until(path: &Path, stop: usize) {
    let mut points = 0;
    let done = migrate::run(path, &CHANGES, Contracts::Run, &mut |at: At<'_>, progress| {
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

fn start(path: &Path, stop: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["migrate", path.to_str().unwrap(), &stop.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a child at a point. Returns that point, or none where it came to its end before.
fn kill_at(path: &Path, stop: usize) -> Option<String> {
    let mut child = start(path, stop);
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

fn version_1_database(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    Version1::make(&path).fill(ROWS);
    path
}

fn text(path: &Path, sql: &str) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
}

/// Everything was done, once, and nothing was lost.
fn check_end(path: &Path) {
    assert_eq!(text(path, "PRAGMA integrity_check"), "ok");
    assert_eq!(
        text(path, "SELECT group_concat(number || name || steps, ' ') FROM migration"),
        "1records1 2lineage1 3record_rowid1 4wider3 5narrower2"
    );
    let sql = "SELECT count(*) || ' ' || sum(size = length(body)) FROM record WHERE key LIKE 'old%'";
    assert_eq!(text(path, sql), format!("{ROWS} {ROWS}"));
    assert_eq!(text(path, "SELECT group_concat(name) FROM pragma_table_info('ring')"), "slot,until");
    assert_eq!(text(path, "SELECT '' || count(*) FROM entry WHERE name = 'user'"), "0");
    assert_eq!(text(path, "SELECT '' || user_version FROM pragma_user_version"), "5");
    let nothing = migrate::pending(path, &CHANGES, Contracts::Run).unwrap();
    assert!(nothing.runs.is_empty() && nothing.waits.is_empty());
}

fn version_1_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = version_1_database(directory.path(), "authd.db");
    let server = Version1::open(&path).unwrap();
    let mut points = Vec::new();
    let done = migrate::run(&path, &CHANGES, Contracts::Wait, &mut |at, progress| {
        if progress == Progress::Written {
            // Another writer waits for it, as for any commit; readers do not.
            server.read();
        } else {
            server.serve();
            drop(Version1::open(&path).unwrap());
        }
        points.push((at.number, at.step, progress));
    });
    done.unwrap();
    assert!(points.len() > 20, "{points:?}");
    assert_eq!(points.last(), Some(&(4, 3, Progress::Done)));
    server.serve();
    let left = migrate::pending(&path, &CHANGES, Contracts::Wait).unwrap();
    assert!(left.runs.is_empty() && left.waits.len() == 1, "what takes away waits");
}

fn who_starts_on_what() {
    let directory = tempfile::tempdir().unwrap();
    let path = version_1_database(directory.path(), "authd.db");
    let refused = Sqlite::open(&path).unwrap_err();
    assert_eq!(refused, OpenError::Older { path: path.clone(), number: 2 });
    assert!(refused.to_string().contains("authd migrate"), "{refused}");
    drop(Version1::open(&path).unwrap());

    // This version's changes: both start, and each reads what the other writes.
    migrate::run(&path, MIGRATIONS, Contracts::Wait, &mut |_, _| {}).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (now, before) = (Sqlite::open(&path).unwrap(), Version1::open(&path).unwrap());
    before.fill_more(ROWS, 10);
    runtime.block_on(async {
        let space = Space::Tenant(records::TenantId::parse(SPACE).unwrap());
        let rows = now.page(&space, Kind::Session, None, None, 1000).await.unwrap();
        assert_eq!(rows.len(), ROWS as usize + 10);
        assert!(now.get(&space, Kind::Session, &Key::of(&["old000055"])).await.unwrap().is_some());
    });
    before.serve();
    assert_eq!(now.disagreements().unwrap(), Vec::<String>::new());
    now.close();

    // A newer version's, that adds: both go on. One that takes away: neither starts again.
    migrate::run(&path, &CHANGES, Contracts::Wait, &mut |_, _| {}).unwrap();
    drop(Sqlite::open(&path).unwrap());
    Version1::open(&path).unwrap().serve();
    migrate::run(&path, &CHANGES, Contracts::Run, &mut |_, _| {}).unwrap();
    assert_eq!(Sqlite::open(&path).unwrap_err(), OpenError::Newer { path: path.clone(), needs: 5, known: 3 });
    assert!(Version1::open(&path).err().unwrap().contains("newer version of authd"));
    let other = migrate::run(&path, MIGRATIONS, Contracts::Run, &mut |_, _| {}).unwrap_err();
    assert!(matches!(other, OpenError::Newer { .. }), "an older `authd migrate` is refused too");
}

fn killed_at_any_point() {
    let directory = tempfile::tempdir().unwrap();
    let template = version_1_database(directory.path(), "template.db");
    let mut points = Vec::new();
    for stop in 1.. {
        let path = directory.path().join(format!("{stop}.db"));
        std::fs::copy(&template, &path).unwrap();
        let Some(point) = kill_at(&path, stop) else { break };
        // What was cut off has not happened, and whoever may serve does.
        assert_eq!(text(&path, "PRAGMA integrity_check"), "ok", "{point}");
        match Version1::open(&path) {
            Ok(server) => server.serve(),
            Err(why) => assert!(point.starts_with("narrower") && why.contains("newer"), "{point}: {why}"),
        }
        assert_eq!(kill_at(&path, usize::MAX), None, "{point}: it comes to its end");
        check_end(&path);
        points.push(point);
        std::fs::remove_file(&path).unwrap();
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

fn killed_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = version_1_database(directory.path(), "authd.db");
    // Its third point is behind its first commit.
    let kills = (0..100).take_while(|_| kill_at(&path, 3).is_some()).count();
    assert!((10..100).contains(&kills), "{kills}");
    check_end(&path);
}

fn many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = version_1_database(directory.path(), "authd.db");
    let mut children: Vec<_> = (0..6).map(|_| start(&path, usize::MAX)).collect();
    for child in &mut children {
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
    }
    check_end(&path);
}
