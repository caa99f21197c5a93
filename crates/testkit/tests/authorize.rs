//! Authorization requests from outside: what is shown, what is sent, and how (RFC 6749 §4.1; threats AZ).

use authd::administration::clients::NewClient;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode, header};
use records::{ApplicationType, SigningAlgorithm, UserPolicy};
use serde_json::json;
use testkit::{Browser, CHALLENGE, Landed, On, World, callback_of, on_both, password_of};

const API: &str = "https://api.example/";

async fn world() -> World {
    World::with_people(On::Memory).await
}

/// A world and a browser in which ada is logged in and allowed `spa` and `web` everything.
async fn logged_in(world: &World) -> Browser<'_> {
    let mut browser = Browser::at(world, "first");
    for client in ["spa", "web"] {
        browser.obtain(client, &[("scope", "openid profile email read write")]).await.field("access_token");
    }
    browser
}

#[tokio::test]
async fn az_01_az_02_az_08_without_a_certain_client_there_is_a_page_and_no_redirect() {
    let world = world().await;
    let mut browser = Browser::at(&world, "first");
    for client_id in ["", "nobody", "<script>alert(1)</script>", "\"><img src=x>"] {
        let landed = browser.ask("spa", &[("client_id", client_id)]).await;
        assert_eq!(landed.error_page(), (400, "invalid_request".to_owned()), "{client_id}");
        assert!(!landed.reply.text().contains("<script>alert") && !landed.reply.text().contains("<img"));
    }
    for repeated in ["client_id", "redirect_uri"] {
        let callback = callback_of("spa");
        let value = if repeated == "client_id" { "spa" } else { &callback };
        let landed = browser.ask("spa", &[(repeated, value), (repeated, value)]).await;
        assert_eq!(landed.error_page(), (400, "invalid_request".to_owned()), "{repeated}");
    }
    assert!(browser.cookies().is_empty(), "nothing is begun");
}

#[tokio::test]
async fn az_03_to_az_34_what_is_wrong_with_a_request_is_sent_to_the_client_by_its_name() {
    let world = world().await;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "foo")], "unsupported_response_type"),
        (&[("response_type", "code foo")], "unsupported_response_type"),
        (&[("scope", "read"), ("scope", "read")], "invalid_request"),
        (&[("nonce", "a"), ("nonce", "b")], "invalid_request"),
        (&[("scope", "re\"ad")], "invalid_scope"),
        (&[("scope", "re\\ad")], "invalid_scope"),
        (&[("scope", "l\u{e9}s")], "invalid_scope"),
        (&[("response_type", "id_token"), ("scope", "openid"), ("nonce", "")], "invalid_request"),
        (&[("response_type", "code id_token"), ("scope", "openid"), ("nonce", "")], "invalid_request"),
        (&[("response_mode", "query")], "invalid_request"),
        (&[("response_mode", "foo")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "perhaps")], "invalid_request"),
        (&[("max_age", "abc")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("claims", "{")], "invalid_request"),
        (&[("claims", "[1]")], "invalid_request"),
        (&[("request", "a.b.c")], "request_not_supported"),
        (&[("request_uri", "https://spa.example/r")], "request_uri_not_supported"),
        (&[("registration", "{}")], "registration_not_supported"),
        (&[("response_type", "code"), ("code_challenge", "")], "invalid_request"),
        (&[("response_type", "code"), ("code_challenge", CHALLENGE)], "invalid_request"),
        (
            &[("response_type", "code"), ("code_challenge", CHALLENGE), ("code_challenge_method", "plain")],
            "invalid_request",
        ),
        (
            &[("response_type", "code"), ("code_challenge", "short"), ("code_challenge_method", "S256")],
            "invalid_request",
        ),
        (&[("audience", ""), ("resource", "relative")], "invalid_target"),
        (&[("audience", ""), ("resource", "https://api.example/#x")], "invalid_target"),
        (&[("audience", "urn:nobodys")], "access_denied"),
        (&[("connection", "nowhere")], "invalid_request"),
        (&[("id_token_hint", "a.b.c")], "invalid_request"),
        (
            &[("scope", "openid"), ("claims", r#"{"id_token":{"acr":{"essential":true,"value":"x"}}}"#)],
            "access_denied",
        ),
    ];
    for (more, error) in cases {
        let mut browser = Browser::at(&world, "first");
        let landed = browser.ask("spa", more).await;
        let answer = landed.answer();
        assert_eq!(answer.field("error"), Some(*error), "{more:?}");
        assert_eq!(answer.to, callback_of("spa"), "{more:?}");
        assert_eq!(answer.names(), ["error", "error_description", "iss", "state"], "{more:?}");
        assert_eq!(answer.field("state"), Some("the state"), "{more:?}");
        assert_eq!(answer.field("iss"), Some("https://first.example/"), "AZ-37: {more:?}");
        let response_type =
            more.iter().find(|(name, _)| *name == "response_type").map_or("token", |(_, v)| v);
        let has_token = response_type.contains("token");
        assert_eq!(answer.mode, if has_token { "fragment" } else { "query" }, "{more:?}");
        let described = answer.field("error_description").unwrap();
        assert!(
            described.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
            "TK-11: {described}"
        );
    }
}

