//! What people allowed applications, what they were shown when they did, and what administrators allowed for them.

use crate::{
    ClientId, ConnectionName, ConsentRecordId, ResourceServerId, ScopeSet, ScopeToken, SessionId, UnixTime,
    UserGrantId, UserId,
};

/// What a person's access tokens are for: an API by its id, or nothing but the userinfo endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// The userinfo endpoint alone (OpenID Connect Core 1.0 §5.3).
    UserInfo,
    /// An API. Its rendered identifier may differ by origin, its id does not.
    Api(ResourceServerId),
}

/// What a person allowed an application; unique on person, application and audience. Auth0's user grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGrant {
    /// Its own id.
    pub id: UserGrantId,
    /// Who allowed it.
    pub user: UserId,
    /// To whom.
    pub client: ClientId,
    /// On what.
    pub audience: Audience,
    /// What: the union of all that was ever allowed and not withdrawn.
    pub scopes: ScopeSet,
    /// Optional scopes that the person left out: left out from then on, until `prompt=consent` asks again.
    pub left_out: ScopeSet,
    /// When it was first given.
    pub created_at: UnixTime,
    /// When it last grew.
    pub updated_at: UnixTime,
}

/// What a user grant is unique on, and found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGrantKey {
    /// Who allowed.
    pub user: UserId,
    /// To whom.
    pub client: ClientId,
    /// On what.
    pub audience: Audience,
}

impl UserGrant {
    /// What it is unique on.
    pub fn key(&self) -> UserGrantKey {
        UserGrantKey { user: self.user.clone(), client: self.client.clone(), audience: self.audience.clone() }
    }
}

/// One line of a consent dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownScope {
    /// The scope.
    pub value: ScopeToken,
    /// The words that stood there.
    pub text: String,
    /// Whether it was marked as not granted before.
    pub is_new: bool,
    /// Whether the person could leave it out.
    pub is_optional: bool,
}

/// How a dialog was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentAnswer {
    /// These scopes were allowed.
    Accepted(ScopeSet),
    /// Nothing was.
    Declined,
}

/// Keeps what a person was shown and what they chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Its own id.
    pub id: ConsentRecordId,
    /// Who was asked.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
    /// For which application.
    pub client: ClientId,
    /// The application's name as it was shown.
    pub client_name: String,
    /// On what.
    pub audience: Audience,
    /// What was shown, line by line.
    pub shown: Vec<ShownScope>,
    /// What was chosen.
    pub answer: ConsentAnswer,
    /// When.
    pub decided_at: UnixTime,
}

/// For whom an administrator consents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentFor {
    /// Everybody in the tenant.
    Everybody,
    /// Everybody whom this connection knows.
    Connection(ConnectionName),
    /// These people.
    Users(Vec<UserId>),
}

/// One rule of an [`AdministrativeConsent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRule {
    /// For whom.
    pub users: ConsentFor,
    /// To what.
    pub scopes: ScopeSet,
}

/// Consent that an administrator gave in people's place; unique on application and API (docs/adr/0008).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdministrativeConsent {
    /// To which application.
    pub client: ClientId,
    /// On which API.
    pub resource_server: ResourceServerId,
    /// For whom, to what. Never empty: without rules there is no record.
    pub rules: Vec<ConsentRule>,
    /// When it was first given.
    pub created_at: UnixTime,
    /// When it last changed.
    pub updated_at: UnixTime,
}
