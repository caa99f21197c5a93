//! Registering applications (RFC 7591 §2; Auth0's defaults by kind).

use oauth_grants::{Moment, SecretDigestKey, generate};
use policy::{CallbackRefusal, redirect_uri};
use records::{
    ApplicationType, Client, ClientDefaults, ClientId, ClientSecret, GrantType, Lifetime, RotationType,
    SecretText, SigningAlgorithm, TenantSettings, ThirdPartySecurityMode, TokenEndpointAuthMethod, UnixTime,
    Write,
};
use store::CommitError;

use super::{Refusal, administrative_consents, check_name, check_url, connections, settle, users};
use crate::backend::AnyStore;
use crate::moment::Moments;

/// How long ID tokens live: ten hours (Auth0's default).
const ID_TOKEN_LIFETIME: Lifetime = Lifetime(36_000);

/// What a new application is made from.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its id; drawn when absent.
    pub id: Option<ClientId>,
    /// Its secret; drawn when absent and the application is confidential.
    pub secret: Option<SecretText>,
    /// Shown to people.
    pub name: String,
    /// What kind of application it is.
    pub application_type: ApplicationType,
    /// Whether the tenant's owner runs it.
    pub is_first_party: bool,
    /// What it may ask for; by kind when absent.
    pub grant_types: Option<Vec<GrantType>>,
    /// How it authenticates; by kind when absent.
    pub token_endpoint_auth_method: Option<TokenEndpointAuthMethod>,
    /// Registered redirect URIs.
    pub callbacks: Vec<String>,
    /// Origins that may receive web messages and call across origins.
    pub web_origins: Vec<String>,
    /// Where logout may return to.
    pub allowed_logout_urls: Vec<String>,
    /// Where it is told that a session ended.
    pub backchannel_logout_uri: Option<String>,
    /// Holds for third parties.
    pub third_party_security_mode: ThirdPartySecurityMode,
    /// Whether refreshing replaces the refresh token.
    pub refresh_token_rotation: RotationType,
    /// How long the immediately previous refresh token is still answered.
    pub refresh_token_leeway: Lifetime,
    /// How long a refresh token lives, its successors included; absent: for ever.
    pub refresh_token_lifetime: Option<Lifetime>,
    /// How long a refresh token lives unused; absent: for ever.
    pub refresh_token_idle_lifetime: Option<Lifetime>,
    /// How its ID tokens are signed: RS256, or HS256 with its own secret.
    pub id_token_algorithm: SigningAlgorithm,
    /// Skips the confirmation for callbacks that show nothing of their owner; absent: as the tenant says.
    pub skip_non_verifiable_callback_uri_confirmation_prompt: Option<bool>,
    /// Its picture on our pages.
    pub logo_uri: Option<String>,
}

impl NewClient {
    /// An application of this kind with the defaults of its kind.
    pub fn of_type(application_type: ApplicationType, name: &str) -> Self {
        Self {
            id: None,
            secret: None,
            name: name.to_owned(),
            application_type,
            is_first_party: true,
            grant_types: None,
            token_endpoint_auth_method: None,
            callbacks: Vec::new(),
            web_origins: Vec::new(),
            allowed_logout_urls: Vec::new(),
            backchannel_logout_uri: None,
            third_party_security_mode: ThirdPartySecurityMode::Strict,
            refresh_token_rotation: RotationType::Rotating,
            refresh_token_leeway: Lifetime(0),
            // Auth0's for tokens that rotate: 30 days, 15 unused.
            refresh_token_lifetime: Some(Lifetime::MONTH),
            refresh_token_idle_lifetime: Some(Lifetime(1_296_000)),
            id_token_algorithm: SigningAlgorithm::Rs256,
            skip_non_verifiable_callback_uri_confirmation_prompt: None,
            logo_uri: None,
        }
    }
}

