//! Signature algorithms, one row each (RFC 7518 §3.1, RFC 8037 §3.1).

use std::fmt;

/// A JWS signature algorithm.
///
/// There is no `none`: an unsecured token is not a token (RFC 8725 §3.2). A key belongs to exactly one of
/// these, so a header can never choose another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 7518 §3.2).
    Hs256,
    /// HMAC with SHA-384 (RFC 7518 §3.2).
    Hs384,
    /// HMAC with SHA-512 (RFC 7518 §3.2).
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 §3.3).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 §3.3).
    Rs512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 7518 §3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes (RFC 7518 §3.5).
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes (RFC 7518 §3.5).
    Ps512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 §3.4).
    Es384,
    /// ECDSA on P-521 with SHA-512 (RFC 7518 §3.4). Only the `aws-lc-rs` backend has it.
    Es512,
    /// Ed25519 under its JOSE name `EdDSA` (RFC 8037 §3.1).
    EdDsa,
}

/// What kind of key an algorithm wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Hmac,
    RsaPkcs1,
    RsaPss,
    Ecdsa(Curve),
    EdDsa,
}

/// An elliptic curve of RFC 7518 §6.2.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// The digest of an algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// One algorithm: everything the rest of the crate asks about it.
pub(crate) struct Row {
    pub(crate) algorithm: Algorithm,
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) hash: Hash,
}

const fn row(algorithm: Algorithm, name: &'static str, family: Family, hash: Hash) -> Row {
    Row { algorithm, name, family, hash }
}

/// Every algorithm, in the order of [`Algorithm`].
pub(crate) const ALGORITHMS: [Row; 13] = [
    row(Algorithm::Hs256, "HS256", Family::Hmac, Hash::Sha256),
    row(Algorithm::Hs384, "HS384", Family::Hmac, Hash::Sha384),
    row(Algorithm::Hs512, "HS512", Family::Hmac, Hash::Sha512),
    row(Algorithm::Rs256, "RS256", Family::RsaPkcs1, Hash::Sha256),
    row(Algorithm::Rs384, "RS384", Family::RsaPkcs1, Hash::Sha384),
    row(Algorithm::Rs512, "RS512", Family::RsaPkcs1, Hash::Sha512),
    row(Algorithm::Ps256, "PS256", Family::RsaPss, Hash::Sha256),
    row(Algorithm::Ps384, "PS384", Family::RsaPss, Hash::Sha384),
    row(Algorithm::Ps512, "PS512", Family::RsaPss, Hash::Sha512),
    row(Algorithm::Es256, "ES256", Family::Ecdsa(Curve::P256), Hash::Sha256),
    row(Algorithm::Es384, "ES384", Family::Ecdsa(Curve::P384), Hash::Sha384),
    row(Algorithm::Es512, "ES512", Family::Ecdsa(Curve::P521), Hash::Sha512),
    row(Algorithm::EdDsa, "EdDSA", Family::EdDsa, Hash::Sha512),
];

impl Algorithm {
    /// Every algorithm this crate knows, including those that the chosen backend lacks.
    pub const ALL: [Self; 13] = {
        let mut all = [Self::Hs256; 13];
        let mut at = 0;
        while at < 13 {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, bounded by the loop")]
            {
                all[at] = ALGORITHMS[at].algorithm;
            }
            at += 1;
        }
        all
    };

    pub(crate) const fn row(self) -> &'static Row {
        #[expect(clippy::indexing_slicing, reason = "a test holds the table to the order of the enum")]
        &ALGORITHMS[self as usize]
    }

    /// Returns the name of the `alg` header member, such as `RS256` (RFC 7518 §3.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the algorithm of this exact, case-sensitive name, or `None` for any other text, `none`
    /// included (RFC 7515 §4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|row| row.name == name).map(|row| row.algorithm)
    }

    /// Tells whether the crypto backend this crate was compiled with can use the algorithm: true for all,
    /// except ES512 with `ring`.
    #[must_use]
    pub const fn is_available(self) -> bool {
        crate::crypto::is_available(self)
    }

    pub(crate) const fn family(self) -> Family {
        self.row().family
    }

    pub(crate) const fn hash(self) -> Hash {
        self.row().hash
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Curve {
    /// The name of the `crv` member (RFC 7518 §6.2.1.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of one coordinate, and of half a signature, in bytes.
    pub(crate) const fn coordinate_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl Hash {
    /// The length of a digest in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_names_are_unique() {
        for (at, row) in ALGORITHMS.iter().enumerate() {
            assert_eq!(row.algorithm as usize, at);
            assert_eq!(Algorithm::from_name(row.name), Some(row.algorithm));
            assert_eq!(Algorithm::ALL[at], row.algorithm);
        }
    }

    #[test]
    fn names_are_exact() {
        //= RFC 8725 §3.2
        for name in ["none", "None", "nOnE", "NONE", "", "rs256", "RS256 ", "HS1", "A128KW", "dir"] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }
}
