//! Taking refresh tokens back, one or all, also while they are used (RFC 7009; threats IR, RT-07, LC-21).
//!
//! `AUTHD_REFRESH_REVOCATIONS` says how often a refresh races a revocation (by default 30 times on each backend).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::sync::Arc;

use authd::administration::clients::NewClient;
use authd::administration::revocations;
use authd::backend::AnyBackend;
use http::{Method, StatusCode, header};
use records::{ApplicationType, ErrorProfile, Lifetime};
use store::{RefreshFamiliesOf, UserGrantsOf};
use testkit::{Browser, On, Reply, World, password_of, user_id};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const API: &str = "https://api.example/";

/// A world with an application `mobile` that may come back, on an API that allows it.
async fn world(on: On) -> World {
    let world = World::with_people(on).await;
    for tenant in ["first", "second"] {
        world.change_api(tenant, API, |api| api.allow_offline_access = true).await;
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An application on a phone");
        new.refresh_token_leeway = Lifetime(10);
        world.application(tenant, "mobile", new, "password refresh_token").await;
    }
    world
}

async fn on_each(test: impl AsyncFn(World)) {
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        test(world(on).await).await;
    }
}

async fn log_in(world: &World, audience: &str) -> Reply {
    let (secret, password) = (World::secret("first"), password_of("first", "ada"));
    let form = [
        ("grant_type", "password"),
        ("client_id", "mobile"),
        ("client_secret", secret.as_str()),
        ("username", "ada@example.com"),
        ("password", password.as_str()),
        ("audience", audience),
        ("scope", "openid read write offline_access"),
    ];
    world.post("first", "/oauth/token").form(&form).send().await
}

fn refresh_token(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned()
}

async fn given(world: &World) -> String {
    refresh_token(&log_in(world, API).await)
}

