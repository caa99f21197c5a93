//! Logging out, and a person's own page, from outside (OpenID Connect RP-Initiated Logout 1.0; threats LO, LC-06, LC-21).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use authd::administration::clients::NewClient;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderName;
use http::{Method, StatusCode, header};
use records::{ApplicationType, ErrorProfile, SigningAlgorithm, UserGrantId};
use store::UserGrantsOf;
use testkit::{Browser, Landed, On, World, on_both, password_of, user_id};

const BYE: &str = "https://app.example/bye";

/// A world in which both tenants have the application `app`, which people may return to after a logout.
async fn prepared(world: &World) {
    for tenant in ["first", "second"] {
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An app");
        new.allowed_logout_urls = vec![BYE.to_owned(), "https://app.example/other".to_owned()];
        world.application(tenant, "app", new, "authorization_code implicit refresh_token").await;
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An app with its own key");
        new.allowed_logout_urls = vec!["https://own.example/bye".to_owned()];
        new.id_token_algorithm = SigningAlgorithm::Hs256;
        world.application(tenant, "own", new, "authorization_code implicit").await;
    }
}

/// A browser in which Ada is logged in, and the ID token that `client` got.
async fn logged_in<'w>(world: &'w World, tenant: &str, client: &str) -> (Browser<'w>, String) {
    let mut browser = Browser::at(world, tenant);
    let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", "")];
    let token = browser.obtain(client, &more).await.field("id_token");
    (browser, token)
}

/// Whether somebody is logged in.
async fn is_logged_in(browser: &Browser<'_>) -> bool {
    let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", ""), ("prompt", "none")];
    let answer = browser.clone().ask("app", &more).await;
    match answer.answer().field("error") {
        None => true,
        Some("consent_required") => true,
        Some(error) => {
            assert_eq!(error, "login_required");
            false
        }
    }
}

fn path(endpoint: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{endpoint}?{query}")
}

async fn v2(browser: &mut Browser<'_>, pairs: &[(&str, &str)]) -> Landed {
    browser.open(&path("/v2/logout", pairs)).await
}

async fn oidc(browser: &mut Browser<'_>, pairs: &[(&str, &str)]) -> Landed {
    browser.open(&path("/oidc/logout", pairs)).await
}

fn is_page(landed: &Landed, words: &str) {
    assert_eq!(landed.answer, None, "LO-01: redirected");
    assert_eq!(landed.reply.header(header::LOCATION), "");
    assert!(landed.reply.text().contains(words), "{}", landed.reply.text());
}

#[tokio::test]
async fn lc_06_auth0s_logout_ends_the_session_and_its_cookie_opens_nothing_any_more() {
    on_both(async |world| {
        prepared(&world).await;
        let (mut browser, _) = logged_in(&world, "first", "app").await;
        let kept = browser.cookie("_session").unwrap().clone();
        let landed = v2(&mut browser, &[("client_id", "app"), ("returnTo", BYE), ("federated", "")]).await;
        assert_eq!((landed.reply.status, landed.address.as_str()), (StatusCode::FOUND, BYE));
        assert!(browser.cookie("_session").is_none());
        browser.plant(&kept);
        assert!(!is_logged_in(&browser).await, "the old cookie");
        assert_eq!(world.store("first").sessions(&user_id("ada"), None, 9).await.unwrap(), []);
        // A second time, and where nobody ever was.
        assert_eq!(v2(&mut browser, &[("client_id", "app"), ("returnTo", BYE)]).await.address, BYE);
    })
    .await;
}