#[tokio::test]
async fn az_05_a_response_type_needs_its_grant_type() {
    let world = world().await;
    let coder = NewClient::of_type(ApplicationType::RegularWeb, "Codes alone");
    world.application("first", "coder", coder, "authorization_code").await;
    let implicit = NewClient::of_type(ApplicationType::SinglePage, "Tokens alone");
    world.application("first", "implicit", implicit, "implicit").await;
    let mut browser = Browser::at(&world, "first");
    for (client, response_type, is_allowed) in [
        ("coder", "code", true),
        ("coder", "token", false),
        ("coder", "id_token", false),
        ("coder", "code token", false),
        ("implicit", "code", false),
        ("implicit", "token", true),
        ("implicit", "code id_token", false),
    ] {
        let more = [("response_type", response_type), ("scope", "openid read")];
        let landed = browser.ask(client, &more).await;
        if is_allowed {
            assert_eq!(landed.page(), "/u/login", "{client} {response_type}");
        } else {
            assert_eq!(landed.error(), "unauthorized_client", "{client} {response_type}");
        }
    }
}

/// Where the left half of a token's digest belongs (OpenID Connect Core 1.0 §3.3.2.11).
fn half_hash(text: &str) -> String {
    oauth_grants::oidc::id_token::left_half_hash(text).as_str().to_owned()
}

