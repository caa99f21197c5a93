//! Any text as a JWK set: no panic, and what is accepted survives a round trip (RFC 7517 §5).
#![no_main]

use jwt_core::{Algorithm, JwkSet, KeySet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    if let Ok(set) = JwkSet::parse(json) {
        let again = JwkSet::parse(&set.to_json()).expect("our own set");
        assert_eq!((again.len(), again.skipped()), (set.len(), 0));
        for (one, other) in set.keys().zip(again.keys()) {
            assert_eq!((one.key_id(), one.algorithm()), (other.key_id(), other.algorithm()));
            assert_eq!(one.thumbprint(), other.thumbprint());
        }
        KeySet::new(set.keys().cloned()).expect("distinct by construction");
        let assumed = JwkSet::parse_assuming(Algorithm::Ps256, json);
        assert!(assumed.is_err() || assumed.is_ok_and(|assumed| assumed.len() >= set.len()));
    }
});