#[tokio::test]
async fn lo_01_lo_02_auth0s_logout_returns_to_registered_addresses_alone() {
    for profile in [ErrorProfile::Auth0, ErrorProfile::Rfc6749] {
        let world = World::with_people(On::Memory).await;
        prepared(&world).await;
        world
            .settings("first", |settings| {
                settings.error_profile = profile;
                settings.allowed_logout_urls = vec!["https://portal.example/".to_owned()];
            })
            .await;
        let with_query = format!("{BYE}?foo=bar");
        for pairs in [
            &[("client_id", "app"), ("returnTo", "https://evil.example/")][..],
            &[("client_id", "app"), ("returnTo", &with_query)],
            &[("client_id", "app"), ("returnTo", "https://portal.example/")],
            &[("client_id", "nobody"), ("returnTo", BYE)],
            &[("returnTo", BYE)],
            &[("returnTo", "//evil.example")],
        ] {
            let (mut browser, _) = logged_in(&world, "first", "app").await;
            let landed = v2(&mut browser, pairs).await;
            assert_eq!(landed.error_page(), (400, "invalid_request".to_owned()), "{pairs:?}");
            assert!(!is_logged_in(&browser).await, "the session is over all the same");
        }
        let (mut browser, _) = logged_in(&world, "first", "app").await;
        assert_eq!(
            v2(&mut browser, &[("returnTo", "https://portal.example/")]).await.address,
            "https://portal.example/"
        );
        assert_eq!(v2(&mut browser, &[("client_id", "app")]).await.address, BYE, "the application's first");
        is_page(&v2(&mut browser, &[]).await, "You are logged out");
        is_page(&v2(&mut browser, &[("client_id", "spa")]).await, "You are logged out");
        // The other tenant's list is its own.
        let mut other = Browser::at(&world, "second");
        assert_eq!(v2(&mut other, &[("returnTo", "https://portal.example/")]).await.error_page().0, 400);
    }
}

#[tokio::test]
async fn lo_05_a_picture_on_another_sites_page_logs_nobody_out() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (browser, _) = logged_in(&world, "first", "app").await;
    for (mode, dest) in [("no-cors", "image"), ("navigate", "iframe"), ("cors", "empty")] {
        for path in ["/v2/logout?client_id=app", "/oidc/logout?client_id=app", "/oidc/logout"] {
            let reply = browser
                .request(Method::GET, path)
                .header(HeaderName::from_static("sec-fetch-mode"), mode)
                .header(HeaderName::from_static("sec-fetch-dest"), dest)
                .header(HeaderName::from_static("sec-fetch-site"), "cross-site")
                .send()
                .await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER);
            assert!(reply.header(header::LOCATION).starts_with("/u/logout?state="));
            assert!(is_logged_in(&browser).await, "{mode} {dest} {path}");
        }
    }
    let reply = browser.request(Method::HEAD, "/v2/logout").send().await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(is_logged_in(&browser).await);
}

#[tokio::test]
async fn lo_07_a_hint_ends_its_session_unasked_also_when_it_expired() {
    on_both(async |world| {
        prepared(&world).await;
        for (client, back, later) in
            [("app", BYE, 0), ("app", BYE, 40_000), ("own", "https://own.example/bye", 0)]
        {
            let (mut browser, token) = logged_in(&world, "first", client).await;
            world.moments().advance(later);
            let pairs =
                [("id_token_hint", token.as_str()), ("post_logout_redirect_uri", back), ("state", "s 1&x")];
            let landed = oidc(&mut browser, &pairs).await;
            assert_eq!(landed.address, format!("{back}?state=s+1%26x"), "{client} {later}");
            assert!(!is_logged_in(&browser).await);
            // With client_id beside it, and by POST.
            let (mut browser, token) = logged_in(&world, "first", client).await;
            let pairs = [
                ("id_token_hint", token.as_str()),
                ("client_id", client),
                ("post_logout_redirect_uri", back),
            ];
            let reply = browser.request(Method::POST, "/oidc/logout").form(&pairs).send().await;
            assert_eq!(browser.follow("/oidc/logout", reply).await.address, back);
            assert!(!is_logged_in(&browser).await);
        }
    })
    .await;
}

