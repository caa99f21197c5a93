//! The discovery documents (RFC 8414; OpenID Connect Discovery 1.0).

use bytes::Bytes;
use http::{StatusCode, header};
use oauth_grants::metadata::{self, Switches};

use crate::app::{App, Called};
use crate::http::response::{Answer, Caching, json, with_header};

/// How long others may keep the documents.
const MAX_AGE: u32 = 300;

/// `/.well-known/openid-configuration`
pub fn openid(app: &App, called: &Called) -> Answer {
    let switches = Switches { backchannel_logout: app.backchannel().is_on() };
    document(metadata::openid_configuration(&called.origin, &called.tenant.record.settings, switches))
}

/// `/.well-known/oauth-authorization-server`
pub fn oauth(called: &Called) -> Answer {
    document(metadata::oauth_authorization_server(&called.origin, &called.tenant.record.settings))
}

fn document(body: impl Into<Bytes>) -> Answer {
    let answer = json(StatusCode::OK, body, Caching::Public(MAX_AGE));
    with_header(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}
