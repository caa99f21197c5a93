//! `POST /oauth/token` (RFC 6749 §3.2): parse, authenticate, load facts, decide, sign, commit, answer.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use hyper::body::Body;
use oauth_grants::{
    Decision, Outcome, Params, Presented, TokenError, TokenRequest, TokenResponse, authenticate,
    client_credentials,
};
use policy::OutOfGrantScopes;
use records::{Client, ErrorProfile, SubjectType, Versioned};
use store::CommitError;

use crate::administration::ATTEMPTS;
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::http::request::body_of;
use crate::http::response::{Answer, Caching, json, with_header};

/// Answers a token request.
pub async fn respond<B>(
    app: &App,
    called: &Called,
    parts: &Parts,
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
    Ok(match token(app, called, parts, &body, trace).await? {
        Ok(response) => json(StatusCode::OK, response.to_json(), Caching::NoStore),
        Err(error) => {
            trace.refused = Some(error.kind().name().to_owned());
            respond_error(&error, profile)
        }
    })
}

/// The error as the tenant's profile spells it.
fn respond_error(error: &TokenError, profile: ErrorProfile) -> Answer {
    let answer = error.answer(profile);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, answer.to_json(), Caching::NoStore);
    if let Some(challenge) = answer.www_authenticate() {
        response = with_header(response, header::WWW_AUTHENTICATE, challenge);
    }
    response
}

async fn token(
    app: &App,
    called: &Called,
    parts: &Parts,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Result<TokenResponse, TokenError>, Failure> {
    let read = || -> Result<(Params, Presented), TokenError> {
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
    };
    let (params, presented) = match read() {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let request = match TokenRequest::parse(&params) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    match request {
        TokenRequest::ClientCredentials(request) => {
            trace.grant_type = Some("client_credentials");
            client_credentials(app, called, &presented, &request, trace).await
        }
    }
}

async fn client_credentials(
    app: &App,
    called: &Called,
    presented: &Presented,
    request: &client_credentials::Request<'_>,
    trace: &mut Trace,
) -> Result<Result<TokenResponse, TokenError>, Failure> {
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let settings = &called.tenant.record.settings;
    for _ in 0..ATTEMPTS {
        let moment = app.moments().draw();
        let (cached, fresh);
        cached = called.store.client(presented.client_id()).await?;
        let client = match authenticate(presented, record(&cached), keys.secret_digest_key(), moment.now) {
            Ok(client) => client,
            // The store is asked again: a secret that was rotated by another process counts at once. And so a wrong
            // secret takes one read and two digests, as an unknown client does, which is never cached (CA-07).
            Err(_) => {
                fresh = match &cached {
                    Some(_) => called.store.client_uncached(presented.client_id()).await?,
                    None => None,
                };
                trace.client_id = record(&fresh).map(|client| client.id.clone());
                match authenticate(presented, record(&fresh), keys.secret_digest_key(), moment.now) {
                    Ok(client) => client,
                    Err(refusal) => return Ok(Err(refusal.into())),
                }
            }
        };
        trace.client_id = Some(client.client().id.clone());
        let resource_server = match client_credentials::resource_server(request, settings, &called.origin) {
            Some(identifier) => called.store.resource_server_by_identifier(&identifier).await?,
            None => None,
        };
        let client_grant = match &resource_server {
            Some(api) => {
                let (client, api) = (&client.client().id, &api.record.id);
                called.store.client_grant(client, api, SubjectType::Client).await?
            }
            None => None,
        };
        let facts = client_credentials::Facts {
            client,
            resource_server: resource_server.as_ref().map(|api| &api.record),
            client_grant: client_grant.as_ref().map(|grant| &grant.record),
            settings,
            origin: &called.origin,
            out_of_grant_scopes: OutOfGrantScopes::Refuse,
        };
        let Decision { writes, outcome } = client_credentials::decide(request, facts, &moment);
        // Signing before committing: a signature that fails consumes nothing.
        let answered = match (outcome, &resource_server) {
            (Outcome::Granted(granted), Some(api)) => {
                let tenant = &called.tenant.record.id;
                let signed = app.keys().sign(&keys, app.stores(), tenant, &api.record, &granted).await?;
                Ok(TokenResponse::new(&granted, signed))
            }
            (Outcome::Granted(_), None) => return Err(Failure::Unsigned("no API to sign for".to_owned())),
            (Outcome::Refused(error), _) => Err(error),
        };
        // Committing before answering: no token leaves whose making was not recorded.
        if writes.is_empty() {
            return Ok(answered);
        }
        match called.store.commit(writes).await {
            Ok(()) => return Ok(answered),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

fn record(client: &Option<Arc<Versioned<Client>>>) -> Option<&Client> {
    client.as_ref().map(|client| &client.record)
}
