//! JSON Web Tokens, strictly: the public surface (RFC 7519, RFC 7515, RFC 7517, RFC 7518, RFC 8725).
#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("jwt-core needs a crypto backend: enable the feature `ring` (default) or `aws-lc-rs`");

mod algorithm;
mod base64url;
mod cache;
mod claims;
mod claims_writer;
mod crypto;
mod der;
mod error;
mod extension;
mod header;
mod json;
mod jwk;
mod jwks;
mod key_lookup;
mod keyed_hash;
mod pem;
mod public_key;
mod secret;
mod segment;
mod signer;
mod signing_key;
#[cfg(test)]
mod tests;
mod token_type;
mod unverified;
mod verifier;
mod verifying_key;

pub use algorithm::Algorithm;
pub use cache::VerifiedCache;
pub use claims::{Audience, Claims};
pub use error::{KeyError, Refusal, SignError};
pub use jwk::Jwk;
pub use jwks::{JwkSet, KeySet};
pub use signer::Signer;
pub use signing_key::{GeneratedKey, SigningKey};
pub use token_type::TokenType;
pub use unverified::{dangerous_inspect, peek_key_id};
pub use verifier::{Scratch, Stated, Unstated, Verified, Verifier, VerifierBuilder};
pub use verifying_key::VerifyingKey;

/// Compiles the examples of the pages beside the crate.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/jwt-misuse.md")]
    #[doc = include_str!("../../../docs/migrating-from-jsonwebtoken.md")]
    struct Pages;
}
