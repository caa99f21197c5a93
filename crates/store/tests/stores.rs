//! Typed stores on the backend in memory: tenants, the cache, the root secret.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use records::{
    ApiIdentifier, ApplicationType, Client, ClientGrant, ClientGrantId, ClientId, ClientPolicy, KeyId,
    KeyState, Lifetime, Origin, ResourceServer, ResourceServerId, RotationType, ScopeSet, SecretBytes,
    SeenJti, SigningAlgorithm, SigningKey, SubjectType, Tenant, TenantId, TenantSettings,
    ThirdPartySecurityMode, TokenDialect, TokenEndpointAuthMethod, UnixTime, UserPolicy, Write,
};
use store::{
    Backend, CommitError, GrantsOf, IndexEntry, Key, Kind, MemoryBackend, OpenError, Operation, Refused, Row,
    Sealer, SealingKeys, Space, Store, Stores, Unavailable,
};
use zeroize::Zeroizing;

/// The backend in memory, counting what is asked of it.
#[derive(Clone, Default)]
struct Counting {
    memory: MemoryBackend,
    reads: Arc<AtomicUsize>,
    lose_answers: Arc<AtomicUsize>,
}

impl Counting {
    fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

impl Backend for Counting {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.get(space, kind, key).await
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.page(space, kind, filter, after, at_most).await
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        let outcome = self.memory.commit(space, operations).await;
        if self.lose_answers.load(Ordering::Relaxed) > 0 {
            return Err(Unavailable::Backend("the answer was lost".into()).into());
        }
        outcome
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        self.memory.sweep(now, at_most).await
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        self.memory.configuration_version().await
    }
}

fn sealer(name: &str, byte: u8) -> Sealer {
    Sealer::new(SealingKeys::new(name, Zeroizing::new([byte; 32])))
}

async fn stores() -> (Counting, Stores<Counting>) {
    let backend = Counting::default();
    let stores = Stores::open(backend.clone(), sealer("k1", 1)).await.unwrap();
    stores.refresh().await.unwrap();
    backend.reads();
    (backend, stores)
}

