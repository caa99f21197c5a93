//! Registering tenants, APIs, applications, people and grants: what the seed and the command line do to the store.
//!
//! Each operation loads, decides and commits like a request does; a conflict loads and decides again, a few times.

pub mod administrative_consents;
pub mod client_grants;
pub mod clients;
pub mod connections;
pub mod resource_servers;
pub mod revocations;
pub mod signing_keys;
pub mod tenants;
pub mod users;

#[cfg(test)]
mod tests;

use std::fmt;

use records::Write;
use store::{CommitError, Unavailable};

use crate::backend::AnyStore;
use crate::failure::Failure;

/// How often an operation is decided again after a conflict before it gives up.
pub const ATTEMPTS: usize = 8;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The record names something that is wrong. The text says what, and what to do.
    Invalid(String),
    /// Something of that name exists.
    Exists(String),
    /// Nothing of that name exists.
    Missing(String),
    /// The store or the keys failed.
    Failed(Failure),
}

/// Decides what to write and commits it; after a conflict both again, a few times. Returns what was decided.
async fn settle<T>(
    store: &AnyStore,
    decide: impl AsyncFn() -> Result<(Vec<Write>, T), Refusal>,
) -> Result<T, Refusal> {
    for _ in 0..ATTEMPTS {
        let (writes, decided) = decide().await?;
        match store.commit(writes).await {
            Ok(()) => return Ok(decided),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// What holds for the names of everything that people are shown.
fn check_name(name: &str) -> Result<(), Refusal> {
    let shown = |c: char| {
        !c.is_control() && !matches!(c, '<' | '>' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if name.trim().is_empty() || name.len() > 200 || !name.chars().all(shown) {
        return Err(Refusal::Invalid(
            "the name must be 1 to 200 bytes without <, >, control characters and changes of direction"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What holds for addresses that applications or people are given: a page's, or a picture's.
fn check_url(what: &str, text: &str) -> Result<(), Refusal> {
    let is_plain = text.len() <= 2000 && text.bytes().all(|b| b.is_ascii_graphic());
    let parsed = url::Url::parse(text).ok().filter(|_| is_plain);
    let may_be = |url: &url::Url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    };
    if parsed.as_ref().is_some_and(may_be) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("{what} must be an http or https address of at most 2000 bytes")))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) | Self::Exists(text) | Self::Missing(text) => f.write_str(text),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Failed(unavailable.into())
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<records::Invalid> for Refusal {
    fn from(invalid: records::Invalid) -> Self {
        Self::Invalid(invalid.to_string())
    }
}
