//! What a decision wants written: typed, each naming what it relied on.

use crate::{Client, ClientGrant, ResourceServer, SeenJti, SigningKey, Tenant};

/// Counts a row's changes; never the same twice for one key, not even after it was deleted and made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A record and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The record.
    pub record: T,
    /// What a write that relies on it must name.
    pub version: Version,
}

/// One change. A commit takes several and makes all of them or none.
///
/// *Create* relies on the absence of the record and of every unique name it claims; *Replace* and *Delete* rely on
/// the version they name. Where something else was written meanwhile the commit is a conflict: load and decide again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new tenant, at origins that no other tenant has. In the directory only.
    CreateTenant(Tenant),
    /// A tenant's new state; may claim and release origins. In the directory only.
    ReplaceTenant(Versioned<Tenant>, Tenant),
    /// A new application.
    CreateClient(Client),
    /// An application's new state.
    ReplaceClient(Versioned<Client>, Client),
    /// Removes an application. Its grants are removed by writes of their own in the same commit.
    DeleteClient(Versioned<Client>),
    /// A new API, with an identifier that no other has.
    CreateResourceServer(ResourceServer),
    /// An API's new state. The identifier cannot change.
    ReplaceResourceServer(Versioned<ResourceServer>, ResourceServer),
    /// Removes an API. Its grants are removed by writes of their own in the same commit.
    DeleteResourceServer(Versioned<ResourceServer>),
    /// A new grant. Relies on its client and its API, and advances both versions, so that it cannot cross their removal.
    CreateClientGrant {
        /// The grant.
        grant: ClientGrant,
        /// The client it names.
        client: Versioned<Client>,
        /// The API it names.
        resource_server: Versioned<ResourceServer>,
    },
    /// A grant's new scopes. What it is unique on cannot change.
    ReplaceClientGrant(Versioned<ClientGrant>, ClientGrant),
    /// Removes a grant.
    DeleteClientGrant(Versioned<ClientGrant>),
    /// A new signing key.
    CreateSigningKey(SigningKey),
    /// A signing key's next state.
    ReplaceSigningKey(Versioned<SigningKey>, SigningKey),
    /// Remembers an assertion; relies on its not having been seen.
    InsertJti(SeenJti),
}
