//! Scopes as sets of tokens (RFC 6749 §3.3).

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::Invalid;

/// One scope value: printable ASCII without space, `"` and `\` (RFC 6749 §3.3), at most 280 characters (Auth0).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeToken(Arc<str>);

impl ScopeToken {
    /// Reads one scope value.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if text.is_empty() || text.len() > 280 || !text.bytes().all(allowed) {
            return Err(Invalid {
                what: "scope",
                why: "must be words of 1 to 280 printable ASCII characters other than \" and \\",
            });
        }
        Ok(Self(text.into()))
    }

    /// The scope's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Scopes compare as their text does, so a set of them is searched by text.
impl Borrow<str> for ScopeToken {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A set of scopes: order and repetition mean nothing (RFC 6749 §3.3). Displays sorted and space-separated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeSet<ScopeToken>);

impl ScopeSet {
    /// The most scopes one request or record may name (Auth0's limit of scopes per API).
    pub const MOST: usize = 1000;

    /// Reads a space-separated list. An empty text is the empty set.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut set = BTreeSet::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            set.insert(ScopeToken::parse(word)?);
            if set.len() > Self::MOST {
                return Err(Invalid { what: "scope", why: "must name at most 1000 scopes" });
            }
        }
        Ok(Self(set))
    }

    /// Whether the set has no scope.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes the set has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set has this scope.
    pub fn contains(&self, scope: &ScopeToken) -> bool {
        self.0.contains(scope)
    }

    /// Whether the set has the scope of this text.
    pub fn has(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    /// Whether every scope of this set is in the other.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The scopes that both sets have.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The scopes of this set that the other lacks.
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeToken> {
        self.0.iter()
    }
}

impl FromIterator<ScopeToken> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeToken>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_and_repetition_mean_nothing() {
        assert_eq!(ScopeSet::parse("b a b").unwrap(), ScopeSet::parse("a  b ").unwrap());
        assert_eq!(ScopeSet::parse("").unwrap(), ScopeSet::default());
    }

    #[test]
    fn a_scope_is_found_by_its_text() {
        let set = ScopeSet::parse("openid profile read:a read:b").unwrap();
        for scope in set.iter() {
            assert!(set.has(scope.as_str()), "{scope}");
        }
        for text in ["", "open", "openid ", "OPENID", "read:", "read:ab", "read:a read:b", "é"] {
            assert!(!set.has(text), "{text:?}");
        }
    }

    #[test]
    fn illegal_characters_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "a\nb", "é", "a\u{7f}"] {
            assert!(ScopeSet::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_scope_bomb_is_refused() {
        let bomb: String = (0..1001).map(|n| format!("s{n} ")).collect();
        assert!(ScopeSet::parse(&bomb).is_err());
    }

    proptest! {
        #[test]
        fn what_displays_parses_to_the_same_set(words in proptest::collection::vec("[!#-\\[\\]-~]{1,12}", 0..8)) {
            let set = ScopeSet::parse(&words.join(" ")).unwrap();
            prop_assert_eq!(ScopeSet::parse(&set.to_string()).unwrap(), set);
        }
    }
}
