//! Failures: what keeps us from answering though the request was fine. They become 503 (RFC 9110 §15.6.4).

use std::fmt;

use store::{CommitError, Unavailable};

/// Why a request could not be decided. The text is for the log: the answer never carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The store did not answer, or a row in it could not be read.
    Unavailable(String),
    /// Others kept changing what the decision relied on.
    Contended,
    /// A key of the tenant is missing or does not sign.
    Unsigned(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the store is unavailable: {why}"),
            Self::Contended => f.write_str("others kept changing what the decision relied on"),
            Self::Unsigned(why) => write!(f, "the token could not be signed: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable.to_string())
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::Contended,
            CommitError::Unavailable(unavailable) => unavailable.into(),
            // A bug of ours: what is decided is well-formed. The log says which.
            CommitError::Refused(refused) => Self::Unavailable(refused.to_string()),
        }
    }
}
