//! What is written, by which requests, and that it leaves again (threats R24, LC-10; ADR 3).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};

use authd::administration::clients::NewClient;
use authd::http::router::ROUTES;
use http::{Method, StatusCode, header};
use records::{ApplicationType, RotationType};
use serde_json::json;
use store::{HeldRow, Kind, Retention};
use testkit::{Browser, On, Reply, World, callback_of, password_of};

const API: &str = "https://api.example/";
const EVERY_SCOPE: &str = "openid profile email offline_access read";

/// A world in which people's applications may come back.
async fn world(on: On) -> World {
    let world = World::with_people(on).await;
    for tenant in ["first", "second"] {
        world.change_api(tenant, API, |api| api.allow_offline_access = true).await;
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "One that keeps its refresh token");
        new.refresh_token_rotation = RotationType::NonRotating;
        world.application(tenant, "keeps", new, "password refresh_token").await;
    }
    world
}

/// Rows of each kind that are there now and were not before, or are others.
fn written(before: &[HeldRow], after: &[HeldRow]) -> BTreeMap<&'static str, usize> {
    let before: BTreeSet<_> = before.iter().collect();
    let mut written = BTreeMap::new();
    for row in after.iter().filter(|row| !before.contains(row)) {
        *written.entry(row.kind.name()).or_default() += 1;
    }
    written
}

/// What the backend holds: its rows, or, of SQLite, the bytes of the database and its log.
fn state(world: &World, on: On) -> (Vec<HeldRow>, Vec<Vec<u8>>) {
    match on {
        On::Memory => (world.memory().rows(), Vec::new()),
        On::Sqlite | On::Postgres => {
            let files = ["world.db", "world.db-wal"];
            (Vec::new(), files.map(|name| std::fs::read(world.directory().join(name)).unwrap()).into())
        }
    }
}

async fn token(world: &World, pairs: &[(&str, &str)]) -> Reply {
    world.post("first", "/oauth/token").form(pairs).send().await
}

async fn password_grant(world: &World, client: &str, scope: &str) -> Reply {
    let (secret, password) = (World::secret("first"), password_of("first", "ada"));
    let pairs = [
        ("grant_type", "password"),
        ("client_id", client),
        ("client_secret", &secret),
        ("username", "ada"),
        ("password", &password),
        ("audience", API),
        ("scope", scope),
    ];
    let reply = token(world, &pairs).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply
}

async fn refresh(world: &World, client: &str, token: &str) -> Reply {
    let secret = World::secret("first");
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("client_secret", if client == "spa" { "" } else { &secret }),
        ("refresh_token", token),
    ];
    let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let reply = world.post("first", "/oauth/token").form(&pairs).send().await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply
}

fn refresh_token(reply: &Reply) -> String {
    reply.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned()
}

/// Requests of somebody who has no password, no session and no secret, made to look like good ones.
async fn knock(world: &World, method: &Method, path: &str, number: usize) -> StatusCode {
    let callback = callback_of("spa");
    let text = format!("{number:043}");
    let token = format!("v1.{text}{text}");
    let grants = ["client_credentials", "authorization_code", "refresh_token", "password", "made_up"];
    let pairs = [
        ("client_id", ["spa", "web", "nobody", ""][number % 4]),
        ("redirect_uri", &callback),
        ("response_type", ["code", "token", "id_token", "none at all"][number % 4]),
        ("audience", API),
        ("scope", EVERY_SCOPE),
        ("nonce", &text),
        ("state", &text),
        ("code_challenge", &text),
        ("code_challenge_method", "S256"),
        ("grant_type", grants[number % 5]),
        ("client_secret", &text),
        ("code", &text),
        ("refresh_token", &token),
        ("token", &token),
        ("username", "ada"),
        ("password", &text),
        ("post_logout_redirect_uri", &callback),
        ("action", ["accept", "default", "deny"][number % 3]),
    ];
    // With everything, and with every other parameter.
    let some: Vec<_> = pairs
        .iter()
        .enumerate()
        .filter(|(at, _)| !number.is_multiple_of(7) || at % 2 == 0)
        .map(|(_, p)| *p)
        .collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&some).finish();
    let cookie = format!("__Host-authd_session={text}; __Host-authd_browser={text}");

    let request = world.request(method.clone(), "first", &format!("{path}?{query}"));
    let request = request
        .header(header::COOKIE, &cookie)
        .header(header::AUTHORIZATION, &format!("{} {token}", ["Bearer", "Basic"][number % 2]));
    let request = match (method == Method::POST, number % 3) {
        (true, 0) => {
            request.json(&some.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect())
        }
        (true, _) => request.form(&some),
        (false, _) => request,
    };
    request.send().await.status
}

