//! Verifying allocates nothing and signing once, beyond what the backend does by itself.

#[path = "../benches/cases/mod.rs"]
#[cfg(test)]
mod cases;

use cases::{CLAIMS, Extra, MEASURED, NOW, case, token, verifier};
use jwt_core::{Algorithm, Scratch, Signer, TokenType};

#[cfg(test)]
fn allocations(operation: &mut dyn FnMut()) -> u64 {
    // The first run grows buffers that are kept. The least of many runs, because what a backend allocates for
    // an ECDSA signature depends on its random numbers.
    operation();
    (0..40).map(|_| allocation_counter::measure(&mut *operation).count_total).min().unwrap()
}

#[test]
fn verifying_allocates_nothing_and_signing_once() {
    cases::calibrate();
    for algorithm in MEASURED {
        let [bare, ours, _] = case(algorithm).verify.map(|one| allocations(&mut *one.unwrap()));
        assert_eq!(ours, bare, "{algorithm} verify");
        let [bare, ours, _] = case(algorithm).sign.map(|one| allocations(&mut *one.unwrap()));
        assert_eq!(ours, bare + 1, "{algorithm} sign");
    }
}

#[test]
fn signing_into_a_string_with_room_allocates_nothing() {
    let signer = Signer::new(cases::signing_key(Algorithm::Hs256), TokenType::Jwt, Some("id")).unwrap();
    let mut out = String::with_capacity(2000);
    let count = allocations(&mut || {
        out.clear();
        signer.sign_into(&CLAIMS, &mut out).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn neither_a_strange_header_nor_a_refusal_allocates() {
    let verifier = verifier(Algorithm::Hs256);
    let good = token(Algorithm::Hs256);
    let mut scratch = Scratch::new();
    let (_, rest) = good.split_once('.').unwrap();
    // {"alg":"none"} and { "typ":"JWT", "alg":"HS256" }, which no fast path knows.
    for header in ["eyJhbGciOiJub25lIn0", "eyAidHlwIjoiSldUIiwgImFsZyI6IkhTMjU2IiB9"] {
        let token = format!("{header}.{rest}");
        let count = allocations(&mut || assert!(verifier.verify::<()>(&token, NOW, &mut scratch).is_err()));
        assert_eq!(count, 0, "{header}");
    }
    let late = allocations(&mut || {
        assert!(verifier.verify::<Extra<'_>>(&good, 4_000_000_001, &mut scratch).is_err())
    });
    assert_eq!(late, 0);
}
