//! Keys: every format in and out, and every weak one refused at load (RFC 7517 §4, RFC 7518 §6, RFC 8725 §3.5).

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Jwk, JwkSet, KeyError, KeySet, Signer, VerifyingKey};

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../tests/keys/", $name, ".pem"))
    };
}

const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// A JWK with some members set, or removed where the value is null.
fn with(jwk: &str, changes: Value) -> String {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        let members = jwk.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    jwk.to_string()
}

fn rsa_jwk() -> String {
    let key = VerifyingKey::from_pem(Algorithm::Rs256, key!("rsa2048.spki")).unwrap();
    key.to_jwk(None).unwrap().to_json()
}

#[test]
fn the_forms_of_a_key_are_one_key() {
    let cases = [
        (
            Algorithm::Rs256,
            &[key!("rsa2048.pk8"), key!("rsa2048.pkcs1")][..],
            &[key!("rsa2048.spki"), key!("rsa2048.pkcs1pub")][..],
        ),
        (
            Algorithm::Ps512,
            &[key!("rsa2048.pk8"), key!("rsa2048.pkcs1")],
            &[key!("rsa2048.spki"), key!("rsa2048.pkcs1pub")],
        ),
        (Algorithm::Es256, &[key!("p256.pk8"), key!("p256.sec1")], &[key!("p256.spki")]),
        (Algorithm::Es384, &[key!("p384.pk8"), key!("p384.sec1")], &[key!("p384.spki")]),
        (Algorithm::Es512, &[key!("p521.pk8"), key!("p521.sec1")], &[key!("p521.spki")]),
        (Algorithm::EdDsa, &[key!("ed25519.pk8")], &[key!("ed25519.spki")]),
    ];
    for (algorithm, private, public) in cases {
        if !algorithm.is_available() {
            assert_eq!(SigningKey::from_pem(algorithm, private[0]).err(), Some(KeyError::NotInBackend));
            assert_eq!(VerifyingKey::from_pem(algorithm, public[0]).err(), Some(KeyError::NotInBackend));
            continue;
        }
        let mut thumbprints = std::collections::HashSet::new();
        for text in private {
            let key = SigningKey::from_pem(algorithm, text).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            thumbprints.insert(key.thumbprint().unwrap());
            // A private key is not taken for a public one, nor for a secret.
            assert_eq!(VerifyingKey::from_pem(algorithm, text).err(), Some(KeyError::WrongKind));
            let secret = SigningKey::from_secret(Algorithm::Hs256, text.as_bytes());
            assert_eq!(secret.err(), Some(KeyError::SecretIsAKey));
        }
        for text in public {
            let key = VerifyingKey::from_pem(algorithm, text).unwrap();
            thumbprints.insert(key.thumbprint().unwrap());
            assert_eq!(SigningKey::from_pem(algorithm, text).err(), Some(KeyError::WrongKind));
            // OpenSSL wrote the first of these; this crate writes the same text.
            assert_eq!(key.to_pem().as_deref(), Some(public[0]));
            let jwk = key.to_jwk(Some("id")).unwrap();
            let again = VerifyingKey::from_jwk(&jwk.to_json()).unwrap();
            thumbprints.insert(again.thumbprint().unwrap());
            assert_eq!((again.key_id(), again.algorithm()), (Some("id"), algorithm));
        }
        assert_eq!(thumbprints.len(), 1, "{algorithm}");
    }
}

