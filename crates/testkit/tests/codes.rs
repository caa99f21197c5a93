//! Authorization codes from outside: once, by whom they are for, soon (RFC 6749 §4.1.3; RFC 7636; threats CG).

use authd::administration::clients::NewClient;
use http::{StatusCode, header};
use records::{ApplicationType, ErrorProfile};
use testkit::{Browser, Reply, VERIFIER, World, callback_of, on_each, password_of};

const CODE: &[(&str, &str)] = &[("response_type", "code"), ("scope", "openid read")];

async fn code(world: &World, client_id: &str) -> String {
    Browser::at(world, "first").obtain(client_id, CODE).await.field("code")
}

fn is_refused(reply: &Reply, what: &str) {
    let (status, error, description) = reply.error();
    assert_eq!((status, error.as_str()), (403, "invalid_grant"), "{what}: {description}");
    assert_eq!(reply.header(header::CACHE_CONTROL), "no-store", "TK-10");
}

#[tokio::test]
async fn cg_01_cg_03_a_code_is_good_once_and_for_a_minute() {
    on_each(async |world| {
        let first = code(&world, "spa").await;
        world.redeem("first", "spa", &first, &[]).await.access_token();
        is_refused(&world.redeem("first", "spa", &first, &[]).await, "at once");
        world.moments().advance(30);
        is_refused(&world.redeem("first", "spa", &first, &[]).await, "after 30 seconds");

        let second = code(&world, "spa").await;
        world.moments().advance(59);
        world.redeem("first", "spa", &second, &[]).await.access_token();
        let third = code(&world, "spa").await;
        world.moments().advance(60);
        is_refused(&world.redeem("first", "spa", &third, &[]).await, "after a minute");
        for _ in 0..2 {
            world.moments().advance(3600);
            world.app().sweep(10_000).await.unwrap();
            for old in [&first, &second, &third] {
                is_refused(&world.redeem("first", "spa", old, &[]).await, "when it is forgotten");
            }
        }
        world.settings("first", |settings| settings.error_profile = ErrorProfile::Rfc6749).await;
        assert_eq!(world.redeem("first", "spa", &third, &[]).await.error().0, 400);
    })
    .await;
}

#[tokio::test]
async fn cg_01_a_second_use_ends_the_refresh_token_that_came_of_the_first() {
    on_each(async |world| {
        world.change_api("first", "https://api.example/", |api| api.allow_offline_access = true).await;
        let more = [("response_type", "code"), ("scope", "openid read offline_access")];
        for client in ["spa", "web"] {
            let secret = World::secret("first");
            let secret = if client == "spa" { "" } else { &secret };
            let refresh = async |token: &str| {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client),
                    ("refresh_token", token),
                    ("client_secret", secret),
                ];
                let sent: Vec<_> = form.into_iter().filter(|(_, value)| !value.is_empty()).collect();
                world.post("first", "/oauth/token").form(&sent).send().await
            };
            let code = Browser::at(&world, "first").obtain(client, &more).await.field("code");
            let tokens = world.redeem("first", client, &code, &[]).await.json();
            let fresh = refresh(tokens["refresh_token"].as_str().unwrap_or_default()).await;
            fresh.access_token();
            // Somebody else's attempt at the code ends nothing.
            let foreign = [("redirect_uri", callback_of(client))];
            let foreign: Vec<_> = foreign.iter().map(|(name, value)| (*name, value.as_str())).collect();
            is_refused(&world.redeem("first", "partner", &code, &foreign).await, "another client's");
            let next = fresh.json()["refresh_token"].as_str().unwrap_or_default().to_owned();
            let next = refresh(&next).await;
            next.access_token();
            is_refused(&world.redeem("first", client, &code, &[]).await, "a second use");
            let last = next.json()["refresh_token"].as_str().unwrap_or_default().to_owned();
            is_refused(&refresh(&last).await, "ended");
        }
    })
    .await;
}

#[tokio::test]
async fn cg_04_to_cg_12_whatever_is_refused_the_code_is_still_its_owners() {
    on_each(async |world| {
        let other = NewClient::of_type(ApplicationType::SinglePage, "Another page");
        world.application("first", "other", other, "authorization_code").await;
        for client_id in ["spa", "web"] {
            let code = code(&world, client_id).await;
            let redeem = async |as_client: &str, code: &str, more: &[(&str, &str)]| {
                world.redeem("first", as_client, code, more).await
            };
            let (callback, long) = (callback_of(client_id), "a".repeat(129));
            is_refused(
                &redeem("other", &code, &[("client_secret", ""), ("redirect_uri", &callback)]).await,
                "CG-04: a public client's",
            );
            is_refused(&redeem("partner", &code, &[("redirect_uri", &callback)]).await, "CG-04");
            is_refused(&redeem(client_id, &code, &[("redirect_uri", "")]).await, "CG-07: missing");
            let shifted = format!("{callback}/");
            is_refused(&redeem(client_id, &code, &[("redirect_uri", &shifted)]).await, "CG-07: another");
            is_refused(&redeem(client_id, &code, &[("code_verifier", "")]).await, "CG-08");
            let wrong = VERIFIER.replace('d', "e");
            for verifier in
                [wrong.as_str(), &VERIFIER[..42], &long, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r+w/W1gFWFOEjXk"]
            {
                is_refused(&redeem(client_id, &code, &[("code_verifier", verifier)]).await, "CG-09, CG-11");
            }
            let challenge = testkit::CHALLENGE;
            is_refused(
                &redeem(client_id, &code, &[("code_verifier", challenge)]).await,
                "the challenge itself",
            );
            for position in 0..code.len() {
                let mut bytes = code.clone().into_bytes();
                bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
                let altered = String::from_utf8(bytes).unwrap();
                is_refused(&redeem(client_id, &altered, &[]).await, "CG-05: a byte");
            }
            for altered in [&code[..42], &format!("{code}A"), &format!("{code}="), &format!(" {code}")] {
                is_refused(&redeem(client_id, altered, &[]).await, "CG-05: another length");
            }
            let (status, error, _) = redeem(client_id, "", &[]).await.error();
            assert_eq!((status, error.as_str()), (400, "invalid_request"), "CG-06");
            let doubled = [("code", code.as_str()), ("code", code.as_str())];
            assert_eq!(redeem(client_id, &code, &doubled).await.error().1, "invalid_request", "TK-08");
            if client_id == "web" {
                for secret in ["wrong-secret-of-some-length", ""] {
                    let refused = redeem(client_id, &code, &[("client_secret", secret)]).await;
                    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "CG-12");
                }
            }
            redeem(client_id, &code, &[]).await.access_token();
        }
    })
    .await;
}

