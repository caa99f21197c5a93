//! What browsers hold, and the digests under which it is known (FIPS 180-4; RFC 2104).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use records::{AttemptsId, Invalid, SessionId};

use crate::Moment;
use crate::crypto::{MacKey, sha256};

/// A text for a browser to hold: 32 random bytes of this label as 43 characters of the URL-safe base64 alphabet.
pub fn browser_secret(moment: &Moment, label: &str) -> String {
    URL_SAFE_NO_PAD.encode(moment.bytes::<32>(label))
}

/// The id of the session whose cookie has this text. The id is `sid`, and public; it says nothing about the text.
///
/// # Errors
/// None in practice: a digest in base64url is an id.
pub fn session_id(cookie: &str) -> Result<SessionId, Invalid> {
    SessionId::parse(&digest("authd session 1", cookie))
}

/// The digest of the cookie that ties a flow to its browser.
pub fn browser_digest(cookie: &str) -> String {
    digest("authd browser 1", cookie)
}

/// 192 bits of SHA-256: nobody finds two texts of one digest, nor a text for a given one.
fn digest(kind: &'static str, text: &str) -> String {
    let hash = sha256(&[kind.as_bytes(), b"\0", text.as_bytes()]);
    URL_SAFE_NO_PAD.encode(hash.first_chunk::<24>().unwrap_or(&[0; 24]))
}

/// Under what login attempts are counted: a keyed digest, so that the store does not say whose names were tried.
///
/// # Errors
/// None in practice: a digest in base64url is an id.
pub fn attempts_id(key: &[u8; 32], what: &[&str]) -> Result<AttemptsId, Invalid> {
    let mut parts: Vec<&[u8]> = vec![b"authd attempts 1\0"];
    let lengths: Vec<[u8; 8]> = what.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
    for (length, part) in lengths.iter().zip(what) {
        parts.push(length);
        parts.push(part.as_bytes());
    }
    AttemptsId::parse(&URL_SAFE_NO_PAD.encode(MacKey::new(key).mac(&parts)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::moment;

    #[test]
    fn kinds_texts_and_keys_have_digests_of_their_own() {
        assert_ne!(session_id("a").unwrap().as_str(), browser_digest("a"));
        assert_ne!(session_id("a"), session_id("b"));
        let id = |key: u8, what: &[&str]| attempts_id(&[key; 32], what).unwrap();
        assert_eq!(id(1, &["a", "b"]), id(1, &["a", "b"]));
        for other in [id(2, &["a", "b"]), id(1, &["ab", ""]), id(1, &["ab"]), id(1, &["a", "b", ""])] {
            assert_ne!(id(1, &["a", "b"]), other);
        }
    }

    #[test]
    fn lc_04_what_a_browser_holds_has_256_random_bits() {
        let secret = browser_secret(&moment(), "session cookie");
        assert_eq!(secret.len(), 43);
        assert_ne!(secret, browser_secret(&moment(), "browser cookie"));
    }
}
