//! What administration promises, on a store in memory.

use std::sync::OnceLock;

use oauth_grants::SecretDigestKey;
use records::{
    AdministrativeConsent, ApplicationType, Audience, AuthenticationMethod, ClientDefaults, ClientId,
    ConnectionName, ConsentFor, ConsentRule, Email, EnabledClients, GrantType, Lifetime, LoginName, Origin,
    ResourceServerId, ScopeSet, SecretText, Session, SessionId, Tenant, TenantId, TenantSettings,
    ThirdPartySecurityMode, UnixTime, User, UserGrant, UserGrantId, Write,
};
use store::AdministrativeConsentsOf;

use super::clients::NewClient;
use super::resource_servers::NewResourceServer;
use super::users::NewUser;
use super::{Refusal, administrative_consents, clients, connections, resource_servers, tenants, users};
use crate::backend::{AnyStore, AnyStores};
use crate::moment::{Moments, SystemMoments};
use crate::open;
use crate::passwords::{Passwords, PoolSize};

/// One pool for all tests: each thread has 19 MiB.
fn passwords() -> &'static Passwords {
    static POOL: OnceLock<Passwords> = OnceLock::new();
    POOL.get_or_init(|| Passwords::start(PoolSize { threads: 2, waiting: 64 }).unwrap())
}

fn digest_key() -> SecretDigestKey {
    SecretDigestKey::new(&[7; 32])
}

fn id<T>(parsed: Result<T, records::Invalid>) -> T {
    parsed.unwrap()
}

fn default_connection() -> ConnectionName {
    id(ConnectionName::parse(connections::DEFAULT))
}

async fn tenant() -> (AnyStores, AnyStore, TenantId) {
    let stores = open::stores_in_memory(&SystemMoments).await.unwrap();
    let tenant = id(TenantId::parse("t"));
    let origins = vec![id(Origin::parse("https://t.example/"))];
    tenants::create(&stores, &tenant, origins, TenantSettings::default(), &SystemMoments).await.unwrap();
    let store = stores.tenant(&tenant);
    (stores, store, tenant)
}

async fn person(store: &AnyStore, email: &str) -> User {
    let new = NewUser {
        password: Some(SecretText::new("Correct-Horse-9".to_owned())),
        ..NewUser::with_email(default_connection(), id(Email::parse(email)))
    };
    users::create(store, passwords(), new, &SystemMoments).await.unwrap()
}

async fn application(store: &AnyStore, client: &str) -> ClientId {
    let client = id(ClientId::parse(client));
    let new =
        NewClient { id: Some(client.clone()), ..NewClient::of_type(ApplicationType::SinglePage, "An app") };
    clients::create(store, new, &TenantSettings::default(), &digest_key(), &SystemMoments).await.unwrap();
    client
}

async fn api(store: &AnyStore, identifier: &str) -> ResourceServerId {
    let mut new = NewResourceServer::named("An API", identifier);
    new.scopes = ["read", "write"]
        .map(|value| records::ApiScope {
            value: id(records::ScopeToken::parse(value)),
            description: String::new(),
            is_optional: false,
        })
        .to_vec();
    resource_servers::create(store, new, &SystemMoments).await.unwrap().id
}

fn scopes(text: &str) -> ScopeSet {
    id(ScopeSet::parse(text))
}

async fn sessions(store: &AnyStore, user: &User, count: usize) {
    let now = SystemMoments.draw().now;
    for number in 0..count {
        let session = Session {
            id: id(SessionId::parse(&format!("{}-{number}", user.id.as_str().replace('|', "-")))),
            user: user.id.clone(),
            authenticated_at: now,
            methods: vec![AuthenticationMethod::Password],
            created_at: now,
            expires_at: now.after(Lifetime::DAY),
            idle_expires_at: now.after(Lifetime::DAY),
            clients: Vec::new(),
        };
        store.commit(vec![Write::CreateSession(session)]).await.unwrap();
    }
}

