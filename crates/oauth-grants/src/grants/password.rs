//! Tokens for a name and a password, for the tenant's own applications (RFC 6749 §4.3; Auth0's password-realm).
//!
//! Hashing a password is the dearest thing a request can make the server do. So it stands between two steps: [`check`]
//! makes every check that is cheap, and only what it hands back leads to [`decide`], with the password verified.

use std::fmt;

use policy::lifetime::Channel;
use policy::scope::UserScopeRefusal;
use policy::{AudienceRefusal, GrantTypeRefusal};
use records::{
    ApiIdentifier, Audience, AuthenticationMethod, Client, ClientGrant, Connection, ConnectionName,
    GrantType, LoginAttempts, LoginName, Origin, ResourceServer, ScopeSet, TenantSettings, User, Versioned,
    Write,
};

use crate::client_auth::AuthenticatedClient;
use crate::error::Echo;
use crate::grants::refresh_token::{Login, NewFamily, begin};
use crate::issue::{UserTokenFacts, user_access_token};
use crate::metadata::USERINFO_PATH;
use crate::oidc::claims::{UserClaims, has_scope};
use crate::oidc::id_token::IdToken;
use crate::response::Tokens;
use crate::{Decision, Moment, Outcome, Params, TokenError, TokenRequest};

/// What the request says, apart from which application sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'p> {
    /// Which of the two grant types it is.
    pub grant_type: GrantType,
    /// `username`: an e-mail address or a name.
    pub username: &'p str,
    /// `password`
    pub password: &'p str,
    /// `realm`: the connection's name; with `password-realm` alone.
    pub realm: Option<&'p str>,
    /// `audience`: which API the token is for, in Auth0's word.
    pub audience: Option<&'p str>,
    /// `resource`: the same in RFC 8707's word.
    pub resource: Option<&'p str>,
    /// `scope`; empty where none is named.
    pub scope: ScopeSet,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even the name: people type their passwords into the wrong field.
        f.debug_struct("Request")
            .field("grant_type", &self.grant_type)
            .field("realm", &self.realm)
            .field("audience", &self.audience)
            .field("resource", &self.resource)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Reads a request of the grant type `password`.
///
/// # Errors
/// [`TokenError::MissingParameter`], [`TokenError::MalformedScope`], [`TokenError::ParameterNotBuilt`]
pub fn parse(params: &Params) -> Result<TokenRequest<'_>, TokenError> {
    // A realm means nothing to the standard's grant.
    read(params, GrantType::Password, None)
}

/// Reads a request of Auth0's grant type `password-realm`.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_realm(params: &Params) -> Result<TokenRequest<'_>, TokenError> {
    let realm = params.text("realm").ok_or(TokenError::MissingParameter("realm"))?;
    read(params, GrantType::PasswordRealm, Some(realm))
}

fn read<'p>(
    params: &'p Params,
    grant_type: GrantType,
    realm: Option<&'p str>,
) -> Result<TokenRequest<'p>, TokenError> {
    if let Some(name) = ["organization", "authorization_details"].into_iter().find(|name| params.has(name)) {
        return Err(TokenError::ParameterNotBuilt(name));
    }
    //= RFC 6749 §3.3
    let scope =
        params.text("scope").map(ScopeSet::parse).transpose().map_err(|_| TokenError::MalformedScope)?;
    Ok(TokenRequest::Password(Request {
        grant_type,
        username: params.text("username").ok_or(TokenError::MissingParameter("username"))?,
        password: params.text("password").ok_or(TokenError::MissingParameter("password"))?,
        realm,
        audience: params.text("audience"),
        resource: params.text("resource"),
        scope: scope.unwrap_or_default(),
    }))
}

/// The connection to load before checking: the realm, or the tenant's default directory.
///
/// # Errors
/// [`TokenError::UnknownConnection`] for a realm that no connection can be named, [`TokenError::NoDefaultDirectory`].
pub fn connection(request: &Request<'_>, settings: &TenantSettings) -> Result<ConnectionName, TokenError> {
    match request.realm {
        Some(realm) => ConnectionName::parse(realm).map_err(|_| TokenError::UnknownConnection),
        None => settings.default_directory.clone().ok_or(TokenError::NoDefaultDirectory),
    }
}

