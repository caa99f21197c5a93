//! What a server remembers of people when they refresh, and that nobody is misjudged by it (threats R12, RT-12; ADR 2).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use authd::administration::clients::NewClient;
use http::StatusCode;
use records::{ApplicationType, Email, Lifetime, RotationType, Write};
use store::UserGrantsOf;
use testkit::{Browser, On, Reply, World, password_of, user_id};

const API: &str = "https://api.example/";
const OFFLINE: [(&str, &str); 2] = [("response_type", "code"), ("scope", "openid email read offline_access")];

async fn refresh(world: &World, token: &str) -> Reply {
    refresh_as(world, "spa", token).await
}

async fn refresh_as(world: &World, client_id: &str, token: &str) -> Reply {
    let secret = World::secret("first");
    let mut form = vec![("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
    if client_id != "spa" {
        form.push(("client_secret", &secret));
    }
    world.post("first", "/oauth/token").form(&form).send().await
}

fn refresh_token(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["refresh_token"].as_str().unwrap().to_owned()
}

/// Two servers, the first of which remembers the person and what they allowed; and a refresh token.
async fn remembering(on: On) -> (World, World, String) {
    let one = World::with_people(on).await;
    one.change_api("first", API, |api| api.allow_offline_access = true).await;
    let two = one.beside().await;
    let code = Browser::at(&one, "first").obtain("spa", &OFFLINE).await.field("code");
    let tokens = one.redeem("first", "spa", &code, &[]).await;
    let token = refresh_token(&refresh(&one, &refresh_token(&tokens)).await);
    let grants = one.store("first").user_grants(UserGrantsOf::User(&user_id("ada")), None, 9).await.unwrap();
    assert_eq!(grants.len(), 1, "the person was asked");
    (one, two, token)
}

async fn on_each(test: impl AsyncFn(World, World, String)) {
    for on in [On::Sqlite, On::Postgres] {
        let (one, two, token) = remembering(on).await;
        test(one, two, token).await;
    }
}

#[tokio::test]
async fn who_is_blocked_at_one_server_gets_nothing_at_another_that_remembers_them_and_back_at_once() {
    on_each(async |one, two, token| {
        two.change("first", "ada", |ada| ada.is_blocked = true).await;
        for _ in 0..2 {
            // The second time that they are blocked is remembered.
            assert_eq!(refresh(&one, &token).await.status, StatusCode::FORBIDDEN);
        }
        two.change("first", "ada", |ada| ada.is_blocked = false).await;
        refresh_token(&refresh(&one, &token).await);
    })
    .await;
}

#[tokio::test]
async fn a_consent_that_is_gone_gives_nothing_where_it_is_remembered() {
    on_each(async |one, two, token| {
        let (theirs, ada) = (two.store("first"), user_id("ada"));
        let grant = theirs.user_grants(UserGrantsOf::User(&ada), None, 1).await.unwrap().remove(0);
        // The family stays, as it would where a withdrawal was cut off.
        theirs.commit(vec![Write::DeleteUserGrant(grant)]).await.unwrap();
        assert_eq!(refresh(&one, &token).await.error().1, "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn who_is_gone_is_gone_where_they_are_remembered() {
    on_each(async |one, two, token| {
        two.remove("first", "ada").await;
        assert_eq!(refresh(&one, &token).await.error().1, "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn an_id_token_says_what_holds_now_and_not_what_is_remembered() {
    on_each(async |one, two, token| {
        let email = |reply: &Reply| one.claims(reply.json()["id_token"].as_str().unwrap())["email"].clone();
        let change = |address: &'static str| {
            move |ada: &mut records::User| ada.email = Some(Email::parse(address).unwrap())
        };
        two.change("first", "ada", change("countess@example.com")).await;
        let first = refresh(&one, &token).await;
        assert_eq!(email(&first), "countess@example.com");
        // One's own changes are forgotten too.
        one.change("first", "ada", change("lovelace@example.com")).await;
        assert_eq!(email(&refresh(&one, &refresh_token(&first)).await), "lovelace@example.com");
    })
    .await;
}

/// Where a refresh changes nothing, what it relies on is all that its commit checks.
#[tokio::test]
async fn a_retried_token_and_one_that_does_not_rotate_give_a_blocked_person_nothing_where_they_are_remembered()
 {
    on_each(async |one, two, _| {
        let password = password_of("first", "ada");
        for (client_id, rotation) in
            [("retries", RotationType::Rotating), ("stays", RotationType::NonRotating)]
        {
            let mut new = NewClient::of_type(ApplicationType::RegularWeb, client_id);
            new.refresh_token_rotation = rotation;
            new.refresh_token_leeway = Lifetime(60);
            one.application("first", client_id, new, "password refresh_token").await;
            let log_in = [
                ("grant_type", "password"),
                ("client_id", client_id),
                ("client_secret", &World::secret("first")),
                ("username", "ada@example.com"),
                ("password", &password),
                ("audience", API),
                ("scope", "read offline_access"),
            ];
            let token = refresh_token(&one.post("first", "/oauth/token").form(&log_in).send().await);
            // Twice: the second changes nothing, and is given.
            for _ in 0..2 {
                let reply = refresh_as(&one, client_id, &token).await;
                assert_eq!(reply.status, StatusCode::OK, "{client_id}: {}", reply.text());
            }
            two.change("first", "ada", |ada| ada.is_blocked = true).await;
            let reply = refresh_as(&one, client_id, &token).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{client_id}: {}", reply.text());
            two.change("first", "ada", |ada| ada.is_blocked = false).await;
        }
    })
    .await;
}