async fn user_grant(store: &AnyStore, user: &User, client: &ClientId, audience: Audience) {
    let grant = UserGrant {
        id: id(UserGrantId::parse(&format!(
            "g{}",
            SystemMoments.draw().bytes::<8>("g").map(|b| format!("{b:02x}")).concat()
        ))),
        user: user.id.clone(),
        client: client.clone(),
        audience,
        scopes: scopes("read"),
        left_out: ScopeSet::default(),
        created_at: UnixTime(1),
        updated_at: UnixTime(1),
    };
    store.commit(vec![Write::CreateUserGrant(grant)]).await.unwrap();
}

#[tokio::test]
async fn a_new_tenant_has_a_directory_of_people_and_it_is_the_default() {
    let (stores, store, tenant) = tenant().await;
    let record = stores.directory().tenant(&tenant).await.unwrap().unwrap();
    assert_eq!(record.record.settings.default_directory, Some(default_connection()));
    let connection = connections::find(&store, &default_connection()).await.unwrap();
    assert_eq!(connection.record.enabled_clients, EnabledClients::All);
}

#[tokio::test]
async fn the_default_directory_must_exist_and_lifetimes_must_make_sense() {
    let (stores, _, tenant) = tenant().await;
    let with = |change: fn(&mut TenantSettings)| {
        let stores = stores.clone();
        let tenant = tenant.clone();
        async move {
            tenants::update(&stores, &tenant, |mut present: Tenant| {
                change(&mut present.settings);
                Ok(present)
            })
            .await
        }
    };
    let missing = with(|settings| settings.default_directory = ConnectionName::parse("nobody").ok()).await;
    assert!(matches!(missing, Err(Refusal::Missing(_))), "{missing:?}");
    for seconds in [0, 59, 31_536_001] {
        assert!(matches!(
            with(match seconds {
                0 => |settings| settings.session_lifetime = Lifetime(0),
                59 => |settings| settings.idle_session_lifetime = Lifetime(59),
                _ => |settings| settings.session_lifetime = Lifetime(31_536_001),
            })
            .await,
            Err(Refusal::Invalid(_))
        ));
    }
    assert!(with(|settings| settings.session_lifetime = Lifetime(60)).await.is_ok());
}

#[tokio::test]
async fn a_person_is_made_with_a_name_from_their_address_and_a_hashed_password() {
    let (_, store, _) = tenant().await;
    let ada = person(&store, "Ada@example.com").await;
    assert!(ada.id.as_str().starts_with("auth0|") && ada.id.as_str().len() == 30);
    assert_eq!(ada.profile.name.as_deref(), Some("ada@example.com"));
    assert_eq!(ada.profile.nickname.as_deref(), Some("ada"));
    let stored = users::find(&store, "ADA@example.com").await.unwrap().record;
    assert!(store.has_same_password(&stored, &ada).unwrap());
    let hash = store.password_hash(&stored).unwrap().unwrap();
    let right = SecretText::new("Correct-Horse-9".to_owned());
    assert!(passwords().verify(right, Some(&hash)).await.unwrap());
    assert_eq!(User { password_hash: None, ..stored }, User { password_hash: None, ..ada.clone() });
    assert_eq!(users::find(&store, ada.id.as_str()).await.unwrap().record.id, ada.id);
}

