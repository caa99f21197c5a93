//! Published vectors, each positive one tampered too (RFC 7515 §A, RFC 7519 §3.1, RFC 7520 §4, RFC 8037 §A, Wycheproof).

use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::header::Header;
use crate::{KeyError, VerifyingKey};

#[derive(Deserialize)]
struct Vector {
    source: String,
    algorithm: String,
    /// Whether signing again gives the same bytes.
    deterministic: bool,
    /// The private or symmetric JWK.
    key: Value,
    token: String,
}

fn vectors() -> Vec<(Vector, Algorithm)> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../tests/vectors/jws.json")).unwrap();
    let named = |vector: Vector| {
        let algorithm = Algorithm::from_name(&vector.algorithm).unwrap();
        (vector, algorithm)
    };
    all.into_iter().map(named).collect()
}

/// The public half of a private JWK, the secret itself for `oct`.
fn public_jwk(key: &Value) -> String {
    let mut key = key.clone();
    if key["kty"] != "oct" {
        let members = key.as_object_mut().unwrap();
        members.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&&**name));
    }
    key.to_string()
}

#[test]
fn every_published_signature_verifies_and_no_tampered_one_does() {
    let mut checked = 0;
    for (vector, algorithm) in vectors() {
        let key = VerifyingKey::from_jwk_for(algorithm, &public_jwk(&vector.key));
        if !algorithm.is_available() {
            assert_eq!(key.err(), Some(KeyError::NotInBackend), "{}", vector.source);
            continue;
        }
        let key = key.unwrap();
        let (message, signature) = vector.token.rsplit_once('.').unwrap();
        let verifies = |message: &[u8], signature: &[u8]| key.verify_text(message, signature);
        assert!(verifies(message.as_bytes(), signature.as_bytes()), "{}", vector.source);
        let mut buffer = Vec::new();
        let header = Header::decode(message.split('.').next().unwrap(), &mut buffer).unwrap();
        assert_eq!(header.algorithm, algorithm.name());
        // One bit in each byte of the message and of the signature.
        for at in 0..message.len() {
            let mut changed = message.as_bytes().to_vec();
            changed[at] ^= 1;
            assert!(!verifies(&changed, signature.as_bytes()), "{} at {at}", vector.source);
        }
        let bytes = base64url::decode(signature).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(
                !verifies(message.as_bytes(), base64url::encode(&changed).as_bytes()),
                "{}",
                vector.source
            );
        }
        assert!(!verifies(message.as_bytes(), b""));
        checked += 1;
    }
    assert!(checked >= 9, "{checked}");
}

#[test]
fn the_published_private_keys_sign_the_published_signatures() {
    for (vector, algorithm) in vectors().into_iter().filter(|(_, algorithm)| algorithm.is_available()) {
        let key = SigningKey::from_jwk_for(algorithm, &vector.key.to_string()).unwrap();
        let (message, _) = vector.token.rsplit_once('.').unwrap();
        let token = sign_text(&key, message);
        if vector.deterministic {
            assert_eq!(token, vector.token, "{}", vector.source);
        }
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert!(
            key.verifying_key().verify_text(message.as_bytes(), signature.as_bytes()),
            "{}",
            vector.source
        );
    }
}

#[test]
fn the_jwt_of_rfc_7519_verifies_once_its_expectations_are_waived() {
    //= RFC 7519 §3.1
    for (vector, algorithm) in vectors().into_iter().take(3) {
        let verifier =
            Verifier::builder(VerifyingKey::from_jwk_for(algorithm, &public_jwk(&vector.key)).unwrap())
                .issuer("joe")
                .any_audience_dangerous()
                .any_token_type_dangerous()
                .build();
        #[derive(Deserialize)]
        struct Extra {
            #[serde(rename = "http://example.com/is_root")]
            is_root: bool,
        }
        let mut scratch = Scratch::new();
        let claims = verifier.verify::<Extra>(&vector.token, 1_300_819_379, &mut scratch).unwrap();
        assert_eq!((claims.issuer.as_deref(), claims.expires_at), (Some("joe"), 1_300_819_380));
        assert!(claims.extra.is_root);
        let expired = verifier.verify::<()>(&vector.token, 1_300_819_380, &mut scratch).err();
        assert_eq!(expired, Some(Refusal::Expired));
    }
}

#[test]
fn detached_and_json_serialized_tokens_are_refused() {
    //= RFC 7520 §4.5
    let (vector, algorithm) =
        vectors().into_iter().find(|(vector, _)| vector.source == "RFC 7520 4.4").unwrap();
    let key = VerifyingKey::from_jwk_for(algorithm, &public_jwk(&vector.key)).unwrap();
    let verifier = Verifier::builder(key)
        .any_issuer_dangerous()
        .any_audience_dangerous()
        .any_token_type_dangerous()
        .build();
    let [header, payload, signature] = vector.token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    // Its content is a sentence and no claims set.
    assert_eq!(refusal_of(&verifier, &vector.token), Some(Refusal::Malformed));
    assert_eq!(refusal_of(&verifier, &format!("{header}..{signature}")), Some(Refusal::BadSignature));
    for json in [
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
        format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
        ),
    ] {
        assert_eq!(refusal_of(&verifier, &json), Some(Refusal::Malformed));
    }
}

