//! What authd remembers: plain record types, no rules, no I/O.
//!
//! Serialization lives elsewhere on purpose: stored forms in `store`, Auth0's JSON in `management`,
//! the RFCs' JSON in `oauth-grants`.
#![doc = include_str!("../README.md")]

mod authorization_code;
mod client;
mod client_grant;
mod connection;
mod consent;
mod consumed_handle;
mod ids;
mod login_attempts;
mod logout_delivery;
mod origin;
mod password_hash;
mod refresh_family;
mod resource_server;
mod scope;
mod secret;
mod seen_jti;
mod session;
mod signing_key;
mod tenant;
mod time;
mod user;
mod write;

pub use authorization_code::{AuthorizationCode, CodeState};
pub use client::{
    ApplicationType, Client, ClientSecret, GrantType, RotationType, ThirdPartySecurityMode,
    TokenEndpointAuthMethod,
};
pub use client_grant::{ClientGrant, SubjectType};
pub use connection::{Connection, EnabledClients};
pub use consent::{
    AdministrativeConsent, Audience, ConsentAnswer, ConsentFor, ConsentRecord, ConsentRule, ShownScope,
    UserGrant, UserGrantKey,
};
pub use consumed_handle::ConsumedHandle;
pub use ids::{
    AttemptsId, AuthorizationCodeId, ClientGrantId, ClientId, ConnectionName, ConsentRecordId, HandleId,
    Invalid, KeyId, RefreshFamilyId, ResourceServerId, SessionId, TenantId, UserGrantId, UserId,
};
pub use login_attempts::LoginAttempts;
pub use logout_delivery::LogoutDelivery;
pub use origin::{Origin, Scheme};
pub use password_hash::{PasswordHash, SealedHash};
pub use refresh_family::{PreviousToken, RefreshFamily};
pub use resource_server::{
    ApiIdentifier, ApiScope, ClientPolicy, ResourceServer, SigningAlgorithm, TokenDialect, UserPolicy,
};
pub use scope::{ScopeSet, ScopeToken};
pub use secret::{SecretBytes, SecretDigest, SecretText};
pub use seen_jti::SeenJti;
pub use session::{AuthenticationMethod, Session};
pub use signing_key::{KeyState, SigningKey};
pub use tenant::{ClientDefaults, ErrorProfile, Tenant, TenantSettings, UpdatedAt, VerifiableCallbacks};
pub use time::{Lifetime, UnixTime};
pub use user::{Email, LoginName, Profile, User, Username};
pub use write::{Version, Versioned, Write};