#[tokio::test]
async fn az_06_every_response_type_gives_what_it_names_in_any_order_of_words() {
    on_both(async |world| {
        let mut browser = logged_in(&world).await;
        for (response_type, mode, names) in [
            ("code", "query", &["code"][..]),
            ("token", "fragment", &["access_token"]),
            ("id_token", "fragment", &["id_token"]),
            ("token id_token", "fragment", &["access_token", "id_token"]),
            ("id_token token", "fragment", &["access_token", "id_token"]),
            ("id_token code", "fragment", &["code", "id_token"]),
            ("token code", "fragment", &["access_token", "code"]),
            ("code id_token token", "fragment", &["access_token", "code", "id_token"]),
            ("token code id_token", "fragment", &["access_token", "code", "id_token"]),
        ] {
            for client in ["spa", "web"] {
                let more = [("response_type", response_type), ("scope", "openid email read")];
                let landed = browser.ask(client, &more).await;
                let answer = landed.answer();
                assert_eq!(answer.mode, mode, "{response_type}");
                for name in ["code", "access_token", "id_token"] {
                    assert_eq!(answer.field(name).is_some(), names.contains(&name), "{response_type} {name}");
                }
                assert_eq!(answer.field("expires_in").is_some(), names.contains(&"access_token"));
                assert_eq!(answer.field("refresh_token"), None);
                if let Some(token) = answer.field("access_token") {
                    world.verified("first", token, API).await;
                }
                if let Some(id_token) = answer.field("id_token") {
                    let claims = world.identified("first", id_token, client, None).await;
                    let of = |name| answer.field(name).map(|text| json!(half_hash(text)));
                    assert_eq!(claims.get("at_hash").cloned(), of("access_token"), "{response_type}");
                    assert_eq!(claims.get("c_hash").cloned(), of("code"), "{response_type}");
                    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
                    assert_eq!(claims["sub"], "auth0|ada");
                    assert_eq!(claims["email"], "ada@example.com");
                }
                if let Some(code) = answer.field("code") {
                    let tokens = world.redeem("first", client, code, &[]).await;
                    world.verified("first", &tokens.access_token(), API).await;
                    let id_token = tokens.json()["id_token"].as_str().unwrap().to_owned();
                    let claims = world.identified("first", &id_token, client, None).await;
                    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_response_mode_carries_the_same_answer() {
    on_both(async |world| {
        let mut browser = logged_in(&world).await;
        for response_type in ["code", "token", "code id_token token"] {
            let mut seen: Vec<Vec<String>> = Vec::new();
            for mode in ["query", "fragment", "form_post", "web_message"] {
                if mode == "query" && response_type != "code" {
                    continue;
                }
                let more = [
                    ("response_type", response_type),
                    ("response_mode", mode),
                    ("scope", "openid read"),
                    ("state", "</script><script>alert(1)</script>\"'&#\r\n\u{e9}\u{2028}"),
                ];
                let landed = browser.ask("spa", &more).await;
                let answer = landed.answer();
                assert_eq!(answer.mode, mode);
                let to = if mode == "web_message" { "https://spa.example" } else { &callback_of("spa") };
                assert_eq!(answer.to, to);
                assert_eq!(answer.field("state"), Some(more[3].1), "AZ-16 {mode}");
                assert_eq!(answer.field("iss"), Some("https://first.example/"));
                if matches!(mode, "form_post" | "web_message") {
                    assert_eq!(landed.reply.status, StatusCode::OK);
                    assert_eq!(landed.reply.header(header::CACHE_CONTROL), "no-store");
                    assert_eq!(landed.reply.text().matches("<script").count(), 1, "AZ-23");
                }
                seen.push(answer.names().into_iter().map(str::to_owned).collect());
            }
            assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn errors_travel_in_the_response_mode_that_was_asked_for() {
    let world = world().await;
    for mode in ["form_post", "web_message", "fragment"] {
        for response_type in ["code", "token"] {
            let more = [("response_mode", mode), ("prompt", "none"), ("response_type", response_type)];
            let landed = Browser::at(&world, "first").ask("spa", &more).await;
            assert_eq!((landed.answer().mode, landed.error().as_str()), (mode, "login_required"));
        }
    }
    // A message is for web origins alone, which a callback's origin need not be.
    let mut new = NewClient::of_type(ApplicationType::SinglePage, "Without web origins");
    new.callbacks = vec![callback_of("plain")];
    world.application("first", "plain", new, "implicit").await;
    let more = [("response_mode", "web_message"), ("prompt", "none")];
    let landed = Browser::at(&world, "first").ask("plain", &more).await;
    assert_eq!(landed.error_page().0, 400);
}

#[tokio::test]
async fn az_09_az_10_az_14_az_17_empty_unknown_and_reordered_parameters_change_nothing() {
    let world = world().await;
    let mut browser = logged_in(&world).await;
    let callback = callback_of("spa");
    let base = format!(
        "/authorize?client_id=spa&response_type=token&audience=https%3A%2F%2Fapi.example%2F&redirect_uri={}",
        callback.replace(':', "%3A").replace('/', "%2F")
    );
    for (more, scope) in [
        ("&scope=&nonce=&state=&prompt=", ""),
        ("&extra=foobar&extra=again&auth0Client=e30&scope=read", "read"),
        ("&scope=write%20read%20read%20write", "read write"),
        ("&scope=write+read", "read write"),
    ] {
        let landed = browser.open(&format!("{base}{more}")).await;
        assert_eq!(landed.answer().field("state"), None, "AZ-17");
        let claims = world.verified("first", &landed.field("access_token"), API).await;
        assert_eq!(claims.get("scope").map_or("", |scope| scope.as_str().unwrap()), scope, "{more}");
    }
}

#[tokio::test]
async fn az_12_what_the_api_does_not_define_is_never_granted() {
    let world = world().await;
    let mut browser = logged_in(&world).await;
    let landed = browser.ask("spa", &[("scope", "read admin read:users")]).await;
    assert_eq!(landed.field("scope"), "read");
    let claims = world.verified("first", &landed.field("access_token"), API).await;
    assert_eq!(claims["scope"], "read");
}

#[tokio::test]
async fn az_13_az_15_az_16_az_19_long_and_strange_texts_come_back_to_the_letter_or_are_refused() {
    let world = world().await;
    let long = "x".repeat(4096);
    // Each of these is written with a backslash, or six characters long, where JSON carries it.
    for state in
        [&long, &"\"".repeat(2000), &"\\".repeat(2000), &"\u{1}".repeat(1200), &"\u{e9}".repeat(1000)]
    {
        let mut browser = Browser::at(&world, "first");
        let landed = browser.obtain("spa", &[("state", state), ("scope", "openid read")]).await;
        let answer = landed.answer();
        match answer.field("error") {
            None => assert_eq!(answer.field("state"), Some(state.as_str())),
            Some(error) => {
                assert_eq!(error, "invalid_request");
                assert_eq!(answer.field("state"), Some(state.as_str()));
            }
        }
    }
    let mut browser = logged_in(&world).await;
    let nonce = "n".repeat(384);
    let more = [("nonce", nonce.as_str()), ("response_type", "id_token"), ("scope", "openid")];
    let id_token = browser.ask("spa", &more).await.field("id_token");
    assert_eq!(world.identified("first", &id_token, "spa", None).await["nonce"], nonce.as_str());
    let bomb = "w ".repeat(3500);
    let landed = browser.ask("spa", &[("scope", &bomb)]).await;
    assert!(landed.reply.status == StatusCode::URI_TOO_LONG || landed.answer.is_some());
}

#[tokio::test]
async fn az_24_az_27_az_28_prompt_and_max_age_say_when_to_log_in() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let id_token = [("response_type", "id_token"), ("scope", "openid")];
        let none = browser.ask("spa", &[&id_token[..], &[("prompt", "none")]].concat()).await;
        assert_eq!(none.error(), "login_required");
        assert!(browser.cookies().is_empty(), "no page, no cookie");
        browser.obtain("spa", &id_token).await.field("id_token");
        let began = world.moments().now().0;
        world.moments().advance(100);

        let claims_of =
            async |landed: &Landed| world.identified("first", &landed.field("id_token"), "spa", None).await;
        let with = |name, value| [&id_token[..], &[(name, value)]].concat();
        let old = browser.ask("spa", &with("max_age", "100")).await;
        assert_eq!(claims_of(&old).await["auth_time"], began);
        let none = browser.ask("spa", &[&with("max_age", "99")[..], &[("prompt", "none")]].concat()).await;
        assert_eq!(none.error(), "login_required");
        for more in [with("max_age", "99"), with("max_age", "0"), with("prompt", "login")] {
            world.moments().advance(100);
            let login = browser.ask("spa", &more).await;
            let landed = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
            assert_eq!(claims_of(&landed).await["auth_time"], world.moments().now().0, "{more:?}");
        }
        let plain = browser.ask("spa", &id_token).await;
        assert_eq!(claims_of(&plain).await.get("auth_time"), None, "not asked for");
    })
    .await;
}

#[tokio::test]
async fn az_29_az_30_az_33_nobody_gets_a_token_of_somebody_else() {
    on_both(async |world| {
        let mut bob = Browser::at(&world, "first");
        let login =
            bob.ask("spa", &[("response_type", "id_token"), ("scope", "openid"), ("audience", "")]).await;
        let bobs = bob.log_in(&login, "bob", &password_of("first", "bob")).await.field("id_token");

        let mut ada = logged_in(&world).await;
        let hinted = [("id_token_hint", bobs.as_str()), ("scope", "openid")];
        let none = ada.ask("spa", &[&hinted[..], &[("prompt", "none")]].concat()).await;
        assert_eq!(none.error(), "login_required");
        let login = ada.ask("spa", &hinted).await;
        let landed = ada.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(landed.error(), "login_required", "the same person again is not who was meant");
        let login = ada.ask("spa", &[&hinted[..], &[("audience", "")]].concat()).await;
        let landed = ada.log_in(&login, "bob", &password_of("first", "bob")).await;
        let about = world.user_info("first", &landed.field("access_token")).await.json();
        assert_eq!(about["sub"], "auth0|bob");

        let mut ada = logged_in(&world).await;
        let claims = r#"{"id_token":{"sub":{"value":"auth0|bob"}}}"#;
        let wanted = [("claims", claims), ("scope", "openid"), ("prompt", "none")];
        assert_eq!(ada.ask("spa", &wanted).await.error(), "login_required");

        let (head, rest) = bobs.split_once('.').unwrap();
        let (payload, _) = rest.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        for forged in [format!("{none}.{payload}."), format!("{head}.{payload}.AAAA")] {
            let landed = ada.ask("spa", &[("id_token_hint", &forged)]).await;
            assert_eq!(landed.error(), "invalid_request", "AZ-30");
        }
        let foreign = ada.ask("web", &[("id_token_hint", &bobs), ("prompt", "none")]).await;
        assert_eq!(foreign.error(), "invalid_request", "another application's");
    })
    .await;
}

#[tokio::test]
async fn az_35_a_form_is_answered_like_a_query_and_other_methods_are_not() {
    let world = world().await;
    let mut browser = logged_in(&world).await;
    let callback = callback_of("spa");
    let form = [
        ("client_id", "spa"),
        ("redirect_uri", callback.as_str()),
        ("response_type", "token"),
        ("audience", API),
        ("scope", "read"),
        ("state", "s"),
    ];
    let reply = browser.request(Method::POST, "/authorize").form(&form).send().await;
    let landed = browser.follow("/authorize", reply).await;
    world.verified("first", &landed.field("access_token"), API).await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE] {
        let reply = world.request(method, "first", "/authorize").send().await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.header(header::ALLOW), "GET, POST");
    }
}

#[tokio::test]
async fn az_43_an_application_that_is_deleted_meanwhile_gets_nothing() {
    on_both(async |world| {
        for at in ["/u/login", "/u/consent"] {
            let id = if at == "/u/login" { "gone-1" } else { "gone-2" };
            let new = NewClient::of_type(ApplicationType::SinglePage, "Soon gone");
            world.application("first", id, new, "implicit").await;
            let mut browser = Browser::at(&world, "first");
            let mut page = browser.ask(id, &[]).await;
            if at == "/u/consent" {
                page = browser.log_in(&page, "ada", &password_of("first", "ada")).await;
            }
            assert_eq!(page.page(), at);
            world.unregister("first", id).await;
            let landed = match at {
                "/u/login" => browser.log_in(&page, "ada", &password_of("first", "ada")).await,
                _ => browser.accept(&page).await,
            };
            assert_eq!(landed.error_page(), (400, "invalid_request".to_owned()));
        }
    })
    .await;
}

#[tokio::test]
async fn az_44_a_person_who_is_blocked_or_deleted_meanwhile_gets_nothing() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("response_type", "code")]).await;
        let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        world.change("first", "ada", |user| user.is_blocked = true).await;
        let landed = browser.accept(&consent).await;
        assert_eq!((landed.error().as_str(), landed.answer().field("code")), ("unauthorized", None));
        world.settings("first", |s| s.error_profile = records::ErrorProfile::Rfc6749).await;
        assert_eq!(browser.ask("spa", &[]).await.error(), "access_denied");

        let login = browser.ask("spa", &[("prompt", "login")]).await;
        assert_eq!(login.page(), "/u/login", "somebody else may log in in this browser");
        let blocked = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(blocked.error(), "access_denied", "LC-07: at the next use");
        let mut other = Browser::at(&world, "first");
        let login = other.ask("spa", &[]).await;
        let consent = other.log_in(&login, "bob", &password_of("first", "bob")).await;
        world.remove("first", "bob").await;
        assert_eq!(other.accept(&consent).await.page(), "/u/login");
        assert_eq!(other.ask("spa", &[("prompt", "none")]).await.error(), "login_required");
    })
    .await;
}

