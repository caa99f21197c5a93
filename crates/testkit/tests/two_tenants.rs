//! Two tenants in one process: neither sees the other, though both use the same names (threats DA-09, AZ-38).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use http::{Method, StatusCode, header};
use jwt_core::Algorithm;
use resource_server::Expectations;
use serde_json::{Value, json};
use testkit::{On, TENANTS, World};

const API: &str = "https://api.example/";

fn request(client_id: &str, secret: &str) -> Value {
    json!({ "grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "audience": API })
}

async fn key_ids(world: &World, tenant: &str) -> BTreeSet<String> {
    let jwks = world.get(tenant, "/.well-known/jwks.json").send().await.json();
    let keys = jwks["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_same_names_in_both_tenants_are_two_things() {
    for on in [On::Memory, On::Sqlite] {
        let world = World::new(on).await;
        for (tenant, other) in [("first", "second"), ("second", "first")] {
            let own = request("worker", &World::secret(tenant));
            let reply = world.post(tenant, "/oauth/token").json(&own).send().await;
            let token = reply.access_token();
            let (_, claims) = jwt_core::dangerous_inspect(&token).unwrap();
            assert!(claims.contains(World::origin(tenant)), "{claims}");

            let stolen = world.post(other, "/oauth/token").json(&own).send().await;
            assert_eq!(stolen.status, StatusCode::UNAUTHORIZED, "a secret is good at its own tenant only");

            // The token does not verify with the other tenant's keys, nor as the other issuer's.
            let now = world.moments().now().0;
            for (keys_of, issuer_of, good) in [
                (tenant, tenant, true),
                (other, tenant, false),
                (tenant, other, false),
                (other, other, false),
            ] {
                let jwks = world.get(keys_of, "/.well-known/jwks.json").send().await.text();
                let keys = jwt_core::JwkSet::parse(&jwks).unwrap();
                let expected = Expectations::new(World::origin(issuer_of), API, &[Algorithm::Rs256]);
                let verdict = expected.with_keys(&keys).unwrap().verify(&token, now);
                assert_eq!(verdict.is_ok(), good, "keys of {keys_of}, issuer {issuer_of}");
            }
        }
    }
}

#[tokio::test]
async fn keys_apis_applications_and_settings_are_the_tenants_own() {
    let world = World::new(On::Sqlite).await;
    assert!(key_ids(&world, "first").await.is_disjoint(&key_ids(&world, "second").await));

    world.api("first", "urn:only-first", |_| {}).await;
    world.machine("first", "only-first", "a-secret-that-is-long-enough").await;
    world.grant("first", "only-first", API, "read").await;
    let body = request("only-first", "a-secret-that-is-long-enough");
    assert_eq!(world.post("first", "/oauth/token").json(&body).send().await.status, StatusCode::OK);
    assert_eq!(
        world.post("second", "/oauth/token").json(&body).send().await.status,
        StatusCode::UNAUTHORIZED
    );

    let mut body = request("worker", &World::secret("second"));
    body["audience"] = json!("urn:only-first");
    let (_, _, description) = world.post("second", "/oauth/token").json(&body).send().await.error();
    assert!(description.starts_with("Service not enabled within domain"), "{description}");

    world.settings("first", |settings| settings.default_audience = Some(API.to_owned())).await;
    body["audience"] = Value::Null;
    let (status, ..) = world.post("second", "/oauth/token").json(&body).send().await.error();
    assert_eq!(status, 403, "the other tenant's default audience does not serve here");
}

#[tokio::test]
async fn the_store_of_one_tenant_finds_nothing_of_the_other() {
    for on in [On::Memory, On::Sqlite] {
        let world = World::new(on).await;
        world.machine("first", "only-first", "a-secret-that-is-long-enough").await;
        let id = records::ClientId::parse("only-first").unwrap();
        assert!(world.store("first").client(&id).await.unwrap().is_some());
        assert!(world.store("second").client(&id).await.unwrap().is_none());
        assert!(world.store("second").client_uncached(&id).await.unwrap().is_none());
        let names = |clients: Vec<records::Versioned<records::Client>>| {
            clients.into_iter().map(|client| client.record.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(world.store("first").clients(None, 100).await.unwrap()), ["only-first", "worker"]);
        assert_eq!(names(world.store("second").clients(None, 100).await.unwrap()), ["worker"]);
    }
}

#[tokio::test]
async fn a_host_that_is_nobodys_has_no_tenant_and_the_health_checks_answer_it() {
    let world = World::new(On::Memory).await;
    for path in ["/oauth/token", "/.well-known/jwks.json", "/.well-known/openid-configuration"] {
        let method = if path == "/oauth/token" { Method::POST } else { Method::GET };
        for origin in ["https://third.example/", "http://first.example/", "https://first.example:8443/"] {
            let reply = world.request_at(method.clone(), origin, path).send().await;
            assert_eq!(reply.status, StatusCode::MISDIRECTED_REQUEST, "{origin}{path}");
        }
    }
    for path in ["/livez", "/readyz"] {
        let reply = world.request_at(Method::GET, "http://10.0.0.7:9/", path).send().await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn kd_01_forwarded_headers_are_not_believed() {
    let world = World::new(On::Memory).await;
    let forwarded = [
        ("forwarded", "host=second.example;proto=http"),
        ("x-forwarded-host", "second.example"),
        ("x-forwarded-proto", "http"),
        ("x-original-host", "second.example"),
    ];
    for (name, value) in forwarded {
        let name = header::HeaderName::from_static(name);
        let reply = world.get("first", "/.well-known/openid-configuration").header(name, value).send().await;
        let document = reply.json();
        assert_eq!(document["issuer"], "https://first.example/");
        assert_eq!(document["token_endpoint"], "https://first.example/oauth/token");
    }
}

#[tokio::test]
async fn the_metadata_names_the_issuer_that_its_tokens_carry() {
    let world = World::new(On::Memory).await;
    for (tenant, origin) in TENANTS {
        for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
            let reply = world.get(tenant, path).send().await;
            assert_eq!(reply.header(header::CONTENT_TYPE), "application/json");
            assert_eq!(reply.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
            let document = reply.json();
            assert_eq!(document["issuer"], origin);
            let jwks_uri = document["jwks_uri"].as_str().unwrap().strip_prefix(origin).unwrap().to_owned();
            let jwks = world.get(tenant, &format!("/{jwks_uri}")).send().await;
            assert_eq!(jwks.status, StatusCode::OK);
        }
    }
}
