//! Refresh families: all that one login gives a client to come back with (RFC 6749 §6; RFC 9700 §4.14.2; docs/adr/0004).

use crate::{
    Audience, AuthenticationMethod, ClientId, Origin, RefreshFamilyId, ScopeSet, SecretDigest, SessionId,
    UnixTime, UserId,
};

/// The token before the present one, for a client whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousToken {
    /// The digest of its secret.
    pub digest: SecretDigest,
    /// When it was rotated.
    pub rotated_at: UnixTime,
    /// The present token, sealed: only who holds the previous one can open it.
    pub successor: String,
}

/// A family: one row a login and client, however often its token rotates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshFamily {
    /// Its own id; sorts by the time it was made.
    pub id: RefreshFamilyId,
    /// Whose.
    pub user: UserId,
    /// Who may refresh.
    pub client: ClientId,
    /// What the access tokens are for.
    pub audience: Audience,
    /// What was granted at login; refreshing never widens it.
    pub scopes: ScopeSet,
    /// Where the code was sent: what decides whether consent is needed. `None` where there was no browser.
    pub redirect_uri: Option<String>,
    /// The origin at which it was issued, and where alone it is taken.
    pub origin: Origin,
    /// The session in which it was issued, if there was one. The family outlives it.
    pub session: Option<SessionId>,
    /// When the person proved who they are: `auth_time`, the same for the whole family.
    pub authenticated_at: UnixTime,
    /// How.
    pub methods: Vec<AuthenticationMethod>,
    /// Whether ID tokens say when the person authenticated.
    pub names_auth_time: bool,
    /// The `claims` parameter, validated, as JSON.
    pub claims: Option<String>,
    /// How often it was rotated.
    pub generation: u64,
    /// The digest of the present token's secret.
    pub current: SecretDigest,
    /// The token before, while it may still be presented.
    pub previous: Option<PreviousToken>,
    /// When it was made.
    pub created_at: UnixTime,
    /// When it was last used, to the accuracy with which that is written.
    pub last_used_at: UnixTime,
    /// When it ends whatever happens; `None`: never. Fixed at login, or at the first use after there is such an end.
    pub expires_at: Option<UnixTime>,
    /// When it ends unless it is used; `None`: never.
    pub idle_expires_at: Option<UnixTime>,
}

impl RefreshFamily {
    /// Whether it still holds.
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|end| now < end) && self.idle_expires_at.is_none_or(|end| now < end)
    }
}
