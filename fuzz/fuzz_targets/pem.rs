//! Any bytes as PEM or DER keys: no panic, and what is accepted belongs to its algorithm (RFC 7468, RFC 5280).
#![no_main]

use jwt_core::{Algorithm, SigningKey, VerifyingKey};
use libfuzzer_sys::fuzz_target;

/// One algorithm for each kind of key.
const KINDS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Hs256];

fuzz_target!(|bytes: &[u8]| {
    let text = str::from_utf8(bytes).ok();
    let mut public = 0;
    let mut private = 0;
    for algorithm in KINDS {
        let verifying = [
            VerifyingKey::from_spki_der(algorithm, bytes).ok(),
            text.and_then(|text| VerifyingKey::from_pem(algorithm, text).ok()),
        ];
        for key in verifying.into_iter().flatten() {
            public += 1;
            let jwk = key.to_jwk(None).expect("a public key").to_json();
            let again = VerifyingKey::from_jwk(&jwk).expect("our own JWK");
            assert_eq!((again.algorithm(), again.thumbprint()), (algorithm, key.thumbprint()));
            let pem = key.to_pem().expect("a public key");
            let again = VerifyingKey::from_pem(algorithm, &pem).expect("our own PEM");
            assert_eq!((again.algorithm(), again.thumbprint()), (algorithm, key.thumbprint()));
            // A public key is never a secret.
            assert!(VerifyingKey::dangerous_from_short_secret(Algorithm::Hs256, bytes).is_err());
        }
        let signing = [
            SigningKey::from_pkcs8_der(algorithm, bytes).ok(),
            text.and_then(|text| SigningKey::from_pem(algorithm, text).ok()),
        ];
        for key in signing.into_iter().flatten() {
            private += 1;
            assert_eq!((key.algorithm(), key.verifying_key().algorithm()), (algorithm, algorithm));
        }
    }
    assert!(public <= 1 && private <= 1, "one key, one kind");
});
