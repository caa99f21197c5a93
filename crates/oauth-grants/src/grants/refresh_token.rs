//! Coming back for another access token (RFC 6749 §6; RFC 9700 §4.14.2; docs/adr/0004).

use std::fmt;

use policy::lifetime::Channel;
use policy::{GrantTypeRefusal, offline_access};
use records::{
    Audience, AuthenticationMethod, Client, ErrorProfile, GrantType, Invalid, Lifetime, Origin,
    PreviousToken, RefreshFamily, RefreshFamilyId, ResourceServer, RotationType, ScopeSet, ScopeToken,
    SecretText, SessionId, TenantSettings, UnixTime, User, UserGrant, UserId, Versioned, Write,
};

use crate::client_auth::AuthenticatedClient;
use crate::error::Echo;
use crate::grants::still_allowed::{Given, Left, StillFacts, Withdrawn, check};
use crate::issue::{UserTokenFacts, user_access_token};
use crate::oidc::claims::{ClaimsRequest, UserClaims, has_scope};
use crate::oidc::id_token::IdToken;
use crate::refresh::{RefreshKeys, RefreshToken};
use crate::response::Tokens;
use crate::{Decision, Moment, Outcome, Params, TokenError, TokenRequest};

/// The most families of one person at one client; the oldest leaves for a new one (Auth0; RT-19).
pub const MOST_FAMILIES: usize = 200;

/// A token that does not rotate is noted as used at most so often, in seconds: no row is hot.
const NOTED_EVERY: u64 = 3600;

/// What the request says, apart from who sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request<'p> {
    /// `refresh_token`
    pub refresh_token: &'p str,
    /// `scope`: less than was granted; `None`: all of it.
    pub scope: Option<ScopeSet>,
    /// `audience`, or `resource`: must be the one that was granted.
    pub audience: Option<&'p str>,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Reads the request.
///
/// # Errors
/// [`TokenError::MissingParameter`], [`TokenError::MalformedScope`], [`TokenError::ParameterNotBuilt`]
pub fn parse(params: &Params) -> Result<TokenRequest<'_>, TokenError> {
    if let Some(name) = ["organization", "authorization_details"].into_iter().find(|name| params.has(name)) {
        return Err(TokenError::ParameterNotBuilt(name));
    }
    let (audience, resource) = (params.text("audience"), params.text("resource"));
    if audience.is_some() && resource.is_some() && audience != resource {
        return Err(TokenError::AudienceAndResourceDiffer);
    }
    let scope =
        params.text("scope").map(ScopeSet::parse).transpose().map_err(|_| TokenError::MalformedScope)?;
    Ok(TokenRequest::RefreshToken(Request {
        refresh_token: params.text("refresh_token").ok_or(TokenError::MissingParameter("refresh_token"))?,
        scope: scope.filter(|scope| !scope.is_empty()),
        audience: audience.or(resource),
    }))
}

/// Why a refresh token gives nothing. The log keeps what the answer merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// We did not issue such a token, or its family is gone.
    Unknown,
    /// Another client was given it.
    OfAnotherClient,
    /// It was given at another of the tenant's origins.
    OfAnotherOrigin,
    /// Its family is too old, or was unused for too long.
    Expired,
    /// It was used before: somebody has a copy. Its family ends.
    Reused,
    /// It is from a later time than the database, which was restored from a backup.
    FromTheFuture,
    /// It says that it is the present one and is not.
    NotThePresentOne,
    /// The API or the client has no offline access any more.
    OfflineAccessWithdrawn,
    /// What the family carries may not be given any more.
    Withdrawn(Withdrawn),
}