#[tokio::test]
async fn lo_01_lo_02_openid_connects_logout_refuses_other_addresses_and_other_clients() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (mut browser, token) = logged_in(&world, "first", "app").await;
    let with_query = format!("{BYE}?foo=bar");
    for pairs in [
        &[("id_token_hint", token.as_str()), ("post_logout_redirect_uri", "https://evil.example/")][..],
        &[("id_token_hint", &token), ("post_logout_redirect_uri", &with_query)],
        &[("client_id", "app"), ("post_logout_redirect_uri", "https://own.example/bye")],
        &[
            ("id_token_hint", &token),
            ("client_id", "own"),
            ("post_logout_redirect_uri", "https://own.example/bye"),
        ],
        &[("id_token_hint", &token), ("client_id", "nobody")],
        &[("id_token_hint", &token), ("state", "1"), ("state", "2")],
    ] {
        let landed = oidc(&mut browser, pairs).await;
        assert_eq!(landed.error_page(), (400, "invalid_request".to_owned()), "{pairs:?}");
        assert!(is_logged_in(&browser).await, "nothing was ended");
    }
}

#[tokio::test]
async fn lo_03_lo_04_lo_06_lo_08_whatever_proves_nothing_is_asked_about() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (_, bobs) = {
        let mut browser = Browser::at(&world, "first");
        let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", "")];
        let landed = browser.ask("app", &more).await;
        let landed = browser.log_in(&landed, "bob", &password_of("first", "bob")).await;
        (browser, landed.field("id_token"))
    };
    let (_, elsewhere) = logged_in(&world, "second", "app").await;
    let (_, others) = logged_in(&world, "first", "app").await;
    let (browser, mine) = logged_in(&world, "first", "app").await;
    let segments: Vec<&str> = mine.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let none = format!("{none}.{}.", segments[1]);
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(segments[1]).unwrap()).unwrap();
    let tampered = URL_SAFE_NO_PAD.encode(claims.replace("\"iat\"", "\"IAT\""));
    let tampered = format!("{}.{tampered}.{}", segments[0], segments[2]);
    let access_token = {
        let more = [("scope", "openid read")];
        browser.clone().obtain("app", &more).await.field("access_token")
    };
    // Whether the hint says whose it is, so that the client that it was issued to may be returned to.
    for (hint, leads_back) in [
        ("", false),
        ("garbage", false),
        ("a.b.c", false),
        (none.as_str(), false),
        (&tampered, false),
        (&elsewhere, false),
        (&access_token, false),
        (&bobs, true),
        (&others, true),
    ] {
        let mut browser = browser.clone();
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", BYE), ("state", "s")];
        let landed = oidc(&mut browser, &pairs).await;
        assert_eq!(landed.page(), "/u/logout", "{hint}");
        assert!(landed.reply.text().contains("ada of first"), "it says who is logged in");
        assert!(is_logged_in(&browser).await, "LO-08: {hint}");
        if leads_back {
            // Looked at only: the browsers here share one session.
            continue;
        }
        let again = logged_in(&world, "first", "app").await.0;
        let mut browser = again;
        let landed = oidc(&mut browser, &pairs).await;
        let landed = browser.accept(&landed).await;
        is_page(&landed, "You are logged out");
        assert!(!is_logged_in(&browser).await);
    }
    // A named client is returned to once the person said so.
    let mut asked = browser.clone();
    let pairs = [("client_id", "app"), ("post_logout_redirect_uri", BYE), ("state", "s")];
    let landed = oidc(&mut asked, &pairs).await;
    assert_eq!(landed.page(), "/u/logout");
    let landed = asked.accept(&landed).await;
    assert_eq!(landed.address, format!("{BYE}?state=s"));
    assert!(!is_logged_in(&asked).await);
    // LO-06: nothing at all, or a state alone.
    for pairs in [&[][..], &[("state", "s")]] {
        let (mut browser, _) = logged_in(&world, "first", "app").await;
        let landed = oidc(&mut browser, pairs).await;
        assert_eq!(landed.page(), "/u/logout");
        let landed = browser.accept(&landed).await;
        is_page(&landed, "You are logged out");
        assert!(!is_logged_in(&browser).await);
    }
}

