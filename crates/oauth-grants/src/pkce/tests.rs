//! Challenges and verifiers (RFC 7636; threat model CG, AZ).

use proptest::prelude::*;

use super::*;

/// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn parse(challenge: &str) -> Result<Challenge, PkceRefusal> {
    Challenge::parse(challenge, Some("S256"))
}

//= RFC 7636 §B
#[test]
fn the_standards_own_pair_verifies_and_a_tampered_one_does_not() {
    let challenge = parse(CHALLENGE).unwrap();
    assert!(challenge.verify(VERIFIER));
    assert!(Challenge::from(challenge.to_bytes()).verify(VERIFIER));
    for position in 0..VERIFIER.len() {
        let mut tampered = VERIFIER.to_owned().into_bytes();
        tampered[position] = if tampered[position] == b'a' { b'b' } else { b'a' };
        assert!(!challenge.verify(std::str::from_utf8(&tampered).unwrap()), "{position}");
    }
    for bit in 0..256 {
        let mut bytes = challenge.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!Challenge::from(bytes).verify(VERIFIER), "{bit}");
    }
}

#[test]
fn the_challenge_is_not_its_own_verifier() {
    // What `plain` would mean.
    assert!(!parse(CHALLENGE).unwrap().verify(CHALLENGE));
}

//= RFC 7636 §4.3
#[test]
fn az_40_plain_and_unknown_methods_are_refused() {
    assert_eq!(Challenge::parse(CHALLENGE, None), Err(PkceRefusal::Plain));
    assert_eq!(Challenge::parse(CHALLENGE, Some("plain")), Err(PkceRefusal::Plain));
    for method in ["", "s256", "S256 ", "S512", "sha256", "none", "PLAIN"] {
        assert_eq!(Challenge::parse(CHALLENGE, Some(method)), Err(PkceRefusal::UnknownMethod), "{method}");
    }
}

//= RFC 7636 §4.2
#[test]
fn az_41_a_challenge_is_exactly_43_characters_of_base64url() {
    let replaced =
        |position: usize, by: &str| format!("{}{by}{}", &CHALLENGE[..position], &CHALLENGE[position + 1..]);
    let mut rows = vec![
        String::new(),
        CHALLENGE[..42].to_owned(),
        format!("{CHALLENGE}A"),
        format!("{CHALLENGE}="),
        format!(" {CHALLENGE}"),
        format!("{CHALLENGE}\n"),
        "A".repeat(128),
        "A".repeat(129),
        // The last character has two bits to spare, which must be zero.
        replaced(42, "N"),
    ];
    rows.extend(["+", "/", "=", " ", ".", "~", "\0", "\u{e9}"].map(|by| replaced(20, by)));
    for challenge in rows {
        assert_eq!(parse(&challenge), Err(PkceRefusal::MalformedChallenge), "{challenge:?}");
    }
}

//= RFC 7636 §4.1
#[test]
fn cg_11_a_verifier_is_43_to_128_unreserved_characters() {
    let of = |verifier: &str| Challenge::from(crypto::sha256(&[verifier.as_bytes()]));
    for verifier in ["a".repeat(43), "a".repeat(128), format!("{}-._~", "Z9".repeat(30))] {
        assert!(of(&verifier).verify(&verifier), "{verifier}");
    }
    for verifier in ["", "short", &"a".repeat(42), &"a".repeat(129), &"a".repeat(4000)] {
        assert!(!of(verifier).verify(verifier), "{verifier}");
    }
    for bad in ['+', '/', '=', ' ', '%', '\n', '\0', '\u{e9}', '"'] {
        let verifier = format!("{}{bad}", "a".repeat(43));
        assert!(!of(&verifier).verify(&verifier), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn every_verifier_has_its_challenge(verifier in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
        let text = URL_SAFE_NO_PAD.encode(crypto::sha256(&[verifier.as_bytes()]));
        let challenge = parse(&text).unwrap();
        prop_assert!(challenge.verify(&verifier));
        prop_assert_eq!(challenge.verify(&other), verifier == other);
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(challenge in ".{0,60}", verifier in ".{0,200}") {
        if let Ok(challenge) = parse(&challenge) {
            prop_assert!(!challenge.verify(&verifier));
        }
    }
}
