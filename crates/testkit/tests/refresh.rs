//! Refresh tokens on the whole server: races, lost answers, and a small oracle (threats RT-01 to RT-19; ADR 4).
//!
//! `AUTHD_REFRESH_ROUNDS` says how often a thousand clients race (by default 3 times on each backend),
//! `AUTHD_REFRESH_ROTATIONS` how many rotations lose a third of their answers (2,000).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use authd::administration::clients::NewClient;
use authd::administration::{revocations, users};
use http::StatusCode;
use records::{ApplicationType, Lifetime, RotationType};
use testkit::{Browser, On, Reply, VERIFIER, World, password_of, user_id};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const API: &str = "https://api.example/";
const LEEWAY: u64 = 10;

/// A world with an application `mobile` that may come back, on an API that allows it.
async fn world(on: On, change: impl Fn(&mut NewClient)) -> World {
    let world = World::with_people(on).await;
    for tenant in ["first", "second"] {
        world.change_api(tenant, API, |api| api.allow_offline_access = true).await;
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An application on a phone");
        new.refresh_token_leeway = Lifetime(LEEWAY as u32);
        change(&mut new);
        world.application(tenant, "mobile", new, "password refresh_token authorization_code").await;
    }
    world
}

async fn log_in(world: &World, more: &[(&str, &str)]) -> Reply {
    let secret = World::secret("first");
    let password = password_of("first", "ada");
    let mut form = vec![
        ("grant_type", "password"),
        ("client_id", "mobile"),
        ("client_secret", secret.as_str()),
        ("username", "ada@example.com"),
        ("password", password.as_str()),
        ("audience", API),
        ("scope", "openid read write offline_access"),
    ];
    form.retain(|(name, _)| more.iter().all(|(given, _)| given != name));
    form.extend(more);
    world.post("first", "/oauth/token").form(&form).send().await
}

fn refresh_token(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["refresh_token"]
        .as_str()
        .unwrap_or_else(|| panic!("no refresh token: {}", reply.text()))
        .to_owned()
}

async fn refresh_with(world: &World, token: &str, more: &[(&str, &str)]) -> Reply {
    let secret = World::secret("first");
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("client_id", "mobile"),
        ("client_secret", secret.as_str()),
        ("refresh_token", token),
    ];
    form.retain(|(name, _)| more.iter().all(|(given, _)| given != name));
    form.extend(more);
    form.retain(|(_, value)| !value.is_empty());
    world.post("first", "/oauth/token").form(&form).send().await
}

async fn refresh(world: &World, token: &str) -> Reply {
    refresh_with(world, token, &[]).await
}

fn refused(reply: &Reply) {
    let (status, error, description) = reply.error();
    assert_eq!(
        (status, error.as_str(), description.as_str()),
        (403, "invalid_grant", "Unknown or invalid refresh token."),
        "{}",
        reply.text()
    );
}

async fn revoke(world: &World, token: &str) -> Reply {
    let secret = World::secret("first");
    let form = [("client_id", "mobile"), ("client_secret", secret.as_str()), ("token", token)];
    world.post("first", "/oauth/revoke").form(&form).send().await
}

async fn on_each(test: impl AsyncFn(World)) {
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        test(world(on, |_| {}).await).await;
    }
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

