//! Access tokens: their claims in both dialects, and their signing (RFC 9068 §2; RFC 7519 §4.1; Auth0).

mod user;

use std::fmt;

use jwt_core::{Algorithm, SignError, Signer, TokenType};
use records::{ClientId, Lifetime, ScopeSet, SigningAlgorithm, TokenDialect, UnixTime, UserId};
use serde::{Serialize, Serializer};

use crate::generate::TokenId;

pub use user::{
    UserInfoToken, UserToken, UserTokenFacts, open_user_info_token, seal_user_info_token, user_access_token,
};

/// The `typ` of the access tokens of this dialect: `JWT`, or `at+jwt` (RFC 9068 §2.1).
pub fn token_type(dialect: TokenDialect) -> TokenType {
    match dialect {
        TokenDialect::Auth0 => TokenType::Jwt,
        TokenDialect::Rfc9068 => TokenType::AccessToken,
    }
}

/// The algorithm of an API's record as jwt-core names it.
pub fn algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Hs256 => Algorithm::Hs256,
        SigningAlgorithm::Rs256 => Algorithm::Rs256,
        SigningAlgorithm::Es256 => Algorithm::Es256,
        SigningAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}

/// Why a granted token could not be signed. A failure of ours, never the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueFailure {
    /// The signer's algorithm is not the token's.
    OtherAlgorithm,
    /// The signature failed.
    Signing(SignError),
}

impl fmt::Display for IssueFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherAlgorithm => f.write_str("the signer's algorithm is not the token's"),
            Self::Signing(failure) => write!(f, "{failure}"),
        }
    }
}

impl std::error::Error for IssueFailure {}

/// Signs a granted access token, before anything is committed, so that a failure consumes nothing.
///
/// The signer was made with the [`token_type`] of the token's dialect and, unless it signs with HS256, the key's id:
/// an HS256 key is the API's own and has no place in the published key set, hence no `kid`.
///
/// # Errors
/// [`IssueFailure`]
pub fn access_token(access_token: &AccessToken<'_>, signer: &Signer) -> Result<String, IssueFailure> {
    sign(access_token, access_token.signing_algorithm, signer)
}

/// Signs claims with a key of exactly this algorithm.
pub(crate) fn sign(
    claims: &impl Serialize,
    signing_algorithm: SigningAlgorithm,
    signer: &Signer,
) -> Result<String, IssueFailure> {
    if signer.algorithm() != algorithm(signing_algorithm) {
        return Err(IssueFailure::OtherAlgorithm);
    }
    signer.sign(claims).map_err(IssueFailure::Signing)
}

/// What is granted to a client of its own: the token to sign, and whether the response names its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<'f> {
    /// The token to sign.
    pub access_token: AccessToken<'f>,
    /// Whether the response says which scope was granted.
    pub names_scope: bool,
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'f> {
    /// The client itself: `CLIENT_ID@clients`, which no user's id can be.
    Client(&'f ClientId),
    /// A person.
    User(&'f UserId),
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "{id}@clients"),
            Self::User(id) => write!(f, "{id}"),
        }
    }
}

impl Serialize for Subject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(_) => serializer.collect_str(self),
            Self::User(id) => serializer.serialize_str(id.as_str()),
        }
    }
}

/// For whom a token is (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAudience {
    /// One API, by its identifier. A string in the token.
    Api(String),
    /// The API and the userinfo endpoint. An array of two in the token.
    ApiAndUserInfo([String; 2]),
}

impl Serialize for TokenAudience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Api(identifier) => identifier.serialize(serializer),
            Self::ApiAndUserInfo(both) => both.serialize(serializer),
        }
    }
}

/// An access token before it is signed. Serializes as its claims, in its dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken<'f> {
    /// Which claims it carries.
    pub dialect: TokenDialect,
    /// `iss`
    pub issuer: &'f str,
    /// `sub`
    pub subject: Subject<'f>,
    /// `aud`
    pub audience: TokenAudience,
    /// `azp` or `client_id`
    pub client: &'f ClientId,
    /// `gty`, in Auth0's dialect: by which grant the token came, where Auth0 says so.
    pub grant_type: Option<&'static str>,
    /// `iat`
    pub issued_at: UnixTime,
    /// `exp` less `iat`
    pub lifetime: Lifetime,
    /// `scope`; left out when empty.
    pub scope: ScopeSet,
    /// `jti`, in both dialects.
    pub id: TokenId,
    /// No claim: how the API's tokens are signed. With HS256 its own secret signs, otherwise the tenant's current key of
    /// this algorithm.
    pub signing_algorithm: SigningAlgorithm,
}

/// The claims as they are written. The members' order is the one that Auth0's tokens have.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a Subject<'a>,
    aud: &'a TokenAudience,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Text<'a, ScopeSet>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gty: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    jti: &'a str,
}

/// Writes what displays as a string, without making one first.
struct Text<'a, T>(&'a T);

impl<T: fmt::Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl Serialize for AccessToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (azp, gty, client_id) = match self.dialect {
            TokenDialect::Auth0 => (Some(self.client.as_str()), self.grant_type, None),
            TokenDialect::Rfc9068 => (None, None, Some(self.client.as_str())),
        };
        //= RFC 9068 §2.2
        Claims {
            iss: self.issuer,
            sub: &self.subject,
            aud: &self.audience,
            iat: self.issued_at.0,
            exp: self.issued_at.after(self.lifetime).0,
            scope: (!self.scope.is_empty()).then_some(Text(&self.scope)),
            azp,
            gty,
            client_id,
            jti: self.id.as_str(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