#[tokio::test]
async fn lo_08_an_application_with_a_secret_of_its_own_cannot_write_a_hint_that_logs_others_people_out() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (browser, _) = logged_in(&world, "first", "app").await;
    let secret = World::secret("first");
    let key =
        jwt_core::SigningKey::dangerous_from_short_secret(jwt_core::Algorithm::Hs256, secret.as_bytes());
    let signer = jwt_core::Signer::new(key.unwrap(), jwt_core::TokenType::Jwt, None).unwrap();
    let now = world.moments().now().0;
    let mut claims = serde_json::json!({
        "iss": "https://first.example/", "sub": user_id("ada").to_string(), "aud": "own", "iat": now, "exp": now + 60,
    });
    for sid in [None, Some("a-guess")] {
        if let Some(sid) = sid {
            claims["sid"] = sid.into();
        }
        let forged = signer.sign(&claims).unwrap();
        let mut browser = browser.clone();
        let landed = oidc(&mut browser, &[("id_token_hint", &forged)]).await;
        assert_eq!(landed.page(), "/u/logout", "{sid:?}");
        assert!(is_logged_in(&browser).await);
    }
    // Where it did get something by this session it may end it, as by a hint that we wrote.
    let mut browser = browser.clone();
    let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", "")];
    let landed = browser.ask("own", &more).await;
    if landed.page() == "/u/consent" {
        browser.accept(&landed).await;
    }
    if let Some(claims) = claims.as_object_mut() {
        claims.remove("sid");
    }
    let forged = signer.sign(&claims).unwrap();
    oidc(&mut browser, &[("id_token_hint", &forged)]).await;
    assert!(!is_logged_in(&browser).await);
}

#[tokio::test]
async fn where_nobody_is_logged_in_nobody_is_asked() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (_, token) = logged_in(&world, "first", "app").await;
    let mut nobody = Browser::at(&world, "first");
    is_page(&oidc(&mut nobody, &[]).await, "You are logged out");
    let pairs = [("id_token_hint", token.as_str()), ("post_logout_redirect_uri", BYE)];
    assert_eq!(oidc(&mut nobody, &pairs).await.address, BYE);
    is_page(&oidc(&mut nobody, &[("post_logout_redirect_uri", BYE)]).await, "You are logged out");
}

#[tokio::test]
async fn lc_01_the_question_is_answered_in_its_own_browser_and_from_its_own_page_alone() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (mut browser, _) = logged_in(&world, "first", "app").await;
    let landed = oidc(&mut browser, &[("client_id", "app"), ("post_logout_redirect_uri", BYE)]).await;
    let form = landed.form();
    let cross_site = browser.cross_site_post(&form.action).form(&[("action", "accept")]).send().await;
    assert_eq!(cross_site.status, StatusCode::FORBIDDEN);
    // Without what browsers say about forms: the cookie alone decides.
    let without = browser.clone();
    let mut stranger = Browser::at(&world, "first");
    stranger.open("/oidc/logout").await;
    stranger.plant(without.cookie("_session").unwrap());
    let reply = stranger.request(Method::POST, &form.action).form(&[("action", "accept")]).send().await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "another browser's question");
    for action in ["/u/logout", "/u/logout?state=x", &form.action.replace("state=", "state=A")] {
        let reply = browser.request(Method::POST, action).form(&[("action", "accept")]).send().await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{action}");
    }
    let other_button = browser.request(Method::POST, &form.action).form(&[("action", "x")]).send().await;
    assert_eq!(other_button.status, StatusCode::OK, "it asks again");
    assert!(is_logged_in(&browser).await);
    world.moments().advance(3601);
    let late = browser.accept(&landed).await;
    assert_eq!(late.error_page(), (400, "invalid_request".to_owned()));
    assert!(is_logged_in(&browser).await);
}

#[tokio::test]
async fn an_address_that_was_taken_off_the_list_meanwhile_is_not_returned_to() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (mut browser, _) = logged_in(&world, "first", "app").await;
    let landed = oidc(&mut browser, &[("client_id", "app"), ("post_logout_redirect_uri", BYE)]).await;
    world.unregister("first", "app").await;
    let landed = browser.accept(&landed).await;
    is_page(&landed, "You are logged out");
}