/// What must be known to decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks.
    pub client: AuthenticatedClient<'f>,
    /// The presented token, if we issued it ([`RefreshToken::parse`]).
    pub token: Option<&'f RefreshToken>,
    /// Its family, if it is still there.
    pub family: Option<&'f Versioned<RefreshFamily>>,
    /// What is to be known of the present.
    pub still: StillFacts<'f>,
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// The origin that the request came in on; the issuer.
    pub origin: &'f Origin,
    /// The keys of the tenant's refresh tokens.
    pub keys: &'f RefreshKeys,
}

/// Gives new tokens or says why not.
///
/// A rotation is one conditional change of the family's row. Inside the client's leeway, and only until the successor is
/// used, the token before it gets the same successor again: an answer that was lost logs nobody out, and there is never a
/// second branch. Any older token ends the family, since two hold it.
pub fn decide<'f>(request: &Request<'_>, facts: Facts<'f>, moment: &Moment) -> Decision<Tokens<'f>> {
    let refused = |error: TokenError, writes| Decision { writes, outcome: Outcome::Refused(error) };
    match refresh(request, facts, moment) {
        Ok((writes, tokens)) => Decision { writes, outcome: Outcome::Granted(tokens) },
        //= RFC 9700 §4.14.2
        Err(TokenError::Refresh(RefreshRefusal::Reused)) => {
            let ends = facts.family.map(|family| Write::EndRefreshFamily(family.record.id.clone()));
            refused(RefreshRefusal::Reused.into(), ends.into_iter().collect())
        }
        Err(error) => refused(error, Vec::new()),
    }
}

fn refresh<'f>(
    request: &Request<'_>,
    facts: Facts<'f>,
    moment: &Moment,
) -> Result<(Vec<Write>, Tokens<'f>), TokenError> {
    let client = facts.client.client();
    let grant_type = GrantType::RefreshToken;
    policy::client_rules::may_use(client, grant_type).map_err(|refusal| match refusal {
        GrantTypeRefusal::NotListed => TokenError::GrantTypeNotAllowed(grant_type.name()),
        GrantTypeRefusal::ClientIsPublic => TokenError::ClientIsPublic(grant_type.name()),
    })?;
    let token = facts.token.ok_or(RefreshRefusal::Unknown)?;
    // Another family than the token's would be a mistake of the caller; it opens nothing.
    let versioned =
        facts.family.filter(|family| token.is_of(&family.record.id)).ok_or(RefreshRefusal::Unknown)?;
    let family = &versioned.record;
    //= RFC 6749 §6
    // "the refresh token is bound to the client to which it was issued"
    if family.client != client.id {
        return Err(RefreshRefusal::OfAnotherClient.into());
    }
    if family.origin != *facts.origin {
        return Err(RefreshRefusal::OfAnotherOrigin.into());
    }
    if !family.is_live(moment.now) {
        return Err(RefreshRefusal::Expired.into());
    }
    let place = place(token, family, client, facts.keys, moment)?;
    let Left { user, api, scopes } = still_allowed(&facts, family)?;
    refuse_other_audience(request, facts.origin, api)?;
    let scope = narrowed(request, scopes, facts.settings)?;

    let (of_family, refresh_token) = match place {
        Place::Retried(successor) => {
            let relied = versioned.map(|family| family.id.clone());
            (Write::RelyOnRefreshFamily(relied), Some(successor.to_text(facts.keys)))
        }
        Place::Present if client.refresh_token_rotation == RotationType::Rotating => {
            let successor = token.successor(moment);
            let next = rotated(family, token, &successor, &facts, moment)?;
            let text = successor.to_text(facts.keys);
            let next = Versioned { record: next, version: versioned.version };
            (Write::ReplaceRefreshFamily(next), Some(text))
        }
        // Auth0 leaves a token that stays good out of the answer.
        Place::Present => (noted(versioned, client, moment), None),
    };
    let mut writes = Vec::with_capacity(3);
    writes.push(of_family);
    writes.push(Write::RelyOnUser(user.map(|user| user.id.clone())));
    writes.extend(facts.still.user_grant.map(|grant| Write::RelyOnUserGrant(grant.map(UserGrant::key))));

    let is_as_requested = request.scope.as_ref().is_some_and(|requested| *requested == scope);
    let mut tokens = tokens(family, client, user, api, scope, &facts, moment);
    // Auth0 always says what a refreshed token is for.
    let always = facts.settings.error_profile == ErrorProfile::Auth0 || facts.settings.always_return_scope;
    tokens.names_scope = !tokens.access_token.scope().is_empty() && (always || !is_as_requested);
    tokens.refresh_token = refresh_token;
    Ok((writes, tokens))
}

