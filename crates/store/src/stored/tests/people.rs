//! Records of people come back from their stored forms unchanged, leave when they should, and show no secret.

use records::{
    AdministrativeConsent, AttemptsId, Audience, AuthenticationMethod, AuthorizationCode,
    AuthorizationCodeId, CodeState, Connection, ConnectionName, ConsentAnswer, ConsentFor, ConsentRecord,
    ConsentRecordId, ConsentRule, ConsumedHandle, Email, EnabledClients, HandleId, LoginAttempts,
    LogoutDelivery, PasswordHash, Profile, Session, SessionId, ShownScope, User, UserGrant, UserGrantId,
    UserId, Username,
};

use records::{PreviousToken, RefreshFamily, RefreshFamilyId};

use super::*;

pub(super) fn user_id() -> UserId {
    UserId::parse("auth0|0123456789abcdef01234567").unwrap()
}

pub(super) fn client_named(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

pub(super) fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

pub(super) fn session_id() -> SessionId {
    SessionId::parse("sid_-1").unwrap()
}

pub(super) fn calendar() -> Audience {
    Audience::Api(ResourceServerId::parse("calendar").unwrap())
}

pub(super) fn user() -> User {
    User {
        id: user_id(),
        connection: ConnectionName::parse("Username-Password-Authentication").unwrap(),
        email: Some(Email::parse("ada@example.com").unwrap()),
        email_verified: true,
        username: Some(Username::parse("ada").unwrap()),
        password_hash: Some(PasswordHash::New(SecretText::new("$argon2id$hush".to_owned()))),
        profile: Profile {
            name: Some("Ada".to_owned()),
            address: Some("12 St James's Square\nLondon".to_owned()),
            phone_number_verified: true,
            ..Profile::default()
        },
        credentials_changed_at: UnixTime(0),
        is_blocked: true,
        created_at: UnixTime(1),
        updated_at: UnixTime(2),
    }
}

pub(super) fn code(state: CodeState) -> AuthorizationCode {
    AuthorizationCode {
        id: AuthorizationCodeId::parse("code-1").unwrap(),
        state,
        client: client_named("web"),
        redirect_uri: "https://app.example/callback?x=1".to_owned(),
        redirect_uri_was_sent: true,
        code_challenge: Some([7; 32]),
        origin: Origin::parse("https://first.example/").unwrap(),
        user: user_id(),
        session: session_id(),
        authenticated_at: UnixTime(5),
        methods: vec![AuthenticationMethod::Password],
        audience: calendar(),
        scopes: scopes("openid read"),
        is_as_requested: false,
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        names_auth_time: true,
        claims: Some("{}".to_owned()),
        issued_at: UnixTime(10),
        expires_at: UnixTime(70),
    }
}

#[test]
fn a_person_comes_back_unchanged_and_the_hash_is_sealed() {
    for email in [user().email, None] {
        for hash in [user().password_hash, None] {
            let record = User { email: email.clone(), password_hash: hash, ..user() };
            let (row, index, drop_at) = stored(&record);
            let again = read::<User>(&sealer(), &acme(), row.clone()).unwrap().record;
            assert!(has_same_password(&sealer(), &acme(), &again, &record).unwrap());
            comes_back(&again).unwrap();
            let without = |user: &User| User { password_hash: None, ..user.clone() };
            assert_eq!(without(&again), without(&record));
            assert!(!row.body.contains("hush"), "{}", row.body);
            assert_eq!(drop_at, None);
            assert_eq!(index, [IndexEntry::of(BY_CONNECTION, &[record.connection.as_str()])]);
        }
    }
    let names: Vec<_> = user().login_names().collect();
    for name in &names {
        let (row, ..) = stored(&LoginOwner::new(&user(), name));
        let again = read::<LoginOwner>(&sealer(), &acme(), row).unwrap().record;
        assert_eq!(again.user, user().id);
    }
    assert_eq!(names.len(), 2);
}

#[test]
fn a_connection_comes_back_unchanged() {
    for enabled_clients in
        [EnabledClients::All, EnabledClients::Only(vec![]), EnabledClients::Only(vec![client_named("web")])]
    {
        let name = ConnectionName::parse("people").unwrap();
        comes_back(&Connection { name, enabled_clients, created_at: UnixTime(3) }).unwrap();
    }
}

#[test]
fn a_session_comes_back_unchanged_and_leaves_at_the_earlier_of_its_ends() {
    for (expires_at, idle_expires_at, leaves) in [(100, 50, 50), (40, 50, 40)] {
        let session = Session {
            id: session_id(),
            user: user_id(),
            authenticated_at: UnixTime(5),
            methods: vec![AuthenticationMethod::Password],
            created_at: UnixTime(4),
            expires_at: UnixTime(expires_at),
            idle_expires_at: UnixTime(idle_expires_at),
            clients: vec![client_named("web"), client_named("spa")],
        };
        comes_back(&session).unwrap();
        let (_, index, drop_at) = stored(&session);
        assert_eq!(drop_at, Some(UnixTime(leaves)));
        assert_eq!(index, [IndexEntry::of(BY_USER, &[user_id().as_str()])]);
    }
}

#[test]
fn grants_records_and_rules_of_consent_come_back_unchanged() {
    for audience in [calendar(), Audience::UserInfo] {
        let grant = UserGrant {
            id: UserGrantId::parse("0123456789abcdef01234567").unwrap(),
            user: user_id(),
            client: client_named("spa"),
            audience: audience.clone(),
            scopes: scopes("openid read"),
            left_out: scopes("write"),
            created_at: UnixTime(1),
            updated_at: UnixTime(2),
        };
        comes_back(&grant).unwrap();
        let names: Vec<_> = stored(&grant).1.into_iter().map(|entry| entry.name).collect();
        assert_eq!(names.contains(&"resource_server"), audience != Audience::UserInfo);
        for answer in [ConsentAnswer::Declined, ConsentAnswer::Accepted(scopes("read"))] {
            let record = ConsentRecord {
                id: ConsentRecordId::parse("r1").unwrap(),
                user: user_id(),
                session: session_id(),
                client: client_named("spa"),
                client_name: "Calendar".to_owned(),
                audience: audience.clone(),
                shown: vec![ShownScope {
                    value: ScopeToken::parse("read").unwrap(),
                    text: "Read your calendar".to_owned(),
                    is_new: true,
                    is_optional: false,
                }],
                answer,
                decided_at: UnixTime(9),
            };
            comes_back(&record).unwrap();
            assert!(stored(&record).2.unwrap() > UnixTime(9 + 2 * 366 * 86_400));
        }
    }
    let users = [
        ConsentFor::Everybody,
        ConsentFor::Connection(ConnectionName::parse("staff").unwrap()),
        ConsentFor::Users(vec![user_id()]),
    ];
    comes_back(&AdministrativeConsent {
        client: client_named("spa"),
        resource_server: ResourceServerId::parse("calendar").unwrap(),
        rules: users.map(|users| ConsentRule { users, scopes: scopes("read write") }).to_vec(),
        created_at: UnixTime(1),
        updated_at: UnixTime(2),
    })
    .unwrap();
}

#[test]
fn cg_01_a_code_comes_back_unchanged_and_is_remembered_after_its_end() {
    for state in [
        CodeState::Unused,
        CodeState::Used { at: UnixTime(12), family: None },
        CodeState::Used { at: UnixTime(12), family: Some(RefreshFamilyId::parse("f1").unwrap()) },
    ] {
        let record = code(state);
        comes_back(&record).unwrap();
        assert_eq!(stored(&record).2, Some(UnixTime(70 + 3600)));
    }
    let bare = AuthorizationCode {
        code_challenge: None,
        nonce: None,
        claims: None,
        audience: Audience::UserInfo,
        ..code(CodeState::Unused)
    };
    comes_back(&bare).unwrap();
}

#[test]
fn attempts_and_used_handles_come_back_unchanged_and_leave() {
    let attempts = LoginAttempts {
        id: AttemptsId::parse("a1").unwrap(),
        failures: 3,
        last_at: UnixTime(8),
        forgotten_at: UnixTime(3608),
    };
    comes_back(&attempts).unwrap();
    assert_eq!(stored(&attempts).2, Some(UnixTime(3608)));
    let handle = ConsumedHandle { id: HandleId::parse("h1").unwrap(), expires_at: UnixTime(300) };
    comes_back(&handle).unwrap();
    assert_eq!(stored(&handle).2, Some(UnixTime(300)));
}

#[test]
fn a_refresh_family_comes_back_unchanged_and_a_rotation_does_not_move_its_end() {
    let bare = RefreshFamily {
        id: RefreshFamilyId::parse("0000000000010123456789abcdef0123").unwrap(),
        user: user_id(),
        client: client_named("spa"),
        audience: calendar(),
        scopes: scopes("offline_access read"),
        redirect_uri: None,
        origin: Origin::parse("https://first.example/").unwrap(),
        session: None,
        authenticated_at: UnixTime(1),
        methods: vec![AuthenticationMethod::Password],
        names_auth_time: false,
        claims: None,
        generation: 0,
        current: SecretDigest([1; 32]),
        previous: None,
        created_at: UnixTime(1),
        last_used_at: UnixTime(1),
        expires_at: None,
        idle_expires_at: None,
    };
    comes_back(&bare).unwrap();
    assert_eq!(stored(&bare).2, None, "it never ends");
    let rotated = RefreshFamily {
        redirect_uri: Some("https://app.example/".to_owned()),
        session: Some(session_id()),
        claims: Some("{}".to_owned()),
        generation: 7,
        previous: Some(PreviousToken {
            digest: SecretDigest([2; 32]),
            rotated_at: UnixTime(9),
            successor: "sealed".to_owned(),
        }),
        expires_at: Some(UnixTime(1000)),
        idle_expires_at: Some(UnixTime(500)),
        ..bare.clone()
    };
    comes_back(&rotated).unwrap();
    let later = RefreshFamily { idle_expires_at: Some(UnixTime(600)), ..rotated.clone() };
    assert_eq!(stored(&rotated).2, Some(UnixTime(1000)));
    assert_eq!((stored(&later).1, stored(&later).2), (stored(&rotated).1, stored(&rotated).2));
    let idle = |end| stored(&RefreshFamily { idle_expires_at: Some(UnixTime(end)), ..bare.clone() }).2;
    assert_eq!(idle(1_000_000), idle(1_000_600));
    assert!(idle(1_000_000).unwrap() > UnixTime(1_000_000), "it is there as long as it holds");
}

#[test]
fn a_logout_on_its_way_comes_back_unchanged_stands_by_when_it_is_due_and_leaves_after_a_day() {
    let delivery = LogoutDelivery {
        client: client_named("web"),
        session: session_id(),
        user: user_id(),
        origin: Origin::parse("https://first.example/").unwrap(),
        attempts: 2,
        next_at: UnixTime(1_767_225_601),
        created_at: UnixTime(1_767_225_600),
    };
    comes_back(&delivery).unwrap();
    assert_eq!(stored(&delivery).2, Some(UnixTime(1_767_225_600 + 86_400)));
    let due_at = |next_at| LogoutDelivery { next_at: UnixTime(next_at), ..delivery.clone() }.key();
    assert!(due_at(9) < due_at(10) && due_at(10) < due_at(1 << 40), "in the order of time, not of digits");
}
