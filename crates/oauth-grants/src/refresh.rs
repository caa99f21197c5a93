//! Refresh tokens: their text, and how a successor waits for a client whose answer was lost (docs/adr/0004).
//!
//! ```text
//! v1. base64url( family (16) | generation (8) | secret (24) | MAC (16) )
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use records::{Invalid, RefreshFamilyId, SecretDigest, SecretText, UnixTime};

use crate::Moment;
use crate::crypto::{self, MacKey, join, same, sha256};
use crate::generate::digits;

/// What every refresh token begins with. Clients must not look further.
pub const PREFIX: &str = "v1.";

const FAMILY: usize = 16;
const GENERATION: usize = 8;
const SECRET: usize = 24;
const MAC: usize = 16;
const SALT: usize = 16;

/// What the MAC is of.
const SIGNED: usize = FAMILY + GENERATION + SECRET;
/// The bytes of a token, and the characters that they are in base64url.
const ALL: usize = SIGNED + MAC;
const ENCODED: usize = (4 * ALL).div_ceil(3);

/// The keys of a tenant's refresh tokens: one that says that we issued a token, one that seals successors.
///
/// Each is 32 derived bytes that serve nothing else. They outlive every family: with other keys, no token is known.
#[derive(Clone)]
pub struct RefreshKeys {
    mac: MacKey,
    seal: MacKey,
}

impl RefreshKeys {
    /// The keys of one tenant.
    pub fn new(mac: &[u8; 32], seal: &[u8; 32]) -> Self {
        Self { mac: MacKey::new(mac), seal: MacKey::new(seal) }
    }
}

impl fmt::Debug for RefreshKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshKeys([redacted])")
    }
}

/// A token that we issued: its MAC is right. Whether it still means anything its family says.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    family: [u8; FAMILY],
    generation: u64,
    secret: [u8; SECRET],
}

impl RefreshToken {
    /// The first token of a new family, whose id begins with the time.
    pub fn first(moment: &Moment) -> Self {
        let mut family = [0; FAMILY];
        let time = moment.now.0.to_be_bytes();
        let random = moment.bytes::<FAMILY>("refresh family");
        // Six bytes of seconds last for nine million years.
        let bytes = time.into_iter().skip(2).chain(random.into_iter().skip(6));
        for (to, from) in family.iter_mut().zip(bytes) {
            *to = from;
        }
        Self { family, generation: 0, secret: moment.bytes("refresh secret") }
    }

    /// The token after this one.
    pub fn successor(&self, moment: &Moment) -> Self {
        Self {
            family: self.family,
            generation: self.generation.saturating_add(1),
            secret: moment.bytes("refresh secret"),
        }
    }

    /// Its family's id.
    ///
    /// # Errors
    /// None in practice: digits fit the alphabet.
    pub fn family(&self) -> Result<RefreshFamilyId, Invalid> {
        RefreshFamilyId::parse(std::str::from_utf8(&self.family_digits()).unwrap_or_default())
    }

    /// Whether its family has this id.
    pub fn is_of(&self, family: &RefreshFamilyId) -> bool {
        self.family_digits() == family.as_str().as_bytes()
    }

