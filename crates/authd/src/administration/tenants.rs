//! Making tenants and mapping them to origins.

use records::{
    ApiIdentifier, ClientPolicy, ConnectionName, Lifetime, Origin, ResourceServer, ResourceServerId,
    SigningAlgorithm, Tenant, TenantId, TenantSettings, TokenDialect, UserPolicy, Write,
};
use store::CommitError;

use super::{ATTEMPTS, Refusal, connections, signing_keys};
use crate::backend::AnyStores;
use crate::moment::Moments;

/// The id of the Management API in every tenant: system APIs are named, not drawn.
pub const MANAGEMENT_API: &str = "management";

/// Makes a tenant: its keys, its Management API, its default directory of people, then its entry in the directory, from when on it answers.
///
/// Stopped half-way it can be run again: what exists is kept.
pub async fn create(
    stores: &AnyStores,
    id: &TenantId,
    origins: Vec<Origin>,
    mut settings: TenantSettings,
    moments: &dyn Moments,
) -> Result<Tenant, Refusal> {
    check(&settings)?;
    let directory = stores.directory();
    if directory.tenant(id).await?.is_some() {
        return Err(Refusal::Exists(format!("the tenant {id} exists")));
    }
    for origin in &origins {
        if let Some(other) = directory.tenant_at(origin).await? {
            return Err(Refusal::Exists(format!("{origin} belongs to the tenant {}", other.record.id)));
        }
    }
    let store = stores.tenant(id);
    signing_keys::ensure(&store, SigningAlgorithm::Rs256, moments).await?;
    let people = match settings.default_directory.take() {
        Some(name) => name,
        None => ConnectionName::parse(connections::DEFAULT)?,
    };
    connections::ensure(&store, &people, moments).await?;
    settings.default_directory = Some(people);
    let now = moments.draw().now;
    let management = ResourceServerId::parse(MANAGEMENT_API)?;
    if store.resource_server(&management).await?.is_none() {
        let api = ResourceServer {
            id: management,
            identifier: ApiIdentifier::Management,
            name: "Management API".to_owned(),
            scopes: policy::management_scope::all(),
            signing_algorithm: SigningAlgorithm::Rs256,
            signing_secret: None,
            token_lifetime: Lifetime::DAY,
            token_lifetime_for_web: Lifetime(7200),
            token_dialect: TokenDialect::Auth0,
            allow_offline_access: false,
            skip_consent_for_verifiable_first_party_clients: false,
            enforce_policies: false,
            client_policy: ClientPolicy::RequireClientGrant,
            user_policy: UserPolicy::AllowAll,
            is_system: true,
            created_at: now,
        };
        store.commit(vec![Write::CreateResourceServer(api)]).await?;
    }
    let tenant = Tenant { id: id.clone(), origins, settings, created_at: now };
    match directory.commit(vec![Write::CreateTenant(tenant.clone())]).await {
        Ok(()) => Ok(tenant),
        Err(CommitError::Conflict) => {
            Err(Refusal::Exists(format!("the tenant {id}, or one of its origins, was just taken")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes a tenant by a pure function of its present state; returns the new state.
pub async fn update(
    stores: &AnyStores,
    id: &TenantId,
    change: impl Fn(Tenant) -> Result<Tenant, Refusal>,
) -> Result<Tenant, Refusal> {
    let directory = stores.directory();
    for _ in 0..ATTEMPTS {
        let present = directory
            .tenant(id)
            .await?
            .ok_or_else(|| Refusal::Missing(format!("there is no tenant {id}")))?;
        let next = change(present.record.clone())?;
        if next == present.record {
            return Ok(next);
        }
        check(&next.settings)?;
        if let Some(name) = &next.settings.default_directory
            && present.record.settings.default_directory.as_ref() != Some(name)
        {
            connections::find(&stores.tenant(id), name).await?;
        }
        for origin in &next.origins {
            if let Some(other) = directory.tenant_at(origin).await?
                && other.record.id != *id
            {
                return Err(Refusal::Exists(format!("{origin} belongs to the tenant {}", other.record.id)));
            }
        }
        match directory.commit(vec![Write::ReplaceTenant((*present).clone(), next.clone())]).await {
            Ok(()) => return Ok(next),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// What holds for every tenant's settings.
fn check(settings: &TenantSettings) -> Result<(), Refusal> {
    let lifetimes = [
        ("session lifetime", settings.session_lifetime),
        ("idle session lifetime", settings.idle_session_lifetime),
    ];
    for (what, lifetime) in lifetimes {
        if !(60..=31_536_000).contains(&lifetime.0) {
            return Err(Refusal::Invalid(format!("the {what} must be 60 to 31536000 seconds (a year)")));
        }
    }
    // The browser is sent there; the tenant's list belongs to no application, and has no wildcards.
    for url in &settings.allowed_logout_urls {
        policy::redirect_uri::validate_callback(url, false)
            .map_err(|refusal| Refusal::Invalid(format!("the logout URL {url:?} {refusal}")))?;
    }
    // It stands on every page; without one the tenant's name does.
    if !settings.friendly_name.is_empty() {
        super::check_name(&settings.friendly_name)?;
    }
    Ok(())
}

/// The one tenant that is meant when none is named: the only one there is.
pub async fn only(stores: &AnyStores) -> Result<TenantId, Refusal> {
    let tenants = stores.directory().tenants(None, 2).await?;
    match tenants.as_slice() {
        [one] => Ok(one.record.id.clone()),
        [] => Err(Refusal::Missing("there is no tenant: `authd tenants create` makes one".to_owned())),
        _ => Err(Refusal::Invalid("there is more than one tenant: name one with --tenant".to_owned())),
    }
}
