//! One tenant's store: people, their sessions, what they allow, and the short-lived records of logging in.

use std::sync::Arc;

use records::{
    AdministrativeConsent, AttemptsId, Audience, AuthorizationCode, AuthorizationCodeId, ClientId,
    Connection, ConnectionName, ConsentRecord, ConsentRecordId, HandleId, LoginAttempts, LoginName,
    LogoutDelivery, RefreshFamily, RefreshFamilyId, ResourceServerId, SecretText, Session, SessionId, User,
    UserGrant, UserGrantId, UserId, Versioned,
};

use crate::stored::{
    self, BY_CLIENT, BY_CONNECTION, BY_ID, BY_RESOURCE_SERVER, BY_USER, BY_USER_AND_CLIENT, LoginOwner,
    Stored, administrative_consent_key, login_key, user_grant_key,
};
use crate::{Backend, IndexEntry, Key, Store, Unavailable};

/// Which user grants to list.
#[derive(Clone, Copy, Debug)]
pub enum UserGrantsOf<'a> {
    /// A person's.
    User(&'a UserId),
    /// Those to an application.
    Client(&'a ClientId),
    /// Those on an API.
    ResourceServer(&'a ResourceServerId),
}

/// Which administrators' consents to list.
#[derive(Clone, Copy, Debug)]
pub enum AdministrativeConsentsOf<'a> {
    /// All of the tenant.
    All,
    /// Those to an application.
    Client(&'a ClientId),
    /// Those on an API.
    ResourceServer(&'a ResourceServerId),
}

/// Which refresh families to list.
#[derive(Clone, Copy, Debug)]
pub enum RefreshFamiliesOf<'a> {
    /// A person's.
    User(&'a UserId),
    /// Those to an application.
    Client(&'a ClientId),
    /// A person's to an application: the oldest first.
    UserAndClient(&'a UserId, &'a ClientId),
    /// Those on an API.
    ResourceServer(&'a ResourceServerId),
}

/// How new a record has to be that a decision is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As this process last saw it, or as it is now. Other processes may have changed or removed it since. So it is for a
    /// decision alone that names the record's version in its commit, which is then a conflict, and that is made again on
    /// [`Freshness::Now`] after a conflict and before anything is refused.
    Remembered,
    /// As it is now.
    Now,
}

/// A record as the backend has it, or nothing.
type Found<T> = Result<Option<Versioned<T>>, Unavailable>;

impl<B: Backend> Store<B> {
    /// Reads a record past the cache.
    async fn read<T: Stored>(&self, key: Key) -> Found<T> {
        let row = self.stores.backend().get(&self.space, T::KIND, &key).await?;
        row.map(|row| stored::read(self.stores.sealer(), &self.space, row)).transpose()
    }

    /// A connection, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn connection(
        &self,
        name: &ConnectionName,
    ) -> Result<Option<Arc<Versioned<Connection>>>, Unavailable> {
        self.stores.cached(&self.space, Key::of(&[name.as_str()])).await
    }

    /// Connections in the order of their names: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn connections(
        &self,
        after: Option<&ConnectionName>,
        at_most: usize,
    ) -> Result<Vec<Versioned<Connection>>, Unavailable> {
        let after = after.map(|name| Key::of(&[name.as_str()]));
        self.stores.page(&self.space, None, after.as_ref(), at_most).await
    }

    /// A person by their id.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn user(&self, id: &UserId) -> Found<User> {
        self.read(Key::of(&[id.as_str()])).await
    }

    /// A person by their id, as new as is asked for.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn user_as_of(
        &self,
        id: &UserId,
        freshness: Freshness,
    ) -> Result<Option<Arc<Versioned<User>>>, Unavailable> {
        self.stores.as_of(&self.space, Key::of(&[id.as_str()]), freshness).await
    }

    /// The hash of a person's password, opened; `None` where they have none. A person is read with the hash sealed: it is
    /// wanted by who verifies a password alone, and what is wrong with it is noticed here, and by [`crate::Stores::examine`].
    ///
    /// # Errors
    ///
    /// [`Unavailable::Unreadable`] with the person's row, where the hash does not open: it was changed, it is another
    /// person's or another tenant's, or its key is not at hand.
    pub fn password_hash(&self, user: &User) -> Result<Option<SecretText>, Unavailable> {
        stored::password_hash(self.stores.sealer(), &self.space, user)
    }

    /// Whether two states are of one person with one password, or one without any: whether the password that was verified
    /// in the one is still the person's in the other. A hash that was only sealed again meanwhile is the same.
    ///
    /// # Errors
    ///
    /// As [`Store::password_hash`], where the hashes have to be opened to say.
    pub fn has_same_password(&self, one: &User, other: &User) -> Result<bool, Unavailable> {
        stored::has_same_password(self.stores.sealer(), &self.space, one, other)
    }

    /// A person by what they log in with.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn user_by_login(&self, connection: &ConnectionName, name: &LoginName) -> Found<User> {
        let owner: Option<Versioned<LoginOwner>> = self.read(login_key(connection, name)).await?;
        let Some(owner) = owner else { return Ok(None) };
        let user = self.user(&owner.record.user).await?;
        // The two rows were read one after the other: the name may have changed hands in between.
        Ok(user.filter(|user| user.record.login_names().any(|login| login == *name)))
    }

    /// People in the order of their ids, all or those of a connection: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn users(
        &self,
        connection: Option<&ConnectionName>,
        after: Option<&UserId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<User>>, Unavailable> {
        let after = after.map(|id| Key::of(&[id.as_str()]));
        let filter = connection.map(|name| IndexEntry::of(BY_CONNECTION, &[name.as_str()]));
        self.stores.page(&self.space, filter.as_ref(), after.as_ref(), at_most).await
    }

    /// A session, whether or not it still holds.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn session(&self, id: &SessionId) -> Found<Session> {
        self.read(Key::of(&[id.as_str()])).await
    }

    /// A person's sessions in the order of their ids: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn sessions(
        &self,
        user: &UserId,
        after: Option<&SessionId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<Session>>, Unavailable> {
        let after = after.map(|id| Key::of(&[id.as_str()]));
        let filter = IndexEntry::of(BY_USER, &[user.as_str()]);
        self.stores.page(&self.space, Some(&filter), after.as_ref(), at_most).await
    }

    /// What a person allowed an application on an audience.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn user_grant(
        &self,
        user: &UserId,
        client: &ClientId,
        audience: &Audience,
    ) -> Found<UserGrant> {
        self.read(user_grant_key(user, client, audience)).await
    }

    /// What a person allowed an application on an audience, as new as is asked for.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn user_grant_as_of(
        &self,
        user: &UserId,
        client: &ClientId,
        audience: &Audience,
        freshness: Freshness,
    ) -> Result<Option<Arc<Versioned<UserGrant>>>, Unavailable> {
        self.stores.as_of(&self.space, user_grant_key(user, client, audience), freshness).await
    }

    /// A user grant by its own id.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn user_grant_by_id(&self, id: &UserGrantId) -> Found<UserGrant> {
        let filter = IndexEntry::of(BY_ID, &[id.as_str()]);
        Ok(self.stores.page(&self.space, Some(&filter), None, 1).await?.pop())
    }

    /// User grants in a fixed order: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn user_grants(
        &self,
        of: UserGrantsOf<'_>,
        after: Option<&UserGrant>,
        at_most: usize,
    ) -> Result<Vec<Versioned<UserGrant>>, Unavailable> {
        let filter = match of {
            UserGrantsOf::User(user) => IndexEntry::of(BY_USER, &[user.as_str()]),
            UserGrantsOf::Client(client) => IndexEntry::of(BY_CLIENT, &[client.as_str()]),
            UserGrantsOf::ResourceServer(api) => IndexEntry::of(BY_RESOURCE_SERVER, &[api.as_str()]),
        };
        let after = after.map(Stored::key);
        self.stores.page(&self.space, Some(&filter), after.as_ref(), at_most).await
    }

    /// What a person was shown and chose once.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn consent_record(&self, user: &UserId, id: &ConsentRecordId) -> Found<ConsentRecord> {
        self.read(Key::of(&[user.as_str(), id.as_str()])).await
    }

    /// What a person was shown and chose, in the order of the records' ids: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn consent_records(
        &self,
        user: &UserId,
        after: Option<&ConsentRecordId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<ConsentRecord>>, Unavailable> {
        let after = after.map(|id| Key::of(&[user.as_str(), id.as_str()]));
        let filter = IndexEntry::of(BY_USER, &[user.as_str()]);
        self.stores.page(&self.space, Some(&filter), after.as_ref(), at_most).await
    }

    /// What an administrator allowed an application on an API, from the cache if it is there.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn administrative_consent(
        &self,
        client: &ClientId,
        api: &ResourceServerId,
    ) -> Result<Option<Arc<Versioned<AdministrativeConsent>>>, Unavailable> {
        self.stores.cached_or_absent(&self.space, administrative_consent_key(client, api)).await
    }

    /// Administrators' consents in the order of application and API: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn administrative_consents(
        &self,
        of: AdministrativeConsentsOf<'_>,
        after: Option<&AdministrativeConsent>,
        at_most: usize,
    ) -> Result<Vec<Versioned<AdministrativeConsent>>, Unavailable> {
        let filter = match of {
            AdministrativeConsentsOf::All => None,
            AdministrativeConsentsOf::Client(client) => Some(IndexEntry::of(BY_CLIENT, &[client.as_str()])),
            AdministrativeConsentsOf::ResourceServer(api) => {
                Some(IndexEntry::of(BY_RESOURCE_SERVER, &[api.as_str()]))
            }
        };
        let after = after.map(Stored::key);
        self.stores.page(&self.space, filter.as_ref(), after.as_ref(), at_most).await
    }

    /// An authorization code, whether or not it is used or expired.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn authorization_code(&self, id: &AuthorizationCodeId) -> Found<AuthorizationCode> {
        self.read(Key::of(&[id.as_str()])).await
    }

    /// A refresh family, whether or not it still holds.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn refresh_family(&self, id: &RefreshFamilyId) -> Found<RefreshFamily> {
        self.read(Key::of(&[id.as_str()])).await
    }

    /// Refresh families in the order in which they were made: those after `after`, at most `at_most`.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn refresh_families(
        &self,
        of: RefreshFamiliesOf<'_>,
        after: Option<&RefreshFamilyId>,
        at_most: usize,
    ) -> Result<Vec<Versioned<RefreshFamily>>, Unavailable> {
        let filter = match of {
            RefreshFamiliesOf::User(user) => IndexEntry::of(BY_USER, &[user.as_str()]),
            RefreshFamiliesOf::Client(client) => IndexEntry::of(BY_CLIENT, &[client.as_str()]),
            RefreshFamiliesOf::UserAndClient(user, client) => {
                IndexEntry::of(BY_USER_AND_CLIENT, &[user.as_str(), client.as_str()])
            }
            RefreshFamiliesOf::ResourceServer(api) => IndexEntry::of(BY_RESOURCE_SERVER, &[api.as_str()]),
        };
        let after = after.map(|id| Key::of(&[id.as_str()]));
        self.stores.page(&self.space, Some(&filter), after.as_ref(), at_most).await
    }

    /// Counted attempts to log in.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn login_attempts(&self, id: &AttemptsId) -> Found<LoginAttempts> {
        self.read(Key::of(&[id.as_str()])).await
    }

    /// Applications that are to be told that a session ended, at most `at_most`: what is due first comes first.
    ///
    /// # Errors
    ///
    /// Where the storage failed or a row cannot be read.
    pub async fn logout_deliveries(
        &self,
        at_most: usize,
    ) -> Result<Vec<Versioned<LogoutDelivery>>, Unavailable> {
        self.stores.page(&self.space, None, None, at_most).await
    }

    /// The row of this delivery, as it stands now.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn logout_delivery(&self, delivery: &LogoutDelivery) -> Found<LogoutDelivery> {
        self.read(delivery.key()).await
    }

    /// Whether a sealed handle was used up.
    ///
    /// # Errors
    ///
    /// Where the storage failed or the row cannot be read.
    pub async fn is_consumed(&self, id: &HandleId) -> Result<bool, Unavailable> {
        Ok(self.read::<records::ConsumedHandle>(Key::of(&[id.as_str()])).await?.is_some())
    }
}
