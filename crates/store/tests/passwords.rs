//! A person's password hash stays sealed until it is asked for, and in its own row (threats DA-02, R9).
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

use records::{
    Connection, ConnectionName, Email, EnabledClients, PasswordHash, Profile, SecretText, Tenant, TenantId,
    TenantSettings, UnixTime, User, UserId, Versioned, Write,
};
use store::{
    Backend, Becomes, CommitError, Expect, Key, Kind, MemoryBackend, Operation, RawRow, Refused, Sealer,
    SealingKeys, Space, Store, Stores, Unavailable, Weight,
};
use zeroize::Zeroizing;

const HASH: &str = "$argon2id$hush";

fn key(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

fn old() -> SealingKeys {
    SealingKeys::new("k1", key(1))
}

fn both() -> SealingKeys {
    SealingKeys::new("k2", key(2)).with_older("k1", key(1))
}

fn new_hash(text: &str) -> Option<PasswordHash> {
    Some(PasswordHash::New(SecretText::new(text.to_owned())))
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn user_id(name: &str) -> UserId {
    UserId::parse(&format!("auth0|{name}")).unwrap()
}

fn user(name: &str, password_hash: Option<PasswordHash>) -> User {
    User {
        id: user_id(name),
        connection: ConnectionName::parse("people").unwrap(),
        email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
        email_verified: true,
        username: None,
        password_hash,
        profile: Profile::default(),
        credentials_changed_at: UnixTime(1),
        is_blocked: false,
        created_at: UnixTime(1),
        updated_at: UnixTime(1),
    }
}

async fn open(backend: &MemoryBackend, keys: SealingKeys) -> Stores<MemoryBackend> {
    Stores::open(backend.clone(), Sealer::new(keys)).await.unwrap()
}

async fn create(store: &Store<MemoryBackend>, user: User) -> Result<(), CommitError> {
    let connection = (*store.connection(&user.connection).await.unwrap().unwrap()).clone();
    store.commit(vec![Write::CreateUser(user, connection)]).await
}

/// Two tenants; in each Ada with a password, the same one, and Bob without.
async fn people() -> (MemoryBackend, Stores<MemoryBackend>) {
    let backend = MemoryBackend::default();
    let stores = open(&backend, old()).await;
    for name in ["acme", "other"] {
        let made = Tenant {
            id: tenant(name),
            origins: Vec::new(),
            settings: TenantSettings::default(),
            created_at: UnixTime(1),
        };
        stores.directory().commit(vec![Write::CreateTenant(made)]).await.unwrap();
        let connection = Connection {
            name: ConnectionName::parse("people").unwrap(),
            enabled_clients: EnabledClients::All,
            created_at: UnixTime(1),
        };
        let store = stores.tenant(&tenant(name));
        store.commit(vec![Write::CreateConnection(connection)]).await.unwrap();
        create(&store, user("ada", new_hash(HASH))).await.unwrap();
        create(&store, user("bob", None)).await.unwrap();
    }
    (backend, stores)
}

async fn held(store: &Store<MemoryBackend>, name: &str) -> Versioned<User> {
    store.user(&user_id(name)).await.unwrap().unwrap()
}

/// The sealed text in a person's row.
async fn text(backend: &MemoryBackend, name: &str) -> String {
    let (space, key) = (Space::Tenant(tenant("acme")), Key::of(&[user_id(name).as_str()]));
    let body = backend.get(&space, Kind::User, &key).await.unwrap().unwrap().body;
    body.split('"').find(|part| part.starts_with("s1.")).unwrap_or_default().to_owned()
}

async fn replace(store: &Store<MemoryBackend>, change: impl FnOnce(&mut User)) -> Result<(), CommitError> {
    let old = held(store, "ada").await;
    let mut new = old.record.clone();
    change(&mut new);
    store.commit(vec![Write::ReplaceUser(old, new)]).await
}

/// Writes Ada's row as somebody would who has the database and not the key; returns the row.
async fn tamper(backend: &MemoryBackend, change: impl FnOnce(&str) -> String) -> RawRow {
    let (space, key) = (Space::Tenant(tenant("acme")), Key::of(&[user_id("ada").as_str()]));
    let row = backend.get(&space, Kind::User, &key).await.unwrap().unwrap();
    let index = vec![store::IndexEntry::of("connection", &["people"])];
    let becomes = Becomes::Put { body: change(&row.body), index, drop_at: None };
    let expect = Expect::Version(row.version);
    backend
        .commit(&space, vec![Operation { kind: Kind::User, key: key.clone(), expect, becomes }])
        .await
        .unwrap();
    let row = backend.get(&space, Kind::User, &key).await.unwrap().unwrap();
    RawRow {
        table: 0,
        space: space.as_str().to_owned(),
        kind: Kind::User.name().to_owned(),
        key: key.as_str().to_owned(),
        version: row.version,
        body: row.body,
        entries: "connection=people".to_owned(),
        drop_at: None,
    }
}

/// One letter near the end is another one.
fn altered(body: &str) -> String {
    let sealed = body.split('"').find(|part| part.starts_with("s1.")).unwrap();
    let (start, end) = sealed.split_at(sealed.len() - 8);
    let other = if end.starts_with('A') { "B" } else { "A" };
    body.replace(sealed, &format!("{start}{other}{}", &end[1..]))
}

#[tokio::test]
async fn a_hash_is_opened_when_it_is_asked_for_and_prints_nowhere() {
    let (_, stores) = people().await;
    let store = stores.tenant(&tenant("acme"));
    let ada = held(&store, "ada").await.record;
    assert!(matches!(ada.password_hash, Some(PasswordHash::Sealed(_))));
    assert_eq!(store.password_hash(&ada).unwrap().unwrap().expose(), HASH);
    assert_eq!(store.password_hash(&held(&store, "bob").await.record).unwrap(), None);
    let not_written_yet = user("eve", new_hash("new"));
    assert_eq!(store.password_hash(&not_written_yet).unwrap().unwrap().expose(), "new");
    let shown = format!("{ada:?} {not_written_yet:?}");
    assert!(!shown.contains("s1.") && !shown.contains("hush") && !shown.contains("\"new\""), "{shown}");
}

#[tokio::test]
async fn a_hash_that_nobody_changed_stays_the_text_that_it_was_until_another_key_seals() {
    let (backend, stores) = people().await;
    let store = stores.tenant(&tenant("acme"));
    let sealed = text(&backend, "ada").await;
    replace(&store, |user| user.is_blocked = true).await.unwrap();
    assert_eq!(text(&backend, "ada").await, sealed);
    assert!(held(&store, "ada").await.record.is_blocked);

    let later = open(&backend, both()).await;
    let store = later.tenant(&tenant("acme"));
    assert_eq!(store.password_hash(&held(&store, "ada").await.record).unwrap().unwrap().expose(), HASH);
    assert_eq!(text(&backend, "ada").await, sealed, "reading writes nothing");
    replace(&store, |user| user.is_blocked = false).await.unwrap();
    let again = text(&backend, "ada").await;
    assert!(again.starts_with("s1.k2."), "{again}");
    let new = Sealer::new(SealingKeys::new("k2", key(2)));
    let only = Stores::open_without_some_keys(backend.clone(), new).await.unwrap().tenant(&tenant("acme"));
    assert_eq!(only.password_hash(&held(&only, "ada").await.record).unwrap().unwrap().expose(), HASH);

    replace(&store, |user| user.password_hash = new_hash("another")).await.unwrap();
    assert_ne!(text(&backend, "ada").await, again);
    replace(&store, |user| user.password_hash = None).await.unwrap();
    assert_eq!(text(&backend, "ada").await, "");
}

#[tokio::test]
async fn a_sealed_hash_is_written_for_nobody_else_and_in_no_other_tenant() {
    let (_, stores) = people().await;
    let (acme, other) = (stores.tenant(&tenant("acme")), stores.tenant(&tenant("other")));
    let adas = held(&acme, "ada").await.record.password_hash;
    let refused = Err(CommitError::Refused(Refused::SealedElsewhere(Kind::User)));

    let bob = held(&acme, "bob").await;
    let with_adas = User { password_hash: adas.clone(), ..bob.record.clone() };
    assert_eq!(acme.commit(vec![Write::ReplaceUser(bob, with_adas.clone())]).await, refused);
    assert_eq!(create(&acme, user("eve", adas.clone())).await, refused);
    assert_eq!(replace(&other, |ada| ada.password_hash = adas.clone()).await, refused, "of the same name");
    assert!(acme.user(&user_id("eve")).await.unwrap().is_none());
    assert_eq!(held(&acme, "bob").await.record.password_hash, None);

    // And if somebody had: it opens for nobody else either.
    for (store, moved) in [(&acme, &with_adas), (&other, &held(&acme, "ada").await.record)] {
        let error = store.password_hash(moved).unwrap_err();
        assert!(matches!(&error, Unavailable::Unreadable { kind: Kind::User, .. }), "{error}");
        assert!(error.to_string().contains("a password_hash that does not open"), "{error}");
    }
}

#[tokio::test]
async fn who_has_a_hash_that_does_not_open_is_known_as_ever_and_it_is_found_by_a_login_and_by_the_doctor() {
    for damage in [altered, |body: &str| body.replace("\"s1.", "\"s2.")] {
        let (backend, stores) = people().await;
        let store = stores.tenant(&tenant("acme"));
        assert_eq!(stores.examine(&tamper(&backend, str::to_owned).await).await.unwrap(), None);
        let row = tamper(&backend, damage).await;
        let finding = stores.examine(&row).await.unwrap().unwrap();
        assert_eq!(finding.weight, Weight::Damage);
        let error = store.password_hash(&held(&store, "ada").await.record).unwrap_err().to_string();
        assert!(error.starts_with("the stored user auth0|ada has a password_hash that "), "{error}");
        assert!(error.ends_with(&finding.why), "{error} / {finding}");
        assert!(!error.contains("s1.") && !error.contains("s2."), "{error}");

        // They can be kept out, given a new password, and removed.
        replace(&store, |user| user.is_blocked = true).await.unwrap();
        assert!(held(&store, "ada").await.record.is_blocked);
        assert!(stores.examine(&tamper(&backend, str::to_owned).await).await.unwrap().is_some(), "still");
        replace(&store, |user| user.password_hash = new_hash("another")).await.unwrap();
        let ada = held(&store, "ada").await;
        assert_eq!(store.password_hash(&ada.record).unwrap().unwrap().expose(), "another");
        assert_eq!(stores.examine(&tamper(&backend, str::to_owned).await).await.unwrap(), None);
        let ada = held(&store, "ada").await;
        store.commit(vec![Write::DeleteUser(ada)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_hash_under_a_key_that_is_not_at_hand_stays_as_it_is_when_the_rest_is_changed() {
    let (backend, lagging) = people().await;
    open(&backend, both()).await.reseal(10, |_| ()).await.unwrap();
    let resealed = text(&backend, "ada").await;
    assert!(resealed.starts_with("s1.k2."), "{resealed}");
    let store = lagging.tenant(&tenant("acme"));
    let error = store.password_hash(&held(&store, "ada").await.record).unwrap_err().to_string();
    assert!(error.contains("\"k2\", which is not at hand"), "{error}");
    replace(&store, |user| user.is_blocked = true).await.unwrap();
    assert_eq!(text(&backend, "ada").await, resealed);
}

#[tokio::test]
async fn the_same_password_is_known_again_however_it_is_sealed_and_another_is_not() {
    let (backend, stores) = people().await;
    let store = stores.tenant(&tenant("acme"));
    let verified = held(&store, "ada").await.record;
    let same = |now: &User| store.has_same_password(now, &verified).unwrap();
    assert!(same(&verified));
    replace(&store, |user| user.is_blocked = true).await.unwrap();
    assert!(same(&held(&store, "ada").await.record), "something else was changed");

    // Sealed again by a server that has another key, which this one has too by then.
    let later = open(&backend, both()).await;
    later.reseal(10, |_| ()).await.unwrap();
    let store = later.tenant(&tenant("acme"));
    let resealed = held(&store, "ada").await.record;
    assert_ne!(resealed.password_hash, verified.password_hash, "another text");
    assert!(store.has_same_password(&resealed, &verified).unwrap());
    assert!(store.has_same_password(&user("ada", new_hash(HASH)), &verified).unwrap());
    let error = stores.tenant(&tenant("acme")).has_same_password(&resealed, &verified).unwrap_err();
    assert!(error.to_string().contains("\"k2\", which is not at hand"), "neither yes nor no: {error}");

    let bob = held(&store, "bob").await.record;
    assert!(store.has_same_password(&bob, &bob).unwrap(), "without any");
    for other in [
        User { password_hash: None, ..verified.clone() },
        User { password_hash: new_hash("another"), ..verified.clone() },
        User { id: user_id("eve"), ..verified.clone() },
        bob,
    ] {
        assert!(!store.has_same_password(&other, &verified).unwrap(), "{other:?}");
        assert!(!store.has_same_password(&verified, &other).unwrap(), "{other:?}");
    }
    replace(&store, |user| user.password_hash = new_hash("another")).await.unwrap();
    assert!(!store.has_same_password(&held(&store, "ada").await.record, &verified).unwrap());
}
