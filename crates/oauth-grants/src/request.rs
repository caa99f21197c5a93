//! Token requests: which grant is it, and what does it say? (RFC 6749 §3.2, §4.4.2, §4.5.)

use records::GrantType;

use crate::error::Echo;
use crate::grants::{authorization_code, client_credentials, password, refresh_token};
use crate::{Params, TokenError};

/// A request that is well-formed for its grant. Borrows from its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRequest<'p> {
    /// `client_credentials`
    ClientCredentials(client_credentials::Request<'p>),
    /// `authorization_code`
    AuthorizationCode(authorization_code::Request<'p>),
    /// `password` and Auth0's `password-realm`
    Password(password::Request<'p>),
    /// `refresh_token`
    RefreshToken(refresh_token::Request<'p>),
}

/// Reads the parameters of one grant, the required ones being there.
type Parse = for<'p> fn(&'p Params) -> Result<TokenRequest<'p>, TokenError>;

/// A grant type of the token endpoint.
pub struct GrantRow {
    /// `grant_type` on the wire.
    pub name: &'static str,
    /// What a client's record must list, where there is such an entry.
    pub grant_type: Option<GrantType>,
    /// The parameters without which a request is refused, in the order in which they are missed.
    pub required: &'static [&'static str],
    /// Where it is specified.
    pub source: &'static str,
    parse: Option<Parse>,
}

impl GrantRow {
    /// Whether this server can answer it; otherwise it says that it cannot yet.
    pub fn is_built(&self) -> bool {
        self.parse.is_some()
    }
}

const fn built(
    name: &'static str,
    grant_type: GrantType,
    required: &'static [&'static str],
    source: &'static str,
    parse: Parse,
) -> GrantRow {
    GrantRow { name, grant_type: Some(grant_type), required, source, parse: Some(parse) }
}

const fn not_built(
    name: &'static str,
    grant_type: Option<GrantType>,
    required: &'static [&'static str],
    source: &'static str,
) -> GrantRow {
    GrantRow { name, grant_type, required, source, parse: None }
}

/// Each grant type of the token endpoint. Requests, metadata and documentation read it.
#[rustfmt::skip]
pub const GRANTS: &[GrantRow] = &[
    built("client_credentials", GrantType::ClientCredentials, &[], "RFC 6749 §4.4", client_credentials::parse),
    built("authorization_code", GrantType::AuthorizationCode, &["code"], "RFC 6749 §4.1.3", authorization_code::parse),
    built("refresh_token", GrantType::RefreshToken, &["refresh_token"], "RFC 6749 §6", refresh_token::parse),
    built("password", GrantType::Password, &["username", "password"], "RFC 6749 §4.3", password::parse),
    built("http://auth0.com/oauth/grant-type/password-realm", GrantType::PasswordRealm, &["username", "password", "realm"], "Auth0", password::parse_with_realm),
    not_built("urn:ietf:params:oauth:grant-type:device_code", Some(GrantType::DeviceCode), &["device_code"], "RFC 8628 §3.4"),
    not_built("urn:ietf:params:oauth:grant-type:token-exchange", None, &["subject_token", "subject_token_type"], "RFC 8693 §2.1"),
    not_built("urn:ietf:params:oauth:grant-type:jwt-bearer", None, &["assertion"], "RFC 7523 §2.1"),
    not_built("urn:openid:params:grant-type:ciba", None, &["auth_req_id"], "OpenID CIBA §10.1"),
    not_built("http://auth0.com/oauth/grant-type/passwordless/otp", None, &["username", "otp", "realm"], "Auth0"),
    not_built("http://auth0.com/oauth/grant-type/mfa-otp", None, &["mfa_token", "otp"], "Auth0"),
    not_built("http://auth0.com/oauth/grant-type/mfa-oob", None, &["mfa_token", "oob_code"], "Auth0"),
    not_built("http://auth0.com/oauth/grant-type/mfa-recovery-code", None, &["mfa_token", "recovery_code"], "Auth0"),
];

impl<'p> TokenRequest<'p> {
    /// Reads a token request.
    ///
    /// # Errors
    /// [`TokenError`]: no grant type, an unknown one, one that is not built yet, or a parameter that is missing or
    /// malformed.
    pub fn parse(params: &'p Params) -> Result<Self, TokenError> {
        //= RFC 6749 §4.4.2
        let name = params.text("grant_type").ok_or(TokenError::MissingParameter("grant_type"))?;
        let row = GRANTS
            .iter()
            .find(|row| row.name == name)
            .ok_or_else(|| TokenError::UnsupportedGrantType(Echo::of(name)))?;
        let parse = row.parse.ok_or(TokenError::GrantTypeNotBuilt(row.name))?;
        if let Some(missing) = row.required.iter().find(|name| !params.has(name)) {
            return Err(TokenError::MissingParameter(missing));
        }
        parse(params)
    }
}

#[cfg(test)]
mod tests;
