//! A tenant's signing keys and their life (RFC 7517; Auth0's current, next and previous).

use crate::{KeyId, SecretBytes, SigningAlgorithm, UnixTime};

/// Where a key stands in its life. All but revoked ones are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published so that caches learn it before it signs.
    Next,
    /// Signs.
    Current,
    /// Signs no more, still verifies.
    Previous,
    /// Neither published nor used.
    Revoked,
}

impl KeyState {
    /// Each state and its name.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Next, "next"),
        (Self::Current, "current"),
        (Self::Previous, "previous"),
        (Self::Revoked, "revoked"),
    ];

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

/// An asymmetric key pair that signs a tenant's tokens with one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// The `kid`: the public key's RFC 7638 thumbprint, so that it cannot clash.
    pub id: KeyId,
    /// The one algorithm it signs with.
    pub algorithm: SigningAlgorithm,
    /// PKCS#8 DER. Sealed at rest.
    pub private_key: SecretBytes,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: UnixTime,
    /// When it last changed state.
    pub state_since: UnixTime,
}