    fn family_digits(&self) -> [u8; 2 * FAMILY] {
        let mut text = [0; 2 * FAMILY];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.family) {
            pair.copy_from_slice(&digits(byte));
        }
        text
    }

    /// How often its family had been rotated when it was issued.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The digest under which its family knows it. The secret has 192 random bits: nobody guesses it from there.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest(sha256(&[b"authd refresh secret 1\0", &self.secret]))
    }

    /// Whether this is the token of that digest.
    pub fn is(&self, digest: &SecretDigest) -> bool {
        same(&self.digest().0, &digest.0)
    }

    /// The text that the client gets.
    pub fn to_text(&self, keys: &RefreshKeys) -> SecretText {
        let mut bytes = [0; ALL];
        join(&[&self.to_bytes(), &self.mac(keys)], &mut bytes);
        let mut encoded = [b'A'; ENCODED];
        // So many bytes are so many characters, always: the length cannot be wrong.
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut encoded);
        debug_assert_eq!(written, Ok(ENCODED));
        let mut text = String::with_capacity(PREFIX.len() + ENCODED);
        text.push_str(PREFIX);
        text.push_str(std::str::from_utf8(&encoded).unwrap_or_default());
        SecretText::new(text)
    }

    /// The token of this text; `None` for any text that we did not issue.
    pub fn parse(text: &str, keys: &RefreshKeys) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        if encoded.len() != ENCODED {
            return None;
        }
        // The decoder wants room for what is left of its last four characters, too.
        let mut bytes = [0; ALL.next_multiple_of(3)];
        // One text for each token: neither padding nor set trailing bits.
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        let (signed, mac) = bytes.get(..length)?.split_first_chunk::<SIGNED>()?;
        let token = Self::from_bytes(signed)?;
        let presented: [u8; MAC] = mac.try_into().ok()?;
        same(&presented, &token.mac(keys)).then_some(token)
    }

    fn to_bytes(&self) -> [u8; SIGNED] {
        let mut bytes = [0; SIGNED];
        join(&[&self.family, &self.generation.to_be_bytes(), &self.secret], &mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = bytes.split_first_chunk::<FAMILY>()?;
        let (generation, secret) = rest.split_first_chunk::<GENERATION>()?;
        Some(Self {
            family: *family,
            generation: u64::from_be_bytes(*generation),
            secret: secret.try_into().ok()?,
        })
    }

    fn mac(&self, keys: &RefreshKeys) -> [u8; MAC] {
        let mac = keys.mac.mac(&[b"authd refresh token 1\0", &self.to_bytes()]);
        mac.first_chunk::<MAC>().copied().unwrap_or_default()
    }

    /// Seals this token so that only who presents its predecessor opens it, with the time of the rotation.
    pub fn seal_after(
        &self,
        predecessor: &Self,
        rotated_at: UnixTime,
        keys: &RefreshKeys,
        moment: &Moment,
    ) -> Option<String> {
        let salt = moment.bytes::<SALT>("refresh successor");
        let key = predecessor.key_of_successor(rotated_at, &salt, keys);
        let sealed = crypto::seal(&key, &predecessor.family, &self.to_bytes())?;
        Some(URL_SAFE_NO_PAD.encode([&salt[..], &sealed].concat()))
    }

    /// Opens what was sealed after this token; `None` for anything else.
    pub fn open_successor(&self, sealed: &str, rotated_at: UnixTime, keys: &RefreshKeys) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (salt, sealed) = bytes.split_first_chunk::<SALT>()?;
        let key = self.key_of_successor(rotated_at, salt, keys);
        Self::from_bytes(crypto::open(&key, &self.family, sealed)?.expose())
    }

    fn key_of_successor(&self, rotated_at: UnixTime, salt: &[u8; SALT], keys: &RefreshKeys) -> [u8; 32] {
        let parts: [&[u8]; 4] =
            [b"authd refresh successor 1\0", salt, &rotated_at.0.to_be_bytes(), &self.to_bytes()];
        keys.seal.mac(&parts)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, moment};
    use proptest::prelude::*;

    fn keys() -> RefreshKeys {
        RefreshKeys::new(&[1; 32], &[2; 32])
    }

    #[test]
    fn rt_16_a_token_comes_back_and_no_altered_one_does() {
        let token = RefreshToken::first(&moment());
        let text = token.to_text(&keys());
        let text = text.expose();
        assert!(RefreshToken::parse(text, &keys()).is_some_and(|again| again == token));
        assert_eq!(text.len(), PREFIX.len() + 86, "{text}");
        for position in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            assert!(RefreshToken::parse(&altered, &keys()).is_none(), "{position}");
        }
        for other in
            [&text[..text.len() - 1], &text[1..], "", "v1.", &format!("{text}A"), &format!("{text}=")]
        {
            assert!(RefreshToken::parse(other, &keys()).is_none(), "{other}");
        }
        assert!(RefreshToken::parse(text, &RefreshKeys::new(&[3; 32], &[2; 32])).is_none());
    }

    #[test]
    fn families_sort_by_the_time_they_were_made() {
        let at = |now: u64, fill: u8| {
            RefreshToken::first(&Moment::new(UnixTime(now), [fill; 32])).family().unwrap()
        };
        assert!(at(1, 9) < at(2, 1) && at(255, 9) < at(256, 1) && at(NOW.0, 9) < at(NOW.0 + 1, 1));
        assert_ne!(at(1, 1), at(1, 2));
    }

    #[test]
    fn a_token_is_of_the_family_whose_id_it_names_and_of_no_other() {
        let token =
            RefreshToken { family: *b"\0\x01\x9f\xa0\xffabcdefghijk", generation: 0, secret: [7; 24] };
        let id = token.family().unwrap();
        assert_eq!(id.as_str(), "00019fa0ff6162636465666768696a6b");
        assert!(token.is_of(&id) && token.successor(&moment()).is_of(&id));
        for other in ["00019fa0ff6162636465666768696a6c", "00019FA0FF6162636465666768696A6B", "00019fa0ff"] {
            assert!(!token.is_of(&RefreshFamilyId::parse(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn only_the_predecessor_opens_a_successor() {
        let first = RefreshToken::first(&moment());
        let second = first.successor(&moment().child("a"));
        let sealed = second.seal_after(&first, NOW, &keys(), &moment()).unwrap();
        assert!(first.open_successor(&sealed, NOW, &keys()).is_some_and(|opened| opened == second));
        assert!(second.open_successor(&sealed, NOW, &keys()).is_none());
        assert!(first.open_successor(&sealed, UnixTime(NOW.0 + 1), &keys()).is_none());
        assert!(first.open_successor(&sealed, NOW, &RefreshKeys::new(&[1; 32], &[3; 32])).is_none());
        let mut altered = sealed.into_bytes();
        altered[30] ^= 1;
        assert!(first.open_successor(&String::from_utf8(altered).unwrap(), NOW, &keys()).is_none());
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_prints_nothing() {
        let token = RefreshToken::first(&moment());
        assert!(token.is(&token.digest()));
        assert!(!token.successor(&moment().child("a")).is(&token.digest()));
        assert_eq!(format!("{token:?}"), "RefreshToken { generation: 0, .. }");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(v1\\.)?[A-Za-z0-9_=-]{0,120}") {
            prop_assert!(RefreshToken::parse(&text, &keys()).is_none());
        }
    }
}
