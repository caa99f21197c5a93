//! This crate's one place that names a crypto library: SHA-256, HMAC, AES-256-GCM (FIPS 180-4; RFC 2104; SP 800-38D).

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as backend;
#[cfg(not(feature = "aws-lc-rs"))]
use ring as backend;

use backend::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use backend::{digest, hmac};
use records::SecretBytes;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The bytes that [`seal`] adds to what it seals.
pub(crate) const TAG: usize = 16;

/// Parts of so many bytes together are hashed at once: a context that takes them one by one costs a library more.
const SHORT: usize = 64;

/// SHA-256 of the parts, one after the other. The caller keeps them apart.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut short = Zeroizing::new([0; SHORT]);
    let hash = match join(parts, &mut short[..]) {
        Some(joined) => digest::digest(&digest::SHA256, joined),
        None => {
            let mut context = digest::Context::new(&digest::SHA256);
            for part in parts {
                context.update(part);
            }
            context.finish()
        }
    };
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Writes the parts one after the other and gives all of them; `None` where there is too little room.
pub(crate) fn join<'r>(parts: &[&[u8]], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        room.get_mut(length..end)?.copy_from_slice(part);
        length = end;
    }
    room.get(..length)
}

/// Encrypts with AES-256-GCM under a key that seals this text and no other, which is why the nonce may be zero.
pub(crate) fn seal(single_use_key: &[u8; 32], associated: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, single_use_key).ok()?);
    // Room for all of it at once: a vector that grows would leave copies behind.
    let mut text = Vec::with_capacity(plain.len() + TAG);
    text.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    key.seal_in_place_append_tag(nonce, Aad::from(associated), &mut text).ok()?;
    Some(text)
}

/// Decrypts what [`seal`] made; `None` for anything else.
pub(crate) fn open(single_use_key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Option<SecretBytes> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, single_use_key).ok()?);
    let mut text = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let length = key.open_in_place(nonce, Aad::from(associated), &mut text).ok()?.len();
    text.truncate(length);
    Some(SecretBytes::new(text))
}

/// A key for HMAC-SHA256, its two inner states computed once.
#[derive(Clone)]
pub(crate) struct MacKey(hmac::Key);

impl MacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The MAC of the parts, one after the other. The caller keeps them apart.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// Whether both are the same, found out without a branch on what they hold (CWE-208).
pub(crate) fn same<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    one[..].ct_eq(&other[..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    //= FIPS 180-4 §6.2
    #[test]
    fn the_hash_is_sha_256() {
        let expected = unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256(&[b"abc"])[..], expected);
        assert_eq!(sha256(&[b"a", b"", b"bc"])[..], expected);
        assert_ne!(sha256(&[b"abd"])[..], expected);
    }

    #[test]
    fn where_the_parts_end_does_not_change_the_hash_however_long_they_are() {
        let text: Vec<u8> = (0..=255).collect();
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 2 * SHORT, 256] {
            let text = &text[..length];
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(text);
            let expected = context.finish();
            for end in [0, length / 2, length] {
                assert_eq!(sha256(&[&text[..end], &text[end..]])[..], *expected.as_ref(), "{length} {end}");
            }
        }
    }

    #[test]
    fn parts_are_joined_only_where_there_is_room_for_all() {
        let mut room = [9; 4];
        assert_eq!(join(&[b"ab", b"", b"c"], &mut room), Some(&b"abc"[..]));
        assert_eq!(join(&[b"abcd"], &mut room), Some(&b"abcd"[..]));
        assert_eq!(join(&[b"ab", b"cde"], &mut room), None);
        assert_eq!(join(&[], &mut room), Some(&[][..]));
    }

    //= NIST SP 800-38D (McGrew and Viega's test case 14: AES-256, one zero block)
    #[test]
    fn the_cipher_is_aes_256_gcm_and_refuses_what_was_tampered_with() {
        let sealed = unhex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
        assert_eq!(seal(&[0; 32], &[], &[0; 16]).unwrap(), sealed);
        assert_eq!(sealed.len(), 16 + TAG);
        assert_eq!(open(&[0; 32], &[], &sealed).unwrap().expose(), [0; 16]);
        for position in 0..sealed.len() {
            let mut tampered = sealed.clone();
            tampered[position] ^= 1;
            assert!(open(&[0; 32], &[], &tampered).is_none(), "byte {position}");
        }
        assert!(open(&[0; 32], b"x", &sealed).is_none());
        assert!(open(&[1; 32], &[], &sealed).is_none());
        assert!(open(&[0; 32], &[], &sealed[..31]).is_none());
        assert!(open(&[0; 32], &[], &[]).is_none());
    }

    //= RFC 4231 §4.3
    #[test]
    fn the_mac_is_hmac_sha256() {
        let expected = unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let key = MacKey::new(b"Jefe");
        assert_eq!(key.mac(&[b"what do ya want for nothing?"])[..], expected);
        assert_eq!(key.mac(&[b"what do ya want ", b"", b"for nothing?"])[..], expected);
        assert_ne!(key.mac(&[b"what do ya want for nothing!"])[..], expected);
        assert_ne!(MacKey::new(b"jefe").mac(&[b"what do ya want for nothing?"])[..], expected);
    }

    #[test]
    fn any_changed_bit_makes_two_values_differ() {
        let one = [7; 32];
        assert!(same(&one, &one));
        for bit in 0..256 {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&one, &other), "bit {bit}");
        }
    }
}
