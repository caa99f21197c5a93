//! Which tokens an API accepts (RFC 9068 §4, RFC 8725 §3.11).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use jwt_core::{Algorithm, Jwk, JwkSet, KeyError, Refusal, Signer, SigningKey, TokenType};
use resource_server::{
    AccessToken, AccessTokenVerifier, Denial, Expectations, LONGEST, ScopeSet, TokenRefusal, authorize,
};
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example/";
const AUDIENCE: &str = "https://api.example.com/geocoding/v1/";
const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"a shared secret of 32 bytes long";

/// An issuer's key with its signers of both dialects.
struct Issuer {
    key: SigningKey,
}

impl Issuer {
    fn new(algorithm: Algorithm) -> Self {
        Self { key: SigningKey::generate(algorithm).unwrap().key().clone() }
    }

    fn jwk(&self) -> Jwk {
        self.key.verifying_key().to_jwk(Some("key-1")).unwrap()
    }

    fn keys(&self) -> JwkSet {
        JwkSet::parse(&JwkSet::from_keys([self.jwk()]).to_json()).unwrap()
    }

    fn sign(&self, typ: TokenType, claims: &Value) -> String {
        Signer::new(self.key.clone(), typ, Some("key-1")).unwrap().sign(claims).unwrap()
    }

    fn verifier(&self) -> AccessTokenVerifier {
        expectations(&[self.key.algorithm()]).with_keys(&self.keys()).unwrap()
    }
}

fn expectations(algorithms: &[Algorithm]) -> Expectations {
    Expectations::new(ISSUER, AUDIENCE, algorithms)
}

fn auth0_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "geocoding-worker@clients", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 86_400,
        "azp": "geocoding-worker", "gty": "client-credentials", "scope": "geocode",
    })
}

fn rfc9068_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "auth0|1", "aud": [AUDIENCE, "https://issuer.example/userinfo"], "iat": NOW,
        "exp": NOW + 60, "client_id": "app", "jti": "1", "scope": "openid geocode", "auth_time": NOW - 5,
        "permissions": ["geocode"],
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

fn verify(issuer: &Issuer, typ: TokenType, claims: &Value) -> Result<AccessToken, TokenRefusal> {
    issuer.verifier().verify(&issuer.sign(typ, claims), NOW)
}

/// The token with one character in the middle of one of its three parts changed.
fn tampered(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let at = parts[part].len() / 2;
    let other = if &parts[part][at..=at] == "A" { "B" } else { "A" };
    parts[part].replace_range(at..=at, other);
    parts.join(".")
}

//= RFC 9068 §4
#[test]
fn both_dialects_are_accepted_and_say_the_same() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let issuer = Issuer::new(algorithm);
        let token = verify(&issuer, TokenType::Jwt, &auth0_claims()).unwrap();
        assert_eq!(token.subject, "geocoding-worker@clients");
        assert_eq!(token.client_id.as_deref(), Some("geocoding-worker"));
        assert_eq!(token.grant_type.as_deref(), Some("client-credentials"));
        assert_eq!((token.expires_at, token.issued_at), (NOW + 86_400, Some(NOW)));
        assert!(token.scope.contains("geocode") && token.permissions.is_none());

        let token = verify(&issuer, TokenType::AccessToken, &rfc9068_claims()).unwrap();
        assert_eq!(token.client_id.as_deref(), Some("app"));
        assert_eq!(token.token_id.as_deref(), Some("1"));
        assert_eq!(token.permissions.as_deref(), Some(&["geocode".to_owned()][..]));
        assert_eq!(token.scope.to_string(), "geocode openid");
    }
}

#[test]
fn a_token_is_accepted_and_no_tampered_one_is() {
    let issuer = Issuer::new(Algorithm::Es256);
    let token = issuer.sign(TokenType::Jwt, &auth0_claims());
    assert!(issuer.verifier().verify(&token, NOW).is_ok());
    for part in 0..3 {
        let refusal = issuer.verifier().verify(&tampered(&token, part), NOW).unwrap_err();
        assert!(matches!(refusal, TokenRefusal::Token(_)), "{part}: {refusal}");
    }
    assert_eq!(issuer.verifier().verify(&tampered(&token, 1), NOW), Err(Refusal::BadSignature.into()));
}