/// The API to load before checking. `None`: there is none to load; the token is for the userinfo endpoint, or [`check`]
/// says what is wrong.
pub fn resource_server(
    request: &Request<'_>,
    settings: &TenantSettings,
    origin: &Origin,
) -> Option<ApiIdentifier> {
    let audience = audience(request, settings, origin).ok()??;
    ApiIdentifier::requested(audience, origin).ok()
}

/// The API's audience that is meant; `None`: the userinfo endpoint alone, named or by default.
fn audience<'a>(
    request: &Request<'a>,
    settings: &'a TenantSettings,
    origin: &Origin,
) -> Result<Option<&'a str>, TokenError> {
    let meant =
        policy::audience::requested(request.audience, request.resource, settings.default_audience.as_deref())
            .map_err(|refusal| match refusal {
                AudienceRefusal::AudienceAndResourceDiffer => TokenError::AudienceAndResourceDiffer,
                AudienceRefusal::ResourceNotAbsolute => TokenError::MalformedResource,
            })?;
    Ok(meant.filter(|audience| audience.strip_prefix(origin.issuer()) != Some(USERINFO_PATH)))
}

/// What must be known to check.
#[derive(Clone, Copy, Debug)]
pub struct CheckFacts<'f> {
    /// Who asks.
    pub client: AuthenticatedClient<'f>,
    /// The connection that [`connection`] names, if there is one.
    pub connection: Option<&'f Connection>,
    /// The API that [`resource_server`] names, if it is registered.
    pub api: Option<&'f ResourceServer>,
    /// The client's user-type grant for that API, if there is one.
    pub client_grant: Option<&'f ClientGrant>,
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// The origin that the request came in on; the issuer.
    pub origin: &'f Origin,
}

/// A request for which nothing is left to check but the person. The only way to [`decide`].
#[derive(Clone, Debug)]
pub struct Checked<'f> {
    client: &'f Client,
    connection: &'f Connection,
    api: Option<&'f ResourceServer>,
    scope: ScopeSet,
    is_as_requested: bool,
    login_name: Option<LoginName>,
    settings: &'f TenantSettings,
    origin: &'f Origin,
}

impl Checked<'_> {
    /// Where the person is to be looked up.
    pub fn connection(&self) -> &ConnectionName {
        &self.connection.name
    }

    /// Under which name the person is to be looked up; `None` for text that is nobody's name, and that is then answered
    /// with the same work as a wrong password.
    pub fn login_name(&self) -> Option<&LoginName> {
        self.login_name.as_ref()
    }
}

/// Makes every check that needs neither the person nor the password.
///
/// # Errors
/// [`TokenError`], which depends on the application and its request alone: it tells nothing about people.
pub fn check<'f>(request: &Request<'_>, facts: CheckFacts<'f>) -> Result<Checked<'f>, TokenError> {
    let client = facts.client.client();
    let grant_type = request.grant_type.name();
    policy::client_rules::may_use(client, request.grant_type).map_err(|refusal| match refusal {
        GrantTypeRefusal::NotListed => TokenError::GrantTypeNotAllowed(grant_type),
        GrantTypeRefusal::ClientIsPublic => TokenError::ClientIsPublic(grant_type),
    })?;
    let audience = audience(request, facts.settings, facts.origin)?;
    let api = audience
        .map(|audience| {
            facts
                .api
                // Another API than the one meant would be a mistake of the caller; its tokens are not given away.
                .filter(|api| {
                    ApiIdentifier::requested(audience, facts.origin).as_ref() == Ok(&api.identifier)
                })
                .ok_or_else(|| TokenError::UnknownApi(Echo::of(audience)))
        })
        .transpose()?;
    let named = || Echo::of(audience.unwrap_or_default());
    let scopes =
        policy::scope::for_password(&request.scope, client, api, facts.client_grant).map_err(|refusal| {
            match refusal {
                UserScopeRefusal::ApiRefusesPeople => TokenError::ApiRefusesPeople(named()),
                UserScopeRefusal::NoClientGrant => TokenError::NoClientGrant(named()),
                UserScopeRefusal::ClientIsThirdParty => TokenError::ClientIsThirdParty(grant_type),
            }
        })?;
    let name = connection(request, facts.settings)?;
    let connection =
        facts.connection.filter(|connection| connection.name == name).ok_or(TokenError::UnknownConnection)?;
    if !connection.enabled_clients.include(&client.id) {
        return Err(TokenError::ConnectionNotEnabled);
    }
    let scope = scopes.granted;
    Ok(Checked {
        client,
        connection,
        api,
        is_as_requested: scope == request.scope,
        scope,
        login_name: LoginName::typed(request.username),
        settings: facts.settings,
        origin: facts.origin,
    })
}

