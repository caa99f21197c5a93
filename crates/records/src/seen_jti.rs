//! Single-use identifiers of assertions that were seen (RFC 7523 §3, `jti`).

use crate::{ClientId, UnixTime};

/// A client's assertion, remembered until it could no longer be accepted anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenJti {
    /// Whose assertion it was; `jti` is unique per issuer of assertions.
    pub client: ClientId,
    /// The assertion's `jti`, at most 64 characters.
    pub jti: String,
    /// From when on the assertion is refused for its age.
    pub expires_at: UnixTime,
}
