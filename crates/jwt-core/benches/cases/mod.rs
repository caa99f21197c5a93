//! One token in three ways: the bare primitive, this crate, `jsonwebtoken`.
//!
//! All three sign the same claims with the same keys, held ready as their interface allows. Verifying means
//! signature, `exp`, `iss`, `aud` and typed claims.

use std::hint::black_box;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as backend;
#[cfg(not(feature = "aws-lc-rs"))]
use ring as backend;

use backend::rand::SystemRandom;
use backend::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use backend::{digest, hmac};
use jwt_core::{Algorithm, Scratch, Signer, SigningKey, TokenType, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};

pub(crate) const ISSUER: &str = "https://tenant.eu.example.com/";
pub(crate) const AUDIENCE: &str = "https://api.example.com/calendar/v1/";
pub(crate) const NOW: u64 = 1_790_000_000;
const SECRET: [u8; 64] = [0x5a; 64];

/// The claims of an access token.
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    azp: &'a str,
    scope: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

pub(crate) const CLAIMS: Claims<'static> = Claims {
    iss: ISSUER,
    sub: "auth0|507f1f77bcf86cd799439011",
    aud: AUDIENCE,
    azp: "my_client_id_abcdefghijklmnop",
    scope: "read:calendar write:calendar",
    iat: NOW,
    exp: 4_000_000_000,
    jti: "k3J9x0aQ1bT7",
};

/// The claims for which this crate has no field.
#[derive(Deserialize)]
pub(crate) struct Extra<'a> {
    pub(crate) azp: &'a str,
    pub(crate) scope: &'a str,
}

/// The same claims as `jsonwebtoken` wants them.
#[derive(Deserialize)]
pub(crate) struct Owned {
    iss: String,
    sub: String,
    aud: String,
    azp: String,
    scope: String,
    iat: u64,
    exp: u64,
    jti: String,
}

/// A measured operation.
pub(crate) type Operation = Box<dyn FnMut()>;

/// The operations of one algorithm: bare, here, `jsonwebtoken` (which has neither ES512 nor all of the rest).
pub(crate) struct Case {
    pub(crate) sign: [Option<Operation>; 3],
    pub(crate) verify: [Option<Operation>; 3],
}

fn private_pem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => include_str!("../../tests/keys/p256.pk8.pem"),
        Algorithm::Es384 => include_str!("../../tests/keys/p384.pk8.pem"),
        Algorithm::EdDsa => include_str!("../../tests/keys/ed25519.pk8.pem"),
        _ => include_str!("../../tests/keys/rsa2048.pk8.pem"),
    }
}

fn public_pem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => include_str!("../../tests/keys/p256.spki.pem"),
        Algorithm::Es384 => include_str!("../../tests/keys/p384.spki.pem"),
        Algorithm::EdDsa => include_str!("../../tests/keys/ed25519.spki.pem"),
        _ => include_str!("../../tests/keys/rsa2048.spki.pem"),
    }
}

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(body).expect("a good PEM")
}

pub(crate) fn signing_key(algorithm: Algorithm) -> SigningKey {
    if algorithm == Algorithm::Hs256 {
        SigningKey::from_secret(algorithm, &SECRET).expect("a long secret")
    } else {
        SigningKey::from_pem(algorithm, private_pem(algorithm)).expect("a good key")
    }
}

pub(crate) fn verifying_key(algorithm: Algorithm) -> VerifyingKey {
    if algorithm == Algorithm::Hs256 {
        VerifyingKey::from_secret(algorithm, &SECRET).expect("a long secret")
    } else {
        VerifyingKey::from_pem(algorithm, public_pem(algorithm)).expect("a good key")
    }
}

pub(crate) fn verifier(algorithm: Algorithm) -> Verifier {
    Verifier::builder(verifying_key(algorithm))
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .build()
}

pub(crate) fn token(algorithm: Algorithm) -> String {
    let signer = Signer::new(signing_key(algorithm), TokenType::Jwt, None).expect("no key id");
    signer.sign(&CLAIMS).expect("a signature")
}

