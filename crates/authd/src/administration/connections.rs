//! Connections: the databases of people (Auth0's database connections).

use std::sync::Arc;

use records::{ClientId, Connection, ConnectionName, ConsentFor, EnabledClients, Versioned, Write};

use super::{Refusal, administrative_consents, clients, settle};
use crate::backend::AnyStore;
use crate::moment::Moments;

/// The connection that every tenant begins with, under the name that it has at Auth0.
pub const DEFAULT: &str = "Username-Password-Authentication";

/// Makes a connection.
pub async fn create(
    store: &AnyStore,
    name: &ConnectionName,
    enabled_clients: EnabledClients,
    moments: &dyn Moments,
) -> Result<Connection, Refusal> {
    check_name(name)?;
    settle(store, async || {
        check_clients(store, &enabled_clients).await?;
        if store.connection(name).await?.is_some() {
            return Err(Refusal::Exists(format!("the connection {name} exists")));
        }
        let created_at = moments.draw().now;
        let connection =
            Connection { name: name.clone(), enabled_clients: enabled_clients.clone(), created_at };
        Ok((vec![Write::CreateConnection(connection.clone())], connection))
    })
    .await
}

/// Makes a connection for every application where there is none of this name.
pub(super) async fn ensure(
    store: &AnyStore,
    name: &ConnectionName,
    moments: &dyn Moments,
) -> Result<(), Refusal> {
    match create(store, name, EnabledClients::All, moments).await {
        Ok(_) | Err(Refusal::Exists(_)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

/// Chooses through which applications a connection's people may log in; returns the new state.
pub async fn update(
    store: &AnyStore,
    name: &ConnectionName,
    enabled_clients: &EnabledClients,
) -> Result<Connection, Refusal> {
    settle(store, async || {
        check_clients(store, enabled_clients).await?;
        let present = find(store, name).await?;
        let next = Connection { enabled_clients: enabled_clients.clone(), ..present.record.clone() };
        Ok((vec![Write::ReplaceConnection((*present).clone(), next.clone())], next))
    })
    .await
}

/// Removes a connection that has no people, and what administrators allowed for its people. The tenant's default
/// directory stays.
pub async fn delete(
    store: &AnyStore,
    name: &ConnectionName,
    default_directory: Option<&ConnectionName>,
) -> Result<(), Refusal> {
    if default_directory == Some(name) {
        return Err(Refusal::Invalid(format!(
            "{name} is the tenant's default directory: name another with `authd tenants update --default-directory`"
        )));
    }
    settle(store, async || {
        let present = find(store, name).await?;
        // Read after the connection: who is added meanwhile advances its version, and the commit is a conflict.
        if !store.users(Some(name), None, 1).await?.is_empty() {
            return Err(Refusal::Invalid(format!(
                "the connection {name} has people: remove them first, `authd users list --connection {name}`"
            )));
        }
        // A connection that is made later under this name must not find its people consented for.
        let of_it = |users: &ConsentFor| *users == ConsentFor::Connection(name.clone());
        let mut writes = administrative_consents::without_rules(store, of_it).await?;
        writes.push(Write::DeleteConnection((*present).clone()));
        Ok((writes, ()))
    })
    .await
}

/// The connection, or a refusal that names it.
pub async fn find(store: &AnyStore, name: &ConnectionName) -> Result<Arc<Versioned<Connection>>, Refusal> {
    store
        .connection(name)
        .await?
        .ok_or_else(|| Refusal::Missing(format!("there is no connection {name}: `authd connections list`")))
}

/// Every connection, by name.
pub async fn all(store: &AnyStore) -> Result<Vec<Versioned<Connection>>, Refusal> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.connections(after.as_ref(), 500).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.record.name.clone());
        found.extend(page);
    }
}

/// The connections that name the application, each without it: whoever is given its id later is not let in by that.
pub(super) async fn without_client(store: &AnyStore, client: &ClientId) -> Result<Vec<Write>, Refusal> {
    let mut writes = Vec::new();
    for connection in all(store).await? {
        let EnabledClients::Only(clients) = &connection.record.enabled_clients else { continue };
        if clients.contains(client) {
            let others = clients.iter().filter(|other| *other != client).cloned().collect();
            let next =
                Connection { enabled_clients: EnabledClients::Only(others), ..connection.record.clone() };
            writes.push(Write::ReplaceConnection(connection, next));
        }
    }
    Ok(writes)
}

/// Auth0's rule for new names: single hyphens, between letters and digits.
fn check_name(name: &ConnectionName) -> Result<(), Refusal> {
    let text = name.as_str();
    if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
        return Err(Refusal::Invalid(format!(
            "connection {text:?}: hyphens stand alone between letters and digits, as in My-Database"
        )));
    }
    Ok(())
}

async fn check_clients(store: &AnyStore, enabled: &EnabledClients) -> Result<(), Refusal> {
    if let EnabledClients::Only(clients) = enabled {
        for client in clients {
            clients::find(store, client).await?;
        }
    }
    Ok(())
}
