//! What each write relies on and makes.

use records::{
    ApplicationType, Client, ClientGrantId, ClientId, Lifetime, ResourceServer, RotationType, ScopeSet,
    SeenJti, SubjectType, TenantId, TenantSettings, ThirdPartySecurityMode, TokenEndpointAuthMethod,
    UnixTime, Version,
};
use zeroize::Zeroizing;

use super::*;
use crate::{Key, SealingKeys};

fn sealer() -> Sealer {
    Sealer::new(SealingKeys::new("k1", Zeroizing::new([9; 32])))
}

fn lowered(space: &Space, writes: &[Write]) -> Result<Vec<(Kind, String, Expect, char)>, Refused> {
    let letter = |becomes: &Becomes| match becomes {
        Becomes::Put { .. } => 'P',
        Becomes::Delete => 'D',
        Becomes::Keep => 'K',
    };
    let operations = lower(&sealer(), space, writes)?;
    Ok(operations
        .into_iter()
        .map(|operation| {
            (operation.kind, operation.key.to_string(), operation.expect, letter(&operation.becomes))
        })
        .collect())
}

fn acme() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn tenant(origins: &[&str]) -> Tenant {
    Tenant {
        id: TenantId::parse("acme").unwrap(),
        origins: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
        settings: TenantSettings::default(),
        created_at: UnixTime(1),
    }
}

fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        name: id.to_owned(),
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

fn api(id: &str) -> ResourceServer {
    ResourceServer {
        id: records::ResourceServerId::parse(id).unwrap(),
        identifier: records::ApiIdentifier::parse(id).unwrap(),
        name: id.to_owned(),
        scopes: Vec::new(),
        signing_algorithm: records::SigningAlgorithm::Hs256,
        signing_secret: Some(records::SecretText::new("hush".into())),
        token_lifetime: Lifetime::DAY,
        token_lifetime_for_web: Lifetime::DAY,
        token_dialect: records::TokenDialect::Auth0,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        enforce_policies: false,
        client_policy: records::ClientPolicy::RequireClientGrant,
        user_policy: records::UserPolicy::AllowAll,
        is_system: false,
        created_at: UnixTime(1),
    }
}

fn grant(id: &str, client: &str, api: &str, subject_type: SubjectType) -> ClientGrant {
    ClientGrant {
        id: ClientGrantId::parse(id).unwrap(),
        client: ClientId::parse(client).unwrap(),
        resource_server: records::ResourceServerId::parse(api).unwrap(),
        scopes: ScopeSet::default(),
        allow_all_scopes: true,
        subject_type,
        created_at: UnixTime(1),
    }
}

fn at<T>(version: u64, record: T) -> Versioned<T> {
    Versioned { record, version: Version(version) }
}

fn create_grant(id: &str, client_id: &str, api_id: &str, subject_type: SubjectType) -> Write {
    Write::CreateClientGrant {
        grant: grant(id, client_id, api_id, subject_type),
        client: at(7, client(client_id)),
        resource_server: at(8, api(api_id)),
    }
}

#[test]
fn a_new_record_relies_on_its_absence_and_on_that_of_every_name_it_claims() {
    let made = lowered(&Space::Directory, &[Write::CreateTenant(tenant(&["http://a", "http://b"]))]).unwrap();
    assert_eq!(
        made,
        [
            (Kind::Tenant, "acme".into(), Expect::Absent, 'P'),
            (Kind::TenantOrigin, "http:%2F%2Fa%2F".into(), Expect::Absent, 'P'),
            (Kind::TenantOrigin, "http:%2F%2Fb%2F".into(), Expect::Absent, 'P'),
        ]
    );
    let made = lowered(&acme(), &[Write::CreateResourceServer(api("rs1"))]).unwrap();
    assert_eq!(
        made,
        [
            (Kind::ResourceServer, "rs1".into(), Expect::Absent, 'P'),
            (Kind::ResourceServerIdentifier, "fixed/rs1".into(), Expect::Absent, 'P'),
        ]
    );
    let seen =
        SeenJti { client: ClientId::parse("a/b").unwrap(), jti: "j/1".into(), expires_at: UnixTime(5) };
    let made = lowered(&acme(), &[Write::InsertJti(seen)]).unwrap();
    assert_eq!(made, [(Kind::SeenJti, "a%2Fb/j%2F1".into(), Expect::Absent, 'P')]);
}

