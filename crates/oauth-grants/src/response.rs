//! What grants give to a person's application, and the token response (RFC 6749 §5.1; OpenID Connect Core 1.0 §3.1.3.3).

use std::fmt;

use records::{SecretText, TenantSettings};

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

/// A successful answer. In its body the members stand in the order in which RFC 6749 §5.1 names them.
///
/// It goes out with `Cache-Control: no-store` and `Pragma: no-cache` (RFC 6749 §5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    scope: Option<String>,
    refresh_token: Option<String>,
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
        let optional = [
            (r#","scope":"#, &self.scope),
            (r#","refresh_token":"#, &self.refresh_token),
            (r#","id_token":"#, &self.id_token),
        ];
        let texts = optional.iter().map(|(_, text)| text.as_ref().map_or(0, String::len)).sum::<usize>();
        let mut json = String::with_capacity(LONGEST_FRAME + self.access_token.len() + texts);
        json.push_str(r#"{"access_token":"#);
        push_text(&mut json, &self.access_token);
        json.push_str(r#","token_type":"#);
        push_text(&mut json, self.token_type);
        json.push_str(r#","expires_in":"#);
        json.push_str(&self.expires_in.to_string());
        for (name, text) in optional {
            if let Some(text) = text {
                json.push_str(name);
                push_text(&mut json, text);
            }
        }
        json.push('}');
        json
    }
}

/// The bytes of an answer's names, numbers and punctuation are fewer.
const LONGEST_FRAME: usize = 128;

/// Writes a string of JSON (RFC 8259 §7). serde_json looks at each character by itself, which is slow for tokens: they
/// have nothing to escape.
fn push_text(json: &mut String, text: &str) {
    let is_plain = text.bytes().fold(true, |is, byte| is & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
    if is_plain {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        // A string cannot fail to serialize.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn response(access_token: &str) -> TokenResponse {
        TokenResponse {
            access_token: access_token.to_owned(),
            token_type: "Bearer",
            expires_in: 0,
            scope: None,
            refresh_token: None,
            id_token: None,
        }
    }

    //= RFC 6749 §5.1
    #[test]
    fn the_body_has_the_members_that_are_due_in_their_order() {
        assert_eq!(
            response("e.e.e").to_json(),
            r#"{"access_token":"e.e.e","token_type":"Bearer","expires_in":0}"#
        );
        let text = |text: &str| Some(text.to_owned());
        let all = TokenResponse {
            expires_in: u32::MAX,
            scope: text("openid read:a"),
            refresh_token: text("v1.x"),
            id_token: text("i.i.i"),
            ..response("e.e.e")
        };
        let json = all.to_json();
        assert_eq!(
            json,
            r#"{"access_token":"e.e.e","token_type":"Bearer","expires_in":4294967295,"scope":"openid read:a","refresh_token":"v1.x","id_token":"i.i.i"}"#
        );
        assert!(json.len() - "e.e.eopenid read:av1.xi.i.i".len() <= LONGEST_FRAME, "{json}");
        let id_token = TokenResponse { id_token: text("i.i.i"), ..response("e") }.to_json();
        assert_eq!(
            id_token,
            r#"{"access_token":"e","token_type":"Bearer","expires_in":0,"id_token":"i.i.i"}"#
        );
    }

    //= RFC 8259 §7
    #[test]
    fn what_json_escapes_is_escaped_and_nothing_else_is() {
        for character in (0..=0x2ff).filter_map(char::from_u32).chain(['\u{2028}', '\u{1f600}']) {
            let text = format!("a{character}b");
            let json = response(&text).to_json();
            let escaped = serde_json::to_string(&text).unwrap();
            let expected = format!(r#"{{"access_token":{escaped},"token_type":"Bearer","expires_in":0}}"#);
            assert_eq!(json, expected, "{text:?}");
        }
    }
}
