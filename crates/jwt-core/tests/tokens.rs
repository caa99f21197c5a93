//! Tokens signed are verified, and nothing else is (RFC 7515 §5, RFC 7519 §7).

#[cfg(test)]
mod common;

use common::*;
use jwt_core::{Algorithm, Refusal, Scratch, SignError, Signer, TokenType, Verifier};

#[derive(serde::Deserialize, Debug, PartialEq)]
struct Extra<'a> {
    scope: &'a str,
    azp: String,
    absent: Option<u8>,
}

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in available() {
        let token = signer(algorithm).sign(&claims()).unwrap();
        let mut scratch = Scratch::new();
        let verified = verifier(algorithm).verify::<Extra<'_>>(&token, NOW, &mut scratch).unwrap();
        assert_eq!(verified.issuer.as_deref(), Some(ISSUER), "{algorithm}");
        assert_eq!(verified.subject.as_deref(), Some("auth0|1"));
        assert!(verified.audience.contains(AUDIENCE));
        assert_eq!(
            (verified.expires_at, verified.not_before, verified.issued_at),
            (NOW + 86_400, None, Some(NOW))
        );
        assert_eq!(verified.jwt_id.as_deref(), Some("id-1"));
        assert_eq!(verified.extra, Extra { scope: "read write", azp: "client".into(), absent: None });
    }
}

#[test]
fn every_changed_character_is_refused() {
    for algorithm in available() {
        let token = signer(algorithm).sign(&claims()).unwrap();
        let verifier = verifier(algorithm);
        let mut scratch = Scratch::new();
        // All positions for the fast algorithms, a sample for the slow ones.
        let step = if is_hmac(algorithm) { 1 } else { 7 };
        for at in (0..token.len()).step_by(step) {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = match bytes[at] {
                b'.' => b'A',
                b'A' => b'B',
                _ => b'A',
            };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(verifier.verify::<()>(&changed, NOW, &mut scratch).is_err(), "{algorithm} at {at}");
        }
    }
}

#[test]
fn a_key_verifies_no_other_keys_tokens() {
    for algorithm in available() {
        let token = signer(algorithm).sign(&claims()).unwrap();
        for other in available().filter(|other| *other != algorithm) {
            let mut scratch = Scratch::new();
            let refused = verifier(other).verify::<()>(&token, NOW, &mut scratch);
            assert_eq!(refused.err(), Some(Refusal::AlgorithmMismatch), "{algorithm} {other}");
        }
    }
}