#[test]
fn a_key_is_of_its_algorithm_only() {
    //= RFC 8725 §3.1
    let texts = [key!("rsa2048.pk8"), key!("p256.pk8"), key!("p384.pk8"), key!("ed25519.pk8")];
    let publics = [key!("rsa2048.spki"), key!("p256.spki"), key!("p384.spki"), key!("ed25519.spki")];
    let families: [&[&str]; 4] = [&["RS", "PS"], &["ES256"], &["ES384"], &["EdDSA"]];
    for (at, family) in families.iter().enumerate() {
        for algorithm in Algorithm::ALL {
            let fits = family.iter().any(|name| algorithm.name().starts_with(name));
            let private = SigningKey::from_pem(algorithm, texts[at]);
            let public = VerifyingKey::from_pem(algorithm, publics[at]);
            assert_eq!((private.is_ok(), public.is_ok()), (fits, fits), "{algorithm} {family:?}");
            if !fits && algorithm != Algorithm::Es512 {
                assert_eq!(public.err(), Some(KeyError::AlgorithmMismatch), "{algorithm} {family:?}");
            }
        }
    }
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.name().starts_with("HS")) {
        assert_eq!(VerifyingKey::from_secret(algorithm, &[1; 64]).err(), Some(KeyError::AlgorithmMismatch));
    }
}

#[test]
fn a_generated_key_is_read_back() {
    for algorithm in Algorithm::ALL {
        let generated = SigningKey::generate(algorithm);
        let rsa = algorithm.name().starts_with(['R', 'P']);
        if algorithm.name().starts_with("HS") {
            assert_eq!(generated.err(), Some(KeyError::AlgorithmMismatch));
        } else if (rsa || algorithm == Algorithm::Es512) && !cfg!(feature = "aws-lc-rs") {
            assert_eq!(generated.err(), Some(KeyError::NotInBackend));
        } else {
            let generated = generated.unwrap();
            let again = SigningKey::from_pkcs8_der(algorithm, generated.pkcs8_der()).unwrap();
            assert_eq!(again.thumbprint(), generated.key().thumbprint(), "{algorithm}");
            assert!(
                !format!("{generated:?}").contains(&format!("{:?}", generated.pkcs8_der()[10])[..].repeat(3))
            );
            let pem = SigningKey::from_pem(algorithm, &generated.pkcs8_pem()).unwrap();
            assert_eq!(pem.thumbprint(), again.thumbprint());
            let another = SigningKey::generate(algorithm).unwrap();
            assert_ne!(another.key().thumbprint(), generated.key().thumbprint());
            let mut longer = generated.pkcs8_der().to_vec();
            longer.push(0);
            assert!(SigningKey::from_pkcs8_der(algorithm, &longer).is_err(), "{algorithm}");
            for cut in 0..generated.pkcs8_der().len() {
                assert!(SigningKey::from_pkcs8_der(algorithm, &generated.pkcs8_der()[..cut]).is_err());
            }
        }
    }
}

#[test]
fn weak_rsa_keys_are_refused() {
    //= RFC 7518 §3.3
    let short = VerifyingKey::from_pem(Algorithm::Rs256, key!("rsa1024.spki"));
    assert_eq!(short.err(), Some(KeyError::TooShort));
    assert!(SigningKey::from_pem(Algorithm::Rs256, key!("rsa1024.pk8")).is_err());
    let three = VerifyingKey::from_pem(Algorithm::Rs256, key!("rsa2048e3.spki"));
    assert_eq!(three.err(), Some(KeyError::WeakKey));
    assert!(SigningKey::from_pem(Algorithm::Rs256, key!("rsa2048e3.pk8")).is_err());
    let number = |bytes: &[u8]| base64url::encode(bytes);
    let jwk = rsa_jwk();
    for (exponent, error) in [
        (&[1][..], KeyError::WeakKey),
        (&[3], KeyError::WeakKey),
        (&[1, 0, 0], KeyError::WeakKey),
        (&[1, 0, 2], KeyError::WeakKey),
        (&[2, 0, 0, 0, 1], KeyError::WeakKey),
        (&[1, 0, 0, 0, 0, 1], KeyError::WeakKey),
        (&[0], KeyError::Malformed),
        (&[0, 1, 0, 1], KeyError::Malformed),
        (&[], KeyError::Malformed),
    ] {
        let changed = with(&jwk, json!({"e": number(exponent)}));
        assert_eq!(VerifyingKey::from_jwk(&changed).err(), Some(error), "{exponent:?}");
    }
    let odd = |length: usize, top: u8| [&[top][..], &vec![1; length - 1]].concat();
    for (modulus, error) in [
        (odd(255, 0xff), Some(KeyError::TooShort)),
        (odd(256, 0x7f), Some(KeyError::TooShort)),
        (odd(256, 0x80), None),
        (odd(1024, 0xff), None),
        (odd(1025, 0x01), Some(KeyError::TooLong)),
        ([odd(255, 0x80), vec![2]].concat(), Some(KeyError::WeakKey)),
        ([vec![0], odd(256, 0x80)].concat(), Some(KeyError::Malformed)),
        (vec![], Some(KeyError::Malformed)),
    ] {
        let changed = with(&jwk, json!({"n": number(&modulus)}));
        assert_eq!(VerifyingKey::from_jwk(&changed).err(), error, "{}", modulus.len());
    }
}

