//! Each form of a person's rows is spelled as it was when it got its number, to the byte: databases hold such rows.

use records::{
    AttemptsId, Audience, AuthenticationMethod, AuthorizationCode, CodeState, ConsumedHandle, Email,
    HandleId, LoginAttempts, Origin, PreviousToken, Profile, RefreshFamily, RefreshFamilyId, Session, User,
    UserGrant, UserGrantId, Username,
};

use super::people::{calendar, client_named, code, scopes, session_id, user, user_id};
use super::*;

/// The body is this, its lines joined, with `SEALED` for a sealed text; and it is read to the same record.
#[track_caller]
fn spelled<T: Stored + PartialEq + fmt::Debug>(record: &T, expected: &str) {
    let (row, ..) = stored(record);
    assert_eq!(read::<T>(&sealer(), &acme(), row.clone()).unwrap().record, *record);
    let body: String = row
        .body
        .split('"')
        .map(|part| if part.starts_with("s1.") { "SEALED" } else { part })
        .collect::<Vec<_>>()
        .join("\"");
    let expected: String = expected.lines().map(str::trim_start).collect();
    assert_eq!(body, expected);
}

/// With what JSON escapes, and letters that it does not.
fn hard() -> String {
    "\"a\\b\"/\u{1}\n\u{e9}\u{1f600}".to_owned()
}

fn family() -> RefreshFamily {
    RefreshFamily {
        id: RefreshFamilyId::parse("0000000000010123456789abcdef0123").unwrap(),
        user: user_id(),
        client: client_named("spa\"\\"),
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
        created_at: UnixTime(2),
        last_used_at: UnixTime(3),
        expires_at: None,
        idle_expires_at: None,
    }
}

#[test]
fn a_refresh_family_is_spelled_as_ever() {
    spelled(
        &family(),
        r#"{"v":1,"id":"0000000000010123456789abcdef0123","user":"auth0|0123456789abcdef01234567",
        "client":"spa\"\\","audience":{"api":"calendar"},"scopes":"offline_access read","redirect_uri":null,
        "origin":"https://first.example/","session":null,"authenticated_at":1,"methods":["pwd"],
        "names_auth_time":false,"claims":null,"generation":0,
        "current":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","previous":null,"created_at":2,
        "last_used_at":3,"expires_at":null,"idle_expires_at":null}"#,
    );
    let previous = PreviousToken {
        digest: SecretDigest([0xff; 32]),
        rotated_at: UnixTime(9),
        successor: "sealed elsewhere".to_owned(),
    };
    let full = RefreshFamily {
        audience: Audience::UserInfo,
        scopes: scopes(""),
        redirect_uri: Some(hard()),
        session: Some(session_id()),
        methods: vec![],
        names_auth_time: true,
        claims: Some(r#"{"id_token":{"email":null}}"#.to_owned()),
        generation: u64::MAX,
        previous: Some(previous),
        expires_at: Some(UnixTime(1000)),
        idle_expires_at: Some(UnixTime(500)),
        ..family()
    };
    spelled(
        &full,
        r#"{"v":1,"id":"0000000000010123456789abcdef0123","user":"auth0|0123456789abcdef01234567",
        "client":"spa\"\\","audience":"user_info","scopes":"","redirect_uri":"\"a\\b\"/\u0001\né😀",
        "origin":"https://first.example/","session":"sid_-1","authenticated_at":1,"methods":[],
        "names_auth_time":true,"claims":"{\"id_token\":{\"email\":null}}","generation":18446744073709551615,
        "current":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        "previous":{"digest":"__________________________________________8","rotated_at":9,
        "successor":"sealed elsewhere"},"created_at":2,"last_used_at":3,"expires_at":1000,
        "idle_expires_at":500}"#,
    );
}

