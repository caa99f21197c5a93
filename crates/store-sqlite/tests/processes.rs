//! Other processes: killed while they write, racing for the same rows, and cut off by the file system.
//!
//! The test starts itself again as the other process. What that process is told is durable it writes to its standard
//! output, which survives it: the ledger.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use records::{TenantId, UnixTime};
use store::{Backend, Becomes, CommitError, Expect, Key, Kind, Operation, Space};
use store_sqlite::Sqlite;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["writer", path, round] => runtime().block_on(writer(path, round)),
        ["racer", path] => runtime().block_on(racer(path)),
        ["filler", path] => runtime().block_on(filler(path)),
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
    ("r4_killing_a_writer_loses_nothing_that_it_was_told_is_durable", killing_a_writer_loses_nothing),
    ("r1_of_two_processes_exactly_one_claims_each_row", two_processes_race),
    ("r7_after_a_failed_commit_nothing_is_acknowledged_until_a_restart", a_failed_commit_ends_writing),
];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn put(kind: Kind, name: &str, text: &str, expect: Expect) -> Operation {
    let drop_at = (kind == Kind::SeenJti).then_some(UnixTime(2_000_000_000));
    let becomes = Becomes::Put { body: format!("{{\"text\":\"{text}\"}}"), index: Vec::new(), drop_at };
    Operation { kind, key: Key::of(&[name]), expect, becomes }
}

/// One line, at once: a line that is half written when the process dies has no line break.
fn note(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn start(arguments: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Makes rows and advances one of its own, eight tasks at once, until it is killed.
async fn writer(path: &str, round: &str) {
    let database = Sqlite::open(path).unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (database, round) = (database.clone(), round.to_owned());
            tokio::spawn(async move {
                let (space, family) = (space(), format!("family-{task}"));
                for number in 0u64.. {
                    let name = format!("{round}-{task}-{number}");
                    let key = Key::of(&[&family]);
                    let expect = match database.get(&space, Kind::RefreshFamily, &key).await.unwrap() {
                        None => Expect::Absent,
                        Some(row) => Expect::Version(row.version),
                    };
                    let operations = vec![
                        put(Kind::SeenJti, &name, "x", Expect::Absent),
                        put(Kind::Client, &name, "x", Expect::Absent),
                        put(Kind::RefreshFamily, &family, &name, expect),
                    ];
                    database.commit(&space, operations).await.unwrap();
                    note(&format!("{family} {name}"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn killing_a_writer_loses_nothing() {
    const KILLS: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let mut ledger: Vec<String> = Vec::new();
    let mut families = BTreeMap::new();
    for round in 0..KILLS {
        let mut child = start(&["writer", path.to_str().unwrap(), &round.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // Long enough into its work to be in the midst of it, each time elsewhere.
        for _ in 0..20 + round * 37 % 101 {
            assert!(lines.read_line(&mut text).unwrap() > 0, "the writer ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.read_to_string(&mut text).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let (family, name) = line.split_once(' ').unwrap();
            families.insert(family.to_owned(), name.to_owned());
            ledger.push(name.to_owned());
        }
    }
    let database = Sqlite::open(&path).unwrap();
    runtime().block_on(async {
        for name in &ledger {
            for kind in [Kind::SeenJti, Kind::Client] {
                let row = database.get(&space(), kind, &Key::of(&[name])).await.unwrap();
                assert!(row.is_some(), "{} {name} was acknowledged and is lost", kind.name());
            }
        }
        for (family, name) in &families {
            // The last that was acknowledged, or a later one whose acknowledgement the kill came before.
            let row =
                database.get(&space(), Kind::RefreshFamily, &Key::of(&[family])).await.unwrap().unwrap();
            let last = row.body.split('"').nth(3).unwrap().to_owned();
            let number =
                |name: &str| -> Vec<u64> { name.split('-').map(|part| part.parse().unwrap()).collect() };
            assert!(number(&last) >= number(name), "{family} went back from {name} to {last}");
            let made = database.get(&space(), Kind::Client, &Key::of(&[&last])).await.unwrap();
            assert!(made.is_some(), "{last} is half there");
        }
    });
    assert!(ledger.len() >= KILLS * 20 && families.len() == 8);
}

/// Claims a thousand rows, as fast as it can, and says which it got.
async fn racer(path: &str) {
    let database = Sqlite::open(path).unwrap();
    note("ready");
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let tasks: Vec<_> = (0..20usize)
        .map(|task| {
            let database = database.clone();
            tokio::spawn(async move {
                for number in 0..1000usize {
                    let kind = if number % 2 == 0 { Kind::SeenJti } else { Kind::Client };
                    let name = format!("row{number}");
                    match database.commit(&space(), vec![put(kind, &name, "x", Expect::Absent)]).await {
                        Ok(()) => note(&format!("{name} {task}")),
                        Err(CommitError::Conflict) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    note("done");
}

fn two_processes_race() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    // The file is made by whoever is first, too.
    let mut children = [0, 1].map(|_| start(&["racer", path.to_str().unwrap()]));
    let mut outputs = children.each_mut().map(|child| BufReader::new(child.stdout.take().unwrap()));
    for output in &mut outputs {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"!").unwrap();
    }
    let mut claimed = BTreeSet::new();
    for (child, output) in children.iter_mut().zip(outputs) {
        let lines: Vec<String> = output.lines().map(Result::unwrap).collect();
        assert_eq!(lines.last().map(String::as_str), Some("done"));
        for line in &lines[..lines.len() - 1] {
            let name = line.split(' ').next().unwrap().to_owned();
            assert!(claimed.insert(name), "{line} was claimed twice");
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(claimed.len(), 1000, "every row was claimed");
}

/// Commits until the file system takes no more, and then goes on asking.
async fn filler(path: &str) {
    let database = Sqlite::open(path).unwrap();
    let filling = "x".repeat(2000);
    let mut refused = 0;
    for number in 0..2000 {
        let name = format!("row{number}");
        match database.commit(&space(), vec![put(Kind::RefreshFamily, &name, &filling, Expect::Absent)]).await
        {
            Ok(()) => note(&format!("{name} ok")),
            Err(CommitError::Unavailable(why)) => {
                note(&format!("{name} refused: {why}"));
                refused += 1;
                // Reads are still answered.
                assert!(
                    database.get(&space(), Kind::RefreshFamily, &Key::of(&["row0"])).await.unwrap().is_some()
                );
            }
            Err(error) => panic!("{error}"),
        }
        if refused == 20 {
            break;
        }
    }
    database.close();
}

fn a_failed_commit_ends_writing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    // Past the limit a write fails with EFBIG, which SQLite calls an I/O error, as it does a failed sync.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 3000; exec \"$0\" filler \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| !line.ends_with(" ok")).unwrap();
    assert!(first > 50, "{text}");
    assert!(lines[first..].iter().all(|line| line.contains("refused")), "nothing is acknowledged afterwards");
    assert!(lines.last().unwrap().contains("until a restart"), "{}", lines.last().unwrap());
    check_ledger(&path, &lines[..first]);
}

fn check_ledger(path: &Path, acknowledged: &[&str]) {
    let database = Sqlite::open(path).unwrap();
    runtime().block_on(async {
        for line in acknowledged {
            let name = line.split(' ').next().unwrap();
            let row = database.get(&space(), Kind::RefreshFamily, &Key::of(&[name])).await.unwrap();
            assert!(row.is_some(), "{name} was acknowledged and is lost");
        }
        let after = put(Kind::RefreshFamily, "after the restart", "x", Expect::Absent);
        database.commit(&space(), vec![after]).await.unwrap();
    });
}