async fn refresh_as(world: &World, client: &str, token: &str) -> Reply {
    let secret = World::secret("first");
    let mut form = vec![("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
    if client != "spa" {
        form.push(("client_secret", &secret));
    }
    world.post("first", "/oauth/token").form(&form).send().await
}

async fn refresh(world: &World, token: &str) -> Reply {
    refresh_as(world, "mobile", token).await
}

fn refused(reply: &Reply) {
    assert_eq!(reply.error().1, "invalid_grant", "{}", reply.text());
}

async fn revoke_with(world: &World, token: &str, more: &[(&str, &str)]) -> Reply {
    let secret = World::secret("first");
    let mut form = vec![("client_id", "mobile"), ("client_secret", secret.as_str()), ("token", token)];
    form.retain(|(name, _)| more.iter().all(|(given, _)| given != name));
    form.extend(more);
    form.retain(|(_, value)| !value.is_empty());
    world.post("first", "/oauth/revoke").form(&form).send().await
}

async fn revoke(world: &World, token: &str) -> Reply {
    revoke_with(world, token, &[]).await
}

async fn another(world: &World) {
    let new = NewClient::of_type(ApplicationType::RegularWeb, "Another");
    world.application("first", "another", new, "refresh_token").await;
}

/// Refreshes until it is refused, and says so each time that it was not; returns every refresh token that it was given.
async fn until_refused(
    world: Arc<World>,
    client: &'static str,
    mut token: String,
    rotated: UnboundedSender<()>,
) -> Vec<String> {
    let mut held = vec![token.clone()];
    loop {
        let reply = refresh_as(&world, client, &token).await;
        if reply.status != StatusCode::OK {
            return held;
        }
        token = refresh_token(&reply);
        held.push(token.clone());
        let _ = rotated.send(());
    }
}

/// An application refreshes as fast as it can, by each token of its own, while what it holds is revoked.
async fn raced(
    on: On,
    (client, logins): (&'static str, usize),
    log_in: impl AsyncFn(&World) -> String,
    revoked: impl AsyncFn(&World, &str),
) {
    let rounds = std::env::var("AUTHD_REFRESH_REVOCATIONS").map_or(30, |text| text.parse().unwrap());
    let world = Arc::new(world(on).await);
    let user = user_id("ada");
    for round in 0..rounds {
        let (mut first, mut racers) = (String::new(), Vec::new());
        let (rotated, mut rotations) = unbounded_channel();
        for _ in 0..logins {
            first = log_in(&world).await;
            let racer = until_refused(Arc::clone(&world), client, first.clone(), rotated.clone());
            racers.push(tokio::spawn(racer));
        }
        for _ in 0..round % 4 {
            rotations.recv().await.unwrap();
        }
        revoked(&world, &first).await;
        // Looked at before anything old is presented, which would end the family too.
        let store = world.store("first");
        let left = store.refresh_families(RefreshFamiliesOf::User(&user), None, 10).await.unwrap();
        assert!(left.is_empty(), "round {round} on {on:?}: {left:?}");
        for racer in racers {
            for token in racer.await.unwrap() {
                refused(&refresh_as(&world, client, &token).await);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_07_after_a_revocation_was_answered_no_descendant_of_the_token_gives_anything() {
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        raced(on, ("mobile", 1), given, async |world, token| {
            assert_eq!(revoke(world, token).await.status, StatusCode::OK);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_07_after_all_of_a_persons_tokens_were_revoked_no_descendant_gives_anything() {
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        raced(on, ("mobile", 4), given, async |world, _| {
            revocations::refresh_tokens_of_user(&world.store("first"), &user_id("ada")).await.unwrap();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rt_07_lc_21_after_consent_was_withdrawn_no_descendant_gives_anything() {
    let log_in = async |world: &World| {
        let mut browser = Browser::at(world, "first");
        let scope = [("response_type", "code"), ("scope", "openid read offline_access")];
        let code = browser.obtain("spa", &scope).await.field("code");
        refresh_token(&world.redeem("first", "spa", &code, &[]).await)
    };
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        raced(on, ("spa", 1), log_in, async |world, _| {
            let (store, ada) = (world.store("first"), user_id("ada"));
            let grants = store.user_grants(UserGrantsOf::User(&ada), None, 10).await.unwrap();
            revocations::user_grant(&store, &grants[0].record.id).await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn lc_21_consent_and_the_refresh_tokens_that_came_of_it_go_in_one_commit() {
    let world = world(On::Sqlite).await;
    let mut browser = Browser::at(&world, "first");
    let scope = [("response_type", "code"), ("scope", "openid read offline_access")];
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let code = browser.obtain("spa", &scope).await.field("code");
        tokens.push(refresh_token(&world.redeem("first", "spa", &code, &[]).await));
    }
    let other = given(&world).await;
    let AnyBackend::Sqlite(sqlite) = world.app().stores().backend() else { panic!("it is on SQLite") };
    let (store, ada) = (world.store("first"), user_id("ada"));
    let grants = store.user_grants(UserGrantsOf::User(&ada), None, 10).await.unwrap();
    let before = sqlite.statistics().commits;
    revocations::user_grant(&store, &grants[0].record.id).await.unwrap();
    assert_eq!(sqlite.statistics().commits - before, 1, "nothing is left if it stops half-way");
    // Allowed again, none of them comes back.
    browser.obtain("spa", &scope).await.field("code");
    for token in tokens {
        refused(&refresh_as(&world, "spa", &token).await);
    }
    assert_eq!(refresh(&world, &other).await.status, StatusCode::OK, "another application's");
}

#[tokio::test]
async fn ir_04_a_token_in_an_address_revokes_nothing() {
    let world = world(On::Memory).await;
    let token = given(&world).await;
    let query =
        format!("/oauth/revoke?client_id=mobile&client_secret={}&token={token}", World::secret("first"));
    let reply = world.get("first", &query).send().await;
    assert_eq!((reply.status, reply.header(header::ALLOW)), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    for method in [Method::HEAD, Method::PUT, Method::DELETE] {
        let reply = world.request(method, "first", &query).send().await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let reply = world.post("first", &query).form(&[("client_id", "mobile")]).send().await;
    assert_eq!(reply.error().1, "invalid_request");
    assert_eq!(refresh(&world, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ir_05_whatever_the_hint_says_the_token_is_found() {
    on_each(async |world| {
        for hint in ["refresh_token", "access_token", "something_else"] {
            let token = given(&world).await;
            let reply = revoke_with(&world, &token, &[("token_type_hint", hint)]).await;
            assert_eq!((reply.status, reply.text().as_str()), (StatusCode::OK, ""), "{hint}");
            refused(&refresh(&world, &token).await);
        }
    })
    .await;
}

#[tokio::test]
async fn ir_08_neither_a_public_client_nor_another_tenants_nor_nobody_revokes_a_clients_token() {
    on_each(async |world| {
        let token = given(&world).await;
        for profile in [ErrorProfile::Auth0, ErrorProfile::Rfc6749] {
            for tenant in ["first", "second"] {
                world.settings(tenant, |settings| settings.error_profile = profile).await;
            }
            let public = [("client_id", "spa"), ("client_secret", "")];
            let status = if profile == ErrorProfile::Auth0 { 200 } else { 400 };
            assert_eq!(revoke_with(&world, &token, &public).await.status, status);
            // The same client id and the same person, of another tenant.
            let secret = World::secret("second");
            let form =
                [("client_id", "mobile"), ("client_secret", secret.as_str()), ("token", token.as_str())];
            assert_eq!(world.post("second", "/oauth/revoke").form(&form).send().await.status, 200);
            for proof in ["", "wrong", secret.as_str()] {
                assert_eq!(revoke_with(&world, &token, &[("client_secret", proof)]).await.status, 401);
            }
        }
        assert_eq!(refresh(&world, &token).await.status, StatusCode::OK, "it is as it was");
    })
    .await;
}

#[tokio::test]
async fn ir_13_an_altered_or_cut_token_is_unknown_and_the_real_one_stays() {
    let world = world(On::Memory).await;
    let token = given(&world).await;
    let (begin, last) = token.split_at(token.len() - 1);
    let other = if last == "A" { "B" } else { "A" };
    for altered in
        [begin, &format!("{begin}{other}"), &format!("{token}A"), &token[1..], &format!("{token}=")]
    {
        let reply = revoke(&world, altered).await;
        assert_eq!((reply.status, reply.text().as_str()), (StatusCode::OK, ""), "{altered}");
    }
    assert_eq!(refresh(&world, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ir_07_ir_08_revoking_answers_as_auth0_or_as_the_standard() {
    on_each(async |world| {
        let token = given(&world).await;
        let next = refresh_token(&refresh(&world, &token).await);
        let unknown = revoke(&world, "v1.unknown").await;
        assert_eq!((unknown.status, unknown.text().as_str()), (StatusCode::OK, ""));
        let secret = World::secret("first");
        let missing = [("client_id", "mobile"), ("client_secret", secret.as_str())];
        let missing = world.post("first", "/oauth/revoke").form(&missing).send().await;
        assert_eq!(missing.error().1, "invalid_request");
        let wrong = [("client_id", "mobile"), ("client_secret", "wrong"), ("token", next.as_str())];
        assert_eq!(world.post("first", "/oauth/revoke").form(&wrong).send().await.status, 401);

        another(&world).await;
        let theirs = [("client_id", "another"), ("client_secret", secret.as_str()), ("token", next.as_str())];
        assert_eq!(world.post("first", "/oauth/revoke").form(&theirs).send().await.status, 200);
        world.settings("first", |settings| settings.error_profile = ErrorProfile::Rfc6749).await;
        assert_eq!(world.post("first", "/oauth/revoke").form(&theirs).send().await.status, 400);
        world.settings("first", |settings| settings.error_profile = ErrorProfile::Auth0).await;
        let next = refresh_token(&refresh(&world, &next).await);
        assert_eq!(revoke(&world, &token).await.status, 200, "an old generation revokes too");
        refused(&refresh(&world, &next).await);
    })
    .await;
}

#[tokio::test]
async fn ir_09_what_cannot_be_revoked_is_refused_by_the_standards_profile_alone() {
    on_each(async |world| {
        let body = log_in(&world, API).await.json();
        let opaque = log_in(&world, "https://first.example/userinfo").await.json();
        let tokens = [&body["access_token"], &body["id_token"], &opaque["access_token"]]
            .map(|it| it.as_str().unwrap());
        for token in tokens {
            assert_eq!(revoke(&world, token).await.status, StatusCode::OK, "Auth0 says nothing");
        }
        world.settings("first", |settings| settings.error_profile = ErrorProfile::Rfc6749).await;
        for token in tokens {
            let (status, error, _) = revoke(&world, token).await.error();
            assert_eq!((status, error.as_str()), (400, "unsupported_token_type"), "{token}");
        }
        for unknown in ["v1.unknown", "garbage", "a.b.c", "AAAA"] {
            assert_eq!(revoke(&world, unknown).await.status, StatusCode::OK, "IR-07: {unknown}");
        }
        let token = body["refresh_token"].as_str().unwrap();
        assert_eq!(revoke(&world, token).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn ir_10_a_store_that_fails_is_503_and_the_token_is_as_it_was() {
    let world = world(On::Sqlite).await;
    let token = given(&world).await;
    world.app().close();
    let reply = revoke(&world, &token).await;
    assert_eq!(
        (reply.status, reply.error().1.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
    );
    assert_eq!(reply.header(header::RETRY_AFTER), "1");
    let world = world.restarted().await;
    assert_eq!(
        refresh(&world, &token).await.status,
        StatusCode::OK,
        "as the answer said, it was not revoked"
    );
}

#[tokio::test]
async fn ir_12_a_token_of_ten_megabytes_is_413_and_one_of_the_most_that_fits_is_unknown() {
    let world = world(On::Memory).await;
    let reply = revoke(&world, &"A".repeat(10 * 1024 * 1024)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    for shape in ["A", "v1.A", ".", "A.", "%"] {
        let long: String = shape.chars().cycle().take(60_000 / 3).collect();
        assert_eq!(revoke(&world, &long).await.status, StatusCode::OK, "{shape}");
    }
}
