//! What a pure decision hands back (docs/adr/0001).

use records::Write;

use crate::TokenError;

/// What is to be written, and what is to be answered once it is.
///
/// Never wrapped in a `Result`: a refusal can carry writes (a code that is used twice revokes what it gave), and `?`
/// would lose them.
#[must_use = "the writes are committed before the outcome is answered"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<T> {
    /// Commit all of these or none, before answering. On a conflict, load again and decide again.
    pub writes: Vec<Write>,
    /// What to answer.
    pub outcome: Outcome<T>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The request is granted: sign and respond.
    Granted(T),
    /// The request is refused.
    Refused(TokenError),
}

impl<T> Decision<T> {
    /// A decision that changes nothing: nothing is written.
    pub(crate) fn without_writes(outcome: Result<T, TokenError>) -> Self {
        let outcome = match outcome {
            Ok(granted) => Outcome::Granted(granted),
            Err(refused) => Outcome::Refused(refused),
        };
        Self { writes: Vec::new(), outcome }
    }
}
