//! JSON Web Keys: read strictly, written without their private members (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::algorithm::{Algorithm, Curve, Family};
use crate::base64url;
use crate::crypto::PrivateKey;
use crate::der;
use crate::error::KeyError;
use crate::json::{Elements, Members, NotStrictJson};
use crate::public_key::PublicNumbers;
use crate::secret::Secret;
use crate::signing_key::SigningKey;
use crate::verifying_key::VerifyingKey;

/// A JWK may have this many characters.
const LONGEST: usize = 64 * 1024;

/// A public key as it is published: serializes to its JWK with `kty`, `use`, `alg`, `kid` and the public
/// numbers (RFC 7517 §4).
///
/// There is no way to make one from a private key's members or a secret.
#[derive(Clone, Debug)]
pub struct Jwk {
    key: VerifyingKey,
}

impl Jwk {
    pub(crate) fn of(key: VerifyingKey) -> Self {
        Self { key }
    }

    /// Returns the key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Returns the key id, if it has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key.key_id()
    }

    /// Returns the JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Writing strings into memory has nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.key.numbers() {
            Some(numbers) => numbers.serialize_jwk(self.key.algorithm(), self.key.key_id(), serializer),
            None => Err(serde::ser::Error::custom("a shared secret is not published")),
        }
    }
}

/// The string members that this crate reads, in the order of [`JwkText::text`].
const NAMES: [&str; 16] =
    ["kty", "alg", "use", "kid", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "k"];

const KTY: usize = 0;
const ALG: usize = 1;
const USE: usize = 2;
const KID: usize = 3;
const CRV: usize = 4;
const X: usize = 5;
const Y: usize = 6;
const N: usize = 7;
const E: usize = 8;
const D: usize = 9;
const P: usize = 10;
const Q: usize = 11;
const DP: usize = 12;
const DQ: usize = 13;
const QI: usize = 14;
const K: usize = 15;

/// A JWK whose members have been told apart, and not yet understood.
pub(crate) struct JwkText<'a> {
    text: [Option<Cow<'a, str>>; NAMES.len()],
    may_sign: bool,
    may_verify: bool,
    has_more_primes: bool,
}

impl From<NotStrictJson> for KeyError {
    fn from(_: NotStrictJson) -> Self {
        Self::Malformed
    }
}

impl<'a> JwkText<'a> {
    /// Reads the members; those unknown are skipped (RFC 7517 §4).
    pub(crate) fn parse(json: &'a str) -> Result<Self, KeyError> {
        if json.len() > LONGEST {
            return Err(KeyError::Malformed);
        }
        let mut this =
            Self { text: Default::default(), may_sign: true, may_verify: true, has_more_primes: false };
        let mut members = Members::of(json)?;
        while let Some((name, value)) = members.next()? {
            let name = name.decode();
            if let Some(at) = NAMES.iter().position(|known| *known == name) {
                let text = value.string().ok_or(KeyError::Malformed)?.decode();
                if let Some(slot) = this.text.get_mut(at) {
                    *slot = Some(text);
                }
            } else if name == "key_ops" {
                let operations = value.array().ok_or(KeyError::Malformed)?;
                (this.may_sign, this.may_verify) = (false, false);
                let mut operations = Elements::of(operations)?;
                while let Some(operation) = operations.next()? {
                    let operation = operation.string().ok_or(KeyError::Malformed)?;
                    this.may_sign |= operation.is("sign");
                    this.may_verify |= operation.is("verify");
                }
            } else if name == "oth" {
                this.has_more_primes = true;
            }
        }
        Ok(this)
    }

    fn text(&self, at: usize) -> Option<&str> {
        self.text.get(at).and_then(Option::as_deref)
    }

    fn bytes(&self, at: usize) -> Result<Secret, KeyError> {
        let text = self.text(at).ok_or(KeyError::Malformed)?;
        base64url::decode(text).map(Secret::new).map_err(|_| KeyError::Malformed)
    }

    /// A number without leading zeros (RFC 7518 §2, Base64urlUInt).
    fn number(&self, at: usize) -> Result<Secret, KeyError> {
        let number = self.bytes(at)?;
        if number.bytes().first().is_none_or(|byte| *byte == 0) {
            Err(KeyError::Malformed)
        } else {
            Ok(number)
        }
    }

    /// A number of exactly the curve's length (RFC 7518 §6.2.1.2).
    fn coordinate(&self, at: usize, curve: Curve) -> Result<Secret, KeyError> {
        let number = self.bytes(at)?;
        if number.bytes().len() == curve.coordinate_length() { Ok(number) } else { Err(KeyError::Malformed) }
    }

    pub(crate) fn is_symmetric(&self) -> bool {
        self.text(KTY) == Some("oct")
    }

    fn is_private(&self) -> bool {
        [D, P, Q, DP, DQ, QI].iter().any(|at| self.text(*at).is_some()) || self.has_more_primes
    }