#[test]
fn a_person_is_spelled_as_ever() {
    spelled(
        &User { password_hash: None, ..user() },
        r#"{"v":1,"id":"auth0|0123456789abcdef01234567","connection":"Username-Password-Authentication",
        "email":"ada@example.com","email_verified":true,"username":"ada","password_hash":null,
        "profile":{"name":"Ada","address":"12 St James's Square\nLondon","phone_number_verified":true},
        "credentials_changed_at":0,"is_blocked":true,"created_at":1,"updated_at":2}"#,
    );
    let bare = User { email: None, username: Some(Username::parse("A\"\\").unwrap()), ..user() };
    spelled(
        &User { profile: Profile::default(), password_hash: None, ..bare },
        r#"{"v":1,"id":"auth0|0123456789abcdef01234567","connection":"Username-Password-Authentication",
        "email":null,"email_verified":true,"username":"a\"\\","password_hash":null,
        "profile":{"phone_number_verified":false},"credentials_changed_at":0,"is_blocked":true,
        "created_at":1,"updated_at":2}"#,
    );
    let text = || Some(hard());
    let profile = Profile {
        name: text(),
        given_name: text(),
        family_name: text(),
        middle_name: text(),
        nickname: text(),
        preferred_username: text(),
        profile: text(),
        picture: text(),
        website: text(),
        gender: text(),
        birthdate: text(),
        zoneinfo: text(),
        locale: text(),
        phone_number: text(),
        phone_number_verified: false,
        address: text(),
    };
    let email = Some(Email::parse("\"\u{e9}\\\"@example.com").unwrap());
    // With a hash as it is read.
    let (row, ..) = stored(&User { profile, email, ..user() });
    spelled(
        &read::<User>(&sealer(), &acme(), row).unwrap().record,
        r#"{"v":1,"id":"auth0|0123456789abcdef01234567","connection":"Username-Password-Authentication",
        "email":"\"é\\\"@example.com","email_verified":true,"username":"ada","password_hash":"SEALED",
        "profile":{"name":"\"a\\b\"/\u0001\né😀","given_name":"\"a\\b\"/\u0001\né😀",
        "family_name":"\"a\\b\"/\u0001\né😀","middle_name":"\"a\\b\"/\u0001\né😀",
        "nickname":"\"a\\b\"/\u0001\né😀","preferred_username":"\"a\\b\"/\u0001\né😀",
        "profile":"\"a\\b\"/\u0001\né😀","picture":"\"a\\b\"/\u0001\né😀","website":"\"a\\b\"/\u0001\né😀",
        "gender":"\"a\\b\"/\u0001\né😀","birthdate":"\"a\\b\"/\u0001\né😀","zoneinfo":"\"a\\b\"/\u0001\né😀",
        "locale":"\"a\\b\"/\u0001\né😀","phone_number":"\"a\\b\"/\u0001\né😀","address":"\"a\\b\"/\u0001\né😀",
        "phone_number_verified":false},"credentials_changed_at":0,"is_blocked":true,"created_at":1,
        "updated_at":2}"#,
    );
}

#[test]
fn a_name_that_somebody_logs_in_with_is_spelled_as_ever() {
    let email = Email::parse("\"\u{e9}\\\"@example.com").unwrap();
    let (row, ..) = stored(&LoginOwner::new(&user(), &(&email).into()));
    let expected = [
        r#"{"v":1,"connection":"Username-Password-Authentication","name":"\"é\\\"@example.com","#,
        r#""user":"auth0|0123456789abcdef01234567"}"#,
    ];
    assert_eq!(row.body, expected.concat());
    assert_eq!(read::<LoginOwner>(&sealer(), &acme(), row).unwrap().record.name, email.as_str());
}

#[test]
fn a_session_is_spelled_as_ever() {
    let session = Session {
        id: session_id(),
        user: user_id(),
        authenticated_at: UnixTime(5),
        methods: vec![AuthenticationMethod::Password],
        created_at: UnixTime(4),
        expires_at: UnixTime(100),
        idle_expires_at: UnixTime(50),
        clients: vec![client_named("web"), client_named("s\"pa")],
    };
    spelled(
        &session,
        r#"{"v":1,"id":"sid_-1","user":"auth0|0123456789abcdef01234567","authenticated_at":5,"methods":["pwd"],
        "created_at":4,"expires_at":100,"idle_expires_at":50,"clients":["web","s\"pa"]}"#,
    );
    spelled(
        &Session { methods: vec![], clients: vec![], ..session },
        r#"{"v":1,"id":"sid_-1","user":"auth0|0123456789abcdef01234567","authenticated_at":5,"methods":[],
        "created_at":4,"expires_at":100,"idle_expires_at":50,"clients":[]}"#,
    );
}

