//! What grants give to a person's application, and the token response (RFC 6749 §5.1; OpenID Connect Core 1.0 §3.1.3.3).

use std::fmt;

use records::{SecretText, TenantSettings};
use serde::Serialize;

use crate::issue::{Granted, UserToken};
use crate::oidc::id_token::IdToken;

/// What a person's grant gives at the token endpoint, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens<'f> {
    /// The access token.
    pub access_token: UserToken<'f>,
    /// The ID token, where `openid` is granted.
    pub id_token: Option<IdToken<'f>>,
    /// Whether the response says which scope was granted.
    pub names_scope: bool,
    /// The refresh token, where there is a new one.
    pub refresh_token: Option<SecretText>,
}

impl<'f> Tokens<'f> {
    /// These tokens; their scope is left out of the response only where the client can tell it without.
    pub(crate) fn new(
        access_token: UserToken<'f>,
        id_token: Option<IdToken<'f>>,
        is_as_requested: bool,
        settings: &TenantSettings,
    ) -> Self {
        //= RFC 6749 §5.1
        let names_scope =
            !access_token.scope().is_empty() && (settings.always_return_scope || !is_as_requested);
        Self { access_token, id_token, names_scope, refresh_token: None }
    }
}

/// A successful answer. Serializes as its body; the members stand in the order in which RFC 6749 §5.1 names them.
///
/// It goes out with `Cache-Control: no-store` and `Pragma: no-cache` (RFC 6749 §5.1).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl TokenResponse {
    /// The answer to what was granted to a client of its own, with the signed access token.
    pub fn new(granted: &Granted<'_>, access_token: String) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in: granted.access_token.lifetime.0,
            scope: granted.names_scope.then(|| granted.access_token.scope.to_string()),
            refresh_token: None,
            id_token: None,
        }
    }

    /// The answer to a person's grant, with the signed or sealed access token and the signed ID token, if one is due.
    pub fn of_tokens(tokens: &Tokens<'_>, access_token: String, id_token: Option<String>) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in: tokens.access_token.lifetime().0,
            scope: tokens.names_scope.then(|| tokens.access_token.scope().to_string()),
            refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose().to_owned()),
            id_token,
        }
    }

    /// The body, in JSON.
    pub fn to_json(&self) -> String {
        // Strings and a number: nothing that could fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