#[tokio::test]
async fn one_name_has_one_person_in_a_connection_whatever_kind_of_name_it_is() {
    let (_, store, _) = tenant().await;
    let ada = person(&store, "ada@example.com").await;
    let again = NewUser::with_email(default_connection(), id(Email::parse("ADA@EXAMPLE.COM")));
    let refused = users::create(&store, passwords(), again, &SystemMoments).await;
    assert!(matches!(refused, Err(Refusal::Exists(_))), "{refused:?}");

    let grace = person(&store, "grace@example.com").await;
    let renamed = users::update(
        &store,
        &grace.id,
        |user| User { email: Email::parse("ada@example.com").ok(), ..user },
        &SystemMoments,
    )
    .await;
    assert!(matches!(renamed, Err(Refusal::Exists(_))), "{renamed:?}");

    let other = id(ConnectionName::parse("Other"));
    connections::create(&store, &other, EnabledClients::All, &SystemMoments).await.unwrap();
    let elsewhere = NewUser::with_email(other, id(Email::parse("ada@example.com")));
    let elsewhere = users::create(&store, passwords(), elsewhere, &SystemMoments).await.unwrap();
    assert_ne!(elsewhere.id, ada.id);
    assert!(matches!(users::find(&store, "ada@example.com").await, Err(Refusal::Invalid(_))));
}

#[tokio::test]
async fn what_a_person_cannot_be_made_from_is_refused() {
    let (_, store, _) = tenant().await;
    let with = |change: fn(&mut NewUser)| {
        let store = store.clone();
        async move {
            let mut new = NewUser::with_email(default_connection(), id(Email::parse("ada@example.com")));
            change(&mut new);
            users::create(&store, passwords(), new, &SystemMoments).await
        }
    };
    for change in [
        (|new: &mut NewUser| new.email = None) as fn(&mut NewUser),
        |new| new.password = Some(SecretText::new("short".to_owned())),
        |new| new.password = Some(SecretText::new("alllowercase".to_owned())),
        |new| new.profile.name = Some("a\u{202e}b".to_owned()),
        |new| new.profile.name = Some("<script>".to_owned()),
        |new| new.profile.picture = Some("javascript:alert(1)".to_owned()),
        |new| new.profile.website = Some("https://user:secret@example.com/".to_owned()),
        |new| new.profile.address = Some("a\u{7}".to_owned()),
    ] {
        let refused = with(change).await;
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
    }
    let nowhere = with(|new| new.connection = ConnectionName::parse("nowhere").unwrap()).await;
    assert!(matches!(nowhere, Err(Refusal::Missing(_))), "{nowhere:?}");
    assert!(with(|_| {}).await.is_ok());
}

#[tokio::test]
async fn lc_08_a_new_password_ends_every_session_and_the_old_one_is_gone() {
    let (_, store, _) = tenant().await;
    let (ada, grace) = (person(&store, "ada@example.com").await, person(&store, "grace@example.com").await);
    sessions(&store, &ada, 250).await;
    sessions(&store, &grace, 2).await;
    let new = || SecretText::new("Another-Horse-9".to_owned());
    users::set_password(&store, passwords(), &ada.id, new(), &SystemMoments).await.unwrap();
    assert!(store.sessions(&ada.id, None, 1).await.unwrap().is_empty());
    assert_eq!(store.sessions(&grace.id, None, 9).await.unwrap().len(), 2, "nobody else's");
    let hash = store.password_hash(&users::by_id(&store, &ada.id).await.unwrap().record).unwrap();
    assert!(passwords().verify(new(), hash.as_ref()).await.unwrap());
    let old = SecretText::new("Correct-Horse-9".to_owned());
    assert!(!passwords().verify(old, hash.as_ref()).await.unwrap());
    let weak = SecretText::new("weak".to_owned());
    let refused = users::set_password(&store, passwords(), &ada.id, weak, &SystemMoments).await;
    assert!(matches!(refused, Err(Refusal::Invalid(_))));
}

#[tokio::test]
async fn lc_08_a_login_that_began_with_the_old_password_cannot_be_finished() {
    let (_, store, _) = tenant().await;
    let ada = person(&store, "ada@example.com").await;
    let as_it_was = users::by_id(&store, &ada.id).await.unwrap();
    let new = SecretText::new("Another-Horse-9".to_owned());
    users::set_password(&store, passwords(), &ada.id, new, &SystemMoments).await.unwrap();
    let late = store.commit(vec![Write::RelyOnUser(as_it_was.map(|user| user.id.clone()))]).await;
    assert_eq!(late, Err(store::CommitError::Conflict));
}

