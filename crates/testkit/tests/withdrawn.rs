//! What was allowed once is asked again whenever it is used (threats RT-12, LC-08, LC-17, LC-21; ADR 7).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use authd::administration::{clients, users};
use authd::passwords::{Passwords, PoolSize};
use http::StatusCode;
use records::{ApiScope, ScopeToken, SecretText, UserPolicy};
use store::UserGrantsOf;
use testkit::{Browser, Reply, World, on_each, password_of, user_id};

const API: &str = "https://api.example/";
const OFFLINE: [(&str, &str); 2] = [("response_type", "code"), ("scope", "openid read write offline_access")];

async fn refresh(world: &World, token: &str) -> Reply {
    let form = [("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", token)];
    world.post("first", "/oauth/token").form(&form).send().await
}

/// A code and, of another one, a refresh token.
async fn given(world: &World, browser: &mut Browser<'_>) -> (String, String) {
    world.change_api("first", API, |api| api.allow_offline_access = true).await;
    let code = browser.obtain("spa", &OFFLINE).await.field("code");
    let tokens = world.redeem("first", "spa", &code, &[]).await.json();
    let code = browser.ask("spa", &OFFLINE).await.field("code");
    (code, tokens["refresh_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn rt_12_a_client_grant_that_is_gone_and_a_scope_that_is_gone_give_nothing() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let (code, token) = given(&world, &mut browser).await;
        world.change_api("first", API, |api| api.scopes.retain(|scope| scope.value.as_str() == "read")).await;
        let reply = refresh(&world, &token).await.json();
        assert_eq!(reply["scope"], "offline_access openid read");
        let token = reply["refresh_token"].as_str().unwrap().to_owned();
        world.change_api("first", API, |api| api.user_policy = UserPolicy::RequireClientGrant).await;
        assert_eq!(refresh(&world, &token).await.error().1, "invalid_grant");
        assert_eq!(world.redeem("first", "spa", &code, &[]).await.error().1, "invalid_grant");
        world.change_api("first", API, |api| api.user_policy = UserPolicy::AllowAll).await;
        world.enable("first", "Username-Password-Authentication", &["web"]).await;
        assert_eq!(refresh(&world, &token).await.error().1, "invalid_grant");
        assert_eq!(world.redeem("first", "spa", &code, &[]).await.error().1, "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn lc_08_a_new_password_ends_codes_sessions_and_refresh_tokens() {
    let passwords = Passwords::start(PoolSize { threads: 1, waiting: 4 }).unwrap();
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let (code, token) = given(&world, &mut browser).await;
        world.moments().advance(1);
        let new = SecretText::new("Another-Engine-1843".to_owned());
        let store = world.store("first");
        users::set_password(&store, &passwords, &user_id("ada"), new, world.moments()).await.unwrap();
        assert_eq!(world.redeem("first", "spa", &code, &[]).await.error().1, "invalid_grant");
        assert_eq!(refresh(&world, &token).await.error().1, "invalid_grant");
        assert_eq!(browser.ask("spa", &[("prompt", "none")]).await.error(), "login_required");
    })
    .await;
}

#[tokio::test]
async fn lc_08_a_login_in_the_very_second_before_a_new_password_gives_nothing_and_one_after_it_does() {
    let passwords = Passwords::start(PoolSize { threads: 1, waiting: 4 }).unwrap();
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let (code, token) = given(&world, &mut browser).await;
        let (store, ada) = (world.store("first"), user_id("ada"));
        // Twice, as whoever takes an account back may do.
        for new in ["Another-Engine-1843", "A-Third-Engine-1843"] {
            let new = SecretText::new(new.to_owned());
            users::set_password(&store, &passwords, &ada, new, world.moments()).await.unwrap();
        }
        assert_eq!(world.redeem("first", "spa", &code, &[]).await.error().1, "invalid_grant");
        assert_eq!(refresh(&world, &token).await.error().1, "invalid_grant");
        // Within that second, too, the new password is worth a login.
        let mut again = Browser::at(&world, "first");
        let landed = again.ask("spa", &OFFLINE).await;
        let code = again.log_in(&landed, "ada", "A-Third-Engine-1843").await.field("code");
        let tokens = world.redeem("first", "spa", &code, &[]).await.json();
        let reply = refresh(&world, tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    })
    .await;
}

#[tokio::test]
async fn lc_17_an_answer_is_an_answer_to_what_was_shown() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let wanted = [("scope", "read delete")];
        let login = browser.ask("spa", &wanted).await;
        let dialog = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(dialog.items().len(), 1, "the API knows nothing of deleting");
        let delete = ApiScope {
            value: ScopeToken::parse("delete").unwrap(),
            description: String::new(),
            is_optional: false,
        };
        world.change_api("first", API, |api| api.scopes.push(delete)).await;
        let again = browser.accept(&dialog).await;
        assert_eq!(again.page(), "/u/consent", "it is asked again");
        assert_eq!(again.items().len(), 2);
        let grants =
            world.store("first").user_grants(UserGrantsOf::User(&user_id("ada")), None, 9).await.unwrap();
        assert!(grants.is_empty(), "nothing was allowed");
        let token = browser.accept(&again).await.field("access_token");
        assert_eq!(world.claims(&token)["scope"], "delete read");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_stored_for_a_browser_in_which_nobody_is_logged_in() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("scope", "read")]).await;
        let state = login.form().action.split_once("state=").unwrap().1.to_owned();
        for page in ["/u/confirm", "/u/consent"] {
            let path = format!("{page}?state={state}");
            for answer in ["deny", "accept"] {
                let reply =
                    browser.request(http::Method::POST, &path).form(&[("action", answer)]).send().await;
                let landed = browser.follow(&path, reply).await;
                assert_eq!(landed.page(), "/u/login", "{page} {answer}: it goes on where it was");
            }
        }
        let tokens = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        let token = browser.accept(&tokens).await.field("access_token");
        assert_eq!(world.claims(&token)["scope"], "read", "nothing used the flow up");
    })
    .await;
}

#[tokio::test]
async fn one_flow_leaves_one_record_however_often_it_is_answered() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("scope", "read")]).await;
        let dialog = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        for _ in 0..5 {
            let reply = browser.press(&dialog, "deny", &[]).send().await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text());
        }
        let records = world.store("first").consent_records(&user_id("ada"), None, 100).await.unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(browser.deny(&dialog).await.error(), "access_denied");
    })
    .await;
}

#[tokio::test]
async fn a_code_and_a_refresh_token_of_an_earlier_client_of_the_same_id_give_nothing() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let (code, token) = given(&world, &mut browser).await;
        world.moments().advance(1);
        let store = world.store("first");
        let id = records::ClientId::parse("spa").unwrap();
        clients::delete(&store, &id).await.unwrap();
        let new = clients::NewClient::of_type(records::ApplicationType::SinglePage, "Another page");
        world.application("first", "spa", new, "authorization_code refresh_token").await;
        assert_eq!(world.redeem("first", "spa", &code, &[]).await.error().1, "invalid_grant");
        assert_eq!(refresh(&world, &token).await.error().1, "invalid_grant");
    })
    .await;
}
