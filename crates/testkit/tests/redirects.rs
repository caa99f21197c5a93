//! Redirect URIs from outside: nothing is ever sent to where nobody registered (RFC 6749 §3.1.2; threats RU).

use authd::administration::clients::{self, NewClient};
use authd::keys::secret_digest_key;
use http::StatusCode;
use records::{ApplicationType, ClientId, TenantId, TenantSettings};
use testkit::{Browser, On, World, callback_of};

#[tokio::test]
async fn ru_01_to_ru_12_what_is_not_registered_to_the_letter_is_a_page() {
    let world = World::with_people(On::Memory).await;
    let mut browser = Browser::at(&world, "first");
    for uri in [
        "https://nobody.example/",
        "https://web.example/callback", // RU-19: another application's
        "https://spa.example/CALLBACK",
        "https://SPA.example/callback",
        "HTTPS://spa.example/callback",
        "https://spa.example/callback?foo=bar",
        "https://spa.example/callback?",
        "https://spa.example/callback#x",
        "https://spa.example/callback%23x",
        "https://spa.example/callback/",
        "https://spa.example//callback",
        "https://spa.example/./callback",
        "https://spa.example/x/../callback",
        "https://spa.example/x/%2e%2e/callback",
        "https://spa.example/callback/..",
        "https://spa.example/callback/../../evil",
        "https://spa.example/callback%2f..",
        "https://spa.example/callbac%6b",
        "https://spa.example/callback;x",
        "https://spa.example/callback%00",
        "https://spa.example@evil.example/callback",
        "https://evil.example@spa.example/callback",
        "https://a@b@spa.example/callback",
        "https://spa.example.evil.example/callback",
        "https://evilspa.example/callback",
        "https://x.spa.example/callback",
        "https://spa.example./callback",
        "http://spa.example/callback",
        "https://spa.example:443/callback",
        "https://spa.example:444/callback",
        "https:\\\\spa.example/callback",
        "https://evil.example\\@spa.example/callback",
        "https://evil.example%5c@spa.example/callback",
        "https://sp\u{430}.example/callback",
        "https://spa.example/callback\r\nSet-Cookie:a=b",
        "https://spa.example/callback\t",
        "https://spa.example/callback\0",
        " https://spa.example/callback",
        "https://spa.example/callback ",
        "//spa.example/callback",
        "javascript:alert(1)//https://spa.example/callback",
        "data:text/html,x",
    ] {
        // RU-18: not even where an error would be answered without a page.
        for more in [&[][..], &[("prompt", "none")], &[("scope", "\"")], &[("response_mode", "form_post")]] {
            let landed = browser.ask("spa", &[&[("redirect_uri", uri)][..], more].concat()).await;
            assert_eq!(landed.error_page(), (400, "invalid_request".to_owned()), "{uri:?} {more:?}");
        }
    }
    assert!(browser.cookies().is_empty());
}

#[tokio::test]
async fn ru_02_a_missing_uri_is_the_only_registered_one() {
    let world = World::with_people(On::Memory).await;
    let mut new = NewClient::of_type(ApplicationType::SinglePage, "A page with two addresses");
    new.callbacks = vec![callback_of("two"), "https://two.example/other".to_owned()];
    world.application("first", "two", new, "implicit").await;
    let mut browser = Browser::at(&world, "first");
    assert_eq!(browser.ask("two", &[("redirect_uri", "")]).await.error_page().0, 400);
    let landed = browser.ask("spa", &[("redirect_uri", ""), ("prompt", "none")]).await;
    assert_eq!(landed.answer().to, callback_of("spa"));
}

#[tokio::test]
async fn ru_14_ru_15_an_installed_application_has_any_port_of_this_machine() {
    let world = World::with_people(On::Memory).await;
    let mut new = NewClient::of_type(ApplicationType::Native, "A tool");
    new.callbacks = vec!["http://127.0.0.1/cb".to_owned(), "http://[::1]/cb".to_owned()];
    world.application("first", "tool", new, "authorization_code").await;
    let mut browser = Browser::at(&world, "first");
    let mut ask = async |uri: &str| {
        browser.ask("tool", &[("redirect_uri", uri), ("response_type", "code"), ("prompt", "none")]).await
    };
    for port in [1, 80, 8080, 49_152, 65_535] {
        for host in ["127.0.0.1", "[::1]"] {
            let uri = format!("http://{host}:{port}/cb");
            let landed = ask(&uri).await;
            assert_eq!(
                (landed.answer().to.as_str(), landed.error().as_str()),
                (uri.as_str(), "login_required")
            );
        }
    }
    for uri in [
        "http://127.0.0.1:9/cb?x=1",
        "http://127.0.0.1:9/other",
        "http://localhost:9/cb",
        "http://127.0.0.1.evil.example:9/cb",
        "http://127.0.0.2:9/cb",
        "http://127.1:9/cb",
        "http://2130706433:9/cb",
        "http://127.0.0.1:9@evil.example/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "https://127.0.0.1:9/cb",
        "http://[::ffff:127.0.0.1]:9/cb",
    ] {
        assert_eq!(ask(uri).await.error_page().0, 400, "{uri}");
    }
}

#[tokio::test]
async fn ru_13_ru_16_ru_17_what_would_be_dangerous_is_not_registered() {
    let world = World::with_people(On::Memory).await;
    let settings = TenantSettings::default();
    let digest_key = secret_digest_key(world.app().stores(), &TenantId::parse("first").unwrap()).unwrap();
    for uri in [
        "*",
        "https://*/cb",
        "https://a*.example/cb",
        "https://spa.example/*",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "https://spa.example/cb#x",
        "https://spa.example/cb?code=x",
        "https://spa.example/cb?state=x",
        "https://spa.example/cb?iss=x",
        "https://spa.example/cb?error=x",
        "https://user@spa.example/cb",
        "relative",
    ] {
        let mut new = NewClient::of_type(ApplicationType::SinglePage, "A page");
        new.id = Some(ClientId::parse("dangerous").unwrap());
        new.callbacks = vec![uri.to_owned()];
        let made = clients::create(&world.store("first"), new, &settings, &digest_key, world.moments()).await;
        assert!(made.is_err(), "{uri}");
    }
    let reply = world.get("first", "/authorize?client_id=dangerous").send().await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}
