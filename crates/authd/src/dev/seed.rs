//! What the development tenant holds. What is missing is added; what exists is left as it is.

use oauth_grants::SecretDigestKey;
use records::{
    ApiScope, ApplicationType, Client, ClientId, ConnectionName, Email, EnabledClients, GrantType, Lifetime,
    LoginName, Origin, Profile, ResourceServerId, RotationType, ScopeSet, ScopeToken, SecretText,
    SubjectType, Tenant, TenantId, TenantSettings, ThirdPartySecurityMode,
};

use super::TENANT;
use crate::administration::client_grants::{self, Granted};
use crate::administration::clients::{self, NewClient};
use crate::administration::resource_servers::{self, NewResourceServer};
use crate::administration::users::{self, NewUser};
use crate::administration::{Refusal, connections, tenants};
use crate::backend::{AnyStore, AnyStores};
use crate::keys::secret_digest_key;
use crate::moment::Moments;
use crate::passwords::Passwords;

/// One API of the seed.
struct SeedApi {
    id: &'static str,
    name: &'static str,
    identifier: &'static str,
    scopes: &'static [(&'static str, &'static str)],
    allow_offline_access: bool,
}

const APIS: &[SeedApi] = &[
    SeedApi {
        id: "calendar",
        name: "Calendar API",
        identifier: "api.calendar",
        scopes: &[("read", "Read your calendar"), ("write", "Change your calendar")],
        allow_offline_access: true,
    },
    SeedApi {
        id: "geocoding",
        name: "Geocoding API",
        identifier: "https://api.example.com/geocoding/v1/",
        scopes: &[("geocode", "Look up places")],
        allow_offline_access: false,
    },
];

/// One application of the seed. Its secret is public: it exists in the development tenant only.
#[derive(Clone, Copy, Debug)]
pub struct SeedApplication {
    /// Its id.
    pub client_id: &'static str,
    /// Its secret, unless it is public.
    pub client_secret: Option<&'static str>,
    /// Shown to people.
    pub name: &'static str,
    application_type: ApplicationType,
    is_first_party: bool,
    grant_types: &'static [GrantType],
    callbacks: &'static [&'static str],
    web_origins: &'static [&'static str],
    logout_urls: &'static [&'static str],
    /// The API that it has a client grant for, and the scopes; no scopes means all.
    grant: Option<(&'static str, &'static str)>,
}

const WEB_CALLBACKS: &[&str] = &["http://localhost:3000/callback", "http://127.0.0.1:9999/cb"];
const WEB_LOGOUT_URLS: &[&str] = &["http://localhost:3000", "http://127.0.0.1:9999"];
const SPA_ORIGINS: &[&str] = &["http://localhost:3000", "http://127.0.0.1:9999", "http://localhost:9999"];

/// Every application of the seed.
pub const APPLICATIONS: &[SeedApplication] = &[
    SeedApplication {
        client_id: "calendar-spa",
        client_secret: None,
        name: "Calendar SPA",
        application_type: ApplicationType::SinglePage,
        is_first_party: true,
        grant_types: &[GrantType::AuthorizationCode, GrantType::Implicit, GrantType::RefreshToken],
        callbacks: &["http://localhost:3000/callback", "http://127.0.0.1:9999/cb", "http://localhost:9999/"],
        web_origins: SPA_ORIGINS,
        logout_urls: SPA_ORIGINS,
        grant: None,
    },
    SeedApplication {
        client_id: "calendar-web",
        client_secret: Some("calendar-web-secret-0123456789abcdef0123456789abcdef"),
        name: "Calendar Web",
        application_type: ApplicationType::RegularWeb,
        is_first_party: true,
        grant_types: &[GrantType::AuthorizationCode, GrantType::RefreshToken],
        callbacks: WEB_CALLBACKS,
        web_origins: &[],
        logout_urls: WEB_LOGOUT_URLS,
        grant: None,
    },
    SeedApplication {
        client_id: "partner-planner",
        client_secret: Some("partner-planner-secret-0123456789abcdef0123456789ab"),
        name: "Partner Planner",
        application_type: ApplicationType::RegularWeb,
        is_first_party: false,
        grant_types: &[GrantType::AuthorizationCode, GrantType::Implicit, GrantType::RefreshToken],
        callbacks: WEB_CALLBACKS,
        web_origins: &[],
        logout_urls: WEB_LOGOUT_URLS,
        grant: None,
    },
    SeedApplication {
        client_id: "geocoding-worker",
        client_secret: Some("geocoding-worker-secret-0123456789abcdef0123456789a"),
        name: "Geocoding Worker",
        application_type: ApplicationType::NonInteractive,
        is_first_party: true,
        grant_types: &[GrantType::ClientCredentials],
        callbacks: &[],
        web_origins: &[],
        logout_urls: &[],
        grant: Some(("geocoding", "geocode")),
    },
    SeedApplication {
        client_id: "admin-script",
        client_secret: Some("admin-script-secret-0123456789abcdef0123456789abcdef"),
        name: "Admin Script",
        application_type: ApplicationType::NonInteractive,
        is_first_party: true,
        grant_types: &[GrantType::ClientCredentials],
        callbacks: &[],
        web_origins: &[],
        logout_urls: &[],
        grant: Some((tenants::MANAGEMENT_API, "")),
    },
    SeedApplication {
        client_id: "password-client",
        client_secret: Some("password-client-secret-0123456789abcdef0123456789"),
        name: "Password Client",
        application_type: ApplicationType::RegularWeb,
        is_first_party: true,
        grant_types: &[GrantType::Password, GrantType::PasswordRealm, GrantType::RefreshToken],
        callbacks: &[],
        web_origins: &[],
        logout_urls: &[],
        grant: None,
    },
];

