//! From parameters to a request that may be answered, step by step (RFC 6749 §4.1.1; OpenID Connect Core 1.0 §3.1.2.2).

use policy::client_rules::may_use;
use policy::prompt::Prompts;
use policy::redirect_uri::{self, RedirectUriRefusal};
use policy::{AudienceRefusal, audience};
use records::{
    Client, ConnectionName, GrantType, Origin, ScopeSet, ScopeToken, TenantSettings, ThirdPartySecurityMode,
};

use super::response::origin_of;
use super::{AuthorizeError, AuthorizeParams, PageError, ResponseMode, ResponseTarget, ResponseType, flow};
use crate::error::Echo;
use crate::oidc::claims_request::ClaimsRequest;
use crate::pkce::{Challenge, PkceRefusal};

/// A request that is well-formed, from a client that may make it. Borrows from its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidRequest<'r> {
    /// Where and how it is answered.
    pub target: ResponseTarget<'r>,
    /// Who asks.
    pub client: &'r Client,
    /// Whether the request named its redirect URI, so that the token request must too.
    pub redirect_uri_was_sent: bool,
    /// What is asked for.
    pub response_type: ResponseType,
    /// `scope`, and the scopes that have the claims that `claims` asks for.
    pub scopes: ScopeSet,
    /// `scope` alone: what the client takes for granted unless the answer names something else.
    pub named_scopes: ScopeSet,
    /// `audience`, else `resource`, else the tenant's default, else none: the userinfo endpoint alone.
    pub audience: Option<&'r str>,
    /// `nonce`
    pub nonce: Option<&'r str>,
    /// `prompt`
    pub prompts: Prompts,
    /// `max_age`, in seconds.
    pub max_age: Option<u32>,
    /// `code_challenge`
    pub challenge: Option<Challenge>,
    /// `claims`
    pub claims: Option<ClaimsRequest>,
    /// `connection`
    pub connection: Option<ConnectionName>,
    /// `id_token_hint`, not yet verified.
    pub id_token_hint: Option<&'r str>,
}

impl<'r> ValidRequest<'r> {
    /// Where the answer goes.
    pub fn redirect_uri(&self) -> &'r str {
        self.target.redirect_uri
    }
}

/// Why a request is not answered as it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected<'r> {
    /// By a page of ours.
    Page(PageError),
    /// By an error that is sent to the client.
    Redirect(ResponseTarget<'r>, AuthorizeError),
}

impl<'r> Rejected<'r> {
    /// The refusal, shown or sent as the client's errors are.
    pub fn of(target: ResponseTarget<'r>, error: AuthorizeError) -> Self {
        if target.shows_errors { Self::Page(PageError::Shown(error)) } else { Self::Redirect(target, error) }
    }
}

/// Validates a request. `client` is the one that `client_id` names, if there is one.
///
/// # Errors
/// [`Rejected`]
pub fn validate<'r>(
    params: &'r AuthorizeParams,
    client: Option<&'r Client>,
    settings: &'r TenantSettings,
    origin: &'r Origin,
) -> Result<ValidRequest<'r>, Rejected<'r>> {
    let client = client_of(params, client).map_err(Rejected::Page)?;
    let redirect_uri = redirect_uri_of(params, client).map_err(Rejected::Page)?;
    // From here on it is certain who asks and where to answer.
    let target = target(params, client, redirect_uri, settings, origin).map_err(Rejected::Page)?;
    match checked(params, client, settings, target.clone()) {
        Ok(request) => Ok(request),
        Err(error) => Err(Rejected::of(target, error)),
    }
}

fn client_of<'r>(params: &AuthorizeParams, client: Option<&'r Client>) -> Result<&'r Client, PageError> {
    if params.is_repeated("client_id") {
        return Err(PageError::Repeated("client_id"));
    }
    let id = params.text("client_id").ok_or(PageError::MissingClientId)?;
    // Another client than the one named would be a mistake of the caller; it must not open a door.
    client.filter(|client| client.id.as_str() == id).ok_or_else(|| PageError::UnknownClient(Echo::of(id)))
}

fn redirect_uri_of<'r>(params: &'r AuthorizeParams, client: &'r Client) -> Result<&'r str, PageError> {
    if params.is_repeated("redirect_uri") {
        return Err(PageError::Repeated("redirect_uri"));
    }
    //= RFC 6749 §3.1.2.3
    //= RFC 6749 §3.1.2.4
    redirect_uri::resolve(client, params.text("redirect_uri")).map_err(|refusal| match refusal {
        RedirectUriRefusal::Missing => PageError::MissingRedirectUri,
        RedirectUriRefusal::NotRegistered => PageError::RedirectUriMismatch,
    })
}

