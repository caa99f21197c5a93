//! The discovery documents (RFC 8414; OpenID Connect Discovery 1.0).

use bytes::Bytes;
use http::{StatusCode, header};
use oauth_grants::metadata;

use crate::app::{App, Called};
use crate::failure::Failure;
use crate::http::response::{Answer, Caching, json, with_header};

/// How long others may keep the documents.
const MAX_AGE: u32 = 300;

/// `/.well-known/openid-configuration`
pub async fn openid(_app: &App, called: &Called) -> Result<Answer, Failure> {
    Ok(document(metadata::openid_configuration(&called.origin)))
}

/// `/.well-known/oauth-authorization-server`
pub async fn oauth(_app: &App, called: &Called) -> Result<Answer, Failure> {
    Ok(document(metadata::oauth_authorization_server(&called.origin)))
}

fn document(body: impl Into<Bytes>) -> Answer {
    let answer = json(StatusCode::OK, body, Caching::Public(MAX_AGE));
    with_header(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}
