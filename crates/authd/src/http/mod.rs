//! HTTP: listeners, TLS, limits, routing, requests and responses (RFC 9110, RFC 9112, RFC 9113).

pub mod cookies;
pub mod cors;
pub mod csrf;
pub mod form;
pub mod limits;
pub mod listener;
pub mod peer;
pub mod request;
pub mod response;
pub mod router;
pub mod tls;
