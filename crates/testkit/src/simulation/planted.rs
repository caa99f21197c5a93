//! Mistakes that are made on purpose, each outside the product, so that the simulation can show that it finds them.

/// A mistake that the storage makes on purpose. Nothing here refuses or reports anything: what notices is the same
/// oracle that watches runs without a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The version that a change of a refresh family relies on is not checked.
    GenerationUnchecked,
    /// A commit is carried out after it was acknowledged, if at all.
    CommitAfterAnswer,
    /// A code is read as if it had been issued to whoever presents it.
    CodeOfAnyClient,
    /// The end of a refresh family is taken out of its commit, and written some time later.
    RevocationOutsideCommit,
    /// A code ends a second too late.
    ExpiryOffByOne,
}

impl Planted {
    /// Each mistake and its name on the command line.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::GenerationUnchecked, "generation-unchecked"),
        (Self::CommitAfterAnswer, "commit-after-answer"),
        (Self::CodeOfAnyClient, "code-of-any-client"),
        (Self::RevocationOutsideCommit, "revocation-outside-commit"),
        (Self::ExpiryOffByOne, "expiry-off-by-one"),
    ];

    /// The mistake of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(planted, _)| *planted)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(planted, _)| *planted == self).map_or("", |(_, name)| name)
    }
}
