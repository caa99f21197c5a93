//! Handles that may be used once and were (docs/adr/0007).

use crate::{HandleId, UnixTime};

/// Remembers that a sealed handle was used, until it could no longer be accepted anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedHandle {
    /// The handle's own id.
    pub id: HandleId,
    /// From when on the handle is refused for its age.
    pub expires_at: UnixTime,
}
