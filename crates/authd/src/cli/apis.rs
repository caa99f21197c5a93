//! `authd apis`: registering APIs.

use clap::{Args, Subcommand};
use records::{ApiScope, Lifetime, ResourceServer, ScopeToken, SigningAlgorithm, TokenDialect};
use serde_json::{Value, json};

use super::local::OnTenant;
use super::{Failed, output};
use crate::administration::resource_servers::{self, NewResourceServer, identifier_text};
use crate::moment::SystemMoments;

#[derive(Debug, Subcommand)]
pub(crate) enum Apis {
    /// List the APIs
    #[command(visible_alias = "ls")]
    List(OnTenant),
    /// Show one API
    Show(Named),
    /// Register an API
    Create(Create),
    /// Change an API; tokens that were issued stay as they are
    Update(Update),
    /// Remove an API and the grants for it
    #[command(visible_alias = "rm")]
    Delete(Named),
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The API's identifier or id
    api: String,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Shown to people
    #[arg(short, long)]
    name: String,
    /// The audience of its tokens, compared byte for byte and fixed for ever
    #[arg(short, long)]
    identifier: String,
    /// Its permissions, separated by commas; VALUE or VALUE=DESCRIPTION
    #[arg(short, long, value_delimiter = ',', value_name = "SCOPES")]
    scopes: Vec<String>,
    /// How its tokens are signed: HS256, RS256, ES256 or EdDSA
    #[arg(long, default_value = "RS256", value_name = "ALG")]
    signing_alg: String,
    /// A file that holds the HS256 key, at least 16 characters; drawn when absent
    #[arg(long, value_name = "FILE")]
    signing_secret_file: Option<std::path::PathBuf>,
    /// How long its access tokens live, in seconds
    #[arg(short = 'l', long, default_value_t = 86_400, value_name = "SECONDS")]
    token_lifetime: u32,
    /// Which claims its tokens carry: access_token (Auth0's) or rfc9068_profile
    #[arg(long, default_value = "access_token", value_name = "DIALECT")]
    token_dialect: String,
    /// Allow refresh tokens for it
    #[arg(short = 'o', long)]
    offline_access: bool,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The API's identifier or id
    api: String,
    /// Shown to people
    #[arg(short, long)]
    name: Option<String>,
    /// Its permissions from now on, separated by commas; VALUE or VALUE=DESCRIPTION
    #[arg(short, long, value_delimiter = ',', value_name = "SCOPES")]
    scopes: Option<Vec<String>>,
    /// How its tokens are signed: HS256, RS256, ES256 or EdDSA
    #[arg(long, value_name = "ALG")]
    signing_alg: Option<String>,
    /// How long its access tokens live, in seconds
    #[arg(short = 'l', long, value_name = "SECONDS")]
    token_lifetime: Option<u32>,
    /// Which claims its tokens carry: access_token (Auth0's) or rfc9068_profile
    #[arg(long, value_name = "DIALECT")]
    token_dialect: Option<String>,
    /// Whether refresh tokens may be issued for it
    #[arg(short = 'o', long, value_name = "BOOL")]
    offline_access: Option<bool>,
    #[command(flatten)]
    on: OnTenant,
}

fn signing_algorithm(name: &str) -> Result<SigningAlgorithm, Failed> {
    SigningAlgorithm::from_name(name)
        .ok_or_else(|| Failed::Usage(format!("--signing-alg {name:?}: use HS256, RS256, ES256 or EdDSA")))
}

fn token_dialect(name: &str) -> Result<TokenDialect, Failed> {
    TokenDialect::from_name(name).ok_or_else(|| {
        Failed::Usage(format!("--token-dialect {name:?}: use access_token or rfc9068_profile"))
    })
}

/// The API as it is shown, with its signing secret where that was just drawn: the API needs it, and is shown it once.
fn object_with_secret(api: &ResourceServer) -> Value {
    let mut object = object(api);
    if let (Some(members), Some(secret)) = (object.as_object_mut(), &api.signing_secret) {
        members.insert("signing_secret".to_owned(), json!(secret.expose()));
    }
    object
}

