//! The names that an object has had, to refuse the second of a kind (RFC 7515 §4, RFC 7519 §4).

use std::borrow::Cow;
use std::collections::HashSet;

use super::Text;

/// More names than this in one object leave the fast path for a hash set.
const FEW: usize = 16;

/// Which names an object has had so far.
pub(super) struct Names<'a> {
    /// See [`tag`]: different tags mean different names.
    tags: [u64; FEW],
    few: [&'a str; FEW],
    count: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

/// The first eight bytes of a name and its length, folded: names of up to seven bytes have a tag each.
#[inline]
fn tag(name: &str) -> u64 {
    let bytes = name.as_bytes();
    match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes.iter().fold(bytes.len() as u64, |tag, byte| tag << 8 | u64::from(*byte)),
    }
}

impl<'a> Names<'a> {
    pub(super) fn new() -> Self {
        Self { tags: [0; FEW], few: [""; FEW], count: 0, many: None }
    }

    /// Adds a name; false if it was there.
    #[inline]
    pub(super) fn insert(&mut self, name: Text<'a>) -> bool {
        if self.many.is_none()
            && let Some(plain) = name.plain()
        {
            let tag = tag(plain);
            let count = self.count.min(FEW);
            let had = self.tags.iter().zip(&self.few).take(count);
            if had.filter(|(had, _)| **had == tag).any(|(_, had)| *had == plain) {
                return false;
            }
            if let (Some(free_tag), Some(free)) = (self.tags.get_mut(count), self.few.get_mut(count)) {
                (*free_tag, *free) = (tag, plain);
                self.count += 1;
                return true;
            }
        }
        self.insert_among_many(name)
    }

    /// Linear search would be quadratic in an attacker's hands, and an escaped name has no slice to keep.
    #[cold]
    fn insert_among_many(&mut self, name: Text<'a>) -> bool {
        let had = self.few.get(..self.count).unwrap_or_default();
        let many = self.many.get_or_insert_with(|| had.iter().map(|name| Cow::Borrowed(*name)).collect());
        many.insert(name.decode())
    }
}
