//! Proof Key for Code Exchange, S256 alone (RFC 7636; RFC 9700 §2.1.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::crypto;

/// The challenge methods that are accepted (RFC 8414 §2, `code_challenge_methods_supported`).
pub const METHODS_SUPPORTED: &[&str] = &["S256"];

/// Why a challenge is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkceRefusal {
    /// `plain`, or no method, which means `plain` (RFC 7636 §4.3): the challenge would be the verifier itself.
    Plain,
    /// A method that is not known.
    UnknownMethod,
    /// Not 43 characters of base64url, which is what SHA-256 gives (RFC 7636 §4.2).
    MalformedChallenge,
}

/// The S256 challenge of an authorization request: SHA-256 of the verifier that only the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`.
    ///
    /// # Errors
    /// [`PkceRefusal`]
    pub fn parse(code_challenge: &str, method: Option<&str>) -> Result<Self, PkceRefusal> {
        //= RFC 7636 §4.3
        match method {
            Some("S256") => {}
            None | Some("plain") => return Err(PkceRefusal::Plain),
            Some(_) => return Err(PkceRefusal::UnknownMethod),
        }
        //= RFC 7636 §4.2
        let decoded = URL_SAFE_NO_PAD.decode(code_challenge).map_err(|_| PkceRefusal::MalformedChallenge)?;
        decoded.try_into().map(Self).map_err(|_| PkceRefusal::MalformedChallenge)
    }

    /// The challenge as a record keeps it.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether this is the challenge of the verifier. A verifier that is none is nobody's.
    pub fn verify(&self, verifier: &str) -> bool {
        //= RFC 7636 §4.6
        is_verifier(verifier) && {
            let hash = crypto::sha256(&[verifier.as_bytes()]);
            crypto::same(&self.0, &hash)
        }
    }
}

impl From<[u8; 32]> for Challenge {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// 43 to 128 unreserved characters (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    //= RFC 7636 §4.1
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

#[cfg(test)]
mod tests;
