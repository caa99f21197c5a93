//! Tests that need what the crate does not show: forged tokens and bare signatures.

mod claims_writer;
mod hazards;
mod keys;
mod vectors;

use crate::base64url;
use crate::{Algorithm, Refusal, Scratch, SigningKey, TokenType, Verifier};

const ISSUER: &str = "https://issuer.example/";
const AUDIENCE: &str = "https://api.example/";
const NOW: u64 = 1_700_000_000;
const SECRET: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// Appends a signature to any text, which [`crate::Signer`] would not sign.
fn sign_text(key: &SigningKey, message: &str) -> String {
    let mut room = [0; crate::crypto::LONGEST_SIGNATURE];
    let signature = base64url::encode(key.sign(message.as_bytes(), &mut room).unwrap());
    format!("{message}.{signature}")
}

/// Makes a token with a correct signature over whatever header and payload.
fn forge_bytes(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    sign_text(key, &format!("{}.{}", base64url::encode(header), base64url::encode(payload)))
}

fn secret_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SECRET).unwrap()
}

fn forge(header: &str, payload: &str) -> String {
    forge_bytes(&secret_key(), header.as_bytes(), payload.as_bytes())
}

/// Expects [`ISSUER`], [`AUDIENCE`] and `JWT`, by HS256.
fn verifier() -> Verifier {
    Verifier::builder(secret_key().verifying_key())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .build()
}

fn refusal_of(verifier: &Verifier, token: &str) -> Option<Refusal> {
    verifier.verify::<()>(token, NOW, &mut Scratch::new()).err()
}