#[tokio::test]
async fn blocking_is_a_change_like_any_other_and_keeps_the_password() {
    let (_, store, _) = tenant().await;
    let ada = person(&store, "ada@example.com").await;
    let blocked = users::update(
        &store,
        &ada.id,
        |user| User {
            is_blocked: true,
            password_hash: None,
            id: records::UserId::parse("a|b").unwrap(),
            ..user
        },
        &SystemMoments,
    )
    .await
    .unwrap();
    assert!(blocked.is_blocked);
    assert_eq!(blocked.id, ada.id);
    assert!(store.has_same_password(&blocked, &ada).unwrap());
}

#[tokio::test]
async fn lc_07_lc_26_a_removed_person_leaves_nothing_that_acts_and_their_id_never_comes_back() {
    let (_, store, _) = tenant().await;
    let ada = person(&store, "ada@example.com").await;
    let app = application(&store, "app").await;
    let api = api(&store, "https://api.example/").await;
    sessions(&store, &ada, 130).await;
    user_grant(&store, &ada, &app, Audience::Api(api)).await;
    user_grant(&store, &ada, &app, Audience::UserInfo).await;
    users::delete(&store, &ada.id, &SystemMoments).await.unwrap();
    assert!(store.user(&ada.id).await.unwrap().is_none());
    assert!(store.sessions(&ada.id, None, 1).await.unwrap().is_empty());
    assert!(store.user_grants(store::UserGrantsOf::User(&ada.id), None, 1).await.unwrap().is_empty());
    let name = LoginName::typed("ada@example.com").unwrap();
    assert!(store.user_by_login(&default_connection(), &name).await.unwrap().is_none());
    let again = person(&store, "ada@example.com").await;
    assert_ne!(again.id, ada.id);
    let twice = users::delete(&store, &ada.id, &SystemMoments).await;
    assert!(matches!(twice, Err(Refusal::Missing(_))), "{twice:?}");
}

#[tokio::test]
async fn a_connection_with_people_or_the_default_one_is_not_removed() {
    let (_, store, _) = tenant().await;
    let name = default_connection();
    let refused = connections::delete(&store, &name, Some(&name)).await;
    assert!(matches!(&refused, Err(Refusal::Invalid(text)) if text.contains("--default-directory")));
    let ada = person(&store, "ada@example.com").await;
    let refused = connections::delete(&store, &name, None).await;
    assert!(matches!(&refused, Err(Refusal::Invalid(text)) if text.contains("has people")));
    users::delete(&store, &ada.id, &SystemMoments).await.unwrap();
    connections::delete(&store, &name, None).await.unwrap();
    assert!(matches!(connections::find(&store, &name).await, Err(Refusal::Missing(_))));
}

#[tokio::test]
async fn names_of_connections_are_auth0s() {
    let (_, store, _) = tenant().await;
    for (text, is_good) in [("a", true), ("A-1", true), ("-a", false), ("a-", false), ("a--b", false)] {
        let name = id(ConnectionName::parse(text));
        let made = connections::create(&store, &name, EnabledClients::All, &SystemMoments).await;
        assert_eq!(made.is_ok(), is_good, "{text}");
    }
    let name = id(ConnectionName::parse("of-ghosts"));
    let ghosts = EnabledClients::Only(vec![id(ClientId::parse("ghost"))]);
    let refused = connections::create(&store, &name, ghosts, &SystemMoments).await;
    assert!(matches!(refused, Err(Refusal::Missing(_))), "{refused:?}");
}

async fn consented(store: &AnyStore, client: &ClientId, api: &ResourceServerId) -> Vec<ConsentRule> {
    let found: Option<AdministrativeConsent> =
        store.administrative_consent(client, api).await.unwrap().map(|found| found.record.clone());
    found.map(|found| found.rules).unwrap_or_default()
}

