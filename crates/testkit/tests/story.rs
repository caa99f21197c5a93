//! The page's story from a browser's side: login, consent, token; and what is asked when (OpenID Connect Core 1.0 §3).

use http::StatusCode;
use records::{ConsentAnswer, ConsentFor, Lifetime, VerifiableCallbacks};
use serde_json::json;
use testkit::{Browser, on_both, password_of, user_id};

const API: &str = "https://api.example/";

#[tokio::test]
async fn the_first_visit_shows_login_and_consent_and_the_second_shows_nothing() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("scope", "openid read")]).await;
        assert_eq!((login.page(), login.reply.status), ("/u/login", StatusCode::OK));
        let consent = browser.log_in(&login, "ada@example.com", &password_of("first", "ada")).await;
        assert_eq!(consent.page(), "/u/consent");
        assert!(consent.reply.text().contains("ada of first (ada@example.com)"));
        let landed = browser.accept(&consent).await;

        let answer = landed.answer();
        assert_eq!((answer.mode, answer.to.as_str()), ("fragment", "https://spa.example/callback"));
        assert_eq!(answer.names(), ["access_token", "expires_in", "iss", "state", "token_type"]);
        assert_eq!(answer.field("state"), Some("the state"));
        assert_eq!(answer.field("iss"), Some("https://first.example/"));
        assert_eq!(answer.field("token_type"), Some("Bearer"));
        let token = landed.field("access_token");
        let claims = world.verified("first", &token, API).await;
        let now = world.moments().now().0;
        assert_eq!(claims["iss"], "https://first.example/");
        assert_eq!(claims["sub"], "auth0|ada");
        assert_eq!(claims["aud"], json!([API, "https://first.example/userinfo"]));
        assert_eq!(claims["scope"], "openid read");
        assert_eq!(claims["azp"], "spa");
        assert_eq!(claims["iat"], now);
        assert_eq!(claims["exp"].as_u64().unwrap() - now, landed.field("expires_in").parse::<u64>().unwrap());
        assert_eq!(claims.get("gty"), None);

        let again = browser.ask("spa", &[("scope", "openid read")]).await;
        assert_eq!(again.redirects, 0, "no page");
        assert_ne!(again.field("access_token"), token);
        let less = browser.ask("spa", &[]).await;
        let claims = world.verified("first", &less.field("access_token"), API).await;
        assert_eq!(
            (&claims["scope"], &claims["aud"]),
            (&json!("read"), &json!(API)),
            "and no more than asked"
        );
    })
    .await;
}

#[tokio::test]
async fn lc_19_whoever_wants_more_is_asked_again_and_what_is_new_is_marked() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        browser.obtain("spa", &[("scope", "read")]).await.field("access_token");
        let silent = browser.ask("spa", &[("scope", "read write"), ("prompt", "none")]).await;
        assert_eq!(silent.error(), "consent_required", "AZ-25");

        let consent = browser.ask("spa", &[("scope", "read write")]).await;
        assert_eq!(consent.items(), ["read", "write new"]);
        let landed = browser.accept(&consent).await;
        let claims = world.verified("first", &landed.field("access_token"), API).await;
        assert_eq!(claims["scope"], "read write");
        for scope in ["read write", "write", "read"] {
            let landed = browser.ask("spa", &[("scope", scope), ("prompt", "none")]).await;
            let claims = world.verified("first", &landed.field("access_token"), API).await;
            assert_eq!(claims["scope"], scope);
        }
        let other = browser.ask("web", &[]).await;
        assert_eq!(
            (other.page(), other.items()),
            ("/u/consent", vec!["read".to_owned()]),
            "for one application"
        );
    })
    .await;
}

#[tokio::test]
async fn az_36_whoever_declines_gets_access_denied_with_state_and_issuer() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[]).await;
        let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        let landed = browser.deny(&consent).await;
        let answer = landed.answer();
        assert_eq!(answer.mode, "fragment");
        assert_eq!(answer.names(), ["error", "error_description", "iss", "state"]);
        assert_eq!(answer.field("error"), Some("access_denied"));
        assert_eq!(answer.field("state"), Some("the state"));
        assert_eq!(answer.field("iss"), Some("https://first.example/"));

        let again = browser.accept(&consent).await;
        assert_eq!(again.error_page().0, 400, "the flow is over: {}", again.reply.text());
        let records = world.store("first").consent_records(&user_id("ada"), None, 100).await.unwrap();
        assert_eq!(records[0].record.answer, ConsentAnswer::Declined);
        assert_eq!(browser.ask("spa", &[]).await.page(), "/u/consent", "a refusal is not remembered");
    })
    .await;
}

