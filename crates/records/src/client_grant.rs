//! Client grants: an API's owner lets an application ask for its tokens (Auth0; the seed's "permission to the API").

use crate::{ClientGrantId, ClientId, ResourceServerId, ScopeSet, UnixTime};

/// On whose behalf the grant may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectType {
    /// The application's own.
    Client,
    /// A person's, as a ceiling.
    User,
}

impl SubjectType {
    /// Auth0's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::User => "user",
        }
    }

    /// The subject type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Client, Self::User].into_iter().find(|subject_type| subject_type.name() == name)
    }
}

/// One grant; unique on client, API and subject type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientGrant {
    /// Its own id.
    pub id: ClientGrantId,
    /// Who is granted.
    pub client: ClientId,
    /// What is granted, by the API's id: its rendered identifier may differ by origin.
    pub resource_server: ResourceServerId,
    /// The ceiling. May name scopes that the API no longer defines: filtered when a token is issued.
    pub scopes: ScopeSet,
    /// Whether every scope of the API is granted, also those it defines later.
    pub allow_all_scopes: bool,
    /// On whose behalf.
    pub subject_type: SubjectType,
    /// When it was made.
    pub created_at: UnixTime,
}