#[tokio::test]
async fn rules_for_the_same_people_grow_and_are_withdrawn_one_by_one() {
    let (_, store, _) = tenant().await;
    let (app, api) = (application(&store, "app").await, api(&store, "https://api.example/").await);
    let ada = person(&store, "ada@example.com").await;
    let add = async |users: ConsentFor, granted: &str| {
        let rule = ConsentRule { users, scopes: scopes(granted) };
        administrative_consents::add(&store, &app, &api, &rule, &SystemMoments).await
    };
    add(ConsentFor::Everybody, "read openid").await.unwrap();
    add(ConsentFor::Everybody, "write").await.unwrap();
    add(ConsentFor::Users(vec![ada.id.clone()]), "read").await.unwrap();
    let rules = consented(&store, &app, &api).await;
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0].scopes, scopes("openid read write"));

    for (users, granted) in [(ConsentFor::Everybody, "delete"), (ConsentFor::Users(Vec::new()), "read")] {
        assert!(matches!(add(users, granted).await, Err(Refusal::Invalid(_))));
    }
    let nobody = records::UserId::parse("auth0|nobody").unwrap();
    assert!(matches!(add(ConsentFor::Users(vec![nobody]), "read").await, Err(Refusal::Missing(_))));
    let nowhere = id(ConnectionName::parse("nowhere"));
    assert!(matches!(add(ConsentFor::Connection(nowhere), "read").await, Err(Refusal::Missing(_))));

    administrative_consents::delete(&store, &app, &api, Some(&ConsentFor::Everybody)).await.unwrap();
    assert_eq!(consented(&store, &app, &api).await.len(), 1);
    let again = administrative_consents::delete(&store, &app, &api, Some(&ConsentFor::Everybody)).await;
    assert!(matches!(again, Err(Refusal::Missing(_))));
    administrative_consents::delete(&store, &app, &api, None).await.unwrap();
    assert!(store.administrative_consent(&app, &api).await.unwrap().is_none());
}

#[tokio::test]
async fn who_comes_later_under_a_removed_name_inherits_no_consent() {
    let (_, store, _) = tenant().await;
    let ada = person(&store, "ada@example.com").await;
    let everybody = |granted: &str| ConsentRule { users: ConsentFor::Everybody, scopes: scopes(granted) };
    let name = id(ConnectionName::parse("staff"));

    for removes_client in [true, false] {
        let app = application(&store, if removes_client { "app" } else { "app2" }).await;
        let api =
            api(&store, if removes_client { "https://one.example/" } else { "https://two.example/" }).await;
        administrative_consents::add(&store, &app, &api, &everybody("read"), &SystemMoments).await.unwrap();
        user_grant(&store, &ada, &app, Audience::Api(api.clone())).await;
        if removes_client {
            let only = EnabledClients::Only(vec![app.clone()]);
            connections::create(&store, &name, only, &SystemMoments).await.unwrap();
            clients::delete(&store, &app).await.unwrap();
            let left = connections::find(&store, &name).await.unwrap();
            assert_eq!(
                left.record.enabled_clients,
                EnabledClients::Only(Vec::new()),
                "not all of a sudden all"
            );
        } else {
            resource_servers::delete(&store, "https://two.example/").await.unwrap();
        }
        assert!(store.administrative_consent(&app, &api).await.unwrap().is_none());
        assert!(store.user_grant(&ada.id, &app, &Audience::Api(api)).await.unwrap().is_none());
    }

    let (app, api) = (application(&store, "app3").await, api(&store, "https://three.example/").await);
    let staff = ConsentRule { users: ConsentFor::Connection(name.clone()), scopes: scopes("read") };
    administrative_consents::add(&store, &app, &api, &staff, &SystemMoments).await.unwrap();
    administrative_consents::add(&store, &app, &api, &everybody("read"), &SystemMoments).await.unwrap();
    connections::delete(&store, &name, None).await.unwrap();
    assert_eq!(consented(&store, &app, &api).await, vec![everybody("read")]);
    assert_eq!(administrative_consents::all(&store, AdministrativeConsentsOf::All).await.unwrap().len(), 1);
}

