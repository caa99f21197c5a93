//! The userinfo endpoint from outside (OpenID Connect Core 1.0 §5.3; RFC 6750; threats UI).

use authd::administration::resource_servers::{self, NewResourceServer};
use http::{Method, StatusCode, header};
use records::{ApiScope, Lifetime, ScopeToken};
use serde_json::json;
use testkit::{Browser, On, Reply, World, on_both};

async fn token(world: &World, more: &[(&str, &str)]) -> String {
    Browser::at(world, "first").obtain("spa", more).await.field("access_token")
}

fn is_refused(reply: &Reply, status: u16, error: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
    let challenge = reply.header(header::WWW_AUTHENTICATE);
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    if error.is_empty() {
        assert!(!challenge.contains("error"), "{challenge}");
    } else {
        assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
        assert_eq!(reply.error().1, error);
    }
    assert_eq!(reply.header(header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn ui_01_ui_02_ui_05_ui_07_the_token_is_in_one_place() {
    on_both(async |world| {
        let token = token(&world, &[("scope", "openid read")]).await;
        let get = || world.get("first", "/userinfo");
        is_refused(&get().send().await, 401, "");
        is_refused(&get().basic("spa", "x").send().await, 401, "");
        is_refused(&world.get("first", &format!("/userinfo?access_token={token}")).send().await, 401, "");
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let reply = get().header(header::AUTHORIZATION, &format!("{scheme} {token}")).send().await;
            assert_eq!(reply.json(), json!({ "sub": "auth0|ada" }), "{scheme}");
        }
        let post = || world.post("first", "/userinfo");
        let form = [("access_token", token.as_str())];
        assert_eq!(post().form(&form).send().await.status, StatusCode::OK);
        let bearer = format!("Bearer {token}");
        is_refused(
            &post().header(header::AUTHORIZATION, &bearer).form(&form).send().await,
            400,
            "invalid_request",
        );
        let twice = get().header(header::AUTHORIZATION, &bearer).header(header::AUTHORIZATION, &bearer);
        is_refused(&twice.send().await, 400, "invalid_request");
        let doubled = [form[0], form[0]];
        is_refused(&post().form(&doubled).send().await, 400, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn ui_03_altered_and_expired_tokens_are_refused() {
    on_both(async |world| {
        let signed = token(&world, &[("scope", "openid read")]).await;
        let sealed = token(&world, &[("scope", "openid"), ("audience", "")]).await;
        for token in [&signed, &sealed] {
            assert_eq!(world.user_info("first", token).await.status, StatusCode::OK);
            for position in (0..token.len()).step_by(29) {
                let mut bytes = token.clone().into_bytes();
                bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
                if let Ok(altered) = String::from_utf8(bytes) {
                    is_refused(&world.user_info("first", &altered).await, 401, "invalid_token");
                }
            }
            is_refused(&world.user_info("first", &token[..token.len() - 1]).await, 401, "invalid_token");
            is_refused(&world.user_info("first", &format!("{token}A")).await, 401, "invalid_token");
        }
        // `alg: none`, and the published key as a secret, are refused as any other alteration is: the header is signed.
        world.moments().advance(7200);
        for token in [&signed, &sealed] {
            is_refused(&world.user_info("first", token).await, 401, "invalid_token");
        }
    })
    .await;
}

#[tokio::test]
async fn ui_04_ui_06_only_tokens_for_this_endpoint_open_it() {
    on_both(async |world| {
        let without = token(&world, &[("scope", "read")]).await;
        is_refused(&world.user_info("first", &without).await, 401, "invalid_token");
        let sealed = token(&world, &[("scope", "email"), ("audience", "")]).await;
        is_refused(&world.user_info("first", &sealed).await, 403, "insufficient_scope");

        let more = [("response_type", "code id_token"), ("scope", "openid offline_access read")];
        let landed = Browser::at(&world, "first").obtain("spa", &more).await;
        for other in ["id_token", "code"] {
            is_refused(&world.user_info("first", &landed.field(other)).await, 401, "invalid_token");
        }
        let body = json!({
            "grant_type": "client_credentials",
            "client_id": "worker",
            "client_secret": World::secret("first"),
            "audience": "https://api.example/",
        });
        let machine = world.post("first", "/oauth/token").json(&body).send().await.access_token();
        is_refused(&world.user_info("first", &machine).await, 401, "invalid_token");
    })
    .await;
}

#[tokio::test]
async fn no_api_takes_the_userinfo_endpoints_place() {
    let world = World::with_people(On::Memory).await;
    let mut new = NewResourceServer::named("Not an API", "https://first.example/userinfo");
    let value = ScopeToken::parse("openid").unwrap();
    new.scopes = vec![ApiScope { value, description: String::new(), is_optional: false }];
    if resource_servers::create(&world.store("first"), new, world.moments()).await.is_err() {
        return;
    }
    // It may be registered, but no machine gets a token that opens the endpoint.
    world.grant("first", "worker", "https://first.example/userinfo", "openid").await;
    let body = json!({
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": World::secret("first"),
        "audience": "https://first.example/userinfo",
    });
    let token = world.post("first", "/oauth/token").json(&body).send().await.access_token();
    is_refused(&world.user_info("first", &token).await, 401, "invalid_token");
}

#[tokio::test]
async fn ui_08_claims_follow_the_scopes_and_the_claims_parameter() {
    on_both(async |world| {
        let names = |reply: &Reply| {
            let body = reply.json();
            let mut names: Vec<_> =
                body.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
            names.sort_unstable();
            names.join(" ")
        };
        for audience in ["", "https://api.example/"] {
            for (scope, expected) in [
                ("openid", "sub"),
                ("openid email", "email email_verified sub"),
                ("openid phone", "phone_number phone_number_verified sub"),
                ("openid profile", "name nickname sub updated_at"),
                ("openid address", "sub"),
            ] {
                let token = token(&world, &[("scope", scope), ("audience", audience)]).await;
                let reply = world.user_info("first", &token).await;
                assert_eq!(names(&reply), expected, "{scope} {audience}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ui_09_a_deleted_persons_token_opens_nothing() {
    on_both(async |world| {
        let token = token(&world, &[("scope", "openid"), ("audience", "")]).await;
        assert_eq!(world.user_info("first", &token).await.status, StatusCode::OK);
        world.remove("first", "ada").await;
        is_refused(&world.user_info("first", &token).await, 401, "invalid_token");
    })
    .await;
}

#[tokio::test]
async fn a_token_of_an_api_opens_the_endpoint_as_long_as_it_lives() {
    on_both(async |world| {
        world
            .change_api("first", "https://api.example/", |api| api.token_lifetime_for_web = Lifetime(60))
            .await;
        let token = token(&world, &[("scope", "openid read")]).await;
        world.moments().advance(60);
        is_refused(&world.user_info("first", &token).await, 401, "invalid_token");
    })
    .await;
}

#[tokio::test]
async fn ui_10_tk_15_only_applications_own_pages_may_read_the_answers() {
    on_both(async |world| {
        let token = token(&world, &[("scope", "openid")]).await;
        let asked = header::HeaderName::from_static("access-control-request-method");
        for path in ["/userinfo", "/oauth/token"] {
            for (origin, allowed) in [
                ("https://spa.example", "https://spa.example"),
                ("https://evil.example", ""),
                ("https://spa.example.evil.example", ""),
                ("http://spa.example", ""),
                ("https://spa.example:444", ""),
                ("null", ""),
            ] {
                let preflight = world.request(Method::OPTIONS, "first", path).header(header::ORIGIN, origin);
                let preflight = preflight.header(asked.clone(), "POST").send().await;
                let answered = match path {
                    "/userinfo" => {
                        world.get("first", path).header(header::AUTHORIZATION, &format!("Bearer {token}"))
                    }
                    _ => world.post("first", path).form(&[("grant_type", "x"), ("client_id", "spa")]),
                };
                let answered = answered.header(header::ORIGIN, origin).send().await;
                for reply in [preflight, answered] {
                    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{path} {origin}");
                    assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "");
                }
            }
        }
        for path in ["/authorize", "/u/login", "/u/consent", "/authorize/resume"] {
            let reply = world.get("first", path).header(header::ORIGIN, "https://spa.example").send().await;
            assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "", "{path} is for people");
        }
    })
    .await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let world = World::with_people(On::Memory).await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = world.request(method, "first", "/userinfo").send().await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
