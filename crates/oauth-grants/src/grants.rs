//! The grants of the token endpoint, one file each (RFC 6749 §4).

pub mod client_credentials;