#[tokio::test]
async fn a_form_of_an_applications_page_is_asked_again_as_a_visit() {
    let world = World::with_people(On::Memory).await;
    prepared(&world).await;
    let (mut browser, _) = logged_in(&world, "first", "app").await;
    // Across sites only the session's cookie comes along, and on plain http not even that.
    let pairs = [("client_id", "app"), ("post_logout_redirect_uri", BYE), ("state", "ü&\r\nx")];
    let reply = browser.cross_site_post("/oidc/logout").form(&pairs).send().await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert!(reply.header(header::LOCATION).starts_with("/oidc/logout?client_id=app&"));
    let landed = browser.follow("/oidc/logout", reply).await;
    assert_eq!(landed.page(), "/u/logout");
    assert!(is_logged_in(&browser).await, "LO-05");
    let landed = browser.accept(&landed).await;
    assert_eq!(landed.address, format!("{BYE}?state=%C3%BC%26%0D%0Ax"));
}

#[tokio::test]
async fn discovery_names_the_logout_endpoint_and_what_is_off() {
    let world = World::new(On::Memory).await;
    let document = world.get("first", "/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["end_session_endpoint"], "https://first.example/oidc/logout");
    assert_eq!(document["backchannel_logout_supported"], false);
    assert_eq!(document["frontchannel_logout_supported"], false);
}

async fn grants(world: &World, tenant: &str, name: &str) -> Vec<UserGrantId> {
    let user = user_id(name);
    let found = world.store(tenant).user_grants(UserGrantsOf::User(&user), None, 9).await.unwrap();
    found.into_iter().map(|grant| grant.record.id).collect()
}

#[tokio::test]
async fn lc_21_a_person_sees_what_they_allowed_and_withdraws_it_and_its_refresh_tokens_end() {
    on_both(async |world| {
        world.change_api("first", "https://api.example/", |api| api.allow_offline_access = true).await;
        let mut browser = Browser::at(&world, "first");
        let more = [("response_type", "code"), ("scope", "openid read offline_access")];
        let code = browser.obtain("spa", &more).await.field("code");
        let tokens = world.redeem("first", "spa", &code, &[]).await.json();
        let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        let mut landed = browser.open("/u/grants").await;
        assert_eq!(landed.page(), "/u/grants", "already logged in");
        let items = landed.items();
        assert_eq!(items.len(), 1, "{items:?}");
        assert!(
            items[0].contains("A page") && items[0].contains("An API") && items[0].contains("read"),
            "{items:?}"
        );
        assert!(items[0].contains("since 2026-01-01"), "{items:?}");
        assert!(landed.reply.text().contains("1 browser"));
        let [id] = &grants(&world, "first", "ada").await[..] else { panic!("one grant") };
        let other = [("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", &refresh)];
        landed = browser.submit(&landed, id.as_str(), &[]).await;
        assert_eq!((landed.page(), landed.items().len()), ("/u/grants", 0));
        assert!(landed.reply.text().contains("no application"));
        assert_eq!(grants(&world, "first", "ada").await, []);
        let reply = world.post("first", "/oauth/token").form(&other).send().await;
        assert_ne!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(browser.ask("spa", &more).await.page(), "/u/consent", "it asks again");
    })
    .await;
}

#[tokio::test]
async fn the_own_page_asks_for_a_login_and_comes_back() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let landed = browser.open("/u/grants").await;
        assert_eq!(landed.page(), "/u/login");
        assert!(landed.reply.text().contains("to continue to your account"), "{}", landed.reply.text());
        // The handle of a login without a client is no authorization request.
        for path in ["/authorize/resume", "/u/consent", "/u/confirm"] {
            let elsewhere = landed.address.replace("/u/login", path);
            assert_eq!(browser.clone().open(&elsewhere).await.error_page().0, 400, "{path}");
        }
        let wrong = browser.log_in(&landed, "ada", "Wrong-Horse-1").await;
        assert_eq!((wrong.reply.status, wrong.page()), (StatusCode::BAD_REQUEST, "/u/login"));
        world.change("first", "ada", |user| user.is_blocked = true).await;
        let blocked = browser.log_in(&landed, "ada", &password_of("first", "ada")).await;
        assert_eq!(blocked.error_page(), (403, "access_denied".to_owned()));
        world.change("first", "ada", |user| user.is_blocked = false).await;
        let landed = browser.log_in(&landed, "ada", &password_of("first", "ada")).await;
        assert_eq!(landed.page(), "/u/grants");
        assert!(landed.reply.text().contains("ada of first"));
        // The session is everybody's: applications need no second login.
        let more = [("response_type", "id_token"), ("scope", "openid"), ("audience", ""), ("prompt", "none")];
        assert_ne!(browser.ask("spa", &more).await.answer().field("error"), Some("login_required"));
        // Somebody who is blocked meanwhile is asked to log in.
        world.change("first", "ada", |user| user.is_blocked = true).await;
        assert_eq!(browser.open("/u/grants").await.page(), "/u/login");
    })
    .await;
}

