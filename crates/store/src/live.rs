//! Ending everything that somebody holds: sessions and refresh tokens of every tenant (threat R20).

use records::TenantId;

use crate::{Backend, Becomes, CommitError, Expect, Key, Kind, Operation, Space, Stores};

/// What a restored database must not bring back to life, and what an administrator ends after a theft. Codes are not
/// listed by a store; they end by themselves within a minute.
pub const LIVE: [Kind; 2] = [Kind::Session, Kind::RefreshFamily];

/// How many of each were ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: u64,
    /// Refresh families: logins of an application.
    pub refresh_families: u64,
}

impl<B: Backend> Stores<B> {
    /// Ends every session and every refresh token of a tenant, `at_most` in one commit. What begins meanwhile may stay.
    /// Cut off, it is done again from the start: what is gone is gone.
    ///
    /// No record is read: one that cannot be read ends too.
    ///
    /// # Errors
    ///
    /// Where the storage failed; what was ended stays ended.
    pub async fn end_live(&self, tenant: &TenantId, at_most: usize) -> Result<Ended, CommitError> {
        let space = Space::Tenant(tenant.clone());
        let [sessions, refresh_families] = LIVE;
        Ok(Ended {
            sessions: self.end_all(&space, sessions, at_most).await?,
            refresh_families: self.end_all(&space, refresh_families, at_most).await?,
        })
    }

    async fn end_all(&self, space: &Space, kind: Kind, at_most: usize) -> Result<u64, CommitError> {
        let (mut after, mut ended): (Option<Key>, u64) = (None, 0);
        loop {
            let rows = self.backend().page(space, kind, None, after.as_ref(), at_most).await?;
            let Some(last) = rows.last() else { return Ok(ended) };
            after = Some(last.key.clone());
            ended = ended.saturating_add(rows.len() as u64);
            // Whatever its version: who refreshes at this moment finds it gone, or is the one whose new token is.
            let delete = |key| Operation { kind, key, expect: Expect::Covered, becomes: Becomes::Delete };
            self.commit(space, rows.into_iter().map(|row| delete(row.key)).collect()).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IndexEntry, MemoryBackend, Sealer, SealingKeys};
    use records::UnixTime;
    use zeroize::Zeroizing;

    #[tokio::test]
    async fn r20_everything_live_of_one_tenant_ends_readable_or_not_and_nothing_else() {
        let sealer = Sealer::new(SealingKeys::new("k1", Zeroizing::new([7; 32])));
        let stores = Stores::open(MemoryBackend::default(), sealer).await.unwrap();
        let tenant = |name| TenantId::parse(name).unwrap();
        let backend = stores.backend().clone();
        for space in ["acme", "other"].map(|name| Space::Tenant(tenant(name))) {
            for kind in [Kind::Session, Kind::RefreshFamily, Kind::UserGrant] {
                for number in 0..25 {
                    let drop_at = (kind != Kind::UserGrant).then_some(UnixTime(9));
                    let index = vec![IndexEntry::of("user", &["u"])];
                    let becomes = Becomes::Put { body: "not a record".to_owned(), index, drop_at };
                    let key = Key::of(&[&format!("row{number}")]);
                    let operation = Operation { kind, key, expect: Expect::Absent, becomes };
                    backend.commit(&space, vec![operation]).await.unwrap();
                }
            }
        }
        let ended = stores.end_live(&tenant("acme"), 10).await.unwrap();
        assert_eq!(ended, Ended { sessions: 25, refresh_families: 25 });
        for (name, kind, left) in [
            ("acme", Kind::Session, 0),
            ("acme", Kind::RefreshFamily, 0),
            ("acme", Kind::UserGrant, 25),
            ("other", Kind::Session, 25),
            ("other", Kind::RefreshFamily, 25),
        ] {
            let filter = IndexEntry::of("user", &["u"]);
            for filter in [None, Some(&filter)] {
                let rows = backend.page(&Space::Tenant(tenant(name)), kind, filter, None, 100).await.unwrap();
                assert_eq!(rows.len(), left, "{name} {}", kind.name());
            }
        }
        assert_eq!(stores.end_live(&tenant("acme"), 10).await.unwrap(), Ended::default());
    }
}
