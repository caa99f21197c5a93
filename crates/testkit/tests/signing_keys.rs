//! The life of signing keys: published before they sign, verifying after they signed (threats KD-05, KD-06).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use authd::administration::signing_keys::{self, Haste, PUBLISH_FIRST};
use jwt_core::Algorithm;
use records::{KeyId, SigningAlgorithm};
use resource_server::Expectations;
use serde_json::json;
use testkit::{On, World};

const API: &str = "https://api.example/";

async fn token(world: &World) -> String {
    let body = json!({
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": World::secret("first"),
        "audience": API,
    });
    world.post("first", "/oauth/token").json(&body).send().await.access_token()
}

async fn jwks(world: &World) -> String {
    world.get("first", "/.well-known/jwks.json").send().await.text()
}

fn verifies(world: &World, jwks: &str, token: &str) -> bool {
    let keys = jwt_core::JwkSet::parse(jwks).unwrap();
    let expected = Expectations::new(World::origin("first"), API, &[Algorithm::Rs256]);
    expected.with_keys(&keys).unwrap().verify(token, world.moments().now().0).is_ok()
}

#[tokio::test]
async fn kd_05_a_cached_key_set_verifies_tokens_from_before_and_after_a_rotation() {
    let world = World::new(On::Sqlite).await;
    let (before, cached) = (token(&world).await, jwks(&world).await);
    let rotate = || async {
        let store = world.store("first");
        signing_keys::rotate(&store, SigningAlgorithm::Rs256, Haste::WhenCachesKnow, world.moments()).await
    };
    assert!(rotate().await.is_err(), "caches may not know the next key yet");
    world.moments().advance(u64::from(PUBLISH_FIRST.0));
    rotate().await.unwrap();
    assert!(rotate().await.is_err(), "nor the one after it");
    let (after, fresh) = (token(&world).await, jwks(&world).await);
    let kid = |token: &str| jwt_core::dangerous_inspect(token).unwrap().0;
    assert_ne!(kid(&before), kid(&after), "another key signs");
    for token in [&before, &after] {
        assert!(verifies(&world, &cached, token), "the next key was published before it signed");
        assert!(verifies(&world, &fresh, token), "the previous key still verifies");
    }
}

#[tokio::test]
async fn kd_06_a_revoked_key_is_published_no_more() {
    let world = World::new(On::Memory).await;
    let before = token(&world).await;
    let header: serde_json::Value =
        serde_json::from_str(&jwt_core::dangerous_inspect(&before).unwrap().0).unwrap();
    let kid = KeyId::parse(header["kid"].as_str().unwrap()).unwrap();
    let store = world.store("first");
    assert!(signing_keys::revoke(&store, &kid, world.moments()).await.is_err(), "the current key stays");
    signing_keys::rotate(&store, SigningAlgorithm::Rs256, Haste::AtOnce, world.moments()).await.unwrap();
    signing_keys::revoke(&store, &kid, world.moments()).await.unwrap();
    let fresh = jwks(&world).await;
    assert!(!fresh.contains(kid.as_str()));
    assert!(!verifies(&world, &fresh, &before));
    assert!(verifies(&world, &fresh, &token(&world).await));
}

#[tokio::test]
async fn keys_of_other_algorithms_are_made_with_the_first_api_that_wants_them() {
    let world = World::new(On::Memory).await;
    assert!(!jwks(&world).await.contains("ES256"));
    world.api("first", "urn:es256", |api| api.signing_algorithm = SigningAlgorithm::Es256).await;
    world.api("first", "urn:es256:2", |api| api.signing_algorithm = SigningAlgorithm::Es256).await;
    assert_eq!(jwks(&world).await.matches("ES256").count(), 2, "one current, one next");
}

#[tokio::test]
async fn a_previous_key_leaves_when_every_token_that_it_signed_has_expired() {
    let world = World::new(On::Memory).await;
    let published = |jwks: &str| jwks.matches("\"kid\"").count();
    for expected in [2, 3, 4] {
        assert_eq!(published(&jwks(&world).await), expected);
        world.moments().advance(u64::from(PUBLISH_FIRST.0));
        let store = world.store("first");
        signing_keys::rotate(&store, SigningAlgorithm::Rs256, Haste::WhenCachesKnow, world.moments())
            .await
            .unwrap();
    }
    world.moments().advance(u64::from(records::Lifetime::MONTH.0));
    let store = world.store("first");
    signing_keys::rotate(&store, SigningAlgorithm::Rs256, Haste::WhenCachesKnow, world.moments())
        .await
        .unwrap();
    assert_eq!(published(&jwks(&world).await), 3, "current, next, and the previous one of just now");
}

#[tokio::test]
async fn an_api_of_another_process_is_signed_for_though_its_key_is_not_in_the_cache_yet() {
    use authd::administration::resource_servers::{NewResourceServer, create};
    use authd::administration::{client_grants, client_grants::Granted};
    let world = World::new(On::Sqlite).await;
    // The keys as they are now are in the cache.
    token(&world).await;
    let other = world.another_process().await.tenant(&records::TenantId::parse("first").unwrap());
    let mut new = NewResourceServer::named("New", "urn:new");
    new.signing_algorithm = SigningAlgorithm::Es256;
    let api = create(&other, new, world.moments()).await.unwrap();
    let worker = records::ClientId::parse("worker").unwrap();
    let subject = records::SubjectType::Client;
    client_grants::create(&other, &worker, &api.id, subject, &Granted::Everything, world.moments())
        .await
        .unwrap();
    let body = json!({
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": World::secret("first"),
        "audience": "urn:new",
    });
    let token = world.post("first", "/oauth/token").json(&body).send().await.access_token();
    assert!(jwt_core::dangerous_inspect(&token).unwrap().0.contains("ES256"));
    assert!(jwks(&world).await.contains("ES256"));
}
