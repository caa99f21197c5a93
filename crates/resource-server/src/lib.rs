//! An API's side: verifies access tokens, checks scopes, writes the challenge (RFC 6750, RFC 9068).
#![doc = include_str!("../README.md")]

mod bearer;
mod challenge;
mod guard;
#[cfg(feature = "http")]
pub mod http;
mod jwks_cache;
mod scope;
mod verifier;

pub use bearer::{BearerToken, LONGEST, MalformedCredentials};
pub use challenge::{Denial, InvalidRealm, Realm};
pub use guard::{Presented, authorize};
pub use jwks_cache::{JwksCache, Lookup, Ticket, Timing};
pub use jwt_core;
pub use scope::{InvalidScope, ScopeSet};
pub use verifier::{AccessToken, AccessTokenVerifier, Expectations, TokenRefusal};
