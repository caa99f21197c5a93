//! How long an API needs to check a request (RFC 6750 §2.1, RFC 9068 §4).
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use resource_server::jwt_core::{Algorithm, JwkSet, Signer, SigningKey, TokenType};
use resource_server::{Expectations, JwksCache, Lookup, ScopeSet, Timing, authorize};

const ISSUER: &str = "https://issuer.example/";
const AUDIENCE: &str = "https://api.example.com/geocoding/v1/";
const NOW: u64 = 1_700_000_000;

fn claims() -> serde_json::Value {
    serde_json::json!({
        "iss": ISSUER, "sub": "geocoding-worker@clients", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 86_400,
        "azp": "geocoding-worker", "gty": "client-credentials", "scope": "geocode", "jti": "0123456789abcdefghijkl",
    })
}

fn verify(criterion: &mut Criterion) {
    let required = ScopeSet::parse("geocode").unwrap();
    let mut group = criterion.benchmark_group("authorize");
    let secret = [7; 32];
    let key = SigningKey::from_secret(Algorithm::Hs256, &secret).unwrap();
    let token = Signer::new(key, TokenType::Jwt, None).unwrap().sign(&claims()).unwrap();
    let header = format!("Bearer {token}");
    let verifier = Expectations::new(ISSUER, AUDIENCE, &[Algorithm::Hs256]).with_secret(&secret).unwrap();
    group.bench_function("HS256", |bencher| {
        bencher.iter(|| authorize([black_box(header.as_bytes())], &verifier, &required, NOW).unwrap());
    });
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap().key().clone();
        let jwks = JwkSet::from_keys(key.verifying_key().to_jwk(Some("key-1"))).to_json();
        let token = Signer::new(key, TokenType::Jwt, Some("key-1")).unwrap().sign(&claims()).unwrap();
        let header = format!("Bearer {token}");
        let expectations = Expectations::new(ISSUER, AUDIENCE, &[algorithm]);
        let verifier = expectations.with_keys(&JwkSet::parse(&jwks).unwrap()).unwrap();
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| authorize([black_box(header.as_bytes())], &verifier, &required, NOW).unwrap());
        });
    }
    group.finish();
    criterion.bench_function("jwks_cache lookup", |bencher| {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let jwks = JwkSet::from_keys(key.key().verifying_key().to_jwk(Some("key-1"))).to_json();
        let expectations = Expectations::new(ISSUER, AUDIENCE, &[Algorithm::Es256]);
        let mut cache = JwksCache::new(expectations, Timing::default());
        if let Lookup::Fetch(ticket) = cache.lookup(Some("key-1"), NOW) {
            cache.fetched(ticket, &jwks, NOW).unwrap();
        }
        bencher.iter(|| cache.lookup(black_box(Some("key-1")), NOW));
    });
}

criterion_group!(benches, verify);
criterion_main!(benches);
