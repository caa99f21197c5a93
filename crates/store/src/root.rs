//! The root secret's row: whether the key-encryption keys are this database's, and which of them are needed (threat DA-02).

use std::collections::BTreeSet;

use records::Versioned;

use crate::seal::{Sealer, SealingKeys};
use crate::stored::{self, RootSecret};
use crate::{Backend, CommitError, Expect, Kind, OpenError, Operation, Space, Unavailable, crypto};

/// How often it is tried while other servers write the row.
const TRIES: usize = 32;

/// The root secret, if there is one and it opens.
pub(crate) async fn load<B: Backend>(
    backend: &B,
    sealer: &Sealer,
) -> Result<Option<Versioned<RootSecret>>, OpenError> {
    let Some(row) = backend.get(&Space::Directory, Kind::RootSecret, &RootSecret::row_key()).await? else {
        return Ok(None);
    };
    match stored::read::<RootSecret>(sealer, &Space::Directory, row) {
        Ok(root) => Ok(Some(root)),
        Err(Unavailable::Unreadable { why, .. }) => Err(OpenError::WrongSealingKey { why }),
        Err(unavailable) => Err(unavailable.into()),
    }
}

/// Writes the row, which must be as it was read. Says `false` where it was not.
pub(crate) async fn write<B: Backend>(
    backend: &B,
    sealer: &Sealer,
    expect: Expect,
    root: &RootSecret,
) -> Result<bool, OpenError> {
    let key = RootSecret::row_key();
    let becomes = stored::put(sealer, &Space::Directory, &key, root).map_err(|_| OpenError::NoRandomness)?;
    let operation = Operation { kind: Kind::RootSecret, key, expect, becomes };
    match backend.commit(&Space::Directory, vec![operation]).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(CommitError::Unavailable(unavailable)) => Err(unavailable.into()),
        Err(CommitError::Refused(refused)) => {
            Err(OpenError::Unavailable(Unavailable::Backend(refused.to_string())))
        }
    }
}

/// The root secret, made if there is none.
pub(crate) async fn found_or_made<B: Backend>(
    backend: &B,
    sealer: &Sealer,
) -> Result<Versioned<RootSecret>, OpenError> {
    for _ in 0..TRIES {
        if let Some(root) = load(backend, sealer).await? {
            return Ok(root);
        }
        let secret = crypto::random().map_err(|crypto::Failed| OpenError::NoRandomness)?;
        let root = RootSecret { secret, needed: BTreeSet::new() };
        // Where another process was first, its root secret is the one.
        write(backend, sealer, Expect::Absent, &root).await?;
    }
    Err(OpenError::Unavailable(Unavailable::Backend("the root secret was there and is gone".to_owned())))
}

/// The root secret, after it was noted that the current key seals from now on. Nothing is sealed under a key before
/// that, so that a start without it can be refused.
pub(crate) async fn with_keys<B: Backend>(backend: &B, sealer: &Sealer) -> Result<RootSecret, OpenError> {
    let keys = sealer.keys();
    for _ in 0..TRIES {
        let Versioned { mut record, version } = found_or_made(backend, sealer).await?;
        let missing = missing(&record, &keys);
        if !missing.is_empty() {
            return Err(OpenError::MissingSealingKey { names: missing });
        }
        if !record.needed.insert(keys.current_name().to_owned())
            || write(backend, sealer, Expect::Version(version), &record).await?
        {
            return Ok(record);
        }
    }
    Err(OpenError::Unavailable(Unavailable::Backend("others write the root secret all the time".to_owned())))
}

/// The names of the keys that rows may be sealed under and that are not at hand.
pub(crate) fn missing(root: &RootSecret, keys: &SealingKeys) -> Vec<String> {
    root.needed.iter().filter(|name| keys.names().all(|other| other != *name)).cloned().collect()
}