#[tokio::test]
async fn a_thousand_requests_of_strangers_to_each_endpoint_write_nothing() {
    for on in [On::Memory, On::Sqlite] {
        let world = world(on).await;
        let state = || state(&world, on);
        let before = state();
        for route in ROUTES {
            let mut seen = BTreeSet::new();
            // Each of the route's methods, and one that it does not take.
            let methods: Vec<_> = route.methods.iter().chain([&Method::PUT]).collect();
            for number in 0..if on == On::Memory { 1000 } else { 100 } {
                seen.insert(knock(&world, methods[number % methods.len()], route.path, number).await);
            }
            assert!(seen.contains(&StatusCode::METHOD_NOT_ALLOWED), "{}: {seen:?}", route.path);
            assert!(seen.iter().all(|status| !status.is_server_error()), "{}: {seen:?}", route.path);
            let after = state();
            assert_eq!(written(&before.0, &after.0), BTreeMap::new(), "{}", route.path);
            assert!(before == after, "{}: bytes were written", route.path);
        }
    }
}

#[tokio::test]
async fn pages_that_are_shown_to_strangers_are_kept_by_nobody() {
    let world = world(On::Memory).await;
    let before = world.memory().rows();
    for number in 0..200 {
        let mut browser = Browser::at(&world, "first");
        let kinds = ["code", "token", "id_token", "code id_token"];
        let asked = [("response_type", kinds[number % 4]), ("scope", EVERY_SCOPE)];
        let login = browser.ask(["spa", "partner"][number % 2], &asked).await;
        assert_eq!(login.page(), "/u/login");
    }
    assert_eq!(written(&before, &world.memory().rows()), BTreeMap::new());
}

#[tokio::test]
async fn what_guessing_leaves_are_short_lived_counters_and_no_more_of_them_than_may_be_tried() {
    let world = world(On::Memory).await;
    let before = world.memory().rows();
    let mut browser = Browser::at(&world, "first");
    let login = browser.ask("spa", &[]).await;
    let mut answers = BTreeMap::<u16, usize>::new();
    for number in 0..1000 {
        let name = format!("nobody-{number}@example.com");
        let typed = [("username", name.as_str()), ("password", "Wrong-Horse-9")];
        let reply = browser.press(&login, "default", &typed).send().await;
        *answers.entry(reply.status.as_u16()).or_default() += 1;
    }
    let after = world.memory().rows();
    let kinds = written(&before, &after);
    assert_eq!(kinds.keys().collect::<Vec<_>>(), [&"login_attempts"], "{answers:?}");
    // By one address a hundred are free and further ones wait. Each counts a name and what stands for a person, all of
    // them the address.
    assert!(kinds["login_attempts"] <= 2 * 105 + 1 && answers[&429] >= 895, "{kinds:?} {answers:?}");
    let now = world.memory().rows();
    let latest = now.iter().filter(|row| row.kind == Kind::LoginAttempts).filter_map(|row| row.drop_at).max();
    assert!(latest.unwrap().0 <= world.moments().now().0 + 3600);

    // One name, from anywhere: one row for each network.
    let name_rows = world.memory().rows().len();
    for _ in 0..100 {
        let browser = Browser::at(&world, "first").from("198.51.100.7");
        let typed = [("username", "ada"), ("password", "Wrong-Horse-9")];
        let _ = browser.press(&login, "default", &typed).send().await;
    }
    assert!(world.memory().rows().len() <= name_rows + 3, "the name, the person, the address");
}

