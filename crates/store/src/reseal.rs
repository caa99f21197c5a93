//! Replacing a key-encryption key: what an older one sealed is sealed again, in slices, while servers serve (threats R21).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use records::{Client, ResourceServer, SigningKey, Tenant, User, Versioned};

use crate::kind::KINDS;
use crate::seal::{self, Sealer};
use crate::stored::{self, RootSecret, Stored};
use crate::{
    Backend, Becomes, CommitError, Expect, Kind, OpenError, Operation, Row, Space, Stores, Unavailable, root,
};

/// How often the whole is walked, should other servers go on sealing under an older key meanwhile.
const ROUNDS: usize = 8;
/// How often a row is tried that others change at the same time.
const TRIES: usize = 32;
/// How many rows that cannot be read are named.
const NAMED: usize = 10;

/// How many rows there are under each key-encryption key, by the key's name.
pub type RowsByKey = BTreeMap<String, u64>;

/// How far a resealing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows that were looked at.
    pub seen: u64,
    /// Rows that were sealed again, by this call.
    pub rows: u64,
}

/// Why not everything could be sealed again. What was, stays so: call it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResealError {
    /// These rows, the first of so many, cannot be read. The older keys stay noted as needed.
    Unreadable(Vec<String>, u64),
    /// Another server seals under an older key all the time.
    OthersStillSeal,
    /// The storage failed.
    Unavailable(Unavailable),
}

impl fmt::Display for ResealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(rows, count) => write!(
                f,
                "{count} rows cannot be read and stay as they are, so the older keys are still needed:\n  {}",
                rows.join("\n  ")
            ),
            Self::OthersStillSeal => f.write_str(
                "another server goes on sealing under an older key: give every server the new one as its current \
                 key, then do this again",
            ),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for ResealError {}

impl From<Unavailable> for ResealError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// One walk's findings.
#[derive(Default)]
struct Round {
    outdated: u64,
    unreadable: Vec<String>,
    unreadable_count: u64,
}

impl<B: Backend> Stores<B> {
    /// Counts the rows under each key-encryption key, reading `slice` at a time. Opens none of them.
    ///
    /// # Errors
    ///
    /// Where the storage failed.
    pub async fn rows_by_sealing_key(&self, slice: usize) -> Result<RowsByKey, Unavailable> {
        let mut rows = RowsByKey::new();
        let mut count = |kind: Kind, page: &[Row]| {
            for name in page.iter().filter_map(|row| sealed_under(kind, row)) {
                *rows.entry(name).or_default() += 1;
            }
        };
        for (space, kind) in self.sealed_places(slice).await? {
            let mut after = None;
            loop {
                let page = self.backend().page(&space, kind, None, after.as_ref(), slice).await?;
                count(kind, &page);
                let is_last = page.len() < slice;
                after = page.into_iter().last().map(|row| row.key);
                if is_last {
                    break;
                }
            }
        }
        Ok(rows)
    }

    /// Seals again, under the current key, what older keys sealed: `slice` rows in a commit, each relying on its row
    /// being as it was read, so that what servers change meanwhile is neither lost nor in their way. It may end at any
    /// point and be called again. That the older keys are not needed any more is noted last, in the root secret's row: as
    /// long as anything may need one, a start without it is refused.
    ///
    /// `tell` hears how far it is, after each slice.
    ///
    /// # Errors
    ///
    /// Where something stays under an older key, and why.
    pub async fn reseal(
        &self,
        slice: usize,
        mut tell: impl FnMut(Resealed) + Send,
    ) -> Result<Resealed, ResealError> {
        let mut done = Resealed::default();
        for _ in 0..ROUNDS {
            // As it is before the round: who begins to seal under another key writes it.
            let root = root::found_or_made(self.backend(), self.sealer()).await.map_err(unopened)?;
            let mut round = Round::default();
            for (space, kind) in self.sealed_places(slice).await? {
                if kind != Kind::RootSecret {
                    self.reseal_kind(&space, kind, slice, &mut done, &mut round, &mut tell).await?;
                }
            }
            if round.unreadable_count > 0 {
                return Err(ResealError::Unreadable(round.unreadable, round.unreadable_count));
            }
            if round.outdated == 0 && self.note_as_needed(root, BTreeSet::new()).await? {
                return Ok(done);
            }
        }
        Err(ResealError::OthersStillSeal)
    }

