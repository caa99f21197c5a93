//! The scopes that a token has and that an API wants (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;

/// A set of scopes: order and repetition mean nothing. Displays sorted and space-separated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeSet<Box<str>>);

/// A scope is one or more printable ASCII characters other than space, `"` and `\` (RFC 6749 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidScope;

impl ScopeSet {
    /// Reads a space-separated list. The empty text is the empty set.
    ///
    /// # Errors
    /// [`InvalidScope`] for a word with a character that no scope has.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let words = text.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| if is_scope(word) { Ok(word.into()) } else { Err(InvalidScope) })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Tells whether the set has this scope. Case matters (RFC 6749 §3.3).
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Tells whether the set has every scope of the other.
    #[must_use]
    pub fn contains_all(&self, required: &Self) -> bool {
        required.0.is_subset(&self.0)
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

fn is_scope(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " " })?;
            f.write_str(scope)?;
        }
        Ok(())
    }
}

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scope has printable ASCII characters other than space, \" and \\")
    }
}

impl std::error::Error for InvalidScope {}

#[cfg(test)]
mod tests {
    use super::*;

    //= RFC 6749 §3.3
    #[test]
    fn order_and_repetition_mean_nothing_and_case_does() {
        let set = ScopeSet::parse("write read  write").unwrap();
        assert_eq!(set, ScopeSet::parse("read write").unwrap());
        assert_eq!(set.to_string(), "read write");
        assert!(set.contains("read") && !set.contains("Read") && !set.contains("rea"));
    }

    #[test]
    fn every_required_scope_must_be_there() {
        let has = ScopeSet::parse("read write").unwrap();
        for (required, enough) in [("", true), ("read", true), ("read write", true), ("read admin", false)] {
            assert_eq!(has.contains_all(&ScopeSet::parse(required).unwrap()), enough, "{required}");
        }
        assert!(!ScopeSet::default().contains_all(&has));
    }

    //= RFC 6749 §3.3
    #[test]
    fn characters_that_no_scope_has_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "a\nb", "\u{e9}", "a\u{7f}"] {
            assert_eq!(ScopeSet::parse(text), Err(InvalidScope), "{text:?}");
        }
        assert!(ScopeSet::parse("read:users !#~").is_ok());
    }
}