fn object(api: &ResourceServer) -> Value {
    json!({
        "id": api.id.as_str(),
        "name": api.name,
        "identifier": identifier_text(&api.identifier),
        "scopes": api.scopes.iter().map(|scope| scope.value.as_str()).collect::<Vec<_>>(),
        "signing_alg": api.signing_algorithm.name(),
        "token_lifetime": api.token_lifetime.0,
        "token_dialect": api.token_dialect.name(),
        "allow_offline_access": api.allow_offline_access,
        "is_system": api.is_system,
    })
}

fn scope(text: &str) -> Result<ApiScope, Failed> {
    let (value, description) = text.split_once('=').unwrap_or((text, ""));
    Ok(ApiScope { value: ScopeToken::parse(value)?, description: description.to_owned(), is_optional: false })
}

pub(crate) async fn run(verb: Apis) -> Result<(), Failed> {
    match verb {
        Apis::List(list) => {
            let store = list.tenant.open_store().await?;
            let found = resource_servers::all(&store).await?;
            let objects: Vec<_> = found.iter().map(|api| object(&api.record)).collect();
            output::list(list.json, &["id", "identifier", "name", "signing_alg", "token_lifetime"], &objects);
        }
        Apis::Show(named) => {
            let store = named.on.tenant.open_store().await?;
            let found = resource_servers::find(&store, &named.api).await?;
            output::show(named.on.json, &object(&found.record));
        }
        Apis::Create(create) => {
            let signing_algorithm = signing_algorithm(&create.signing_alg)?;
            let signing_secret = match &create.signing_secret_file {
                Some(file) => Some(super::local::secret_from(file)?),
                None => None,
            };
            let drawn = signing_algorithm == SigningAlgorithm::Hs256 && signing_secret.is_none();
            let new = NewResourceServer {
                scopes: create.scopes.iter().map(|text| scope(text)).collect::<Result<_, _>>()?,
                signing_algorithm,
                signing_secret,
                token_lifetime: Lifetime(create.token_lifetime),
                token_dialect: token_dialect(&create.token_dialect)?,
                allow_offline_access: create.offline_access,
                ..NewResourceServer::named(&create.name, &create.identifier)
            };
            let store = create.on.tenant.open_store().await?;
            let api = resource_servers::create(&store, new, &SystemMoments).await?;
            output::show(create.on.json, &if drawn { object_with_secret(&api) } else { object(&api) });
        }
        Apis::Update(update) => {
            let algorithm = update.signing_alg.as_deref().map(signing_algorithm).transpose()?;
            let dialect = update.token_dialect.as_deref().map(token_dialect).transpose()?;
            let scopes: Option<Vec<_>> = update
                .scopes
                .map(|scopes| scopes.iter().map(|text| scope(text)).collect::<Result<_, _>>())
                .transpose()?;
            let store = update.on.tenant.open_store().await?;
            let had_secret =
                resource_servers::find(&store, &update.api).await?.record.signing_secret.is_some();
            let change = |mut api: ResourceServer| {
                api.name = update.name.clone().unwrap_or(api.name);
                api.scopes = scopes.clone().unwrap_or(api.scopes);
                api.signing_algorithm = algorithm.unwrap_or(api.signing_algorithm);
                api.token_lifetime = update.token_lifetime.map_or(api.token_lifetime, Lifetime);
                api.token_dialect = dialect.unwrap_or(api.token_dialect);
                api.allow_offline_access = update.offline_access.unwrap_or(api.allow_offline_access);
                Ok(api)
            };
            let api = resource_servers::update(&store, &update.api, change, &SystemMoments).await?;
            output::show(update.on.json, &if had_secret { object(&api) } else { object_with_secret(&api) });
        }
        Apis::Delete(named) => {
            let store = named.on.tenant.open_store().await?;
            resource_servers::delete(&store, &named.api).await?;
            if !named.on.json {
                output::print(&format!("removed {}", named.api));
            }
        }
    }
    Ok(())
}
