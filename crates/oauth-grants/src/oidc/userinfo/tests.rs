//! The userinfo endpoint, rule by rule (OpenID Connect Core 1.0 §5.3; RFC 6750; threat model UI).

use jwt_core::{Algorithm, Scratch, Signer, SigningKey, TokenType, Verifier};
use proptest::prelude::*;
use records::{Lifetime, UpdatedAt};
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{NOW, user};

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn presented(headers: &[&str], body: Option<(Option<&str>, &str)>) -> Result<String, UserInfoRefusal> {
    let body = body.map(|(content_type, text)| FormBody { content_type, bytes: text.as_bytes() });
    presented_token(headers.iter().map(|header| header.as_bytes()), body)
        .map(|token| token.expose().to_owned())
}

//= RFC 6750 §2.1
#[test]
fn ui_07_the_header_is_read_whatever_the_case_of_its_scheme() {
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(presented(&[&format!("{scheme} abc.d-e_f~g+h/i==")], None).unwrap(), "abc.d-e_f~g+h/i==");
    }
    assert_eq!(presented(&["Bearer   abc"], None).unwrap(), "abc");
}

//= RFC 6750 §2.2
#[test]
fn rfc6750_02_a_form_may_hold_the_token_and_nothing_else_may() {
    assert_eq!(presented(&[], Some((FORM, "access_token=abc"))).unwrap(), "abc");
    assert_eq!(presented(&[], Some((FORM, "foo=bar&access_token=abc"))).unwrap(), "abc");
    let with_charset = Some("application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(presented(&[], Some((with_charset, "access_token=abc"))).unwrap(), "abc");
    for content_type in
        [None, Some(""), Some("text/plain"), Some("multipart/form-data"), Some("application/json")]
    {
        for body in ["access_token=abc", r#"{"access_token":"abc"}"#] {
            assert_eq!(presented(&[], Some((content_type, body))), Err(UserInfoRefusal::MissingToken));
        }
    }
}

//= RFC 6750 §3.1
#[test]
fn ui_01_without_a_token_the_answer_names_no_error() {
    for headers in [&[][..], &["Basic dTpw"], &["DPoP abc"], &["Bearerabc"], &[""], &["B"]] {
        assert_eq!(presented(headers, None), Err(UserInfoRefusal::MissingToken), "{headers:?}");
        assert_eq!(presented(headers, Some((FORM, ""))), Err(UserInfoRefusal::MissingToken));
        assert_eq!(presented(headers, Some((FORM, "access_token="))), Err(UserInfoRefusal::MissingToken));
    }
    assert_eq!(UserInfoRefusal::MissingToken.status(), 401);
    assert_eq!(UserInfoRefusal::MissingToken.www_authenticate(), "Bearer realm=\"userinfo\"");
    assert!(!UserInfoRefusal::MissingToken.to_json().contains("error"));
}

//= RFC 6750 §2
#[test]
fn ui_02_more_than_one_token_is_refused() {
    let in_body = Some((FORM, "access_token=abc"));
    assert_eq!(presented(&["Bearer abc"], in_body), Err(UserInfoRefusal::SeveralTokens));
    assert_eq!(presented(&["Bearer abc", "Bearer abc"], None), Err(UserInfoRefusal::SeveralTokens));
    assert_eq!(presented(&["Bearer abc", "Basic dTpw"], None), Err(UserInfoRefusal::SeveralTokens));
    assert_eq!(
        presented(&[], Some((FORM, "access_token=abc&access_token=abc"))),
        Err(UserInfoRefusal::MalformedRequest)
    );
}

#[test]
fn ui_02_malformed_credentials_are_refused() {
    for header in [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a,b",
        "Bearer =",
        "Bearer a=b",
        "Bearer \"a\"",
        "Bearer \u{e9}",
    ] {
        assert_eq!(presented(&[header], None), Err(UserInfoRefusal::MalformedRequest), "{header}");
    }
    assert_eq!(presented(&[], Some((FORM, "access_token=a%20b"))), Err(UserInfoRefusal::MalformedRequest));
    assert_eq!(presented(&[], Some((FORM, "access_token=%zz"))), Err(UserInfoRefusal::MalformedRequest));
    let bytes = [b"Bearer ".as_slice(), &[0xff]].concat();
    assert_eq!(presented_token([bytes.as_slice()], None).unwrap_err(), UserInfoRefusal::MalformedRequest);
}

fn access() -> Access {
    Access {
        user: user().id,
        client: ClientId::parse("calendar-spa").unwrap(),
        scope: ScopeSet::parse("openid email").unwrap(),
        claims: vec!["nickname"],
        expires_at: UnixTime(NOW.0 + 1),
    }
}

fn ask(
    access: Option<&Access>,
    user: Option<&User>,
    updated_at: UpdatedAt,
) -> Result<Value, UserInfoRefusal> {
    let settings = TenantSettings { updated_at, ..TenantSettings::default() };
    decide(Facts { access, user, settings: &settings, now: NOW })
        .map(|response| serde_json::from_str(&response.to_json()).unwrap())
}

//= OpenID Connect Core 1.0 §5.3.2
#[test]
fn oidc_core_09_the_answer_is_the_subject_and_what_was_granted() {
    let told = ask(Some(&access()), Some(&user()), UpdatedAt::Numeric).unwrap();
    let expected = json!({
        "sub": "auth0|0123456789abcdef01234567",
        "nickname": "ada",
        "email": "ada@example.com",
        "email_verified": true,
    });
    assert_eq!(told, expected);
    let bare = Access { scope: ScopeSet::parse("openid").unwrap(), claims: vec![], ..access() };
    let told = ask(Some(&bare), Some(&user()), UpdatedAt::Numeric).unwrap();
    assert_eq!(told, json!({ "sub": "auth0|0123456789abcdef01234567" }));
}

#[test]
fn updated_at_is_spelled_as_the_tenant_wants() {
    let access = Access { scope: ScopeSet::parse("openid profile").unwrap(), ..access() };
    let told = |updated_at| ask(Some(&access), Some(&user()), updated_at).unwrap()["updated_at"].clone();
    assert_eq!(told(UpdatedAt::Numeric), 1_490_886_820);
    assert_eq!(told(UpdatedAt::Iso8601), "2017-03-30T15:13:40.000Z");
}

#[test]
fn ui_03_ui_04_ui_09_what_is_not_good_is_refused() {
    let old = Access { expires_at: NOW, ..access() };
    let without_openid = Access { scope: ScopeSet::parse("email profile read").unwrap(), ..access() };
    let blocked = User { is_blocked: true, ..user() };
    let other = User { id: UserId::parse("auth0|somebody-else").unwrap(), ..user() };
    for (access, user, expected) in [
        (None, Some(&user()), UserInfoRefusal::UnknownToken),
        (None, None, UserInfoRefusal::UnknownToken),
        (Some(&old), Some(&user()), UserInfoRefusal::ExpiredToken),
        (Some(&without_openid), Some(&user()), UserInfoRefusal::MissingScope),
        (Some(&access()), None, UserInfoRefusal::UnknownUser),
        (Some(&access()), Some(&other), UserInfoRefusal::UnknownUser),
        (Some(&access()), Some(&blocked), UserInfoRefusal::BlockedUser),
    ] {
        assert_eq!(ask(access, user, UpdatedAt::Numeric), Err(expected));
    }
}

//= RFC 6750 §3.1
#[test]
fn rfc6750_06_refusals_are_answered_as_the_standard_wants() {
    for row in ROWS {
        let refusal = row.refusal;
        let challenge = refusal.www_authenticate();
        let body: Value = serde_json::from_str(&refusal.to_json()).unwrap();
        assert!(challenge.starts_with("Bearer realm=\"userinfo\""), "{challenge}");
        let (code, status) = match row.error.map(|(code, _)| code) {
            Some("invalid_request") => ("invalid_request", 400),
            Some("invalid_token") => ("invalid_token", 401),
            Some("insufficient_scope") => ("insufficient_scope", 403),
            None => ("", 401),
            other => panic!("{other:?}"),
        };
        assert_eq!(refusal.status(), status, "{refusal:?}");
        assert_eq!(body.get("error").and_then(Value::as_str).unwrap_or_default(), code);
        assert_eq!(challenge.contains("error="), !code.is_empty());
        assert_eq!(challenge.contains("scope=\"openid\""), status == 403);
        assert_eq!(refusal.row().refusal, refusal);
        assert!(!refusal.name().is_empty());
    }
    use UserInfoRefusal as R;
    let every = [
        R::MissingToken,
        R::SeveralTokens,
        R::MalformedRequest,
        R::UnknownToken,
        R::ExpiredToken,
        R::UnknownUser,
        R::BlockedUser,
        R::MissingScope,
    ];
    assert_eq!(every.len(), ROWS.len());
    assert!(every.iter().all(|refusal| refusal.row().name != "without_row"));
}

#[test]
fn ui_09_a_deleted_and_a_blocked_person_look_like_a_bad_token() {
    let unknown = UserInfoRefusal::UnknownToken;
    for refusal in [UserInfoRefusal::UnknownUser, UserInfoRefusal::BlockedUser] {
        assert_eq!(refusal.status(), unknown.status());
        assert_eq!(refusal.www_authenticate(), unknown.www_authenticate());
        assert_eq!(refusal.to_json(), unknown.to_json());
    }
}

/// Signs claims and reads them back as the caller would.
fn of_signed(claims: &Value) -> Option<Access> {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().key().clone();
    let verifier = Verifier::builder(key.verifying_key())
        .issuer("https://localhost:8443/")
        .audience("https://localhost:8443/userinfo")
        .token_types(&[TokenType::Jwt, TokenType::AccessToken])
        .build();
    let token = Signer::new(key, TokenType::Jwt, None).unwrap().sign(claims).unwrap();
    let mut scratch = Scratch::default();
    let verified = verifier.verify::<AccessTokenClaims>(&token, NOW.0, &mut scratch).ok()?;
    Access::of_verified(&verified)
}

fn signed_claims() -> Value {
    json!({
        "iss": "https://localhost:8443/",
        "sub": user().id.as_str(),
        "aud": ["api.calendar", "https://localhost:8443/userinfo"],
        "iat": NOW.0,
        "exp": NOW.0 + 60,
        "scope": "openid email",
        "azp": "calendar-spa",
    })
}

#[test]
fn a_signed_token_for_an_api_and_this_endpoint_opens_it() {
    let expected = Access { claims: vec![], expires_at: UnixTime(NOW.0 + 60), ..access() };
    assert_eq!(of_signed(&signed_claims()), Some(expected.clone()));
    let mut rfc9068 = signed_claims();
    rfc9068.as_object_mut().unwrap().remove("azp");
    rfc9068["client_id"] = json!("calendar-spa");
    assert_eq!(of_signed(&rfc9068), Some(expected));
}

#[test]
fn ui_06_no_other_signed_token_opens_it() {
    for (name, value) in [
        ("aud", json!("api.calendar")),
        ("aud", json!("calendar-spa")),
        ("aud", json!("http://localhost:8080/userinfo")),
        ("iss", json!("http://localhost:8080/")),
        ("exp", json!(NOW.0 - 60)),
        // An application's own token speaks for no person.
        ("sub", json!("geocoding-worker@clients")),
        ("sub", Value::Null),
        // An ID token names no client but its audience.
        ("azp", Value::Null),
        ("azp", json!("")),
        ("scope", json!("a\"b")),
    ] {
        let mut claims = signed_claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
        assert_eq!(of_signed(&claims), None, "{name} {value}");
    }
    let mut without_scope = signed_claims();
    without_scope.as_object_mut().unwrap().remove("scope");
    let access = of_signed(&without_scope);
    assert_eq!(ask(access.as_ref(), Some(&user()), UpdatedAt::Numeric), Err(UserInfoRefusal::MissingScope));
}

#[test]
fn a_sealed_token_says_the_same() {
    let token = UserInfoToken {
        user: user().id,
        client: ClientId::parse("calendar-spa").unwrap(),
        scope: ScopeSet::parse("openid email").unwrap(),
        claims: vec!["nickname"],
        issued_at: NOW,
        lifetime: Lifetime(1),
        session: None,
    };
    assert_eq!(Access::from(token), access());
}

#[test]
fn an_answer_does_not_print_what_it_tells() {
    let (settings, user, access) = (TenantSettings::default(), user(), access());
    let facts = Facts { access: Some(&access), user: Some(&user), settings: &settings, now: NOW };
    let text = format!("{:?}", decide(facts).unwrap());
    assert!(!text.contains("ada@example.com"), "{text}");
}

proptest! {
    #[test]
    fn arbitrary_headers_and_bodies_are_read_or_refused(header in proptest::collection::vec(any::<u8>(), 0..60), body in ".{0,60}") {
        let body = FormBody { content_type: FORM, bytes: body.as_bytes() };
        let _ = presented_token([header.as_slice()], Some(body));
        let bearer = [b"Bearer ", header.as_slice()].concat();
        if let Ok(token) = presented_token([bearer.as_slice()], None) {
            prop_assert!(is_token(token.expose()));
        }
    }
}
