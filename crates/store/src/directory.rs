//! The server's own store: tenants and the origins they answer at.

use std::sync::Arc;

use records::{Origin, Tenant, TenantId, Versioned, Write};

use crate::stored::{OriginOwner, origin_key};
use crate::{Backend, CommitError, Key, Space, Stores, Unavailable, lower};

/// Which tenants there are, and where. Clones share their stores.
#[derive(Clone, Debug)]
pub struct Directory<B> {
    stores: Stores<B>,
}

impl<B: Backend> Directory<B> {
    pub(crate) fn new(stores: Stores<B>) -> Self {
        Self { stores }
    }

    /// A tenant by its name.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<Option<Arc<Versioned<Tenant>>>, Unavailable> {
        self.stores.cached(&Space::Directory, Key::of(&[tenant.as_str()])).await
    }

    /// The tenant that answers at an origin.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn tenant_at(&self, origin: &Origin) -> Result<Option<Arc<Versioned<Tenant>>>, Unavailable> {
        let owner = self.stores.cached::<OriginOwner>(&Space::Directory, origin_key(origin)).await?;
        let Some(owner) = owner else { return Ok(None) };
        let tenant = self.tenant(&owner.record.tenant).await?;
        // The two rows were read one after the other: the origin may have been released in between.
        Ok(tenant.filter(|tenant| tenant.record.origins.contains(origin)))
    }

    /// Tenants in the order of their names: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn tenants(
        &self,
        after: Option<&TenantId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<Tenant>>, Unavailable> {
        let after = after.map(|tenant| Key::of(&[tenant.as_str()]));
        self.stores.page(&Space::Directory, None, after.as_ref(), at_most).await
    }

    /// Makes all changes or none. `Ok` means durable.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] where something that a write relied on does not hold: load and decide again.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let operations = lower::lower(self.stores.sealer(), &Space::Directory, &writes)?;
        self.stores.commit(&Space::Directory, operations).await
    }
}
