//! Authorization codes (RFC 6749 §4.1.2; RFC 7636 §4.4).

use crate::{
    Audience, AuthenticationMethod, AuthorizationCodeId, ClientId, Origin, RefreshFamilyId, ScopeSet,
    SessionId, UnixTime, UserId,
};

/// Whether a code was redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeState {
    /// Not yet.
    Unused,
    /// It was. Kept until nobody can present it any more, so that a second use is recognised.
    Used {
        /// When.
        at: UnixTime,
        /// The refresh family that came of it: ended by a second use (RFC 6749 §4.1.2).
        family: Option<RefreshFamilyId>,
    },
}

/// An authorization code, by the digest of its text, with everything that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// The digest of the code that the client holds.
    pub id: AuthorizationCodeId,
    /// Whether it was redeemed.
    pub state: CodeState,
    /// Who may redeem it.
    pub client: ClientId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// Whether the authorization request named the redirect URI, so that the token request must too.
    pub redirect_uri_was_sent: bool,
    /// The S256 challenge: SHA-256 of the verifier.
    pub code_challenge: Option<[u8; 32]>,
    /// The origin at which it was issued, and where alone it is redeemed.
    pub origin: Origin,
    /// Whose.
    pub user: UserId,
    /// The session in which it was issued.
    pub session: SessionId,
    /// When the person proved who they are.
    pub authenticated_at: UnixTime,
    /// How.
    pub methods: Vec<AuthenticationMethod>,
    /// What the access token is for.
    pub audience: Audience,
    /// What is granted.
    pub scopes: ScopeSet,
    /// Whether exactly what was asked for is granted.
    pub is_as_requested: bool,
    /// Goes into the ID token.
    pub nonce: Option<String>,
    /// Whether the ID token says when the person authenticated (`max_age`, `prompt=login` or an essential claim).
    pub names_auth_time: bool,
    /// The `claims` parameter, validated, as JSON.
    pub claims: Option<String>,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// When it is refused for its age.
    pub expires_at: UnixTime,
}