#[tokio::test]
async fn access_tokens_leave_no_row_whatever_the_grant() {
    for on in [On::Memory, On::Sqlite] {
        let world = world(on).await;
        let mut browser = Browser::at(&world, "first");
        browser.obtain("spa", &[("scope", "openid read")]).await.field("access_token");
        let kept = refresh_token(&password_grant(&world, "keeps", "offline_access read").await);
        refresh(&world, "keeps", &kept).await;
        let state = || state(&world, on);
        let before = state();
        let mut tokens = BTreeSet::new();
        let secret = World::secret("first");
        let machine = [
            ("grant_type", "client_credentials"),
            ("client_id", "worker"),
            ("client_secret", &secret),
            ("audience", API),
        ];
        for number in 0..100 {
            let silent = [("prompt", "none"), ("response_type", "token id_token"), ("scope", "openid read")];
            tokens.insert(browser.ask("spa", &silent).await.field("access_token"));
            tokens.insert(token(&world, &machine).await.access_token());
            let reply = refresh(&world, "keeps", &kept).await;
            tokens.insert(reply.access_token());
            let checked =
                world.user_info("first", &browser.ask("spa", &silent).await.field("access_token")).await;
            assert_eq!(checked.status, StatusCode::OK, "{number}");
        }
        assert_eq!(tokens.len(), 300);
        let after = state();
        assert_eq!(written(&before.0, &after.0), BTreeMap::new());
        assert!(before == after, "bytes were written");

        // A password is an attempt, which is counted first and forgotten with its success.
        for _ in 0..10 {
            password_grant(&world, "keeps", "read").await;
        }
        assert_eq!(written(&before.0, &state().0), BTreeMap::new(), "nothing of it stays");
    }
}

/// A login with everything: pages, a code, a refresh token that rotates so often.
async fn whole_login(world: &World, browser: &mut Browser<'_>, client: &str, name: &str, rotations: usize) {
    let asked = [("response_type", "code"), ("scope", EVERY_SCOPE)];
    let mut landed = browser.ask(client, &asked).await;
    for _ in 0..3 {
        landed = match landed.page() {
            "/u/login" => browser.log_in(&landed, name, &password_of("first", name)).await,
            "/u/consent" | "/u/confirm" => browser.accept(&landed).await,
            _ => break,
        };
    }
    let reply = world.redeem("first", client, &landed.field("code"), &[]).await;
    let mut token = refresh_token(&reply);
    for _ in 0..rotations {
        token = refresh_token(&refresh(world, client, &token).await);
    }
}

#[tokio::test]
async fn a_login_leaves_one_session_one_code_one_family_and_what_was_answered() {
    let world = world(On::Memory).await;
    // What the first time adds is what was allowed.
    for (round, allowed) in [(0, 1), (1, 0)] {
        let before = world.memory().rows();
        let mut browser = Browser::at(&world, "first");
        whole_login(&world, &mut browser, "web", "ada", 5).await;
        let mut expected = BTreeMap::from([
            ("authorization_code", 1),
            ("consumed_handle", 1),
            // The address's: the attempt is given back and the row waits for the next one. The name's is gone.
            ("login_attempts", 1),
            ("refresh_family", 1),
            ("session", 1),
        ]);
        if allowed > 0 {
            expected.extend([("consent_record", 1), ("user_grant", 1)]);
        }
        assert_eq!(written(&before, &world.memory().rows()), expected, "round {round}");
    }
}

