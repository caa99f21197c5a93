//! `authd apps`: registering applications.

use clap::{Args, Subcommand};
use records::{
    ApplicationType, Client, ClientId, GrantType, Lifetime, SigningAlgorithm, TokenEndpointAuthMethod,
};
use serde_json::{Value, json};

use super::local::OnTenant;
use super::{Failed, output};
use crate::administration::clients::{self, NewClient};
use crate::moment::SystemMoments;

#[derive(Debug, Subcommand)]
pub(crate) enum Apps {
    /// List the applications
    #[command(visible_alias = "ls")]
    List(OnTenant),
    /// Show one application; secrets are never shown again
    Show(Named),
    /// Register an application; its secret is shown this once
    Create(Create),
    /// Change an application
    Update(Update),
    /// Give an application a new secret, shown this once
    RotateSecret(RotateSecret),
    /// Remove an application and its grants
    #[command(visible_alias = "rm")]
    Delete(Named),
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The application's client_id
    client_id: String,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Shown to people
    #[arg(short, long)]
    name: String,
    /// What kind of application it is: m2m, regular, spa or native
    #[arg(short = 'y', long = "type", value_parser = ["m2m", "regular", "spa", "native"], default_value = "m2m")]
    kind: String,
    /// What it may ask for, separated by commas [default: by type]
    #[arg(short, long, value_delimiter = ',', value_name = "GRANT_TYPES")]
    grants: Vec<String>,
    /// Where people are sent back to, separated by commas; compared exactly
    #[arg(short, long, value_delimiter = ',', value_name = "URLS")]
    callbacks: Vec<String>,
    /// Origins that may receive web messages and call across origins, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "URLS")]
    web_origins: Vec<String>,
    /// Where logout may return to, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "URLS")]
    logout_urls: Vec<String>,
    /// Where it is told that a session ended, an https address
    #[arg(long, value_name = "URL")]
    backchannel_logout_uri: Option<String>,
    /// It is run by somebody else: people are always asked for consent
    #[arg(long)]
    third_party: bool,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The application's client_id
    client_id: String,
    /// Shown to people
    #[arg(short, long)]
    name: Option<String>,
    /// What it may ask for from now on, separated by commas
    #[arg(short, long, value_delimiter = ',', value_name = "GRANT_TYPES")]
    grants: Option<Vec<String>>,
    /// Where people are sent back to from now on, separated by commas
    #[arg(short, long, value_delimiter = ',', value_name = "URLS")]
    callbacks: Option<Vec<String>>,
    /// Origins that may receive web messages and call across origins from now on
    #[arg(long, value_delimiter = ',', value_name = "URLS")]
    web_origins: Option<Vec<String>>,
    /// Where logout may return to from now on
    #[arg(long, value_delimiter = ',', value_name = "URLS")]
    logout_urls: Option<Vec<String>>,
    /// Where it is told from now on that a session ended, an https address; empty for nowhere
    #[arg(long, value_name = "URL")]
    backchannel_logout_uri: Option<String>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    on: OnTenant,
}

/// What concerns people's tokens and pages.
#[derive(Debug, Args)]
struct Shown {
    /// How its ID tokens are signed: by the tenant's key, or by its own secret
    #[arg(long, value_parser = ["RS256", "HS256"], value_name = "RS256|HS256")]
    id_token_alg: Option<String>,
    /// Its picture on our pages, an https address; empty for none
    #[arg(long, value_name = "URL")]
    logo: Option<String>,
    /// Whether to skip the confirmation for callbacks that show nothing of their owner: true, false, or tenant (as the
    /// tenant says)
    #[arg(long, value_parser = ["true", "false", "tenant"], value_name = "true|false|tenant")]
    skip_confirmation: Option<String>,
}

impl Shown {
    fn algorithm(&self) -> Option<SigningAlgorithm> {
        self.id_token_alg.as_deref().and_then(SigningAlgorithm::from_name)
    }

    fn logo(&self) -> Option<Option<String>> {
        self.logo.clone().map(|logo| Some(logo).filter(|logo| !logo.is_empty()))
    }

    fn skip_confirmation(&self) -> Option<Option<bool>> {
        self.skip_confirmation.as_deref().map(|text| text.parse().ok())
    }
}

#[derive(Debug, Args)]
pub(crate) struct RotateSecret {
    /// The application's client_id
    client_id: String,
    /// For how many more seconds the present secret is good
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    overlap: u32,
    #[command(flatten)]
    on: OnTenant,
}

fn object(client: &Client) -> Value {
    json!({
        "client_id": client.id.as_str(),
        "name": client.name,
        "type": match client.application_type {
            ApplicationType::Native => "native",
            ApplicationType::SinglePage => "spa",
            ApplicationType::RegularWeb => "regular_web",
            ApplicationType::NonInteractive => "non_interactive",
        },
        "is_first_party": client.is_first_party,
        "grant_types": client.grant_types.iter().map(|grant_type| grant_type.name()).collect::<Vec<_>>(),
        "token_endpoint_auth_method": match client.token_endpoint_auth_method {
            TokenEndpointAuthMethod::None => "none",
            TokenEndpointAuthMethod::ClientSecretPost => "client_secret_post",
            TokenEndpointAuthMethod::ClientSecretBasic => "client_secret_basic",
        },
        "callbacks": client.callbacks,
        "web_origins": client.web_origins,
        "allowed_logout_urls": client.allowed_logout_urls,
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "id_token_alg": client.id_token_algorithm.name(),
        "logo_uri": client.logo_uri,
        "skip_non_verifiable_callback_uri_confirmation_prompt":
            client.skip_non_verifiable_callback_uri_confirmation_prompt,
    })
}