    /// The algorithm that the members tell, or else `assumed` where it fits.
    fn algorithm(&self, assumed: Option<Algorithm>) -> Result<Algorithm, KeyError> {
        let kty = self.text(KTY).ok_or(KeyError::Malformed)?;
        let told = match (kty, self.text(CRV)) {
            ("RSA" | "oct", _) => None,
            ("EC", Some("P-256")) => Some(Algorithm::Es256),
            ("EC", Some("P-384")) => Some(Algorithm::Es384),
            ("EC", Some("P-521")) => Some(Algorithm::Es512),
            ("OKP", Some("Ed25519")) => Some(Algorithm::EdDsa),
            ("EC" | "OKP", None) => return Err(KeyError::Malformed),
            _ => return Err(KeyError::Unsupported),
        };
        let algorithm = match self.text(ALG) {
            Some(name) => Algorithm::from_name(name).ok_or(KeyError::Unsupported)?,
            None => told.or(assumed).ok_or(KeyError::MissingAlgorithm)?,
        };
        let fits = match algorithm.family() {
            Family::Hmac => kty == "oct",
            Family::RsaPkcs1 | Family::RsaPss => kty == "RSA",
            Family::Ecdsa(_) | Family::EdDsa => told == Some(algorithm),
        };
        if !fits {
            return Err(KeyError::AlgorithmMismatch);
        }
        if algorithm.is_available() { Ok(algorithm) } else { Err(KeyError::NotInBackend) }
    }

    fn check_use(&self, allowed: bool) -> Result<(), KeyError> {
        //= RFC 7517 §4.3
        if !allowed || self.text(USE).is_some_and(|usage| usage != "sig") {
            return Err(KeyError::ForbiddenUse);
        }
        Ok(())
    }

    fn numbers(&self, algorithm: Algorithm) -> Result<PublicNumbers, KeyError> {
        match algorithm.family() {
            Family::Hmac => Err(KeyError::AlgorithmMismatch),
            Family::RsaPkcs1 | Family::RsaPss => {
                Ok(PublicNumbers::rsa(self.number(N)?.bytes(), self.number(E)?.bytes()))
            }
            Family::Ecdsa(curve) => Ok(PublicNumbers::Ec { curve, point: self.point(curve)?.into() }),
            Family::EdDsa => Ok(PublicNumbers::Ed25519(self.bytes(X)?.bytes().into())),
        }
    }

    fn point(&self, curve: Curve) -> Result<Vec<u8>, KeyError> {
        Ok([&[4], self.coordinate(X, curve)?.bytes(), self.coordinate(Y, curve)?.bytes()].concat())
    }

    pub(crate) fn verifying_key(&self, assumed: Option<Algorithm>) -> Result<VerifyingKey, KeyError> {
        let algorithm = self.algorithm(assumed)?;
        let key = if algorithm.family() == Family::Hmac {
            // One secret does both, so either operation will do.
            self.check_use(self.may_verify || self.may_sign)?;
            VerifyingKey::from_secret(algorithm, self.bytes(K)?.bytes())?
        } else {
            self.check_use(self.may_verify)?;
            if self.is_private() {
                return Err(KeyError::WrongKind);
            }
            VerifyingKey::from_numbers(algorithm, self.numbers(algorithm)?)?
        };
        key.try_with_key_id(self.text(KID))
    }

    pub(crate) fn signing_key(&self, assumed: Option<Algorithm>) -> Result<SigningKey, KeyError> {
        let algorithm = self.algorithm(assumed)?;
        self.check_use(self.may_sign)?;
        if algorithm.family() != Family::Hmac && self.text(D).is_none() {
            return Err(KeyError::WrongKind);
        }
        // Weak public halves are named as such, before the backend finds its own words for them.
        let check = || self.numbers(algorithm)?.checked(algorithm);
        let key = match algorithm.family() {
            Family::Hmac => SigningKey::from_secret(algorithm, self.bytes(K)?.bytes())?,
            Family::RsaPkcs1 | Family::RsaPss => {
                check()?;
                SigningKey::from_rsa_der(algorithm, self.rsa_private_key()?.bytes())?
            }
            Family::Ecdsa(curve) => {
                check()?;
                let private = self.coordinate(D, curve)?;
                let pair = PrivateKey::from_ec_parts(curve, private.bytes(), &self.point(curve)?)?;
                SigningKey::from_private(algorithm, pair)?
            }
            Family::EdDsa => {
                check()?;
                let pair = PrivateKey::from_ed25519_parts(self.bytes(D)?.bytes(), self.bytes(X)?.bytes())?;
                SigningKey::from_private(algorithm, pair)?
            }
        };
        key.try_with_key_id(self.text(KID))
    }

    fn rsa_private_key(&self) -> Result<Secret, KeyError> {
        if self.has_more_primes {
            return Err(KeyError::Unsupported);
        }
        let number = |at| self.number(at);
        let [n, e, d, p] = [number(N)?, number(E)?, number(D)?, number(P)?];
        let [q, dp, dq, qi] = [number(Q)?, number(DP)?, number(DQ)?, number(QI)?];
        let numbers = [&n, &e, &d, &p, &q, &dp, &dq, &qi].map(Secret::bytes);
        Ok(Secret::new(der::write_rsa_private_key(&numbers)))
    }
}
