//! Applications are told of logouts, by real listeners (OpenID Connect Back-Channel Logout 1.0; threats LO-09, LO-10).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;

use authd::administration::clients::{self, NewClient};
use authd::app::App;
use authd::backchannel::Look;
use authd::http::limits::Limits;
use authd::outbound::address::Loopback;
use authd::outbound::guarded::Guarded;
use jwt_core::{JwkSet, Scratch, TokenType, Verifier};
use records::{ApplicationType, ClientId, LogoutDelivery, TenantId};
use serde_json::{Value, json};
use testkit::{Browser, On, TestMoments, World, on_both, password_of, user_id};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An application's back-channel logout endpoint.
struct Endpoint(TcpListener);

impl Endpoint {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn uri(&self) -> String {
        format!("http://{}/logout", self.0.local_addr().unwrap())
    }

    /// Takes one request, answers it with this status, and returns the token that it brought.
    async fn hear(&self, answer: &str) -> String {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&heard).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    assert!(head.starts_with("POST /logout HTTP/1.1\r\n"), "{head}");
                    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    return body.strip_prefix("logout_token=").unwrap().to_owned();
                }
            }
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the request ended early");
            heard.extend_from_slice(&buffer[..read]);
        }
    }

    /// Whether somebody connected and waits.
    async fn is_idle(&self) -> bool {
        // A round through the reactor, so that it has seen whatever is there.
        tokio::task::yield_now().await;
        let mut accept = std::pin::pin!(self.0.accept());
        std::future::poll_fn(|context| Poll::Ready(accept.as_mut().poll(context).is_pending())).await
    }
}

async fn register(world: &World, client_id: &str, uri: Option<String>) {
    let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An app");
    new.backchannel_logout_uri = uri;
    world.application("first", client_id, new, "authorization_code implicit").await;
}

fn switch_on(app: &App) {
    app.backchannel().switch_on(Guarded::new(Loopback::ALL.to_vec()));
}

/// Logs Ada in at these applications in one browser, and out again; returns the session's id.
async fn out_after(world: &World, clients: &[&str]) -> String {
    let mut browser = Browser::at(world, "first");
    for client in clients {
        let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", "")];
        browser.obtain(client, &more).await.field("id_token");
    }
    let sessions = world.store("first").sessions(&user_id("ada"), None, 9).await.unwrap();
    let [session] = &sessions[..] else { panic!("one session: {sessions:?}") };
    browser.open("/v2/logout").await;
    session.record.id.to_string()
}

async fn waiting(world: &World) -> Vec<LogoutDelivery> {
    let found = world.store("first").logout_deliveries(99).await.unwrap();
    found.into_iter().map(|delivery| delivery.record).collect()
}

async fn deliver(world: &World) {
    world.app().deliver_logouts(Look::Known).await.unwrap();
}

/// Header and claims of a token, after its signature was verified with what the tenant publishes.
async fn verified(world: &World, client: &str, token: &str) -> (Value, Value) {
    let jwks = world.get("first", "/.well-known/jwks.json").send().await.text();
    let verifier = Verifier::builder(JwkSet::parse(&jwks).unwrap())
        .issuer("https://first.example/")
        .audience(client)
        .token_type(TokenType::LogoutToken)
        .build();
    let now = world.moments().now().0;
    let mut scratch = Scratch::default();
    verifier.verify::<()>(token, now, &mut scratch).unwrap();
    assert!(verifier.verify::<()>(token, now + 600, &mut Scratch::default()).is_err(), "it is short-lived");
    let (signed, last) = token.split_at(token.len() - 8);
    let altered = format!("{signed}{}{}", if last.starts_with('A') { 'B' } else { 'A' }, &last[1..]);
    assert!(verifier.verify::<()>(&altered, now, &mut Scratch::default()).is_err(), "it is signed");
    let (header, claims) = jwt_core::dangerous_inspect(token).unwrap();
    (serde_json::from_str(&header).unwrap(), serde_json::from_str(&claims).unwrap())
}

#[tokio::test]
async fn lo_09_each_application_of_the_session_that_wants_it_is_told_by_a_token_of_its_own() {
    on_both(async |world| {
        switch_on(world.app());
        let (one, two) = (Endpoint::new().await, Endpoint::new().await);
        register(&world, "one", Some(one.uri())).await;
        register(&world, "two", Some(two.uri())).await;
        register(&world, "three", None).await;
        let elsewhere = Endpoint::new().await;
        register(&world, "elsewhere", Some(elsewhere.uri())).await;
        let sid = out_after(&world, &["one", "two", "three"]).await;
        assert_eq!(waiting(&world).await.len(), 2);
        let ((), first, second) =
            tokio::join!(deliver(&world), one.hear("200 OK"), two.hear("204 No Content"));
        for (client, token) in [("one", first.as_str()), ("two", &second)] {
            let (header, claims) = verified(&world, client, token).await;
            assert_eq!((&header["typ"], &header["alg"]), (&json!("logout+jwt"), &json!("RS256")));
            let now = world.moments().now().0;
            let expected = json!({
                "iss": "https://first.example/", "sub": "auth0|ada", "aud": client, "sid": sid,
                "iat": now, "exp": now + 120, "jti": claims["jti"],
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            });
            assert_eq!(claims, expected, "LO-09: these claims and no nonce");
        }
        assert_eq!(waiting(&world).await, []);
        assert!(elsewhere.is_idle().await, "nobody was logged in there");
        deliver(&world).await;
        world.app().deliver_logouts(Look::Everywhere).await.unwrap();
        assert!(one.is_idle().await && two.is_idle().await, "once");
    })
    .await;
}