//= RFC 9068 §4, JW-19
#[test]
fn another_issuer_or_audience_is_refused_byte_for_byte() {
    let issuer = Issuer::new(Algorithm::Es256);
    for other in ["https://issuer.example", "https://ISSUER.example/", "http://issuer.example/", ""] {
        let claims = with(auth0_claims(), "iss", json!(other));
        assert_eq!(verify(&issuer, TokenType::Jwt, &claims), Err(Refusal::WrongIssuer.into()), "{other}");
    }
    for other in [
        json!("https://api.example.com/geocoding/v1"),
        json!("api.calendar"),
        json!([]),
        json!(["api.calendar", "https://issuer.example/userinfo"]),
        json!(""),
    ] {
        let claims = with(auth0_claims(), "aud", other.clone());
        assert_eq!(verify(&issuer, TokenType::Jwt, &claims), Err(Refusal::WrongAudience.into()), "{other}");
    }
    for name in ["iss", "aud", "exp"] {
        let refusal = verify(&issuer, TokenType::Jwt, &without(auth0_claims(), name));
        assert_eq!(refusal, Err(Refusal::MissingClaim(name).into()));
    }
    assert_eq!(
        verify(&issuer, TokenType::Jwt, &without(auth0_claims(), "sub")),
        Err(TokenRefusal::MissingClaim("sub"))
    );
}

//= RFC 7519 §4.1.4, JW-18
#[test]
fn a_token_ends_when_its_exp_is_now_and_leeway_moves_that() {
    let issuer = Issuer::new(Algorithm::Es256);
    let token = issuer.sign(TokenType::Jwt, &with(auth0_claims(), "exp", json!(NOW + 1)));
    let strict = issuer.verifier();
    let lenient = expectations(&[Algorithm::Es256]).leeway_seconds(10).with_keys(&issuer.keys()).unwrap();
    for (verifier, at, good) in [
        (&strict, NOW, true),
        (&strict, NOW + 1, false),
        (&strict, NOW - 1, false),
        (&lenient, NOW + 10, true),
        (&lenient, NOW + 11, false),
        (&lenient, NOW - 10, true),
        (&lenient, NOW - 11, false),
    ] {
        assert_eq!(verifier.verify(&token, at).is_ok(), good, "{at}");
    }
}

//= RFC 9068 §5, JW-20, UI-06
#[test]
fn an_id_token_is_refused() {
    let issuer = Issuer::new(Algorithm::Es256);
    // What an ID token looks like: for a client, of type JWT.
    let id_token = json!({
        "iss": ISSUER, "sub": "auth0|1", "aud": "calendar-web", "iat": NOW, "exp": NOW + 36_000, "nonce": "n",
    });
    assert_eq!(verify(&issuer, TokenType::Jwt, &id_token), Err(Refusal::WrongAudience.into()));
    // Even when a client is called like the API.
    for name in ["nonce", "at_hash", "c_hash", "s_hash"] {
        let claims = with(auth0_claims(), name, json!("x"));
        let refusal = verify(&issuer, TokenType::Jwt, &claims);
        assert_eq!(refusal, Err(TokenRefusal::NotAnAccessToken(name)));
    }
}

//= RFC 8725 §3.11, JW-20
#[test]
fn a_logout_token_and_other_types_are_refused() {
    let issuer = Issuer::new(Algorithm::Es256);
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let claims = with(auth0_claims(), "events", events);
    let refusal = verify(&issuer, TokenType::Jwt, &claims);
    assert_eq!(refusal, Err(TokenRefusal::NotAnAccessToken("events")));
    for typ in [TokenType::LogoutToken, TokenType::Other("dpop+jwt"), TokenType::Other("id+jwt")] {
        assert_eq!(verify(&issuer, typ, &auth0_claims()), Err(Refusal::WrongType.into()), "{typ:?}");
    }
}

