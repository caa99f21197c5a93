//! Spaces, keys and index entries: how a row is found.

use std::fmt;

use records::TenantId;

/// Whose rows: the server's own, or a tenant's. Rows of different spaces never meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// The server's own: which tenants there are, and where.
    Directory,
    /// One tenant's.
    Tenant(TenantId),
}

impl Space {
    /// The text that stands in every row. The directory's is outside the alphabet of tenant names.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Directory => "_directory",
            Self::Tenant(tenant) => tenant.as_str(),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row's key within its space and kind: parts joined by `/`, each escaped so that they cannot run into each other.
///
/// Ordered by bytes. In each part `%`, `/` and control characters are percent-encoded; the rest stands as it is,
/// so that people can read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The most bytes a key may have: what an index entry of common databases takes.
    pub const LONGEST: usize = 2000;

    /// The key of these parts. Different parts make different keys.
    pub fn of(parts: &[&str]) -> Self {
        let mut text = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
        for (position, part) in parts.iter().enumerate() {
            if position > 0 {
                text.push('/');
            }
            push_escaped(&mut text, part);
        }
        Self(text)
    }

    /// The key whose text a backend stored, as [`Key::as_str`] gave it.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_escaped(text: &mut String, part: &str) {
    let escapes = |b: u8| b == b'%' || b == b'/' || b.is_ascii_control();
    // Every byte is looked at, not only those before the first: so many are compared at a time.
    if !part.bytes().fold(false, |found, b| found | escapes(b)) {
        return text.push_str(part);
    }
    for character in part.chars() {
        match u8::try_from(character) {
            Ok(byte) if escapes(byte) => {
                const DIGITS: [char; 16] =
                    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
                text.push('%');
                text.extend(DIGITS.get(usize::from(byte >> 4)));
                text.extend(DIGITS.get(usize::from(byte & 15)));
            }
            _ => text.push(character),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.0)
    }
}

/// A name and value under which a row can be paged, such as `client` and the client's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexEntry {
    /// What the row is indexed by; a word of ours, without spaces.
    pub name: &'static str,
    /// The value, escaped as a key is.
    pub value: Key,
}

impl IndexEntry {
    /// The most bytes that an entry's value and its row's key may have together: what an index of common databases takes
    /// beside names and the space.
    pub const LONGEST: usize = 2400;

    /// The entry of this name for these parts.
    pub fn of(name: &'static str, parts: &[&str]) -> Self {
        Self { name, value: Key::of(parts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn readable_parts_stay_readable() {
        assert_eq!(Key::of(&["geocoding-worker"]).as_str(), "geocoding-worker");
        assert_eq!(Key::of(&["a/b", "50%", "\n", "é"]).as_str(), "a%2Fb/50%25/%0A/é");
        assert_eq!(Key::of(&["\u{7f}\0"]).as_str(), "%7F%00");
    }

    #[test]
    fn the_directory_cannot_be_mistaken_for_a_tenant() {
        assert!(TenantId::parse(Space::Directory.as_str()).is_err());
    }

    proptest! {
        #[test]
        fn parts_cannot_run_into_each_other(
            one in proptest::collection::vec("[a%/2F\u{0}é]{0,4}", 1..4),
            two in proptest::collection::vec("[a%/2F\u{0}é]{0,4}", 1..4),
        ) {
            let key = |parts: &[String]| Key::of(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(key(&one) == key(&two), one == two);
        }
    }
}