#[tokio::test]
async fn a_code_with_pkce_becomes_tokens_and_userinfo() {
    on_both(async |world| {
        for client in ["spa", "web"] {
            let mut browser = Browser::at(&world, "first");
            let scopes = "openid profile email read";
            let landed = browser.obtain(client, &[("response_type", "code"), ("scope", scopes)]).await;
            let answer = landed.answer();
            assert_eq!((answer.mode, answer.names()), ("query", vec!["code", "iss", "state"]));
            let reply = world.redeem("first", client, &landed.field("code"), &[]).await;
            let token = reply.access_token();
            let body = reply.json();
            assert_eq!(body["token_type"], "Bearer");
            assert_eq!(body["expires_in"], 86_400);
            let claims = world.verified("first", &token, API).await;
            assert_eq!(claims["sub"], "auth0|ada");

            let id_token = body["id_token"].as_str().unwrap();
            let id_token = world.identified("first", id_token, client, None).await;
            assert_eq!(id_token["sub"], "auth0|ada");
            assert_eq!(id_token["aud"], client);
            assert_eq!(id_token["nonce"], "n-0S6_WzA2Mj");
            assert_eq!(id_token["email"], "ada@example.com");
            assert_eq!(id_token["exp"].as_u64().unwrap() - id_token["iat"].as_u64().unwrap(), 36_000);

            let about = world.user_info("first", &token).await;
            assert_eq!(about.status, StatusCode::OK, "{}", about.text());
            let about = about.json();
            assert_eq!(about["sub"], "auth0|ada");
            assert_eq!(about["name"], "ada of first");
            assert_eq!(about["email_verified"], true);
            assert_eq!(about.get("phone_number"), None, "UI-08");
        }
    })
    .await;
}

#[tokio::test]
async fn lc_20_somebody_elses_application_is_asked_about_whatever_the_api_says() {
    on_both(async |world| {
        world
            .change_api("first", API, |api| api.skip_consent_for_verifiable_first_party_clients = true)
            .await;
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("scope", "openid read")]).await;
        let own = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        own.field("access_token");

        let foreign = browser.ask("partner", &[("scope", "openid read")]).await;
        assert_eq!(foreign.page(), "/u/consent");
        assert!(foreign.reply.text().contains("run by somebody else"));
        let silent = browser.ask("partner", &[("prompt", "none")]).await;
        assert_eq!(silent.error(), "consent_required");
        let mere = browser.ask("partner", &[("audience", ""), ("scope", "openid")]).await;
        assert_eq!(mere.page(), "/u/consent", "even about who the person is");
        let own = browser.ask("spa", &[("audience", ""), ("scope", "openid profile")]).await;
        own.field("access_token");
    })
    .await;
}

#[tokio::test]
async fn in_the_eras_way_a_callback_on_localhost_is_asked_about() {
    on_both(async |world| {
        world.settings("first", |settings| settings.verifiable_callbacks = VerifiableCallbacks::Era).await;
        world
            .change_api("first", API, |api| api.skip_consent_for_verifiable_first_party_clients = true)
            .await;
        let mut new = authd::administration::clients::NewClient::of_type(
            records::ApplicationType::SinglePage,
            "A page under development",
        );
        new.callbacks = vec!["http://localhost:3000/callback".to_owned()];
        world.application("first", "local", new, "implicit").await;
        let mut browser = Browser::at(&world, "first");
        browser.obtain("spa", &[]).await.field("access_token");
        let local = browser.ask("local", &[("redirect_uri", "http://localhost:3000/callback")]).await;
        assert_eq!(local.page(), "/u/consent");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_consents_in_peoples_place_and_takes_it_back() {
    on_both(async |world| {
        let rules = [(ConsentFor::Users(vec![user_id("ada")]), "openid read")];
        world.consent("first", "partner", API, &rules).await;
        let mut ada = Browser::at(&world, "first");
        let login = ada.ask("partner", &[("scope", "openid read")]).await;
        let landed = ada.log_in(&login, "ada", &password_of("first", "ada")).await;
        world.verified("first", &landed.field("access_token"), API).await;
        assert_eq!(ada.ask("partner", &[("scope", "write")]).await.page(), "/u/consent");
        assert_eq!(ada.ask("partner", &[("prompt", "consent")]).await.page(), "/u/consent");
        ada.ask("partner", &[("prompt", "none")]).await.field("access_token");

        let mut bob = Browser::at(&world, "first");
        let login = bob.ask("partner", &[]).await;
        let consent = bob.log_in(&login, "bob", &password_of("first", "bob")).await;
        assert_eq!(consent.page(), "/u/consent", "the rule is for somebody else");

        let code = ada.ask("partner", &[("response_type", "code")]).await.field("code");
        let store = world.store("first");
        let client = records::ClientId::parse("partner").unwrap();
        let api = authd::administration::resource_servers::find(&store, API).await.unwrap();
        let consent = store.administrative_consent(&client, &api.record.id).await.unwrap().unwrap();
        store.commit(vec![records::Write::DeleteAdministrativeConsent((*consent).clone())]).await.unwrap();
        let (status, error, _) = world.redeem("first", "partner", &code, &[]).await.error();
        assert_eq!((status, error.as_str()), (403, "invalid_grant"), "the code relied on the rule");
        assert_eq!(ada.ask("partner", &[]).await.page(), "/u/consent");
    })
    .await;
}

#[tokio::test]
async fn an_optional_scope_may_be_left_out_and_is_not_asked_for_again() {
    on_both(async |world| {
        world
            .change_api("first", API, |api| {
                for scope in api.scopes.iter_mut().filter(|scope| scope.value.as_str() == "write") {
                    scope.is_optional = true;
                }
            })
            .await;
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("scope", "read write")]).await;
        let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(consent.form().input("scope"), Some("write"), "ticked at first");
        // Unticked: an empty value ticks nothing.
        let landed = browser.submit(&consent, "accept", &[("scope", "")]).await;
        assert_eq!(landed.field("scope"), "read", "the answer says what was granted");
        let again = browser.ask("spa", &[("scope", "read write"), ("prompt", "none")]).await;
        assert_eq!(again.field("scope"), "read");
        assert_eq!(browser.ask("spa", &[("scope", "write"), ("prompt", "none")]).await.field("scope"), "");

        let consent = browser.ask("spa", &[("scope", "read write"), ("prompt", "consent")]).await;
        let landed = browser.accept(&consent).await;
        let claims = world.verified("first", &landed.field("access_token"), API).await;
        assert_eq!(claims["scope"], "read write");
        let again = browser.ask("spa", &[("scope", "read write"), ("prompt", "none")]).await;
        let claims = world.verified("first", &again.field("access_token"), API).await;
        assert_eq!(claims["scope"], "read write");
    })
    .await;
}

#[tokio::test]
async fn lc_17_a_consent_form_cannot_add_what_was_not_asked_for() {
    on_both(async |world| {
        world.change_api("first", API, |api| api.scopes.iter_mut().for_each(|s| s.is_optional = true)).await;
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("scope", "read")]).await;
        let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        let typed = [("scope", "read"), ("scope", "write"), ("scope", "openid"), ("scope", "read write")];
        let landed = browser.submit(&consent, "accept", &typed).await;
        let claims = world.verified("first", &landed.field("access_token"), API).await;
        assert_eq!(claims["scope"], "read");
        let more = browser.ask("spa", &[("scope", "read write"), ("prompt", "none")]).await;
        assert_eq!(more.error(), "consent_required");
    })
    .await;
}

