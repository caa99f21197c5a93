//! Sealed handles: what a browser or client carries for us, unread and unchanged (NIST SP 800-38D; docs/adr/0007).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use records::{Origin, SecretBytes};

use crate::Moment;
use crate::crypto::{self, MacKey, TAG};

/// The form of what is sealed today. Another form gets another number.
const VERSION: u8 = 1;
/// Random bytes from which a handle's own key follows: 192 bits never come twice.
const SALT: usize = 24;
/// The longest handle, in characters: it fits a URL that servers and proxies take.
pub const LONGEST: usize = 8192;
/// The most bytes that a handle holds.
pub const MOST: usize = LONGEST / 4 * 3 - 1 - SALT - TAG;

/// What a handle is for. One kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandleKind {
    /// A login and consent under way at the authorization endpoint.
    Flow,
    /// An access token for the userinfo endpoint alone.
    UserInfo,
    /// A logout that a person is asked about.
    Logout,
    /// The forms of a person's own page.
    OwnPage,
}

impl HandleKind {
    /// Each kind and its name, which is part of the key: it never changes.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Flow, "flow"),
        (Self::UserInfo, "userinfo"),
        (Self::Logout, "logout"),
        (Self::OwnPage, "own page"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// Why something was not sealed. A failure of ours, never the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealFailure {
    /// More than [`MOST`] bytes.
    TooLong,
    /// The cryptographic backend failed.
    Cipher,
}

impl fmt::Display for SealFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "what a handle is to hold is too long",
            Self::Cipher => "the cryptographic backend could not seal",
        })
    }
}

impl std::error::Error for SealFailure {}

/// Seals and opens handles: one key a tenant, derived by the caller for this use alone.
///
/// Each handle has a key of its own, derived from random bytes that stand in it, and is bound to its kind and to the
/// origin it was made at. Whoever holds one can neither read nor change it, nor use it elsewhere.
#[derive(Clone)]
pub struct HandleKey(MacKey);

impl HandleKey {
    /// A key of 32 uniformly random or derived bytes that serve nothing else.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(MacKey::new(key))
    }

    /// Seals bytes into text of the URL-safe base64 alphabet. The label says for which of its handles a decision takes
    /// the moment's randomness; the same label and bytes at the same moment give the same text.
    ///
    /// # Errors
    /// [`SealFailure`]
    pub fn seal(
        &self,
        kind: HandleKind,
        origin: &Origin,
        moment: &Moment,
        label: &str,
        plaintext: &[u8],
    ) -> Result<String, SealFailure> {
        if plaintext.len() > MOST {
            return Err(SealFailure::TooLong);
        }
        // The salt also depends on everything that is sealed. So a label that is used twice by mistake gives two keys,
        // where salts of randomness alone would seal two texts under one key and nonce, which gives both away.
        let randomness = MacKey::new(&moment.bytes::<32>(&format!("handle {label}")));
        let mixed = randomness.mac(&[&associated(kind, origin), plaintext]);
        let salt = mixed.first_chunk::<SALT>().copied().unwrap_or_default();
        let sealed = crypto::seal(&self.key_of(kind, &salt), &associated(kind, origin), plaintext)
            .ok_or(SealFailure::Cipher)?;
        Ok(URL_SAFE_NO_PAD.encode([&[VERSION], salt.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed for this kind at this origin; `None` for anything else, whatever is wrong with it.
    pub fn open(&self, kind: HandleKind, origin: &Origin, text: &str) -> Option<SecretBytes> {
        if text.len() > LONGEST {
            return None;
        }
        // One text for each byte string: neither padding nor set trailing bits nor the standard alphabet.
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT>()?;
        if *version != VERSION {
            return None;
        }
        crypto::open(&self.key_of(kind, salt), &associated(kind, origin), sealed)
    }

    fn key_of(&self, kind: HandleKind, salt: &[u8; SALT]) -> [u8; 32] {
        // A kind's name has no NUL, so it cannot run into the salt.
        self.0.mac(&[b"authd handle 1\0", kind.name().as_bytes(), b"\0", salt])
    }
}

impl fmt::Debug for HandleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleKey([redacted])")
    }
}

/// What a handle is bound to without holding it.
fn associated(kind: HandleKind, origin: &Origin) -> Vec<u8> {
    [&[VERSION], kind.name().as_bytes(), b"\0", origin.issuer().as_bytes(), b"\0"].concat()
}

#[cfg(test)]
mod tests;
