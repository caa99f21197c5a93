//! Logout tokens: a session ended, told to an application (OpenID Connect Back-Channel Logout 1.0 §2.4).

use jwt_core::{Signer, TokenType};
use records::{ClientId, Lifetime, SessionId, SigningAlgorithm, UnixTime, UserId};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::generate::TokenId;
use crate::issue::{IssueFailure, sign};

/// The `typ` of logout tokens: none passes for an ID token.
pub const TOKEN_TYPE: TokenType = TokenType::LogoutToken;
/// How long one is good: "preferably at most two minutes in the future".
pub const LIFETIME: Lifetime = Lifetime(120);
/// The member of `events` that makes it one.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token before it is signed. Serializes as its claims. There is no `nonce`, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken<'d> {
    /// `iss`
    pub issuer: &'d str,
    /// `sub`
    pub user: &'d UserId,
    /// `aud`: the client, as a string.
    pub client: &'d ClientId,
    /// `sid`: the session that ended.
    pub session: &'d SessionId,
    /// `iat`
    pub issued_at: UnixTime,
    /// `jti`
    pub id: TokenId,
}

/// `{"http://schemas.openid.net/event/backchannel-logout":{}}`
struct Events;

/// `{}`
struct Nothing;

impl Serialize for Nothing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }
}

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(1))?;
        members.serialize_entry(EVENT, &Nothing)?;
        members.end()
    }
}

impl Serialize for LogoutToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        //= OpenID Connect Back-Channel Logout 1.0 §2.4
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("iss", self.issuer)?;
        members.serialize_entry("sub", self.user.as_str())?;
        members.serialize_entry("aud", self.client.as_str())?;
        members.serialize_entry("iat", &self.issued_at.0)?;
        members.serialize_entry("exp", &self.issued_at.after(LIFETIME).0)?;
        members.serialize_entry("jti", self.id.as_str())?;
        members.serialize_entry("events", &Events)?;
        members.serialize_entry("sid", self.session.as_str())?;
        members.end()
    }
}

/// Signs a logout token with the tenant's RS256 key. The signer was made with [`TOKEN_TYPE`] and the key's id.
///
/// # Errors
/// [`IssueFailure`]
pub fn sign_logout_token(token: &LogoutToken<'_>, signer: &Signer) -> Result<String, IssueFailure> {
    sign(token, SigningAlgorithm::Rs256, signer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{CLIENT, NOW, moment};
    use serde_json::{Value, json};

    //= LO-09
    #[test]
    fn lo_09_a_logout_token_has_its_event_and_no_nonce_and_is_short_lived() {
        let (user, client) = (UserId::parse("auth0|ada").unwrap(), ClientId::parse(CLIENT).unwrap());
        let (session, id) = (SessionId::parse("sid-1").unwrap(), TokenId::of_logout_token(&moment()));
        let issuer = "https://localhost:8443/";
        let token =
            LogoutToken { issuer, user: &user, client: &client, session: &session, issued_at: NOW, id };
        let expected = json!({
            "iss": issuer, "sub": "auth0|ada", "aud": CLIENT, "iat": NOW.0, "exp": NOW.0 + 120,
            "jti": id.as_str(), "sid": "sid-1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        let claims: Value = serde_json::to_value(&token).unwrap();
        assert_eq!(claims, expected);
        assert_ne!(id, TokenId::of_access_token(&moment()));
        assert_eq!(TOKEN_TYPE.name(), "logout+jwt");
    }

    #[test]
    fn another_algorithm_does_not_sign_logout_tokens() {
        let key = jwt_core::SigningKey::from_secret(jwt_core::Algorithm::Hs256, &[7; 32]).unwrap();
        let signer = Signer::new(key, TOKEN_TYPE, None).unwrap();
        let (user, client) = (UserId::parse("auth0|ada").unwrap(), ClientId::parse(CLIENT).unwrap());
        let session = SessionId::parse("sid-1").unwrap();
        let token = LogoutToken {
            issuer: "https://localhost:8443/",
            user: &user,
            client: &client,
            session: &session,
            issued_at: NOW,
            id: TokenId::of_logout_token(&moment()),
        };
        assert_eq!(sign_logout_token(&token, &signer), Err(IssueFailure::OtherAlgorithm));
    }
}