#[test]
fn points_off_their_curve_are_refused_at_load() {
    //= RFC 8725 §3.4
    let public = with(EC, json!({"d": null}));
    assert!(VerifyingKey::from_jwk(&public).is_ok());
    let zero = base64url::encode(&[0; 32]);
    let ones = base64url::encode(&[0xff; 32]);
    for changes in [
        json!({"x": zero, "y": zero}),
        json!({"x": ones}),
        json!({"y": zero}),
        json!({"x": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "y": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}),
    ] {
        assert_eq!(VerifyingKey::from_jwk(&with(&public, changes)).err(), Some(KeyError::WeakKey));
    }
    for changes in [
        json!({"x": base64url::encode(&[1; 31])}),
        json!({"x": base64url::encode(&[0; 33])}),
        json!({"y": null}),
        json!({"x": "="}),
    ] {
        assert_eq!(VerifyingKey::from_jwk(&with(&public, changes)).err(), Some(KeyError::Malformed));
    }
}

#[test]
fn small_order_and_non_canonical_ed25519_keys_are_refused() {
    //= RFC 8032 §5.1.3
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let weak = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for text in weak {
        for sign in [0, 0x80] {
            let mut key = hex(text);
            key[31] |= sign;
            let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, base64url::encode(&key));
            assert_eq!(VerifyingKey::from_jwk(&jwk).err(), Some(KeyError::WeakKey), "{text}");
        }
    }
    for length in [0, 31, 33, 64] {
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, base64url::encode(&vec![9; length]));
        assert_eq!(VerifyingKey::from_jwk(&jwk).err(), Some(KeyError::Malformed), "{length}");
    }
}

#[test]
fn short_secrets_need_to_be_allowed() {
    //= RFC 7518 §3.2
    for (algorithm, length) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        assert!(SigningKey::from_secret(algorithm, &vec![1; length]).is_ok());
        assert_eq!(SigningKey::from_secret(algorithm, &vec![1; length - 1]).err(), Some(KeyError::TooShort));
        assert!(SigningKey::dangerous_from_short_secret(algorithm, b"x").is_ok());
        assert_eq!(SigningKey::dangerous_from_short_secret(algorithm, b"").err(), Some(KeyError::TooShort));
        assert_eq!(VerifyingKey::dangerous_from_short_secret(algorithm, b"").err(), Some(KeyError::TooShort));
        let jwk = format!(
            r#"{{"kty":"oct","alg":"{algorithm}","k":"{}"}}"#,
            base64url::encode(&vec![1; length - 1])
        );
        assert_eq!(VerifyingKey::from_jwk(&jwk).err(), Some(KeyError::TooShort));
        assert_eq!(SigningKey::from_jwk(&jwk).err(), Some(KeyError::TooShort));
    }
}

