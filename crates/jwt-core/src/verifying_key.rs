//! Keys that verify, parsed and checked once (RFC 7517, RFC 7518 §6, RFC 5280 §4.1).

use std::fmt;
use std::sync::Arc;

use crate::algorithm::{Algorithm, Family};
use crate::base64url;
use crate::crypto::{LONGEST_SIGNATURE, PublicKey};
use crate::der;
use crate::error::KeyError;
use crate::jwk::{Jwk, JwkText};
use crate::pem::{self, Label, NotPem};
use crate::public_key::PublicNumbers;

/// A key id may have this many bytes.
const LONGEST_KEY_ID: usize = 512;

/// A public key or shared secret that belongs to exactly one algorithm.
///
/// It holds the backend's parsed object; a clone shares it. With an HMAC algorithm it is as secret as the
/// [`SigningKey`](crate::SigningKey) it verifies for.
#[derive(Clone)]
pub struct VerifyingKey {
    inner: Arc<Inner>,
    key_id: Option<Arc<str>>,
}

struct Inner {
    algorithm: Algorithm,
    key: PublicKey,
    /// Nothing for a shared secret, which is never written anywhere.
    numbers: Option<PublicNumbers>,
    signature_length: usize,
}

impl VerifyingKey {
    /// Reads a public JWK, or the JWK of a shared secret (RFC 7517 §4, RFC 7518 §6).
    ///
    /// The algorithm is the `alg` member. Without one, the curve tells it for `EC` and `OKP` keys. `kid`
    /// becomes the key id; `use` and `key_ops`, where present, must allow verifying.
    ///
    /// # Errors
    /// Any [`KeyError`]; [`KeyError::WrongKind`] for a private asymmetric key, which has no place where
    /// public ones are read, [`KeyError::MissingAlgorithm`] for `RSA` and `oct` keys without `alg`.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        JwkText::parse(json)?.verifying_key(None)
    }

    /// Reads a JWK like [`VerifyingKey::from_jwk`], for an algorithm that the caller states. An `alg` member
    /// must agree with it.
    ///
    /// # Errors
    /// Any [`KeyError`] but [`KeyError::MissingAlgorithm`].
    pub fn from_jwk_for(algorithm: Algorithm, json: &str) -> Result<Self, KeyError> {
        let key = JwkText::parse(json)?.verifying_key(Some(algorithm))?;
        if key.algorithm() == algorithm { Ok(key) } else { Err(KeyError::AlgorithmMismatch) }
    }

    /// Reads a `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS#1) block (RFC 7468 §13).
    ///
    /// # Errors
    /// Any [`KeyError`]; [`KeyError::WrongKind`] for other blocks, such as certificates and private keys.
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let (label, der) = pem::parse(text).map_err(|error| match error {
            NotPem::Malformed => KeyError::Malformed,
            NotPem::OtherLabel => KeyError::WrongKind,
        })?;
        match label {
            Label::Public => Self::from_spki_der(algorithm, der.bytes()),
            Label::RsaPublic => Self::from_numbers(algorithm, PublicNumbers::from_rsa_der(der.bytes())?),
            Label::Private | Label::RsaPrivate | Label::EcPrivate => Err(KeyError::WrongKind),
        }
    }

    /// Reads a SubjectPublicKeyInfo in DER (RFC 5280 §4.1).
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn from_spki_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_numbers(algorithm, PublicNumbers::from_spki(der)?)
    }

    /// Takes a shared secret for an HMAC algorithm: at least as many bytes as the hash has (RFC 7518 §3.2).
    ///
    /// # Errors
    /// [`KeyError::TooShort`]; [`KeyError::SecretIsAKey`] for the text or DER of an asymmetric key;
    /// [`KeyError::AlgorithmMismatch`] for other algorithms.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        check_secret_length(algorithm, secret)?;
        Self::dangerous_from_short_secret(algorithm, secret)
    }

    /// Takes a shared secret of any length but none.
    ///
    /// A short secret can be guessed offline from any one token. This exists for systems whose secret cannot
    /// be changed.
    ///
    /// # Errors
    /// Those of [`VerifyingKey::from_secret`], with [`KeyError::TooShort`] for the empty secret only.
    pub fn dangerous_from_short_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(algorithm, secret)?;
        Ok(Self {
            inner: Arc::new(Inner {
                algorithm,
                key: PublicKey::hmac(algorithm.hash(), secret),
                numbers: None,
                signature_length: algorithm.hash().length(),
            }),
            key_id: None,
        })
    }

    pub(crate) fn from_numbers(algorithm: Algorithm, numbers: PublicNumbers) -> Result<Self, KeyError> {
        let numbers = numbers.checked(algorithm)?;
        let key = PublicKey::asymmetric(algorithm, &numbers.to_backend())?;
        let signature_length = numbers.signature_length();
        debug_assert!(signature_length <= LONGEST_SIGNATURE);
        Ok(Self {
            inner: Arc::new(Inner { algorithm, key, numbers: Some(numbers), signature_length }),
            key_id: None,
        })
    }

    /// Returns the key under this id, which tokens name in their `kid` header (RFC 7515 §4.1.4).
    #[must_use]
    pub fn with_key_id(mut self, key_id: &str) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    pub(crate) fn try_with_key_id(self, key_id: Option<&str>) -> Result<Self, KeyError> {
        match key_id {
            Some(key_id) if key_id.len() > LONGEST_KEY_ID => Err(KeyError::TooLong),
            Some(key_id) => Ok(self.with_key_id(key_id)),
            None => Ok(self),
        }
    }

    /// Returns the key id, if it has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the one algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }

    /// Returns the SHA-256 thumbprint in base64url, or `None` for a shared secret (RFC 7638 §3).
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        self.inner.numbers.as_ref().map(PublicNumbers::thumbprint)
    }

    /// Returns the public JWK under `key_id`, or under the key's own id, if any; `None` for a shared secret,
    /// which is never published.
    #[must_use]
    pub fn to_jwk(&self, key_id: Option<&str>) -> Option<Jwk> {
        self.inner.numbers.as_ref()?;
        let mut key = self.clone();
        if let Some(key_id) = key_id {
            key.key_id = Some(key_id.into());
        }
        Some(Jwk::of(key))
    }

    /// Returns the SubjectPublicKeyInfo in DER, or `None` for a shared secret (RFC 5280 §4.1).
    #[must_use]
    pub fn to_spki_der(&self) -> Option<Vec<u8>> {
        self.inner.numbers.as_ref().map(PublicNumbers::to_spki)
    }

    /// Returns a `PUBLIC KEY` block, or `None` for a shared secret (RFC 7468 §13).
    #[must_use]
    pub fn to_pem(&self) -> Option<String> {
        self.to_spki_der().map(|der| pem::write(Label::Public, &der))
    }

    pub(crate) fn numbers(&self) -> Option<&PublicNumbers> {
        self.inner.numbers.as_ref()
    }

    /// Tells whether both are the same public key for the same algorithm, under whatever ids.
    pub(crate) fn is_same_key(&self, other: &Self) -> bool {
        self.algorithm() == other.algorithm()
            && (Arc::ptr_eq(&self.inner, &other.inner)
                || (self.numbers().is_some() && self.numbers() == other.numbers()))
    }

    /// The number of bytes of a signature.
    #[inline]
    pub(crate) fn signature_length(&self) -> usize {
        self.inner.signature_length
    }

    /// The number of base64url characters of a signature.
    #[inline]
    pub(crate) fn signature_characters(&self) -> usize {
        base64url::encoded_length(self.inner.signature_length)
    }

    /// Verifies a base64url signature.
    #[inline]
    pub(crate) fn verify_text(&self, message: &[u8], signature: &[u8]) -> bool {
        // Clearing a kilobyte for each signature of 32 bytes would be a cost.
        match self.inner.signature_length {
            0..=64 => self.verify_in(message, signature, &mut [0; 64]),
            65..=256 => self.verify_in(message, signature, &mut [0; 256]),
            _ => self.verify_in(message, signature, &mut [0; LONGEST_SIGNATURE]),
        }
    }

    pub(crate) fn verify_bytes(&self, message: &[u8], signature: &[u8]) -> bool {
        self.inner.key.verifies(message, signature)
    }

    #[inline]
    fn verify_in(&self, message: &[u8], signature: &[u8], room: &mut [u8]) -> bool {
        let Ok(signature) = base64url::decode_into(signature, room) else { return false };
        signature.len() == self.inner.signature_length && self.inner.key.verifies(message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

pub(crate) fn check_secret_length(algorithm: Algorithm, secret: &[u8]) -> Result<(), KeyError> {
    //= RFC 7518 §3.2
    if algorithm.family() == Family::Hmac && secret.len() < algorithm.hash().length() {
        return Err(KeyError::TooShort);
    }
    Ok(())
}

/// Refuses what would turn a public key into a secret that everybody knows.
pub(crate) fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), KeyError> {
    if algorithm.family() != Family::Hmac {
        return Err(KeyError::AlgorithmMismatch);
    }
    if secret.is_empty() {
        return Err(KeyError::TooShort);
    }
    //= RFC 8725 §2.1
    let is_pem = secret.windows(11).any(|window| window == b"-----BEGIN ");
    let is_jwk =
        secret.trim_ascii_start().first() == Some(&b'{') && secret.windows(5).any(|name| name == b"\"kty\"");
    if is_pem || is_jwk || der::spki(secret).is_ok() || der::rsa_public_key(secret).is_ok() {
        return Err(KeyError::SecretIsAKey);
    }
    Ok(())
}
