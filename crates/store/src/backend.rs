//! The primitive that a backend implements, and nothing more: get, page, one conditional commit, sweep.

use std::fmt;
use std::future::Future;

use records::{UnixTime, Version};

use crate::{IndexEntry, Key, Kind, Retention, Space};

/// A stored row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// What a write that relies on it must name. Never the same twice for one key, not even after the row was
    /// deleted and made again.
    pub version: Version,
    /// JSON.
    pub body: String,
}

/// What an operation relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no such row.
    Absent,
    /// The row is at this version.
    Version(Version),
    /// Nothing: another operation of the same commit covers this row, as a record covers the unique names it owns, or
    /// the row is to go whatever it is by now.
    Covered,
}

impl Expect {
    /// Whether it holds for a row at this version, or for none.
    pub fn holds(self, version: Option<Version>) -> bool {
        match self {
            Self::Absent => version.is_none(),
            Self::Version(expected) => version == Some(expected),
            Self::Covered => true,
        }
    }
}

/// What a row is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// This, at a new version; its index entries are these and no others.
    Put {
        /// JSON.
        body: String,
        /// What it can be paged by.
        index: Vec<IndexEntry>,
        /// From when on it may leave. Required of [`Retention::Ring`], impossible for [`Retention::Kept`].
        drop_at: Option<UnixTime>,
    },
    /// Nothing: the row and its index entries go.
    Delete,
    /// What it is: the expectation is checked and nothing is written.
    Keep,
}

/// One conditional change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What the row is of.
    pub kind: Kind,
    /// Which row.
    pub key: Key,
    /// What must hold.
    pub expect: Expect,
    /// What then is.
    pub becomes: Becomes,
}

/// The storage could not do what it was asked to, or could not be understood. Its text is for the log.
///
/// After a commit it means *unknown*: the change may have been made durable before the failure was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The backend failed: no disk, no connection.
    Backend(String),
    /// A row cannot be read: damaged, written by a newer server, or sealed under a key that is not at hand.
    Unreadable {
        /// The row's kind.
        kind: Kind,
        /// The row's key.
        key: Key,
        /// What is wrong with it, as the end of a sentence that starts with the row. Never quotes the row.
        why: String,
    },
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(text) => write!(f, "the storage is unavailable: {text}"),
            Self::Unreadable { kind, key, why } => write!(f, "the stored {} {key} {why}", kind.name()),
        }
    }
}

impl std::error::Error for Unavailable {}

/// A commit that no backend may carry out, because it is ill-formed: a mistake of ours, not of a caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A record was written in a space where its kind does not live.
    WrongSpace(Kind),
    /// A replacement changes what can never change: an id, or what a record is unique on.
    IdentityChanged(Kind),
    /// Two operations of one commit name the same row and differ.
    SameRowTwice(Kind),
    /// The key is longer than [`Key::LONGEST`].
    KeyTooLong(Kind),
    /// The body is longer than [`Operation::LONGEST_BODY`].
    BodyTooLong(Kind),
    /// A short-lived row without an end, or a kept row with one.
    Retention(Kind),
    /// An index entry for a kind that has no index.
    Index(Kind),
    /// An index entry's value and the row's key are together longer than [`IndexEntry::LONGEST`].
    EntryTooLong(Kind),
    /// The record's secret could not be sealed.
    Sealing(Kind),
    /// The record has a secret that was sealed for another row, where alone it opens.
    SealedElsewhere(Kind),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, why) = match self {
            Self::WrongSpace(kind) => (kind, "does not live in this space"),
            Self::IdentityChanged(kind) => (kind, "cannot change its identity"),
            Self::SameRowTwice(kind) => (kind, "is written twice in one commit"),
            Self::KeyTooLong(kind) => (kind, "has too long a key"),
            Self::BodyTooLong(kind) => (kind, "is too large"),
            Self::Retention(kind) => (kind, "has an end that does not fit its kind"),
            Self::Index(kind) => (kind, "cannot be indexed"),
            Self::EntryTooLong(kind) => {
                (kind, "has too long an index entry for its key: the two share one limit")
            }
            Self::Sealing(kind) => (kind, "could not be sealed"),
            Self::SealedElsewhere(kind) => (kind, "has a secret that was sealed for another row"),
        };
        write!(f, "{} {why}", kind.name())
    }
}