fn default_grant_types(application_type: ApplicationType, defaults: ClientDefaults) -> Vec<GrantType> {
    match application_type {
        ApplicationType::Native | ApplicationType::SinglePage => match defaults {
            ClientDefaults::Auth0 => {
                vec![GrantType::AuthorizationCode, GrantType::Implicit, GrantType::RefreshToken]
            }
            //= RFC 9700 §2.1.2
            ClientDefaults::Strict => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        },
        ApplicationType::RegularWeb => {
            vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials]
        }
        ApplicationType::NonInteractive => vec![GrantType::ClientCredentials],
    }
}

fn default_auth_method(application_type: ApplicationType) -> TokenEndpointAuthMethod {
    match application_type {
        ApplicationType::Native | ApplicationType::SinglePage => TokenEndpointAuthMethod::None,
        ApplicationType::RegularWeb | ApplicationType::NonInteractive => {
            TokenEndpointAuthMethod::ClientSecretPost
        }
    }
}

/// The application that this makes in a tenant of these settings, with its secret, if it may be.
pub fn validate(
    new: NewClient,
    settings: &TenantSettings,
    digest_key: &SecretDigestKey,
    moment: &Moment,
) -> Result<(Client, Option<SecretText>), Refusal> {
    let id = match new.id {
        Some(id) => id,
        None => generate::client_id(moment)?,
    };
    let method = new.token_endpoint_auth_method.unwrap_or_else(|| default_auth_method(new.application_type));
    let mut grant_types = new
        .grant_types
        .unwrap_or_else(|| default_grant_types(new.application_type, settings.client_defaults));
    grant_types.sort_unstable();
    grant_types.dedup();
    let is_public = method == TokenEndpointAuthMethod::None;
    let secret = match (is_public, new.secret) {
        (true, None) => None,
        (true, Some(_)) => return Err(Refusal::Invalid("a public application has no secret".to_owned())),
        (false, Some(secret)) if secret.expose().len() < 16 => {
            return Err(Refusal::Invalid("a client secret must have at least 16 characters".to_owned()));
        }
        (false, Some(secret)) => Some(secret),
        (false, None) => Some(generate::client_secret(moment)),
    };
    let secrets = secret.iter().map(|secret| digested(&id, secret, digest_key, moment.now)).collect();
    let client = Client {
        id,
        name: new.name,
        application_type: new.application_type,
        is_first_party: new.is_first_party,
        third_party_security_mode: new.third_party_security_mode,
        grant_types,
        token_endpoint_auth_method: method,
        secrets,
        callbacks: new.callbacks,
        web_origins: new.web_origins,
        allowed_logout_urls: new.allowed_logout_urls,
        backchannel_logout_uri: new.backchannel_logout_uri,
        refresh_token_rotation: new.refresh_token_rotation,
        refresh_token_leeway: new.refresh_token_leeway,
        refresh_token_lifetime: new.refresh_token_lifetime,
        refresh_token_idle_lifetime: new.refresh_token_idle_lifetime,
        id_token_algorithm: new.id_token_algorithm,
        id_token_lifetime: ID_TOKEN_LIFETIME,
        id_token_secret: (new.id_token_algorithm == SigningAlgorithm::Hs256)
            .then(|| secret.clone())
            .flatten(),
        skip_non_verifiable_callback_uri_confirmation_prompt: new
            .skip_non_verifiable_callback_uri_confirmation_prompt,
        logo_uri: new.logo_uri,
        created_at: moment.now,
    };
    check(&client)?;
    check_addresses(&client, None, settings)?;
    Ok((client, secret))
}

/// Registers an application. Returns it with its secret, which is shown this once and kept as a digest only.
pub async fn create(
    store: &AnyStore,
    new: NewClient,
    settings: &TenantSettings,
    digest_key: &SecretDigestKey,
    moments: &dyn Moments,
) -> Result<(Client, Option<SecretText>), Refusal> {
    let (client, secret) = validate(new, settings, digest_key, &moments.draw())?;
    match store.commit(vec![Write::CreateClient(client.clone())]).await {
        Ok(()) => Ok((client, secret)),
        Err(CommitError::Conflict) => Err(Refusal::Exists(format!("an application {} exists", client.id))),
        Err(error) => Err(error.into()),
    }
}

