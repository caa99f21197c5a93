//! What authd remembers: plain record types, no rules, no I/O.
//!
//! Serialization lives elsewhere on purpose: stored forms in `store`, Auth0's JSON in `management`,
//! the RFCs' JSON in `oauth-grants`.
#![doc = include_str!("../README.md")]

mod client;
mod client_grant;
mod ids;
mod origin;
mod resource_server;
mod scope;
mod secret;
mod seen_jti;
mod signing_key;
mod tenant;
mod time;
mod write;

pub use client::{
    ApplicationType, Client, ClientSecret, GrantType, RotationType, ThirdPartySecurityMode,
    TokenEndpointAuthMethod,
};
pub use client_grant::{ClientGrant, SubjectType};
pub use ids::{ClientGrantId, ClientId, Invalid, KeyId, ResourceServerId, TenantId};
pub use origin::{Origin, Scheme};
pub use resource_server::{
    ApiIdentifier, ApiScope, ClientPolicy, ResourceServer, SigningAlgorithm, TokenDialect, UserPolicy,
};
pub use scope::{ScopeSet, ScopeToken};
pub use secret::{SecretBytes, SecretDigest, SecretText};
pub use seen_jti::SeenJti;
pub use signing_key::{KeyState, SigningKey};
pub use tenant::{ErrorProfile, Tenant, TenantSettings};
pub use time::{Lifetime, UnixTime};
pub use write::{Version, Versioned, Write};