fn grant_types(names: &[String]) -> Result<Vec<GrantType>, Failed> {
    let named = |name: &String| {
        GrantType::from_name(name).ok_or_else(|| {
            let known: Vec<_> = GrantType::ALL.iter().map(|(_, name)| *name).collect();
            Failed::Usage(format!("--grants {name:?}: use {}", known.join(", ")))
        })
    };
    names.iter().map(named).collect()
}

pub(crate) async fn run(verb: Apps) -> Result<(), Failed> {
    match verb {
        Apps::List(list) => {
            let store = list.tenant.open_store().await?;
            let found = clients::all(&store).await?;
            let objects: Vec<_> = found.iter().map(|client| object(&client.record)).collect();
            output::list(list.json, &["client_id", "name", "type", "grant_types"], &objects);
        }
        Apps::Show(named) => {
            let store = named.on.tenant.open_store().await?;
            let found = clients::find(&store, &ClientId::parse(&named.client_id)?).await?;
            output::show(named.on.json, &object(&found.record));
        }
        Apps::Create(create) => {
            let application_type = match create.kind.as_str() {
                "regular" => ApplicationType::RegularWeb,
                "spa" => ApplicationType::SinglePage,
                "native" => ApplicationType::Native,
                _ => ApplicationType::NonInteractive,
            };
            let grant_types = grant_types(&create.grants)?;
            let defaults = NewClient::of_type(application_type, &create.name);
            let new = NewClient {
                id_token_algorithm: create.shown.algorithm().unwrap_or(defaults.id_token_algorithm),
                logo_uri: create.shown.logo().flatten(),
                skip_non_verifiable_callback_uri_confirmation_prompt: create
                    .shown
                    .skip_confirmation()
                    .flatten(),
                grant_types: Some(grant_types).filter(|grant_types| !grant_types.is_empty()),
                callbacks: create.callbacks,
                web_origins: create.web_origins,
                allowed_logout_urls: create.logout_urls,
                backchannel_logout_uri: create.backchannel_logout_uri.filter(|uri| !uri.is_empty()),
                is_first_party: !create.third_party,
                ..defaults
            };
            let (stores, id, settings) = create.on.tenant.open_with_settings().await?;
            let digest_key =
                crate::keys::secret_digest_key(&stores, &id).map_err(crate::administration::Refusal::from)?;
            let (client, secret) =
                clients::create(&stores.tenant(&id), new, &settings, &digest_key, &SystemMoments).await?;
            let mut object = object(&client);
            if let (Some(members), Some(secret)) = (object.as_object_mut(), secret) {
                members.insert("client_secret".to_owned(), json!(secret.expose()));
            }
            output::show(create.on.json, &object);
        }
        Apps::Update(update) => {
            let grants = update.grants.as_deref().map(grant_types).transpose()?;
            let id = ClientId::parse(&update.client_id)?;
            let (stores, tenant, settings) = update.on.tenant.open_with_settings().await?;
            let client = clients::update(&stores.tenant(&tenant), &id, &settings, |mut client| {
                client.name = update.name.clone().unwrap_or(client.name);
                client.grant_types = grants.clone().unwrap_or(client.grant_types);
                client.callbacks = update.callbacks.clone().unwrap_or(client.callbacks);
                client.web_origins = update.web_origins.clone().unwrap_or(client.web_origins);
                client.allowed_logout_urls = update.logout_urls.clone().unwrap_or(client.allowed_logout_urls);
                if let Some(uri) = &update.backchannel_logout_uri {
                    client.backchannel_logout_uri = Some(uri.clone()).filter(|uri| !uri.is_empty());
                }
                client.id_token_algorithm = update.shown.algorithm().unwrap_or(client.id_token_algorithm);
                client.logo_uri = update.shown.logo().unwrap_or(client.logo_uri);
                client.skip_non_verifiable_callback_uri_confirmation_prompt = update
                    .shown
                    .skip_confirmation()
                    .unwrap_or(client.skip_non_verifiable_callback_uri_confirmation_prompt);
                client
            })
            .await?;
            output::show(update.on.json, &object(&client));
        }
        Apps::RotateSecret(rotate) => {
            let client_id = ClientId::parse(&rotate.client_id)?;
            let (stores, id) = rotate.on.tenant.open().await?;
            let digest_key =
                crate::keys::secret_digest_key(&stores, &id).map_err(crate::administration::Refusal::from)?;
            let overlap = Lifetime(rotate.overlap);
            let secret =
                clients::rotate_secret(&stores.tenant(&id), &client_id, overlap, &digest_key, &SystemMoments)
                    .await?;
            let object = json!({ "client_id": client_id.as_str(), "client_secret": secret.expose() });
            output::show(rotate.on.json, &object);
        }
        Apps::Delete(named) => {
            let store = named.on.tenant.open_store().await?;
            clients::delete(&store, &ClientId::parse(&named.client_id)?).await?;
            if !named.on.json {
                output::print(&format!("removed {}", named.client_id));
            }
        }
    }
    Ok(())
}