fn settings(client_defaults: ClientDefaults) -> TenantSettings {
    TenantSettings { client_defaults, ..TenantSettings::default() }
}

fn made(change: impl Fn(&mut NewClient), defaults: ClientDefaults) -> Result<records::Client, Refusal> {
    let mut new = NewClient::of_type(ApplicationType::SinglePage, "An app");
    change(&mut new);
    clients::validate(new, &settings(defaults), &digest_key(), &SystemMoments.draw())
        .map(|(client, _)| client)
}

//= RFC 9700 §2.1.2
#[test]
fn a_strict_tenant_gives_new_applications_no_implicit_grant() {
    let implicit = |defaults| made(|_| {}, defaults).unwrap().grant_types.contains(&GrantType::Implicit);
    assert!(implicit(ClientDefaults::Auth0));
    assert!(!implicit(ClientDefaults::Strict));
}

//= RFC 9700 §4.1.3
#[test]
fn addresses_are_checked_before_they_are_registered() {
    let callback = |text: &str, defaults| made(|new| new.callbacks = vec![text.to_owned()], defaults);
    assert!(callback("https://app.example/cb", ClientDefaults::Strict).is_ok());
    assert!(callback("https://*.example.com/cb", ClientDefaults::Auth0).is_ok());
    assert!(callback("https://*.example.com/cb", ClientDefaults::Strict).is_err());
    for text in ["javascript:alert(1)", "https://a.example/#x", "//a.example", "https://u@a.example/", ""] {
        for defaults in [ClientDefaults::Auth0, ClientDefaults::Strict] {
            assert!(matches!(callback(text, defaults), Err(Refusal::Invalid(_))), "{text}");
        }
    }
    let auth0 = ClientDefaults::Auth0;
    let of_strangers = made(
        |new| {
            new.is_first_party = false;
            new.third_party_security_mode = ThirdPartySecurityMode::Strict;
            new.callbacks = vec!["https://*.example.com/cb".to_owned()];
        },
        auth0,
    );
    assert!(of_strangers.is_err());
    assert!(made(|new| new.web_origins = vec!["https://app.example/".to_owned()], auth0).is_err());
    assert!(made(|new| new.allowed_logout_urls = vec!["javascript:1".to_owned()], auth0).is_err());
    for (logo, is_good) in [
        ("https://a.example/x.png", true),
        ("http://a.example/x.png", false),
        ("data:image/png;base64,AAAA", false),
        ("https://a.example/ x", false),
    ] {
        assert_eq!(made(|new| new.logo_uri = Some(logo.to_owned()), auth0).is_ok(), is_good, "{logo}");
    }
}

#[tokio::test]
async fn a_tenant_that_becomes_strict_keeps_the_addresses_it_has_and_takes_no_new_ones() {
    let (_, store, _) = tenant().await;
    let app = application(&store, "app").await;
    let with = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let change = async |callbacks: Vec<String>, defaults| {
        clients::update(&store, &app, &settings(defaults), |client| records::Client {
            callbacks: callbacks.clone(),
            ..client
        })
        .await
    };
    change(with(&["https://*.a.example/"]), ClientDefaults::Auth0).await.unwrap();
    let both = with(&["https://*.a.example/", "https://b.example/"]);
    change(both, ClientDefaults::Strict).await.unwrap();
    let another = with(&["https://*.a.example/", "https://*.c.example/"]);
    assert!(matches!(change(another, ClientDefaults::Strict).await, Err(Refusal::Invalid(_))));
}