fn tenant_id(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn tenant(name: &str, origins: &[&str]) -> Tenant {
    Tenant {
        id: tenant_id(name),
        origins: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
        settings: TenantSettings::default(),
        created_at: UnixTime(1),
    }
}

fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

fn client(id: &str, name: &str) -> Client {
    Client {
        id: client_id(id),
        name: name.to_owned(),
        application_type: ApplicationType::NonInteractive,
        is_first_party: true,
        third_party_security_mode: ThirdPartySecurityMode::Strict,
        grant_types: Vec::new(),
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretPost,
        secrets: Vec::new(),
        callbacks: Vec::new(),
        web_origins: Vec::new(),
        allowed_logout_urls: Vec::new(),
        backchannel_logout_uri: None,
        refresh_token_rotation: RotationType::Rotating,
        refresh_token_leeway: Lifetime(0),
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

fn api_id(id: &str) -> ResourceServerId {
    ResourceServerId::parse(id).unwrap()
}

fn api(id: &str, identifier: &str) -> ResourceServer {
    ResourceServer {
        id: api_id(id),
        identifier: ApiIdentifier::parse(identifier).unwrap(),
        name: id.to_owned(),
        scopes: Vec::new(),
        signing_algorithm: SigningAlgorithm::Rs256,
        signing_secret: None,
        token_lifetime: Lifetime::DAY,
        token_lifetime_for_web: Lifetime::DAY,
        token_dialect: TokenDialect::Auth0,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        enforce_policies: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        is_system: false,
        created_at: UnixTime(1),
    }
}

async fn grant(store: &Store<Counting>, id: &str, client: &str, api: &str) -> Result<(), CommitError> {
    let grant = ClientGrant {
        id: ClientGrantId::parse(id).unwrap(),
        client: client_id(client),
        resource_server: api_id(api),
        scopes: ScopeSet::parse("read").unwrap(),
        allow_all_scopes: false,
        subject_type: SubjectType::Client,
        created_at: UnixTime(1),
    };
    let client = (*store.client(&grant.client).await.unwrap().unwrap()).clone();
    let resource_server = (*store.resource_server(&grant.resource_server).await.unwrap().unwrap()).clone();
    store.commit(vec![Write::CreateClientGrant { grant, client, resource_server }]).await
}

fn signing_key(id: &str, state: KeyState) -> SigningKey {
    SigningKey {
        id: KeyId::parse(id).unwrap(),
        algorithm: SigningAlgorithm::Es256,
        private_key: SecretBytes::new(b"not really".to_vec()),
        state,
        created_at: UnixTime(1),
        state_since: UnixTime(1),
    }
}

#[tokio::test]
async fn an_origin_belongs_to_one_tenant_and_moves_when_it_is_released() {
    let (_, stores) = stores().await;
    let directory = stores.directory();
    let [a, b, c] = ["https://a", "https://b", "https://c"].map(|origin| Origin::parse(origin).unwrap());
    directory.commit(vec![Write::CreateTenant(tenant("one", &["https://a", "https://b"]))]).await.unwrap();
    let two = Write::CreateTenant(tenant("two", &["https://b"]));
    assert_eq!(directory.commit(vec![two.clone()]).await, Err(CommitError::Conflict));
    assert!(directory.tenant(&tenant_id("two")).await.unwrap().is_none(), "nothing of it was written");

    let one = (*directory.tenant_at(&b).await.unwrap().unwrap()).clone();
    let moved = tenant("one", &["https://a", "https://c"]);
    directory.commit(vec![Write::ReplaceTenant(one.clone(), moved.clone())]).await.unwrap();
    assert!(directory.tenant_at(&b).await.unwrap().is_none());
    assert!(directory.tenant_at(&c).await.unwrap().is_some());
    let stale = Write::ReplaceTenant(one, moved);
    assert_eq!(directory.commit(vec![stale]).await, Err(CommitError::Conflict));
    directory.commit(vec![two]).await.unwrap();
    assert_eq!(directory.tenant_at(&b).await.unwrap().unwrap().record.id, tenant_id("two"));
    assert_eq!(directory.tenant_at(&a).await.unwrap().unwrap().record.id, tenant_id("one"));
    let names: Vec<_> =
        directory.tenants(None, 10).await.unwrap().into_iter().map(|tenant| tenant.record.id).collect();
    assert_eq!(names, [tenant_id("one"), tenant_id("two")]);
    assert_eq!(directory.tenants(Some(&tenant_id("one")), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let (_, stores) = stores().await;
    let (one, two) = (stores.tenant(&tenant_id("one")), stores.tenant(&tenant_id("two")));
    one.commit(vec![
        Write::CreateClient(client("c", "one's")),
        Write::CreateResourceServer(api("rs", "https://x")),
    ])
    .await
    .unwrap();
    one.commit(vec![Write::CreateSigningKey(signing_key("k", KeyState::Current))]).await.unwrap();
    assert!(two.client(&client_id("c")).await.unwrap().is_none());
    assert!(two.signing_keys().await.unwrap().is_empty());
    let identifier = ApiIdentifier::parse("https://x").unwrap();
    assert!(two.resource_server_by_identifier(&identifier).await.unwrap().is_none());
    assert!(two.clients(None, 10).await.unwrap().is_empty());
    two.commit(vec![Write::CreateClient(client("c", "two's"))]).await.unwrap();
    assert_eq!(one.client(&client_id("c")).await.unwrap().unwrap().record.name, "one's");
    assert_eq!(two.client(&client_id("c")).await.unwrap().unwrap().record.name, "two's");
    let stray = two.commit(vec![Write::CreateTenant(tenant("three", &[]))]).await;
    assert_eq!(stray, Err(CommitError::Refused(Refused::WrongSpace(Kind::Tenant))));
}

#[tokio::test]
async fn a_client_grant_is_unique_and_cannot_cross_the_removal_of_its_client_or_api() {
    let (_, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    let writes =
        vec![Write::CreateClient(client("c", "c")), Write::CreateResourceServer(api("rs", "https://x"))];
    store.commit(writes).await.unwrap();
    let client_before = (*store.client(&client_id("c")).await.unwrap().unwrap()).clone();
    let api_before = (*store.resource_server(&api_id("rs")).await.unwrap().unwrap()).clone();
    grant(&store, "g1", "c", "rs").await.unwrap();
    assert_eq!(
        grant(&store, "g2", "c", "rs").await,
        Err(CommitError::Conflict),
        "unique on client, API and subject"
    );

    let blind = store.commit(vec![Write::DeleteClient(client_before)]).await;
    assert_eq!(blind, Err(CommitError::Conflict), "who did not see the grant cannot remove its client");
    let blind = store.commit(vec![Write::DeleteResourceServer(api_before)]).await;
    assert_eq!(blind, Err(CommitError::Conflict), "nor its API");

    let found =
        store.client_grant(&client_id("c"), &api_id("rs"), SubjectType::Client).await.unwrap().unwrap();
    assert!(store.client_grant(&client_id("c"), &api_id("rs"), SubjectType::User).await.unwrap().is_none());
    for of in [GrantsOf::All, GrantsOf::Client(&client_id("c")), GrantsOf::ResourceServer(&api_id("rs"))] {
        assert_eq!(store.client_grants(of, None, 10).await.unwrap(), [(*found).clone()]);
    }
    assert!(store.client_grants(GrantsOf::Client(&client_id("d")), None, 10).await.unwrap().is_empty());
    let client = (*store.client(&client_id("c")).await.unwrap().unwrap()).clone();
    let writes = vec![Write::DeleteClientGrant((*found).clone()), Write::DeleteClient(client)];
    store.commit(writes).await.unwrap();
    assert!(store.client_grant_by_id(&found.record.id).await.unwrap().is_none());
    assert!(store.client_grants(GrantsOf::All, None, 10).await.unwrap().is_empty());
    store
        .commit(vec![Write::CreateClient(Client { name: "again".into(), ..client_before_name() })])
        .await
        .unwrap();
    grant(&store, "g3", "c", "rs").await.unwrap();
}

fn client_before_name() -> Client {
    client("c", "c")
}

#[tokio::test]
async fn an_identifier_is_unique_until_its_api_is_removed() {
    let (_, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    let identifier = ApiIdentifier::parse("https://x").unwrap();
    store.commit(vec![Write::CreateResourceServer(api("rs1", "https://x"))]).await.unwrap();
    let second = Write::CreateResourceServer(api("rs2", "https://x"));
    assert_eq!(store.commit(vec![second.clone()]).await, Err(CommitError::Conflict));
    let first = (*store.resource_server_by_identifier(&identifier).await.unwrap().unwrap()).clone();
    store.commit(vec![Write::DeleteResourceServer(first)]).await.unwrap();
    assert!(store.resource_server_by_identifier(&identifier).await.unwrap().is_none());
    store.commit(vec![second]).await.unwrap();
    assert_eq!(
        store.resource_server_by_identifier(&identifier).await.unwrap().unwrap().record.id,
        api_id("rs2")
    );
    assert_eq!(store.resource_servers(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn configuration_is_read_from_the_backend_once() {
    let (backend, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    let writes =
        vec![Write::CreateClient(client("c", "c")), Write::CreateResourceServer(api("rs", "https://x"))];
    store.commit(writes).await.unwrap();
    store.commit(vec![Write::CreateSigningKey(signing_key("k", KeyState::Current))]).await.unwrap();
    grant(&store, "g1", "c", "rs").await.unwrap();
    stores.refresh().await.unwrap();
    let identifier = ApiIdentifier::parse("https://x").unwrap();
    for round in 0..3 {
        backend.reads();
        store.client(&client_id("c")).await.unwrap().unwrap();
        store.resource_server_by_identifier(&identifier).await.unwrap().unwrap();
        store.client_grant(&client_id("c"), &api_id("rs"), SubjectType::Client).await.unwrap().unwrap();
        assert_eq!(store.signing_keys().await.unwrap().len(), 1);
        assert!(!stores.refresh().await.unwrap());
        assert_eq!(backend.reads() == 0, round > 0, "round {round}");
    }
    store.client(&client_id("unknown")).await.unwrap();
    store.client(&client_id("unknown")).await.unwrap();
    assert_eq!(backend.reads(), 2, "what is not there is not remembered");
}

#[tokio::test]
async fn that_nothing_was_granted_is_remembered_until_it_is() {
    let (backend, here) = stores().await;
    let there = Stores::open(backend.clone(), sealer("k1", 1)).await.unwrap();
    let (store, other) = (here.tenant(&tenant_id("one")), there.tenant(&tenant_id("one")));
    let writes =
        vec![Write::CreateClient(client("c", "c")), Write::CreateResourceServer(api("rs", "https://x"))];
    store.commit(writes).await.unwrap();
    here.refresh().await.unwrap();
    there.refresh().await.unwrap();
    let (c, rs) = (client_id("c"), api_id("rs"));
    for round in 0..3 {
        backend.reads();
        for store in [&store, &other] {
            assert!(store.client_grant(&c, &rs, SubjectType::Client).await.unwrap().is_none());
            assert!(store.administrative_consent(&c, &rs).await.unwrap().is_none());
        }
        assert_eq!(backend.reads(), if round == 0 { 4 } else { 0 }, "round {round}");
    }
    grant(&store, "g1", "c", "rs").await.unwrap();
    assert!(
        store.client_grant(&c, &rs, SubjectType::Client).await.unwrap().is_some(),
        "an own commit at once"
    );
    assert!(other.client_grant(&c, &rs, SubjectType::Client).await.unwrap().is_none());
    assert!(there.refresh().await.unwrap());
    assert!(other.client_grant(&c, &rs, SubjectType::Client).await.unwrap().is_some());

    // And the other way round.
    let held = store.client_grant(&c, &rs, SubjectType::Client).await.unwrap().unwrap();
    store.commit(vec![Write::DeleteClientGrant((*held).clone())]).await.unwrap();
    assert!(store.client_grant(&c, &rs, SubjectType::Client).await.unwrap().is_none());
    there.refresh().await.unwrap();
    assert!(other.client_grant(&c, &rs, SubjectType::Client).await.unwrap().is_none());
}

#[tokio::test]
async fn an_own_commit_is_seen_at_once_and_anothers_after_a_refresh() {
    let (backend, here) = stores().await;
    let there = Stores::open(backend, sealer("k1", 1)).await.unwrap();
    there.refresh().await.unwrap();
    let (store, other) = (here.tenant(&tenant_id("one")), there.tenant(&tenant_id("one")));
    store.commit(vec![Write::CreateClient(client("c", "first"))]).await.unwrap();
    let id = client_id("c");
    there.refresh().await.unwrap();
    let old = (*other.client(&id).await.unwrap().unwrap()).clone();
    store.client(&id).await.unwrap();
    store.commit(vec![Write::ReplaceClient(old.clone(), client("c", "second"))]).await.unwrap();
    assert_eq!(store.client(&id).await.unwrap().unwrap().record.name, "second");

    assert_eq!(other.client(&id).await.unwrap().unwrap().record.name, "first", "cached");
    assert!(there.refresh().await.unwrap());
    assert_eq!(other.client(&id).await.unwrap().unwrap().record.name, "second");

    let new = (*store.client(&id).await.unwrap().unwrap()).clone();
    store.commit(vec![Write::ReplaceClient(new, client("c", "third"))]).await.unwrap();
    assert_eq!(other.client(&id).await.unwrap().unwrap().record.name, "second", "cached");
    assert_eq!(other.client_uncached(&id).await.unwrap().unwrap().record.name, "third");
    assert_eq!(
        other.client(&id).await.unwrap().unwrap().record.name,
        "third",
        "what was seen newer stays seen"
    );
}

#[tokio::test]
async fn a_conflict_makes_the_next_read_a_fresh_one() {
    let (backend, here) = stores().await;
    let there = Stores::open(backend, sealer("k1", 1)).await.unwrap();
    let (store, other) = (here.tenant(&tenant_id("one")), there.tenant(&tenant_id("one")));
    store.commit(vec![Write::CreateClient(client("c", "first"))]).await.unwrap();
    let id = client_id("c");
    let old = (*store.client(&id).await.unwrap().unwrap()).clone();
    other.commit(vec![Write::ReplaceClient(old.clone(), client("c", "second"))]).await.unwrap();
    let lost = store.commit(vec![Write::ReplaceClient(old, client("c", "lost"))]).await;
    assert_eq!(lost, Err(CommitError::Conflict));
    let fresh = (*store.client(&id).await.unwrap().unwrap()).clone();
    assert_eq!(fresh.record.name, "second", "loading again after a conflict must not find what conflicted");
    store.commit(vec![Write::ReplaceClient(fresh, client("c", "third"))]).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_hidden_by_the_cache() {
    let (backend, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    store.commit(vec![Write::CreateClient(client("c", "first"))]).await.unwrap();
    let old = (*store.client(&client_id("c")).await.unwrap().unwrap()).clone();
    backend.lose_answers.store(1, Ordering::Relaxed);
    let lost = store.commit(vec![Write::ReplaceClient(old, client("c", "second"))]).await;
    assert!(matches!(lost, Err(CommitError::Unavailable(_))));
    assert_eq!(store.client(&client_id("c")).await.unwrap().unwrap().record.name, "second");
}

#[tokio::test]
async fn an_uncached_read_does_not_parse_what_it_holds_already() {
    let (backend, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    store.commit(vec![Write::CreateClient(client("c", "first"))]).await.unwrap();
    let cached = store.client(&client_id("c")).await.unwrap().unwrap();
    backend.reads();
    let again = store.client_uncached(&client_id("c")).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&cached, &again));
    assert_eq!(backend.reads(), 1);
    assert!(store.client_uncached(&client_id("unknown")).await.unwrap().is_none());
    assert_eq!(backend.reads(), 1, "an unknown client takes one read too");
}

#[tokio::test]
async fn signing_keys_are_all_there_however_many() {
    let (_, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    assert!(store.signing_keys().await.unwrap().is_empty());
    for number in 0..205 {
        let key = signing_key(&format!("k{number:03}"), KeyState::Previous);
        store.commit(vec![Write::CreateSigningKey(key)]).await.unwrap();
    }
    let keys = store.signing_keys().await.unwrap();
    assert_eq!(keys.len(), 205);
    let new = SigningKey { state: KeyState::Revoked, ..keys[7].record.clone() };
    store.commit(vec![Write::ReplaceSigningKey(keys[7].clone(), new)]).await.unwrap();
    assert_eq!(store.signing_keys().await.unwrap()[7].record.state, KeyState::Revoked);
}

#[tokio::test]
async fn an_assertion_is_seen_once_until_it_leaves() {
    let (_, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    let seen = |jti: &str| {
        vec![Write::InsertJti(SeenJti {
            client: client_id("c"),
            jti: jti.to_owned(),
            expires_at: UnixTime(1_800_000_060),
        })]
    };
    store.commit(seen("1")).await.unwrap();
    assert_eq!(store.commit(seen("1")).await, Err(CommitError::Conflict));
    store.commit(seen("2")).await.unwrap();
    stores.tenant(&tenant_id("two")).commit(seen("1")).await.unwrap();
    assert_eq!(stores.sweep(UnixTime(1_800_000_059), 100).await, Ok(0));
    assert_eq!(stores.sweep(UnixTime(1_800_010_000), 100).await, Ok(3));
}

#[tokio::test]
async fn da_02_a_store_is_opened_under_its_own_key_alone() {
    let backend = MemoryBackend::default();
    let first = Stores::open(backend.clone(), sealer("k1", 1)).await.unwrap();
    let again = Stores::open(backend.clone(), sealer("k1", 1)).await.unwrap();
    assert_eq!(first.derive("a").unwrap(), again.derive("a").unwrap());
    assert_ne!(first.derive("a").unwrap(), first.derive("b").unwrap());
    for (name, byte) in [("k1", 2), ("k2", 1), ("k2", 2)] {
        let refused = Stores::open(backend.clone(), sealer(name, byte)).await.unwrap_err();
        assert!(matches!(refused, OpenError::WrongSealingKey { .. }), "{refused}");
        assert!(refused.to_string().contains("key-encryption key"), "{refused}");
    }
}

#[tokio::test]
async fn a_new_key_encryption_key_leaves_derived_keys_as_they_are() {
    let backend = MemoryBackend::default();
    let before = Stores::open(backend.clone(), sealer("k1", 1)).await.unwrap();
    let keys = SealingKeys::new("k2", Zeroizing::new([2; 32])).with_older("k1", Zeroizing::new([1; 32]));
    let after = Stores::open(backend.clone(), Sealer::new(keys)).await.unwrap();
    assert_eq!(before.derive("client secrets").unwrap(), after.derive("client secrets").unwrap());
    let other = Stores::open(MemoryBackend::default(), sealer("k1", 1)).await.unwrap();
    assert_ne!(
        before.derive("client secrets").unwrap(),
        other.derive("client secrets").unwrap(),
        "per database"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_starts_at_once_agree_on_one_root_secret() {
    let backend = MemoryBackend::default();
    let starts: Vec<_> = (0..16)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(
                async move { Stores::open(backend, sealer("k1", 1)).await.unwrap().derive("a").unwrap() },
            )
        })
        .collect();
    let mut derived = Vec::new();
    for start in starts {
        derived.push(start.await.unwrap());
    }
    assert!(derived.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cache_under_load_never_shows_what_an_acknowledged_commit_replaced() {
    let (_, stores) = stores().await;
    let store = stores.tenant(&tenant_id("one"));
    store.commit(vec![Write::CreateClient(client("c", "0"))]).await.unwrap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                loop {
                    let at_least = acknowledged.load(Ordering::SeqCst);
                    let seen = store.client(&client_id("c")).await.unwrap().unwrap();
                    let seen: usize = seen.record.name.parse().unwrap();
                    assert!(seen >= at_least, "saw {seen} after {at_least} was acknowledged");
                    if at_least == 2000 {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 1..=2000usize {
        let old = (*store.client(&client_id("c")).await.unwrap().unwrap()).clone();
        let new = client("c", &number.to_string());
        store.commit(vec![Write::ReplaceClient(old, new)]).await.unwrap();
        acknowledged.store(number, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