fn digested(
    client: &ClientId,
    secret: &SecretText,
    digest_key: &SecretDigestKey,
    now: UnixTime,
) -> ClientSecret {
    ClientSecret { digest: digest_key.digest(client, secret), created_at: now, expires_at: None }
}

/// Gives an application a new secret; the old ones are good for `overlap` seconds more (threats CA-24).
pub async fn rotate_secret(
    store: &AnyStore,
    id: &ClientId,
    overlap: Lifetime,
    digest_key: &SecretDigestKey,
    moments: &dyn Moments,
) -> Result<SecretText, Refusal> {
    if overlap > Lifetime::MONTH {
        return Err(Refusal::Invalid("the overlap must be at most 2592000 seconds (30 days)".to_owned()));
    }
    settle(store, async || {
        let moment = moments.draw();
        let present = find(store, id).await?;
        if present.record.is_public() {
            return Err(Refusal::Invalid(format!("the application {id} is public: it has no secret")));
        }
        let secret = generate::client_secret(&moment);
        let mut secrets = vec![digested(id, &secret, digest_key, moment.now)];
        if overlap.0 > 0 {
            // One predecessor at most: an overlap is for the time it takes to hand the new secret out.
            secrets.extend(
                present
                    .record
                    .secrets
                    .first()
                    .map(|old| ClientSecret { expires_at: Some(moment.now.after(overlap)), ..old.clone() }),
            );
        }
        // ID tokens that the secret signs are signed by the new one from now on.
        let id_token_secret = present.record.id_token_secret.as_ref().map(|_| secret.clone());
        let next = Client { secrets, id_token_secret, ..present.record.clone() };
        Ok((vec![Write::ReplaceClient((*present).clone(), next)], secret))
    })
    .await
}

/// Changes an application by a pure function of its present state; returns the new state. Its id, its secrets and
/// whether it is public are kept whatever the function says.
pub async fn update(
    store: &AnyStore,
    id: &ClientId,
    settings: &TenantSettings,
    change: impl Fn(Client) -> Client,
) -> Result<Client, Refusal> {
    settle(store, async || {
        let present = find(store, id).await?;
        let mut next = change(present.record.clone());
        next.id = present.record.id.clone();
        next.secrets = present.record.secrets.clone();
        next.id_token_secret = present.record.id_token_secret.clone();
        next.token_endpoint_auth_method = present.record.token_endpoint_auth_method;
        next.grant_types.sort_unstable();
        next.grant_types.dedup();
        check(&next)?;
        check_addresses(&next, Some(&present.record), settings)?;
        Ok((vec![Write::ReplaceClient((*present).clone(), next.clone())], next))
    })
    .await
}

