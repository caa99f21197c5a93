//! Connections: where people of a tenant are known (Auth0's database connections).

use crate::{ClientId, ConnectionName, UnixTime};

/// Through which applications a connection's people may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnabledClients {
    /// Every application.
    All,
    /// These.
    Only(Vec<ClientId>),
}

impl EnabledClients {
    /// Whether the application is one of them.
    pub fn include(&self, client: &ClientId) -> bool {
        match self {
            Self::All => true,
            Self::Only(clients) => clients.contains(client),
        }
    }
}

/// A database of people with passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name, unique in the tenant.
    pub name: ConnectionName,
    /// Through which applications its people may log in.
    pub enabled_clients: EnabledClients,
    /// When it was made.
    pub created_at: UnixTime,
}
