//! `authd connections`: the databases of people.

use clap::{Args, Subcommand};
use records::{ClientId, Connection, ConnectionName, EnabledClients};
use serde_json::{Value, json};

use super::local::OnTenant;
use super::{Failed, output};
use crate::administration::connections;
use crate::moment::SystemMoments;

#[derive(Debug, Subcommand)]
pub(crate) enum Connections {
    /// List the connections
    #[command(visible_alias = "ls")]
    List(OnTenant),
    /// Make a connection
    Create(Named),
    /// Choose through which applications its people may log in
    Update(Named),
    /// Remove a connection that has no people
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The connection's name: letters, digits, single hyphens
    name: String,
    /// Through which applications alone its people may log in, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "CLIENT_IDS")]
    clients: Option<Vec<String>>,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The connection's name
    name: String,
    #[command(flatten)]
    on: OnTenant,
}

impl Named {
    fn parsed(&self) -> Result<(ConnectionName, EnabledClients), Failed> {
        let name = ConnectionName::parse(&self.name)?;
        let Some(clients) = &self.clients else { return Ok((name, EnabledClients::All)) };
        let named = clients.iter().filter(|id| !id.is_empty()).map(|id| ClientId::parse(id));
        Ok((name, EnabledClients::Only(named.collect::<Result<_, _>>()?)))
    }
}

fn object(connection: &Connection) -> Value {
    json!({
        "name": connection.name.as_str(),
        "strategy": "auth0",
        "enabled_clients": match &connection.enabled_clients {
            EnabledClients::All => json!("(all)"),
            EnabledClients::Only(clients) => clients.iter().map(ClientId::as_str).collect(),
        },
    })
}

pub(crate) async fn run(verb: Connections) -> Result<(), Failed> {
    match verb {
        Connections::List(list) => {
            let store = list.tenant.open_store().await?;
            let found = connections::all(&store).await?;
            let objects: Vec<_> = found.iter().map(|connection| object(&connection.record)).collect();
            output::list(list.json, &["name", "strategy", "enabled_clients"], &objects);
        }
        Connections::Create(create) => {
            let (name, enabled) = create.parsed()?;
            let store = create.on.tenant.open_store().await?;
            let connection = connections::create(&store, &name, enabled, &SystemMoments).await?;
            output::show(create.on.json, &object(&connection));
        }
        Connections::Update(update) => {
            let (name, enabled) = update.parsed()?;
            let store = update.on.tenant.open_store().await?;
            let connection = connections::update(&store, &name, &enabled).await?;
            output::show(update.on.json, &object(&connection));
        }
        Connections::Delete(delete) => {
            let name = ConnectionName::parse(&delete.name)?;
            let (stores, id, settings) = delete.on.tenant.open_with_settings().await?;
            connections::delete(&stores.tenant(&id), &name, settings.default_directory.as_ref()).await?;
            if !delete.on.json {
                output::print(&format!("removed {name}"));
            }
        }
    }
    Ok(())
}
