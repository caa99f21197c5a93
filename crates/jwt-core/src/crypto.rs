//! The crypto backend: this crate's one place that names ring or aws-lc-rs (RFC 7518 §3, RFC 8037 §3.1).

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as backend;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as backend;

use backend::digest;
use backend::hmac;
use backend::rand::SystemRandom;
use backend::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};

use crate::algorithm::{Algorithm, Curve, Family, Hash};
use crate::error::KeyError;
use crate::secret::Secret;

/// The longest signature: RSA of 8192 bits.
pub(crate) const LONGEST_SIGNATURE: usize = 1024;

pub(crate) const fn is_available(algorithm: Algorithm) -> bool {
    cfg!(feature = "aws-lc-rs") || !matches!(algorithm, Algorithm::Es512)
}

/// Returns the SHA-256 digest.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

fn hmac_algorithm(hash: Hash) -> hmac::Algorithm {
    match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    }
}

fn ecdsa_signing(curve: Curve) -> Result<&'static signature::EcdsaSigningAlgorithm, KeyError> {
    match curve {
        Curve::P256 => Ok(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Curve::P384 => Ok(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        #[cfg(feature = "aws-lc-rs")]
        Curve::P521 => Ok(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        #[cfg(not(feature = "aws-lc-rs"))]
        Curve::P521 => Err(KeyError::NotInBackend),
    }
}

fn rsa_padding(algorithm: Algorithm) -> Option<&'static dyn signature::RsaEncoding> {
    Some(match (algorithm.family(), algorithm.hash()) {
        (Family::RsaPkcs1, Hash::Sha256) => &signature::RSA_PKCS1_SHA256,
        (Family::RsaPkcs1, Hash::Sha384) => &signature::RSA_PKCS1_SHA384,
        (Family::RsaPkcs1, Hash::Sha512) => &signature::RSA_PKCS1_SHA512,
        (Family::RsaPss, Hash::Sha256) => &signature::RSA_PSS_SHA256,
        (Family::RsaPss, Hash::Sha384) => &signature::RSA_PSS_SHA384,
        (Family::RsaPss, Hash::Sha512) => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn verification(algorithm: Algorithm) -> Result<&'static dyn signature::VerificationAlgorithm, KeyError> {
    Ok(match (algorithm.family(), algorithm.hash()) {
        (Family::RsaPkcs1, Hash::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (Family::RsaPkcs1, Hash::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (Family::RsaPkcs1, Hash::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (Family::RsaPss, Hash::Sha256) => &signature::RSA_PSS_2048_8192_SHA256,
        (Family::RsaPss, Hash::Sha384) => &signature::RSA_PSS_2048_8192_SHA384,
        (Family::RsaPss, Hash::Sha512) => &signature::RSA_PSS_2048_8192_SHA512,
        (Family::Ecdsa(Curve::P256), _) => &signature::ECDSA_P256_SHA256_FIXED,
        (Family::Ecdsa(Curve::P384), _) => &signature::ECDSA_P384_SHA384_FIXED,
        #[cfg(feature = "aws-lc-rs")]
        (Family::Ecdsa(Curve::P521), _) => &signature::ECDSA_P521_SHA512_FIXED,
        #[cfg(not(feature = "aws-lc-rs"))]
        (Family::Ecdsa(Curve::P521), _) => return Err(KeyError::NotInBackend),
        (Family::EdDsa, _) => &signature::ED25519,
        (Family::Hmac, _) => return Err(KeyError::AlgorithmMismatch),
    })
}

/// The backend's object of a public key or secret.
pub(crate) enum PublicKey {
    Hmac(Box<hmac::Key>),
    #[cfg(feature = "aws-lc-rs")]
    Parsed(signature::ParsedPublicKey),
    /// ring has no parsed form: it takes the key apart for each signature.
    #[cfg(not(feature = "aws-lc-rs"))]
    Unparsed(signature::UnparsedPublicKey<Box<[u8]>>),
}

impl PublicKey {
    pub(crate) fn hmac(hash: Hash, secret: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac_algorithm(hash), secret)))
    }

    /// Takes RSAPublicKey DER, an uncompressed point, or an Ed25519 key; the caller has checked its numbers.
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn asymmetric(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let verification = verification(algorithm)?;
        signature::ParsedPublicKey::new(verification, bytes).map(Self::Parsed).map_err(|_| KeyError::WeakKey)
    }

    /// Takes RSAPublicKey DER, an uncompressed point, or an Ed25519 key; the caller has checked its numbers.
    #[cfg(not(feature = "aws-lc-rs"))]
    pub(crate) fn asymmetric(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let verification = verification(algorithm)?;
        if let Family::Ecdsa(curve) = algorithm.family() {
            check_point(curve, bytes)?;
        }
        Ok(Self::Unparsed(signature::UnparsedPublicKey::new(verification, bytes.into())))
    }

    /// Tells whether `signature` is valid for `message`; a MAC is compared in constant time.
    #[inline]
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => verify_hmac(key, message, signature),
            #[cfg(feature = "aws-lc-rs")]
            Self::Parsed(key) => key.verify_sig(message, signature).is_ok(),
            #[cfg(not(feature = "aws-lc-rs"))]
            Self::Unparsed(key) => key.verify(message, signature).is_ok(),
        }
    }
}

/// What `hmac::verify` does, sparing one of three copies of a kilobyte of state that it makes on the way.
#[cfg(feature = "aws-lc-rs")]
#[inline]
fn verify_hmac(key: &hmac::Key, message: &[u8], signature: &[u8]) -> bool {
    let mut room = [0; digest::MAX_OUTPUT_LEN];
    let Ok(tag) = hmac::sign_to_buffer(key, message, &mut room) else { return false };
    backend::constant_time::verify_slices_are_equal(tag, signature).is_ok()
}

#[cfg(not(feature = "aws-lc-rs"))]
#[inline]
fn verify_hmac(key: &hmac::Key, message: &[u8], signature: &[u8]) -> bool {
    hmac::verify(key, message, signature).is_ok()
}

/// Checks that a point is on its curve, at load and not at the first token: ring offers this check only as
/// the first step of a key agreement.
#[cfg(not(feature = "aws-lc-rs"))]
fn check_point(curve: Curve, point: &[u8]) -> Result<(), KeyError> {
    use backend::agreement;
    let group = match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => return Err(KeyError::NotInBackend),
    };
    let private = agreement::EphemeralPrivateKey::generate(group, &SystemRandom::new());
    let private = private.map_err(|_| KeyError::NoEntropy)?;
    agreement::agree_ephemeral(private, &agreement::UnparsedPublicKey::new(group, point), |_| ())
        .map_err(|_| KeyError::WeakKey)
}

