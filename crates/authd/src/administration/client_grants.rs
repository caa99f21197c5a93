//! Granting applications access to APIs (Auth0's client grants).

use std::sync::Arc;

use oauth_grants::generate;
use records::{
    ClientGrant, ClientGrantId, ClientId, ResourceServer, ResourceServerId, ScopeSet, SubjectType, Versioned,
    Write,
};
use store::GrantsOf;

use super::{Refusal, clients, resource_servers, settle};
use crate::backend::AnyStore;
use crate::moment::Moments;

/// How much of an API is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// These scopes; each must be one that the API defines.
    Scopes(ScopeSet),
    /// Every scope of the API, also those it defines later.
    Everything,
}

impl Granted {
    /// What the grant records: the scopes, and whether it is all of them.
    fn within(&self, api: &ResourceServer) -> Result<(ScopeSet, bool), Refusal> {
        match self {
            Self::Everything => Ok((ScopeSet::default(), true)),
            Self::Scopes(scopes) => {
                let unknown = scopes.difference(&api.scope_set());
                if !unknown.is_empty() {
                    return Err(Refusal::Invalid(format!(
                        "the API {} does not define: {unknown}",
                        resource_servers::identifier_text(&api.identifier)
                    )));
                }
                Ok((scopes.clone(), false))
            }
        }
    }
}

/// Changes how much is granted; returns the new state. Tokens that were issued stay as they are.
pub async fn update(store: &AnyStore, id: &ClientGrantId, granted: &Granted) -> Result<ClientGrant, Refusal> {
    settle(store, async || {
        let present = find(store, id).await?;
        let api = resource_servers::by_id(store, &present.record.resource_server).await?;
        let (scopes, allow_all_scopes) = granted.within(&api.record)?;
        let next = ClientGrant { scopes, allow_all_scopes, ..present.record.clone() };
        Ok((vec![Write::ReplaceClientGrant((*present).clone(), next.clone())], next))
    })
    .await
}

/// The grant, or a refusal that names it.
async fn find(store: &AnyStore, id: &ClientGrantId) -> Result<Arc<Versioned<ClientGrant>>, Refusal> {
    store
        .client_grant_by_id(id)
        .await?
        .ok_or_else(|| Refusal::Missing(format!("there is no client grant {id}")))
}

/// Grants an application access to an API.
pub async fn create(
    store: &AnyStore,
    client: &ClientId,
    api: &ResourceServerId,
    subject_type: SubjectType,
    granted: &Granted,
    moments: &dyn Moments,
) -> Result<ClientGrant, Refusal> {
    settle(store, async || {
        let moment = moments.draw();
        let client = clients::find(store, client).await?;
        let api = resource_servers::by_id(store, api).await?;
        let (scopes, allow_all_scopes) = granted.within(&api.record)?;
        if store.client_grant(&client.record.id, &api.record.id, subject_type).await?.is_some() {
            return Err(Refusal::Exists(format!(
                "the application {} has a grant of that kind for the API {}",
                client.record.id,
                resource_servers::identifier_text(&api.record.identifier)
            )));
        }
        let grant = ClientGrant {
            id: generate::client_grant_id(&moment)?,
            client: client.record.id.clone(),
            resource_server: api.record.id.clone(),
            scopes,
            allow_all_scopes,
            subject_type,
            created_at: moment.now,
        };
        let write = Write::CreateClientGrant {
            grant: grant.clone(),
            client: (*client).clone(),
            resource_server: (*api).clone(),
        };
        Ok((vec![write], grant))
    })
    .await
}

/// Removes a grant.
pub async fn delete(store: &AnyStore, id: &ClientGrantId) -> Result<(), Refusal> {
    settle(store, async || {
        let present = find(store, id).await?;
        Ok((vec![Write::DeleteClientGrant((*present).clone())], ()))
    })
    .await
}

/// All grants of these, by id.
pub async fn all(store: &AnyStore, of: GrantsOf<'_>) -> Result<Vec<Versioned<ClientGrant>>, Refusal> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.client_grants(of, after.as_ref(), 500).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.record.id.clone());
        found.extend(page);
    }
}