#[tokio::test]
async fn lo_10_who_does_not_hear_is_told_again_later_and_later_and_by_a_new_token() {
    on_both(async |world| {
        switch_on(world.app());
        let endpoint = Endpoint::new().await;
        register(&world, "one", Some(endpoint.uri())).await;
        out_after(&world, &["one"]).await;
        let elsewhere = Endpoint::new().await;
        let redirect = format!("307 Temporary Redirect\r\nlocation: {}", elsewhere.uri());
        let mut seen = BTreeSet::new();
        for (answer, wait) in
            [("500 Oh", 1), (redirect.as_str(), 5), ("429 Later", 30), ("404 Not Found", 120)]
        {
            let ((), token) = tokio::join!(deliver(&world), endpoint.hear(answer));
            let (_, claims) = verified(&world, "one", &token).await;
            assert!(seen.insert(claims["jti"].to_string()), "another token");
            let [left] = &waiting(&world).await[..] else { panic!("one delivery") };
            assert_eq!(left.next_at.0, world.moments().now().0 + wait, "{answer}");
            world.moments().advance(wait - 1);
            deliver(&world).await;
            assert!(endpoint.is_idle().await, "too early");
            world.moments().advance(1);
        }
        assert!(elsewhere.is_idle().await, "a redirect is not followed");
        let ((), _) = tokio::join!(deliver(&world), endpoint.hear("200 OK"));
        assert_eq!(waiting(&world).await, []);
    })
    .await;
}

#[tokio::test]
async fn lo_10_a_tenant_whose_application_does_not_answer_holds_up_no_other_tenant() {
    let world = World::with_people(On::Memory).await;
    switch_on(world.app());
    let (slow, quick) = (Endpoint::new().await, Endpoint::new().await);
    for (tenant, endpoint) in [("first", &slow), ("second", &quick)] {
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An app");
        new.backchannel_logout_uri = Some(endpoint.uri());
        world.application(tenant, "app", new, "authorization_code implicit").await;
        let mut browser = Browser::at(&world, tenant);
        let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", "")];
        browser.obtain("app", &more).await.field("id_token");
        browser.open("/v2/logout").await;
    }
    // The one of the first tenant answers only once the other was told.
    let answers = async {
        let (mut stream, _) = slow.0.accept().await.unwrap();
        let mut heard = [0; 4096];
        assert_ne!(stream.read(&mut heard).await.unwrap(), 0);
        quick.hear("200 OK").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream
    };
    let ((), _open) = tokio::join!(deliver(&world), answers);
    assert_eq!(waiting(&world).await, [], "its answer was not too late");
}

#[tokio::test]
async fn lo_09_a_session_that_somebody_elses_login_ends_is_told_and_ones_own_next_login_is_not() {
    let world = World::with_people(On::Memory).await;
    switch_on(world.app());
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    let mut browser = Browser::at(&world, "first");
    let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", "")];
    browser.obtain("one", &more).await.field("id_token");
    let again = [&more[..], &[("prompt", "login")]].concat();
    let landed = browser.ask("one", &again).await;
    browser.log_in(&landed, "ada", &password_of("first", "ada")).await.field("id_token");
    assert_eq!(waiting(&world).await, [], "she is still logged in");
    let [session] = &world.store("first").sessions(&user_id("ada"), None, 9).await.unwrap()[..] else {
        panic!("one session")
    };
    let landed = browser.ask("one", &again).await;
    browser.log_in(&landed, "bob", &password_of("first", "bob")).await;
    let [delivery] = &waiting(&world).await[..] else { panic!("one delivery") };
    assert_eq!((&delivery.user, &delivery.session), (&user_id("ada"), &session.record.id));
    let ((), token) = tokio::join!(deliver(&world), endpoint.hear("200 OK"));
    assert_eq!(verified(&world, "one", &token).await.1["sub"], "auth0|ada");
    assert_eq!(waiting(&world).await, []);
}

#[tokio::test]
async fn an_application_that_refuses_or_cannot_be_told_for_a_day_is_not_told_again() {
    let world = World::with_people(On::Memory).await;
    switch_on(world.app());
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    out_after(&world, &["one"]).await;
    let ((), _) = tokio::join!(deliver(&world), endpoint.hear("400 Bad Request"));
    assert_eq!(waiting(&world).await, []);

    out_after(&world, &["one"]).await;
    world.moments().advance(86_400);
    deliver(&world).await;
    assert!(endpoint.is_idle().await);
    assert_eq!(waiting(&world).await, []);
    // Also where nobody tries: the row leaves by itself.
    out_after(&world, &["one"]).await;
    world.moments().advance(86_400 + 3600);
    world.app().sweep(1000).await.unwrap();
    assert_eq!(waiting(&world).await, []);
}

