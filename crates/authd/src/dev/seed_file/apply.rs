//! Adding what a seed file describes to the development tenant.

use oauth_grants::SecretDigestKey;
use records::{ClientId, EnabledClients, Tenant, TenantId};

use super::{Additions, TenantChanges};
use crate::administration::users::{self, NewUser};
use crate::administration::{Refusal, client_grants, clients, connections, resource_servers, tenants};
use crate::backend::{AnyStore, AnyStores};
use crate::moment::Moments;
use crate::passwords::Passwords;

/// Adds what the file describes; what exists is left as it is, so that a second start adds nothing.
pub async fn apply(
    stores: &AnyStores,
    tenant: &TenantId,
    additions: &Additions,
    digest_key: &SecretDigestKey,
    passwords: &Passwords,
    moments: &dyn Moments,
) -> Result<(), Refusal> {
    let store = stores.tenant(tenant);
    let before = stores.directory().tenant(tenant).await?;
    let missing = || Refusal::Missing(format!("there is no tenant {tenant}"));
    let settings = before.ok_or_else(missing)?.record.settings.clone();
    for api in &additions.resource_servers {
        add(
            &format!("the API {:?}", api.identifier),
            resource_servers::create(&store, api.clone(), moments).await,
        )?;
    }
    for client in &additions.clients {
        let name = format!("the application {:?}", client.name);
        // Without an id each start would make another one: the name is what tells them apart then.
        if client.id.is_none() && client_named(&store, &client.name).await?.is_some() {
            left_as_it_is(&name);
            continue;
        }
        add(&name, clients::create(&store, client.clone(), &settings, digest_key, moments).await)?;
    }
    for database in &additions.databases {
        let enabled = match &database.enabled_clients {
            None => EnabledClients::All,
            Some(names) => {
                let mut clients = Vec::new();
                for name in names {
                    clients.push(client_meant(&store, name, database.line).await?);
                }
                EnabledClients::Only(clients)
            }
        };
        let created = connections::create(&store, &database.name, enabled, moments).await;
        add(&format!("the database {}", database.name), created)?;
    }
    // After the databases: one of them may become the default directory.
    let tenant = change_tenant(stores, tenant, &additions.tenant).await?;
    for grant in &additions.client_grants {
        let client = client_meant(&store, &grant.client, grant.line).await?;
        let api = resource_servers::find(&store, &grant.audience).await?;
        let name = format!("the grant of {client} for {:?}", grant.audience);
        let (api, granted) = (&api.record.id, &grant.granted);
        let created = client_grants::create(&store, &client, api, grant.subject_type, granted, moments).await;
        add(&name, created)?;
    }
    for person in &additions.users {
        let line = person.line;
        let connection = person.connection.clone().or_else(|| tenant.settings.default_directory.clone());
        let connection = connection.ok_or_else(|| {
            Refusal::Invalid(format!("line {line}: name a `connection`: the tenant has no default directory"))
        })?;
        let new = NewUser { connection, ..person.user.clone() };
        let name = new.email.as_ref().map_or_else(String::new, |email| email.as_str().to_owned());
        add(&format!("the user {name}"), users::create(&store, passwords, new, moments).await)?;
    }
    Ok(())
}

async fn change_tenant(
    stores: &AnyStores,
    tenant: &TenantId,
    changes: &TenantChanges,
) -> Result<Tenant, Refusal> {
    tenants::update(stores, tenant, |present| {
        let mut settings = present.settings.clone();
        if let Some(name) = &changes.friendly_name {
            settings.friendly_name.clone_from(name);
        }
        if let Some(audience) = &changes.default_audience {
            settings.default_audience = Some(audience.clone()).filter(|audience| !audience.is_empty());
        }
        settings.error_profile = changes.error_profile.unwrap_or(settings.error_profile);
        if let Some(name) = &changes.default_directory {
            settings.default_directory = Some(name.clone());
        }
        if let Some(urls) = &changes.allowed_logout_urls {
            settings.allowed_logout_urls.clone_from(urls);
        }
        settings.session_lifetime = changes.session_lifetime.unwrap_or(settings.session_lifetime);
        settings.idle_session_lifetime =
            changes.idle_session_lifetime.unwrap_or(settings.idle_session_lifetime);
        settings.use_scope_descriptions_for_consent =
            changes.use_scope_descriptions_for_consent.unwrap_or(settings.use_scope_descriptions_for_consent);
        settings.skip_non_verifiable_callback_uri_confirmation_prompt = changes
            .skip_non_verifiable_callback_uri_confirmation_prompt
            .unwrap_or(settings.skip_non_verifiable_callback_uri_confirmation_prompt);
        Ok(Tenant { settings, ..present })
    })
    .await
}

/// The application that a `client_id`, or a name, means.
async fn client_meant(store: &AnyStore, text: &str, line: usize) -> Result<ClientId, Refusal> {
    match ClientId::parse(text) {
        Ok(id) if store.client_uncached(&id).await?.is_some() => Ok(id),
        _ => client_named(store, text)
            .await?
            .ok_or_else(|| Refusal::Missing(format!("line {line}: there is no application {text:?}"))),
    }
}

fn add<T>(name: &str, created: Result<T, Refusal>) -> Result<(), Refusal> {
    match created {
        Ok(_) => Ok(()),
        Err(Refusal::Exists(_)) => {
            left_as_it_is(name);
            Ok(())
        }
        Err(refusal) => Err(refusal),
    }
}

/// What was changed by hand since the first start is not undone by the second one; but neither is a changed file
/// followed, and that is said.
fn left_as_it_is(name: &str) {
    tracing::info!(
        "{name} exists and is left as it is, whatever the seed file says; remove it to seed it anew"
    );
}

async fn client_named(store: &AnyStore, name: &str) -> Result<Option<ClientId>, Refusal> {
    let found = clients::all(store).await?;
    Ok(found.into_iter().find(|client| client.record.name == name).map(|client| client.record.id))
}