#[test]
fn a_new_grant_advances_its_client_and_its_api() {
    let made = lowered(&acme(), &[create_grant("g1", "c", "rs", SubjectType::Client)]).unwrap();
    assert_eq!(
        made,
        [
            (Kind::ClientGrant, "g1".into(), Expect::Absent, 'P'),
            (Kind::ClientGrantUnique, "c/rs/client".into(), Expect::Absent, 'P'),
            (Kind::Client, "c".into(), Expect::Version(Version(7)), 'P'),
            (Kind::ResourceServer, "rs".into(), Expect::Version(Version(8)), 'P'),
        ]
    );
}

#[test]
fn two_grants_of_one_client_and_api_advance_them_once() {
    let two = [
        create_grant("g1", "c", "rs", SubjectType::Client),
        create_grant("g2", "c", "rs", SubjectType::User),
    ];
    let made = lowered(&acme(), &two).unwrap();
    let of = |kind| made.iter().filter(|(other, ..)| *other == kind).count();
    assert_eq!((of(Kind::Client), of(Kind::ResourceServer), of(Kind::ClientGrant)), (1, 1, 2));
}

#[test]
fn a_change_of_a_client_is_not_lost_to_a_grant_in_the_same_commit() {
    let renamed = Client { name: "renamed".into(), ..client("c") };
    let replace = Write::ReplaceClient(at(7, client("c")), renamed);
    let create = create_grant("g1", "c", "rs", SubjectType::Client);
    for writes in [[replace.clone(), create.clone()], [create.clone(), replace.clone()]] {
        let operations = lower(&sealer(), &acme(), &writes).unwrap();
        let put: Vec<_> = operations.iter().filter(|operation| operation.kind == Kind::Client).collect();
        assert_eq!(put.len(), 1);
        assert!(matches!(&put[0].becomes, Becomes::Put { body, .. } if body.contains("renamed")));
    }
    let delete = Write::DeleteClient(at(7, client("c")));
    assert_eq!(lowered(&acme(), &[create, delete]), Err(Refused::SameRowTwice(Kind::Client)));
}

#[test]
fn a_removed_record_gives_up_its_names() {
    let made = lowered(&acme(), &[Write::DeleteResourceServer(at(3, api("rs1")))]).unwrap();
    assert_eq!(
        made,
        [
            (Kind::ResourceServer, "rs1".into(), Expect::Version(Version(3)), 'D'),
            (Kind::ResourceServerIdentifier, "fixed/rs1".into(), Expect::Covered, 'D'),
        ]
    );
    let made = lowered(&acme(), &[Write::DeleteClientGrant(at(4, grant("g", "c", "rs", SubjectType::User)))]);
    assert_eq!(
        made.unwrap(),
        [
            (Kind::ClientGrant, "g".into(), Expect::Version(Version(4)), 'D'),
            (Kind::ClientGrantUnique, "c/rs/user".into(), Expect::Covered, 'D'),
        ]
    );
}

#[test]
fn rt_07_a_family_that_ends_relies_on_nothing() {
    let id = records::RefreshFamilyId::parse("00006955b9004c630defc36031ed101c").unwrap();
    let made = lowered(&acme(), &[Write::EndRefreshFamily(id.clone())]).unwrap();
    assert_eq!(made, [(Kind::RefreshFamily, id.to_string(), Expect::Covered, 'D')]);
    let refused = lowered(&Space::Directory, &[Write::EndRefreshFamily(id)]);
    assert!(matches!(refused, Err(Refused::WrongSpace(_))), "{refused:?}");
}

