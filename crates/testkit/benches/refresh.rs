//! Rotations a second of the whole server on SQLite, every one durable, and the processor time of each.
//!
//! `cargo bench -p testkit --bench refresh`. The sockets are left out: requests are handed to the server in process.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark stops at the first surprise")]

use std::sync::Arc;
use std::time::Instant;

use authd::administration::clients::NewClient;
use records::{ApplicationType, SigningAlgorithm};
use testkit::{On, World, password_of};
use tokio::task::JoinSet;

const API: &str = "urn:bench";

async fn present(world: &World, form: &[(&str, &str)]) -> String {
    let reply = world.post("first", "/oauth/token").form(form).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["refresh_token"].as_str().unwrap().to_owned()
}

async fn log_in(world: &World) -> String {
    let (secret, password) = (World::secret("first"), password_of("first", "ada"));
    present(
        world,
        &[
            ("grant_type", "password"),
            ("client_id", "mobile"),
            ("client_secret", &secret),
            ("username", "ada"),
            ("password", &password),
            ("audience", API),
            ("scope", "read offline_access"),
        ],
    )
    .await
}

async fn rotate(world: &World, token: &str) -> String {
    let secret = World::secret("first");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "mobile"),
        ("client_secret", secret.as_str()),
        ("refresh_token", token),
    ];
    present(world, &form).await
}

/// Processor time of this process, in microseconds (Linux, `/proc/self/stat`, ticks of 10 ms).
fn processor_microseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}

async fn measure(algorithm: SigningAlgorithm, at_once: usize, each: usize) {
    let world = Arc::new(World::with_people(On::Sqlite).await);
    world
        .api("first", API, |new| {
            new.allow_offline_access = true;
            new.signing_algorithm = algorithm;
        })
        .await;
    let new = NewClient::of_type(ApplicationType::RegularWeb, "A phone");
    world.application("first", "mobile", new, "password refresh_token").await;
    let mut tokens = Vec::new();
    for _ in 0..at_once {
        tokens.push(log_in(&world).await);
    }
    let (began, processor) = (Instant::now(), processor_microseconds());
    let mut clients = JoinSet::new();
    for mut token in tokens {
        let world = Arc::clone(&world);
        clients.spawn(async move {
            for _ in 0..each {
                token = rotate(&world, &token).await;
            }
        });
    }
    clients.join_all().await;
    let count = (at_once * each) as f64;
    let seconds = began.elapsed().as_secs_f64();
    let used = (processor_microseconds() - processor) as f64;
    println!(
        "{:>6} {at_once:>5} at once {:>9.0} rotations/s {:>8.0} us of processor each",
        algorithm.name(),
        count / seconds,
        used / count
    );
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
            for (at_once, each) in [(1, 500), (16, 300), (128, 80)] {
                measure(algorithm, at_once, if is_test { 1 } else { each }).await;
            }
        }
    });
}