/// One person of the seed.
#[derive(Clone, Copy, Debug)]
pub struct SeedUser {
    /// What the person logs in with.
    pub email: &'static str,
    /// Shown to people.
    pub name: &'static str,
}

/// Everybody of the seed.
pub const USERS: &[SeedUser] = &[
    SeedUser { email: "user@example.com", name: "Dev User" },
    SeedUser { email: "admin@example.com", name: "Dev Administrator" },
];

/// Everybody's password. It is public: they exist in the development tenant only.
pub const PASSWORD: &str = "Correct-Horse-9";

/// Makes the development tenant at these origins, or moves it there, and adds what is missing in it.
pub async fn seed(
    stores: &AnyStores,
    origins: Vec<Origin>,
    passwords: &Passwords,
    moments: &dyn Moments,
) -> Result<TenantId, Refusal> {
    let id = TenantId::parse(TENANT)?;
    if let Some(other) =
        stores.directory().tenants(None, 2).await?.iter().find(|tenant| tenant.record.id != id)
    {
        // Its secrets are public: it must not come to stand beside a tenant that is meant.
        return Err(Refusal::Invalid(format!(
            "this data directory holds the tenant {}: the development tenant wants one of its own, see --data",
            other.record.id
        )));
    }
    let store = stores.tenant(&id);
    let tenant = if stores.directory().tenant(&id).await?.is_none() {
        let settings = TenantSettings {
            friendly_name: "Development".to_owned(),
            skip_non_verifiable_callback_uri_confirmation_prompt: true,
            ..TenantSettings::default()
        };
        tenants::create(stores, &id, origins, settings, moments).await?
    } else {
        // One that was made before there were people has no connection.
        let people = ConnectionName::parse(connections::DEFAULT)?;
        if store.connection(&people).await?.is_none() {
            connections::create(&store, &people, EnabledClients::All, moments).await?;
        }
        tenants::update(stores, &id, |mut tenant| {
            tenant.settings.default_directory.get_or_insert_with(|| people.clone());
            Ok(Tenant { origins: origins.clone(), ..tenant })
        })
        .await?
    };
    let digest_key = &secret_digest_key(stores, &id)?;
    for api in APIS {
        seed_api(&store, api, moments).await?;
    }
    for application in APPLICATIONS {
        seed_application(&store, application, &tenant.settings, digest_key, moments).await?;
    }
    for user in USERS {
        seed_user(&store, user, passwords, moments).await?;
    }
    Ok(id)
}

async fn seed_api(store: &AnyStore, api: &SeedApi, moments: &dyn Moments) -> Result<(), Refusal> {
    let id = ResourceServerId::parse(api.id)?;
    if store.resource_server(&id).await?.is_some() {
        return Ok(());
    }
    let mut scopes = Vec::new();
    for (value, description) in api.scopes {
        let value = ScopeToken::parse(value)?;
        scopes.push(ApiScope { value, description: (*description).to_owned(), is_optional: false });
    }
    let new = NewResourceServer {
        id: Some(id),
        scopes,
        allow_offline_access: api.allow_offline_access,
        ..NewResourceServer::named(api.name, api.identifier)
    };
    resource_servers::create(store, new, moments).await?;
    Ok(())
}

async fn seed_application(
    store: &AnyStore,
    seed: &SeedApplication,
    settings: &TenantSettings,
    digest_key: &SecretDigestKey,
    moments: &dyn Moments,
) -> Result<(), Refusal> {
    let id = ClientId::parse(seed.client_id)?;
    if store.client_uncached(&id).await?.is_none() {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let new = NewClient {
            id: Some(id.clone()),
            secret: seed.client_secret.map(|secret| SecretText::new(secret.to_owned())),
            is_first_party: seed.is_first_party,
            grant_types: Some(seed.grant_types.to_vec()),
            callbacks: owned(seed.callbacks),
            web_origins: owned(seed.web_origins),
            allowed_logout_urls: owned(seed.logout_urls),
            third_party_security_mode: ThirdPartySecurityMode::Permissive,
            refresh_token_rotation: RotationType::Rotating,
            refresh_token_leeway: Lifetime(10),
            ..NewClient::of_type(seed.application_type, seed.name)
        };
        let _: (Client, _) = clients::create(store, new, settings, digest_key, moments).await?;
    }
    let Some((api, scopes)) = seed.grant else { return Ok(()) };
    let api = ResourceServerId::parse(api)?;
    if store.client_grant(&id, &api, SubjectType::Client).await?.is_none() {
        let granted = match scopes {
            "" => Granted::Everything,
            scopes => Granted::Scopes(ScopeSet::parse(scopes)?),
        };
        client_grants::create(store, &id, &api, SubjectType::Client, &granted, moments).await?;
    }
    Ok(())
}

async fn seed_user(
    store: &AnyStore,
    seed: &SeedUser,
    passwords: &Passwords,
    moments: &dyn Moments,
) -> Result<(), Refusal> {
    let connection = ConnectionName::parse(connections::DEFAULT)?;
    let email = Email::parse(seed.email)?;
    if store.user_by_login(&connection, &LoginName::from(&email)).await?.is_none() {
        let new = NewUser {
            email_verified: true,
            password: Some(SecretText::new(PASSWORD.to_owned())),
            profile: Profile { name: Some(seed.name.to_owned()), ..Profile::default() },
            ..NewUser::with_email(connection, email)
        };
        users::create(store, passwords, new, moments).await?;
    }
    Ok(())
}
