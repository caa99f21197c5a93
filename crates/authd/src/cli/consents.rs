//! `authd consents`: consenting in people's place (docs/adr/0008).

use clap::{Args, Subcommand};
use records::{AdministrativeConsent, ClientId, ConnectionName, ConsentFor, ConsentRule, ScopeSet, UserId};
use serde_json::{Value, json};
use store::AdministrativeConsentsOf;

use super::local::OnTenant;
use super::{Failed, output};
use crate::administration::{administrative_consents, resource_servers};
use crate::backend::AnyStore;
use crate::moment::SystemMoments;

#[derive(Debug, Subcommand)]
pub(crate) enum Consents {
    /// List what administrators allowed
    #[command(visible_alias = "ls")]
    List(List),
    /// Allow an application something on an API, so that these people are not asked
    Create(Create),
    /// Withdraw it for these people, or for all; tokens that were issued live until they expire
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only to this application
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
struct To {
    /// The application
    #[arg(long, value_name = "CLIENT_ID")]
    client: String,
    /// The API, by identifier or id; the Management API is api/v2/
    #[arg(long, value_name = "IDENTIFIER")]
    api: String,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Whom {
    /// For everybody in the tenant
    #[arg(long)]
    everybody: bool,
    /// For everybody whom this connection knows
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// For these people, by id, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "USER_IDS")]
    user: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    to: To,
    /// To what, separated by commas or spaces; scopes of OpenID Connect may be among them
    #[arg(short, long, value_name = "SCOPES")]
    scopes: String,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    on: OnTenant,
}

impl Whom {
    fn parsed(&self) -> Result<Option<ConsentFor>, Failed> {
        if self.everybody {
            return Ok(Some(ConsentFor::Everybody));
        }
        if let Some(name) = &self.connection {
            return Ok(Some(ConsentFor::Connection(ConnectionName::parse(name)?)));
        }
        if self.user.is_empty() {
            return Ok(None);
        }
        let mut people: Vec<_> = self.user.iter().map(|id| UserId::parse(id)).collect::<Result<_, _>>()?;
        people.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        people.dedup();
        Ok(Some(ConsentFor::Users(people)))
    }
}

/// One object a rule: that is what is listed and withdrawn.
async fn objects(store: &AnyStore, consent: &AdministrativeConsent) -> Result<Vec<Value>, Failed> {
    let api = resource_servers::by_id(store, &consent.resource_server).await?;
    let api = resource_servers::identifier_text(&api.record.identifier);
    let rules = consent.rules.iter().map(|rule| {
        json!({
            "client_id": consent.client.as_str(),
            "api": api,
            "users": match &rule.users {
                ConsentFor::Everybody => json!("everybody"),
                ConsentFor::Connection(name) => json!({ "connection": name.as_str() }),
                ConsentFor::Users(people) => people.iter().map(UserId::as_str).collect(),
            },
            "scopes": rule.scopes.to_string(),
        })
    });
    Ok(rules.collect())
}

pub(crate) async fn run(verb: Consents) -> Result<(), Failed> {
    const COLUMNS: &[&str] = &["client_id", "api", "users", "scopes"];
    match verb {
        Consents::List(list) => {
            let client = list.client.as_deref().map(ClientId::parse).transpose()?;
            let of = client.as_ref().map_or(AdministrativeConsentsOf::All, AdministrativeConsentsOf::Client);
            let store = list.on.tenant.open_store().await?;
            let mut found = Vec::new();
            for consent in administrative_consents::all(&store, of).await? {
                found.extend(objects(&store, &consent.record).await?);
            }
            output::list(list.on.json, COLUMNS, &found);
        }
        Consents::Create(create) => {
            let client = ClientId::parse(&create.to.client)?;
            let users = create.whom.parsed()?.ok_or_else(|| {
                Failed::Usage("say for whom: --everybody, --connection NAME or --user ID".to_owned())
            })?;
            let scopes = ScopeSet::parse(&create.scopes.replace(',', " "))?;
            let store = create.on.tenant.open_store().await?;
            let api = resource_servers::find(&store, &create.to.api).await?;
            let rule = ConsentRule { users, scopes };
            let consent =
                administrative_consents::add(&store, &client, &api.record.id, &rule, &SystemMoments).await?;
            output::list(create.on.json, COLUMNS, &objects(&store, &consent).await?);
        }
        Consents::Delete(delete) => {
            let client = ClientId::parse(&delete.to.client)?;
            let whom = delete.whom.parsed()?;
            let store = delete.on.tenant.open_store().await?;
            let api = resource_servers::find(&store, &delete.to.api).await?;
            administrative_consents::delete(&store, &client, &api.record.id, whom.as_ref()).await?;
            if !delete.on.json {
                output::print(&format!("withdrawn from {client} on {}", delete.to.api));
            }
        }
    }
    Ok(())
}