//= RFC 9068 §2.2, §4
#[test]
fn an_api_for_rfc9068_alone_refuses_the_other_dialect_and_missing_claims() {
    let issuer = Issuer::new(Algorithm::Es256);
    let strict = expectations(&[Algorithm::Es256]).rfc9068_only().with_keys(&issuer.keys()).unwrap();
    let verify = |typ, claims: &Value| strict.verify(&issuer.sign(typ, claims), NOW);
    assert!(verify(TokenType::AccessToken, &rfc9068_claims()).is_ok());
    assert_eq!(verify(TokenType::Jwt, &rfc9068_claims()), Err(Refusal::WrongType.into()));
    for name in ["client_id", "iat", "jti", "sub"] {
        let refusal = verify(TokenType::AccessToken, &without(rfc9068_claims(), name));
        assert_eq!(refusal, Err(TokenRefusal::MissingClaim(name)));
    }
}

//= RFC 9449 §7.1
#[test]
fn a_token_bound_to_a_key_is_no_bearer_token() {
    let issuer = Issuer::new(Algorithm::Es256);
    for bound in [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({})] {
        let claims = with(rfc9068_claims(), "cnf", bound);
        let refusal = verify(&issuer, TokenType::AccessToken, &claims);
        assert_eq!(refusal, Err(TokenRefusal::SenderConstrained));
    }
}

//= RFC 8725 §3.1, RFC 8725 §3.2
#[test]
fn an_algorithm_that_the_api_was_not_configured_with_is_refused() {
    let (ours, other) = (Issuer::new(Algorithm::Es256), Issuer::new(Algorithm::EdDsa));
    let both = JwkSet::from_keys([ours.jwk(), other.key.verifying_key().to_jwk(Some("key-2")).unwrap()]);
    let verifier = expectations(&[Algorithm::Es256]).with_keys(&both).unwrap();
    assert!(verifier.verify(&ours.sign(TokenType::Jwt, &auth0_claims()), NOW).is_ok());
    let signer = Signer::new(other.key.clone(), TokenType::Jwt, Some("key-2")).unwrap();
    let token = signer.sign(&auth0_claims()).unwrap();
    assert_eq!(verifier.verify(&token, NOW), Err(Refusal::UnknownKey.into()));
    let either = expectations(&[Algorithm::Es256, Algorithm::EdDsa]).with_keys(&both).unwrap();
    assert!(either.verify(&token, NOW).is_ok());
    let none = expectations(&[]).with_keys(&both).unwrap();
    assert!(none.verify(&token, NOW).is_err());
}

//= RFC 7518 §3.2
#[test]
fn a_shared_secret_verifies_hs256_and_nothing_else() {
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    // The seed's HS256 tokens have no key id.
    let token = Signer::new(key, TokenType::Jwt, None).unwrap().sign(&auth0_claims()).unwrap();
    let verifier = expectations(&[Algorithm::Hs256]).with_secret(SECRET).unwrap();
    assert!(verifier.verify(&token, NOW).is_ok());
    assert_eq!(verifier.verify(&tampered(&token, 1), NOW), Err(Refusal::BadSignature.into()));
    let other = expectations(&[Algorithm::Hs256]).with_secret(b"another secret of 32 bytes long!").unwrap();
    assert_eq!(other.verify(&token, NOW), Err(Refusal::BadSignature.into()));
    assert_eq!(expectations(&[Algorithm::Hs256]).with_secret(b"short").err(), Some(KeyError::TooShort));
    assert_eq!(
        expectations(&[Algorithm::Rs256]).with_secret(SECRET).err(),
        Some(KeyError::AlgorithmMismatch)
    );
    assert_eq!(expectations(&[]).with_secret(SECRET).err(), Some(KeyError::AlgorithmMismatch));
}

