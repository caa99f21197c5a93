//! Keys and tokens that the tests share.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses some of it")]

use jwt_core::{Algorithm, Signer, SigningKey, TokenType, Verifier, VerifyingKey};

pub(crate) const ISSUER: &str = "https://issuer.example/";
pub(crate) const AUDIENCE: &str = "https://api.example/";
pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Every algorithm the backend has.
pub(crate) fn available() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| algorithm.is_available())
}

pub(crate) fn pkcs8_pem(algorithm: Algorithm) -> &'static str {
    match algorithm.name() {
        "ES256" => include_str!("../keys/p256.pk8.pem"),
        "ES384" => include_str!("../keys/p384.pk8.pem"),
        "ES512" => include_str!("../keys/p521.pk8.pem"),
        "EdDSA" => include_str!("../keys/ed25519.pk8.pem"),
        _ => include_str!("../keys/rsa2048.pk8.pem"),
    }
}

pub(crate) fn spki_pem(algorithm: Algorithm) -> &'static str {
    match algorithm.name() {
        "ES256" => include_str!("../keys/p256.spki.pem"),
        "ES384" => include_str!("../keys/p384.spki.pem"),
        "ES512" => include_str!("../keys/p521.spki.pem"),
        "EdDSA" => include_str!("../keys/ed25519.spki.pem"),
        _ => include_str!("../keys/rsa2048.spki.pem"),
    }
}

pub(crate) fn is_hmac(algorithm: Algorithm) -> bool {
    algorithm.name().starts_with("HS")
}

pub(crate) fn signing_key(algorithm: Algorithm) -> SigningKey {
    if is_hmac(algorithm) {
        SigningKey::from_secret(algorithm, SECRET).unwrap()
    } else {
        SigningKey::from_pem(algorithm, pkcs8_pem(algorithm)).unwrap()
    }
}

pub(crate) fn verifying_key(algorithm: Algorithm) -> VerifyingKey {
    if is_hmac(algorithm) {
        VerifyingKey::from_secret(algorithm, SECRET).unwrap()
    } else {
        VerifyingKey::from_pem(algorithm, spki_pem(algorithm)).unwrap()
    }
}

pub(crate) fn signer(algorithm: Algorithm) -> Signer {
    Signer::new(signing_key(algorithm), TokenType::AccessToken, Some("key-1")).unwrap()
}

pub(crate) fn verifier(algorithm: Algorithm) -> Verifier {
    Verifier::builder(verifying_key(algorithm).with_key_id("key-1"))
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::AccessToken)
        .build()
}

pub(crate) fn claims() -> serde_json::Value {
    serde_json::json!({
        "iss": ISSUER, "sub": "auth0|1", "aud": AUDIENCE, "azp": "client", "scope": "read write",
        "iat": NOW, "exp": NOW + 86_400, "jti": "id-1",
    })
}