/// The backend's object of a private key or secret.
pub(crate) enum PrivateKey {
    Hmac(Box<hmac::Key>),
    Rsa(Box<RsaKeyPair>, &'static dyn signature::RsaEncoding),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl PrivateKey {
    pub(crate) fn hmac(hash: Hash, secret: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac_algorithm(hash), secret)))
    }

    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        match algorithm.family() {
            Family::Hmac => Err(KeyError::AlgorithmMismatch),
            Family::RsaPkcs1 | Family::RsaPss => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(|error| rejected(&error))?;
                Self::rsa(algorithm, pair)
            }
            Family::Ecdsa(curve) => {
                let signing = ecdsa_signing(curve)?;
                #[cfg(feature = "aws-lc-rs")]
                let pair = EcdsaKeyPair::from_pkcs8(signing, der);
                #[cfg(not(feature = "aws-lc-rs"))]
                let pair = EcdsaKeyPair::from_pkcs8(signing, der, &SystemRandom::new());
                pair.map(|pair| Self::Ecdsa(Box::new(pair))).map_err(|error| rejected(&error))
            }
            Family::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                .map(|pair| Self::Ed25519(Box::new(pair)))
                .map_err(|error| rejected(&error)),
        }
    }

    /// Takes RSAPrivateKey DER.
    pub(crate) fn from_rsa_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::rsa(algorithm, RsaKeyPair::from_der(der).map_err(|error| rejected(&error))?)
    }

    fn rsa(algorithm: Algorithm, pair: RsaKeyPair) -> Result<Self, KeyError> {
        let padding = rsa_padding(algorithm).ok_or(KeyError::AlgorithmMismatch)?;
        Ok(Self::Rsa(Box::new(pair), padding))
    }

    /// Takes the private number and the uncompressed point, and checks that they belong together.
    pub(crate) fn from_ec_parts(curve: Curve, private: &[u8], point: &[u8]) -> Result<Self, KeyError> {
        let signing = ecdsa_signing(curve)?;
        #[cfg(feature = "aws-lc-rs")]
        let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, private, point);
        #[cfg(not(feature = "aws-lc-rs"))]
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(signing, private, point, &SystemRandom::new());
        pair.map(|pair| Self::Ecdsa(Box::new(pair))).map_err(|_| KeyError::Inconsistent)
    }

    /// Takes the seed and the public key, and checks that they belong together.
    pub(crate) fn from_ed25519_parts(seed: &[u8], public: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .map(|pair| Self::Ed25519(Box::new(pair)))
            .map_err(|_| KeyError::Inconsistent)
    }

    /// Returns RSAPublicKey DER, an uncompressed point or an Ed25519 key; nothing for a secret.
    pub(crate) fn public_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Hmac(_) => None,
            Self::Rsa(pair, _) => Some(pair.public_key().as_ref()),
            Self::Ecdsa(pair) => Some(pair.public_key().as_ref()),
            Self::Ed25519(pair) => Some(pair.public_key().as_ref()),
        }
    }

    /// Signs into `room`, returning what was written; nothing if the room does not suffice.
    #[inline]
    pub(crate) fn sign<'r>(&self, message: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
        let copy = |from: &[u8], room: &'r mut [u8]| {
            let to = room.get_mut(..from.len())?;
            to.copy_from_slice(from);
            Some(&*to)
        };
        match self {
            // Spares a copy, like `verify_hmac`.
            #[cfg(feature = "aws-lc-rs")]
            Self::Hmac(key) => hmac::sign_to_buffer(key, message, room).ok().map(|tag| &*tag),
            #[cfg(not(feature = "aws-lc-rs"))]
            Self::Hmac(key) => copy(hmac::sign(key, message).as_ref(), room),
            Self::Rsa(pair, padding) => {
                #[cfg(feature = "aws-lc-rs")]
                let length = pair.public_modulus_len();
                #[cfg(not(feature = "aws-lc-rs"))]
                let length = pair.public().modulus_len();
                let to = room.get_mut(..length)?;
                pair.sign(*padding, &SystemRandom::new(), message, to).ok()?;
                Some(to)
            }
            Self::Ecdsa(pair) => copy(pair.sign(&SystemRandom::new(), message).ok()?.as_ref(), room),
            Self::Ed25519(pair) => copy(pair.sign(message).as_ref(), room),
        }
    }
}

