//! Any text as a token: no panic, and never accepted without the key (RFC 7515 §5.2).
#![no_main]

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_core::{Algorithm, Refusal, Scratch, TokenType, Verifier, VerifyingKey};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static STATE: RefCell<([Verifier; 2], Scratch)> = RefCell::new((verifiers(), Scratch::new()));
}

/// One verifier a shape: a lone key without an id, and several keys with ids.
fn verifiers() -> [Verifier; 2] {
    let secret = |byte: u8| VerifyingKey::from_secret(Algorithm::Hs256, &[byte; 32]).expect("a long secret");
    let pem = include_str!("../../crates/jwt-core/tests/keys/ed25519.spki.pem");
    let edwards = VerifyingKey::from_pem(Algorithm::EdDsa, pem).expect("a good key").with_key_id("b");
    let several = jwt_core::KeySet::new([secret(2).with_key_id("a"), edwards]).expect("distinct ids");
    let alone = Verifier::builder(secret(1))
        .any_issuer_dangerous()
        .any_audience_dangerous()
        .any_token_type_dangerous()
        .build();
    let strict =
        Verifier::builder(several).issuer("i").audience("a").token_type(TokenType::AccessToken).build();
    [alone, strict]
}

fuzz_target!(|token: &str| {
    let inspected = jwt_core::dangerous_inspect(token);
    let _ = jwt_core::peek_key_id(token);
    STATE.with_borrow_mut(|(verifiers, scratch)| {
        for verifier in verifiers {
            let refused = verifier.verify::<()>(token, 1_700_000_000, scratch).err();
            assert!(refused.is_some(), "accepted without a key: {token}");
            // Only what could be a token gets as far as its signature.
            if refused == Some(Refusal::BadSignature) {
                assert!(token.split('.').count() >= 3, "{token}");
            }
        }
    });
    if let Ok((header, payload)) = inspected {
        // What is decoded here, the `base64` crate decodes to the same.
        let decoded: Result<Vec<Vec<u8>>, _> =
            token.split('.').map(|one| URL_SAFE_NO_PAD.decode(one)).collect();
        let decoded = decoded.expect("base64url");
        assert_eq!(decoded[..2], [header.as_bytes(), payload.as_bytes()], "{token}");
        // Whatever the strict reader takes, any JSON parser takes.
        for json in [header, payload] {
            serde_json::from_str::<serde::de::IgnoredAny>(&json).expect("JSON");
        }
    }
});