/// Where and how to answer, errors included: as the request wants where that can be done, else by the default.
fn target<'r>(
    params: &'r AuthorizeParams,
    client: &Client,
    redirect_uri: &'r str,
    settings: &TenantSettings,
    origin: &'r Origin,
) -> Result<ResponseTarget<'r>, PageError> {
    let response_type = params.text("response_type").and_then(ResponseType::parse);
    let default_mode = response_type.map_or(ResponseMode::Query, ResponseType::default_mode);
    let asked = if params.is_repeated("response_mode") { None } else { params.text("response_mode") };
    let mode = match asked.and_then(ResponseMode::from_name) {
        // Never tokens in a query: the refusal goes where the answer would have gone.
        Some(ResponseMode::Query) | None => default_mode,
        Some(mode) => mode,
    };
    if mode == ResponseMode::WebMessage {
        let target_origin = origin_of(redirect_uri).ok_or(PageError::WebOriginNotAllowed)?;
        let is_allowed = |allowed: &String| origin_of(allowed).as_ref() == Some(&target_origin);
        if !client.web_origins.iter().any(is_allowed) {
            return Err(PageError::WebOriginNotAllowed);
        }
    }
    Ok(ResponseTarget {
        redirect_uri,
        mode,
        // Which of two states would be the client's nobody knows.
        state: if params.is_repeated("state") { None } else { params.text("state") },
        issuer: settings.authorization_response_iss_parameter_supported.then(|| origin.issuer()),
        shows_errors: !client.is_first_party
            && client.third_party_security_mode == ThirdPartySecurityMode::Strict,
    })
}

fn checked<'r>(
    params: &'r AuthorizeParams,
    client: &'r Client,
    settings: &'r TenantSettings,
    target: ResponseTarget<'r>,
) -> Result<ValidRequest<'r>, AuthorizeError> {
    refuse_repeated(params)?;
    refuse_not_built(params)?;
    if params.size() > flow::CARRIES {
        return Err(AuthorizeError::TooLarge);
    }
    let response_type = response_type(params, client)?;
    response_mode(params, response_type)?;
    let claims = claims(params)?;
    let named_scopes = scopes(params)?;
    let mut scopes = named_scopes.clone();
    if let Some(claims) = claims.as_ref().filter(|_| is_open_id(&scopes)) {
        // Claims that are asked for one by one need the same consent as the scopes that have them.
        scopes = scopes.iter().chain(claims.covering_scopes().iter()).cloned().collect();
    }
    let nonce = nonce(params, response_type, &scopes)?;
    Ok(ValidRequest {
        redirect_uri_was_sent: params.has("redirect_uri"),
        response_type,
        audience: requested_audience(params, settings)?,
        nonce,
        prompts: prompts(params)?,
        max_age: max_age(params)?,
        challenge: challenge(params, client, response_type)?,
        claims,
        connection: connection(params)?,
        id_token_hint: params.text("id_token_hint"),
        scopes,
        named_scopes,
        target,
        client,
    })
}

fn refuse_repeated(params: &AuthorizeParams) -> Result<(), AuthorizeError> {
    //= RFC 6749 §3.1
    match params.repeated() {
        //= RFC 8707 §2
        Some("resource") => Err(AuthorizeError::SeveralResources),
        Some(name) => Err(AuthorizeError::RepeatedParameter(name)),
        None => Ok(()),
    }
}

fn refuse_not_built(params: &AuthorizeParams) -> Result<(), AuthorizeError> {
    //= OpenID Connect Core 1.0 §3.1.2.6
    if params.has("request") {
        return Err(AuthorizeError::RequestNotSupported);
    }
    if params.has("request_uri") {
        return Err(AuthorizeError::RequestUriNotSupported);
    }
    if params.has("registration") {
        return Err(AuthorizeError::RegistrationNotSupported);
    }
    // A token without what they ask for would pass for one with it.
    let not_built = ["organization", "invitation", "authorization_details", "dpop_jkt"];
    match not_built.into_iter().find(|name| params.has(name)) {
        Some(name) => Err(AuthorizeError::ParameterNotBuilt(name)),
        None => Ok(()),
    }
}

fn response_type(params: &AuthorizeParams, client: &Client) -> Result<ResponseType, AuthorizeError> {
    let text = params.text("response_type").ok_or(AuthorizeError::MissingResponseType)?;
    //= RFC 6749 §3.1.1
    let response_type =
        ResponseType::parse(text).ok_or_else(|| AuthorizeError::UnsupportedResponseType(Echo::of(text)))?;
    let needed = [
        (response_type.code, GrantType::AuthorizationCode),
        (response_type.is_front_channel(), GrantType::Implicit),
    ];
    for (_, grant_type) in needed.into_iter().filter(|(is_needed, _)| *is_needed) {
        may_use(client, grant_type).map_err(|_| AuthorizeError::GrantTypeNotAllowed(grant_type.name()))?;
    }
    Ok(response_type)
}