#[tokio::test]
async fn cg_10_a_verifier_for_a_code_without_a_challenge_is_a_downgrade() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let plain = [CODE, &[("code_challenge", "")]].concat();
        let code = browser.obtain("web", &plain).await.field("code");
        is_refused(&world.redeem("first", "web", &code, &[]).await, "a verifier");
        world.redeem("first", "web", &code, &[("code_verifier", "")]).await.access_token();
        assert_eq!(browser.ask("spa", &plain).await.error(), "invalid_request", "AZ-39: a public client");
    })
    .await;
}

#[tokio::test]
async fn cg_07_the_redirect_uri_may_be_left_out_where_it_was_left_out_before() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let without = [CODE, &[("redirect_uri", "")]].concat();
        let code = browser.obtain("web", &without).await.field("code");
        world.redeem("first", "web", &code, &[("redirect_uri", "")]).await.access_token();
        let code = browser.ask("web", &without).await.field("code");
        is_refused(
            &world.redeem("first", "web", &code, &[("redirect_uri", "https://evil.example/")]).await,
            "another one",
        );
    })
    .await;
}

#[tokio::test]
async fn lc_12_whoever_is_blocked_or_deleted_meanwhile_gets_no_tokens() {
    on_each(async |world| {
        let first = code(&world, "web").await;
        world.change("first", "ada", |user| user.is_blocked = true).await;
        let (status, error, _) = world.redeem("first", "web", &first, &[]).await.error();
        assert_eq!(status, 403);
        assert!(error == "unauthorized" || error == "invalid_grant", "{error}");
        world.change("first", "ada", |user| user.is_blocked = false).await;
        world.redeem("first", "web", &first, &[]).await.access_token();
        let second = code(&world, "web").await;
        world.remove("first", "ada").await;
        is_refused(&world.redeem("first", "web", &second, &[]).await, "deleted");
    })
    .await;
}

#[tokio::test]
async fn az_38_a_code_is_redeemed_where_it_was_issued() {
    on_each(async |world| {
        world.also_at("first", "https://alias.example/").await;
        let code = code(&world, "spa").await;
        is_refused(&world.redeem("second", "spa", &code, &[]).await, "another tenant");
        let callback = callback_of("spa");
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "spa"),
            ("redirect_uri", callback.as_str()),
            ("code", code.as_str()),
            ("code_verifier", VERIFIER),
        ];
        let alias = world.request_at(http::Method::POST, "https://alias.example/", "/oauth/token");
        is_refused(&alias.form(&form).send().await, "another origin of the same tenant");
        world.redeem("first", "spa", &code, &[]).await.access_token();
    })
    .await;
}

#[tokio::test]
async fn tk_06_a_code_is_for_applications_that_may_use_codes() {
    on_each(async |world| {
        let code = code(&world, "spa").await;
        let reply = world.redeem("first", "password", &code, &[]).await;
        assert_eq!((reply.error().0, reply.error().1.as_str()), (403, "unauthorized_client"));
        world.redeem("first", "spa", &code, &[]).await.access_token();
    })
    .await;
}

#[tokio::test]
async fn the_tokens_tell_about_the_person_as_they_are_when_the_code_is_redeemed() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let more =
            [("response_type", "code"), ("scope", "openid email"), ("audience", ""), ("max_age", "1000")];
        let login = browser.ask("spa", &more).await;
        let landed = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        let began = world.moments().now().0;
        world.moments().advance(20);
        world.change("first", "ada", |user| user.email_verified = false).await;
        let reply = world.redeem("first", "spa", &landed.field("code"), &[]).await.json();
        let id_token = reply["id_token"].as_str().unwrap();
        let claims = world.identified("first", id_token, "spa", None).await;
        assert_eq!(claims["email_verified"], false);
        assert_eq!(claims["auth_time"], began);
        assert_eq!(claims["iat"], began + 20);
        assert_eq!(reply["expires_in"], 86_400);
        let about = world.user_info("first", reply["access_token"].as_str().unwrap()).await.json();
        assert_eq!(about["email"], "ada@example.com");
    })
    .await;
}
