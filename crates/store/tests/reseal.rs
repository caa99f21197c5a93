//! Replacing the key-encryption key while others read and write (threats R21, DA-02).
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use records::{
    Connection, ConnectionName, Email, EnabledClients, KeyId, KeyState, PasswordHash, Profile, SecretBytes,
    SecretText, SigningAlgorithm, SigningKey, Tenant, TenantId, TenantSettings, UnixTime, User, UserId,
    Write,
};
use store::{
    Backend, Kind, MemoryBackend, OpenError, ResealError, Sealer, SealingKeys, Space, Store, Stores,
    Unavailable,
};
use zeroize::Zeroizing;

fn key(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

fn old() -> SealingKeys {
    SealingKeys::new("k1", key(1))
}

fn both() -> SealingKeys {
    SealingKeys::new("k2", key(2)).with_older("k1", key(1))
}

fn new() -> SealingKeys {
    SealingKeys::new("k2", key(2))
}

async fn open(backend: &MemoryBackend, keys: SealingKeys) -> Result<Stores<MemoryBackend>, OpenError> {
    Stores::open(backend.clone(), Sealer::new(keys)).await
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn user_id(number: u64) -> UserId {
    UserId::parse(&format!("auth0|{number:08}")).unwrap()
}

fn hash_of(number: u64) -> String {
    format!("$argon2id$ of {number}")
}

fn user(number: u64) -> User {
    User {
        id: user_id(number),
        connection: ConnectionName::parse("people").unwrap(),
        email: Some(Email::parse(&format!("person{number}@example.com")).unwrap()),
        email_verified: true,
        username: None,
        password_hash: Some(PasswordHash::New(SecretText::new(hash_of(number)))),
        profile: Profile::default(),
        credentials_changed_at: UnixTime(1),
        is_blocked: false,
        created_at: UnixTime(1),
        updated_at: UnixTime(1),
    }
}

/// Two tenants, each with a key and people.
async fn fill(stores: &Stores<MemoryBackend>, people: u64) {
    for name in ["acme", "other"] {
        let made = Tenant {
            id: tenant(name),
            origins: Vec::new(),
            settings: TenantSettings::default(),
            created_at: UnixTime(1),
        };
        stores.directory().commit(vec![Write::CreateTenant(made)]).await.unwrap();
        let store = stores.tenant(&tenant(name));
        let connection = Connection {
            name: ConnectionName::parse("people").unwrap(),
            enabled_clients: EnabledClients::All,
            created_at: UnixTime(1),
        };
        let signing = SigningKey {
            id: KeyId::parse("kid").unwrap(),
            algorithm: SigningAlgorithm::Es256,
            private_key: SecretBytes::new(b"a private key".to_vec()),
            state: KeyState::Current,
            created_at: UnixTime(1),
            state_since: UnixTime(1),
        };
        store
            .commit(vec![Write::CreateConnection(connection.clone()), Write::CreateSigningKey(signing)])
            .await
            .unwrap();
        for number in 0..people {
            let connection = (*store.connection(&connection.name).await.unwrap().unwrap()).clone();
            store.commit(vec![Write::CreateUser(user(number), connection)]).await.unwrap();
        }
    }
}

async fn rename(store: &Store<MemoryBackend>, number: u64, name: &str) -> bool {
    let held = store.user(&user_id(number)).await.unwrap().unwrap();
    let mut changed = held.record.clone();
    changed.profile.name = Some(name.to_owned());
    store.commit(vec![Write::ReplaceUser(held, changed)]).await.is_ok()
}

#[tokio::test]
async fn everything_is_sealed_again_and_only_then_the_old_key_is_not_needed() {
    let backend = MemoryBackend::default();
    fill(&open(&backend, old()).await.unwrap(), 25).await;
    let derived = open(&backend, old()).await.unwrap().derive("label").unwrap();

    let stores = open(&backend, both()).await.unwrap();
    let counted = stores.rows_by_sealing_key(7).await.unwrap();
    // In each tenant a key and the people; and the root secret.
    assert_eq!(counted, [("k1".to_owned(), 2 * 26), ("k2".to_owned(), 1)].into());
    let refused = open(&backend, new()).await.unwrap_err();
    assert_eq!(refused, OpenError::MissingSealingKey { names: vec!["k1".to_owned()] });
    assert!(refused.to_string().contains("\"k1\""), "{refused}");
    let refused = open(&backend, old()).await.unwrap_err();
    assert!(matches!(&refused, OpenError::WrongSealingKey { why } if why.contains("\"k2\"")), "{refused}");

    let mut told = 0;
    let done = stores.reseal(7, |far| told = told.max(far.rows)).await.unwrap();
    assert_eq!((done.rows, told), (2 * 26, 2 * 26));
    assert_eq!(stores.rows_by_sealing_key(7).await.unwrap(), [("k2".to_owned(), 2 * 26 + 1)].into());
    assert_eq!(stores.reseal(7, |_| {}).await.unwrap().rows, 0, "nothing is left to do");

    let stores = open(&backend, new()).await.unwrap();
    assert_eq!(*stores.derive("label").unwrap(), *derived, "what is derived stays what it was");
    for name in ["acme", "other"] {
        let store = stores.tenant(&tenant(name));
        assert_eq!(store.signing_keys().await.unwrap()[0].record.private_key.expose(), b"a private key");
        for number in 0..25 {
            let held = store.user(&user_id(number)).await.unwrap().unwrap().record;
            assert_eq!(store.password_hash(&held).unwrap().unwrap().expose(), hash_of(number));
            assert_eq!(User { password_hash: user(number).password_hash, ..held }, user(number));
        }
    }
    assert!(open(&backend, old()).await.is_err());
}

#[tokio::test]
async fn it_may_end_anywhere_and_be_called_again() {
    let backend = MemoryBackend::default();
    fill(&open(&backend, old()).await.unwrap(), 25).await;
    let stores = open(&backend, both()).await.unwrap();
    let mut ended = 0;
    for _ in 0..100 {
        // It is dropped after one slice, as a process that is killed between two commits.
        let (stores, slices) = (stores.clone(), Arc::new(AtomicUsize::new(0)));
        let once = Arc::new(tokio::sync::Notify::new());
        let stop = Arc::clone(&once);
        let resealing = tokio::spawn(async move {
            stores
                .reseal(5, move |far| {
                    if far.rows > 0 && slices.fetch_add(1, Ordering::Relaxed) == 0 {
                        stop.notify_one();
                    }
                })
                .await
        });
        once.notified().await;
        resealing.abort();
        ended += 1;
        let left = open(&backend, both()).await.unwrap().rows_by_sealing_key(5).await.unwrap();
        assert_eq!(left.values().sum::<u64>(), 2 * 26 + 1, "nothing is lost");
        if !left.contains_key("k1") {
            break;
        }
        assert!(open(&backend, new()).await.is_err(), "the old key is needed and said to be");
    }
    assert!(ended >= 1);
    open(&backend, both()).await.unwrap().reseal(5, |_| {}).await.unwrap();
    assert!(open(&backend, new()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_servers_change_meanwhile_is_not_lost_and_ends_under_the_new_key() {
    let backend = MemoryBackend::default();
    fill(&open(&backend, old()).await.unwrap(), 40).await;
    let stop = Arc::new(AtomicBool::new(false));
    // Servers that have both keys; of one the old one is still the current one for a while.
    let writers: Vec<_> = [0_u64, 1]
        .into_iter()
        .map(|task| {
            let (backend, stop) = (backend.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let old_first = SealingKeys::new("k1", key(1)).with_older("k2", key(2));
                let lagging = open(&backend, if task == 0 { old_first } else { both() }).await.unwrap();
                let latest = open(&backend, both()).await.unwrap();
                let (mut done, mut names) = (0_u64, std::collections::BTreeMap::new());
                while !stop.load(Ordering::Relaxed) {
                    let number = (done * 7) % 20 + task * 20;
                    let stores = if done < 200 { &lagging } else { &latest };
                    let name = format!("name {done} by {task}");
                    if rename(&stores.tenant(&tenant("acme")), number, &name).await {
                        names.insert(number, name);
                    }
                    done += 1;
                    tokio::task::yield_now().await;
                }
                names
            })
        })
        .collect();
    let stores = open(&backend, both()).await.unwrap();
    while let Err(error) = stores.reseal(8, |_| {}).await {
        assert_eq!(error, ResealError::OthersStillSeal);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        for (number, name) in writer.await.unwrap() {
            let held = stores.tenant(&tenant("acme")).user(&user_id(number)).await.unwrap().unwrap();
            assert_eq!(held.record.profile.name, Some(name));
        }
    }
    stores.reseal(8, |_| {}).await.unwrap();
    assert_eq!(stores.rows_by_sealing_key(8).await.unwrap().keys().collect::<Vec<_>>(), ["k2"]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_keeps_the_old_key_needed() {
    let backend = MemoryBackend::default();
    let stores = open(&backend, old()).await.unwrap();
    fill(&stores, 3).await;
    let lost = SealingKeys::new("k0", key(9)).with_older("k1", key(1));
    let lost = open(&backend, lost).await.unwrap();
    assert!(rename(&lost.tenant(&tenant("acme")), 1, "Sealed under a key that is lost").await);
    // Another server makes its own key the current one before the other is lost.
    let all = SealingKeys::new("k1", key(1)).with_older("k0", key(9)).with_older("k2", key(2));
    let all = open(&backend, all).await.unwrap();
    assert!(rename(&all.tenant(&tenant("acme")), 0, "Under k1").await);
    let root_again = SealingKeys::new("k2", key(2)).with_older("k0", key(9)).with_older("k1", key(1));
    drop(open(&backend, root_again).await.unwrap());

    let refused = open(&backend, both()).await.unwrap_err();
    assert_eq!(refused, OpenError::MissingSealingKey { names: vec!["k0".to_owned()] });
    let sealer = Sealer::new(both());
    let stores = Stores::open_without_some_keys(backend.clone(), sealer).await.unwrap();
    let error = stores.reseal(10, |_| {}).await.unwrap_err();
    assert!(matches!(&error, ResealError::Unreadable(rows, 1) if rows[0].contains("00000001")), "{error:?}");
    assert!(error.to_string().contains("\"k0\""), "{error}");
    let left = stores.rows_by_sealing_key(10).await.unwrap();
    assert_eq!((left["k0"], left.get("k1")), (1, None), "that row stays");
    assert!(open(&backend, both()).await.is_err(), "and is not forgotten by itself");

    assert!(stores.forget_sealing_key("k1").await.is_err(), "it is at hand");
    assert!(stores.forget_sealing_key("k0").await.unwrap());
    assert!(!stores.forget_sealing_key("k0").await.unwrap());
    let stores = open(&backend, both()).await.unwrap();
    let hash = async |number| {
        let store = stores.tenant(&tenant("acme"));
        let held = store.user(&user_id(number)).await.unwrap().unwrap().record;
        store.password_hash(&held)
    };
    assert!(hash(1).await.unwrap_err().to_string().contains("\"k0\", which is not at hand"));
    assert!(hash(0).await.is_ok());
}

#[tokio::test]
async fn what_a_lost_key_sealed_can_be_given_up_so_that_it_can_be_replaced() {
    let backend = MemoryBackend::default();
    let before = open(&backend, old()).await.unwrap();
    fill(&before, 7).await;
    let derived = before.derive("label").unwrap();
    let stores = open(&backend, both()).await.unwrap();
    assert!(rename(&stores.tenant(&tenant("acme")), 3, "Under the new key").await);
    assert!(stores.discard_sealed_under("k1", 3).await.is_err(), "it is at hand");

    // The old key is lost. Nobody under it can log in, nothing signs, and nothing is sealed again.
    let stores = Stores::open_without_some_keys(backend.clone(), Sealer::new(new())).await.unwrap();
    let acme = stores.tenant(&tenant("acme"));
    let held = acme.user(&user_id(1)).await.unwrap().unwrap();
    assert!(acme.password_hash(&held.record).is_err() && acme.signing_keys().await.is_err());
    assert!(rename(&acme, 1, "Changed without its key").await, "and stays as it is sealed");
    assert_eq!(stores.rows_by_sealing_key(3).await.unwrap()["k1"], 6 + 1 + 7 + 1);
    assert!(matches!(stores.reseal(3, |_| ()).await, Err(ResealError::Unreadable(_, 2..))));
    assert_eq!(stores.discard_sealed_under("k1", 3).await.unwrap(), 6 + 1 + 7 + 1);
    assert_eq!(stores.discard_sealed_under("k1", 3).await.unwrap(), 0);
    assert!(stores.forget_sealing_key("k1").await.unwrap());

    let stores = open(&backend, new()).await.unwrap();
    let acme = stores.tenant(&tenant("acme"));
    assert!(acme.signing_keys().await.unwrap().is_empty(), "to be made anew");
    for number in 0..7 {
        let user = acme.user(&user_id(number)).await.unwrap().unwrap().record.clone();
        assert_eq!(user.password_hash.is_some(), number == 3, "{number}");
        assert_eq!(user.email, Some(Email::parse(&format!("person{number}@example.com")).unwrap()));
    }
    assert!(rename(&acme, 1, "Again").await);
    assert_eq!(stores.reseal(3, |_| ()).await.unwrap().rows, 0);
    assert_eq!(stores.derive("label").unwrap(), derived);
}

#[tokio::test]
async fn a_running_server_takes_a_new_key_and_reads_what_others_seal_under_it_from_the_first_moment() {
    let backend = MemoryBackend::default();
    let source = Arc::new(Mutex::new(Some(old())));
    let now = Arc::clone(&source);
    let sealer = Sealer::new(old()).with_source(Arc::new(move || now.lock().unwrap().clone()));
    let running = Stores::open(backend.clone(), sealer).await.unwrap();
    fill(&running, 3).await;

    *source.lock().unwrap() = Some(both());
    let other = open(&backend, both()).await.unwrap();
    assert!(rename(&other.tenant(&tenant("acme")), 1, "By the other").await);
    let read = running.tenant(&tenant("acme")).user(&user_id(1)).await.unwrap().unwrap();
    assert_eq!(read.record.profile.name.as_deref(), Some("By the other"), "before any timer");
    assert_eq!(running.sealing_keys().names().collect::<Vec<_>>(), ["k1"]);
    running.refresh().await.unwrap();
    assert_eq!(running.sealing_keys().names().collect::<Vec<_>>(), ["k2", "k1"]);
    assert!(rename(&running.tenant(&tenant("acme")), 2, "By the server").await);
    assert_eq!(running.rows_by_sealing_key(10).await.unwrap()["k2"], 2 + 1, "and the root secret");

    // Keys that are not enough are not used, and complained of once; a source that says nothing changes nothing.
    for wrong in [SealingKeys::new("k3", key(3)), SealingKeys::new("k2", key(3)), new()] {
        *source.lock().unwrap() = Some(wrong);
        let error = running.refresh().await.unwrap_err();
        assert!(matches!(&error, Unavailable::Backend(why) if why.contains("are not used")), "{error}");
        running.refresh().await.unwrap();
    }
    *source.lock().unwrap() = None;
    running.refresh().await.unwrap();
    assert_eq!(running.sealing_keys().names().collect::<Vec<_>>(), ["k2", "k1"]);
    assert!(running.tenant(&tenant("acme")).user(&user_id(2)).await.unwrap().is_some());
    running.reseal(10, |_| {}).await.unwrap();
    *source.lock().unwrap() = Some(new());
    running.refresh().await.unwrap();
    assert_eq!(running.sealing_keys().names().collect::<Vec<_>>(), ["k2"]);
    let root = backend.get(&Space::Directory, Kind::RootSecret, &store::Key::of(&["root"])).await.unwrap();
    let body = root.unwrap().body;
    assert!(body.contains("s1.k2.") && body.contains(r#""needed":["k2"]"#), "{body}");
}

#[tokio::test]
async fn a_server_that_went_on_sealing_under_the_old_key_notes_it_again() {
    let backend = MemoryBackend::default();
    fill(&open(&backend, old()).await.unwrap(), 3).await;
    let old_first = SealingKeys::new("k1", key(1)).with_older("k2", key(2));
    let lagging = open(&backend, old_first).await.unwrap();
    open(&backend, both()).await.unwrap().reseal(10, |_| {}).await.unwrap();
    assert!(open(&backend, new()).await.is_ok());

    assert!(rename(&lagging.tenant(&tenant("acme")), 1, "Under the old one").await);
    lagging.refresh().await.unwrap();
    let refused = open(&backend, new()).await.unwrap_err();
    assert!(matches!(&refused, OpenError::WrongSealingKey { why } if why.contains("\"k1\"")), "{refused}");
    open(&backend, both()).await.unwrap().reseal(10, |_| {}).await.unwrap();
    assert!(open(&backend, new()).await.is_ok());
}
