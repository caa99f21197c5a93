//! `/.well-known/jwks.json`: the tenant's public keys (RFC 7517 §5).

use http::{StatusCode, header};

use crate::app::{App, Called};
use crate::failure::Failure;
use crate::http::response::{Answer, Caching, json, with_header};

/// How long others may keep the set, in seconds: a next key is published at least as long before it signs, and a revoked
/// key is believed elsewhere at most as long after it was revoked.
pub const MAX_AGE: u32 = 300;

/// The set; any web page may read it.
pub async fn respond(app: &App, called: &Called) -> Result<Answer, Failure> {
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let answer = json(StatusCode::OK, keys.jwks(), Caching::Public(MAX_AGE));
    Ok(with_header(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
}
