//! Registering APIs (Auth0's resource servers).

use oauth_grants::{Moment, generate};
use records::{
    ApiIdentifier, ApiScope, ClientPolicy, Lifetime, ResourceServer, ResourceServerId, ScopeSet, SecretText,
    SigningAlgorithm, TokenDialect, UserPolicy, Versioned, Write,
};
use std::sync::Arc;
use store::CommitError;

use super::{Refusal, administrative_consents, check_name, settle, signing_keys, users};
use crate::backend::AnyStore;
use crate::moment::Moments;

/// What a new API is made from.
#[derive(Clone, Debug)]
pub struct NewResourceServer {
    /// Its id; drawn when absent.
    pub id: Option<ResourceServerId>,
    /// Its audience, for ever.
    pub identifier: String,
    /// Shown to people.
    pub name: String,
    /// The permissions it defines.
    pub scopes: Vec<ApiScope>,
    /// How its tokens are signed.
    pub signing_algorithm: SigningAlgorithm,
    /// The HS256 key; drawn when absent.
    pub signing_secret: Option<SecretText>,
    /// How long its access tokens live.
    pub token_lifetime: Lifetime,
    /// The same for tokens that go through the browser's address bar; at most `token_lifetime`.
    pub token_lifetime_for_web: Option<Lifetime>,
    /// Which claims its tokens carry.
    pub token_dialect: TokenDialect,
    /// Whether refresh tokens may be issued for it.
    pub allow_offline_access: bool,
    /// Whether first-party applications with a verifiable callback skip the consent dialog.
    pub skip_consent_for_verifiable_first_party_clients: bool,
}

impl NewResourceServer {
    /// An API with the defaults: RS256, 24 hours, Auth0's dialect, no offline access.
    pub fn named(name: &str, identifier: &str) -> Self {
        Self {
            id: None,
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            scopes: Vec::new(),
            signing_algorithm: SigningAlgorithm::Rs256,
            signing_secret: None,
            token_lifetime: Lifetime::DAY,
            token_lifetime_for_web: None,
            token_dialect: TokenDialect::Auth0,
            allow_offline_access: false,
            skip_consent_for_verifiable_first_party_clients: false,
        }
    }
}