#[tokio::test]
async fn az_45_a_flow_goes_on_in_its_own_browser_alone() {
    on_both(async |world| {
        let mut mallory = Browser::at(&world, "first");
        let login = mallory.ask("spa", &[("response_type", "code")]).await;
        let mut ada = logged_in(&world).await;
        // Neither somebody with cookies of their own nor somebody without any.
        for victim in [&mut ada, &mut Browser::at(&world, "first")] {
            assert_eq!(victim.open(&login.address).await.error_page(), (403, "access_denied".to_owned()));
            let typed = [("username", "ada"), ("password", &password_of("first", "ada"))];
            let landed = victim.submit(&login, "default", &typed).await;
            assert_eq!(landed.error_page(), (403, "access_denied".to_owned()));
            let resumed = login.address.replace("/u/login", "/authorize/resume");
            assert_ne!(victim.open(&resumed).await.reply.status, StatusCode::FOUND);
        }
        // Nor does Mallory get on by a consent that ada's browser was led to.
        let consent = ada.ask("partner", &[("response_type", "code")]).await;
        assert_eq!(consent.page(), "/u/consent");
        assert_eq!(mallory.open(&consent.address).await.error_page().0, 403);
        assert_eq!(mallory.accept(&consent).await.error_page().0, 403);
    })
    .await;
}

