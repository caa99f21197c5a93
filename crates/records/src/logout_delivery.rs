//! Logout tokens on their way to applications (OpenID Connect Back-Channel Logout 1.0 §2.5).

use crate::{ClientId, Lifetime, Origin, SessionId, UnixTime, UserId};

/// One application that is to be told that one session ended. Unique on both: a session ends once.
///
/// It is made by the commit that ends the session and leaves when the application has heard, or after
/// [`LogoutDelivery::KEPT`]. The token is signed when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutDelivery {
    /// Whom to tell.
    pub client: ClientId,
    /// Which session ended: `sid`.
    pub session: SessionId,
    /// Whose it was: `sub`.
    pub user: UserId,
    /// Where it ended: `iss`.
    pub origin: Origin,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next. While it is being tried: when somebody else may.
    pub next_at: UnixTime,
    /// When the session ended.
    pub created_at: UnixTime,
}

impl LogoutDelivery {
    /// For how long it is tried: a day.
    pub const KEPT: Lifetime = Lifetime::DAY;

    /// When it is given up.
    pub fn given_up_at(&self) -> UnixTime {
        self.created_at.after(Self::KEPT)
    }
}
