//! A fast keyed hash for texts that serve as keys of our own maps.

use std::hash::{BuildHasher, Hasher};

/// A keyed hash: folded 128-bit multiplication, as in wyhash.
///
/// What is inserted is of our own making, or verified, so an attacker cannot fill a map with colliding texts;
/// the random seed keeps lookups from being aimed at one bucket. Equality is always compared in full.
#[derive(Clone, Copy)]
pub(crate) struct Folded(u64, u64);

impl Folded {
    pub(crate) fn seeded() -> Self {
        // The standard library's random keys, the only entropy it gives.
        let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self(random(), random() | 1)
    }
}

impl BuildHasher for Folded {
    type Hasher = FoldedHasher;

    #[inline]
    fn build_hasher(&self) -> FoldedHasher {
        FoldedHasher { state: self.0, key: self.1 }
    }
}

pub(crate) struct FoldedHasher {
    state: u64,
    key: u64,
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    {
        product as u64 ^ (product >> 64) as u64
    }
}

impl Hasher for FoldedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        let mut absorb = |pair: &[u8; 16]| {
            let value = u128::from_le_bytes(*pair);
            #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
            let (low, high) = (value as u64, (value >> 64) as u64);
            self.state = fold(self.state ^ low, self.key ^ high);
        };
        pairs.iter().for_each(&mut absorb);
        let mut last = [0; 16];
        if let Some(to) = last.get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        absorb(&last);
        self.state = fold(self.state ^ bytes.len() as u64, self.key);
    }

    #[inline]
    fn write_u8(&mut self, _: u8) {
        // The end mark of a str; the length is part of the hash already.
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn one_bit_or_one_byte_more_changes_the_hash() {
        let folded = Folded::seeded();
        let mut seen = HashSet::new();
        let text = [b'a'; 100];
        for length in 0..text.len() {
            assert!(seen.insert(folded.hash_one(str::from_utf8(&text[..length]).unwrap())));
            for bit in 0..7 {
                let mut changed = text[..=length].to_vec();
                changed[length] ^= 1 << bit;
                assert!(seen.insert(folded.hash_one(str::from_utf8(&changed).unwrap())));
            }
        }
        assert_ne!(Folded::seeded().hash_one("a"), folded.hash_one("a"));
    }
}