/// Registers an API, and makes the tenant's keys for its algorithm where there are none yet.
pub async fn create(
    store: &AnyStore,
    new: NewResourceServer,
    moments: &dyn Moments,
) -> Result<ResourceServer, Refusal> {
    let api = validate(new, &moments.draw())?;
    // First the keys: an API without one could not be asked for tokens.
    signing_keys::ensure(store, api.signing_algorithm, moments).await?;
    match store.commit(vec![Write::CreateResourceServer(api.clone())]).await {
        Ok(()) => Ok(api),
        Err(CommitError::Conflict) => Err(Refusal::Exists(format!(
            "an API with the identifier {:?} or the id {} exists",
            identifier_text(&api.identifier),
            api.id
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Changes an API by a pure function of its present state; returns the new state. Tokens that were issued stay as they
/// are. What never changes (id, identifier, whether it is a system API) is kept whatever the function says.
///
/// An API that becomes HS256 is given a signing secret unless the function gives it one; one that ceases to be loses it.
pub async fn update(
    store: &AnyStore,
    text: &str,
    change: impl Fn(ResourceServer) -> Result<ResourceServer, Refusal>,
    moments: &dyn Moments,
) -> Result<ResourceServer, Refusal> {
    settle(store, async || {
        let present = find(store, text).await?;
        let mut next = change(present.record.clone())?;
        next.id = present.record.id.clone();
        next.identifier = present.record.identifier.clone();
        next.is_system = present.record.is_system;
        if next.is_system && next.scopes != present.record.scopes {
            return Err(Refusal::Invalid(format!("{} is a system API: its scopes are fixed", next.name)));
        }
        match next.signing_algorithm {
            SigningAlgorithm::Hs256 if next.signing_secret.is_none() => {
                next.signing_secret = Some(generate::signing_secret(&moments.draw()));
            }
            SigningAlgorithm::Hs256 => {}
            SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 | SigningAlgorithm::EdDsa => {
                next.signing_secret = None;
            }
        }
        next.token_lifetime_for_web = next.token_lifetime_for_web.min(next.token_lifetime);
        check(&next)?;
        signing_keys::ensure(store, next.signing_algorithm, moments).await?;
        Ok((vec![Write::ReplaceResourceServer((*present).clone(), next.clone())], next))
    })
    .await
}

/// What holds for every API, new or changed.
fn check(api: &ResourceServer) -> Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::Invalid(text.to_owned()));
    check_name(&api.name)?;
    let descriptions = api.scopes.iter().map(|scope| &scope.description);
    if descriptions.into_iter().any(|text| text.len() > 1000 || text.chars().any(char::is_control)) {
        return invalid("a scope's description must be at most 1000 bytes without control characters");
    }
    if api.token_lifetime > Lifetime::MONTH {
        return invalid("the token lifetime must be at most 2592000 seconds (30 days)");
    }
    if api.token_lifetime_for_web > api.token_lifetime {
        return invalid("the token lifetime for browser flows must be at most the token lifetime");
    }
    if api.scopes.len() > ScopeSet::MOST {
        return invalid("an API has at most 1000 scopes");
    }
    let distinct: ScopeSet = api.scopes.iter().map(|scope| scope.value.clone()).collect();
    if distinct.len() != api.scopes.len() {
        return invalid("a scope is named twice");
    }
    if api.signing_secret.as_ref().is_some_and(|secret| secret.expose().len() < 16) {
        return invalid("the signing secret must have at least 16 characters");
    }
    Ok(())
}

/// The API that this makes, if it may be.
pub fn validate(new: NewResourceServer, moment: &Moment) -> Result<ResourceServer, Refusal> {
    let token_lifetime_for_web =
        new.token_lifetime_for_web.unwrap_or_else(|| Lifetime(7200).min(new.token_lifetime));
    let signing_secret = match (new.signing_algorithm, new.signing_secret) {
        (SigningAlgorithm::Hs256, Some(secret)) => Some(secret),
        (SigningAlgorithm::Hs256, None) => Some(generate::signing_secret(moment)),
        (_, None) => None,
        (_, Some(_)) => return Err(Refusal::Invalid("only an HS256 API has a signing secret".to_owned())),
    };
    let api = ResourceServer {
        id: match new.id {
            Some(id) => id,
            None => generate::resource_server_id(moment)?,
        },
        identifier: ApiIdentifier::parse(&new.identifier)?,
        name: new.name,
        scopes: new.scopes,
        signing_algorithm: new.signing_algorithm,
        signing_secret,
        token_lifetime: new.token_lifetime,
        token_lifetime_for_web,
        token_dialect: new.token_dialect,
        allow_offline_access: new.allow_offline_access,
        skip_consent_for_verifiable_first_party_clients: new.skip_consent_for_verifiable_first_party_clients,
        enforce_policies: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        is_system: false,
        created_at: moment.now,
    };
    check(&api)?;
    Ok(api)
}

/// Removes an API, its grants, and what people and administrators allowed on it. System APIs stay.
pub async fn delete(store: &AnyStore, text: &str) -> Result<(), Refusal> {
    let id = settle(store, async || {
        let present = find(store, text).await?;
        if present.record.is_system {
            return Err(Refusal::Invalid(format!(
                "{} is a system API: it cannot be removed",
                present.record.name
            )));
        }
        let mut writes = vec![Write::DeleteResourceServer((*present).clone())];
        let of = store::GrantsOf::ResourceServer(&present.record.id);
        let grants = super::client_grants::all(store, of).await?;
        writes.extend(grants.into_iter().map(Write::DeleteClientGrant));
        let of = store::AdministrativeConsentsOf::ResourceServer(&present.record.id);
        writes.extend(administrative_consents::removal(store, of).await?);
        Ok((writes, present.record.id.clone()))
    })
    .await?;
    super::revocations::refresh_tokens_of_api(store, &id).await?;
    users::in_slices(store, async || {
        let grants = store.user_grants(store::UserGrantsOf::ResourceServer(&id), None, users::SLICE).await?;
        Ok(grants.into_iter().map(Write::DeleteUserGrant).collect())
    })
    .await
}

/// The API of this id, or a refusal that names it.
pub async fn by_id(
    store: &AnyStore,
    id: &ResourceServerId,
) -> Result<Arc<Versioned<ResourceServer>>, Refusal> {
    store
        .resource_server(id)
        .await?
        .ok_or_else(|| Refusal::Missing(format!("there is no API with the id {id}")))
}

/// The API of this identifier or, for people who have that at hand, this id; the Management API is also `api/v2/`.
/// A text that means two APIs is refused: neither should be changed by mistake.
pub async fn find(store: &AnyStore, text: &str) -> Result<Arc<Versioned<ResourceServer>>, Refusal> {
    let identifier = if text == ApiIdentifier::MANAGEMENT_PATH {
        Some(ApiIdentifier::Management)
    } else {
        ApiIdentifier::parse(text).ok()
    };
    let by_identifier = match identifier {
        Some(identifier) => store.resource_server_by_identifier(&identifier).await?,
        None => None,
    };
    let by_id = match ResourceServerId::parse(text) {
        Ok(id) => store.resource_server(&id).await?,
        Err(_) => None,
    };
    match (by_identifier, by_id) {
        (Some(one), Some(other)) if one.record.id != other.record.id => Err(Refusal::Invalid(format!(
            "{text:?} is the identifier of the API {} and the id of another: name it otherwise",
            one.record.id
        ))),
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) => Err(Refusal::Missing(format!("there is no API with the identifier or id {text:?}"))),
    }
}

/// Every API, by id.
pub async fn all(store: &AnyStore) -> Result<Vec<Versioned<ResourceServer>>, Refusal> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.resource_servers(after.as_ref(), 500).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.record.id.clone());
        found.extend(page);
    }
}

/// The identifier as people write it: the Management API's is below whichever origin is called.
pub fn identifier_text(identifier: &ApiIdentifier) -> &str {
    match identifier {
        ApiIdentifier::Management => ApiIdentifier::MANAGEMENT_PATH,
        ApiIdentifier::Fixed(text) => text,
    }
}
