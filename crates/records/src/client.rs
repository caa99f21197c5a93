//! Applications, in the RFC's word clients (RFC 6749 §2; RFC 7591 §2).

use crate::{ClientId, Lifetime, SecretDigest, SecretText, SigningAlgorithm, UnixTime};

/// What kind of application it is; decides defaults, never rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationType {
    /// An installed application: public.
    Native,
    /// A single-page application in a browser: public.
    SinglePage,
    /// A web application with a server: confidential.
    RegularWeb,
    /// A machine: confidential, no people.
    NonInteractive,
}

/// How the client authenticates at the token endpoint (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// Public: it has no secret.
    None,
    /// Secret in the body. As at Auth0, the secret is accepted by Basic too.
    ClientSecretPost,
    /// Secret by HTTP Basic. As at Auth0, the secret is accepted in the body too.
    ClientSecretBasic,
}

/// What a client may ask for at the token endpoint (RFC 6749 §1.3, RFC 8628, Auth0's extensions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantType {
    /// `authorization_code`
    AuthorizationCode,
    /// `implicit`: tokens from the authorization endpoint.
    Implicit,
    /// `refresh_token`
    RefreshToken,
    /// `client_credentials`
    ClientCredentials,
    /// `password`
    Password,
    /// `http://auth0.com/oauth/grant-type/password-realm`
    PasswordRealm,
    /// `urn:ietf:params:oauth:grant-type:device_code`
    DeviceCode,
}

impl GrantType {
    /// Each grant type and its name on the wire.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::AuthorizationCode, "authorization_code"),
        (Self::Implicit, "implicit"),
        (Self::RefreshToken, "refresh_token"),
        (Self::ClientCredentials, "client_credentials"),
        (Self::Password, "password"),
        (Self::PasswordRealm, "http://auth0.com/oauth/grant-type/password-realm"),
        (Self::DeviceCode, "urn:ietf:params:oauth:grant-type:device_code"),
    ];

    /// The grant type of this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(grant_type, _)| *grant_type)
    }

    /// The wire name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(grant_type, _)| *grant_type == self).map_or("", |(_, name)| name)
    }
}

/// A client secret, as far as we know it: its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    /// Keyed digest of the secret.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: UnixTime,
    /// From when on it is refused: set when it is rotated with an overlap.
    pub expires_at: Option<UnixTime>,
}

/// Whether refreshing replaces the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationType {
    /// Each use gives a successor.
    Rotating,
    /// The same token stays good.
    NonRotating,
}

/// How tightly a third party's application is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThirdPartySecurityMode {
    /// Needs a user-type client grant; errors are shown, not redirected.
    Strict,
    /// As third parties were treated before.
    Permissive,
}

/// An application that is registered with a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its public name.
    pub id: ClientId,
    /// Shown to people.
    pub name: String,
    /// What kind of application it is.
    pub application_type: ApplicationType,
    /// Whether the tenant's owner runs it.
    pub is_first_party: bool,
    /// Holds for third parties only.
    pub third_party_security_mode: ThirdPartySecurityMode,
    /// What it may ask for, sorted.
    pub grant_types: Vec<GrantType>,
    /// How it authenticates.
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// Its secrets: one, or two while one replaces the other. Empty for a public client.
    pub secrets: Vec<ClientSecret>,
    /// Registered redirect URIs, compared exactly.
    pub callbacks: Vec<String>,
    /// Origins that may receive web messages and call across origins.
    pub web_origins: Vec<String>,
    /// Where logout may return to.
    pub allowed_logout_urls: Vec<String>,
    /// Where it is told that a session ended (OpenID Connect Back-Channel Logout 1.0 §2.2).
    pub backchannel_logout_uri: Option<String>,
    /// Whether refreshing replaces the refresh token.
    pub refresh_token_rotation: RotationType,
    /// How long the immediately previous refresh token is still answered.
    pub refresh_token_leeway: Lifetime,
    /// How long a refresh token lives, its successors included; `None`: for ever.
    pub refresh_token_lifetime: Option<Lifetime>,
    /// How long a refresh token lives unused; `None`: for ever.
    pub refresh_token_idle_lifetime: Option<Lifetime>,
    /// How its ID tokens are signed: `RS256`, or `HS256` with its own secret. No other.
    pub id_token_algorithm: SigningAlgorithm,
    /// How long its ID tokens live.
    pub id_token_lifetime: Lifetime,
    /// The secret itself, for a client whose ID tokens it signs; such a client alone. Sealed at rest.
    pub id_token_secret: Option<SecretText>,
    /// Skips the confirmation for callbacks that show nothing of their owner; `None` as the tenant says.
    pub skip_non_verifiable_callback_uri_confirmation_prompt: Option<bool>,
    /// Its picture on our pages: an `https` address, or none.
    pub logo_uri: Option<String>,
    /// When it was made.
    pub created_at: UnixTime,
}

impl Client {
    /// Whether it keeps no secret, as browsers and installed applications cannot (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == TokenEndpointAuthMethod::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grant_type_names_are_distinct_and_round_trip() {
        for (grant_type, name) in GrantType::ALL {
            assert_eq!(grant_type.name(), *name);
            assert_eq!(GrantType::from_name(name), Some(*grant_type));
        }
        assert_eq!(GrantType::from_name("Client_Credentials"), None);
        assert_eq!(GrantType::from_name(""), None);
    }
}
