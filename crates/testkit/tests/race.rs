//! A hundred clients redeem one code at the same moment: one gets tokens (threats CG-02; RFC 6749 §4.1.2).
//!
//! `AUTHD_RACE_CODES` says how many codes a backend is raced for; by default 50.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use testkit::{Browser, On, World};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const AT_ONCE: usize = 100;

async fn race(on: On, codes: usize) {
    let world = Arc::new(World::with_people(on).await);
    let mut browser = Browser::at(&world, "first");
    browser.obtain("spa", &[("scope", "openid read")]).await.field("access_token");
    let began = Instant::now();
    for number in 0..codes {
        let landed = browser.ask("spa", &[("response_type", "code"), ("scope", "openid read")]).await;
        let code = landed.field("code");
        let barrier = Arc::new(Barrier::new(AT_ONCE));
        let mut racers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (world, code, barrier) = (Arc::clone(&world), code.clone(), Arc::clone(&barrier));
            racers.spawn(async move {
                barrier.wait().await;
                let reply = world.redeem("first", "spa", &code, &[]).await;
                if reply.status == StatusCode::OK {
                    return true;
                }
                let (status, error, description) = reply.error();
                assert_eq!((status, error.as_str()), (403, "invalid_grant"), "{description}");
                false
            });
        }
        let successes = racers.join_all().await.into_iter().filter(|success| *success).count();
        assert_eq!(successes, 1, "code {number} on {on:?}");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{on:?}: {codes} codes, {} redemptions, one success each, {seconds:.1} s", codes * AT_ONCE);
}

fn codes() -> usize {
    std::env::var("AUTHD_RACE_CODES").map_or(50, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cg_02_of_a_hundred_at_once_one_succeeds_in_memory() {
    race(On::Memory, codes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cg_02_of_a_hundred_at_once_one_succeeds_on_sqlite() {
    race(On::Sqlite, codes()).await;
}
