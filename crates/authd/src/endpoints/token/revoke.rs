//! `POST /oauth/revoke` (RFC 7009; Auth0's answers).

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use hyper::body::Body;
use oauth_grants::{Decision, HandleKind, Outcome, RefreshToken, revoke};

use super::{Answered, Asked, Loaded, read, respond_error};
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::http::request::body_of;
use crate::http::response::{Answer, Caching, json};
use crate::keys::TenantKeys;

/// Ends the refresh family of the presented token.
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
    Ok(match revoked(app, called, parts, &body, trace).await? {
        //= RFC 7009 §2.2
        // Auth0 answers with an empty body.
        Ok(()) => json(StatusCode::OK, Bytes::new(), Caching::NoStore),
        Err(error) => {
            trace.refused = Some(error.kind().name().to_owned());
            respond_error(&error, called.tenant.record.settings.error_profile)
        }
    })
}

async fn revoked(app: &App, called: &Called, parts: &Parts, body: &[u8], trace: &mut Trace) -> Answered<()> {
    let (params, presented) = match read(parts, body) {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let asked = Asked { app, called, presented: &presented };
    let moment = app.moments().draw();
    //= RFC 7009 §2.1
    let loaded = Loaded::default();
    let client = match asked.client(&loaded, &keys, &moment, trace).await? {
        Ok(client) => client,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let request = match revoke::parse(&params) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let token = RefreshToken::parse(request.token.expose(), keys.refresh_keys());
    let family = match token.as_ref().map(RefreshToken::family) {
        Some(Ok(id)) => called.store.refresh_family(&id).await?,
        Some(Err(_)) | None => None,
    };
    let facts = revoke::Facts {
        client,
        token: token.as_ref(),
        family: family.as_ref(),
        is_self_contained: token.is_none() && is_self_contained(called, &keys, request.token.expose()),
        settings: &called.tenant.record.settings,
    };
    let Decision { writes, outcome } = revoke::decide(facts);
    if !writes.is_empty() {
        // However the family is rotated meanwhile: there is nothing that could conflict.
        called.store.commit(writes).await?;
    }
    Ok(match outcome {
        Outcome::Granted(()) => Ok(()),
        Outcome::Refused(error) => Err(error),
    })
}

/// Whether a token is one of the kinds of which nothing is kept. Of which kind it is is asked, not whose it is: whoever
/// presents it learns nothing.
fn is_self_contained(called: &Called, keys: &TenantKeys, token: &str) -> bool {
    jwt_core::dangerous_inspect(token).is_ok()
        || keys.handle_key().open(HandleKind::UserInfo, &called.origin, token).is_some()
}