#[tokio::test]
async fn consent_that_was_withdrawn_is_asked_for_again_and_ends_the_code() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let code = browser.obtain("web", &[("response_type", "code")]).await.field("code");
        let store = world.store("first");
        let of = store::UserGrantsOf::User(&user_id("ada"));
        let grants = store.user_grants(of, None, 100).await.unwrap();
        assert_eq!(grants.len(), 1);
        store.commit(vec![records::Write::DeleteUserGrant(grants[0].clone())]).await.unwrap();
        let (status, error, _) = world.redeem("first", "web", &code, &[]).await.error();
        assert_eq!((status, error.as_str()), (403, "invalid_grant"));
        assert_eq!(browser.ask("web", &[]).await.page(), "/u/consent");
    })
    .await;
}

#[tokio::test]
async fn a_grant_to_an_earlier_application_of_the_same_name_is_none() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        browser.obtain("spa", &[]).await.field("access_token");
        world.unregister("first", "spa").await;
        world.moments().advance(10);
        let new = authd::administration::clients::NewClient::of_type(
            records::ApplicationType::SinglePage,
            "Somebody else's page",
        );
        world.application("first", "spa", new, "implicit").await;
        assert_eq!(browser.ask("spa", &[]).await.page(), "/u/consent");
    })
    .await;
}

#[tokio::test]
async fn a_callback_that_shows_nothing_of_its_owner_is_confirmed_once_no_other_page_was_shown() {
    on_both(async |world| {
        let mut new = authd::administration::clients::NewClient::of_type(
            records::ApplicationType::Native,
            "An application",
        );
        new.callbacks = vec!["com.example.app:/callback".to_owned()];
        world.application("first", "native", new, "authorization_code").await;
        let more = [("redirect_uri", "com.example.app:/callback"), ("response_type", "code")];
        let mut browser = Browser::at(&world, "first");
        browser.obtain("native", &more).await.field("code");

        let confirm = browser.ask("native", &more).await;
        assert_eq!(confirm.page(), "/u/confirm");
        assert!(confirm.reply.text().contains("com.example.app:/callback"));
        assert_eq!(browser.clone().deny(&confirm).await.error(), "access_denied");
        let silent = browser.ask("native", &[&more[..], &[("prompt", "none")]].concat()).await;
        assert_eq!(silent.error(), "interaction_required");
        let confirm = browser.ask("native", &more).await;
        let landed = browser.accept(&confirm).await;
        assert_eq!(landed.answer().to, "com.example.app:/callback");
        landed.field("code");
    })
    .await;
}

#[tokio::test]
async fn the_front_channels_tokens_live_as_the_api_says_for_the_web() {
    on_both(async |world| {
        world
            .change_api("first", API, |api| {
                api.token_lifetime = Lifetime(3000);
                api.token_lifetime_for_web = Lifetime(600);
            })
            .await;
        let mut browser = Browser::at(&world, "first");
        assert_eq!(browser.obtain("spa", &[]).await.field("expires_in"), "600");
        let code = browser.ask("spa", &[("response_type", "code")]).await.field("code");
        assert_eq!(world.redeem("first", "spa", &code, &[]).await.json()["expires_in"], 3000);
    })
    .await;
}