#[test]
fn a_tenant_claims_and_releases_the_origins_that_changed() {
    let old = at(5, tenant(&["http://a", "http://b"]));
    let made = lowered(&Space::Directory, &[Write::ReplaceTenant(old, tenant(&["http://c", "http://b"]))]);
    assert_eq!(
        made.unwrap(),
        [
            (Kind::Tenant, "acme".into(), Expect::Version(Version(5)), 'P'),
            (Kind::TenantOrigin, "http:%2F%2Fa%2F".into(), Expect::Covered, 'D'),
            (Kind::TenantOrigin, "http:%2F%2Fc%2F".into(), Expect::Absent, 'P'),
        ]
    );
}

#[test]
fn what_cannot_change_cannot_be_replaced() {
    let refused = |write| lowered(&acme(), &[write]).unwrap_err();
    assert_eq!(
        refused(Write::ReplaceClient(at(1, client("a")), client("b"))),
        Refused::IdentityChanged(Kind::Client)
    );
    let other = ResourceServer { identifier: records::ApiIdentifier::Management, ..api("rs") };
    assert_eq!(
        refused(Write::ReplaceResourceServer(at(1, api("rs")), other)),
        Refused::IdentityChanged(Kind::ResourceServer)
    );
    let old = grant("g", "c", "rs", SubjectType::User);
    for new in [
        grant("g", "c2", "rs", SubjectType::User),
        grant("g", "c", "rs2", SubjectType::User),
        grant("g", "c", "rs", SubjectType::Client),
        grant("g2", "c", "rs", SubjectType::User),
    ] {
        assert_eq!(
            refused(Write::ReplaceClientGrant(at(1, old.clone()), new)),
            Refused::IdentityChanged(Kind::ClientGrant)
        );
    }
    let stranger = Write::CreateClientGrant {
        grant: grant("g", "c", "rs", SubjectType::User),
        client: at(1, client("other")),
        resource_server: at(1, api("rs")),
    };
    assert_eq!(refused(stranger), Refused::IdentityChanged(Kind::ClientGrant));
}

#[test]
fn records_are_written_only_where_they_live() {
    let write = Write::CreateTenant(tenant(&["http://a"]));
    assert_eq!(lowered(&acme(), &[write]), Err(Refused::WrongSpace(Kind::Tenant)));
    let write = Write::CreateClient(client("c"));
    assert_eq!(lowered(&Space::Directory, &[write]), Err(Refused::WrongSpace(Kind::Client)));
}

#[test]
fn an_overlong_key_is_refused_by_its_kind() {
    let seen = SeenJti {
        client: ClientId::parse("c").unwrap(),
        jti: "é".repeat(Key::LONGEST),
        expires_at: UnixTime(5),
    };
    assert_eq!(lowered(&acme(), &[Write::InsertJti(seen)]), Err(Refused::KeyTooLong(Kind::SeenJti)));
}

mod people {
    use super::*;
    use records::{Connection, ConnectionName, Email, EnabledClients, Profile, UserId, Username};

    fn connection() -> Versioned<Connection> {
        let name = ConnectionName::parse("people").unwrap();
        let record = Connection { name, enabled_clients: EnabledClients::All, created_at: UnixTime(1) };
        Versioned { record, version: Version(3) }
    }

    fn user(email: Option<&str>, username: Option<&str>) -> User {
        User {
            id: UserId::parse("auth0|1").unwrap(),
            connection: connection().record.name,
            email: email.map(|text| Email::parse(text).unwrap()),
            email_verified: false,
            username: username.map(|text| Username::parse(text).unwrap()),
            password_hash: None,
            profile: Profile::default(),
            credentials_changed_at: UnixTime(0),
            is_blocked: false,
            created_at: UnixTime(1),
            updated_at: UnixTime(1),
        }
    }

    #[test]
    fn a_new_person_claims_every_login_name_and_relies_on_the_connection() {
        let writes = [Write::CreateUser(user(Some("A@b.c"), Some("Ada")), connection())];
        let expected = [
            (Kind::User, "auth0|1".to_owned(), Expect::Absent, 'P'),
            (Kind::UserLogin, "people/a@b.c".to_owned(), Expect::Absent, 'P'),
            (Kind::UserLogin, "people/ada".to_owned(), Expect::Absent, 'P'),
            (Kind::Connection, "people".to_owned(), Expect::Version(Version(3)), 'P'),
        ];
        assert_eq!(lowered(&acme(), &writes).unwrap(), expected);
    }