/// What holds for every application, new or changed.
fn check(client: &Client) -> Result<(), Refusal> {
    check_name(&client.name)?;
    match client.id_token_algorithm {
        SigningAlgorithm::Rs256 => {}
        SigningAlgorithm::Hs256 if client.id_token_secret.is_some() => {}
        SigningAlgorithm::Hs256 => {
            return Err(Refusal::Invalid(
                "HS256 signs ID tokens with the application's own secret, which is not kept: \
                 make the application with HS256, as a confidential one"
                    .to_owned(),
            ));
        }
        other => {
            let name = other.name();
            return Err(Refusal::Invalid(format!("ID tokens are signed with RS256 or HS256, not {name}")));
        }
    }
    if client.is_public() && client.grant_types.contains(&GrantType::ClientCredentials) {
        //= RFC 6749 §4.4
        return Err(Refusal::Invalid(
            "a public application cannot have client_credentials: it has no secret to prove itself with"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What holds for the addresses of an application; those that it had before stay as they are, so that a tenant that
/// becomes strict does not have to put everything right before anything can be changed.
fn check_addresses(
    client: &Client,
    before: Option<&Client>,
    settings: &TenantSettings,
) -> Result<(), Refusal> {
    let of_strict_third_party =
        !client.is_first_party && client.third_party_security_mode == ThirdPartySecurityMode::Strict;
    let allows_wildcard = settings.client_defaults == ClientDefaults::Auth0 && !of_strict_third_party;
    let callback = |text: &str| redirect_uri::validate_callback(text, allows_wildcard);
    let web_origin = |text: &str| redirect_uri::validate_web_origin(text);
    type List = fn(&Client) -> &[String];
    type Rule<'r> = &'r dyn Fn(&str) -> Result<(), CallbackRefusal>;
    let lists: [(&str, List, Rule<'_>); 3] = [
        ("callback", |client| &client.callbacks, &callback),
        ("web origin", |client| &client.web_origins, &web_origin),
        // The browser is sent there as it is sent to a callback.
        ("logout URL", |client| &client.allowed_logout_urls, &callback),
    ];
    for (what, list, rule) in lists {
        let had = before.map(list).unwrap_or_default();
        for text in list(client).iter().filter(|text| !had.contains(text)) {
            rule(text).map_err(|refusal| Refusal::Invalid(format!("the {what} {text:?} {refusal}")))?;
        }
    }
    if let Some(uri) = &client.backchannel_logout_uri
        && before.is_none_or(|before| before.backchannel_logout_uri.as_ref() != Some(uri))
    {
        check_backchannel(uri)?;
    }
    if let Some(logo) = &client.logo_uri
        && before.is_none_or(|before| before.logo_uri.as_ref() != Some(logo))
    {
        check_url("the logo", logo)?;
        // A picture without TLS would be blocked on a page with TLS, or tell the network who logs in where.
        if !logo.starts_with("https://") {
            return Err(Refusal::Invalid("the logo must be an https address".to_owned()));
        }
    }
    Ok(())
}

/// What holds for the address to which we send logout tokens. Whether a connection is made to what it means is asked each
/// time, by the one connector for such addresses.
fn check_backchannel(text: &str) -> Result<(), Refusal> {
    super::check_url("the back-channel logout URI", text)?;
    let parsed = url::Url::parse(text).ok();
    let host = parsed.as_ref().and_then(url::Url::host);
    let is_loopback = match host {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    //= OpenID Connect Back-Channel Logout 1.0 §2.2
    // "The back-channel logout URI MUST be an absolute URI [...] MUST NOT include a fragment component."
    match parsed {
        Some(url) if url.fragment().is_none() && (url.scheme() == "https" || is_loopback) => Ok(()),
        _ => Err(Refusal::Invalid(
            "the back-channel logout URI must be an https address without a fragment; http is for loopback alone"
                .to_owned(),
        )),
    }
}

/// Removes an application, its grants, and what people and administrators allowed it.
pub async fn delete(store: &AnyStore, id: &ClientId) -> Result<(), Refusal> {
    settle(store, async || {
        let present = find(store, id).await?;
        let mut writes = vec![Write::DeleteClient((*present).clone())];
        let grants = super::client_grants::all(store, store::GrantsOf::Client(id)).await?;
        writes.extend(grants.into_iter().map(Write::DeleteClientGrant));
        let of = store::AdministrativeConsentsOf::Client(id);
        writes.extend(administrative_consents::removal(store, of).await?);
        writes.extend(connections::without_client(store, id).await?);
        Ok((writes, ()))
    })
    .await?;
    // As many as people: in slices. Whoever is given this id later starts without them.
    super::revocations::refresh_tokens_of_client(store, id).await?;
    users::in_slices(store, async || {
        let grants = store.user_grants(store::UserGrantsOf::Client(id), None, users::SLICE).await?;
        Ok(grants.into_iter().map(Write::DeleteUserGrant).collect())
    })
    .await
}

/// The application, or a refusal that names it.
pub async fn find(
    store: &AnyStore,
    id: &ClientId,
) -> Result<std::sync::Arc<records::Versioned<Client>>, Refusal> {
    store
        .client_uncached(id)
        .await?
        .ok_or_else(|| Refusal::Missing(format!("there is no application with client_id {id}")))
}

/// Every application, by id.
pub async fn all(store: &AnyStore) -> Result<Vec<records::Versioned<Client>>, Refusal> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.clients(after.as_ref(), 500).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.record.id.clone());
        found.extend(page);
    }
}