#[tokio::test]
async fn two_people_write_no_row_in_common() {
    let world = world(On::Memory).await;
    let mut wrote = Vec::new();
    for (name, address) in [("ada", "192.0.2.1"), ("bob", "198.51.100.1"), ("ada", "192.0.2.1")] {
        let before: BTreeSet<_> = world.memory().rows().into_iter().collect();
        let mut browser = Browser::at(&world, "first").from(address);
        for client in ["web", "spa", "partner"] {
            whole_login(&world, &mut browser, client, name, 3).await;
        }
        let rows = world.memory().rows().into_iter().filter(|row| !before.contains(row));
        // What was deleted was written too.
        let now: BTreeSet<_> = world.memory().rows().into_iter().map(|row| (row.kind, row.key)).collect();
        let gone = before.iter().filter(|row| !now.contains(&(row.kind, row.key.clone()))).cloned();
        wrote.push(rows.chain(gone).map(|row| (row.kind, row.key)).collect::<BTreeSet<_>>());
    }
    assert!(wrote[0].len() > 10, "{wrote:?}");
    assert_eq!(wrote[0].intersection(&wrote[1]).collect::<Vec<_>>(), Vec::<&(Kind, store::Key)>::new());
    assert!(wrote.iter().flatten().all(|(kind, _)| !kind.is_configuration()));
}

#[tokio::test]
async fn what_was_born_with_an_expiry_is_gone_after_it_and_what_was_allowed_stays() {
    let world = world(On::Memory).await;
    let before = world.memory().rows();
    for name in ["ada", "bob"] {
        for client in ["web", "spa", "partner"] {
            let mut browser = Browser::at(&world, "first");
            whole_login(&world, &mut browser, client, name, 2).await;
        }
    }
    password_grant(&world, "keeps", "offline_access read").await;
    let kinds = written(&before, &world.memory().rows());
    for row in store::KINDS.iter().filter(|row| row.retention != Retention::Kept) {
        // Nothing takes assertions yet, and nobody is to be told of a logout.
        let is_left_out = matches!(row.kind, Kind::SeenJti | Kind::LogoutDelivery);
        assert_eq!(kinds.contains_key(row.name), !is_left_out, "{}: {kinds:?}", row.name);
    }
    // Four years, in which nobody comes.
    world.moments().advance(4 * 366 * 86_400);
    world.app().sweep(1000).await.unwrap();
    let left = written(&before, &world.memory().rows());
    assert_eq!(left.keys().collect::<Vec<_>>(), [&"user_grant"], "{left:?}");
}

#[tokio::test]
async fn the_token_path_reads_no_configuration_from_the_backend() {
    let world = world(On::Memory).await;
    let mut browser = Browser::at(&world, "first");
    let landed = browser.obtain("web", &[("response_type", "code"), ("scope", EVERY_SCOPE)]).await;
    let reply = world.redeem("first", "web", &landed.field("code"), &[]).await;
    let mut rotating = refresh_token(&reply);
    let secret = World::secret("first");
    let machine = [
        ("grant_type", "client_credentials"),
        ("client_id", "worker"),
        ("client_secret", &secret),
        ("audience", API),
    ];
    let ask = async |rotating: &mut String| {
        assert_eq!(token(&world, &machine).await.status, StatusCode::OK);
        *rotating = refresh_token(&refresh(&world, "web", rotating).await);
    };
    world.app().refresh().await.unwrap();
    ask(&mut rotating).await;
    let cold = world.memory().reads();
    assert!(cold[&Kind::Client] > 0 && cold[&Kind::SigningKey] > 0, "the first time it is read: {cold:?}");
    // The timer looks meanwhile whether others changed anything.
    for _ in 0..100 {
        ask(&mut rotating).await;
        world.app().refresh().await.unwrap();
    }
    let mut read = world.memory().reads();
    read.retain(|kind, count| {
        *count -= cold.get(kind).copied().unwrap_or_default();
        *count > 0
    });
    let configuration: Vec<_> = read.iter().filter(|(kind, _)| kind.is_configuration()).collect();
    assert!(configuration.is_empty(), "{configuration:?}");
    println!("read by 100 mints and 100 rotations: {read:?}");
    assert!(
        read.values().sum::<u64>() <= 400,
        "a rotation reads its family, its person and what they allowed: {read:?}"
    );
    assert!(read[&Kind::RefreshFamily] >= 100);
}
