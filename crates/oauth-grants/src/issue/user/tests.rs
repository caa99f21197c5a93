//! People's access tokens (OpenID Connect Core 1.0 §5.3; Auth0's audiences and lifetimes).

use proptest::prelude::*;
use records::{ApiIdentifier, TokenDialect};

use super::*;
use crate::fixtures::{AUDIENCE, NOW, client, moment, origin, resource_server, user};

struct Case {
    api: Option<ResourceServer>,
    scope: &'static str,
    channel: Channel,
    grant_type: Option<&'static str>,
    origin: Origin,
    check: fn(&UserToken<'_>),
}

fn case() -> Case {
    Case {
        api: Some(resource_server()),
        scope: "geocode",
        channel: Channel::TokenEndpoint,
        grant_type: None,
        origin: origin(),
        check: |_| {},
    }
}

impl Case {
    fn claims(&self) -> serde_json::Value {
        let (client, user) = (client(), user());
        let session = SessionId::parse("session-1").unwrap();
        let facts = UserTokenFacts {
            client: &client,
            user: &user.id,
            api: self.api.as_ref(),
            scope: ScopeSet::parse(self.scope).unwrap(),
            channel: self.channel,
            grant_type: self.grant_type,
            session: Some(&session),
            claims: vec!["email"],
            origin: &self.origin,
        };
        let token = user_access_token(facts, &moment());
        (self.check)(&token);
        match token {
            UserToken::Api(token) => serde_json::to_value(&token).unwrap(),
            UserToken::UserInfo(_) => serde_json::Value::Null,
        }
    }
}

#[test]
fn an_apis_token_speaks_for_the_person() {
    let claims = case().claims();
    let jti = TokenId::of_access_token(&moment());
    assert_eq!(
        claims,
        serde_json::json!({
            "iss": "https://localhost:8443/",
            "sub": "auth0|0123456789abcdef01234567",
            "aud": AUDIENCE,
            "iat": NOW.0,
            "exp": NOW.0 + 86_400,
            "scope": "geocode",
            "azp": "geocoding-worker",
            "jti": jti.as_str(),
        })
    );
}

#[test]
fn with_openid_the_audience_is_the_api_and_the_userinfo_endpoint_unless_hs256_signs() {
    for (algorithm, name) in SigningAlgorithm::ALL {
        for (scope, is_open_id) in
            [("openid geocode", true), ("openid", true), ("geocode", false), ("", false), ("profile", false)]
        {
            let mut case = Case { scope, ..case() };
            case.api.as_mut().unwrap().signing_algorithm = *algorithm;
            let both = is_open_id && *algorithm != SigningAlgorithm::Hs256;
            let expected = if both {
                serde_json::json!([AUDIENCE, "https://localhost:8443/userinfo"])
            } else {
                serde_json::json!(AUDIENCE)
            };
            assert_eq!(case.claims()["aud"], expected, "{name} {scope:?}");
        }
    }
}

#[test]
fn audiences_are_those_of_the_origin_that_was_called() {
    let mut case =
        Case { scope: "openid", origin: Origin::parse("http://localhost:8080").unwrap(), ..case() };
    case.api.as_mut().unwrap().identifier = ApiIdentifier::Management;
    let claims = case.claims();
    let expected = serde_json::json!(["http://localhost:8080/api/v2/", "http://localhost:8080/userinfo"]);
    assert_eq!(claims["aud"], expected);
    assert_eq!(claims["iss"], "http://localhost:8080/");
}

#[test]
fn gty_is_named_where_auth0_names_it() {
    for (grant_type, expected) in [(None, None), (Some("password"), Some("password"))] {
        let mut case = Case { grant_type, ..case() };
        assert_eq!(case.claims().get("gty").and_then(|gty| gty.as_str()), expected);
        case.api.as_mut().unwrap().token_dialect = TokenDialect::Rfc9068;
        let claims = case.claims();
        assert_eq!(claims.get("gty"), None);
        assert_eq!(claims["client_id"], "geocoding-worker");
        assert_eq!(claims.get("azp"), None);
    }
}

#[test]
fn the_front_channel_has_lifetimes_of_its_own() {
    let lifetime = |api: Option<ResourceServer>, channel, expected: fn(&UserToken<'_>)| {
        Case { api, channel, check: expected, ..case() }.claims();
    };
    lifetime(Some(resource_server()), Channel::TokenEndpoint, |token| {
        assert_eq!(token.lifetime(), Lifetime(86_400));
    });
    lifetime(Some(resource_server()), Channel::FrontChannel, |token| {
        assert_eq!(token.lifetime(), Lifetime(7200));
    });
    lifetime(None, Channel::TokenEndpoint, |token| assert_eq!(token.lifetime(), Lifetime(86_400)));
    lifetime(None, Channel::FrontChannel, |token| assert_eq!(token.lifetime(), Lifetime(7200)));
}

#[test]
fn without_an_api_the_token_is_for_the_userinfo_endpoint() {
    let case = Case {
        api: None,
        scope: "openid email",
        check: |token| {
            let UserToken::UserInfo(token) = token else { panic!("another token") };
            assert_eq!(token.user, user().id);
            assert_eq!(token.client, client().id);
            assert_eq!(token.scope.to_string(), "email openid");
            assert_eq!(token.claims, ["email"]);
            assert_eq!(token.issued_at, NOW);
            assert_eq!(token.expires_at(), UnixTime(NOW.0 + 86_400));
            assert_eq!(token.session.as_ref().map(SessionId::as_str), Some("session-1"));
        },
        ..case()
    };
    assert_eq!(case.claims(), serde_json::Value::Null);
}

fn token() -> UserInfoToken {
    UserInfoToken {
        user: user().id,
        client: client().id,
        scope: ScopeSet::parse("openid email").unwrap(),
        claims: vec!["name", "picture"],
        issued_at: NOW,
        lifetime: Lifetime(7200),
        session: Some(SessionId::parse("session-1").unwrap()),
    }
}

fn key() -> HandleKey {
    HandleKey::new(&[5; 32])
}

#[test]
fn a_sealed_token_is_read_back_under_its_key_at_its_origin_and_shows_nothing() {
    let text = seal_user_info_token(&token(), &key(), &origin(), &moment()).unwrap();
    assert_eq!(open_user_info_token(&text, &key(), &origin()), Some(token()));
    assert!(text.len() < 400 && !text.contains('.'), "{text}");
    assert_eq!(open_user_info_token(&text, &HandleKey::new(&[6; 32]), &origin()), None);
    let elsewhere = Origin::parse("http://localhost:8080").unwrap();
    assert_eq!(open_user_info_token(&text, &key(), &elsewhere), None);
    let short = UserInfoToken { session: None, claims: vec![], ..token() };
    let text = seal_user_info_token(&short, &key(), &origin(), &moment()).unwrap();
    assert_eq!(open_user_info_token(&text, &key(), &origin()), Some(short));
}

#[test]
fn ui_03_an_altered_token_is_none() {
    let text = seal_user_info_token(&token(), &key(), &origin(), &moment()).unwrap();
    for position in 0..text.len() {
        let mut tampered = text.clone().into_bytes();
        tampered[position] = if tampered[position] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        assert_eq!(open_user_info_token(&tampered, &key(), &origin()), None, "{position}");
    }
    // A handle of another kind, with the same bytes in it.
    let opened = key().open(HandleKind::UserInfo, &origin(), &text).unwrap();
    let flow = key().seal(HandleKind::Flow, &origin(), &moment(), "x", opened.expose()).unwrap();
    assert_eq!(open_user_info_token(&flow, &key(), &origin()), None);
}

#[test]
fn a_token_that_no_header_would_hold_is_not_made() {
    let scope: String = (0..1000).map(|n| format!("scope-number-{n} ")).collect();
    let token = UserInfoToken { scope: ScopeSet::parse(&scope).unwrap(), ..token() };
    let sealed = seal_user_info_token(&token, &key(), &origin(), &moment());
    assert_eq!(sealed, Err(SealFailure::TooLong));
}

proptest! {
    #[test]
    fn every_id_and_scope_survives_sealing(user in "[a-z0-9]{1,9}\\|[!-~]{1,40}", client in "[!-~]{1,40}", scope in "[!#-\\[\\]-~ ]{0,60}") {
        prop_assume!(UserId::parse(&user).is_ok());
        let token = UserInfoToken {
            user: UserId::parse(&user).unwrap(),
            client: ClientId::parse(&client).unwrap(),
            scope: ScopeSet::parse(&scope).unwrap(),
            ..token()
        };
        let text = seal_user_info_token(&token, &key(), &origin(), &moment()).unwrap();
        prop_assert_eq!(open_user_info_token(&text, &key(), &origin()), Some(token));
    }
}
