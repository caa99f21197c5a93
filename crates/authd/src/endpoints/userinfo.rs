//! `GET` and `POST /userinfo` (OpenID Connect Core 1.0 §5.3; RFC 6750).

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};
use hyper::body::Body;
use jwt_core::{Scratch, TokenType, Verifier};
use oauth_grants::issue::open_user_info_token;
use oauth_grants::metadata::USERINFO_PATH;
use oauth_grants::oidc::userinfo::{
    Access, AccessTokenClaims, Facts, FormBody, UserInfoRefusal, decide, presented_token,
};
use records::UnixTime;

use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::http::request::body_of;
use crate::http::response::{Answer, Caching, json, with_header};
use crate::keys::TenantKeys;

/// Tells about the person that the access token speaks for.
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
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let form = (parts.method == Method::POST).then_some(FormBody { content_type, bytes: &body });
    let authorization = parts.headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    let token = match presented_token(authorization, form) {
        Ok(token) => token,
        Err(refusal) => return Ok(refuse(refusal, trace)),
    };
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let now = app.moments().draw().now;
    let access = access_of(token.expose(), called, &keys, now);
    trace.client_id = access.as_ref().map(|access| access.client.clone());
    let user = match &access {
        Some(access) => called.store.user(&access.user).await?,
        None => None,
    };
    let facts = Facts {
        access: access.as_ref(),
        user: user.as_ref().map(|user| &user.record),
        settings: &called.tenant.record.settings,
        now,
    };
    Ok(match decide(facts) {
        Ok(response) => json(StatusCode::OK, response.to_json(), Caching::NoStore),
        Err(refusal) => refuse(refusal, trace),
    })
}

/// What the token says: one that was sealed here, or one that was signed here and is for this endpoint.
fn access_of(token: &str, called: &Called, keys: &TenantKeys, now: UnixTime) -> Option<Access> {
    if !token.contains('.') {
        return open_user_info_token(token, keys.handle_key(), &called.origin).map(Access::from);
    }
    let verifier = Verifier::builder(keys.verifying().clone())
        .issuer(called.origin.issuer())
        .audience(&called.origin.url(USERINFO_PATH))
        .token_types(&[TokenType::Jwt, TokenType::AccessToken])
        .build();
    let mut scratch = Scratch::default();
    let verified = verifier.verify::<AccessTokenClaims>(token, now.0, &mut scratch).ok()?;
    Access::of_verified(&verified)
}

fn refuse(refusal: UserInfoRefusal, trace: &mut Trace) -> Answer {
    trace.refused = Some(refusal.name().to_owned());
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let answer = json(status, refusal.to_json(), Caching::NoStore);
    with_header(answer, header::WWW_AUTHENTICATE, &refusal.www_authenticate())
}
