//! Correctly signed nonsense, here and in `jsonwebtoken`: each disagreement must have a known reason (RFC 7519 §7.2).
//!
//! The input is a header, a zero byte and a payload. Both libraries get the HS256 token made of them, with the
//! strictest settings `jsonwebtoken` has. A payload that is an object is also signed here as claims, which must write
//! the JSON that serde_json writes.
#![no_main]

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_core::{Algorithm, Refusal, Scratch, Signer, SigningKey, TokenType, Verifier, VerifyingKey};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

const SECRET: [u8; 32] = [7; 32];

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let key = SigningKey::from_secret(Algorithm::Hs256, &SECRET).expect("a long secret");
    Signer::new(key, TokenType::Jwt, None).expect("no key id")
});

/// Signs the payload as claims and compares what was written.
fn check_claims_writer(payload: &[u8]) {
    let Ok(claims @ Value::Object(_)) = serde_json::from_slice(payload) else { return };
    let token = SIGNER.sign(&claims).expect("an object");
    let expected = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).expect("JSON"));
    assert_eq!(token.split('.').nth(1), Some(&*expected));
}

/// An object without its values, and whether it names a member twice.
struct Names {
    repeats: bool,
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
                let mut seen = HashSet::new();
                let mut repeats = false;
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    repeats |= !seen.insert(name);
                }
                Ok(Names { repeats })
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

fn repeats(json: &str) -> bool {
    serde_json::from_str::<Names>(json).is_ok_and(|names| names.repeats)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Header members that `jsonwebtoken` deserializes and does not use.
const PARSED_BY_JSONWEBTOKEN: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "url", "nonce"];

/// Reasons why a token that `jsonwebtoken` takes is malformed here.
fn is_malformed(header: &Value, payload: &Value, texts: [&str; 2]) -> bool {
    let not_text = |value: &Value, name: &str| value.get(name).is_some_and(|value| !value.is_string());
    let not_date = |name: &str| {
        payload.get(name).is_some_and(|value| {
            // Beyond 2^53, negative, or in a notation with an exponent (serde_json shows those as floats).
            !value.as_f64().is_some_and(|number| (0.0..9_007_199_254_740_992.0).contains(&number))
                || (value.as_u64().is_none() && texts[1].contains(['e', 'E']))
                || texts[1].contains("-0")
        })
    };
    let wrong_audience = payload.get("aud").is_some_and(|aud| match aud {
        Value::String(_) => false,
        Value::Array(all) => !all.iter().all(Value::is_string),
        _ => true,
    });
    texts.into_iter().any(repeats)
        || depth(header).max(depth(payload)) > 32
        || ["alg", "typ", "kid"].into_iter().any(|name| not_text(header, name))
        || ["iss", "sub", "jti"].into_iter().any(|name| not_text(payload, name))
        || ["exp", "nbf", "iat"].into_iter().any(not_date)
        || wrong_audience
}

fuzz_target!(|input: &[u8]| {
    let Some(split) = input.iter().position(|byte| *byte == 0) else { return };
    let (header, payload) = (&input[..split], &input[split + 1..]);
    check_claims_writer(payload);
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &SECRET);
    let tag = ring::hmac::sign(&key, token.as_bytes());
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(tag));

    let verifier = Verifier::builder(VerifyingKey::from_secret(Algorithm::Hs256, &SECRET).expect("a long secret"))
        .issuer("i")
        .audience("a")
        .any_token_type_dangerous()
        .build();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut scratch = Scratch::new();
    let ours = verifier.verify::<Value>(&token, now, &mut scratch);

    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_issuer(&["i"]);
    validation.set_audience(&["a"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    validation.leeway = 0;
    let secret = jsonwebtoken::DecodingKey::from_secret(&SECRET);
    let theirs = jsonwebtoken::decode::<Value>(&token, &secret, &validation);

    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours.extra, theirs.claims);
            assert_eq!(ours.issuer.as_deref(), theirs.claims["iss"].as_str());
            assert_eq!(ours.subject.as_deref(), theirs.claims.get("sub").and_then(Value::as_str));
        }
        (Err(_), Err(_)) => {}
        (Ok(ours), Err(error)) => {
            // The clock of jsonwebtoken is the system's, and may have ticked in between.
            let close = ours.expires_at.abs_diff(now) < 3 || ours.not_before.is_some_and(|nbf| nbf.abs_diff(now) < 3);
            // It parses header members that nothing depends on, and fails where they are odd; here they are
            // skipped unread.
            let header: Value = serde_json::from_slice(header).unwrap_or_default();
            let parsed = PARSED_BY_JSONWEBTOKEN.iter().any(|name| header.get(name).is_some());
            let parsed = parsed && matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_));
            assert!(close || parsed, "accepted here only: {error:?}\n{token}");
        }
        (Err(refusal), Ok(theirs)) => {
            let texts = [header, payload].map(|bytes| str::from_utf8(bytes).unwrap_or_default());
            let header: Value = serde_json::from_str(texts[0]).unwrap_or_default();
            let has = |names: &[&str]| names.iter().any(|name| header.get(name).is_some());
            let explained = match refusal {
                Refusal::CriticalHeader => has(&["crit", "b64"]),
                Refusal::UnsupportedHeader => has(&["zip", "enc", "cty"]),
                Refusal::TooLarge => token.len() > 8 * 1024,
                Refusal::IssuedInFuture => theirs.claims["iat"].as_f64().is_some_and(|iat| iat > now as f64),
                Refusal::Expired => theirs.claims["exp"].as_f64().is_some_and(|exp| exp < now as f64 + 3.0),
                Refusal::Malformed => is_malformed(&header, &theirs.claims, texts),
                _ => false,
            };
            assert!(explained, "refused here only: {refusal:?}\n{}\n{}", texts[0], texts[1]);
        }
    }
});