#[test]
fn what_a_jwk_says_of_itself_must_fit() {
    //= RFC 7517 §4.2
    //= RFC 7517 §4.3
    let public = with(EC, json!({"d": null}));
    let check = |changes: Value| VerifyingKey::from_jwk(&with(&public, changes)).err();
    for good in [
        json!({"use": "sig"}),
        json!({"key_ops": ["verify"]}),
        json!({"key_ops": ["sign", "verify"]}),
        json!({"alg": "ES256", "use": "sig", "key_ops": ["verify"], "x5c": ["x"], "other": {"a": [1]}}),
    ] {
        assert_eq!(check(good), None);
    }
    for (changes, error) in [
        (json!({"use": "enc"}), KeyError::ForbiddenUse),
        (json!({"use": ""}), KeyError::ForbiddenUse),
        (json!({"key_ops": []}), KeyError::ForbiddenUse),
        (json!({"key_ops": ["sign"]}), KeyError::ForbiddenUse),
        (json!({"key_ops": ["deriveKey"]}), KeyError::ForbiddenUse),
        (json!({"use": 1}), KeyError::Malformed),
        (json!({"key_ops": "verify"}), KeyError::Malformed),
        (json!({"key_ops": [1]}), KeyError::Malformed),
        (json!({"kid": 1}), KeyError::Malformed),
        (json!({"alg": 1}), KeyError::Malformed),
        (json!({"kty": 1}), KeyError::Malformed),
        (json!({"kty": null}), KeyError::Malformed),
        (json!({"crv": null}), KeyError::Malformed),
        (json!({"kid": "k".repeat(513)}), KeyError::TooLong),
        (json!({"alg": "ES384"}), KeyError::AlgorithmMismatch),
        (json!({"alg": "RS256"}), KeyError::AlgorithmMismatch),
        (json!({"alg": "HS256"}), KeyError::AlgorithmMismatch),
        (json!({"alg": "EdDSA"}), KeyError::AlgorithmMismatch),
        (json!({"alg": "none"}), KeyError::Unsupported),
        (json!({"alg": "ECDH-ES"}), KeyError::Unsupported),
        (json!({"kty": "XX"}), KeyError::Unsupported),
        (json!({"kty": "OKP"}), KeyError::Unsupported),
        (json!({"crv": "secp256k1"}), KeyError::Unsupported),
        (json!({"d": "AQAB"}), KeyError::WrongKind),
    ] {
        assert_eq!(check(changes.clone()), Some(error), "{changes}");
    }
    assert_eq!(VerifyingKey::from_jwk(EC).err(), Some(KeyError::WrongKind));
    assert_eq!(SigningKey::from_jwk(&public).err(), Some(KeyError::WrongKind));
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url::encode(&[1; 32]));
    assert_eq!(VerifyingKey::from_jwk(&secret).err(), Some(KeyError::MissingAlgorithm));
    let secret = with(&secret, json!({"alg": "RS256"}));
    assert_eq!(VerifyingKey::from_jwk(&secret).err(), Some(KeyError::AlgorithmMismatch));
    let rsa = with(&rsa_jwk(), json!({"alg": null}));
    assert_eq!(VerifyingKey::from_jwk(&rsa).err(), Some(KeyError::MissingAlgorithm));
    assert_eq!(VerifyingKey::from_jwk_for(Algorithm::Ps384, &rsa).unwrap().algorithm(), Algorithm::Ps384);
    assert_eq!(VerifyingKey::from_jwk_for(Algorithm::Es256, &rsa).err(), Some(KeyError::AlgorithmMismatch));
    assert_eq!(
        VerifyingKey::from_jwk_for(Algorithm::Rs384, &rsa_jwk()).err(),
        Some(KeyError::AlgorithmMismatch)
    );
    for text in ["", "{}", "[]", "null", r#"{"kty":"EC","kty":"EC"}"#, "\u{feff}{}"] {
        assert_eq!(VerifyingKey::from_jwk(text).err(), Some(KeyError::Malformed), "{text}");
    }
    assert_eq!(
        VerifyingKey::from_jwk(&format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))).err(),
        Some(KeyError::Malformed)
    );
}

