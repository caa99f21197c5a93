//! `authd grants`: granting applications access to APIs.

use clap::{Args, Subcommand};
use records::{ClientGrant, ClientGrantId, ClientId, ScopeSet, SubjectType};
use serde_json::{Value, json};
use store::GrantsOf;

use super::local::OnTenant;
use super::{Failed, output};
use crate::administration::client_grants::{self, Granted};
use crate::administration::resource_servers;
use crate::moment::SystemMoments;

#[derive(Debug, Subcommand)]
pub(crate) enum Grants {
    /// List the grants
    #[command(visible_alias = "ls")]
    List(List),
    /// Let an application ask for an API's tokens
    Create(Create),
    /// Change how much is granted; tokens that were issued stay as they are
    Update(Update),
    /// Take a grant back; tokens that were issued live until they expire
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this application's
    #[arg(long, value_name = "CLIENT_ID")]
    client_id: Option<String>,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The application
    #[arg(long, value_name = "CLIENT_ID")]
    client_id: String,
    /// The API, by identifier or id; the Management API is api/v2/
    #[arg(short, long, value_name = "IDENTIFIER")]
    audience: String,
    /// The scopes, separated by commas or spaces
    #[arg(short, long, value_name = "SCOPES", conflicts_with = "all_scopes")]
    scopes: Option<String>,
    /// Every scope of the API, also those it defines later
    #[arg(long)]
    all_scopes: bool,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The grant's id
    id: String,
    /// The scopes from now on, separated by commas or spaces
    #[arg(
        short,
        long,
        value_name = "SCOPES",
        conflicts_with = "all_scopes",
        required_unless_present = "all_scopes"
    )]
    scopes: Option<String>,
    /// Every scope of the API, also those it defines later
    #[arg(long)]
    all_scopes: bool,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The grant's id
    id: String,
    #[command(flatten)]
    on: OnTenant,
}

fn object(grant: &ClientGrant) -> Value {
    json!({
        "id": grant.id.as_str(),
        "client_id": grant.client.as_str(),
        "resource_server": grant.resource_server.as_str(),
        "scopes": if grant.allow_all_scopes { "(all)".to_owned() } else { grant.scopes.to_string() },
        "subject_type": grant.subject_type.name(),
    })
}

fn granted(all_scopes: bool, scopes: Option<&str>) -> Result<Granted, Failed> {
    if all_scopes {
        return Ok(Granted::Everything);
    }
    Ok(Granted::Scopes(ScopeSet::parse(&scopes.unwrap_or_default().replace(',', " "))?))
}

pub(crate) async fn run(verb: Grants) -> Result<(), Failed> {
    match verb {
        Grants::List(list) => {
            let client = list.client_id.as_deref().map(ClientId::parse).transpose()?;
            let of = client.as_ref().map_or(GrantsOf::All, GrantsOf::Client);
            let store = list.on.tenant.open_store().await?;
            let found = client_grants::all(&store, of).await?;
            let objects: Vec<_> = found.iter().map(|grant| object(&grant.record)).collect();
            output::list(list.on.json, &["id", "client_id", "resource_server", "scopes"], &objects);
        }
        Grants::Create(create) => {
            let client = ClientId::parse(&create.client_id)?;
            let granted = granted(create.all_scopes, create.scopes.as_deref())?;
            let store = create.on.tenant.open_store().await?;
            let api = resource_servers::find(&store, &create.audience).await?;
            let grant = client_grants::create(
                &store,
                &client,
                &api.record.id,
                SubjectType::Client,
                &granted,
                &SystemMoments,
            )
            .await?;
            output::show(create.on.json, &object(&grant));
        }
        Grants::Update(update) => {
            let id = ClientGrantId::parse(&update.id)?;
            let granted = granted(update.all_scopes, update.scopes.as_deref())?;
            let store = update.on.tenant.open_store().await?;
            let grant = client_grants::update(&store, &id, &granted).await?;
            output::show(update.on.json, &object(&grant));
        }
        Grants::Delete(delete) => {
            let id = ClientGrantId::parse(&delete.id)?;
            let store = delete.on.tenant.open_store().await?;
            client_grants::delete(&store, &id).await?;
            if !delete.on.json {
                output::print(&format!("removed {id}"));
            }
        }
    }
    Ok(())
}
