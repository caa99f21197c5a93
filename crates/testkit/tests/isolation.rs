//! Nothing of one tenant's people opens anything at the other (threats DA-09, AZ-38).

use http::{Method, StatusCode, header};
use testkit::{Browser, on_each, password_of};

#[tokio::test]
async fn everything_of_the_first_tenant_is_nothing_at_the_second() {
    on_each(async |world| {
        let mut first = Browser::at(&world, "first");
        let scopes = ("scope", "openid email read");
        let landed = first.obtain("spa", &[("response_type", "code token id_token"), scopes]).await;
        let sealed =
            first.ask("spa", &[("audience", ""), ("scope", "openid email")]).await.field("access_token");

        // The cookies: the same names, at another tenant.
        let mut second = Browser::at(&world, "second");
        for cookie in first.cookies() {
            second.plant(cookie);
        }
        assert_eq!(second.ask("spa", &[("prompt", "none")]).await.error(), "login_required");

        // The flow, in a browser that has the cookie it names.
        let login = first.ask("spa", &[("prompt", "login")]).await;
        for path in ["/u/login", "/u/consent", "/u/confirm", "/authorize/resume"] {
            let moved = login.address.replace("/u/login", path);
            assert_eq!(second.open(&moved).await.error_page().0, 400, "{path}");
        }
        let typed = [("username", "ada"), ("password", &password_of("second", "ada"))];
        assert_eq!(second.submit(&login, "default", &typed).await.error_page().0, 400);
        assert!(second.cookie("session").is_some_and(|kept| Some(kept) == first.cookie("session")));

        // The code and the tokens.
        let code = landed.field("code");
        assert_eq!(world.redeem("second", "spa", &code, &[]).await.error().1, "invalid_grant");
        for token in [&landed.field("access_token"), &sealed] {
            assert_eq!(world.user_info("first", token).await.status, StatusCode::OK);
            assert_eq!(world.user_info("second", token).await.status, StatusCode::UNAUTHORIZED);
        }
        let hint = landed.field("id_token");
        assert_eq!(second.ask("spa", &[("id_token_hint", &hint)]).await.error(), "invalid_request");

        // Consent.
        let mut there = Browser::at(&world, "second");
        let login = there.ask("spa", &[scopes]).await;
        let wrong = there.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(wrong.reply.status, StatusCode::BAD_REQUEST, "the password of the same name elsewhere");
        let consent = there.log_in(&login, "ada", &password_of("second", "ada")).await;
        assert_eq!(consent.page(), "/u/consent", "what she allowed elsewhere is nothing here");
        assert!(consent.reply.text().contains("ada of second"));
        world.redeem("first", "spa", &code, &[]).await.access_token();
    })
    .await;
}

#[tokio::test]
async fn what_was_made_at_one_origin_of_a_tenant_is_used_at_that_origin() {
    on_each(async |world| {
        world.also_at("first", "https://alias.example/").await;
        let mut browser = Browser::at(&world, "first");
        let sealed =
            browser.obtain("spa", &[("audience", ""), ("scope", "openid")]).await.field("access_token");
        let signed = browser.obtain("spa", &[("scope", "openid read")]).await.field("access_token");
        for token in [sealed, signed] {
            let request = world.request_at(Method::GET, "https://alias.example/", "/userinfo");
            let reply = request.header(header::AUTHORIZATION, &format!("Bearer {token}")).send().await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        }
        let login = browser.ask("spa", &[("prompt", "login")]).await;
        let cookies: Vec<_> =
            browser.cookies().iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let request = world.request_at(Method::GET, "https://alias.example/", &login.address);
        let reply = request.header(header::COOKIE, &cookies.join("; ")).send().await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

#[tokio::test]
async fn lc_22_forwarded_headers_change_no_address_of_the_flow() {
    on_each(async |world| {
        let browser = Browser::at(&world, "first");
        let path = "/authorize?client_id=spa&response_type=token&scope=openid&nonce=n";
        for (name, value) in [
            ("forwarded", "host=evil.example;proto=http;for=198.51.100.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "198.51.100.1"),
        ] {
            let request = browser.request(Method::GET, path);
            let reply = request.header(header::HeaderName::from_static(name), value).send().await;
            assert!(reply.header(header::LOCATION).starts_with("/u/login?state="), "{name}");
            assert!(reply.header(header::SET_COOKIE).starts_with("__Host-"), "{name}");
        }
        // Nor does a guesser get away from the count of their own address.
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[]).await;
        for number in 0..11 {
            let request = browser.press(&login, "default", &[("username", "ada"), ("password", "wrong")]);
            let forwarded = header::HeaderName::from_static("x-forwarded-for");
            let reply = request.header(forwarded, &format!("198.51.{number}.1")).send().await;
            let expected = if number < 10 { 400 } else { 429 };
            assert_eq!(reply.status.as_u16(), expected, "{number}");
        }
    })
    .await;
}
