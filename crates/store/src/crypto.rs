//! The one place that names a cryptographic backend: AEAD, key derivation and random bytes (NIST SP 800-38D; RFC 5869).

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as backend;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as backend;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
compile_error!("store needs one of the features `ring` and `aws-lc-rs`");

use backend::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use backend::hkdf::{HKDF_SHA256, KeyType, Salt};
use backend::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// A cryptographic operation failed; deliberately without a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256 (RFC 5869 §2): 32 bytes from a key, for one labelled use.
pub(crate) fn expand(salt: &[u8], key: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Failed> {
    let mut out = Zeroizing::new([0; 32]);
    let random_key = Salt::new(HKDF_SHA256, salt).extract(key);
    let info = [info];
    random_key
        .expand(&info, Length(out.len()))
        .and_then(|material| material.fill(out.as_mut()))
        .map_err(|_| Failed)?;
    Ok(out)
}

/// Fills with bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failed> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| Failed)?;
    Ok(bytes)
}

/// Encrypts with AES-256-GCM under a random nonce: nonce, ciphertext and tag (NIST SP 800-38D §8.2.2).
pub(crate) fn seal(key: &[u8; 32], associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, Failed> {
    let nonce: [u8; NONCE_LEN] = *random::<NONCE_LEN>()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?);
    // Room for all of it at once: a vector that grows would leave copies of the secret behind.
    let mut text = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    text.extend_from_slice(plain);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut text)
        .map_err(|_| Failed)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + text.len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

/// Decrypts what [`seal`] made; anything else fails.
pub(crate) fn open(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Failed)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?);
    let mut text = Zeroizing::new(text.to_vec());
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(associated), text.as_mut())
        .map_err(|_| Failed)?
        .len();
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    //= RFC 5869 §A.1
    #[test]
    fn hkdf_agrees_with_the_first_vector_of_its_standard() {
        let key = bytes("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
        let salt = bytes("000102030405060708090a0b0c");
        let info = bytes("f0f1f2f3f4f5f6f7f8f9");
        let expected = bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
        assert_eq!(expand(&salt, &key, &info).unwrap().as_slice(), expected);
        assert_ne!(expand(&salt, &key, &info[1..]).unwrap().as_slice(), expected);
    }

    //= NIST SP 800-38D (McGrew and Viega's test case 14: AES-256, one zero block)
    #[test]
    fn aes_256_gcm_agrees_with_a_published_vector_and_refuses_it_tampered() {
        let sealed =
            bytes("000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
        assert_eq!(open(&[0; 32], &[], &sealed).unwrap().as_slice(), [0; 16]);
        for position in 0..sealed.len() {
            let mut tampered = sealed.clone();
            tampered[position] ^= 1;
            assert!(open(&[0; 32], &[], &tampered).is_err(), "byte {position}");
        }
        assert!(open(&[0; 32], b"x", &sealed).is_err());
        assert!(open(&[1; 32], &[], &sealed).is_err());
        assert!(open(&[0; 32], &[], &sealed[..sealed.len() - 1]).is_err());
        assert!(open(&[0; 32], &[], &[]).is_err());
    }
}
