//! `authd tenants`: making tenants and mapping them to hosts.

use clap::{Args, Subcommand};
use records::{ErrorProfile, Origin, Tenant, TenantId, TenantSettings};
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
}

impl SettingsArguments {
    fn applied_to(&self, mut settings: TenantSettings) -> TenantSettings {
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
        settings
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
            let settings = create.settings.applied_to(TenantSettings::default());
            let tenant = tenants::create(&stores, &id, origins, settings, &SystemMoments).await?;
            output::show(create.json, &object(&tenant));
        }
        Tenants::Update(update) => {
            let id = TenantId::parse(&update.name)?;
            let origins = origins(&update.origin)?;
            let stores = update.local.open(IfMissing::Refuse).await?;
            let tenant = tenants::update(&stores, &id, |tenant| {
                let settings = update.settings.applied_to(tenant.settings.clone());
                let origins = if origins.is_empty() { tenant.origins.clone() } else { origins.clone() };
                Ok(Tenant { settings, origins, ..tenant })
            })
            .await?;
            output::show(update.json, &object(&tenant));
        }
    }
    Ok(())
}