    /// The names of the key-encryption keys that rows may be sealed under, whether they are at hand or not.
    ///
    /// # Errors
    ///
    /// Where the storage failed, or the root secret does not open.
    pub async fn needed_sealing_keys(&self) -> Result<BTreeSet<String>, Unavailable> {
        let root = root::found_or_made(self.backend(), self.sealer()).await.map_err(unopened)?;
        Ok(root.record.needed)
    }

    /// Notes that a key is lost, with what it sealed: a start without it is not refused any more. Rows under it stay, and
    /// stay unreadable. Returns whether it was noted as needed.
    ///
    /// # Errors
    ///
    /// Where the key is at hand, or the storage failed.
    pub async fn forget_sealing_key(&self, name: &str) -> Result<bool, Unavailable> {
        self.refuse_at_hand(name)?;
        for _ in 0..TRIES {
            let root = root::found_or_made(self.backend(), self.sealer()).await.map_err(unopened)?;
            let mut needed = root.record.needed.clone();
            if !needed.remove(name) {
                return Ok(false);
            }
            if self.note_as_needed(root, needed).await? {
                return Ok(true);
            }
        }
        Err(Unavailable::Backend("others write the root secret all the time".to_owned()))
    }

    /// Gives up what a lost key sealed, reading `slice` rows at a time: a signing key under it goes, every other row stays
    /// without the member that it sealed, so that it can be read again and be given a new one. Until then such a row can be
    /// neither read nor changed, but for a person's. Returns how many rows there were. Cut off, it is done again.
    ///
    /// # Errors
    ///
    /// Where the key is at hand, the storage failed, or a row cannot be read for another reason too.
    pub async fn discard_sealed_under(&self, name: &str, slice: usize) -> Result<u64, Unavailable> {
        self.refuse_at_hand(name)?;
        let (slice, mut discarded) = (slice.max(1), 0);
        for (space, kind) in self.sealed_places(slice).await? {
            let mut after = None;
            loop {
                let page = self.backend().page(&space, kind, None, after.as_ref(), slice).await?;
                let is_last = page.len() < slice;
                after = page.last().map(|row| row.key.clone());
                for row in page {
                    discarded += u64::from(self.discard_row(&space, kind, name, row).await?);
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(discarded)
    }

    async fn discard_row(
        &self,
        space: &Space,
        kind: Kind,
        name: &str,
        row: Row,
    ) -> Result<bool, Unavailable> {
        let (key, mut found) = (row.key.clone(), Some(row));
        for _ in 0..TRIES {
            let Some(row) = found.filter(|row| sealed_under(kind, row).as_deref() == Some(name)) else {
                return Ok(false);
            };
            match self.commit(space, vec![without_sealed(self.sealer(), space, kind, row)?]).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Conflict) => found = self.backend().get(space, kind, &key).await?,
                Err(error) => return Err(failure(error)),
            }
        }
        Err(Unavailable::Backend("others write a row all the time".to_owned()))
    }

    fn refuse_at_hand(&self, name: &str) -> Result<(), Unavailable> {
        if self.sealing_keys().names().any(|present| present == name) {
            return Err(Unavailable::Backend(format!("the key-encryption key {name:?} is at hand")));
        }
        Ok(())
    }

    /// Notes these keys as needed, beside the current one. Says `false` where the row was written meanwhile.
    async fn note_as_needed(
        &self,
        root: Versioned<RootSecret>,
        mut needed: BTreeSet<String>,
    ) -> Result<bool, Unavailable> {
        needed.insert(self.sealing_keys().current_name().to_owned());
        let Versioned { record, version } = root;
        if needed == record.needed {
            return Ok(true);
        }
        let changed = RootSecret { needed, ..record };
        root::write(self.backend(), self.sealer(), Expect::Version(version), &changed).await.map_err(unopened)
    }

    /// Every space with each kind that has a sealed member.
    async fn sealed_places(&self, slice: usize) -> Result<Vec<(Space, Kind)>, Unavailable> {
        let mut places = vec![(Space::Directory, Kind::RootSecret)];
        let mut after = None;
        loop {
            let tenants: Vec<_> =
                self.page::<Tenant>(&Space::Directory, None, after.as_ref(), slice.max(1)).await?;
            let is_last = tenants.len() < slice.max(1);
            after = tenants.last().map(|tenant| tenant.record.key());
            for tenant in tenants {
                let kinds = KINDS.iter().filter(|row| row.sealed.is_some()).map(|row| row.kind);
                let kinds = kinds.filter(|kind| *kind != Kind::RootSecret);
                places.extend(kinds.map(|kind| (Space::Tenant(tenant.record.id.clone()), kind)));
            }
            if is_last {
                return Ok(places);
            }
        }
    }

    async fn reseal_kind(
        &self,
        space: &Space,
        kind: Kind,
        slice: usize,
        done: &mut Resealed,
        round: &mut Round,
        tell: &mut (impl FnMut(Resealed) + Send),
    ) -> Result<(), Unavailable> {
        let slice = slice.max(1);
        let mut after = None;
        loop {
            let page = self.backend().page(space, kind, None, after.as_ref(), slice).await?;
            let is_last = page.len() < slice;
            after = page.last().map(|row| row.key.clone());
            done.seen += page.len() as u64;
            let outdated: Vec<Row> = page.into_iter().filter(|row| self.is_outdated(kind, row)).collect();
            round.outdated += outdated.len() as u64;
            done.rows += self.reseal_rows(space, kind, outdated, round).await?;
            tell(*done);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Returns how many of these were sealed again.
    async fn reseal_rows(
        &self,
        space: &Space,
        kind: Kind,
        rows: Vec<Row>,
        round: &mut Round,
    ) -> Result<u64, Unavailable> {
        let mut operations = Vec::with_capacity(rows.len());
        for row in rows {
            match renewed(self.sealer(), space, kind, row) {
                Ok(operation) => operations.push(operation),
                Err(unreadable) => {
                    round.unreadable_count += 1;
                    if round.unreadable.len() < NAMED {
                        round.unreadable.push(format!("{unreadable} (of {space})"));
                    }
                }
            }
        }
        if operations.is_empty() {
            return Ok(0);
        }
        let count = operations.len() as u64;
        match self.commit(space, operations.clone()).await {
            Ok(()) => Ok(count),
            // One of them was changed meanwhile: each alone.
            Err(CommitError::Conflict) => {
                let mut resealed = 0;
                for operation in operations {
                    resealed += u64::from(self.reseal_row(space, operation).await?);
                }
                Ok(resealed)
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// A row that others change. What they write is sealed under their current key, which may be this one.
    async fn reseal_row(&self, space: &Space, operation: Operation) -> Result<bool, Unavailable> {
        let (kind, key) = (operation.kind, operation.key.clone());
        let mut next = Some(operation);
        for _ in 0..TRIES {
            if let Some(operation) = next.take() {
                match self.commit(space, vec![operation]).await {
                    Ok(()) => return Ok(true),
                    Err(CommitError::Conflict) => {}
                    Err(error) => return Err(failure(error)),
                }
            }
            let row = self.backend().get(space, kind, &key).await?;
            match row.filter(|row| self.is_outdated(kind, row)) {
                Some(row) => next = Some(renewed(self.sealer(), space, kind, row)?),
                None => return Ok(false),
            }
        }
        // The next round finds it.
        Ok(false)
    }

    fn is_outdated(&self, kind: Kind, row: &Row) -> bool {
        sealed_under(kind, row).is_some_and(|name| self.sealing_keys().current_name() != name)
    }
}

fn unopened(error: OpenError) -> Unavailable {
    match error {
        OpenError::Unavailable(unavailable) => unavailable,
        error => Unavailable::Backend(error.to_string()),
    }
}

fn failure(error: CommitError) -> Unavailable {
    match error {
        CommitError::Unavailable(unavailable) => unavailable,
        error => Unavailable::Backend(error.to_string()),
    }
}

/// The name of the key that a row's sealed member is under; `None` where it has none.
fn sealed_under(kind: Kind, row: &Row) -> Option<String> {
    let member = kind.row().sealed?;
    let body: serde_json::Value = serde_json::from_str(&row.body).ok()?;
    seal::key_name(body.get(member)?.as_str()?).map(str::to_owned)
}

/// The row without its sealed member; no row, where it is nothing without.
fn without_sealed(sealer: &Sealer, space: &Space, kind: Kind, row: Row) -> Result<Operation, Unavailable> {
    let Row { key, version, body } = row;
    if kind == Kind::SigningKey {
        return Ok(Operation { kind, key, expect: Expect::Version(version), becomes: Becomes::Delete });
    }
    let body: Option<serde_json::Value> =
        serde_json::from_str(&body).ok().and_then(|mut body: serde_json::Value| {
            *body.get_mut(kind.row().sealed?)? = serde_json::Value::Null;
            Some(body)
        });
    // Where it was no object it stays what it was, and is not read.
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    renewed(sealer, space, kind, Row { key, version, body })
}

/// The row as it is, sealed under the current key.
fn renewed(sealer: &Sealer, space: &Space, kind: Kind, row: Row) -> Result<Operation, Unavailable> {
    fn of<T: Stored>(sealer: &Sealer, space: &Space, row: Row) -> Result<Operation, Unavailable> {
        let (key, read) = (row.key.clone(), stored::read_opened::<T>(sealer, space, row)?);
        let becomes = stored::put(sealer, space, &key, &read.record)
            .map_err(|refused| Unavailable::Backend(refused.to_string()))?;
        let expect = Expect::Version(read.version);
        Ok(Operation { kind: T::KIND, key, expect, becomes })
    }
    match kind {
        Kind::RootSecret => of::<RootSecret>(sealer, space, row),
        Kind::Client => of::<Client>(sealer, space, row),
        Kind::ResourceServer => of::<ResourceServer>(sealer, space, row),
        Kind::SigningKey => of::<SigningKey>(sealer, space, row),
        Kind::User => of::<User>(sealer, space, row),
        // A kind that gets a sealed member is added above; a test asks for each.
        kind => {
            let (key, why) = (row.key, "has a sealed member that is not known here".to_owned());
            Err(Unavailable::Unreadable { kind, key, why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, SealingKeys};
    use records::Version;
    use zeroize::Zeroizing;

    #[test]
    fn every_kind_with_a_sealed_member_can_be_sealed_again() {
        let sealer = Sealer::new(SealingKeys::new("k1", Zeroizing::new([1; 32])));
        for row in KINDS.iter().filter(|row| row.sealed.is_some()) {
            let empty = Row { key: Key::of(&["a"]), version: Version(1), body: "{}".to_owned() };
            let error = renewed(&sealer, &Space::Directory, row.kind, empty).unwrap_err().to_string();
            assert!(error.contains("form number"), "{}: {error}", row.name);
        }
    }

    #[test]
    fn the_key_of_a_row_is_read_without_opening_it() {
        let row = |body: &str| Row { key: Key::of(&["a"]), version: Version(1), body: body.to_owned() };
        let under = |kind, body| sealed_under(kind, &row(body));
        assert_eq!(under(Kind::User, r#"{"v":1,"password_hash":"s1.k.1.AAAA"}"#).as_deref(), Some("k.1"));
        assert_eq!(under(Kind::User, r#"{"v":1,"password_hash":null}"#), None);
        assert_eq!(under(Kind::User, r#"{"v":1,"password_hash":"$argon2id$"}"#), None);
        assert_eq!(under(Kind::Session, r#"{"v":1,"password_hash":"s1.k.1.AAAA"}"#), None);
        assert_eq!(under(Kind::User, "nonsense"), None);
    }
}
