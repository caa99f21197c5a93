//! What the contract itself costs, on the backend in memory: commits, cached reads, uncached reads, stored forms.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a bench that fails stops")]

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use records::{
    ApplicationType, Audience, AuthenticationMethod, Client, ClientId, ClientSecret, Connection,
    ConnectionName, Email, EnabledClients, GrantType, Lifetime, Origin, PasswordHash, PreviousToken, Profile,
    RefreshFamily, RefreshFamilyId, ResourceServerId, RotationType, ScopeSet, SecretDigest, SecretText,
    SessionId, TenantId, ThirdPartySecurityMode, TokenEndpointAuthMethod, UnixTime, User, UserId, Version,
    Write,
};
use store::{
    Backend, Becomes, Expect, Key, Kind, MemoryBackend, Operation, Sealer, SealingKeys, Space, Store, Stores,
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

fn user(connection: &ConnectionName) -> User {
    User {
        id: UserId::parse("auth0|0123456789abcdef01234567").unwrap(),
        connection: connection.clone(),
        email: Some(Email::parse("ada@example.com").unwrap()),
        email_verified: true,
        username: Some(records::Username::parse("ada").unwrap()),
        password_hash: Some(PasswordHash::New(SecretText::new(format!(
            "$argon2id$v=19$m=19456,t=2,p=1${}",
            "x".repeat(66)
        )))),
        profile: Profile { name: Some("Ada Lovelace".to_owned()), ..Profile::default() },
        credentials_changed_at: UnixTime(0),
        is_blocked: false,
        created_at: UnixTime(1),
        updated_at: UnixTime(2),
    }
}

fn family() -> RefreshFamily {
    let previous = PreviousToken {
        digest: SecretDigest([8; 32]),
        rotated_at: UnixTime(1_767_225_700),
        successor: "A".repeat(190),
    };
    RefreshFamily {
        id: RefreshFamilyId::parse("0000000000010123456789abcdef0123").unwrap(),
        user: UserId::parse("auth0|0123456789abcdef01234567").unwrap(),
        client: ClientId::parse("yRJtbC0zVBOhP2bYL8VUd0v2lgPVzD4q").unwrap(),
        audience: Audience::Api(ResourceServerId::parse("61f2a1b0c3d4e5f60718293a").unwrap()),
        scopes: ScopeSet::parse("openid profile offline_access read:calendar").unwrap(),
        redirect_uri: Some("https://app.example.com/callback".to_owned()),
        origin: Origin::parse("https://auth.example.com/").unwrap(),
        session: Some(SessionId::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").unwrap()),
        authenticated_at: UnixTime(1_767_225_600),
        methods: vec![AuthenticationMethod::Password],
        names_auth_time: false,
        claims: None,
        generation: 7,
        current: SecretDigest([7; 32]),
        previous: Some(previous),
        created_at: UnixTime(1_767_225_600),
        last_used_at: UnixTime(1_767_225_700),
        expires_at: Some(UnixTime(1_769_817_600)),
        idle_expires_at: Some(UnixTime(1_768_521_600)),
    }
}

/// What a refresh reads past the cache, and writes.
fn forms(criterion: &mut Criterion, store: &Store<MemoryBackend>) {
    let name = ConnectionName::parse("people").unwrap();
    let connection =
        Connection { name: name.clone(), enabled_clients: EnabledClients::All, created_at: UnixTime(1) };
    now(store.commit(vec![Write::CreateConnection(connection)])).unwrap();
    let connection = (*now(store.connection(&name)).unwrap().unwrap()).clone();
    let (user, family) = (user(&name), family());
    let (user_id, id) = (user.id.clone(), family.id.clone());
    let writes = vec![Write::CreateUser(user, connection), Write::CreateRefreshFamily(family)];
    now(store.commit(writes)).unwrap();
    criterion.bench_function("refresh family, read", |bencher| {
        bencher.iter(|| now(store.refresh_family(black_box(&id))).unwrap().unwrap());
    });
    criterion.bench_function("person, read", |bencher| {
        bencher.iter(|| now(store.user(black_box(&user_id))).unwrap().unwrap());
    });
    criterion.bench_function("refresh family, read and replaced", |bencher| {
        bencher.iter(|| {
            let old = now(store.refresh_family(&id)).unwrap().unwrap();
            let mut new = old.record.clone();
            new.generation += 1;
            now(store.commit(vec![Write::ReplaceRefreshFamily(records::Versioned {
                record: new,
                version: old.version,
            })]))
            .unwrap();
        });
    });
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
    forms(criterion, &store);

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