#[test]
fn what_a_person_allowed_is_spelled_as_ever() {
    let grant = UserGrant {
        id: UserGrantId::parse("0123456789abcdef01234567").unwrap(),
        user: user_id(),
        client: client_named("spa"),
        audience: calendar(),
        scopes: scopes("openid read"),
        left_out: scopes("write"),
        created_at: UnixTime(1),
        updated_at: UnixTime(2),
    };
    spelled(
        &grant,
        r#"{"v":1,"id":"0123456789abcdef01234567","user":"auth0|0123456789abcdef01234567","client":"spa",
        "audience":{"api":"calendar"},"scopes":"openid read","left_out":"write","created_at":1,
        "updated_at":2}"#,
    );
    spelled(
        &UserGrant { audience: Audience::UserInfo, left_out: scopes(""), ..grant },
        r#"{"v":1,"id":"0123456789abcdef01234567","user":"auth0|0123456789abcdef01234567","client":"spa",
        "audience":"user_info","scopes":"openid read","left_out":"","created_at":1,"updated_at":2}"#,
    );
}

#[test]
fn an_authorization_code_is_spelled_as_ever() {
    let unused = AuthorizationCode { redirect_uri: hard(), nonce: Some(hard()), ..code(CodeState::Unused) };
    spelled(
        &unused,
        r#"{"v":1,"id":"code-1","used_at":null,"family":null,"client":"web",
        "redirect_uri":"\"a\\b\"/\u0001\né😀","redirect_uri_was_sent":true,
        "code_challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","origin":"https://first.example/",
        "user":"auth0|0123456789abcdef01234567","session":"sid_-1","authenticated_at":5,"methods":["pwd"],
        "audience":{"api":"calendar"},"scopes":"openid read","is_as_requested":false,
        "nonce":"\"a\\b\"/\u0001\né😀","names_auth_time":true,"claims":"{}","issued_at":10,"expires_at":70}"#,
    );
    let family = RefreshFamilyId::parse("f1").unwrap();
    let used = AuthorizationCode {
        code_challenge: None,
        nonce: None,
        claims: None,
        audience: Audience::UserInfo,
        ..code(CodeState::Used { at: UnixTime(12), family: Some(family) })
    };
    spelled(
        &used,
        r#"{"v":1,"id":"code-1","used_at":12,"family":"f1","client":"web",
        "redirect_uri":"https://app.example/callback?x=1","redirect_uri_was_sent":true,
        "code_challenge":null,"origin":"https://first.example/","user":"auth0|0123456789abcdef01234567",
        "session":"sid_-1","authenticated_at":5,"methods":["pwd"],"audience":"user_info",
        "scopes":"openid read","is_as_requested":false,"nonce":null,"names_auth_time":true,"claims":null,
        "issued_at":10,"expires_at":70}"#,
    );
}

#[test]
fn what_is_counted_and_used_up_is_spelled_as_ever() {
    let attempts = LoginAttempts {
        id: AttemptsId::parse("a1").unwrap(),
        failures: 3,
        last_at: UnixTime(8),
        forgotten_at: UnixTime(3608),
    };
    spelled(&attempts, r#"{"v":1,"id":"a1","failures":3,"last_at":8,"forgotten_at":3608}"#);
    spelled(
        &ConsumedHandle { id: HandleId::parse("h1").unwrap(), expires_at: UnixTime(300) },
        r#"{"v":1,"id":"h1","expires_at":300}"#,
    );
    spelled(
        &SeenJti { client: client_named("spa"), jti: hard(), expires_at: UnixTime(7) },
        r#"{"v":1,"client":"spa","jti":"\"a\\b\"/\u0001\né😀","expires_at":7}"#,
    );
}

#[test]
fn a_form_borrows_what_the_body_spells_without_escapes() {
    use crate::stored::text::Text;
    #[derive(serde::Deserialize)]
    struct Form<'f> {
        #[serde(borrow)]
        one: Text<'f>,
        maybe: Option<Text<'f>>,
        many: Vec<Text<'f>>,
        escaped: Option<Text<'f>>,
    }
    let body = r#"{"one":"1é","maybe":"2","many":["3"],"escaped":"\u0034\n"}"#;
    let form: Form<'_> = serde_json::from_str(body).unwrap();
    let (maybe, escaped) = (form.maybe.unwrap(), form.escaped.unwrap());
    for (text, expected) in [(&form.one, "1é"), (&maybe, "2"), (&form.many[0], "3")] {
        assert!(text.is_borrowed(), "{expected}");
        assert_eq!(&**text, expected);
    }
    assert!(!escaped.is_borrowed());
    assert_eq!(escaped.into_owned(), "4\n");
}
