//! What the contract itself costs, on the backend in memory: commits, cached reads, uncached reads.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a bench that fails stops")]

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use records::{
    ApplicationType, Client, ClientId, ClientSecret, GrantType, Lifetime, RotationType, SecretDigest,
    TenantId, ThirdPartySecurityMode, TokenEndpointAuthMethod, UnixTime, Version, Write,
};
use store::{
    Backend, Becomes, Expect, Key, Kind, MemoryBackend, Operation, Sealer, SealingKeys, Space, Stores,
};
use zeroize::Zeroizing;

/// The backend in memory is always ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        name: "Geocoding Worker".into(),
        application_type: ApplicationType::NonInteractive,
        is_first_party: true,
        third_party_security_mode: ThirdPartySecurityMode::Strict,
        grant_types: vec![GrantType::ClientCredentials],
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretPost,
        secrets: vec![ClientSecret {
            digest: SecretDigest([7; 32]),
            created_at: UnixTime(1),
            expires_at: None,
        }],
        callbacks: Vec::new(),
        web_origins: Vec::new(),
        allowed_logout_urls: Vec::new(),
        backchannel_logout_uri: None,
        refresh_token_rotation: RotationType::Rotating,
        refresh_token_leeway: Lifetime(10),
        refresh_token_lifetime: None,
        refresh_token_idle_lifetime: None,
        id_token_algorithm: records::SigningAlgorithm::Rs256,
        id_token_lifetime: Lifetime(36_000),
        id_token_secret: None,
        skip_non_verifiable_callback_uri_confirmation_prompt: None,
        logo_uri: None,
        created_at: UnixTime(1),
    }
}

fn benches(criterion: &mut Criterion) {
    let sealer = Sealer::new(SealingKeys::new("k", Zeroizing::new([1; 32])));
    let stores = now(Stores::open(MemoryBackend::default(), sealer)).unwrap();
    let store = stores.tenant(&TenantId::parse("acme").unwrap());
    for number in 0..1000 {
        let id = format!("client-{number}");
        now(store.commit(vec![Write::CreateClient(client(&id))])).unwrap();
    }
    let id = ClientId::parse("client-500").unwrap();
    criterion.bench_function("client, cached", |bencher| {
        bencher.iter(|| now(store.client(black_box(&id))).unwrap().unwrap());
    });
    criterion.bench_function("client, read again at the same version", |bencher| {
        bencher.iter(|| now(store.client_uncached(black_box(&id))).unwrap().unwrap());
    });
    criterion.bench_function("client, replaced and read", |bencher| {
        let mut old = (*now(store.client(&id)).unwrap().unwrap()).clone();
        bencher.iter(|| {
            let new = old.record.clone();
            now(store.commit(vec![Write::ReplaceClient(old.clone(), new)])).unwrap();
            old = (*now(store.client(&id)).unwrap().unwrap()).clone();
        });
    });

    let backend = MemoryBackend::default();
    let space = Space::Tenant(TenantId::parse("acme").unwrap());
    let put = |number: u32, expect: Expect| Operation {
        kind: Kind::RefreshFamily,
        key: Key::of(&[&format!("family-{number}")]),
        expect,
        becomes: Becomes::Put { body: "x".repeat(180), index: Vec::new(), drop_at: Some(UnixTime(9)) },
    };
    for number in 0..200_000 {
        now(backend.commit(&space, vec![put(number, Expect::Absent)])).unwrap();
    }
    let mut version = 0;
    criterion.bench_function("one conditional change among 200,000 rows", |bencher| {
        let mut number = 0;
        bencher.iter(|| {
            number = (number + 7919) % 200_000;
            let key = Key::of(&[&format!("family-{number}")]);
            version = now(backend.get(&space, Kind::RefreshFamily, &key)).unwrap().unwrap().version.0;
            now(backend.commit(&space, vec![put(number, Expect::Version(Version(version)))])).unwrap();
        });
    });
}

criterion_group!(all, benches);
criterion_main!(all);