/// Why a commit did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Something that was relied on does not hold; nothing was written. Load again and decide again.
    Conflict,
    /// The commit is ill-formed; nothing was written.
    Refused(Refused),
    /// The storage failed. Whether something was written is unknown; if so, all of it.
    Unavailable(Unavailable),
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => f.write_str("something that the change relied on was written meanwhile"),
            Self::Refused(refused) => write!(f, "the change is ill-formed: {refused}"),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for CommitError {}

impl From<Unavailable> for CommitError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Refused> for CommitError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Operation {
    /// The most bytes a body may have.
    pub const LONGEST_BODY: usize = 1024 * 1024;

    /// Checks what every backend may rely on: each row is named once, ends fit their kinds, sizes are bounded.
    ///
    /// A backend's `commit` begins with this.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn validate(operations: &[Self]) -> Result<(), Refused> {
        for operation in operations {
            operation.validate_one()?;
        }
        if operations.len() > 1 {
            let mut named: Vec<_> =
                operations.iter().map(|operation| (operation.kind, &operation.key)).collect();
            named.sort_unstable();
            for pair in named.windows(2) {
                if let [one, two] = pair
                    && one == two
                {
                    return Err(Refused::SameRowTwice(one.0));
                }
            }
        }
        Ok(())
    }

    fn validate_one(&self) -> Result<(), Refused> {
        let kind = self.kind;
        if self.key.as_str().len() > Key::LONGEST {
            return Err(Refused::KeyTooLong(kind));
        }
        let Becomes::Put { body, index, drop_at } = &self.becomes else { return Ok(()) };
        if body.len() > Self::LONGEST_BODY {
            return Err(Refused::BodyTooLong(kind));
        }
        let (end_fits, index_fits) = match kind.retention() {
            Retention::Kept => (drop_at.is_none(), true),
            Retention::Slices => (true, true),
            Retention::Ring => (drop_at.is_some(), index.is_empty()),
        };
        if !end_fits {
            return Err(Refused::Retention(kind));
        }
        if !index_fits {
            return Err(Refused::Index(kind));
        }
        let key = self.key.as_str().len();
        if index.iter().any(|entry| entry.value.as_str().len().saturating_add(key) > IndexEntry::LONGEST) {
            return Err(Refused::EntryTooLong(kind));
        }
        Ok(())
    }

    /// Whether it changes configuration, so that other processes must hear of it.
    pub fn changes_configuration(&self) -> bool {
        self.kind.is_configuration() && self.becomes != Becomes::Keep
    }
}

/// Where rows live. What each method must do beyond its words is in [`crate::laws`]: run them against yours.
///
/// A backend that cannot commit atomically is not a backend. Nothing here needs more than single-row reads, ordered
/// ranges, and transactions that are serializable for the rows that they name.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Reads a row. Sees every commit that was acknowledged before the call, by whichever process.
    fn get(
        &self,
        space: &Space,
        kind: Kind,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Row>, Unavailable>> + Send;

    /// Reads rows of a kind in the order of their keys' bytes: those after `after`, at most `at_most`, and with a
    /// filter only those that have this index entry. Not for [`Retention::Ring`]: such kinds have no pages.
    fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> impl Future<Output = Result<Vec<Row>, Unavailable>> + Send;

    /// Carries out all operations or none. `Ok` means durable. A future that is dropped may still commit.
    fn commit(
        &self,
        space: &Space,
        operations: Vec<Operation>,
    ) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// Lets rows leave whose `drop_at` is not after `now`, `at_most` at a time (a whole period of short-lived rows
    /// counts as one piece of work, however many they are). Returns how many left: 0 when there is nothing more to do.
    fn sweep(&self, now: UnixTime, at_most: usize)
    -> impl Future<Output = Result<usize, Unavailable>> + Send;

    /// A number that changes, durably and in the same commit, whenever a row of a configuration kind is written or
    /// deleted, by whichever process; and at no other time.
    fn configuration_version(&self) -> impl Future<Output = Result<u64, Unavailable>> + Send;

    /// Waits until configuration may have been changed by another process, so that [`Backend::configuration_version`] can
    /// be asked sooner than by a timer. A hint: it may come for nothing, late, or never, and is for one waiter at a time.
    /// A future that is dropped loses none. By default never.
    fn configuration_hint(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}