#[tokio::test]
async fn an_application_that_is_gone_or_wants_it_no_more_is_not_told() {
    let world = World::with_people(On::Memory).await;
    switch_on(world.app());
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    register(&world, "two", Some(endpoint.uri())).await;
    out_after(&world, &["one", "two"]).await;
    assert_eq!(waiting(&world).await.len(), 2);
    world.unregister("first", "one").await;
    let id = TenantId::parse("first").unwrap();
    let tenant = world.app().stores().directory().tenant(&id).await.unwrap().unwrap();
    let client = ClientId::parse("two").unwrap();
    clients::update(&world.store("first"), &client, &tenant.record.settings, |mut client| {
        client.backchannel_logout_uri = None;
        client
    })
    .await
    .unwrap();
    deliver(&world).await;
    assert!(endpoint.is_idle().await);
    assert_eq!(waiting(&world).await, []);
}

#[tokio::test]
async fn what_was_to_be_told_is_told_after_a_restart() {
    let world = World::with_people(On::Sqlite).await;
    switch_on(world.app());
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    let sid = out_after(&world, &["one"]).await;
    let world = world.restarted().await;
    switch_on(world.app());
    deliver(&world).await;
    assert!(endpoint.is_idle().await, "it knows of nothing yet");
    let everywhere = async { world.app().deliver_logouts(Look::Everywhere).await.unwrap() };
    let ((), token) = tokio::join!(everywhere, endpoint.hear("200 OK"));
    assert_eq!(verified(&world, "one", &token).await.1["sid"], sid.as_str());
    assert_eq!(waiting(&world).await, []);
}

#[tokio::test]
async fn of_several_servers_on_one_store_one_tells() {
    for on in [On::Sqlite, On::Postgres] {
        let world = World::with_people(on).await;
        switch_on(world.app());
        let endpoint = Endpoint::new().await;
        register(&world, "one", Some(endpoint.uri())).await;
        out_after(&world, &["one"]).await;
        let moments = Arc::new(TestMoments::new(world.moments().now(), 2));
        let other = App::new(world.another_process().await, moments, Limits::default());
        switch_on(&other);
        let one = async { world.app().deliver_logouts(Look::Everywhere).await.unwrap() };
        let two = async { other.deliver_logouts(Look::Everywhere).await.unwrap() };
        let ((), (), _) = tokio::join!(one, two, endpoint.hear("200 OK"));
        assert!(endpoint.is_idle().await);
        assert_eq!(waiting(&world).await, []);
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_leaves_what_it_had_taken() {
    let world = World::with_people(On::Memory).await;
    switch_on(world.app());
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    out_after(&world, &["one"]).await;
    // It connects, sends, and is dropped before there is an answer.
    tokio::select! {
        () = deliver(&world) => panic!("there was no answer"),
        _ = endpoint.0.accept() => {}
    }
    let [taken] = &waiting(&world).await[..] else { panic!("one delivery") };
    assert_eq!((taken.attempts, taken.next_at.0), (1, world.moments().now().0 + 15));
    let everywhere = || async { world.app().deliver_logouts(Look::Everywhere).await.unwrap() };
    everywhere().await;
    assert!(endpoint.is_idle().await, "somebody may still be at it");
    world.moments().advance(15);
    let ((), _) = tokio::join!(everywhere(), endpoint.hear("200 OK"));
    assert_eq!(waiting(&world).await, []);
}

#[tokio::test]
async fn lo_10_an_address_that_is_not_public_is_not_connected_to() {
    let world = World::with_people(On::Memory).await;
    world.app().backchannel().switch_on(Guarded::new(Vec::new()));
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    register(&world, "two", Some("https://169.254.169.254/latest".to_owned())).await;
    register(&world, "three", Some("https://localhost:1/".to_owned())).await;
    out_after(&world, &["one", "two", "three"]).await;
    deliver(&world).await;
    assert!(endpoint.is_idle().await);
    let left = waiting(&world).await;
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|delivery| delivery.attempts == 1), "{left:?}");
}

#[tokio::test]
async fn nothing_is_written_or_sent_unless_it_is_switched_on() {
    let world = World::with_people(On::Memory).await;
    let endpoint = Endpoint::new().await;
    register(&world, "one", Some(endpoint.uri())).await;
    out_after(&world, &["one"]).await;
    assert_eq!(waiting(&world).await, []);
    world.app().deliver_logouts(Look::Everywhere).await.unwrap();
    assert!(endpoint.is_idle().await);
    let document = async || world.get("first", "/.well-known/openid-configuration").send().await.json();
    assert_eq!(document().await["backchannel_logout_supported"], false);
    switch_on(world.app());
    assert_eq!(document().await["backchannel_logout_supported"], true);
    assert_eq!(document().await["backchannel_logout_session_supported"], true);
}
