//! Other processes: racing for the same rows, and writing while the database is killed, stands still, and comes back.
//!
//! The test starts itself again as the other process. What that process is told is durable it writes to its standard
//! output: the ledger. `AUTHD_RACE_CREDENTIALS` says for how many rows four processes of 25 tasks race (400).
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails stops")]

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use records::{TenantId, UnixTime};
use server::Server;
use store::{Backend, Becomes, CommitError, Expect, Key, Kind, Operation, Retention, Space, Unavailable};
use store_postgres::{IfEmpty, Postgres, Settings};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["writer", address, round] => runtime().block_on(writer(address, round)),
        ["racer", address, way] => runtime().block_on(racer(address, way)),
        _ if arguments.contains(&"--list") => {}
        _ => {
            for (name, test) in TESTS {
                let began = Instant::now();
                test();
                println!("test {name} ... ok in {:.1} s", began.elapsed().as_secs_f64());
            }
        }
    }
}

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("r1_of_many_processes_exactly_one_claims_each_row", processes_race),
    ("r4_killing_a_writer_loses_nothing_that_it_was_told_is_durable", killing_a_writer_loses_nothing),
    (
        "r12_a_database_that_is_killed_under_load_loses_nothing_and_comes_back",
        killing_the_database_loses_nothing,
    ),
    ("r12_a_database_that_stands_still_is_not_waited_for", a_database_that_stands_still),
];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn open(address: &str) -> Postgres {
    Postgres::open(&Settings::parse(address).unwrap(), IfEmpty::Make).await.unwrap()
}

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn put(kind: Kind, name: &str, text: &str, expect: Expect) -> Operation {
    // Ends that fall into different tables of the ring, by turns: a name is claimed whatever its end.
    let end = 2_000_000_000 + u64::from(std::process::id() % 3) * 3600;
    let drop_at = (kind.retention() == Retention::Ring).then_some(UnixTime(end));
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

/// How many rows are raced for.
fn rows() -> usize {
    std::env::var("AUTHD_RACE_CREDENTIALS").map_or(400, |text| text.parse().unwrap())
}

const SINGLE_USE: [Kind; 4] = [Kind::SeenJti, Kind::ConsumedHandle, Kind::Client, Kind::LoginAttempts];

/// Claims rows, as fast as it can, and says which it got. Those of one way race for each row; the others come from the far
/// end, so that whoever is first at the start does not have every row to itself.
async fn racer(address: &str, way: &str) {
    let is_backwards = way == "backwards";
    let database = open(address).await;
    note("ready");
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let tasks: Vec<_> = (0..25usize)
        .map(|task| {
            let database = database.clone();
            tokio::spawn(async move {
                for number in 0..rows() {
                    let number = if is_backwards { rows() - 1 - number } else { number };
                    let kind = SINGLE_USE[number % 4];
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

fn processes_race() {
    let server = Server::start();
    let address = server.database();
    // The tables are made by whoever is first, too.
    let ways = ["forwards", "backwards", "forwards", "backwards"];
    let mut children = ways.map(|way| start(&["racer", &address, way]));
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
    let mut winners = 0;
    for (child, output) in children.iter_mut().zip(outputs) {
        let lines: Vec<String> = output.lines().map(Result::unwrap).collect();
        assert_eq!(lines.last().map(String::as_str), Some("done"));
        winners += usize::from(lines.len() > 1);
        for line in &lines[..lines.len() - 1] {
            let name = line.split(' ').next().unwrap().to_owned();
            assert!(claimed.insert(name), "{line} was claimed twice");
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(claimed.len(), rows(), "every row was claimed");
    assert!(winners > 1, "it was a race");
}

/// Makes rows and advances one of its own, eight tasks at once, until it is killed. What is unavailable it tries again.
async fn writer(address: &str, round: &str) {
    let database = open(address).await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (database, round) = (database.clone(), round.to_owned());
            tokio::spawn(async move {
                let family = format!("family-{task}");
                for number in 0u64.. {
                    let name = format!("{round}-{task}-{number}");
                    match advance(&database, &family, &name).await {
                        Ok(()) => note(&format!("{family} {name}")),
                        Err(CommitError::Unavailable(Unavailable::Backend(_))) => note("unavailable"),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn advance(database: &Postgres, family: &str, name: &str) -> Result<(), CommitError> {
    let expect = match database.get(&space(), Kind::RefreshFamily, &Key::of(&[family])).await? {
        None => Expect::Absent,
        Some(row) => Expect::Version(row.version),
    };
    let operations = vec![
        put(Kind::SeenJti, name, "x", Expect::Absent),
        put(Kind::Client, name, "x", Expect::Absent),
        put(Kind::RefreshFamily, family, name, expect),
    ];
    database.commit(&space(), operations).await
}

/// What a writer said was durable.
#[derive(Default)]
struct Ledger {
    names: Vec<String>,
    families: BTreeMap<String, String>,
    unavailable: usize,
}

impl Ledger {
    fn add(&mut self, text: &str) {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            match line.split_once(' ') {
                Some((family, name)) => {
                    self.families.insert(family.to_owned(), name.to_owned());
                    self.names.push(name.to_owned());
                }
                None => self.unavailable += 1,
            }
        }
    }

    fn check(&self, address: &str) {
        runtime().block_on(async {
            let database = open(address).await;
            for name in &self.names {
                for kind in [Kind::SeenJti, Kind::Client] {
                    let row = database.get(&space(), kind, &Key::of(&[name])).await.unwrap();
                    assert!(row.is_some(), "{} {name} was acknowledged and is lost", kind.name());
                }
            }
            for (family, name) in &self.families {
                // The last that was acknowledged, or a later one whose acknowledgement was lost.
                let key = Key::of(&[family]);
                let row = database.get(&space(), Kind::RefreshFamily, &key).await.unwrap().unwrap();
                let last = row.body.split('"').nth(3).unwrap().to_owned();
                let number =
                    |name: &str| -> Vec<u64> { name.split('-').map(|part| part.parse().unwrap()).collect() };
                assert!(number(&last) >= number(name), "{family} went back from {name} to {last}");
                let made = database.get(&space(), Kind::Client, &Key::of(&[&last])).await.unwrap();
                assert!(made.is_some(), "{last} is half there");
            }
        });
        assert_eq!(self.families.len(), 8);
    }
}

fn killing_a_writer_loses_nothing() {
    const KILLS: usize = 10;
    let server = Server::start();
    let address = server.database();
    let mut ledger = Ledger::default();
    for round in 0..KILLS {
        let mut child = start(&["writer", &address, &round.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // Long enough into its work to be in the midst of it, each time elsewhere.
        for _ in 0..20 + round * 37 % 101 {
            assert!(lines.read_line(&mut text).unwrap() > 0, "the writer ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.read_to_string(&mut text).unwrap();
        ledger.add(&text);
    }
    ledger.check(&address);
    assert_eq!(ledger.unavailable, 0);
}

fn killing_the_database_loses_nothing() {
    const KILLS: usize = 5;
    let mut server = Server::start();
    let address = server.database();
    let mut child = start(&["writer", &address, "0"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for round in 0..KILLS {
        for _ in 0..200 + round * 37 {
            assert!(lines.read_line(&mut text).unwrap() > 0, "the writer ended by itself");
        }
        if round % 2 == 0 {
            server.crash()
        } else {
            server.stop("fast")
        }
        // It says so while there is no database, and goes on as soon as there is one.
        loop {
            let at = text.len();
            assert!(lines.read_line(&mut text).unwrap() > 0, "the writer ended by itself");
            if text[at..].starts_with("unavailable") {
                break;
            }
        }
        server.resume();
        let back = Instant::now();
        loop {
            let at = text.len();
            assert!(lines.read_line(&mut text).unwrap() > 0, "the writer ended by itself");
            if text[at..].starts_with("family") {
                break;
            }
        }
        assert!(back.elapsed() < Duration::from_secs(2), "{:?} until it went on", back.elapsed());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.read_to_string(&mut text).unwrap();
    let mut ledger = Ledger::default();
    ledger.add(&text);
    ledger.check(&address);
    assert!(ledger.unavailable > 0);
}

fn a_database_that_stands_still() {
    let server = Server::start();
    let address = server.database();
    runtime().block_on(async {
        let database = open(&address).await;
        database.commit(&space(), vec![put(Kind::Session, "before", "x", Expect::Absent)]).await.unwrap();
        server.signal("STOP");
        let began = Instant::now();
        let waiting: Vec<_> = (0..50)
            .map(|number| {
                let database = database.clone();
                tokio::spawn(async move {
                    let row = put(Kind::Session, &format!("during{number}"), "x", Expect::Absent);
                    let committed = database.commit(&space(), vec![row]).await;
                    (committed, database.get(&space(), Kind::Session, &Key::of(&["before"])).await)
                })
            })
            .collect();
        for waiting in waiting {
            let (committed, read) = waiting.await.unwrap();
            assert!(matches!(committed, Err(CommitError::Unavailable(_))), "{committed:?}");
            assert!(read.is_err());
        }
        assert!(
            began.elapsed() < Duration::from_secs(25),
            "{:?} until everybody was answered",
            began.elapsed()
        );
        server.signal("CONT");
        let back = Instant::now();
        let again = put(Kind::Session, "after", "x", Expect::Covered);
        while database.commit(&space(), vec![again.clone()]).await.is_err() {
            assert!(back.elapsed() < Duration::from_secs(2), "it came back");
        }
        assert!(database.get(&space(), Kind::Session, &Key::of(&["before"])).await.unwrap().is_some());
    });
}
