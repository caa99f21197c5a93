//! Two servers on one PostgreSQL database, behind a balancer that sends anybody anywhere (threats R1, R12, CG-02, RT-03).
//!
//! `AUTHD_REFRESH_ROUNDS` says how often a hundred clients race for a successor (by default 20 times), `AUTHD_RACE_CODES`
//! for how many codes they do (10).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use authd::administration::clients::NewClient;
use authd::app::{App, CLOCKS_APART};
use authd::http::limits::Limits;
use http::StatusCode;
use records::{ApplicationType, ConsumedHandle, HandleId, Lifetime, UnixTime, Write};
use testkit::{Browser, On, Reply, TestMoments, World, password_of};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const API: &str = "https://api.example/";
const AT_ONCE: usize = 100;

/// Two servers that know the application `mobile`, whose refresh tokens have a leeway of so many seconds.
async fn servers(leeway: u32) -> [Arc<World>; 2] {
    let one = World::with_people(On::Postgres).await;
    for tenant in ["first", "second"] {
        one.change_api(tenant, API, |api| api.allow_offline_access = true).await;
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An application on a phone");
        new.refresh_token_leeway = Lifetime(leeway);
        one.application(tenant, "mobile", new, "password refresh_token").await;
    }
    let two = one.beside().await;
    [Arc::new(one), Arc::new(two)]
}

async fn log_in(world: &World) -> String {
    let (secret, password) = (World::secret("first"), password_of("first", "ada"));
    let form = [
        ("grant_type", "password"),
        ("client_id", "mobile"),
        ("client_secret", secret.as_str()),
        ("username", "ada@example.com"),
        ("password", password.as_str()),
        ("audience", API),
        ("scope", "read offline_access"),
    ];
    refresh_token(&world.post("first", "/oauth/token").form(&form).send().await)
}

fn refresh_token(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["refresh_token"].as_str().unwrap().to_owned()
}

async fn refresh(world: &World, token: &str) -> Reply {
    let secret = World::secret("first");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "mobile"),
        ("client_secret", secret.as_str()),
        ("refresh_token", token),
    ];
    world.post("first", "/oauth/token").form(&form).send().await
}

/// Everybody presents the token at the same moment, each at one of the servers.
async fn present(servers: &[Arc<World>; 2], token: &str) -> Vec<Reply> {
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let mut racers = JoinSet::new();
    for number in 0..AT_ONCE {
        let world = Arc::clone(&servers[number % 2]);
        let (token, barrier) = (token.to_owned(), Arc::clone(&barrier));
        racers.spawn(async move {
            barrier.wait().await;
            refresh(&world, &token).await
        });
    }
    racers.join_all().await
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_a_hundred_at_once_at_two_servers_get_one_successor() {
    let servers = servers(10).await;
    let mut token = log_in(&servers[0]).await;
    let (rounds, began) = (number("AUTHD_REFRESH_ROUNDS", 20), Instant::now());
    for round in 0..rounds {
        let replies = present(&servers, &token).await;
        let successors: BTreeSet<String> = replies.iter().map(refresh_token).collect();
        assert_eq!(successors.len(), 1, "round {round}: one successor, and everybody got it");
        let next = successors.into_iter().next().unwrap();
        assert_ne!(std::mem::replace(&mut token, next.clone()), next);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{rounds} rounds of {AT_ONCE} presentations at two servers, one successor each, {seconds:.1} s");
    assert_eq!(refresh(&servers[1], &token).await.status, StatusCode::OK, "it is the live one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_without_a_leeway_one_of_a_hundred_succeeds_and_the_family_ends_at_both() {
    let servers = servers(0).await;
    for _ in 0..5 {
        let token = log_in(&servers[1]).await;
        let replies = present(&servers, &token).await;
        let given: Vec<_> = replies.iter().filter(|reply| reply.status == StatusCode::OK).collect();
        assert_eq!(given.len(), 1);
        let refused = replies.iter().filter(|reply| reply.status == StatusCode::FORBIDDEN).count();
        assert_eq!(refused, AT_ONCE - 1);
        for world in &servers {
            assert_eq!(refresh(world, &refresh_token(given[0])).await.status, StatusCode::FORBIDDEN);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cg_02_of_a_hundred_at_once_at_two_servers_one_redeems_a_code() {
    let servers = servers(0).await;
    let mut browser = Browser::at(&servers[0], "first");
    browser.obtain("spa", &[("scope", "openid read")]).await.field("access_token");
    for number in 0..number("AUTHD_RACE_CODES", 10) {
        let landed = browser.ask("spa", &[("response_type", "code"), ("scope", "openid read")]).await;
        let code = landed.field("code");
        let barrier = Arc::new(Barrier::new(AT_ONCE));
        let mut racers = JoinSet::new();
        for racer in 0..AT_ONCE {
            let world = Arc::clone(&servers[racer % 2]);
            let (code, barrier) = (code.clone(), Arc::clone(&barrier));
            racers.spawn(async move {
                barrier.wait().await;
                world.redeem("first", "spa", &code, &[]).await.status
            });
        }
        let statuses = racers.join_all().await;
        let redeemed = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        assert_eq!(redeemed, 1, "code {number}");
        assert!(statuses.iter().all(|status| [200, 403].contains(&status.as_u16())), "{statuses:?}");
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_ahead_does_not_forget_what_another_still_needs() {
    let world = World::with_people(On::Postgres).await;
    let store = world.store("first");
    // Shortly before the hour, after which a whole table is emptied.
    world.moments().advance(3600 - 70);
    let now = world.moments().now();
    let id = HandleId::parse("used-once").unwrap();
    let used = ConsumedHandle { id: id.clone(), expires_at: UnixTime(now.0 + 60) };
    store.commit(vec![Write::ConsumeHandle(used)]).await.unwrap();
    let sweep_by = async |ahead: u64| {
        let moments = Arc::new(TestMoments::new(UnixTime(now.0 + ahead), 2));
        App::new(world.another_process().await, moments, Limits::default()).sweep(1000).await.unwrap();
    };
    sweep_by(CLOCKS_APART).await;
    assert!(store.is_consumed(&id).await.unwrap(), "here it can still be presented");
    sweep_by(CLOCKS_APART + 3600).await;
    assert!(!store.is_consumed(&id).await.unwrap(), "it does not stay for ever");
}