#[test]
fn private_parts_must_belong_to_their_public_parts() {
    let other =
        SigningKey::generate(Algorithm::Es256).unwrap().key().verifying_key().to_jwk(None).unwrap().to_json();
    let other: Value = serde_json::from_str(&other).unwrap();
    let mixed = with(EC, json!({"x": other["x"], "y": other["y"]}));
    assert_eq!(SigningKey::from_jwk(&mixed).err(), Some(KeyError::Inconsistent));
    let zero = with(EC, json!({"d": base64url::encode(&[0; 32])}));
    assert_eq!(SigningKey::from_jwk(&zero).err(), Some(KeyError::Inconsistent));
    let mixed = with(OKP, json!({"d": base64url::encode(&[1; 32])}));
    assert_eq!(SigningKey::from_jwk(&mixed).err(), Some(KeyError::Inconsistent));
    for d in ["", "AQ", "="] {
        assert!(SigningKey::from_jwk(&with(OKP, json!({"d": d}))).is_err());
        assert!(SigningKey::from_jwk(&with(EC, json!({"d": d}))).is_err());
    }
    let key = SigningKey::from_jwk(&with(OKP, json!({"kid": "k", "key_ops": ["sign"]}))).unwrap();
    assert_eq!(key.verifying_key().key_id(), Some("k"));
    assert_eq!(
        SigningKey::from_jwk(&with(OKP, json!({"key_ops": ["verify"]}))).err(),
        Some(KeyError::ForbiddenUse)
    );
    // An RSA key whose numbers do not fit together, and one of more than two primes.
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/jws.json")).unwrap();
    let rsa = with(&vectors[1]["key"].to_string(), json!({"alg": "RS256"}));
    assert!(SigningKey::from_jwk(&rsa).is_ok());
    for name in ["p", "q", "dp", "dq", "qi", "d"] {
        assert!(SigningKey::from_jwk(&with(&rsa, json!({name: "AQAB"}))).is_err(), "{name}");
        assert!(SigningKey::from_jwk(&with(&rsa, json!({name: null}))).is_err(), "{name}");
    }
    assert_eq!(SigningKey::from_jwk(&with(&rsa, json!({"oth": []}))).err(), Some(KeyError::Unsupported));
}

#[test]
fn a_published_key_shows_its_public_half_only() {
    for text in [EC, OKP] {
        let key = SigningKey::from_jwk(text).unwrap();
        let jwk: Value =
            serde_json::from_str(&key.verifying_key().to_jwk(Some("k")).unwrap().to_json()).unwrap();
        let private: Value = serde_json::from_str(text).unwrap();
        assert_eq!(jwk.get("d"), None);
        assert_eq!((&jwk["x"], &jwk["use"], &jwk["kid"]), (&private["x"], &json!("sig"), &json!("k")));
        assert!(jwk["alg"].is_string());
    }
    assert!(secret_key().verifying_key().to_jwk(Some("k")).is_none());
    assert!(secret_key().thumbprint().is_none());
    assert!(secret_key().verifying_key().to_pem().is_none());
}

