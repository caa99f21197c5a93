//! `authd tenants`: making tenants and mapping them to hosts.

use clap::{Args, Subcommand};
use records::{
    ClientDefaults, ConnectionName, ErrorProfile, Lifetime, Origin, Tenant, TenantId, TenantSettings,
    UpdatedAt, VerifiableCallbacks,
};
use serde_json::{Value, json};

use super::local::Local;
use super::{Failed, output};
use crate::administration::tenants;
use crate::moment::SystemMoments;
use crate::open::IfMissing;

#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// List the tenants
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one tenant
    Show(Show),
    /// Make a tenant that answers at the given origins; makes the database if there is none
    Create(Create),
    /// Change a tenant's origins or settings
    Update(Update),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    local: Local,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The tenant
    name: String,
    #[command(flatten)]
    local: Local,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The tenant's name: a-z, 0-9 and -
    name: String,
    /// Where it answers, such as https://auth.example.com/; may be repeated, the canonical one first
    #[arg(long, required = true, value_name = "URL")]
    origin: Vec<String>,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    local: Local,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The tenant
    name: String,
    /// Where it answers from now on; may be repeated, and replaces all
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    local: Local,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SettingsArguments {
    /// Shown to people
    #[arg(long, value_name = "TEXT")]
    friendly_name: Option<String>,
    /// The audience of token requests that name none; empty for none
    #[arg(long, value_name = "IDENTIFIER")]
    default_audience: Option<String>,
    /// How errors at the token endpoint are spelled
    #[arg(long, value_parser = ["auth0", "rfc6749"], value_name = "auth0|rfc6749")]
    error_profile: Option<String>,
    /// Whether token responses name their scope even when it is the one asked for
    #[arg(long, value_name = "BOOL")]
    always_return_scope: Option<bool>,
    /// The connection that login pages use; empty for none, so that each request names one
    #[arg(long, value_name = "CONNECTION")]
    default_directory: Option<String>,
    /// How long a session lives at most
    #[arg(long, value_name = "SECONDS")]
    session_lifetime: Option<u32>,
    /// How long a session lives unused
    #[arg(long, value_name = "SECONDS")]
    idle_session_lifetime: Option<u32>,
    /// Whether consent dialogs show the scopes' descriptions instead of their names
    #[arg(long, value_name = "BOOL")]
    scope_descriptions: Option<bool>,
    /// Which callbacks of first-party applications show whose they are, so that an API may skip consent
    #[arg(long, value_parser = ["era", "later"], value_name = "era|later")]
    verifiable_callbacks: Option<String>,
    /// Whether authorization responses name the issuer (RFC 9207)
    #[arg(long, value_name = "BOOL")]
    iss_parameter: Option<bool>,
    /// What new applications get: auth0 allows the implicit grant and wildcards, strict does not
    #[arg(long, value_parser = ["auth0", "strict"], value_name = "auth0|strict")]
    client_defaults: Option<String>,
    /// Where logout may return to when no application is named, separated by commas; empty for nowhere
    #[arg(long, value_delimiter = ',', value_name = "URLS")]
    logout_urls: Option<Vec<String>>,
    /// How updated_at stands in ID tokens and userinfo answers
    #[arg(long, value_parser = ["numeric", "iso8601"], value_name = "numeric|iso8601")]
    updated_at: Option<String>,
    /// Whether to skip the confirmation for callbacks that show nothing of their owner
    #[arg(long, value_name = "BOOL")]
    skip_confirmation: Option<bool>,
}

impl SettingsArguments {
    fn applied_to(&self, mut settings: TenantSettings) -> Result<TenantSettings, records::Invalid> {
        if let Some(name) = &self.friendly_name {
            settings.friendly_name.clone_from(name);
        }
        if let Some(audience) = &self.default_audience {
            settings.default_audience = Some(audience.clone()).filter(|audience| !audience.is_empty());
        }
        match self.error_profile.as_deref() {
            Some("rfc6749") => settings.error_profile = ErrorProfile::Rfc6749,
            Some(_) => settings.error_profile = ErrorProfile::Auth0,
            None => {}
        }
        settings.always_return_scope = self.always_return_scope.unwrap_or(settings.always_return_scope);
        if let Some(name) = &self.default_directory {
            settings.default_directory =
                if name.is_empty() { None } else { Some(ConnectionName::parse(name)?) };
        }
        settings.session_lifetime = self.session_lifetime.map_or(settings.session_lifetime, Lifetime);
        settings.idle_session_lifetime =
            self.idle_session_lifetime.map_or(settings.idle_session_lifetime, Lifetime);
        settings.use_scope_descriptions_for_consent =
            self.scope_descriptions.unwrap_or(settings.use_scope_descriptions_for_consent);
        settings.verifiable_callbacks = match self.verifiable_callbacks.as_deref() {
            Some("era") => VerifiableCallbacks::Era,
            Some(_) => VerifiableCallbacks::Later,
            None => settings.verifiable_callbacks,
        };
        settings.authorization_response_iss_parameter_supported =
            self.iss_parameter.unwrap_or(settings.authorization_response_iss_parameter_supported);
        settings.client_defaults = match self.client_defaults.as_deref() {
            Some("strict") => ClientDefaults::Strict,
            Some(_) => ClientDefaults::Auth0,
            None => settings.client_defaults,
        };
        settings.updated_at = match self.updated_at.as_deref() {
            Some("iso8601") => UpdatedAt::Iso8601,
            Some(_) => UpdatedAt::Numeric,
            None => settings.updated_at,
        };
        if let Some(urls) = &self.logout_urls {
            settings.allowed_logout_urls = urls.iter().filter(|url| !url.is_empty()).cloned().collect();
        }
        settings.skip_non_verifiable_callback_uri_confirmation_prompt =
            self.skip_confirmation.unwrap_or(settings.skip_non_verifiable_callback_uri_confirmation_prompt);
        Ok(settings)
    }
}

