//! The client_credentials grant, from the request to the verified token (RFC 6749 §4.4; Auth0).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use authd::administration::clients::NewClient;
use http::{Method, StatusCode, header};
use jwt_core::Algorithm;
use records::{ApplicationType, ErrorProfile, Lifetime, SecretText, SigningAlgorithm, TokenDialect};
use resource_server::{AccessToken, Expectations};
use serde_json::{Value, json};
use testkit::{On, Reply, World};

const API: &str = "https://api.example/";

/// The request of the seed, as a JSON body.
fn request(tenant: &str) -> Value {
    json!({
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": World::secret(tenant),
        "audience": API,
    })
}

async fn ask(world: &World, body: &Value) -> Reply {
    world.post("first", "/oauth/token").json(body).send().await
}

/// The claims as they stand in the token, after it was verified against the published keys.
async fn verified(
    world: &World,
    token: &str,
    audience: &str,
    algorithm: Algorithm,
) -> (AccessToken, Value, Value) {
    let jwks = world.get("first", "/.well-known/jwks.json").send().await;
    let keys = jwt_core::JwkSet::parse(&jwks.text()).unwrap();
    let verifier =
        Expectations::new(World::origin("first"), audience, &[algorithm]).with_keys(&keys).unwrap();
    let access_token = verifier.verify(token, world.moments().now().0).unwrap();
    let (header, claims) = jwt_core::dangerous_inspect(token).unwrap();
    (access_token, serde_json::from_str(&header).unwrap(), serde_json::from_str(&claims).unwrap())
}

#[tokio::test]
async fn the_seed_request_gets_a_token_that_the_api_can_check() {
    for on in [On::Memory, On::Sqlite] {
        let world = World::new(on).await;
        let reply = ask(&world, &request("first")).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        let body = reply.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 86_400);
        assert_eq!(body["scope"], "read");
        assert_eq!(body.as_object().unwrap().len(), 4, "{body}");

        let (access_token, header, claims) =
            verified(&world, &reply.access_token(), API, Algorithm::Rs256).await;
        assert_eq!(access_token.subject, "worker@clients");
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header["typ"], "JWT");
        let now = world.moments().now().0;
        assert_eq!(claims["iss"], "https://first.example/");
        assert_eq!(claims["aud"], API);
        assert_eq!(claims["iat"], now);
        assert_eq!(claims["exp"], now + 86_400);
        assert_eq!(claims["azp"], "worker");
        assert_eq!(claims["gty"], "client-credentials");
        assert_eq!(claims["scope"], "read");
        assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    }
}

#[tokio::test]
async fn form_and_json_post_and_basic_are_answered_alike() {
    let world = World::new(On::Memory).await;
    let secret = World::secret("first");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "worker"),
        ("client_secret", secret.as_str()),
        ("audience", API),
    ];
    let by_form = world.post("first", "/oauth/token").form(&form).send().await;
    let by_basic = world
        .post("first", "/oauth/token")
        .basic("worker", &secret)
        .form(&[("grant_type", "client_credentials"), ("audience", API)])
        .send()
        .await;
    let by_basic_and_json = world
        .post("first", "/oauth/token")
        .basic("worker", &secret)
        .json(&json!({ "grant_type": "client_credentials", "audience": API, "scope": null, "organization": null }))
        .send()
        .await;
    for reply in [by_form, by_basic, by_basic_and_json] {
        verified(&world, &reply.access_token(), API, Algorithm::Rs256).await;
    }
}

#[tokio::test]
async fn each_api_is_signed_for_with_its_own_algorithm_and_dialect() {
    let world = World::new(On::Memory).await;
    for (algorithm, name) in [
        (SigningAlgorithm::Rs256, Algorithm::Rs256),
        (SigningAlgorithm::Es256, Algorithm::Es256),
        (SigningAlgorithm::EdDsa, Algorithm::EdDsa),
    ] {
        for dialect in [TokenDialect::Auth0, TokenDialect::Rfc9068] {
            let identifier = format!("urn:{}:{}", algorithm.name(), dialect.name());
            world
                .api("first", &identifier, |api| {
                    api.signing_algorithm = algorithm;
                    api.token_dialect = dialect;
                    api.token_lifetime = Lifetime(60);
                })
                .await;
            world.grant("first", "worker", &identifier, "write").await;
            let mut body = request("first");
            body["audience"] = json!(identifier);
            let reply = ask(&world, &body).await;
            assert_eq!(reply.json()["expires_in"], 60);
            let (_, header, claims) = verified(&world, &reply.access_token(), &identifier, name).await;
            assert_eq!(header["alg"], algorithm.name());
            assert!(header["kid"].is_string());
            assert!(claims["jti"].is_string());
            match dialect {
                TokenDialect::Auth0 => {
                    assert_eq!(header["typ"], "JWT");
                    assert_eq!(claims["azp"], "worker");
                    assert!(claims.get("client_id").is_none());
                }
                TokenDialect::Rfc9068 => {
                    assert_eq!(header["typ"], "at+jwt");
                    assert_eq!(claims["client_id"], "worker");
                    assert!(claims.get("azp").is_none() && claims.get("gty").is_none());
                }
            }
        }
    }
}