#[tokio::test]
async fn lc_08_a_session_from_before_a_new_password_does_not_open_the_own_page() {
    let world = World::with_people(On::Memory).await;
    let mut browser = Browser::at(&world, "first");
    browser.obtain("spa", &[]).await;
    let landed = browser.open("/u/grants").await;
    assert_eq!((landed.page(), landed.items().len()), ("/u/grants", 1));
    // A new password whose change stopped before it had ended the last of very many sessions.
    let later = world.moments().now().after(records::Lifetime(1));
    world.change("first", "ada", |user| user.credentials_changed_at = later).await;
    assert_eq!(browser.open("/u/grants").await.page(), "/u/login");
    let [id] = &grants(&world, "first", "ada").await[..] else { panic!("one grant") };
    let reply = browser.request(Method::POST, &landed.form().action);
    let reply = reply.form(&[("withdraw", id.as_str())]).send().await;
    assert!(reply.header(header::LOCATION).starts_with("/u/login?"), "{}", reply.text());
    assert_eq!(grants(&world, "first", "ada").await, std::slice::from_ref(id));
}

#[tokio::test]
async fn lc_01_nobody_withdraws_what_somebody_else_allowed_nor_in_their_name() {
    let world = World::with_people(On::Memory).await;
    let mut ada = Browser::at(&world, "first");
    ada.obtain("spa", &[]).await;
    let adas = ada.open("/u/grants").await;
    let mut bob = Browser::at(&world, "first");
    let landed = bob.open("/u/grants").await;
    let bobs = bob.log_in(&landed, "bob", &password_of("first", "bob")).await;
    let [id] = &grants(&world, "first", "ada").await[..] else { panic!("one grant") };
    let withdraw = [("withdraw", id.as_str())];
    // Bob, with Ada's grant.
    let action = {
        // His page has no form while he has allowed nothing; one that has is needed.
        assert!(bobs.items().is_empty());
        bob.obtain("spa", &[]).await;
        let landed = bob.ask("spa", &[]).await;
        if landed.page() == "/u/consent" {
            bob.accept(&landed).await;
        }
        bob.open("/u/grants").await.form().action
    };
    let reply = bob.request(Method::POST, &action).form(&withdraw).send().await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "{}", reply.text());
    // Another site, in Ada's name; and Ada's browser with Bob's form.
    let form = adas.form();
    let reply = ada.cross_site_post(&form.action).form(&withdraw).send().await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let reply = ada.request(Method::POST, &action).form(&withdraw).send().await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "another browser's form");
    let reply = ada.request(Method::POST, "/u/grants").form(&withdraw).send().await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "no form");
    // Nobody logged in.
    let mut nobody = ada.clone();
    nobody.forget("_session");
    let reply = nobody.request(Method::POST, &form.action).form(&withdraw).send().await;
    assert!(reply.header(header::LOCATION).starts_with("/u/login?"));
    // Ada's own form after another login in the same browser.
    let mut again = ada.clone();
    let more = [("prompt", "login")];
    let landed = again.ask("spa", &more).await;
    again.log_in(&landed, "ada", &password_of("first", "ada")).await;
    let reply = again.request(Method::POST, &form.action).form(&withdraw).send().await;
    assert_eq!((reply.status, reply.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/u/grants"));
    assert_eq!(grants(&world, "first", "ada").await, std::slice::from_ref(id), "nothing was withdrawn");
}
