//! Keys that sign, parsed and checked once (RFC 5208, RFC 5958, RFC 7517 §9.2, RFC 8017 §A.1.2, RFC 5915).

use std::fmt;
use std::sync::Arc;

use crate::algorithm::{Algorithm, Family};
use crate::crypto::{self, LONGEST_SIGNATURE, PrivateKey};
use crate::der;
use crate::error::KeyError;
use crate::jwk::JwkText;
use crate::pem::{self, Label, NotPem};
use crate::public_key::PublicNumbers;
use crate::secret::Secret;
use crate::verifying_key::{VerifyingKey, check_secret, check_secret_length};

/// A private key or shared secret that belongs to exactly one algorithm.
///
/// It holds the backend's parsed object, so that signing never parses; a clone shares it. It cannot be
/// written out again, and shows nothing of itself.
#[derive(Clone)]
pub struct SigningKey {
    inner: Arc<Inner>,
}

struct Inner {
    private: PrivateKey,
    public: VerifyingKey,
}

impl SigningKey {
    /// Reads a PKCS#8 private key in DER (RFC 5208 §5, RFC 5958 §2).
    ///
    /// # Errors
    /// Any [`KeyError`]. With the `ring` backend an EC key must include its public key, and an RSA key may
    /// have 4096 bits at most.
    pub fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        if !der::is_one_sequence(der) {
            return Err(KeyError::Malformed);
        }
        let is_rsa = matches!(algorithm.family(), Family::RsaPkcs1 | Family::RsaPss);
        // RSASSA-PSS keys carry parameters that would have to agree with the algorithm; nobody uses them.
        if is_rsa != der::is_pkcs8_rsa(der) {
            return Err(KeyError::AlgorithmMismatch);
        }
        Self::from_private(algorithm, PrivateKey::from_pkcs8(algorithm, der)?)
    }

    /// Reads a `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC 1) block.
    ///
    /// # Errors
    /// Any [`KeyError`]; [`KeyError::WrongKind`] for other blocks, encrypted keys among them.
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let (label, der) = pem::parse(text).map_err(|error| match error {
            NotPem::Malformed => KeyError::Malformed,
            NotPem::OtherLabel => KeyError::WrongKind,
        })?;
        match (label, algorithm.family()) {
            (Label::Private, _) => Self::from_pkcs8_der(algorithm, der.bytes()),
            (Label::RsaPrivate, Family::RsaPkcs1 | Family::RsaPss) => {
                Self::from_rsa_der(algorithm, der.bytes())
            }
            (Label::EcPrivate, Family::Ecdsa(expected)) => {
                let (curve, private, point) =
                    der::ec_private_key(der.bytes()).map_err(|_| KeyError::Malformed)?;
                if curve != expected {
                    return Err(KeyError::AlgorithmMismatch);
                }
                Self::from_private(algorithm, PrivateKey::from_ec_parts(curve, private, point)?)
            }
            (Label::RsaPrivate | Label::EcPrivate, _) => Err(KeyError::AlgorithmMismatch),
            (Label::Public | Label::RsaPublic, _) => Err(KeyError::WrongKind),
        }
    }

    /// Reads a private JWK, or the JWK of a shared secret (RFC 7518 §6, RFC 8037 §2).
    ///
    /// The algorithm is the `alg` member, or else what the curve tells. An RSA key needs all of its
    /// Chinese-remainder members. `use` and `key_ops`, where present, must allow signing.
    ///
    /// # Errors
    /// Any [`KeyError`]; [`KeyError::WrongKind`] for a public key.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        JwkText::parse(json)?.signing_key(None)
    }

    /// Reads a private JWK like [`SigningKey::from_jwk`], for an algorithm that the caller states. An `alg`
    /// member must agree with it.
    ///
    /// # Errors
    /// Any [`KeyError`] but [`KeyError::MissingAlgorithm`].
    pub fn from_jwk_for(algorithm: Algorithm, json: &str) -> Result<Self, KeyError> {
        let key = JwkText::parse(json)?.signing_key(Some(algorithm))?;
        if key.algorithm() == algorithm { Ok(key) } else { Err(KeyError::AlgorithmMismatch) }
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
    /// Those of [`SigningKey::from_secret`], with [`KeyError::TooShort`] for the empty secret only.
    pub fn dangerous_from_short_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(algorithm, secret)?;
        let private = PrivateKey::hmac(algorithm.hash(), secret);
        let public = VerifyingKey::dangerous_from_short_secret(algorithm, secret)?;
        Ok(Self { inner: Arc::new(Inner { private, public }) })
    }

    /// Makes a new key pair from the operating system's entropy: RSA of 2048 bits (`aws-lc-rs` only), or the
    /// algorithm's curve. A shared secret is any 32 to 64 random bytes, so HMAC keys are not made here.
    ///
    /// # Errors
    /// [`KeyError::NotInBackend`], [`KeyError::NoEntropy`]; [`KeyError::AlgorithmMismatch`] for HMAC.
    pub fn generate(algorithm: Algorithm) -> Result<GeneratedKey, KeyError> {
        let pkcs8_der = crypto::generate_pkcs8(algorithm)?;
        let key = Self::from_pkcs8_der(algorithm, pkcs8_der.bytes())?;
        Ok(GeneratedKey { key, pkcs8_der })
    }

    pub(crate) fn from_rsa_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_private(algorithm, PrivateKey::from_rsa_der(algorithm, der)?)
    }

    pub(crate) fn from_private(algorithm: Algorithm, private: PrivateKey) -> Result<Self, KeyError> {
        let bytes = private.public_bytes().ok_or(KeyError::AlgorithmMismatch)?;
        let public = VerifyingKey::from_numbers(algorithm, PublicNumbers::from_backend(algorithm, bytes)?)?;
        if matches!(private, PrivateKey::Rsa(..)) {
            // The backends take some inconsistent RSA numbers and fail at the first signature: make it now.
            let mut room = [0; LONGEST_SIGNATURE];
            let signature = private.sign(b"", &mut room).ok_or(KeyError::Inconsistent)?;
            if !public.verify_bytes(b"", signature) {
                return Err(KeyError::Inconsistent);
            }
        }
        Ok(Self { inner: Arc::new(Inner { private, public }) })
    }

    pub(crate) fn try_with_key_id(self, key_id: Option<&str>) -> Result<Self, KeyError> {
        // Called while the key is being made, when nobody shares it yet.
        let inner = Arc::try_unwrap(self.inner).map_err(|_| KeyError::Malformed)?;
        let public = inner.public.try_with_key_id(key_id)?;
        Ok(Self { inner: Arc::new(Inner { private: inner.private, public }) })
    }

    /// Returns the one algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.inner.public.algorithm()
    }

    /// Returns the key that verifies what this one signs, with the `kid` of the JWK this was read from.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.inner.public.clone()
    }

    /// Returns the SHA-256 thumbprint of the public key in base64url, or `None` for a shared secret
    /// (RFC 7638 §3).
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        self.inner.public.thumbprint()
    }

    pub(crate) fn verifying_key_ref(&self) -> &VerifyingKey {
        &self.inner.public
    }

    #[inline]
    pub(crate) fn sign<'r>(&self, message: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
        self.inner.private.sign(message, room)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

/// A new key pair and its PKCS#8 form, which is to be stored.
pub struct GeneratedKey {
    key: SigningKey,
    pkcs8_der: Secret,
}

impl GeneratedKey {
    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Returns the private key as PKCS#8 DER, for [`SigningKey::from_pkcs8_der`]. These bytes are wiped when
    /// this value is dropped; a copy is the caller's to protect.
    #[must_use]
    pub fn pkcs8_der(&self) -> &[u8] {
        self.pkcs8_der.bytes()
    }

    /// Returns the private key as a `PRIVATE KEY` block, for [`SigningKey::from_pem`] (RFC 7468 §10). The text
    /// is the caller's to protect.
    #[must_use]
    pub fn pkcs8_pem(&self) -> String {
        pem::write(Label::Private, self.pkcs8_der.bytes())
    }
}

impl fmt::Debug for GeneratedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedKey").field("key", &self.key).finish_non_exhaustive()
    }
}
