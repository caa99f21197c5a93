//! This crate's one place that names a crypto library: HMAC with SHA-256 (RFC 2104; FIPS 198-1).

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::hmac;
#[cfg(not(feature = "aws-lc-rs"))]
use ring::hmac;

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
        let mut mac = [0; 32];
        for (to, from) in mac.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        mac
    }

    /// Whether both are the same, found out without a branch on what they hold.
    ///
    /// Neither library offers a comparison of its own for good (ring deprecated its one), but both verify a MAC in
    /// constant time. So the MACs of the two are compared, which also hides where they differ.
    pub(crate) fn same(&self, one: &[u8; 32], other: &[u8; 32]) -> bool {
        hmac::verify(&self.0, other, hmac::sign(&self.0, one).as_ref()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
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
        let key = MacKey::new(b"key");
        let one = [7; 32];
        assert!(key.same(&one, &one));
        for bit in 0..256 {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.same(&one, &other), "bit {bit}");
        }
    }
}