#[test]
fn the_header_has_its_members_in_order() {
    let signer = Signer::new(signing_key(Algorithm::EdDsa), TokenType::Jwt, Some("a\"b")).unwrap();
    let (header, payload) = jwt_core::dangerous_inspect(&signer.sign(&claims()).unwrap()).unwrap();
    assert_eq!(header, r#"{"alg":"EdDSA","typ":"JWT","kid":"a\"b"}"#);
    assert_eq!(payload, claims().to_string());
    let signer = Signer::new(signing_key(Algorithm::Hs256), TokenType::Other("x+jwt"), None).unwrap();
    let (header, _) = jwt_core::dangerous_inspect(&signer.sign(&claims()).unwrap()).unwrap();
    assert_eq!(header, r#"{"alg":"HS256","typ":"x+jwt"}"#);
}

#[test]
fn claims_that_are_no_object_are_not_signed() {
    let signer = signer(Algorithm::Hs256);
    assert_eq!(signer.sign("text"), Err(SignError::NotAnObject));
    assert_eq!(signer.sign(&[1, 2]), Err(SignError::NotAnObject));
    assert_eq!(signer.sign(&()), Err(SignError::NotAnObject));
    let mut out = String::from("Bearer ");
    assert_eq!(
        signer.sign_into(&std::collections::HashMap::from([((1, 2), 3)]), &mut out),
        Err(SignError::Claims)
    );
    assert_eq!(out, "Bearer ");
    signer.sign_into(&claims(), &mut out).unwrap();
    assert!(
        verifier(Algorithm::Hs256).verify::<()>(&out["Bearer ".len()..], NOW, &mut Scratch::new()).is_ok()
    );
}

#[test]
fn claims_larger_than_the_writers_buffer_survive() {
    for size in (450..540).chain([990, 1000, 1020, 1021, 1530, 2040, 5000]) {
        let claims = serde_json::json!({"exp": NOW + 1, "text": "x".repeat(size)});
        let token = signer(Algorithm::Hs256).sign(&claims).unwrap();
        let verifier = Verifier::builder(verifying_key(Algorithm::Hs256))
            .any_issuer_dangerous()
            .any_audience_dangerous()
            .token_type(TokenType::AccessToken)
            .build();
        let mut scratch = Scratch::new();
        let verified = verifier.verify::<serde_json::Value>(&token, NOW, &mut scratch).unwrap();
        assert_eq!(verified.extra, claims);
    }
}

/// The token printed in Auth0's documentation of access tokens.
const PAGE_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuYXV0aDAuY29tLyIsImF1ZCI6Imh0dHBzOi8vYXBpLmV4YW1wbGUuY29tL2NhbGFuZGFyL3YxLyIsInN1YiI6InVzcl8xMjMiLCJpYXQiOjE0NTg3ODU3OTYsImV4cCI6MTQ1ODg3MjE5Nn0.CA7eaHjIHz5NxeIJoFK9krqaeZrPLwmMmgI_XiQiIkQ";

#[derive(serde::Serialize)]
struct PageClaims {
    iss: &'static str,
    aud: &'static str,
    sub: &'static str,
    iat: u64,
    exp: u64,
}

#[test]
fn the_documented_token_verifies_only_when_its_short_key_is_allowed() {
    use jwt_core::{KeyError, SigningKey, VerifyingKey};
    let secret = b"keyboardcat";
    assert_eq!(VerifyingKey::from_secret(Algorithm::Hs256, secret).err(), Some(KeyError::TooShort));
    assert_eq!(SigningKey::from_secret(Algorithm::Hs256, secret).err(), Some(KeyError::TooShort));
    let key = VerifyingKey::dangerous_from_short_secret(Algorithm::Hs256, secret).unwrap();
    let verifier = Verifier::builder(key)
        .issuer("https://example.auth0.com/")
        .audience("https://api.example.com/calandar/v1/")
        .token_type(TokenType::Jwt)
        .build();
    let mut scratch = Scratch::new();
    let claims = verifier.verify::<()>(PAGE_TOKEN, 1_458_785_796, &mut scratch).unwrap();
    assert_eq!(claims.subject.as_deref(), Some("usr_123"));
    assert_eq!(claims.expires_at - claims.issued_at.unwrap(), 86_400);
    assert_eq!(verifier.verify::<()>(PAGE_TOKEN, 1_458_872_196, &mut scratch).err(), Some(Refusal::Expired));
    assert!(verifier.verify::<()>(PAGE_TOKEN, 1_458_872_195, &mut scratch).is_ok());

    let key = SigningKey::dangerous_from_short_secret(Algorithm::Hs256, secret).unwrap();
    let signed = Signer::new(key, TokenType::Jwt, None).unwrap().sign(&PageClaims {
        iss: "https://example.auth0.com/",
        aud: "https://api.example.com/calandar/v1/",
        sub: "usr_123",
        iat: 1_458_785_796,
        exp: 1_458_872_196,
    });
    assert_eq!(signed.unwrap(), PAGE_TOKEN);
}

/// Verifies a token of these claims (and an `exp`) into a type of the caller's.
#[cfg(test)]
fn extension<X: for<'de> serde::Deserialize<'de>>(mut claims: serde_json::Value) -> Result<X, Refusal> {
    claims["exp"] = (NOW + 1).into();
    let token = signer(Algorithm::Hs256).sign(&claims).unwrap();
    let verifier = Verifier::builder(verifying_key(Algorithm::Hs256))
        .any_issuer_dangerous()
        .any_audience_dangerous()
        .token_type(TokenType::AccessToken)
        .build();
    let mut scratch = Scratch::new();
    let verified = verifier.verify::<X>(&token, NOW, &mut scratch)?;
    Ok(verified.into_owned().into_inner().extra)
}

#[test]
fn other_claims_deserialize_into_any_type() {
    use serde::Deserialize;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Low,
        High(u8),
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Address {
        city: String,
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Name(String);
    #[derive(Deserialize, Debug, PartialEq)]
    struct All {
        text: String,
        name: Name,
        number: i64,
        ratio: f64,
        flag: bool,
        nothing: Option<u8>,
        something: Option<u8>,
        absent: Option<u8>,
        list: Vec<String>,
        pair: (u8, char),
        level: Level,
        other_level: Level,
        address: Address,
        unit: (),
        exp: u64,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    let claims = json!({
        "text": "a\"b\u{1f600}\\", "name": "n", "number": -5, "ratio": 0.5, "flag": true, "nothing": null, "something": 3,
        "list": ["x", "y\n"], "pair": [1, "c"], "level": "low", "other_level": {"high": 2}, "address": {"city": "Basel"},
        "unit": null, "https://example.com/roles": ["admin"], "we\"ird": 1,
    });
    let all = extension::<All>(claims.clone()).unwrap();
    assert_eq!((&*all.text, &*all.name.0, all.number, all.ratio), ("a\"b\u{1f600}\\", "n", -5, 0.5));
    assert_eq!((all.flag, all.nothing, all.something, all.absent), (true, None, Some(3), None));
    assert_eq!((all.list, all.pair), (vec!["x".into(), "y\n".into()], (1, 'c')));
    assert_eq!(
        (all.level, all.other_level, all.address.city.as_str()),
        (Level::Low, Level::High(2), "Basel")
    );
    assert_eq!((all.unit, all.exp), ((), NOW + 1));
    assert_eq!(
        all.rest,
        BTreeMap::from([
            ("https://example.com/roles".into(), json!(["admin"])),
            ("we\"ird".into(), json!(1))
        ])
    );

    #[derive(Deserialize)]
    struct Wrapped(BTreeMap<String, Value>);
    assert_eq!(extension::<Option<Wrapped>>(claims.clone()).unwrap().unwrap().0["number"], json!(-5));
    assert_eq!(extension::<Value>(claims.clone()).unwrap()["address"], claims["address"]);
    extension::<serde::de::IgnoredAny>(claims).unwrap();
    for wrong in [json!({"text": 1}), json!({"text": null}), json!({})] {
        #[derive(Deserialize, Debug)]
        struct Text {
            #[serde(rename = "text")]
            _text: String,
        }
        assert_eq!(extension::<Text>(wrong).err(), Some(Refusal::ExtensionClaims));
    }
}