#[tokio::test]
async fn an_hs256_api_shares_its_secret_and_its_tokens_name_no_key() {
    let world = World::new(On::Memory).await;
    let secret = "an-api-secret-of-more-than-32-bytes";
    world
        .api("first", "urn:hs256", |api| {
            api.signing_algorithm = SigningAlgorithm::Hs256;
            api.signing_secret = Some(SecretText::new(secret.to_owned()));
        })
        .await;
    world.grant("first", "worker", "urn:hs256", "read").await;
    let mut body = request("first");
    body["audience"] = json!("urn:hs256");
    let token = ask(&world, &body).await.access_token();
    let (header, _) = jwt_core::dangerous_inspect(&token).unwrap();
    assert_eq!(header, r#"{"alg":"HS256","typ":"JWT"}"#);
    let expected = Expectations::new(World::origin("first"), "urn:hs256", &[Algorithm::Hs256]);
    let now = world.moments().now().0;
    assert!(expected.with_secret(secret.as_bytes()).unwrap().verify(&token, now).is_ok());
    let wrong = expected.with_secret(b"another-secret-of-more-than-32-bytes").unwrap();
    assert!(wrong.verify(&token, now).is_err());
}

#[tokio::test]
async fn the_lifetime_setting_holds_for_new_tokens_only() {
    let world = World::new(On::Memory).await;
    world.api("first", "urn:short", |api| api.token_lifetime = Lifetime(2)).await;
    world.grant("first", "worker", "urn:short", "read").await;
    let mut body = request("first");
    body["audience"] = json!("urn:short");
    let token = ask(&world, &body).await.access_token();
    let jwks = world.get("first", "/.well-known/jwks.json").send().await.text();
    let keys = jwt_core::JwkSet::parse(&jwks).unwrap();
    let verifier =
        Expectations::new(World::origin("first"), "urn:short", &[Algorithm::Rs256]).with_keys(&keys).unwrap();
    let issued_at = world.moments().now().0;
    assert!(verifier.verify(&token, issued_at + 1).is_ok());
    assert!(verifier.verify(&token, issued_at + 2).is_err());
}

#[tokio::test]
async fn what_is_changed_about_an_api_holds_for_the_next_token() {
    use authd::administration::resource_servers::update;
    let world = World::new(On::Sqlite).await;
    let (first, store) = (ask(&world, &request("first")).await.access_token(), world.store("first"));
    let changed = update(
        &store,
        API,
        |mut api| {
            api.token_lifetime = Lifetime(60);
            api.signing_algorithm = SigningAlgorithm::EdDsa;
            Ok(api)
        },
        world.moments(),
    );
    assert_eq!(changed.await.unwrap().token_lifetime_for_web, Lifetime(60), "never longer than the lifetime");
    let reply = ask(&world, &request("first")).await;
    assert_eq!(reply.json()["expires_in"], 60);
    verified(&world, &reply.access_token(), API, Algorithm::EdDsa).await;
    verified(&world, &first, API, Algorithm::Rs256).await;

    let refused = update(
        &store,
        "api/v2/",
        |mut api| {
            api.scopes.clear();
            Ok(api)
        },
        world.moments(),
    );
    assert!(refused.await.is_err(), "a system API keeps its scopes");
}

#[tokio::test]
async fn an_unknown_api_a_missing_grant_an_unlisted_scope_and_a_missing_audience_are_told_apart() {
    let world = World::new(On::Memory).await;
    world.api("first", "urn:ungranted", |_| {}).await;
    let with = |name: &str, value: Value| {
        let mut body = request("first");
        body[name] = value;
        body
    };
    let cases = [
        (
            with("audience", json!("urn:nothing")),
            "Service not enabled within domain: urn:nothing",
            "invalid_target",
        ),
        (
            with("audience", json!("urn:ungranted")),
            "Client is not authorized to access \"urn:ungranted\"",
            "invalid_target",
        ),
        (with("scope", json!("read write")), "Client has not been granted scopes: write", "invalid_scope"),
        (
            with("audience", Value::Null),
            "Non-global clients are not allowed access to APIv1",
            "invalid_target",
        ),
    ];
    for (body, text, rfc_code) in cases {
        world.settings("first", |settings| settings.error_profile = ErrorProfile::Auth0).await;
        let (status, error, description) = ask(&world, &body).await.error();
        assert_eq!((status, error.as_str()), (403, "access_denied"), "{description}");
        assert!(description.starts_with(text), "{description}");

        world.settings("first", |settings| settings.error_profile = ErrorProfile::Rfc6749).await;
        let (status, error, description) = ask(&world, &body).await.error();
        assert_eq!(status, 400, "{description}");
        assert!(error == rfc_code || error == "invalid_request", "{error}: {description}");
    }
}

#[tokio::test]
async fn a_default_audience_serves_requests_that_name_none() {
    let world = World::new(On::Memory).await;
    world.settings("first", |settings| settings.default_audience = Some(API.to_owned())).await;
    let mut body = request("first");
    body["audience"] = Value::Null;
    verified(&world, &ask(&world, &body).await.access_token(), API, Algorithm::Rs256).await;
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_client_are_answered_alike() {
    let world = World::new(On::Memory).await;
    for (profile, code, text) in [
        (ErrorProfile::Auth0, "access_denied", "Unauthorized"),
        (ErrorProfile::Rfc6749, "invalid_client", ""),
    ] {
        world.settings("first", |settings| settings.error_profile = profile).await;
        let mut wrong = request("first");
        wrong["client_secret"] = json!("wrong");
        let mut unknown = request("first");
        unknown["client_id"] = json!("nobody");
        let mut other_tenants = request("first");
        other_tenants["client_secret"] = json!(World::secret("second"));
        let mut none = request("first");
        none["client_secret"] = Value::Null;
        let replies = [
            ask(&world, &wrong).await,
            ask(&world, &unknown).await,
            ask(&world, &other_tenants).await,
            ask(&world, &none).await,
        ];
        for reply in &replies {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            assert_eq!(reply.body, replies[0].body);
            assert_eq!(reply.headers, replies[0].headers);
        }
        let (_, error, description) = replies[0].error();
        assert_eq!(error, code);
        assert!(description.contains(text), "{description}");
        //= RFC 6749 §5.2
        assert!(replies[0].header(header::WWW_AUTHENTICATE).starts_with("Basic "));
    }
}

#[tokio::test]
async fn ca_03_two_credentials_and_tk_08_repeated_parameters_are_refused() {
    let world = World::new(On::Memory).await;
    let secret = World::secret("first");
    let two =
        world.post("first", "/oauth/token").basic("worker", &secret).json(&request("first")).send().await;
    assert_eq!((two.error().0, two.error().1.as_str()), (400, "invalid_request"));
    let repeated = world
        .post("first", "/oauth/token")
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "worker"),
            ("client_secret", &secret),
            ("audience", API),
            ("audience", API),
        ])
        .send()
        .await;
    assert_eq!((repeated.error().0, repeated.error().1.as_str()), (400, "invalid_request"));
    let repeated = world
        .post("first", "/oauth/token")
        .header(header::CONTENT_TYPE, "application/json")
        .bytes(r#"{"grant_type":"client_credentials","grant_type":"client_credentials"}"#)
        .send()
        .await;
    assert_eq!((repeated.error().0, repeated.error().1.as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn cc_01_a_public_client_gets_no_token_of_its_own() {
    let world = World::new(On::Memory).await;
    world.client("first", "browser", NewClient::of_type(ApplicationType::SinglePage, "A page")).await;
    let body = json!({ "grant_type": "client_credentials", "client_id": "browser", "audience": API });
    let (status, error, _) = ask(&world, &body).await.error();
    assert_eq!((status, error.as_str()), (403, "unauthorized_client"));
}

#[tokio::test]
async fn tk_09_credentials_in_the_query_are_refused() {
    let world = World::new(On::Memory).await;
    let path = format!("/oauth/token?client_secret={}", World::secret("first"));
    let reply = world.post("first", &path).json(&request("first")).send().await;
    assert_eq!((reply.error().0, reply.error().1.as_str()), (400, "invalid_request"));
    assert!(!reply.text().contains(&World::secret("first")));
}

#[tokio::test]
async fn tk_01_other_methods_and_tk_02_other_content_types_are_refused() {
    let world = World::new(On::Memory).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD] {
        let reply = world.request(method.clone(), "first", "/oauth/token").send().await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.header(header::ALLOW), "POST");
    }
    for content_type in ["text/plain", "multipart/form-data; boundary=x", "application/jsonp", ""] {
        let reply = world
            .post("first", "/oauth/token")
            .header(header::CONTENT_TYPE, content_type)
            .bytes(request("first").to_string())
            .send()
            .await;
        assert!([400, 415].contains(&reply.status.as_u16()), "{content_type}: {}", reply.status);
        assert_eq!(reply.error().1, "invalid_request");
    }
}

#[tokio::test]
async fn tk_10_every_answer_is_kept_out_of_caches() {
    let world = World::new(On::Memory).await;
    let good = ask(&world, &request("first")).await;
    let bad = ask(&world, &json!({})).await;
    let worse = world.get("first", "/oauth/token").send().await;
    for reply in [good, bad, worse] {
        assert_eq!(reply.header(header::CACHE_CONTROL), "no-store");
        assert_eq!(reply.header(header::PRAGMA), "no-cache");
    }
}

#[tokio::test]
async fn a_rotated_secret_counts_at_once_and_the_old_one_until_its_overlap_ends() {
    use authd::administration::clients::rotate_secret;
    let world = World::new(On::Memory).await;
    let tenant = records::TenantId::parse("first").unwrap();
    let digest_key = authd::keys::secret_digest_key(world.app().stores(), &tenant).unwrap();
    let id = records::ClientId::parse("worker").unwrap();
    // The record is in the cache.
    assert_eq!(ask(&world, &request("first")).await.status, StatusCode::OK);
    let new =
        rotate_secret(&world.store("first"), &id, Lifetime(60), &digest_key, world.moments()).await.unwrap();
    let mut body = request("first");
    body["client_secret"] = json!(new.expose());
    assert_eq!(ask(&world, &body).await.status, StatusCode::OK);
    assert_eq!(
        ask(&world, &request("first")).await.status,
        StatusCode::OK,
        "the old one, inside the overlap"
    );
    world.moments().advance(60);
    assert_eq!(ask(&world, &body).await.status, StatusCode::OK);
    assert_eq!(ask(&world, &request("first")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_management_api_is_named_by_the_origin_that_is_called() {
    let world = World::new(On::Memory).await;
    world.grant("first", "worker", "api/v2/", "read:clients").await;
    let mut body = request("first");
    body["audience"] = json!("https://first.example/api/v2/");
    let reply = ask(&world, &body).await;
    assert_eq!(reply.json()["scope"], "read:clients");
    let token = reply.access_token();
    verified(&world, &token, "https://first.example/api/v2/", Algorithm::Rs256).await;
    for other in ["https://first.example/api/v2", "https://second.example/api/v2/", "api/v2/", "management"] {
        body["audience"] = json!(other);
        let (status, _, description) = ask(&world, &body).await.error();
        assert_eq!(status, 403);
        assert!(description.starts_with("Service not enabled within domain"), "{other}: {description}");
    }
}

#[tokio::test]
async fn grants_that_are_not_built_say_so() {
    let world = World::new(On::Memory).await;
    for grant_type in ["urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"] {
        let mut body = request("first");
        body["grant_type"] = json!(grant_type);
        let (_, error, description) = ask(&world, &body).await.error();
        assert_eq!(error, "unsupported_grant_type");
        assert!(description.contains(grant_type), "{description}");
    }
}

#[tokio::test]
async fn an_identifier_that_is_another_apis_id_is_not_mistaken_for_it() {
    use authd::administration::client_grants::{Granted, update};
    use authd::administration::resource_servers::find;
    let world = World::new(On::Memory).await;
    let store = world.store("first");
    let api = find(&store, API).await.unwrap();
    world.api("first", api.record.id.as_str(), |other| other.scopes.clear()).await;
    assert!(find(&store, api.record.id.as_str()).await.is_err(), "it could mean either");

    let worker = records::ClientId::parse("worker").unwrap();
    let grant =
        store.client_grant(&worker, &api.record.id, records::SubjectType::Client).await.unwrap().unwrap();
    let write = Granted::Scopes(records::ScopeSet::parse("write").unwrap());
    update(&store, &grant.record.id, &write).await.unwrap();
    assert_eq!(ask(&world, &request("first")).await.json()["scope"], "write");
}