fn origins(texts: &[String]) -> Result<Vec<Origin>, Failed> {
    let mut origins: Vec<Origin> = Vec::new();
    for text in texts {
        let origin = Origin::parse(text).map_err(|invalid| Failed::Usage(format!("{text:?}: {invalid}")))?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

fn object(tenant: &Tenant) -> Value {
    json!({
        "name": tenant.id.as_str(),
        "origins": tenant.origins.iter().map(Origin::issuer).collect::<Vec<_>>(),
        "friendly_name": tenant.settings.friendly_name,
        "default_audience": tenant.settings.default_audience,
        "error_profile": match tenant.settings.error_profile {
            ErrorProfile::Auth0 => "auth0",
            ErrorProfile::Rfc6749 => "rfc6749",
        },
        "always_return_scope": tenant.settings.always_return_scope,
        "default_directory": tenant.settings.default_directory.as_ref().map(ConnectionName::as_str),
        "session_lifetime": tenant.settings.session_lifetime.0,
        "idle_session_lifetime": tenant.settings.idle_session_lifetime.0,
        "scope_descriptions": tenant.settings.use_scope_descriptions_for_consent,
        "verifiable_callbacks": match tenant.settings.verifiable_callbacks {
            VerifiableCallbacks::Era => "era",
            VerifiableCallbacks::Later => "later",
        },
        "iss_parameter": tenant.settings.authorization_response_iss_parameter_supported,
        "client_defaults": match tenant.settings.client_defaults {
            ClientDefaults::Auth0 => "auth0",
            ClientDefaults::Strict => "strict",
        },
        "updated_at": match tenant.settings.updated_at {
            UpdatedAt::Numeric => "numeric",
            UpdatedAt::Iso8601 => "iso8601",
        },
        "allowed_logout_urls": tenant.settings.allowed_logout_urls,
        "skip_confirmation": tenant.settings.skip_non_verifiable_callback_uri_confirmation_prompt,
    })
}

pub(crate) async fn run(verb: Tenants) -> Result<(), Failed> {
    match verb {
        Tenants::List(list) => {
            let stores = list.local.open(IfMissing::Refuse).await?;
            let mut objects = Vec::new();
            let mut after = None;
            loop {
                let page = stores
                    .directory()
                    .tenants(after.as_ref(), 500)
                    .await
                    .map_err(|error| error.to_string())?;
                let Some(last) = page.last() else { break };
                after = Some(last.record.id.clone());
                objects.extend(page.iter().map(|tenant| object(&tenant.record)));
            }
            output::list(list.json, &["name", "origins", "error_profile"], &objects);
        }
        Tenants::Show(show) => {
            let stores = show.local.open(IfMissing::Refuse).await?;
            let id = TenantId::parse(&show.name)?;
            let tenant = stores.directory().tenant(&id).await.map_err(|error| error.to_string())?;
            let tenant = tenant.ok_or_else(|| Failed::Failed(format!("there is no tenant {id}")))?;
            output::show(show.json, &object(&tenant.record));
        }
        Tenants::Create(create) => {
            let id = TenantId::parse(&create.name)?;
            let origins = origins(&create.origin)?;
            let stores = create.local.open(IfMissing::Make).await?;
            let settings = create.settings.applied_to(TenantSettings::default())?;
            let tenant = tenants::create(&stores, &id, origins, settings, &SystemMoments).await?;
            output::show(create.json, &object(&tenant));
        }
        Tenants::Update(update) => {
            let id = TenantId::parse(&update.name)?;
            let origins = origins(&update.origin)?;
            let stores = update.local.open(IfMissing::Refuse).await?;
            let tenant = tenants::update(&stores, &id, |tenant| {
                let settings = update.settings.applied_to(tenant.settings.clone())?;
                let origins = if origins.is_empty() { tenant.origins.clone() } else { origins.clone() };
                Ok(Tenant { settings, origins, ..tenant })
            })
            .await?;
            output::show(update.json, &object(&tenant));
        }
    }
    Ok(())
}
