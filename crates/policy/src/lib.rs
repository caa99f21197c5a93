//! What authd allows: one pure question a file.
#![doc = include_str!("../README.md")]

pub mod audience;
pub mod client_grant;
pub mod client_rules;
pub mod lifetime;
pub mod management_scope;
pub mod scope;

#[cfg(test)]
mod fixtures;

pub use audience::AudienceRefusal;
pub use client_grant::ClientGrantRefusal;
pub use client_rules::GrantTypeRefusal;
pub use scope::{OutOfGrantScopes, ScopeRefusal};