/// Where a token stands in its family.
enum Place {
    /// It is the present one.
    Present,
    /// It is the one before; this is its successor, which nobody used yet.
    Retried(RefreshToken),
}

fn place(
    token: &RefreshToken,
    family: &RefreshFamily,
    client: &Client,
    keys: &RefreshKeys,
    moment: &Moment,
) -> Result<Place, RefreshRefusal> {
    let (presented, present) = (token.generation(), family.generation);
    if presented > present {
        return Err(RefreshRefusal::FromTheFuture);
    }
    if presented == present {
        return if token.is(&family.current) {
            Ok(Place::Present)
        } else {
            Err(RefreshRefusal::NotThePresentOne)
        };
    }
    let Some(previous) = family.previous.as_ref().filter(|_| presented.checked_add(1) == Some(present))
    else {
        return Err(RefreshRefusal::Reused);
    };
    if !token.is(&previous.digest) {
        return Err(RefreshRefusal::NotThePresentOne);
    }
    let ends = previous.rotated_at.after(client.refresh_token_leeway);
    if client.refresh_token_leeway == Lifetime(0) || moment.now > ends {
        return Err(RefreshRefusal::Reused);
    }
    // A successor that cannot be opened was sealed under keys that are gone.
    token
        .open_successor(&previous.successor, previous.rotated_at, keys)
        .filter(|successor| successor.is(&family.current))
        .map(Place::Retried)
        .ok_or(RefreshRefusal::NotThePresentOne)
}

/// The person, the API and the scopes that are left, if everything that was allowed at login still is (RT-12).
fn still_allowed<'f>(facts: &Facts<'f>, family: &RefreshFamily) -> Result<Left<'f>, TokenError> {
    let given = Given {
        user: &family.user,
        audience: &family.audience,
        scopes: &family.scopes,
        authenticated_at: family.authenticated_at,
        issued_at: family.created_at,
    };
    let client = facts.client.client();
    let left = check(given, client, &facts.still).map_err(|withdrawn| match withdrawn {
        Withdrawn::UserBlocked => TokenError::UserBlocked,
        other => RefreshRefusal::Withdrawn(other).into(),
    })?;
    if offline_access::may_be_issued(client, left.api) {
        Ok(left)
    } else {
        Err(RefreshRefusal::OfflineAccessWithdrawn.into())
    }
}

/// One family is for one API (RT-10).
fn refuse_other_audience(
    request: &Request<'_>,
    origin: &Origin,
    api: Option<&ResourceServer>,
) -> Result<(), TokenError> {
    let Some(audience) = request.audience else { return Ok(()) };
    let granted = match api {
        Some(api) => api.identifier.render(origin),
        None => origin.url(crate::metadata::USERINFO_PATH),
    };
    if granted == audience { Ok(()) } else { Err(TokenError::OtherAudience(Echo::of(audience))) }
}

/// What of the granted scopes is asked for. What was not granted is left out (Auth0), or refused (RFC 6749 §6).
fn narrowed(
    request: &Request<'_>,
    granted: ScopeSet,
    settings: &TenantSettings,
) -> Result<ScopeSet, TokenError> {
    let Some(requested) = &request.scope else { return Ok(granted) };
    let beyond = requested.difference(&granted);
    match settings.error_profile {
        //= RFC 6749 §6
        ErrorProfile::Rfc6749 if !beyond.is_empty() => {
            let words: Vec<_> = beyond.iter().map(ScopeToken::as_str).collect();
            Err(TokenError::ScopesNotGranted(Echo::of(&words.join(", "))))
        }
        ErrorProfile::Rfc6749 | ErrorProfile::Auth0 => Ok(requested.intersection(&granted)),
    }
}

