//! Why a key, a signature or a token was refused (small `Copy` enums without a token's content; RFC 6750 §3.1).

use std::fmt;

/// Why a key was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// The text or bytes are not of the format asked for (PEM, DER, JSON, base64url).
    Malformed,
    /// The PEM block or JWK holds another kind of thing: a certificate, an encrypted key, a private key where
    /// a public one was expected or the other way around.
    WrongKind,
    /// The key is of another type or curve than its algorithm uses (RFC 8725 §3.1).
    AlgorithmMismatch,
    /// The JWK does not say its algorithm and its type alone does not tell it (RFC 7517 §4.4).
    MissingAlgorithm,
    /// The key type, curve or algorithm is not one of this crate's.
    Unsupported,
    /// The compiled crypto backend lacks this: ES512, RSA generation and RSA signing keys above 4096 bits
    /// need `aws-lc-rs`.
    NotInBackend,
    /// `use` or `key_ops` of the JWK do not allow it (RFC 7517 §4.2, §4.3).
    ForbiddenUse,
    /// The secret is shorter than the hash (RFC 7518 §3.2), or the RSA modulus shorter than 2048 bits
    /// (RFC 7518 §3.3).
    TooShort,
    /// The RSA modulus is longer than 8192 bits, the key id longer than 512 bytes, or the set longer than 1 MiB.
    TooLong,
    /// The public key is weak or invalid: an RSA exponent that is even or below 65537, an even modulus, a
    /// point off its curve, an Ed25519 point of small order (RFC 7518 §3.3, RFC 8725 §3.4, RFC 8032 §5.1.7).
    WeakKey,
    /// The private part does not belong to the public part, or the backend found it inconsistent.
    Inconsistent,
    /// The bytes given as an HMAC secret are the text or DER of an asymmetric key (RFC 8725 §2.1).
    SecretIsAKey,
    /// Two different keys of one set share key id and algorithm (RFC 7517 §4.5).
    DuplicateKeyId,
    /// The entropy source of the operating system failed.
    NoEntropy,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the key is malformed",
            Self::WrongKind => "this is another kind of key, or no key at all",
            Self::AlgorithmMismatch => "the key does not belong to this algorithm",
            Self::MissingAlgorithm => "the key does not say its algorithm",
            Self::Unsupported => "the key's type, curve or algorithm is not supported",
            Self::NotInBackend => "the compiled crypto backend does not support this; aws-lc-rs does",
            Self::ForbiddenUse => "the key's use or key_ops forbid it",
            Self::TooShort => "the key is too short",
            Self::TooLong => "the key or its id is too long",
            Self::WeakKey => "the key is weak or invalid",
            Self::Inconsistent => "the parts of the key do not belong together",
            Self::SecretIsAKey => "the secret is the text or DER of an asymmetric key",
            Self::DuplicateKeyId => "two keys of the set share key id and algorithm",
            Self::NoEntropy => "the entropy source failed",
        })
    }
}

impl std::error::Error for KeyError {}

/// Why no token was signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SignError {
    /// The claims could not be serialized.
    Claims,
    /// The claims are not a JSON object (RFC 7519 §4).
    NotAnObject,
    /// The backend failed to sign, for lack of entropy for instance.
    Backend,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claims => "the claims could not be serialized",
            Self::NotAnObject => "the claims are not a JSON object",
            Self::Backend => "the crypto backend could not sign",
        })
    }
}

impl std::error::Error for SignError {}

/// Why a token was not accepted.
///
/// Nothing of the token is in it. The text of each variant is for logs; who presented the token should read
/// [`Refusal::PUBLIC_TEXT`] only, since telling an attacker which check failed helps nobody else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a compact JWS of strict JSON in canonical base64url, or a claim of the wrong type
    /// (RFC 7515 §7.1, RFC 7519 §7.2).
    Malformed,
    /// Longer than the verifier allows; nothing of it was read.
    TooLarge,
    /// No key, or more than one, fits the token's key id.
    UnknownKey,
    /// The header names another algorithm than its key has, `none` included (RFC 8725 §3.1).
    AlgorithmMismatch,
    /// The signature is not valid.
    BadSignature,
    /// `exp` is not in the future (RFC 7519 §4.1.4).
    Expired,
    /// `nbf` is in the future (RFC 7519 §4.1.5).
    NotYetValid,
    /// `iat` is in the future (RFC 7519 §4.1.6).
    IssuedInFuture,
    /// `iss` is another (RFC 7519 §4.1.1).
    WrongIssuer,
    /// `aud` names others only (RFC 7519 §4.1.3).
    WrongAudience,
    /// `typ` is missing or not among the expected (RFC 8725 §3.11).
    WrongType,
    /// A required claim is missing: the name of the claim.
    MissingClaim(&'static str),
    /// The header has `crit` or `b64`; no extension is understood (RFC 7515 §4.1.11, RFC 7797 §6).
    CriticalHeader,
    /// The header has `zip`, `enc` or `cty`: encrypted, compressed or nested content.
    UnsupportedHeader,
    /// The claims do not deserialize into the caller's extension type.
    ExtensionClaims,
}

impl Refusal {
    /// The one text for whoever presented a refused token: it fits `error_description` (RFC 6750 §3.1).
    pub const PUBLIC_TEXT: &'static str = "The token is not valid";

    /// The error code of every refusal towards a client (RFC 6750 §3.1).
    pub const ERROR_CODE: &'static str = "invalid_token";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed => "the token is malformed",
            Self::TooLarge => "the token is too large",
            Self::UnknownKey => "no single key fits the token",
            Self::AlgorithmMismatch => "the token's algorithm is not its key's",
            Self::BadSignature => "the signature is not valid",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::IssuedInFuture => "the token was issued in the future",
            Self::WrongIssuer => "the token is from another issuer",
            Self::WrongAudience => "the token is for another audience",
            Self::WrongType => "the token is of another type",
            Self::MissingClaim(name) => return write!(f, "the claim {name} is missing"),
            Self::CriticalHeader => "the token demands a header extension",
            Self::UnsupportedHeader => "the token's content is encrypted, compressed or nested",
            Self::ExtensionClaims => "the token's other claims are not of the expected form",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Refusal {}
