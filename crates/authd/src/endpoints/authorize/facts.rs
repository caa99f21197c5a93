//! What the authorization endpoint must know to decide, loaded from the store.

use std::sync::Arc;

use http::request::Parts;
use oauth_grants::Moment;
use oauth_grants::authorize::{AuthorizeParams, Facts, Flow, Hint, ValidRequest, consent};
use records::{
    AdministrativeConsent, Audience, Client, ClientGrant, ClientId, Connection, ResourceServer, Session,
    SessionId, SubjectType, User, UserGrant, Versioned,
};
use store::Unavailable;

use crate::app::Called;
use crate::backend::AnyStore;
use crate::failure::Failure;
use crate::http::cookies;
use crate::keys::TenantKeys;

/// The client that a request names. Read past the cache only where the cache has none: one that was just made counts.
pub(crate) async fn client(
    store: &AnyStore,
    params: &AuthorizeParams,
) -> Result<Option<Arc<Versioned<Client>>>, Unavailable> {
    match params.text("client_id").map(ClientId::parse) {
        Some(Ok(id)) => store.client(&id).await,
        _ => Ok(None),
    }
}

/// Facts, owned.
pub(crate) struct Loaded {
    pub(crate) api: Option<Arc<Versioned<ResourceServer>>>,
    client_grant: Option<Arc<Versioned<ClientGrant>>>,
    connection: Option<Arc<Versioned<Connection>>>,
    pub(crate) session: Option<Versioned<Session>>,
    pub(crate) user: Option<Versioned<User>>,
    home: Option<Arc<Versioned<Connection>>>,
    pub(crate) grant: Option<Versioned<UserGrant>>,
    administrative: Option<Arc<Versioned<AdministrativeConsent>>>,
    hint: Hint,
}

impl Loaded {
    pub(crate) async fn load(
        called: &Called,
        parts: &Parts,
        keys: &TenantKeys,
        request: &ValidRequest<'_>,
        moment: &Moment,
    ) -> Result<Self, Failure> {
        let (store, settings) = (&called.store, &called.tenant.record.settings);
        let client = &request.client.id;
        let api = match request.api(&called.origin) {
            Some(identifier) => store.resource_server_by_identifier(&identifier).await?,
            None => None,
        };
        let (mut client_grant, mut administrative) = (None, None);
        if let Some(api) = &api {
            client_grant = store.client_grant(client, &api.record.id, SubjectType::User).await?;
            administrative = store.administrative_consent(client, &api.record.id).await?;
        }
        let connection = match request.connection.as_ref().or(settings.default_directory.as_ref()) {
            Some(name) => store.connection(name).await?,
            None => None,
        };
        let session = match cookies::session_id(&parts.headers, called.origin.scheme()) {
            Some(id) => store.session(&id).await?,
            None => None,
        };
        let (mut user, mut home, mut grant) = (None, None, None);
        if let Some(session) = session.as_ref().filter(|session| session.record.is_live(moment.now)) {
            user = store.user(&session.record.user).await?;
            if let Some(user) = &user {
                home = store.connection(&user.record.connection).await?;
            }
            let audience =
                api.as_ref().map_or(Audience::UserInfo, |api| Audience::Api(api.record.id.clone()));
            grant = store.user_grant(&session.record.user, client, &audience).await?;
        }
        let hint = hint(called, keys, request, moment);
        Ok(Self { api, client_grant, connection, session, user, home, grant, administrative, hint })
    }

    pub(crate) fn facts<'f>(&'f self, called: &'f Called, flow: Option<&'f Flow>) -> Facts<'f> {
        Facts {
            settings: &called.tenant.record.settings,
            origin: &called.origin,
            api: self.api.as_ref().map(|api| &api.record),
            client_grant: self.client_grant.as_ref().map(|grant| &grant.record),
            connection: self.connection.as_ref().map(|connection| &connection.record),
            session: self.session.as_ref(),
            user: self.user.as_ref(),
            home: self.home.as_ref().map(|connection| &connection.record),
            grant: self.grant.as_ref(),
            administrative: self.administrative.as_ref().map(|consent| &consent.record),
            hint: &self.hint,
            flow,
        }
    }

    /// What a consent dialog is about, where somebody is there to be asked.
    pub(crate) fn dialog<'f>(
        &'f self,
        called: &'f Called,
        request: &ValidRequest<'f>,
    ) -> Option<consent::Facts<'f>> {
        Some(consent::Facts {
            settings: &called.tenant.record.settings,
            client: request.client,
            api: self.api.as_ref().map(|api| &api.record),
            session: self.session.as_ref()?,
            user: self.user.as_ref()?,
            grant: self.grant.as_ref(),
        })
    }

    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.record.id.clone())
    }
}

/// Whose ID token the `id_token_hint` is.
fn hint(called: &Called, keys: &TenantKeys, request: &ValidRequest<'_>, moment: &Moment) -> Hint {
    let Some(token) = request.id_token_hint else { return Hint::Absent };
    let hinted = crate::endpoints::hint::verify(called, keys, request.client, token, moment);
    hinted.map_or(Hint::Refused, |hinted| Hint::Of(hinted.user))
}