/// The bare primitives over the signing input and the raw signature.
fn bare(algorithm: Algorithm, message: Vec<u8>, signature: Vec<u8>) -> [Operation; 2] {
    let random = SystemRandom::new();
    let input = message.clone();
    if algorithm == Algorithm::Hs256 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
        let other = key.clone();
        return [
            Box::new(move || {
                black_box(hmac::sign(&key, black_box(&input)));
            }),
            Box::new(move || {
                hmac::verify(&other, black_box(&message), black_box(&signature)).expect("valid")
            }),
        ];
    }
    let private = der(private_pem(algorithm));
    let sign: Operation = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => {
            let key = RsaKeyPair::from_pkcs8(&private).expect("a good key");
            let padding: &'static dyn signature::RsaEncoding = match algorithm {
                Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
                _ => &signature::RSA_PSS_SHA256,
            };
            let mut out = [0; 256];
            Box::new(move || key.sign(padding, &random, black_box(&input), &mut out).expect("a signature"))
        }
        Algorithm::EdDsa => {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&private).expect("a good key");
            Box::new(move || {
                black_box(key.sign(black_box(&input)));
            })
        }
        _ => {
            let curve = match algorithm {
                Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                _ => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            };
            #[cfg(feature = "aws-lc-rs")]
            let key = EcdsaKeyPair::from_pkcs8(curve, &private).expect("a good key");
            #[cfg(not(feature = "aws-lc-rs"))]
            let key = EcdsaKeyPair::from_pkcs8(curve, &private, &random).expect("a good key");
            Box::new(move || {
                black_box(key.sign(&random, black_box(&input)).expect("a signature"));
            })
        }
    };
    let verification: &'static dyn signature::VerificationAlgorithm = match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        _ => &signature::ED25519,
    };
    // What follows the SubjectPublicKeyInfo's algorithm is what both backends take.
    let spki = der(public_pem(algorithm));
    let skipped = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => 24,
        Algorithm::Es256 => 26,
        Algorithm::Es384 => 23,
        _ => 12,
    };
    let public = spki.get(skipped..).expect("a good key").to_vec();
    #[cfg(feature = "aws-lc-rs")]
    let verify: Operation = {
        let key = signature::ParsedPublicKey::new(verification, public).expect("a good key");
        Box::new(move || key.verify_sig(black_box(&message), black_box(&signature)).expect("valid"))
    };
    #[cfg(not(feature = "aws-lc-rs"))]
    let verify: Operation = {
        let key = signature::UnparsedPublicKey::new(verification, public);
        Box::new(move || key.verify(black_box(&message), black_box(&signature)).expect("valid"))
    };
    [sign, verify]
}

fn ours(algorithm: Algorithm, token: String) -> [Operation; 2] {
    let signer = Signer::new(signing_key(algorithm), TokenType::Jwt, None).expect("no key id");
    let verifier = verifier(algorithm);
    let mut scratch = Scratch::new();
    [
        Box::new(move || {
            black_box(signer.sign(black_box(&CLAIMS)).expect("a signature"));
        }),
        Box::new(move || {
            let claims = verifier.verify::<Extra<'_>>(black_box(&token), NOW, &mut scratch).expect("valid");
            black_box((claims.extra.azp, claims.extra.scope, &claims.subject));
        }),
    ]
}

fn jsonwebtoken(algorithm: Algorithm, token: String) -> [Operation; 2] {
    use jsonwebtoken::{Algorithm as Name, DecodingKey, EncodingKey, Header, Validation};
    let (private, public) = (private_pem(algorithm).as_bytes(), public_pem(algorithm).as_bytes());
    let (name, encoding, decoding) = match algorithm {
        Algorithm::Hs256 => {
            (Name::HS256, Ok(EncodingKey::from_secret(&SECRET)), Ok(DecodingKey::from_secret(&SECRET)))
        }
        Algorithm::Rs256 => {
            (Name::RS256, EncodingKey::from_rsa_pem(private), DecodingKey::from_rsa_pem(public))
        }
        Algorithm::Ps256 => {
            (Name::PS256, EncodingKey::from_rsa_pem(private), DecodingKey::from_rsa_pem(public))
        }
        Algorithm::Es256 => {
            (Name::ES256, EncodingKey::from_ec_pem(private), DecodingKey::from_ec_pem(public))
        }
        Algorithm::Es384 => {
            (Name::ES384, EncodingKey::from_ec_pem(private), DecodingKey::from_ec_pem(public))
        }
        _ => (Name::EdDSA, EncodingKey::from_ed_pem(private), DecodingKey::from_ed_pem(public)),
    };
    let (encoding, decoding) = (encoding.expect("a good key"), decoding.expect("a good key"));
    let header = Header::new(name);
    let mut validation = Validation::new(name);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.leeway = 0;
    [
        Box::new(move || {
            black_box(jsonwebtoken::encode(&header, black_box(&CLAIMS), &encoding).expect("a signature"));
        }),
        Box::new(move || {
            let data =
                jsonwebtoken::decode::<Owned>(black_box(&token), &decoding, &validation).expect("valid");
            let Owned { iss, sub, aud, azp, scope, iat, exp, jti } = data.claims;
            black_box((iss, sub, aud, azp, scope, iat, exp, jti));
        }),
    ]
}

/// The operations of an algorithm, ready to run.
pub(crate) fn case(algorithm: Algorithm) -> Case {
    use base64::Engine as _;
    let token = token(algorithm);
    let (message, signature) = token.rsplit_once('.').expect("a token");
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let [raw_sign, raw_verify] = bare(algorithm, message.as_bytes().to_vec(), signature);
    let [sign, verify] = ours(algorithm, token.clone());
    let [their_sign, their_verify] = jsonwebtoken(algorithm, token);
    Case {
        sign: [Some(raw_sign), Some(sign), Some(their_sign)],
        verify: [Some(raw_verify), Some(verify), Some(their_verify)],
    }
}

/// The measured algorithms.
pub(crate) const MEASURED: [Algorithm; 6] = [
    Algorithm::Hs256,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

/// SHA-256, so that a reader of results can tell how fast the machine was.
pub(crate) fn calibrate() {
    black_box(digest::digest(&digest::SHA256, black_box(&[0; 4096])));
}