fn response_mode(params: &AuthorizeParams, response_type: ResponseType) -> Result<(), AuthorizeError> {
    match params.text("response_mode").map(ResponseMode::from_name) {
        Some(None) => Err(AuthorizeError::UnknownResponseMode),
        //= OAuth 2.0 Multiple Response Type Encoding Practices §3
        Some(Some(ResponseMode::Query)) if response_type.is_front_channel() => {
            Err(AuthorizeError::TokensInQuery)
        }
        _ => Ok(()),
    }
}

fn scopes(params: &AuthorizeParams) -> Result<ScopeSet, AuthorizeError> {
    //= RFC 6749 §3.3
    params
        .text("scope")
        .map_or(Ok(ScopeSet::default()), ScopeSet::parse)
        .map_err(|_| AuthorizeError::MalformedScope)
}

/// Whether the set has `openid`.
pub(super) fn is_open_id(scopes: &ScopeSet) -> bool {
    ScopeToken::parse("openid").is_ok_and(|openid| scopes.contains(&openid))
}

fn nonce<'r>(
    params: &'r AuthorizeParams,
    response_type: ResponseType,
    scopes: &ScopeSet,
) -> Result<Option<&'r str>, AuthorizeError> {
    let nonce = params.text("nonce");
    if response_type.id_token {
        //= OpenID Connect Core 1.0 §3.2.2.1
        if !is_open_id(scopes) {
            return Err(AuthorizeError::MissingOpenId);
        }
        if nonce.is_none() {
            return Err(AuthorizeError::MissingNonce);
        }
    }
    Ok(nonce)
}

fn prompts(params: &AuthorizeParams) -> Result<Prompts, AuthorizeError> {
    let mut prompts = Prompts::default();
    for word in params.text("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompts.none = true,
            "login" => prompts.login = true,
            "consent" => prompts.consent = true,
            "select_account" => prompts.select_account = true,
            _ => return Err(AuthorizeError::UnknownPrompt),
        }
    }
    //= OpenID Connect Core 1.0 §3.1.2.1
    // "If this parameter contains none with any other value, an error is returned."
    if prompts.none && (prompts.login || prompts.consent || prompts.select_account) {
        return Err(AuthorizeError::UnknownPrompt);
    }
    Ok(prompts)
}

fn max_age(params: &AuthorizeParams) -> Result<Option<u32>, AuthorizeError> {
    let Some(text) = params.text("max_age") else { return Ok(None) };
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AuthorizeError::MalformedMaxAge);
    }
    // More than can be counted is as good as no limit, but still asks for auth_time.
    Ok(Some(text.parse().unwrap_or(u32::MAX)))
}

fn challenge(
    params: &AuthorizeParams,
    client: &Client,
    response_type: ResponseType,
) -> Result<Option<Challenge>, AuthorizeError> {
    let method = params.text("code_challenge_method");
    match params.text("code_challenge") {
        Some(challenge) => Challenge::parse(challenge, method).map(Some).map_err(|refusal| match refusal {
            PkceRefusal::Plain | PkceRefusal::UnknownMethod => AuthorizeError::ChallengeMethod,
            PkceRefusal::MalformedChallenge => AuthorizeError::MalformedChallenge,
        }),
        //= RFC 7636 §4.4.1
        //= RFC 9700 §2.1.1
        None if response_type.code && client.is_public() => Err(AuthorizeError::MissingChallenge),
        None if method.is_some() => Err(AuthorizeError::MissingChallenge),
        None => Ok(None),
    }
}

fn claims(params: &AuthorizeParams) -> Result<Option<ClaimsRequest>, AuthorizeError> {
    params.text("claims").map(ClaimsRequest::parse).transpose().map_err(|_| AuthorizeError::MalformedClaims)
}

fn connection(params: &AuthorizeParams) -> Result<Option<ConnectionName>, AuthorizeError> {
    let name = params.text("connection").map(ConnectionName::parse).transpose();
    name.map_err(|_| AuthorizeError::UnknownConnection)
}

fn requested_audience<'r>(
    params: &'r AuthorizeParams,
    settings: &'r TenantSettings,
) -> Result<Option<&'r str>, AuthorizeError> {
    let (named, resource) = (params.text("audience"), params.text("resource"));
    audience::requested(named, resource, settings.default_audience.as_deref()).map_err(
        |refusal| match refusal {
            AudienceRefusal::AudienceAndResourceDiffer => AuthorizeError::AudienceAndResourceDiffer,
            AudienceRefusal::ResourceNotAbsolute => AuthorizeError::MalformedResource,
        },
    )
}