/// How the attempt went. It was counted before the password was verified.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'f> {
    /// The person of [`Checked::login_name`], if there is one.
    pub user: Option<&'f Versioned<User>>,
    /// Whether the password is the person's. Verified against something even where there is no person.
    pub password_matches: bool,
    /// What is remembered of attempts on this account, the one under way included.
    pub account_attempts: Option<&'f Versioned<LoginAttempts>>,
    /// What is remembered of attempts from this address, the one under way included.
    pub address_attempts: Option<&'f Versioned<LoginAttempts>>,
    /// What a new refresh family needs.
    pub new_family: NewFamily<'f>,
}

/// Grants a person's tokens or says why not. A success forgets the account's failures and gives the address this attempt
/// back; a refusal writes nothing, the attempt having been counted.
pub fn decide<'f>(checked: Checked<'f>, attempt: Attempt<'f>, moment: &Moment) -> Decision<Tokens<'f>> {
    let name = checked.login_name.as_ref();
    let user = attempt.user.filter(|user| {
        // Another person than the one named would be a mistake of the caller; it opens no account.
        user.record.connection == checked.connection.name
            && user.record.login_names().any(|known| Some(&known) == name)
    });
    let refused = |error| Decision { writes: Vec::new(), outcome: Outcome::Refused(error) };
    let Some(user) = user.filter(|user| attempt.password_matches && user.record.password_hash.is_some())
    else {
        return refused(TokenError::WrongPassword);
    };
    // Only who knows the password learns that the account is blocked.
    if user.record.is_blocked {
        return refused(TokenError::UserBlocked);
    }
    let mut writes = vec![Write::RelyOnUser(user.map(|user| user.id.clone()))];
    writes.extend(attempt.account_attempts.cloned().map(Write::ClearAttempts));
    writes.extend(attempt.address_attempts.map(|attempts| {
        Write::ReserveAttempt(Some(attempts.clone()), policy::lockout::give_back(&attempts.record))
    }));
    let audience = checked.api.map_or(Audience::UserInfo, |api| Audience::Api(api.id.clone()));
    let login = Login {
        client: checked.client,
        user: &user.record.id,
        audience: &audience,
        scopes: &checked.scope,
        redirect_uri: None,
        origin: checked.origin,
        session: None,
        authenticated_at: user.record.authenticated_at(moment.now),
        methods: &[AuthenticationMethod::Password],
        names_auth_time: false,
        claims: None,
    };
    let Ok(begun) = begin(&login, attempt.new_family, moment) else {
        return refused(TokenError::WrongPassword);
    };
    let mut tokens = tokens(checked, &user.record, moment);
    tokens.refresh_token = begun.map(|begun| {
        writes.extend(begun.writes);
        begun.text
    });
    Decision { writes, outcome: Outcome::Granted(tokens) }
}

fn tokens<'f>(checked: Checked<'f>, user: &'f User, moment: &Moment) -> Tokens<'f> {
    let Checked { client, api, scope, is_as_requested, settings, origin, .. } = checked;
    let id_token = has_scope(&scope, "openid").then(|| IdToken {
        issuer: origin.issuer(),
        user: &user.id,
        client: &client.id,
        issued_at: moment.now,
        lifetime: client.id_token_lifetime,
        nonce: None,
        at_hash: None,
        c_hash: None,
        auth_time: None,
        // There is no browser, hence no session.
        session: None,
        methods: &[AuthenticationMethod::Password],
        claims: UserClaims::of_id_token(user, &scope, None, settings.updated_at),
        signing_algorithm: client.id_token_algorithm,
    });
    let access_token = user_access_token(
        UserTokenFacts {
            client,
            user: &user.id,
            api,
            scope,
            channel: Channel::TokenEndpoint,
            grant_type: Some("password"),
            session: None,
            claims: Vec::new(),
            origin,
        },
        moment,
    );
    Tokens::new(access_token, id_token, is_as_requested, settings)
}

#[cfg(test)]
mod tests;
