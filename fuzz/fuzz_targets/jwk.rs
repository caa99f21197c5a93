//! Any text as a JWK: no panic, and what is accepted survives a round trip (RFC 7517 §4).
#![no_main]

use jwt_core::{Algorithm, SigningKey, VerifyingKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    if let Ok(key) = VerifyingKey::from_jwk(json) {
        if let Some(jwk) = key.to_jwk(None) {
            let again = VerifyingKey::from_jwk(&jwk.to_json()).expect("our own JWK");
            assert_eq!(again.thumbprint(), key.thumbprint());
            assert_eq!((again.key_id(), again.algorithm()), (key.key_id(), key.algorithm()));
        }
        let stated = VerifyingKey::from_jwk_for(key.algorithm(), json).expect("the algorithm it has");
        assert_eq!(stated.thumbprint(), key.thumbprint());
    }
    let _ = VerifyingKey::from_jwk_for(Algorithm::Rs256, json);
    if let Ok(key) = SigningKey::from_jwk(json) {
        // A private key is not taken where public keys are read; a secret is the same on both sides.
        assert_eq!(VerifyingKey::from_jwk(json).is_ok(), key.thumbprint().is_none());
        let public = key.verifying_key();
        let signer = jwt_core::Signer::new(key, jwt_core::TokenType::Jwt, None).expect("no id");
        let token = signer.sign(&serde_json::json!({"exp": 9})).expect("a signature");
        let verifier = jwt_core::Verifier::builder(public)
            .any_issuer_dangerous()
            .any_audience_dangerous()
            .token_type(jwt_core::TokenType::Jwt)
            .build();
        verifier.verify::<()>(&token, 1, &mut jwt_core::Scratch::new()).expect("its own token");
    }
});