/// The family after its present token was used, which is this one.
fn rotated(
    family: &RefreshFamily,
    token: &RefreshToken,
    successor: &RefreshToken,
    facts: &Facts<'_>,
    moment: &Moment,
) -> Result<RefreshFamily, TokenError> {
    let sealed =
        successor.seal_after(token, moment.now, facts.keys, moment).ok_or(RefreshRefusal::Unknown)?;
    let client = facts.client.client();
    let expires_at = absolute_end(client, family, moment.now);
    Ok(RefreshFamily {
        // What was said at login stays.
        id: family.id.clone(),
        user: family.user.clone(),
        client: family.client.clone(),
        audience: family.audience.clone(),
        scopes: family.scopes.clone(),
        redirect_uri: family.redirect_uri.clone(),
        origin: family.origin.clone(),
        session: family.session.clone(),
        authenticated_at: family.authenticated_at,
        methods: family.methods.clone(),
        names_auth_time: family.names_auth_time,
        claims: family.claims.clone(),
        created_at: family.created_at,
        generation: successor.generation(),
        current: successor.digest(),
        // The present token's digest is the one that this token was found by.
        previous: Some(PreviousToken { digest: family.current, rotated_at: moment.now, successor: sealed }),
        last_used_at: moment.now,
        expires_at,
        idle_expires_at: idle_end(client, expires_at, moment.now),
    })
}

/// Notes now and then that a token that stays good is in use.
fn noted(family: &Versioned<RefreshFamily>, client: &Client, moment: &Moment) -> Write {
    let record = &family.record;
    let expires_at = absolute_end(client, record, moment.now);
    let idle_expires_at = idle_end(client, expires_at, moment.now);
    let has_new_end =
        expires_at != record.expires_at || (record.idle_expires_at.is_none() && idle_expires_at.is_some());
    let idle = client.refresh_token_idle_lifetime.map_or(u64::MAX, |idle| u64::from(idle.0));
    let is_due = moment.now.0.saturating_sub(record.last_used_at.0) >= NOTED_EVERY.min(idle / 20);
    if is_due || has_new_end {
        let next = RefreshFamily { last_used_at: moment.now, expires_at, idle_expires_at, ..record.clone() };
        Write::ReplaceRefreshFamily(Versioned { record: next, version: family.version })
    } else {
        Write::RelyOnRefreshFamily(family.map(|family| family.id.clone()))
    }
}

/// Fixed at login. A family that had no end gets one when it is used after its application was given one (Auth0).
fn absolute_end(client: &Client, family: &RefreshFamily, now: UnixTime) -> Option<UnixTime> {
    family.expires_at.or_else(|| client.refresh_token_lifetime.map(|lifetime| now.after(lifetime)))
}

fn idle_end(client: &Client, expires_at: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
    let idle = now.after(client.refresh_token_idle_lifetime?);
    Some(expires_at.map_or(idle, |end| idle.min(end)))
}