fn rejected(error: &backend::error::KeyRejected) -> KeyError {
    // The backends describe by fixed words; these are ring's, which aws-lc-rs shares.
    match format!("{error}").as_str() {
        "TooSmall" => KeyError::TooShort,
        "TooLarge" => KeyError::NotInBackend,
        "WrongAlgorithm" => KeyError::AlgorithmMismatch,
        "InconsistentComponents" => KeyError::Inconsistent,
        _ => KeyError::Malformed,
    }
}

/// Makes a key pair, as PKCS#8.
pub(crate) fn generate_pkcs8(algorithm: Algorithm) -> Result<Secret, KeyError> {
    let random = SystemRandom::new();
    match algorithm.family() {
        Family::Hmac => Err(KeyError::AlgorithmMismatch),
        #[cfg(feature = "aws-lc-rs")]
        Family::RsaPkcs1 | Family::RsaPss => {
            use backend::encoding::{AsDer, Pkcs8V1Der};
            let pair = RsaKeyPair::generate(backend::rsa::KeySize::Rsa2048);
            let pair = pair.map_err(|_| KeyError::NoEntropy)?;
            let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| KeyError::Malformed)?;
            Ok(Secret::new(der.as_ref().to_vec()))
        }
        #[cfg(not(feature = "aws-lc-rs"))]
        Family::RsaPkcs1 | Family::RsaPss => Err(KeyError::NotInBackend),
        Family::Ecdsa(curve) => EcdsaKeyPair::generate_pkcs8(ecdsa_signing(curve)?, &random)
            .map(|der| Secret::new(der.as_ref().to_vec()))
            .map_err(|_| KeyError::NoEntropy),
        Family::EdDsa => Ed25519KeyPair::generate_pkcs8(&random)
            .map(|der| Secret::new(der.as_ref().to_vec()))
            .map_err(|_| KeyError::NoEntropy),
    }
}
