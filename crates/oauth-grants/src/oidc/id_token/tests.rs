//! ID tokens, signed and read back (OpenID Connect Core 1.0 §2, §3.1.3.6).

use jwt_core::{Algorithm, Scratch, SigningKey, Verifier};
use records::{ScopeSet, UpdatedAt, User};
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{CLIENT, NOW, client, origin, user};

fn hs256() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, b"0123456789abcdef0123456789abcdef").unwrap()
}

/// Hands an ID token to a test, with everything in it.
fn with_id_token<R>(scope: &str, test: impl FnOnce(IdToken<'_>) -> R) -> R {
    let (client, user, session) = (client(), user(), SessionId::parse("session-1").unwrap());
    let claims = UserClaims::of_id_token(&user, &ScopeSet::parse(scope).unwrap(), None, UpdatedAt::Numeric);
    test(IdToken {
        issuer: origin().issuer(),
        user: &user.id,
        client: &client.id,
        issued_at: NOW,
        lifetime: client.id_token_lifetime,
        nonce: Some("n-0S6_WzA2Mj"),
        at_hash: Some(left_half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y")),
        c_hash: Some(left_half_hash("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk")),
        auth_time: Some(UnixTime(NOW.0 - 5)),
        session: Some(&session),
        methods: &[AuthenticationMethod::Password],
        claims,
        signing_algorithm: SigningAlgorithm::Hs256,
    })
}

//= OpenID Connect Core 1.0 §2
#[test]
fn oidc_core_01_the_claims_are_those_of_the_standard() {
    with_id_token("openid email", |token| {
        assert_eq!(
            serde_json::to_value(&token).unwrap(),
            json!({
                "email": "ada@example.com",
                "email_verified": true,
                "iss": "https://localhost:8443/",
                "sub": "auth0|0123456789abcdef01234567",
                "aud": CLIENT,
                "iat": NOW.0,
                "exp": NOW.0 + 36_000,
                "nonce": "n-0S6_WzA2Mj",
                "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
                "c_hash": "LDktKdoQak3Pk0cnXxCltA",
                "auth_time": NOW.0 - 5,
                "sid": "session-1",
                "amr": ["pwd"],
            })
        );
        let bare = IdToken {
            nonce: None,
            at_hash: None,
            c_hash: None,
            auth_time: None,
            session: None,
            methods: &[],
            ..token
        };
        let claims = serde_json::to_value(&bare).unwrap();
        let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["aud", "email", "email_verified", "exp", "iat", "iss", "sub"]);
    });
}

/// The hashes of the examples in OpenID Connect Core 1.0 §A.3, §A.4 and §A.6.
//= OpenID Connect Core 1.0 §3.1.3.6
//= OpenID Connect Core 1.0 §3.3.2.11
#[test]
fn oidc_core_07_half_hashes_agree_with_the_standards_examples() {
    for (text, expected) in [
        ("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"),
        ("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"),
    ] {
        assert_eq!(left_half_hash(text).as_str(), expected);
        for position in 0..text.len() {
            let mut tampered = text.to_owned().into_bytes();
            tampered[position] ^= 1;
            let tampered = String::from_utf8(tampered).unwrap();
            assert_ne!(left_half_hash(&tampered).as_str(), expected, "{position}");
        }
    }
}

#[test]
fn oidc_core_09_a_long_nonce_comes_back_to_the_letter() {
    // AZ-19
    let nonce = "\u{e9}\"\\\n".repeat(96);
    with_id_token("openid", |token| {
        let claims = serde_json::to_value(IdToken { nonce: Some(&nonce), ..token }).unwrap();
        assert_eq!(claims["nonce"], nonce);
    });
}

#[test]
fn tk_16_profile_text_cannot_take_a_protected_claims_place() {
    let mut person: User = user();
    person.profile.name = Some(r#"x","iss":"https://evil.example/","sub":"admin"#.to_owned());
    with_id_token("openid profile", |token| {
        let claims =
            UserClaims::of_id_token(&person, &ScopeSet::parse("profile").unwrap(), None, UpdatedAt::Numeric);
        let text = serde_json::to_string(&IdToken { claims, ..token }).unwrap();
        let claims: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(claims["iss"], "https://localhost:8443/");
        assert_eq!(claims["sub"], "auth0|0123456789abcdef01234567");
        for name in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
            assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name}");
        }
    });
}

#[test]
fn an_id_token_verifies_with_its_key_for_its_client_and_not_otherwise() {
    with_id_token("openid", |token| {
        let signer = Signer::new(hs256(), TOKEN_TYPE, None).unwrap();
        let text = sign_id_token(&token, &signer).unwrap();
        let verifier = |audience: &str| {
            let key = hs256().verifying_key();
            Verifier::builder(key)
                .issuer("https://localhost:8443/")
                .audience(audience)
                .token_type(TOKEN_TYPE)
                .build()
        };
        let mut scratch = Scratch::default();
        assert!(verifier(CLIENT).verify::<serde::de::IgnoredAny>(&text, NOW.0, &mut scratch).is_ok());
        for audience in ["someone-else", "https://localhost:8443/userinfo"] {
            // UI-06: an ID token is nobody's access token.
            assert!(verifier(audience).verify::<serde::de::IgnoredAny>(&text, NOW.0, &mut scratch).is_err());
        }
        let mut tampered = text.clone().into_bytes();
        let middle = text.find('.').unwrap() + 20;
        tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        assert!(verifier(CLIENT).verify::<serde::de::IgnoredAny>(&tampered, NOW.0, &mut scratch).is_err());
    });
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn an_rs256_id_token_names_its_key() {
    with_id_token("openid", |token| {
        let key = SigningKey::generate(Algorithm::Rs256).unwrap().key().clone();
        let signer = Signer::new(key.clone(), TOKEN_TYPE, Some("key-1")).unwrap();
        let token = IdToken { signing_algorithm: SigningAlgorithm::Rs256, ..token };
        let text = sign_id_token(&token, &signer).unwrap();
        let header = URL_SAFE_NO_PAD.decode(text.split('.').next().unwrap()).unwrap();
        assert_eq!(header, br#"{"alg":"RS256","typ":"JWT","kid":"key-1"}"#);
        let verifier = Verifier::builder(key.verifying_key())
            .issuer("https://localhost:8443/")
            .audience(CLIENT)
            .token_type(TOKEN_TYPE)
            .build();
        assert!(verifier.verify::<serde::de::IgnoredAny>(&text, NOW.0, &mut Scratch::default()).is_ok());
    });
}

#[test]
fn a_signer_of_another_algorithm_is_refused() {
    with_id_token("openid", |token| {
        let es256 = SigningKey::generate(Algorithm::Es256).unwrap().key().clone();
        let signer = Signer::new(es256, TOKEN_TYPE, Some("key-1")).unwrap();
        for algorithm in ALGORITHMS_SUPPORTED {
            let token = IdToken { signing_algorithm: *algorithm, ..token.clone() };
            assert_eq!(sign_id_token(&token, &signer), Err(IssueFailure::OtherAlgorithm));
        }
    });
}