fn tokens<'f>(
    family: &'f RefreshFamily,
    client: &'f Client,
    user: &'f Versioned<User>,
    api: Option<&'f ResourceServer>,
    scope: ScopeSet,
    facts: &Facts<'f>,
    moment: &Moment,
) -> Tokens<'f> {
    // It was validated at login; were it unreadable all the same, nobody would be told anything by it.
    let claims = family.claims.as_deref().and_then(|json| ClaimsRequest::parse(json).ok());
    // Whoever asks for less than was granted gets less of the single claims too: none.
    let claims = claims.filter(|_| scope == family.scopes);
    //= OpenID Connect Core 1.0 §12.2
    // The same iss, sub and aud as at login; no nonce; auth_time is that of the login.
    let id_token = has_scope(&scope, "openid").then(|| IdToken {
        issuer: facts.origin.issuer(),
        user: &user.record.id,
        client: &client.id,
        issued_at: moment.now,
        lifetime: client.id_token_lifetime,
        nonce: None,
        at_hash: None,
        c_hash: None,
        auth_time: family.names_auth_time.then_some(family.authenticated_at),
        session: family.session.as_ref(),
        methods: &family.methods,
        claims: UserClaims::of_id_token(&user.record, &scope, claims.as_ref(), facts.settings.updated_at),
        signing_algorithm: client.id_token_algorithm,
    });
    let access_token = user_access_token(
        UserTokenFacts {
            client,
            user: &user.record.id,
            api,
            scope,
            channel: Channel::TokenEndpoint,
            grant_type: Some("refresh_token"),
            session: family.session.as_ref(),
            claims: claims.as_ref().map(ClaimsRequest::of_user_info).unwrap_or_default(),
            origin: facts.origin,
        },
        moment,
    );
    Tokens::new(access_token, id_token, false, facts.settings)
}

/// The login that a new family comes of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'f> {
    pub(super) client: &'f Client,
    pub(super) user: &'f UserId,
    pub(super) audience: &'f Audience,
    pub(super) scopes: &'f ScopeSet,
    pub(super) redirect_uri: Option<&'f str>,
    pub(super) origin: &'f Origin,
    pub(super) session: Option<&'f SessionId>,
    pub(super) authenticated_at: UnixTime,
    pub(super) methods: &'f [AuthenticationMethod],
    pub(super) names_auth_time: bool,
    pub(super) claims: Option<&'f str>,
}

/// What else a new family needs to be known.
#[derive(Clone, Copy, Debug)]
pub struct NewFamily<'f> {
    /// The keys of the tenant's refresh tokens.
    pub keys: &'f RefreshKeys,
    /// The oldest of the families that the person has at the client, if there are [`MOST_FAMILIES`].
    pub oldest: Option<&'f Versioned<RefreshFamily>>,
}

/// A family that begins.
pub(super) struct Begun {
    pub(super) id: RefreshFamilyId,
    pub(super) text: SecretText,
    pub(super) writes: Vec<Write>,
}

/// Begins a family, where `offline_access` is among the scopes.
pub(super) fn begin(
    login: &Login<'_>,
    new: NewFamily<'_>,
    moment: &Moment,
) -> Result<Option<Begun>, Invalid> {
    if !has_scope(login.scopes, "offline_access") {
        return Ok(None);
    }
    let token = RefreshToken::first(moment);
    let expires_at = login.client.refresh_token_lifetime.map(|lifetime| moment.now.after(lifetime));
    let family = RefreshFamily {
        id: token.family()?,
        user: login.user.clone(),
        client: login.client.id.clone(),
        audience: login.audience.clone(),
        scopes: login.scopes.clone(),
        redirect_uri: login.redirect_uri.map(str::to_owned),
        origin: login.origin.clone(),
        session: login.session.cloned(),
        authenticated_at: login.authenticated_at,
        methods: login.methods.to_vec(),
        names_auth_time: login.names_auth_time,
        claims: login.claims.map(str::to_owned),
        generation: token.generation(),
        current: token.digest(),
        previous: None,
        created_at: moment.now,
        last_used_at: moment.now,
        expires_at,
        idle_expires_at: idle_end(login.client, expires_at, moment.now),
    };
    let id = family.id.clone();
    let mut writes = vec![Write::CreateRefreshFamily(family)];
    writes.extend(new.oldest.cloned().map(Write::DeleteRefreshFamily));
    Ok(Some(Begun { id, text: token.to_text(new.keys), writes }))
}

#[cfg(test)]
mod tests;
