//! What a client sent, made fit to be sent back (RFC 6749 §5.2, the characters of `error_description`).

use std::fmt;

/// Text of a request in an error: at most 600 characters, and only those that `error_description` may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo(String);

/// The longest identifier of an API is echoed whole.
const MOST: usize = 600;

impl Echo {
    /// Makes text fit: other characters become `?`, what is too long ends in `...`.
    pub fn of(text: &str) -> Self {
        //= RFC 6749 §5.2
        let mut fit: String =
            text.chars().take(MOST).map(|c| if is_description_character(c) { c } else { '?' }).collect();
        if text.chars().nth(MOST).is_some() {
            fit.push_str("...");
        }
        Self(fit)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// %x20-21 / %x23-5B / %x5D-7E
pub(super) fn is_description_character(c: char) -> bool {
    matches!(c, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e')
}