//= JW-02
#[test]
fn a_token_macked_with_the_text_of_the_public_key_is_refused() {
    let issuer = Issuer::new(Algorithm::Es256);
    let secret = issuer.jwk().to_json();
    let Ok(forged) = SigningKey::dangerous_from_short_secret(Algorithm::Hs256, secret.as_bytes()) else {
        // Not even the forger's own key can be made of such a text.
        return assert_eq!(
            SigningKey::dangerous_from_short_secret(Algorithm::Hs256, secret.as_bytes()).err(),
            Some(KeyError::SecretIsAKey)
        );
    };
    let token = Signer::new(forged, TokenType::Jwt, Some("key-1")).unwrap().sign(&auth0_claims()).unwrap();
    assert_eq!(issuer.verifier().verify(&token, NOW), Err(Refusal::AlgorithmMismatch.into()));
}

#[test]
fn a_scope_claim_that_is_no_scope_is_refused() {
    let issuer = Issuer::new(Algorithm::Es256);
    for bad in [json!("a\"b"), json!(["geocode"]), json!(7)] {
        let claims = with(auth0_claims(), "scope", bad.clone());
        assert!(verify(&issuer, TokenType::Jwt, &claims).is_err(), "{bad}");
    }
    let token = verify(&issuer, TokenType::Jwt, &without(auth0_claims(), "scope")).unwrap();
    assert!(token.scope.is_empty());
}

//= RFC 6750 §3.1, UI-04
#[test]
fn a_request_is_let_in_with_every_required_scope_only() {
    let issuer = Issuer::new(Algorithm::Es256);
    let header = format!("Bearer {}", issuer.sign(TokenType::Jwt, &auth0_claims()));
    let call = |required: &str, at: u64| {
        let required = ScopeSet::parse(required).unwrap();
        authorize([header.as_bytes()], &issuer.verifier(), &required, at).map(|token| token.subject)
    };
    assert_eq!(call("", NOW).as_deref(), Ok("geocoding-worker@clients"));
    assert_eq!(call("geocode", NOW).as_deref(), Ok("geocoding-worker@clients"));
    let required = ScopeSet::parse("geocode admin").unwrap();
    assert_eq!(call("geocode admin", NOW), Err(Denial::InsufficientScope(required)));
    // An expired token hears nothing about scopes.
    assert_eq!(call("admin", NOW + 90_000), Err(Denial::InvalidToken(Refusal::Expired.into())));
}

//= RFC 7515 §7.1, UI-06
#[test]
fn what_is_no_signed_jwt_is_refused() {
    let issuer = Issuer::new(Algorithm::Es256);
    let token = issuer.sign(TokenType::Jwt, &auth0_claims());
    let (head, signature) = token.rsplit_once('.').unwrap();
    for text in [
        "KBSxkmG-OcpA6-cg",
        "v1.MTIzNDU2Nzg5MDEyMzQ1Njc4OTA",
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc",
        "..",
        head,
        &format!("{head}."),
        &format!("{head}.{signature}."),
        &format!("{head}.{signature}="),
    ] {
        let refusal = issuer.verifier().verify(text, NOW).unwrap_err();
        assert!(matches!(refusal, TokenRefusal::Token(_)), "{text}: {refusal}");
    }
}

//= RFC 8725 §3.2, JW-01
#[test]
fn an_unsigned_token_is_refused() {
    let issuer = Issuer::new(Algorithm::Es256);
    let token = issuer.sign(TokenType::Jwt, &auth0_claims());
    let claims = token.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}, also with the key's id.
    for header in
        ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoia2V5LTEifQ"]
    {
        for signature in ["", "AA"] {
            assert!(issuer.verifier().verify(&format!("{header}.{claims}.{signature}"), NOW).is_err());
        }
    }
}

#[test]
fn a_token_longer_than_the_limit_is_refused_unread() {
    let issuer = Issuer::new(Algorithm::Es256);
    let token = "a".repeat(LONGEST + 1);
    assert_eq!(issuer.verifier().verify(&token, NOW), Err(Refusal::TooLarge.into()));
}