#[test]
fn published_thumbprints_are_reproduced() {
    //= RFC 7638 §3.1
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let key = VerifyingKey::from_jwk(rsa).unwrap();
    assert_eq!(key.thumbprint().as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    //= RFC 8037 §A.3
    let okp = r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = VerifyingKey::from_jwk(okp).unwrap();
    assert_eq!(key.thumbprint().as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

/// Runs one Wycheproof case: a verdict where the standard leaves one, anything where it is `acceptable`.
fn agree(key: &VerifyingKey, message: &[u8], signature: &[u8], result: wycheproof::TestResult, name: &str) {
    let verified = key.verify_text(message, base64url::encode(signature).as_bytes());
    match result {
        wycheproof::TestResult::Valid => assert!(verified, "{name}"),
        wycheproof::TestResult::Invalid => assert!(!verified, "{name}"),
        wycheproof::TestResult::Acceptable => {}
    }
}

#[test]
fn wycheproof_ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
        (TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
        (TestName::EcdsaSecp521r1Sha512P1363, Algorithm::Es512),
    ] {
        if !algorithm.is_available() {
            continue;
        }
        let set = TestSet::load(name).unwrap();
        let mut run = 0;
        for group in set.test_groups {
            let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
            for test in group.tests {
                let label = format!("{algorithm} {} {}", test.tc_id, test.comment);
                agree(&key, &test.msg, &test.sig, test.result, &label);
                run += 1;
            }
        }
        assert!(run > 200, "{algorithm} {run}");
    }
}

#[test]
fn wycheproof_eddsa() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = match VerifyingKey::from_spki_der(Algorithm::EdDsa, &group.der) {
            Ok(key) => key,
            Err(error) => {
                // Keys refused at load: no valid signature may be lost that way.
                assert_eq!(error, KeyError::WeakKey);
                assert!(group.tests.iter().all(|test| test.result != wycheproof::TestResult::Valid));
                continue;
            }
        };
        for test in group.tests {
            let label = format!("EdDSA {} {}", test.tc_id, test.comment);
            agree(&key, &test.msg, &test.sig, test.result, &label);
            run += 1;
        }
    }
    assert!(run > 100, "{run}");
}

#[test]
fn wycheproof_rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
        (TestName::Rsa3072Sha256, Algorithm::Rs256),
        (TestName::Rsa4096Sha512, Algorithm::Rs512),
        (TestName::Rsa8192Sha256, Algorithm::Rs256),
    ] {
        let mut run = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let key = match VerifyingKey::from_spki_der(algorithm, &group.der) {
                Ok(key) => key,
                // Some groups have the exponents 3 and 17, which this crate does not take (RFC 8725 §3.5).
                Err(error) => {
                    assert_eq!(error, KeyError::WeakKey, "{algorithm}");
                    continue;
                }
            };
            for test in group.tests {
                // `acceptable` here: a missing NULL in the padding, which both backends refuse.
                let label = format!("{algorithm} {} {}", test.tc_id, test.comment);
                agree(&key, &test.msg, &test.sig, test.result, &label);
                run += 1;
            }
        }
        assert!(run > 200, "{algorithm} {run}");
    }
}

#[test]
fn wycheproof_rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        let mut run = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
            for test in group.tests {
                let label = format!("{algorithm} {} {}", test.tc_id, test.comment);
                agree(&key, &test.msg, &test.sig, test.result, &label);
                run += 1;
            }
        }
        assert!(run > 50, "{algorithm} {run}");
    }
    // A salt of another length than the hash is not JWS (RFC 7518 §3.5).
    let set = TestSet::load(TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap();
    for group in set.test_groups {
        let key = VerifyingKey::from_spki_der(Algorithm::Ps256, &group.der).unwrap();
        for test in group.tests.into_iter().filter(|test| test.result == wycheproof::TestResult::Valid) {
            assert!(!key.verify_text(&test.msg, base64url::encode(&test.sig).as_bytes()), "{}", test.tc_id);
        }
    }
}

#[test]
fn wycheproof_hmac() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::HmacSha256, Algorithm::Hs256),
        (TestName::HmacSha384, Algorithm::Hs384),
        (TestName::HmacSha512, Algorithm::Hs512),
    ] {
        let mut run = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let whole = group.tag_size == algorithm.hash().length() * 8;
            for test in group.tests {
                let Ok(key) = VerifyingKey::dangerous_from_short_secret(algorithm, &test.key) else {
                    assert!(test.key.is_empty());
                    continue;
                };
                let verified = key.verify_text(&test.msg, base64url::encode(&test.tag).as_bytes());
                // A truncated tag is no tag, however right its bytes are.
                let expected = whole && test.result == wycheproof::TestResult::Valid;
                assert_eq!(verified, expected, "{algorithm} {} {}", test.tc_id, test.comment);
                run += 1;
            }
        }
        assert!(run > 100, "{algorithm} {run}");
    }
}