#[tokio::test]
async fn az_46_az_47_an_altered_or_old_flow_is_over() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[]).await;
        let (path, handle) = login.address.split_once("?state=").unwrap();
        for position in [0, 1, 10, 40, handle.len() / 2, handle.len() - 1] {
            let mut bytes = handle.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            for path in [path, "/authorize/resume", "/u/consent", "/u/confirm"] {
                assert_eq!(browser.open(&format!("{path}?state={altered}")).await.error_page().0, 400);
            }
        }
        for query in ["", "?state=", "?state=x", "?other=1", &format!("?state={handle}&state={handle}")] {
            assert_eq!(browser.open(&format!("/u/login{query}")).await.error_page().0, 400, "{query}");
        }
        // A page's handle is none with which to come back, and it lives an hour.
        assert_eq!(browser.open(&format!("/authorize/resume?state={handle}")).await.error_page().0, 400);
        world.moments().advance(3599);
        assert_eq!(browser.open(&login.address).await.page(), "/u/login");
        world.moments().advance(1);
        assert_eq!(browser.open(&login.address).await.error_page().0, 400);
        let landed = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(landed.error_page().0, 400);
        assert!(browser.cookie("session").is_none(), "no session begins in it");
    })
    .await;
}

#[tokio::test]
async fn az_46_the_way_back_from_a_page_is_open_for_five_minutes() {
    let world = world().await;
    let mut browser = Browser::at(&world, "first");
    let login = browser.ask("spa", &[]).await;
    let typed = [("username", "ada"), ("password", &password_of("first", "ada"))];
    let reply = browser.press(&login, "default", &typed).send().await;
    let back = reply.header(header::LOCATION).to_owned();
    assert!(back.starts_with("/authorize/resume?state="), "{back}");
    world.moments().advance(300);
    assert_eq!(browser.open(&back).await.error_page().0, 400);
}

