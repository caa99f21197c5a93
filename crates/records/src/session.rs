//! Sessions: a browser in which a person is logged in (OpenID Connect Core 1.0 §2, `auth_time`; `sid`).

use crate::{ClientId, SessionId, UnixTime, UserId};

/// How a person proved who they are (RFC 8176 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthenticationMethod {
    /// `pwd`: a password.
    Password,
}

impl AuthenticationMethod {
    /// Each method and its name in `amr`.
    pub const ALL: &'static [(Self, &'static str)] = &[(Self::Password, "pwd")];

    /// The method of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(method, _)| *method)
    }

    /// Its name in `amr`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }
}

/// A session. Its browser holds a secret from which the id follows; the id says nothing about the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `sid`: the digest of the cookie's secret.
    pub id: SessionId,
    /// Who is logged in.
    pub user: UserId,
    /// When the person last proved who they are: `auth_time`.
    pub authenticated_at: UnixTime,
    /// How.
    pub methods: Vec<AuthenticationMethod>,
    /// When the session began.
    pub created_at: UnixTime,
    /// When it ends whatever happens.
    pub expires_at: UnixTime,
    /// When it ends unless it is used. Written from time to time only, so that a session is no hot row.
    pub idle_expires_at: UnixTime,
    /// Which applications got something by it, for logout. In the order in which they came.
    pub clients: Vec<ClientId>,
}

impl Session {
    /// When it ends as things stand.
    pub fn ends_at(&self) -> UnixTime {
        self.expires_at.min(self.idle_expires_at)
    }

    /// Whether it still holds.
    pub fn is_live(&self, now: UnixTime) -> bool {
        now < self.ends_at()
    }
}
