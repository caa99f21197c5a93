//! What the OAuth protocol says, as pure decisions: no I/O, no clock, no entropy (RFC 6749; OpenID Connect Core 1.0).
#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("oauth-grants needs one of the features `ring` (the default) and `aws-lc-rs`");

pub mod authorize;
pub mod client_auth;
mod crypto;
mod decision;
pub mod digest;
pub mod error;
pub mod generate;
pub mod grants;
pub mod issue;
pub mod metadata;
mod moment;
pub mod oidc;
pub mod params;
pub mod pkce;
pub mod refresh;
pub mod request;
mod response;
pub mod revoke;
pub mod seal;

#[cfg(test)]
mod fixtures;

pub use client_auth::{AuthenticatedClient, ClientRefusal, Presented, SecretDigestKey, authenticate};
pub use decision::{Decision, Outcome};
pub use error::{ErrorAnswer, TokenError};
pub use grants::{authorization_code, client_credentials, password, refresh_token, still_allowed};
pub use issue::{AccessToken, Granted, UserToken};
pub use moment::Moment;
pub use params::{Params, ParamsRefusal};
pub use refresh::{RefreshKeys, RefreshToken};
pub use request::{GRANTS, TokenRequest};
pub use response::{TokenResponse, Tokens};
pub use seal::{HandleKey, HandleKind};