#[tokio::test]
async fn az_48_the_errors_of_a_strict_third_party_are_shown_and_not_sent() {
    let world = world().await;
    let mut browser = Browser::at(&world, "first");
    for more in [&[("scope", "\"")][..], &[("prompt", "none")], &[("response_type", "foo")]] {
        let landed = browser.ask("stranger", more).await;
        assert_eq!(landed.error_page().0, 400, "{more:?}");
        assert_ne!(browser.ask("partner", more).await.error(), "", "{more:?}");
    }
    let login = browser.ask("stranger", &[]).await;
    assert_eq!(login.error_page().1, "access_denied", "no client grant: {}", login.description());
}

#[tokio::test]
async fn az_49_az_50_pages_are_not_framed_and_show_nothing_from_elsewhere() {
    let world = world().await;
    let mut browser = Browser::at(&world, "first");
    let login = browser.ask("spa", &[]).await;
    let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
    let error = browser.ask("nobody", &[]).await;
    for page in [login, consent, error] {
        let policy = page.reply.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"));
        assert_eq!(page.reply.header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(page.reply.header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(page.reply.header(header::CACHE_CONTROL), "no-store");
        assert!(!page.reply.text().contains("src=\"http"));
    }
    // The renewal in a frame of the application's own page.
    let silent = browser.ask("spa", &[("response_mode", "web_message"), ("prompt", "none")]).await;
    let policy = silent.reply.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("frame-ancestors https://spa.example"), "{policy}");
    assert_eq!(silent.reply.header(header::X_FRAME_OPTIONS), "");
}

#[tokio::test]
async fn the_audience_follows_from_the_request_and_the_api() {
    on_both(async |world| {
        world
            .api("first", "urn:shared", |api| {
                api.signing_algorithm = SigningAlgorithm::Hs256;
            })
            .await;
        world.api("first", "urn:closed", |_| {}).await;
        world.change_api("first", "urn:closed", |api| api.user_policy = UserPolicy::DenyAll).await;
        let mut browser = logged_in(&world).await;
        let shared = browser.obtain("spa", &[("audience", "urn:shared"), ("scope", "openid read")]).await;
        let token = shared.field("access_token");
        assert_eq!(world.claims(&token)["aud"], "urn:shared", "such a token has one audience");
        assert_eq!(world.user_info("first", &token).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(browser.ask("spa", &[("audience", "urn:closed")]).await.error(), "access_denied");

        for audience in ["", "https://first.example/userinfo"] {
            let more = [("audience", audience), ("scope", "openid email read")];
            let landed = browser.ask("spa", &more).await;
            let token = landed.field("access_token");
            assert!(!token.contains('.'), "sealed");
            assert_eq!(landed.field("expires_in"), "7200");
            assert_eq!(landed.field("scope"), "email openid", "{audience}");
            assert_eq!(world.user_info("first", &token).await.json()["email"], "ada@example.com");
            world.moments().advance(7200);
            let (status, error, _) = world.user_info("first", &token).await.error();
            assert_eq!((status, error.as_str()), (401, "invalid_token"));
        }
        world.settings("first", |settings| settings.default_audience = Some(API.to_owned())).await;
        let landed = browser.ask("spa", &[("audience", "")]).await;
        world.verified("first", &landed.field("access_token"), API).await;
    })
    .await;
}

#[tokio::test]
async fn an_application_may_have_its_id_tokens_signed_with_its_secret() {
    on_both(async |world| {
        let mut new = NewClient::of_type(ApplicationType::RegularWeb, "An old site");
        new.id_token_algorithm = SigningAlgorithm::Hs256;
        world.application("first", "shared", new, "authorization_code implicit").await;
        let mut browser = Browser::at(&world, "first");
        let more = [("response_type", "code id_token"), ("scope", "openid"), ("audience", "")];
        let landed = browser.obtain("shared", &more).await;
        let secret = World::secret("first");
        let id_token = landed.field("id_token");
        let claims = world.identified("first", &id_token, "shared", Some(&secret)).await;
        assert_eq!(claims["c_hash"], half_hash(&landed.field("code")));
        let tokens = world.redeem("first", "shared", &landed.field("code"), &[]).await.json();
        let again = tokens["id_token"].as_str().unwrap();
        world.identified("first", again, "shared", Some(&secret)).await;
        let (header, _) = jwt_core::dangerous_inspect(again).unwrap();
        assert_eq!(header, r#"{"alg":"HS256","typ":"JWT"}"#);
        let hinted = [("id_token_hint", again), ("prompt", "none"), ("scope", "openid"), ("audience", "")];
        browser.ask("shared", &hinted).await.field("access_token");
    })
    .await;
}

#[tokio::test]
async fn oidc_core_11_offline_access_is_ignored_where_no_code_is_answered() {
    let world = world().await;
    world.change_api("first", API, |api| api.allow_offline_access = true).await;
    let mut browser = Browser::at(&world, "first");
    let landed = browser.obtain("spa", &[("scope", "openid read offline_access")]).await;
    let claims = world.verified("first", &landed.field("access_token"), API).await;
    assert_eq!(claims["scope"], "openid read");
}

#[tokio::test]
async fn a_session_does_not_open_applications_to_which_its_people_have_no_way() {
    on_both(async |world| {
        let mut browser = logged_in(&world).await;
        world.enable("first", "Username-Password-Authentication", &["spa"]).await;
        browser.ask("spa", &[]).await.field("access_token");
        let landed = browser.ask("web", &[]).await;
        assert_eq!(landed.answer().field("access_token"), None, "the connection is not for this application");
        assert_eq!(landed.error(), "invalid_request");
        let named = [("connection", "Username-Password-Authentication"), ("prompt", "none")];
        assert_eq!(browser.ask("web", &named).await.error(), "invalid_request");
    })
    .await;
}
