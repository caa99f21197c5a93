//! OpenID Connect's share: ID tokens, claims about people, the userinfo endpoint (OpenID Connect Core 1.0).

pub mod claims;
pub mod claims_request;
pub mod id_token;
mod iso8601;
pub mod logout;
pub mod logout_token;
pub mod userinfo;