#[test]
fn a_key_set_skips_what_it_cannot_use_and_stops_at_what_is_wrong() {
    //= RFC 7517 §5
    let ec = with(EC, json!({"d": null, "kid": "1"}));
    let okp = with(OKP, json!({"d": null, "kid": "2"}));
    let unusable = [
        r#"{"kty":"XX"}"#.to_owned(),
        r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#.to_owned(),
        with(&ec, json!({"use": "enc"})),
        with(&ec, json!({"alg": "ES256K"})),
        with(&rsa_jwk(), json!({"alg": null})),
    ];
    let set = |keys: &[&str]| format!(r#"{{"keys":[{}],"x":1}}"#, keys.join(","));
    let mut keys: Vec<&str> = unusable.iter().map(|key| &**key).collect();
    keys.extend([&*ec, &*okp, &*ec]);
    let parsed = JwkSet::parse(&set(&keys)).unwrap();
    assert_eq!((parsed.len(), parsed.skipped()), (2, 6));
    assert_eq!(parsed.keys().map(|key| key.key_id().unwrap()).collect::<Vec<_>>(), ["1", "2"]);
    let assumed = JwkSet::parse_assuming(Algorithm::Rs256, &set(&keys)).unwrap();
    assert_eq!((assumed.len(), assumed.skipped()), (3, 5));
    assert_eq!(JwkSet::parse(&parsed.to_json()).unwrap().len(), 2);
    for (bad, error) in [
        (with(&ec, json!({"x": "AA"})), KeyError::Malformed),
        (EC.to_owned(), KeyError::WrongKind),
        (with(&okp, json!({"x": base64url::encode(&[0; 32])})), KeyError::WeakKey),
        (with(&okp, json!({"kid": "1", "crv": "Ed25519", "alg": "ES256"})), KeyError::AlgorithmMismatch),
        ("1".to_owned(), KeyError::Malformed),
    ] {
        assert_eq!(JwkSet::parse(&set(&[&ec, &bad])).err(), Some(error), "{bad}");
    }
    let twin =
        SigningKey::generate(Algorithm::Es256).unwrap().key().verifying_key().to_jwk(Some("1")).unwrap();
    assert_eq!(JwkSet::parse(&set(&[&ec, &twin.to_json()])).err(), Some(KeyError::DuplicateKeyId));
    for text in
        ["{}", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}x"#]
    {
        assert_eq!(JwkSet::parse(text).err(), Some(KeyError::Malformed), "{text}");
    }
    assert!(JwkSet::parse(r#"{"keys":[]}"#).unwrap().is_empty());
}

#[test]
fn keys_that_cannot_be_told_apart_verify_nothing() {
    let make = || SigningKey::generate(Algorithm::EdDsa).unwrap();
    let (one, two) = (make(), make());
    let jwk = |key: &crate::GeneratedKey, id| key.key().verifying_key().to_jwk(id).unwrap();
    let expect = |set: KeySet| {
        Verifier::builder(set)
            .any_issuer_dangerous()
            .any_audience_dangerous()
            .token_type(TokenType::Jwt)
            .build()
    };
    let sign = |key: &crate::GeneratedKey, id| {
        let signer = Signer::new(key.key().clone(), TokenType::Jwt, id).unwrap();
        signer.sign(&json!({"exp": NOW + 1})).unwrap()
    };
    let unknown = Some(Refusal::UnknownKey);
    let same = expect(JwkSet::from_keys([jwk(&one, Some("a")), jwk(&two, Some("a"))]).into());
    assert_eq!(refusal_of(&same, &sign(&one, Some("a"))), unknown);
    assert_eq!(refusal_of(&same, &sign(&one, None)), unknown);
    let keys = [one.key().verifying_key(), two.key().verifying_key()];
    let nameless = expect(KeySet::new(keys.clone()).unwrap());
    assert_eq!(refusal_of(&nameless, &sign(&one, None)), unknown);
    assert_eq!(refusal_of(&nameless, &sign(&one, Some("a"))), unknown);
    let named = expect(KeySet::new(keys.map(|key| key.with_key_id("a"))).map_or_else(
        |error| {
            assert_eq!(error, KeyError::DuplicateKeyId);
            JwkSet::from_keys([jwk(&one, Some("a")), jwk(&two, Some("b"))]).into()
        },
        |_| panic!("duplicate ids"),
    ));
    assert_eq!(refusal_of(&named, &sign(&one, Some("a"))), None);
    assert_eq!(refusal_of(&named, &sign(&two, Some("b"))), None);
    assert_eq!(refusal_of(&named, &sign(&two, Some("a"))), Some(Refusal::BadSignature));
    assert_eq!(refusal_of(&named, &sign(&one, Some("c"))), unknown);
    // Without an id the algorithm decides, if it can.
    let mixed = [jwk(&one, Some("a")).verifying_key().clone(), secret_key().verifying_key().with_key_id("s")];
    let mixed = expect(KeySet::new(mixed).unwrap());
    assert_eq!(refusal_of(&mixed, &sign(&one, None)), None);
    assert_eq!(refusal_of(&mixed, &sign(&one, Some("s"))), Some(Refusal::AlgorithmMismatch));
    // A lone key without an id serves every id.
    let lone = expect(two.key().verifying_key().into());
    assert_eq!(refusal_of(&lone, &sign(&two, Some("whatever"))), None);
    // Rotation: same expectations, other keys.
    let rotated = lone.with_keys(one.key().verifying_key());
    assert_eq!(refusal_of(&rotated, &sign(&one, Some("whatever"))), None);
    assert_eq!(refusal_of(&rotated, &sign(&two, Some("whatever"))), Some(Refusal::BadSignature));
}

#[test]
fn a_key_id_that_is_too_long_is_not_signed_with() {
    let long = "k".repeat(513);
    assert_eq!(Signer::new(secret_key(), TokenType::Jwt, Some(&long)).err(), Some(KeyError::TooLong));
}

#[test]
fn public_types_cross_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<SigningKey>();
    shared::<VerifyingKey>();
    shared::<Signer>();
    shared::<Verifier>();
    shared::<JwkSet>();
    shared::<Jwk>();
    shared::<KeySet>();
}

proptest! {
    #[test]
    fn secrets_of_any_content_sign_and_verify(secret in proptest::collection::vec(any::<u8>(), 64..200), sub in ".{0,60}") {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let key = SigningKey::from_secret(algorithm, &secret).unwrap();
            let verifier = Verifier::builder(key.verifying_key())
                .any_issuer_dangerous()
                .any_audience_dangerous()
                .token_type(TokenType::Jwt)
                .build();
            let signer = Signer::new(key, TokenType::Jwt, Some(&sub)).unwrap();
            let token = signer.sign(&json!({"sub": sub, "exp": NOW + 1, "jti": sub})).unwrap();
            let mut scratch = Scratch::new();
            let claims = verifier.verify::<()>(&token, NOW, &mut scratch).unwrap().into_owned();
            prop_assert_eq!(claims.subject.as_deref(), Some(&*sub));
            prop_assert_eq!(crate::peek_key_id(&token).unwrap(), Some(sub.clone()));
        }
    }

    #[test]
    fn claims_survive_the_round_trip(
        issuer in ".{0,40}", audiences in proptest::collection::vec(".{0,20}", 1..5),
        exp in NOW + 1..1 << 53, iat in 0..=NOW, extra in proptest::collection::btree_map("[a-h]{4,9}", ".{0,30}", 0..40),
    ) {
        let key = secret_key();
        let verifier = Verifier::builder(key.verifying_key())
            .issuer(&issuer)
            .audience(&audiences[0])
            .token_type(TokenType::AccessToken)
            .build();
        let mut claims = json!({"iss": issuer, "aud": audiences, "exp": exp, "iat": iat, "nbf": iat});
        for (name, value) in &extra {
            claims[name] = json!(value);
        }
        let token = Signer::new(key, TokenType::AccessToken, None).unwrap().sign(&claims).unwrap();
        let mut scratch = Scratch::new();
        let verified = verifier.verify::<Value>(&token, NOW, &mut scratch).unwrap();
        prop_assert_eq!(&verified.extra, &claims);
        prop_assert_eq!(verified.issuer.as_deref(), Some(&*issuer));
        prop_assert_eq!(verified.audience.iter().map(|one| one.into_owned()).collect::<Vec<_>>(), audiences);
        prop_assert_eq!((verified.expires_at, verified.issued_at, verified.not_before), (exp, Some(iat), Some(iat)));
        let owned = verified.clone().into_owned();
        prop_assert_eq!(&owned.audience, &verified.audience);
    }
}
