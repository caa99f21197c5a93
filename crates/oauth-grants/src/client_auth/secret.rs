//! Clients that authenticate by a secret (RFC 6749 §2.3.1; CWE-208 on timing).

use std::fmt;

use records::{Client, ClientId, SecretDigest, SecretText, UnixTime};

use super::ClientRefusal;
use crate::crypto::{MacKey, same};

/// The key of the digests that are kept of client secrets: one a tenant, derived by the caller, never stored beside them.
#[derive(Clone)]
pub struct SecretDigestKey(MacKey);

impl SecretDigestKey {
    /// A key of 32 uniformly random or derived bytes that serve nothing else.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(MacKey::new(key))
    }

    /// The digest to keep of a client's secret. It says nothing at another client or under another key.
    pub fn digest(&self, client: &ClientId, secret: &SecretText) -> SecretDigest {
        // A client id has no NUL, so no two pairs of id and secret run together to the same text.
        let parts: [&[u8]; 4] =
            [b"authd client secret 1\0", client.as_str().as_bytes(), b"\0", secret.expose().as_bytes()];
        SecretDigest(self.0.mac(&parts))
    }
}

impl fmt::Debug for SecretDigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigestKey([redacted])")
    }
}

/// As many comparisons are made for every request: a client has one secret, or two while one replaces the other.
const COMPARISONS: usize = 2;

pub(super) fn authenticate<'c>(
    presented_id: &ClientId,
    secret: &SecretText,
    client: Option<&'c Client>,
    key: &SecretDigestKey,
    now: UnixTime,
) -> Result<&'c Client, ClientRefusal> {
    let presented = key.digest(presented_id, secret);
    // No secret has this digest, as far as anybody can find one.
    let dummy = SecretDigest([0; 32]);
    let secrets = client.map_or(&[][..], |client| &client.secrets);
    let (mut live, mut expired) = (false, false);
    for position in 0..secrets.len().max(COMPARISONS) {
        let kept = secrets.get(position);
        let same = same(&presented.0, &kept.map_or(dummy, |kept| kept.digest).0);
        let is_live = kept.is_some_and(|kept| kept.expires_at.is_none_or(|at| now < at));
        live |= same & is_live;
        expired |= same & !is_live;
    }
    match client {
        None => Err(ClientRefusal::UnknownClient),
        Some(client) if client.is_public() => Err(ClientRefusal::PublicClientSentSecret),
        Some(client) if live => Ok(client),
        Some(_) if expired => Err(ClientRefusal::ExpiredSecret),
        Some(_) => Err(ClientRefusal::WrongSecret),
    }
}
