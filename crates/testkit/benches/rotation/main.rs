//! Durable refresh rotations a second over HTTP, beside those of a bare server on the same store (ADR 4).
//!
//! `cargo bench -p testkit --bench rotation`. Three servers, each a process of its own on its own SQLite database, are asked in
//! turn by one client on kept-alive HTTP/1.1 connections, each of which sends the next request when it has the answer:
//!
//! - *authd*: the product as `authd serve` runs it, with its timers and a log line a request (to /dev/null). A
//!   confidential client, secret in the form, ES256, `read offline_access`.
//! - *bare*: hyper, which reads the body whole; one read of the row by key; one conditional commit, through the same store
//!   and its grouping, of a row with the body, index and end that authd's has; an answer of the same length. No OAuth,
//!   no digests, no JSON read or written.
//! - *floor*: what any server must do that rotates durably and signs: parse the form, check the digests of secret and token,
//!   read one row and make its next state, sign with ES256, make authd's commit, answer in JSON ([`floor`]).
//!
//! An answer is sent when the commit is on the disk. With `taskset` at hand the servers have the first processor and the
//! client the second. `ROTATION_SECONDS` (4), `ROTATION_ROUNDS` (3) and `ROTATION_CONNECTIONS` (1,16,128,512) change the cells;
//! each figure is the median of the rounds. Processor time is the server's, of all its threads.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark stops at the first surprise"
)]

mod client;
mod floor;
mod servers;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client::Cell;
use serde_json::Value;

const MODES: [&str; 3] = ["authd", "floor", "bare"];

#[global_allocator]
static ALLOCATOR: authd::Allocator = authd::ALLOCATOR;

struct Server {
    child: Child,
    address: String,
    request: String,
    tokens: Vec<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(mode: &str, families: usize, is_pinned: bool) -> Server {
    let program = std::env::current_exe().unwrap();
    let mut command = if is_pinned {
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    let families = families.to_string();
    let mut child = command
        .args(["serve", mode, &families])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| said[name].as_str().unwrap().to_owned();
    let tokens =
        said["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap().to_owned()).collect();
    Server { child, address: text("address"), request: text("request"), tokens }
}

/// Processor time of a process, in microseconds (Linux, ticks of 10 ms).
fn processor_microseconds(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10_000
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, mode, families] = &words[..]
        && first == "serve"
    {
        return servers::serve(mode, families.parse().unwrap());
    }
    // `cargo test --benches` only wants to know that it runs.
    let is_test = words.iter().any(|word| word == "--test");
    let seconds: f64 = setting("ROTATION_SECONDS", if is_test { "0.2" } else { "4" }).parse().unwrap();
    let rounds: usize = setting("ROTATION_ROUNDS", if is_test { "1" } else { "3" }).parse().unwrap();
    let connections = setting("ROTATION_CONNECTIONS", if is_test { "1,4" } else { "1,16,128,512" });
    let connections: Vec<usize> = connections.split(',').map(|number| number.parse().unwrap()).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let own = std::process::id().to_string();
    let is_pinned = processors > 1
        && Command::new("taskset")
            .args(["-cp", "1", &own])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());

    let most = connections.iter().max().copied().unwrap();
    let mut servers = MODES.map(|mode| start(mode, most, is_pinned));
    println!("{processors} processors; servers and client {}", if is_pinned { "apart" } else { "together" });
    println!(
        "| connections | {} | of floor | of bare |",
        MODES.map(|mode| format!("{mode}, /s (us of processor)")).join(" | ")
    );
    println!("|---|---|---|---|---|---|");
    for at_once in connections {
        let mut cells: [Vec<(f64, f64)>; 3] = Default::default();
        for _ in 0..rounds {
            for (server, cells) in servers.iter_mut().zip(&mut cells) {
                let time = Duration::from_secs_f64(seconds);
                let process = server.child.id();
                let mut began = 0;
                let cell = Cell { address: &server.address, request: &server.request, at_once, time };
                let done = cell.run(&mut server.tokens, || began = processor_microseconds(process));
                let used = (processor_microseconds(process) - began) as f64;
                cells.push((done.count as f64 / done.seconds, used / done.count.max(1) as f64));
            }
        }
        let rates = [0, 1, 2].map(|mode: usize| median(cells[mode].iter().map(|cell| cell.0).collect()));
        let used = [0, 1, 2].map(|mode: usize| median(cells[mode].iter().map(|cell| cell.1).collect()));
        let shown = [0, 1, 2].map(|mode: usize| format!("{:.0} ({:.0})", rates[mode], used[mode]));
        let of = |mode: usize| rates[0] / rates[mode] * 100.0;
        println!("| {at_once} | {} | {:.0} % | {:.0} % |", shown.join(" | "), of(1), of(2));
    }
}
