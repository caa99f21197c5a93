//! The numbers of a public key, checked at load (RFC 7518 §6, RFC 8037 §2, RFC 7638).

use serde::Serializer;
use serde::ser::SerializeMap as _;

use crate::algorithm::{Algorithm, Curve, Family};
use crate::base64url;
use crate::crypto;
use crate::der::{self, Spki};
use crate::error::KeyError;

/// A public key's numbers. Only [`PublicNumbers::checked`] makes one usable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PublicNumbers {
    Rsa {
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
    },
    /// The uncompressed point: 4, x, y (SEC 1 §2.3.3).
    Ec {
        curve: Curve,
        point: Box<[u8]>,
    },
    Ed25519(Box<[u8]>),
}

/// The encodings of the y coordinates of small order, without the sign bit: 0, 1, the two of order 8, p - 1.
///
/// Signatures under such a key verify for messages nobody signed (RFC 8032 §8.9, RFC 8725 §3.4).
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

impl PublicNumbers {
    /// Reads a SubjectPublicKeyInfo.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        Ok(match der::spki(der).map_err(|_| KeyError::Malformed)? {
            Spki::Rsa { modulus, exponent } => Self::rsa(modulus, exponent),
            Spki::Ec { curve, point } => Self::Ec { curve, point: point.into() },
            Spki::Ed25519(key) => Self::Ed25519(key.into()),
        })
    }

    /// Reads an RSAPublicKey.
    pub(crate) fn from_rsa_der(der: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = der::rsa_public_key(der).map_err(|_| KeyError::Malformed)?;
        Ok(Self::rsa(modulus, exponent))
    }

    /// Takes big-endian numbers without leading zeros.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self::Rsa { modulus: modulus.into(), exponent: exponent.into() }
    }

    /// Takes what a key pair of the backend says its public half is.
    pub(crate) fn from_backend(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        match algorithm.family() {
            Family::Hmac => Err(KeyError::AlgorithmMismatch),
            Family::RsaPkcs1 | Family::RsaPss => Self::from_rsa_der(bytes),
            Family::Ecdsa(curve) => Ok(Self::Ec { curve, point: bytes.into() }),
            Family::EdDsa => Ok(Self::Ed25519(bytes.into())),
        }
    }

    /// Checks that the key fits the algorithm and is neither weak nor out of range, all but whether a point
    /// is on its curve, which the backend checks.
    pub(crate) fn checked(self, algorithm: Algorithm) -> Result<Self, KeyError> {
        match (&self, algorithm.family()) {
            (Self::Rsa { modulus, exponent }, Family::RsaPkcs1 | Family::RsaPss) => {
                check_rsa(modulus, exponent)?
            }
            (Self::Ec { curve, point }, Family::Ecdsa(expected)) => {
                if *curve != expected {
                    return Err(KeyError::AlgorithmMismatch);
                }
                // Compressed points are not part of RFC 7518, and one form is enough.
                if point.len() != 1 + 2 * curve.coordinate_length() || point.first() != Some(&4) {
                    return Err(KeyError::Malformed);
                }
            }
            (Self::Ed25519(key), Family::EdDsa) => check_ed25519(key)?,
            _ => return Err(KeyError::AlgorithmMismatch),
        }
        Ok(self)
    }

    /// Returns what the backend parses.
    pub(crate) fn to_backend(&self) -> Vec<u8> {
        match self {
            Self::Rsa { modulus, exponent } => der::write_rsa_public_key(modulus, exponent),
            Self::Ec { point, .. } => point.to_vec(),
            Self::Ed25519(key) => key.to_vec(),
        }
    }

    /// Returns the SubjectPublicKeyInfo.
    pub(crate) fn to_spki(&self) -> Vec<u8> {
        der::write_spki(match self {
            Self::Rsa { modulus, exponent } => Spki::Rsa { modulus, exponent },
            Self::Ec { curve, point } => Spki::Ec { curve: *curve, point },
            Self::Ed25519(key) => Spki::Ed25519(key),
        })
    }

    /// Returns the length of a signature in bytes.
    pub(crate) fn signature_length(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => modulus.len(),
            Self::Ec { curve, .. } => 2 * curve.coordinate_length(),
            Self::Ed25519(_) => 64,
        }
    }

    /// The coordinates of a point.
    fn coordinates(curve: Curve, point: &[u8]) -> (String, String) {
        let (x, y) = point
            .get(1..)
            .unwrap_or_default()
            .split_at_checked(curve.coordinate_length())
            .unwrap_or_default();
        (base64url::encode(x), base64url::encode(y))
    }

    /// Returns the RFC 7638 thumbprint with SHA-256, in base64url.
    pub(crate) fn thumbprint(&self) -> String {
        //= RFC 7638 §3.2
        let canonical = match self {
            Self::Rsa { modulus, exponent } => {
                let (n, e) = (base64url::encode(modulus), base64url::encode(exponent));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Self::Ec { curve, point } => {
                let (x, y) = Self::coordinates(*curve, point);
                format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, curve.name())
            }
            Self::Ed25519(key) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(key))
            }
        };
        base64url::encode(&crypto::sha256(canonical.as_bytes()))
    }

    /// Writes the JWK.
    pub(crate) fn serialize_jwk<S: Serializer>(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let kty = match self {
            Self::Rsa { .. } => "RSA",
            Self::Ec { .. } => "EC",
            Self::Ed25519(_) => "OKP",
        };
        map.serialize_entry("kty", kty)?;
        map.serialize_entry("use", "sig")?;
        map.serialize_entry("alg", algorithm.name())?;
        if let Some(key_id) = key_id {
            map.serialize_entry("kid", key_id)?;
        }
        match self {
            Self::Rsa { modulus, exponent } => {
                map.serialize_entry("n", &base64url::encode(modulus))?;
                map.serialize_entry("e", &base64url::encode(exponent))?;
            }
            Self::Ec { curve, point } => {
                let (x, y) = Self::coordinates(*curve, point);
                map.serialize_entry("crv", curve.name())?;
                map.serialize_entry("x", &x)?;
                map.serialize_entry("y", &y)?;
            }
            Self::Ed25519(key) => {
                map.serialize_entry("crv", "Ed25519")?;
                map.serialize_entry("x", &base64url::encode(key))?;
            }
        }
        map.end()
    }
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    //= RFC 7518 §3.3
    let top = modulus.first().copied().unwrap_or_default();
    if top == 0 {
        return Err(KeyError::Malformed);
    }
    let bits = modulus.len() * 8 - top.leading_zeros() as usize;
    if bits < 2048 {
        return Err(KeyError::TooShort);
    }
    if bits > 8192 {
        return Err(KeyError::TooLong);
    }
    if exponent.first().copied().unwrap_or_default() == 0 {
        return Err(KeyError::Malformed);
    }
    if exponent.len() > 5 {
        return Err(KeyError::WeakKey);
    }
    let value = exponent.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    // The upper bound is that of both backends; no key in use comes near it.
    if !(65_537..1 << 33).contains(&value) || !odd(exponent) || !odd(modulus) {
        return Err(KeyError::WeakKey);
    }
    Ok(())
}

fn check_ed25519(key: &[u8]) -> Result<(), KeyError> {
    let mut y: [u8; 32] = key.try_into().map_err(|_| KeyError::Malformed)?;
    y[31] &= 0x7f;
    // RFC 8032 §5.1.3: y is below p = 2^255 - 19. The encodings above it are second names of small numbers.
    let canonical = y[0] < 0xed || y[1..31].iter().any(|byte| *byte != 0xff) || y[31] != 0x7f;
    if !canonical || SMALL_ORDER.contains(&y) {
        return Err(KeyError::WeakKey);
    }
    Ok(())
}
