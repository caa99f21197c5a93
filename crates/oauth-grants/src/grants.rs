//! The grants of the token endpoint, one file each (RFC 6749 §4).

pub mod authorization_code;
pub mod client_credentials;
pub mod password;
pub mod refresh_token;
pub mod still_allowed;
