//! The token response (RFC 6749 §5.1).

use std::fmt;

use serde::Serialize;

use crate::issue::Granted;

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
}

impl TokenResponse {
    /// The answer to what was granted, with the signed access token.
    pub fn new(granted: &Granted<'_>, access_token: String) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in: granted.access_token.lifetime.0,
            scope: granted.names_scope.then(|| granted.access_token.scope.to_string()),
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
