//! What a decision wants written: typed, each naming what it relied on.

use crate::{
    AdministrativeConsent, AuthorizationCode, Client, ClientGrant, Connection, ConsentRecord, ConsumedHandle,
    LoginAttempts, LogoutDelivery, RefreshFamily, RefreshFamilyId, ResourceServer, SeenJti, Session,
    SessionId, SigningKey, Tenant, User, UserGrant, UserGrantKey, UserId,
};

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

impl<T> Versioned<T> {
    /// Something of the record, or made of it, at the same version.
    pub fn map<U>(&self, of: impl FnOnce(&T) -> U) -> Versioned<U> {
        Versioned { record: of(&self.record), version: self.version }
    }
}

/// One change, or one reliance. A commit takes several and makes all of them or none.
///
/// *Create* relies on the absence of the record and of every unique name it claims; *Replace* and *Delete* rely on
/// the version they name. Where something else was written meanwhile the commit is a conflict: load and decide again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a commit has a handful of writes, each made once and lowered once: boxes would cost more than they save"
)]
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
    /// A new connection.
    CreateConnection(Connection),
    /// A connection's new state.
    ReplaceConnection(Versioned<Connection>, Connection),
    /// Removes a connection. Its people are removed before.
    DeleteConnection(Versioned<Connection>),
    /// A new person, with login names that nobody else in the connection has. Relies on the connection, and advances
    /// its version, so that it cannot cross the connection's removal.
    CreateUser(User, Versioned<Connection>),
    /// A person's new state; may claim and release login names. The connection cannot change.
    ReplaceUser(Versioned<User>, User),
    /// Removes a person. Sessions and grants are removed by writes of their own.
    DeleteUser(Versioned<User>),
    /// A new session.
    CreateSession(Session),
    /// A session's new state.
    ReplaceSession(Versioned<Session>, Session),
    /// Ends a session.
    DeleteSession(Versioned<Session>),
    /// What a person allowed an application for the first time on this audience.
    CreateUserGrant(UserGrant),
    /// What a person allows now. What it is unique on cannot change.
    ReplaceUserGrant(Versioned<UserGrant>, UserGrant),
    /// Withdraws what a person allowed.
    DeleteUserGrant(Versioned<UserGrant>),
    /// Keeps what was shown and chosen.
    RecordConsent(ConsentRecord),
    /// What an administrator allows for the first time on this application and API. Relies on both, and advances their
    /// versions, so that it cannot cross their removal.
    CreateAdministrativeConsent {
        /// The consent.
        consent: AdministrativeConsent,
        /// The application it names.
        client: Versioned<Client>,
        /// The API it names.
        resource_server: Versioned<ResourceServer>,
    },
    /// What an administrator allows now. What it is unique on cannot change.
    ReplaceAdministrativeConsent(Versioned<AdministrativeConsent>, AdministrativeConsent),
    /// Withdraws what an administrator allowed.
    DeleteAdministrativeConsent(Versioned<AdministrativeConsent>),
    /// A new authorization code.
    IssueCode(AuthorizationCode),
    /// A code is used; relies on its being as it was read, that is unused.
    RedeemCode(Versioned<AuthorizationCode>, AuthorizationCode),
    /// A new refresh family.
    CreateRefreshFamily(RefreshFamily),
    /// A refresh family's new state, rotated or used, at the version that it replaces. Relies on its being as it was read,
    /// so that of two refreshes at once, and of a refresh and a revocation, one comes first.
    ReplaceRefreshFamily(Versioned<RefreshFamily>),
    /// Removes a refresh family to make room for another; relies on it being as it was read.
    DeleteRefreshFamily(Versioned<RefreshFamily>),
    /// Ends a refresh family, if it is still there, however it was rotated meanwhile: whoever refreshes without pause
    /// delays no revocation. Whose it is never changes, so nothing is relied on.
    EndRefreshFamily(RefreshFamilyId),
    /// Changes nothing; relies on the family being as it was read.
    RelyOnRefreshFamily(Versioned<RefreshFamilyId>),
    /// Counts an attempt to log in before it is verified; relies on no other having been counted meanwhile.
    ReserveAttempt(Option<Versioned<LoginAttempts>>, LoginAttempts),
    /// Forgets failed attempts after a success.
    ClearAttempts(Versioned<LoginAttempts>),
    /// An application is to be told that a session ended. In the commit that ends it.
    ScheduleLogoutDelivery(LogoutDelivery),
    /// A delivery is tried now, or later. Relies on its being as it was read, so that of several servers one tries. Which
    /// application and which session cannot change.
    RescheduleLogoutDelivery(Versioned<LogoutDelivery>, LogoutDelivery),
    /// A delivery was made, or is given up.
    DeleteLogoutDelivery(Versioned<LogoutDelivery>),
    /// Uses a sealed handle up; relies on its not having been used.
    ConsumeHandle(ConsumedHandle),
    /// Changes nothing; relies on the person's record being as it was read.
    RelyOnUser(Versioned<UserId>),
    /// Changes nothing; relies on the session being as it was read.
    RelyOnSession(Versioned<SessionId>),
    /// Changes nothing; relies on the grant being as it was read.
    RelyOnUserGrant(Versioned<UserGrantKey>),
}