    #[test]
    fn a_changed_person_releases_and_claims_what_changed_and_nothing_else() {
        let old = Versioned { record: user(Some("a@b.c"), Some("ada")), version: Version(5) };
        let writes = [Write::ReplaceUser(old.clone(), user(Some("new@b.c"), Some("ada")))];
        let expected = [
            (Kind::User, "auth0|1".to_owned(), Expect::Version(Version(5)), 'P'),
            (Kind::UserLogin, "people/a@b.c".to_owned(), Expect::Covered, 'D'),
            (Kind::UserLogin, "people/new@b.c".to_owned(), Expect::Absent, 'P'),
        ];
        assert_eq!(lowered(&acme(), &writes).unwrap(), expected);

        let mut moved = user(Some("a@b.c"), None);
        moved.connection = ConnectionName::parse("others").unwrap();
        let refused = lowered(&acme(), &[Write::ReplaceUser(old.clone(), moved)]);
        assert_eq!(refused, Err(Refused::IdentityChanged(Kind::User)));

        let names = lowered(&acme(), &[Write::DeleteUser(old)]).unwrap();
        assert_eq!(
            names.iter().filter(|(kind, .., letter)| *kind == Kind::UserLogin && *letter == 'D').count(),
            2
        );
    }

    #[test]
    fn a_reliance_is_checked_once_and_a_change_at_the_same_version_covers_it() {
        let old = Versioned { record: user(Some("a@b.c"), None), version: Version(5) };
        let rely = || Write::RelyOnUser(old.map(|user| user.id.clone()));
        let change = || Write::ReplaceUser(old.clone(), user(Some("a@b.c"), None));
        let kept = [(Kind::User, "auth0|1".to_owned(), Expect::Version(Version(5)), 'K')];
        assert_eq!(lowered(&acme(), &[rely(), rely()]).unwrap(), kept);
        let changed = [(Kind::User, "auth0|1".to_owned(), Expect::Version(Version(5)), 'P')];
        assert_eq!(lowered(&acme(), &[rely(), change()]).unwrap(), changed);
        assert_eq!(lowered(&acme(), &[change(), rely()]).unwrap(), changed);
        let stale = Write::RelyOnUser(Versioned { version: Version(4), record: old.record.id.clone() });
        assert_eq!(lowered(&acme(), &[stale, change()]), Err(Refused::SameRowTwice(Kind::User)));
    }

    #[test]
    fn people_do_not_live_in_the_directory() {
        let refused = lowered(&Space::Directory, &[Write::CreateConnection(connection().record)]);
        assert_eq!(refused, Err(Refused::WrongSpace(Kind::User)));
    }

    #[test]
    fn a_delivery_that_is_put_off_moves_and_two_who_take_it_meet() {
        let due = |next_at: u64| records::LogoutDelivery {
            client: ClientId::parse("web").unwrap(),
            session: records::SessionId::parse("s1").unwrap(),
            user: records::UserId::parse("auth0|1").unwrap(),
            origin: Origin::parse("https://first.example/").unwrap(),
            attempts: 0,
            next_at: UnixTime(next_at),
            created_at: UnixTime(1),
        };
        let old = at(5, due(1));
        let put_off = |new| lowered(&acme(), &[Write::RescheduleLogoutDelivery(old.clone(), new)]);
        let key = |next_at: u64| format!("{next_at:016x}/s1/web");
        let moved = [
            (Kind::LogoutDelivery, key(1), Expect::Version(Version(5)), 'D'),
            (Kind::LogoutDelivery, key(2), Expect::Absent, 'P'),
        ];
        assert_eq!(put_off(due(2)).unwrap(), moved);
        let kept = [(Kind::LogoutDelivery, key(1), Expect::Version(Version(5)), 'P')];
        assert_eq!(put_off(due(1)).unwrap(), kept);
        let mut another = due(2);
        another.client = ClientId::parse("other").unwrap();
        assert_eq!(put_off(another), Err(Refused::IdentityChanged(Kind::LogoutDelivery)));
    }
}