async fn race(on: On) {
    const AT_ONCE: usize = 1000;
    let world = Arc::new(world(on, |_| {}).await);
    let mut present = refresh_token(&log_in(&world, &[("scope", "read offline_access")]).await);
    for round in 0..number("AUTHD_REFRESH_ROUNDS", 3) {
        let barrier = Arc::new(Barrier::new(AT_ONCE));
        let mut racers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (world, token, barrier) = (Arc::clone(&world), present.clone(), Arc::clone(&barrier));
            racers.spawn(async move {
                barrier.wait().await;
                refresh_token(&refresh(&world, &token).await)
            });
        }
        let successors: BTreeSet<String> = racers.join_all().await.into_iter().collect();
        assert_eq!(successors.len(), 1, "round {round} on {on:?}: one successor, and everybody got it");
        let old = std::mem::replace(&mut present, successors.into_iter().next().unwrap());
        assert_ne!(old, present);
    }
    assert_eq!(refresh(&world, &present).await.status, StatusCode::OK, "it is the live one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_03_a_thousand_at_once_get_one_successor_in_memory() {
    race(On::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_03_a_thousand_at_once_get_one_successor_on_sqlite() {
    race(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_02_without_a_leeway_one_of_many_succeeds_and_the_family_ends() {
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        let world = Arc::new(world(on, |new| new.refresh_token_leeway = Lifetime(0)).await);
        let token = refresh_token(&log_in(&world, &[]).await);
        let barrier = Arc::new(Barrier::new(100));
        let mut racers = JoinSet::new();
        for _ in 0..100 {
            let (world, token, barrier) = (Arc::clone(&world), token.clone(), Arc::clone(&barrier));
            racers.spawn(async move {
                barrier.wait().await;
                refresh(&world, &token).await
            });
        }
        let replies = racers.join_all().await;
        let given: Vec<_> = replies.iter().filter(|reply| reply.status == StatusCode::OK).collect();
        assert_eq!(given.len(), 1);
        refused(&refresh(&world, &refresh_token(given[0])).await);
    }
}

/// What a client does whose answers get lost: it presents the same token again.
async fn lossy(on: On, rotations: usize) {
    let world = world(on, |new| new.refresh_token_lifetime = None).await;
    let mut present = refresh_token(&log_in(&world, &[("scope", "read offline_access")]).await);
    let (mut dice, mut lost) = (Dice(7), 0);
    for rotation in 0..rotations {
        loop {
            let reply = refresh(&world, &present).await;
            assert_eq!(reply.status, StatusCode::OK, "rotation {rotation} on {on:?}: {}", reply.text());
            if dice.below(10) < 3 {
                // The server has committed; nobody hears of it.
                lost += 1;
                world.moments().advance(dice.below(3));
                continue;
            }
            present = refresh_token(&reply);
            break;
        }
        world.moments().advance(dice.below(60));
    }
    assert!(lost > rotations / 4, "{lost} answers were lost");
}

#[tokio::test]
async fn rt_18_a_third_of_the_answers_lost_logs_nobody_out_in_memory() {
    lossy(On::Memory, number("AUTHD_REFRESH_ROTATIONS", 2000)).await;
}

#[tokio::test]
async fn rt_18_a_third_of_the_answers_lost_logs_nobody_out_on_sqlite() {
    lossy(On::Sqlite, number("AUTHD_REFRESH_ROTATIONS", 2000)).await;
}

/// Repeatable chance (Marsaglia's xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// What must be, in ten lines: generations, one leeway, one end.
struct Oracle {
    is_alive: bool,
    tokens: Vec<String>,
    rotated_at: u64,
    idle_end: u64,
    end: u64,
}

impl Oracle {
    const IDLE: u64 = 200;
    const ABSOLUTE: u64 = 2000;

    /// The generation of the answer, or a refusal; and what becomes of the family.
    fn present(&mut self, generation: usize, now: u64) -> Option<usize> {
        let present = self.tokens.len() - 1;
        if !self.is_alive || now >= self.idle_end.min(self.end) {
            return None;
        }
        if generation == present {
            (self.rotated_at, self.idle_end) = (now, now + Self::IDLE);
            return Some(present + 1);
        }
        if generation + 1 == present && now <= self.rotated_at + LEEWAY {
            return Some(present);
        }
        self.is_alive = false;
        None
    }
}

async fn compare(on: On, seed: u64, steps: usize) {
    let mut world = world(on, |new| {
        new.refresh_token_lifetime = Some(Lifetime(Oracle::ABSOLUTE as u32));
        new.refresh_token_idle_lifetime = Some(Lifetime(Oracle::IDLE as u32));
    })
    .await;
    let mut dice = Dice(seed * 2 + 1);
    for _ in 0..20 {
        dice.roll();
    }
    let mut oracle: Option<Oracle> = None;
    for step in 0..steps {
        let now = world.moments().now().0;
        let place = format!("seed {seed}, step {step}, {on:?}");
        let Some(family) = oracle.as_mut() else {
            let first = refresh_token(&log_in(&world, &[("scope", "read offline_access")]).await);
            oracle = Some(Oracle {
                is_alive: true,
                tokens: vec![first],
                rotated_at: now,
                idle_end: now + Oracle::IDLE,
                end: now + Oracle::ABSOLUTE,
            });
            continue;
        };
        let present = family.tokens.len() - 1;
        let generation = match dice.below(20) {
            0 => {
                assert_eq!(
                    revoke(&world, &family.tokens[dice.below(present as u64 + 1) as usize]).await.status,
                    200
                );
                family.is_alive = false;
                continue;
            }
            1 => {
                oracle = None;
                continue;
            }
            2 | 3 => {
                world.moments().advance(dice.below(LEEWAY * 2));
                continue;
            }
            4 => {
                world.moments().advance(dice.below(Oracle::IDLE * 5 / 4));
                continue;
            }
            5 if on != On::Memory => {
                world = world.restarted().await;
                continue;
            }
            6 => dice.below(present as u64 + 1) as usize,
            7..=10 => present.saturating_sub(1),
            _ => present,
        };
        let expected = family.present(generation, now);
        let reply = refresh(&world, &family.tokens[generation]).await;
        match expected {
            None => {
                assert_eq!(reply.status, StatusCode::FORBIDDEN, "{place}: {}", reply.text());
                refused(&reply);
            }
            Some(next) => {
                assert_eq!(reply.status, StatusCode::OK, "{place}: {}", reply.text());
                let token = refresh_token(&reply);
                if next == family.tokens.len() {
                    assert!(!family.tokens.contains(&token), "{place}");
                    // Whether a client heard of it or not: what is presented next is drawn from all tokens there ever were.
                    family.tokens.push(token);
                } else {
                    assert_eq!(token, family.tokens[next], "{place}: the same successor");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_server_agrees_with_the_oracle_in_memory() {
    for seed in 0..number("AUTHD_REFRESH_SEEDS", 8) as u64 {
        compare(On::Memory, seed, 250).await;
    }
}

#[tokio::test]
async fn the_server_agrees_with_the_oracle_on_sqlite_and_over_restarts() {
    for seed in 0..number("AUTHD_REFRESH_SEEDS", 8) as u64 {
        compare(On::Sqlite, seed + 1000, 250).await;
    }
}

#[tokio::test]
async fn the_server_agrees_with_the_oracle_on_postgresql_and_over_restarts() {
    for seed in 0..number("AUTHD_REFRESH_SEEDS", 2) as u64 {
        compare(On::Postgres, seed + 2000, 250).await;
    }
}

#[tokio::test]
async fn cg_01_a_code_used_twice_ends_what_it_gave() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let scope = ("scope", "openid read offline_access");
        world
            .application(
                "first",
                "site",
                {
                    let mut new = NewClient::of_type(ApplicationType::SinglePage, "A page");
                    new.refresh_token_leeway = Lifetime(LEEWAY as u32);
                    new
                },
                "authorization_code refresh_token",
            )
            .await;
        let code = browser.obtain("site", &[("response_type", "code"), scope]).await.field("code");
        let callback = testkit::callback_of("site");
        let redeem = async || {
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", "site"),
                ("redirect_uri", callback.as_str()),
                ("code", code.as_str()),
                ("code_verifier", VERIFIER),
            ];
            world.post("first", "/oauth/token").form(&form).send().await
        };
        let token = refresh_token(&redeem().await);
        let public = [("client_id", "site"), ("client_secret", "")];
        let next = refresh_token(&refresh_with(&world, &token, &public).await);
        assert_eq!(redeem().await.error().1, "invalid_grant");
        refused(&refresh_with(&world, &next, &public).await);
    })
    .await;
}

#[tokio::test]
async fn rt_08_rt_13_rt_15_only_its_client_with_its_secret_and_a_refresh_token() {
    on_each(async |world| {
        let logged_in = log_in(&world, &[]).await;
        let token = refresh_token(&logged_in);
        let body = logged_in.json();
        refused(&refresh(&world, body["access_token"].as_str().unwrap()).await);
        refused(&refresh(&world, body["id_token"].as_str().unwrap()).await);
        let without = refresh_with(&world, &token, &[("client_secret", "")]).await;
        assert_eq!(without.status, StatusCode::UNAUTHORIZED);
        world
            .application(
                "first",
                "another",
                NewClient::of_type(ApplicationType::RegularWeb, "Another"),
                "refresh_token",
            )
            .await;
        refused(&refresh_with(&world, &token, &[("client_id", "another")]).await);
        let second = World::secret("second");
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "mobile"),
            ("client_secret", second.as_str()),
            ("refresh_token", token.as_str()),
        ];
        refused(&world.post("second", "/oauth/token").form(&form).send().await);
        assert_eq!(refresh(&world, &token).await.status, StatusCode::OK, "nobody spoiled it");
    })
    .await;
}

#[tokio::test]
async fn rt_09_rt_10_scopes_narrow_and_the_audience_stays() {
    on_each(async |world| {
        let token = refresh_token(&log_in(&world, &[]).await);
        let narrow = refresh_with(&world, &token, &[("scope", "read admin")]).await;
        assert_eq!(narrow.json()["scope"], "read");
        let token = refresh_token(&narrow);
        let other = refresh_with(&world, &token, &[("audience", "https://other.example/")]).await;
        assert_eq!(other.error().1, "access_denied");
        let same = refresh_with(&world, &token, &[("audience", API)]).await;
        assert_eq!(same.json()["scope"], "offline_access openid read write");
        let claims = world.verified("first", &same.access_token(), API).await;
        assert_eq!(claims["gty"], "refresh_token");
        assert!(same.json()["id_token"].is_string());
    })
    .await;
}

#[tokio::test]
async fn rt_12_lc_21_what_is_withdrawn_ends_refreshing() {
    on_each(async |world| {
        let store = world.store("first");
        let token = refresh_token(&log_in(&world, &[]).await);
        world.change("first", "ada", |user| user.is_blocked = true).await;
        assert_eq!(refresh(&world, &token).await.error().1, "unauthorized");
        world.change("first", "ada", |user| user.is_blocked = false).await;
        world.change_api("first", API, |api| api.allow_offline_access = false).await;
        refused(&refresh(&world, &token).await);
        world.change_api("first", API, |api| api.allow_offline_access = true).await;
        let token = refresh_token(&refresh(&world, &token).await);
        revocations::refresh_tokens_of_user(&store, &user_id("ada")).await.unwrap();
        refused(&refresh(&world, &token).await);

        // Consent that a person gave and took back.
        let mut browser = Browser::at(&world, "first");
        let scope = [("response_type", "code"), ("scope", "openid read offline_access")];
        let code = browser.obtain("spa", &scope).await.field("code");
        let token = refresh_token(&world.redeem("first", "spa", &code, &[]).await);
        let public = [("client_id", "spa"), ("client_secret", "")];
        let grants = store.user_grants(store::UserGrantsOf::User(&user_id("ada")), None, 10).await.unwrap();
        assert_eq!(grants.len(), 1);
        revocations::user_grant(&store, &grants[0].record.id).await.unwrap();
        refused(&refresh_with(&world, &token, &public).await);
        let families = store::RefreshFamiliesOf::User(&user_id("ada"));
        assert!(store.refresh_families(families, None, 10).await.unwrap().is_empty());

        let token = refresh_token(&log_in(&world, &[]).await);
        users::delete(&store, &user_id("ada"), world.moments()).await.unwrap();
        refused(&refresh(&world, &token).await);
    })
    .await;
}

#[tokio::test]
async fn rt_17_an_api_that_forbids_offline_access_gets_no_refresh_token() {
    let world = world(On::Memory, |_| {}).await;
    world.change_api("first", API, |api| api.allow_offline_access = false).await;
    let reply = log_in(&world, &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.json().get("refresh_token").is_none());
    assert_eq!(reply.json()["scope"], "openid read write");
}

#[tokio::test]
async fn rt_19_the_oldest_of_two_hundred_leaves() {
    on_each(async |world| {
        let first = refresh_token(&log_in(&world, &[]).await);
        world.moments().advance(1);
        let second = refresh_token(&log_in(&world, &[]).await);
        for _ in 0..199 {
            world.moments().advance(1);
            refresh_token(&log_in(&world, &[]).await);
        }
        refused(&refresh(&world, &first).await);
        assert_eq!(refresh(&world, &second).await.status, StatusCode::OK);
        let (user, client) = (user_id("ada"), records::ClientId::parse("mobile").unwrap());
        let of = store::RefreshFamiliesOf::UserAndClient(&user, &client);
        assert_eq!(world.store("first").refresh_families(of, None, 1000).await.unwrap().len(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_does_not_rotate_is_not_sent_again() {
    let world = world(On::Memory, |new| new.refresh_token_rotation = RotationType::NonRotating).await;
    let token = refresh_token(&log_in(&world, &[]).await);
    for _ in 0..3 {
        let reply = refresh(&world, &token).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(reply.json().get("refresh_token").is_none());
    }
}
