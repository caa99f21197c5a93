//! An application asks for a token of its own (RFC 6749 §4.4; RFC 8707 §2.2; RFC 9068 §3).

use policy::lifetime::Channel;
use policy::{AudienceRefusal, ClientGrantRefusal, GrantTypeRefusal, OutOfGrantScopes};
use records::{ApiIdentifier, ClientGrant, GrantType, Origin, ResourceServer, ScopeSet, TenantSettings};

use crate::client_auth::AuthenticatedClient;
use crate::error::Echo;
use crate::generate::TokenId;
use crate::issue::{AccessToken, Granted, Subject, TokenAudience};
use crate::{Decision, Moment, Params, TokenError, TokenRequest};

/// What the request says, apart from who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'p> {
    /// `audience`: which API the token is for, in Auth0's word.
    pub audience: Option<&'p str>,
    /// `resource`: the same in RFC 8707's word.
    pub resource: Option<&'p str>,
    /// `scope`: which permissions; `None` asks for all that are granted.
    pub scope: Option<ScopeSet>,
}

/// Reads the request.
///
/// # Errors
/// [`TokenError::MalformedScope`], or [`TokenError::ParameterNotBuilt`] for a parameter that would change what the
/// token says and is not understood yet: a token without it would pass for one with it.
pub fn parse(params: &Params) -> Result<TokenRequest<'_>, TokenError> {
    if let Some(name) = ["organization", "authorization_details"].into_iter().find(|name| params.has(name)) {
        return Err(TokenError::ParameterNotBuilt(name));
    }
    //= RFC 6749 §3.3
    let scope =
        params.text("scope").map(ScopeSet::parse).transpose().map_err(|_| TokenError::MalformedScope)?;
    Ok(TokenRequest::ClientCredentials(Request {
        audience: params.text("audience"),
        resource: params.text("resource"),
        scope: scope.filter(|scope| !scope.is_empty()),
    }))
}

/// What must be known to decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks.
    pub client: AuthenticatedClient<'f>,
    /// The API that [`resource_server`] names, if it is registered.
    pub resource_server: Option<&'f ResourceServer>,
    /// The client's own grant for that API (subject type client), if there is one.
    pub client_grant: Option<&'f ClientGrant>,
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// The origin that the request came in on; the issuer.
    pub origin: &'f Origin,
    /// What happens to requested scopes that were not granted.
    pub out_of_grant_scopes: OutOfGrantScopes,
}

/// The API to load before deciding. `None`: there is none to load, and [`decide`] says why.
pub fn resource_server(
    request: &Request<'_>,
    settings: &TenantSettings,
    origin: &Origin,
) -> Option<ApiIdentifier> {
    let audience = audience(request, settings).ok()?;
    ApiIdentifier::requested(audience, origin).ok()
}

/// Grants an access token or says why not. Writes nothing: there is nothing to remember of such a token.
pub fn decide<'f>(request: &Request<'_>, facts: Facts<'f>, moment: &Moment) -> Decision<Granted<'f>> {
    Decision::without_writes(grant(request, facts, moment))
}

fn grant<'f>(request: &Request<'_>, facts: Facts<'f>, moment: &Moment) -> Result<Granted<'f>, TokenError> {
    let client = facts.client.client();
    let grant_type = GrantType::ClientCredentials;
    //= RFC 6749 §4.4
    policy::client_rules::may_use(client, grant_type).map_err(|refusal| match refusal {
        GrantTypeRefusal::NotListed => TokenError::GrantTypeNotAllowed(grant_type.name()),
        GrantTypeRefusal::ClientIsPublic => TokenError::ClientIsPublic(grant_type.name()),
    })?;

    let audience = audience(request, facts.settings)?;
    let api = facts
        .resource_server
        // Another API than the one meant would be a mistake of the caller; its tokens are not given away.
        .filter(|api| ApiIdentifier::requested(audience, facts.origin).as_ref() == Ok(&api.identifier))
        .ok_or_else(|| TokenError::UnknownApi(Echo::of(audience)))?;
    let client_grant = policy::client_grant::own_tokens(client, api, facts.client_grant).map_err(
        |refusal| match refusal {
            ClientGrantRefusal::ApiRefusesClients => TokenError::ApiRefusesClients(Echo::of(audience)),
            ClientGrantRefusal::NoClientGrant => TokenError::NoClientGrant(Echo::of(audience)),
        },
    )?;
    let scope =
        policy::scope::for_client(request.scope.as_ref(), api, client_grant, facts.out_of_grant_scopes)
            .map_err(|refusal| {
                let words: Vec<_> = refusal.not_granted.iter().map(|scope| scope.as_str()).collect();
                TokenError::ScopesNotGranted(Echo::of(&words.join(", ")))
            })?;

    //= RFC 6749 §5.1
    // Left out only where the client can tell what it got without it.
    let is_as_requested = request.scope.as_ref().is_some_and(|requested| *requested == scope);
    let names_scope = !scope.is_empty() && (facts.settings.always_return_scope || !is_as_requested);
    //= RFC 6749 §4.4.3
    // No refresh token: the client can always ask again. No ID token: nobody logged in.
    Ok(Granted {
        access_token: AccessToken {
            dialect: api.token_dialect,
            issuer: facts.origin.issuer(),
            subject: Subject::Client(&client.id),
            audience: TokenAudience::Api(api.identifier.render(facts.origin)),
            client: &client.id,
            grant_type: Some("client-credentials"),
            issued_at: moment.now,
            lifetime: policy::lifetime::access_token(api, Channel::TokenEndpoint),
            scope,
            id: TokenId::of_access_token(moment),
            signing_algorithm: api.signing_algorithm,
        },
        names_scope,
    })
}

fn audience<'a>(request: &Request<'a>, settings: &'a TenantSettings) -> Result<&'a str, TokenError> {
    policy::audience::requested(request.audience, request.resource, settings.default_audience.as_deref())
        .map_err(|refusal| match refusal {
            AudienceRefusal::AudienceAndResourceDiffer => TokenError::AudienceAndResourceDiffer,
            AudienceRefusal::ResourceNotAbsolute => TokenError::MalformedResource,
        })?
        .ok_or(TokenError::MissingAudience)
}

#[cfg(test)]
mod tests;
