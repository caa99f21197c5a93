//! Attempts to log in, counted before each is verified (threats LC-10, LC-14).

use crate::{AttemptsId, UnixTime};

/// How often somebody failed of late. What is counted together follows from the id, which is a keyed digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempts {
    /// The keyed digest of what is counted: a name or a person in one place, or an address alone.
    pub id: AttemptsId,
    /// Attempts since the last success, the one under way included.
    pub failures: u32,
    /// When the last one began.
    pub last_at: UnixTime,
    /// From when on it is forgotten.
    pub forgotten_at: UnixTime,
}
