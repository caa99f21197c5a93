//! `POST /oauth/token` (RFC 6749 §3.2): parse, authenticate, load facts, decide, sign, commit, answer.

mod authorization_code;
mod client_credentials;
mod password;
mod refresh_token;
pub mod revoke;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use hyper::body::Body;
use oauth_grants::refresh_token::MOST_FAMILIES;
use oauth_grants::{
    AuthenticatedClient, Moment, Params, Presented, TokenError, TokenRequest, TokenResponse, Tokens,
    UserToken, authenticate,
};
use records::{Client, ClientId, ErrorProfile, RefreshFamily, ResourceServer, UserId, Versioned};
use store::RefreshFamiliesOf;

use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::http::peer::Peer;
use crate::http::request::body_of;
use crate::http::response::{Answer, Caching, json, with_header};
use crate::keys::TenantKeys;

/// Answers a token request.
pub async fn respond<B>(
    app: &App,
    called: &Called,
    parts: Parts,
    body: B,
    trace: &mut Trace,
) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = match body_of(body, &parts.headers, &app.limits()).await {
        Ok(body) => body,
        Err(answer) => return Ok(answer),
    };
    let profile = called.tenant.record.settings.error_profile;
    let peer = parts.extensions.get::<Peer>().copied();
    let read = read(&parts, &body);
    // The connection's buffer, of which both are a part, is free for the next request while this one waits for the disk.
    drop((parts, body));
    let answered = match read {
        Ok((params, presented)) => token(app, called, &params, &presented, peer, trace).await?,
        Err(error) => Err(error),
    };
    Ok(match answered {
        Ok(response) => json(StatusCode::OK, response.to_json(), Caching::NoStore),
        Err(error) => {
            // The log may say more than the answer.
            trace.refused.get_or_insert_with(|| error.kind().name().to_owned());
            respond_error(&error, profile)
        }
    })
}

/// The error as the tenant's profile spells it.
fn respond_error(error: &TokenError, profile: ErrorProfile) -> Answer {
    let answer = error.answer(profile);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, answer.to_json(), Caching::NoStore);
    if let Some(wait) = answer.retry_after {
        response = with_header(response, header::RETRY_AFTER, &wait.0.to_string());
    }
    if let Some(challenge) = answer.www_authenticate() {
        response = with_header(response, header::WWW_AUTHENTICATE, challenge);
    }
    response
}

async fn token(
    app: &App,
    called: &Called,
    params: &Params,
    presented: &Presented,
    peer: Option<Peer>,
    trace: &mut Trace,
) -> Answered<TokenResponse> {
    let request = match TokenRequest::parse(params) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let request_of = Asked { app, called, presented };
    match request {
        TokenRequest::ClientCredentials(request) => {
            trace.grant_type = Some("client_credentials");
            client_credentials::respond(request_of, &request, trace).await
        }
        TokenRequest::AuthorizationCode(request) => {
            trace.grant_type = Some("authorization_code");
            Box::pin(authorization_code::respond(request_of, &request, trace)).await
        }
        TokenRequest::RefreshToken(request) => {
            trace.grant_type = Some("refresh_token");
            refresh_token::respond(request_of, &request, trace).await
        }
        TokenRequest::Password(request) => {
            trace.grant_type = Some("password");
            Box::pin(password::respond(request_of, &request, peer, trace)).await
        }
    }
}

/// Reads parameters and credentials, as the token endpoint and its neighbours take them.
fn read(parts: &Parts, body: &[u8]) -> Result<(Params, Presented), TokenError> {
    Params::refuse_in_query(parts.uri.query())?;
    let mut types = parts.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    };
    let params = Params::parse(content_type, body)?;
    let authorization = parts.headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    let presented = Presented::parse(authorization, &params)?;
    Ok((params, presented))
}

/// A token request's surroundings.
#[derive(Clone, Copy)]
struct Asked<'a> {
    app: &'a App,
    called: &'a Called,
    presented: &'a Presented,
}

/// What a new refresh family needs to be loaded: the oldest of so many that it must leave.
async fn oldest_family(
    called: &Called,
    user: &UserId,
    client: &ClientId,
) -> Result<Option<Versioned<RefreshFamily>>, Failure> {
    let of = RefreshFamiliesOf::UserAndClient(user, client);
    let mut families = called.store.refresh_families(of, None, MOST_FAMILIES).await?;
    let is_full = families.len() >= MOST_FAMILIES;
    Ok(is_full.then(|| families.swap_remove(0)))
}

/// The client's record for as long as it is decided on: as it was cached, and as it is now where the first did not do.
#[derive(Default)]
struct Loaded {
    cached: OnceLock<Option<Arc<Versioned<Client>>>>,
    fresh: OnceLock<Option<Arc<Versioned<Client>>>>,
}

/// A refusal is an answer; a failure is not.
type Answered<T> = Result<Result<T, TokenError>, Failure>;

impl Asked<'_> {
    /// The client that the request says it is from, or the refusal.
    async fn client<'l>(
        self,
        loaded: &'l Loaded,
        keys: &TenantKeys,
        moment: &Moment,
        trace: &mut Trace,
    ) -> Answered<AuthenticatedClient<'l>> {
        let id = self.presented.client_id();
        let authentic = |client: Option<&'l Arc<Versioned<Client>>>| {
            let client = client.map(|client| &client.record);
            authenticate(self.presented, client, keys.secret_digest_key(), moment.now)
        };
        let cached = self.called.store.client(id).await?;
        let cached = loaded.cached.get_or_init(|| cached).as_ref();
        let (client, authentic) = match authentic(cached) {
            Ok(client) => (cached, Ok(client)),
            // The store is asked again: a secret that was rotated by another process counts at once. And so a wrong
            // secret takes one read and two digests, as an unknown client does, which is never cached (CA-07).
            Err(_) => {
                let fresh = match cached {
                    Some(_) => self.called.store.client_uncached(id).await?,
                    None => None,
                };
                let fresh = loaded.fresh.get_or_init(|| fresh).as_ref();
                (fresh, authentic(fresh))
            }
        };
        trace.client_id = client.map(|client| client.record.id.clone());
        Ok(authentic.map_err(TokenError::from))
    }

    /// Signs or seals what a person's grant gives. Before committing: a signature that fails consumes nothing.
    async fn signed(
        self,
        keys: &TenantKeys,
        tokens: &Tokens<'_>,
        client: &Client,
        api: Option<&ResourceServer>,
        moment: &Moment,
    ) -> Result<TokenResponse, Failure> {
        let access_token =
            sign_user_token(self.app, self.called, keys, &tokens.access_token, api, moment).await?;
        let id_token = tokens.id_token.as_ref().map(|token| keys.sign_id_token(token, client)).transpose()?;
        Ok(TokenResponse::of_tokens(tokens, access_token, id_token))
    }
}

/// Signs an access token for an API, or seals one for the userinfo endpoint.
pub async fn sign_user_token(
    app: &App,
    called: &Called,
    keys: &TenantKeys,
    token: &UserToken<'_>,
    api: Option<&ResourceServer>,
    moment: &Moment,
) -> Result<String, Failure> {
    match (token, api) {
        (UserToken::Api(token), Some(api)) => {
            app.keys().sign(keys, app.stores(), &called.tenant.record.id, api, token).await
        }
        (UserToken::Api(_), None) => Err(Failure::Unsigned("no API to sign for".to_owned())),
        (UserToken::UserInfo(token), _) => {
            oauth_grants::issue::seal_user_info_token(token, keys.handle_key(), &called.origin, moment)
                .map_err(|failure| Failure::Unsigned(failure.to_string()))
        }
    }
}
