//! APIs, in the RFC's word resource servers (RFC 6749 §1.1; RFC 8707 §2).

use std::sync::Arc;

use crate::{Invalid, Lifetime, Origin, ResourceServerId, ScopeSet, ScopeToken, SecretText, UnixTime};

/// What an access token for the API carries as audience. Compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ApiIdentifier {
    /// The Management API: `api/v2/` below whichever origin is called, so it is kept as a symbol.
    Management,
    /// Any other API's identifier, fixed for ever.
    Fixed(Arc<str>),
}

impl ApiIdentifier {
    /// Where the Management API stands below an origin.
    pub const MANAGEMENT_PATH: &'static str = "api/v2/";

    /// Reads a fixed identifier: 1 to 600 bytes without control characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > 600 || text.chars().any(char::is_control) {
            return Err(Invalid {
                what: "identifier",
                why: "must be 1 to 600 bytes without control characters",
            });
        }
        Ok(Self::Fixed(text.into()))
    }

    /// The identifier that a request at `origin` means by `audience`.
    pub fn requested(audience: &str, origin: &Origin) -> Result<Self, Invalid> {
        match audience.strip_prefix(origin.issuer()) {
            Some(Self::MANAGEMENT_PATH) => Ok(Self::Management),
            _ => Self::parse(audience),
        }
    }

    /// The audience as it stands in a token that `origin` issues.
    pub fn render(&self, origin: &Origin) -> String {
        match self {
            Self::Management => origin.url(Self::MANAGEMENT_PATH),
            Self::Fixed(text) => text.to_string(),
        }
    }
}

/// How an API's access tokens are signed (RFC 7518 §3.1; RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningAlgorithm {
    /// HMAC with the API's own secret.
    Hs256,
    /// RSA PKCS#1 v1.5, 2048 bits: the only one that Auth0's browser SDKs accept.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// Each algorithm and its JOSE name.
    pub const ALL: &'static [(Self, &'static str)] =
        &[(Self::Hs256, "HS256"), (Self::Rs256, "RS256"), (Self::Es256, "ES256"), (Self::EdDsa, "EdDSA")];

    /// The algorithm of this JOSE name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(algorithm, _)| *algorithm)
    }

    /// The JOSE name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(algorithm, _)| *algorithm == self).map_or("", |(_, name)| name)
    }
}

/// Which claims an API's access tokens carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenDialect {
    /// Auth0's: `azp`, `gty`, `typ` `JWT`.
    Auth0,
    /// RFC 9068: `client_id`, `typ` `at+jwt`.
    Rfc9068,
}

impl TokenDialect {
    /// Each dialect and Auth0's name for it.
    pub const ALL: &'static [(Self, &'static str)] =
        &[(Self::Auth0, "access_token"), (Self::Rfc9068, "rfc9068_profile")];

    /// The dialect of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(dialect, _)| *dialect)
    }

    /// Auth0's name for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(dialect, _)| *dialect == self).map_or("", |(_, name)| name)
    }
}

/// Which clients may get tokens of their own for the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPolicy {
    /// None.
    DenyAll,
    /// Those with a client grant.
    RequireClientGrant,
}

/// Through which clients people may get tokens for the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserPolicy {
    /// All.
    AllowAll,
    /// None.
    DenyAll,
    /// Those with a user-type client grant.
    RequireClientGrant,
}

/// One permission that an API defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiScope {
    /// Its value.
    pub value: ScopeToken,
    /// Its meaning for people; may be empty.
    pub description: String,
    /// Whether people may leave it out when they consent to the rest.
    pub is_optional: bool,
}

/// An API that is registered with a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceServer {
    /// Its own id.
    pub id: ResourceServerId,
    /// Its audience.
    pub identifier: ApiIdentifier,
    /// Shown to people.
    pub name: String,
    /// The permissions it defines, in its owner's order.
    pub scopes: Vec<ApiScope>,
    /// How its tokens are signed.
    pub signing_algorithm: SigningAlgorithm,
    /// The HS256 key. Sealed at rest; `None` unless the algorithm is HS256.
    pub signing_secret: Option<SecretText>,
    /// How long its access tokens live.
    pub token_lifetime: Lifetime,
    /// The same for tokens that go through the browser's address bar.
    pub token_lifetime_for_web: Lifetime,
    /// Which claims its tokens carry.
    pub token_dialect: TokenDialect,
    /// Whether refresh tokens may be issued for it.
    pub allow_offline_access: bool,
    /// Whether first-party applications with a verifiable callback skip the consent dialog.
    pub skip_consent_for_verifiable_first_party_clients: bool,
    /// Role-based access control.
    pub enforce_policies: bool,
    /// Which clients may get tokens of their own.
    pub client_policy: ClientPolicy,
    /// Through which clients people may get tokens.
    pub user_policy: UserPolicy,
    /// Ours: cannot be deleted or given new scopes.
    pub is_system: bool,
    /// When it was made.
    pub created_at: UnixTime,
}

impl ResourceServer {
    /// The permissions it defines, as a set.
    pub fn scope_set(&self) -> ScopeSet {
        self.scopes.iter().map(|scope| scope.value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_management_api_is_named_by_the_origin_that_is_called() {
        let here = Origin::parse("https://localhost:8443/").unwrap();
        let there = Origin::parse("http://localhost:8080/").unwrap();
        let audience = "https://localhost:8443/api/v2/";
        assert_eq!(ApiIdentifier::requested(audience, &here), Ok(ApiIdentifier::Management));
        assert_ne!(ApiIdentifier::requested(audience, &there), Ok(ApiIdentifier::Management));
        assert_ne!(
            ApiIdentifier::requested("https://localhost:8443/api/v2", &here),
            Ok(ApiIdentifier::Management),
            "the trailing slash is significant"
        );
        assert_eq!(ApiIdentifier::Management.render(&there), "http://localhost:8080/api/v2/");
    }

    #[test]
    fn identifiers_are_not_normalised() {
        let bare = ApiIdentifier::parse("https://example.com").unwrap();
        assert_ne!(bare, ApiIdentifier::parse("https://example.com/").unwrap());
        assert_ne!(bare, ApiIdentifier::parse("https://EXAMPLE.com").unwrap());
        assert!(ApiIdentifier::parse("").is_err());
        assert!(ApiIdentifier::parse("a\nb").is_err());
        assert!(ApiIdentifier::parse(&"x".repeat(601)).is_err());
    }
}
