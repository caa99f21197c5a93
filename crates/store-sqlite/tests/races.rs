//! Single use on SQLite, by many tasks of one process and of two (threat R1).
//!
//! Two processes may have one file open: SQLite's write lock is what they exclude each other by. The test starts itself again
//! as both of them, and lets them go on credential by credential, so that they stay abreast.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails stops")]

#[path = "../../store/tests/single_use/mod.rs"]
mod single_use;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use single_use::{ALL, TASKS};
use store_sqlite::Sqlite;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["user", path, first] => runtime().block_on(user(Path::new(path), first.parse().unwrap())),
        _ if arguments.contains(&"--list") => {}
        _ => {
            for (name, test) in TESTS {
                let began = std::time::Instant::now();
                let races = test();
                println!("test {name} ... ok: {races} races in {:.1} s", began.elapsed().as_secs_f64());
            }
        }
    }
}

type Test = (&'static str, fn() -> usize);

const TESTS: &[Test] = &[
    ("r1_of_a_hundred_that_use_a_credential_on_sqlite_at_once_one_does", one_process),
    ("r1_of_two_processes_with_fifty_each_one_uses_each_credential", two_processes),
];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn one_process() -> usize {
    let directory = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let database = Sqlite::open(directory.path().join("authd.db")).unwrap();
        let stores = single_use::stores(database.clone()).await;
        let races = single_use::one_of_a_hundred_uses_each(&stores, single_use::races(100)).await;
        assert_eq!(database.disagreements().unwrap(), Vec::<String>::new());
        races
    })
}

/// One of the two: for each line it is sent, looks at a credential of each kind; for the next, uses it fifty times at once, and
/// says who of them did.
async fn user(path: &Path, first: usize) {
    let stores = single_use::stores(Sqlite::open(path).unwrap()).await;
    let store = single_use::tenant(&stores);
    let mut lines = std::io::stdin().lock().lines();
    while let Some(line) = lines.next() {
        let number: usize = line.unwrap().parse().unwrap();
        let mut seen = Vec::new();
        for credential in ALL {
            seen.push((credential, single_use::look(&store, credential, number).await));
        }
        say("looked");
        lines.next().unwrap().unwrap();
        let mut tasks = Vec::new();
        for by in first..first + TASKS / 2 {
            for (credential, seen) in &seen {
                let (store, credential, seen) = (store.clone(), *credential, seen.clone());
                tasks.push(tokio::spawn(async move {
                    let used = single_use::use_once(&store, credential, number, seen, by).await;
                    used.then(|| format!("{credential:?}:{by}"))
                }));
            }
        }
        let mut won = Vec::new();
        for task in tasks {
            won.extend(task.await.unwrap());
        }
        say(&won.join(" "));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

struct User {
    child: Child,
    says: BufReader<std::process::ChildStdout>,
}

impl User {
    fn start(path: &Path, first: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["user", path.to_str().unwrap(), &first.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    fn tell(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        assert!(self.says.read_line(&mut line).unwrap() > 0, "the process ended");
        line.trim().to_owned()
    }
}

fn two_processes() -> usize {
    let count = single_use::races(100);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    let runtime = runtime();
    let stores = runtime.block_on(single_use::stores(database.clone()));
    let store = single_use::tenant(&stores);
    let mut users = [User::start(&path, 0), User::start(&path, TASKS / 2)];
    let mut by_process = [0usize; 2];
    for number in 0..count {
        for credential in ALL {
            runtime.block_on(single_use::issue(&store, credential, number));
        }
        for told in [number.to_string(), "go".to_owned()] {
            for user in &mut users {
                user.tell(&told);
            }
            let heard = users.each_mut().map(User::hear);
            if told != "go" {
                assert_eq!(heard, ["looked", "looked"]);
                continue;
            }
            for credential in ALL {
                let name = format!("{credential:?}:");
                let won = |heard: &str| -> Vec<usize> {
                    heard.split(' ').filter_map(|word| word.strip_prefix(&name)?.parse().ok()).collect()
                };
                let won = [won(&heard[0]), won(&heard[1])];
                assert_eq!(won.concat().len(), 1, "{credential:?} {number} was used by {won:?}");
                let traces = runtime.block_on(single_use::traces(&store, credential, number, TASKS));
                assert_eq!(traces, won.concat(), "{credential:?} {number}");
                by_process[usize::from(won[0].is_empty())] += 1;
            }
        }
    }
    for user in &mut users {
        drop(user.child.stdin.take());
        assert!(user.child.wait().unwrap().success());
    }
    assert_eq!(database.disagreements().unwrap(), Vec::<String>::new());
    println!("won by the one process {} times, by the other {}", by_process[0], by_process[1]);
    by_process.iter().sum()
}
