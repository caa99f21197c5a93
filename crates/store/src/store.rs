//! One tenant's store: typed reads, and the one door for writes.

use std::sync::Arc;

use records::{
    ApiIdentifier, Client, ClientGrant, ClientGrantId, ClientId, ResourceServer, ResourceServerId,
    SigningKey, SubjectType, TenantId, Versioned, Write,
};

use crate::stored::{
    BY_CLIENT, BY_RESOURCE_SERVER, GrantOwner, IdentifierOwner, Stored, grant_unique_key, identifier_key,
};
use crate::{Backend, CommitError, IndexEntry, Key, Space, Stores, Unavailable, lower};

/// A view on one tenant's records. Nothing that it returns or changes is another tenant's. Clones share their stores.
#[derive(Clone, Debug)]
pub struct Store<B> {
    pub(crate) stores: Stores<B>,
    pub(crate) space: Space,
}

/// Which client grants to list.
#[derive(Clone, Copy, Debug)]
pub enum GrantsOf<'a> {
    /// All of the tenant.
    All,
    /// An application's.
    Client(&'a ClientId),
    /// Those on an API.
    ResourceServer(&'a ResourceServerId),
}

/// A tenant's signing keys, in the order of their ids.
pub type SigningKeys = Arc<[Versioned<SigningKey>]>;

impl<B: Backend> Store<B> {
    pub(crate) fn new(stores: Stores<B>, space: Space) -> Self {
        Self { stores, space }
    }

    /// The tenant that this is a view on.
    pub fn tenant(&self) -> Option<&TenantId> {
        match &self.space {
            Space::Tenant(tenant) => Some(tenant),
            Space::Directory => None,
        }
    }

    /// An application, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Versioned<Client>>>, Unavailable> {
        self.stores.cached(&self.space, Key::of(&[id.as_str()])).await
    }

    /// An application as the backend has it now, so that a secret that was changed elsewhere counts at once.
    /// An unknown one takes as long as a known one.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn client_uncached(
        &self,
        id: &ClientId,
    ) -> Result<Option<Arc<Versioned<Client>>>, Unavailable> {
        let id = self.stores.cache().id(&self.space, Client::KIND, Key::of(&[id.as_str()]));
        self.stores.load(self.stores.cache(), &self.space, id).await
    }

    /// Applications in the order of their ids: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn clients(
        &self,
        after: Option<&ClientId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<Client>>, Unavailable> {
        let after = after.map(|id| Key::of(&[id.as_str()]));
        self.stores.page(&self.space, None, after.as_ref(), at_most).await
    }

    /// An API by its own id, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn resource_server(
        &self,
        id: &ResourceServerId,
    ) -> Result<Option<Arc<Versioned<ResourceServer>>>, Unavailable> {
        self.stores.cached(&self.space, Key::of(&[id.as_str()])).await
    }

    /// An API by its identifier, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn resource_server_by_identifier(
        &self,
        identifier: &ApiIdentifier,
    ) -> Result<Option<Arc<Versioned<ResourceServer>>>, Unavailable> {
        let owner = self.stores.cached::<IdentifierOwner>(&self.space, identifier_key(identifier)).await?;
        match owner {
            Some(owner) => self.resource_server(&owner.record.id).await,
            None => Ok(None),
        }
    }

    /// APIs in the order of their ids: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn resource_servers(
        &self,
        after: Option<&ResourceServerId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<ResourceServer>>, Unavailable> {
        let after = after.map(|id| Key::of(&[id.as_str()]));
        self.stores.page(&self.space, None, after.as_ref(), at_most).await
    }

    /// The grant of an API to an application, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn client_grant(
        &self,
        client: &ClientId,
        resource_server: &ResourceServerId,
        subject_type: SubjectType,
    ) -> Result<Option<Arc<Versioned<ClientGrant>>>, Unavailable> {
        let key = grant_unique_key(client, resource_server, subject_type);
        match self.stores.cached_or_absent::<GrantOwner>(&self.space, key).await? {
            Some(owner) => self.client_grant_by_id(&owner.record.id).await,
            None => Ok(None),
        }
    }

    /// A client grant by its own id, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn client_grant_by_id(
        &self,
        id: &ClientGrantId,
    ) -> Result<Option<Arc<Versioned<ClientGrant>>>, Unavailable> {
        self.stores.cached(&self.space, Key::of(&[id.as_str()])).await
    }

    /// Client grants in the order of their ids: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn client_grants(
        &self,
        of: GrantsOf<'_>,
        after: Option<&ClientGrantId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<ClientGrant>>, Unavailable> {
        let after = after.map(|id| Key::of(&[id.as_str()]));
        let filter = match of {
            GrantsOf::All => None,
            GrantsOf::Client(client) => Some(IndexEntry::of(BY_CLIENT, &[client.as_str()])),
            GrantsOf::ResourceServer(api) => Some(IndexEntry::of(BY_RESOURCE_SERVER, &[api.as_str()])),
        };
        self.stores.page(&self.space, filter.as_ref(), after.as_ref(), at_most).await
    }

    /// All of the tenant's signing keys, whatever their state, from the cache if they are there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        const PAGE: usize = 100;
        let cache = self.stores.cache();
        let id = self.stores.signing_keys_id(&self.space);
        if let Some(found) = cache.find::<SigningKeys>(&id) {
            return Ok(Arc::clone(&found));
        }
        let epoch = cache.epoch(&id);
        let mut keys: Vec<Versioned<SigningKey>> = Vec::new();
        loop {
            let after = keys.last().map(|key| key.record.key());
            let page = self.stores.page(&self.space, None, after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            keys.extend(page);
            if is_last {
                break;
            }
        }
        let keys = SigningKeys::from(keys);
        cache.fill(id, epoch, Arc::new(Arc::clone(&keys)));
        Ok(keys)
    }

    /// Makes all changes or none. `Ok` means durable.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] where something that a write relied on does not hold: load and decide again.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let operations = lower::lower(self.stores.sealer(), &self.space, &writes)?;
        // What they are made of is not kept for as long as the disk takes.
        drop(writes);
        self.stores.commit(&self.space, operations).await
    }
}
