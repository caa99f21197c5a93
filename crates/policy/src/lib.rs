//! What authd allows: one pure question a file.
#![doc = include_str!("../README.md")]

pub mod audience;
pub mod client_grant;
pub mod client_rules;
pub mod consent;
pub mod lifetime;
pub mod lockout;
pub mod logout;
pub mod management_scope;
pub mod offline_access;
pub mod password;
pub mod prompt;
pub mod redirect_uri;
pub mod scope;
pub mod session;

#[cfg(test)]
mod fixtures;

pub use audience::AudienceRefusal;
pub use client_grant::ClientGrantRefusal;
pub use client_rules::GrantTypeRefusal;
pub use consent::ConsentNext;
pub use password::PasswordRefusal;
pub use redirect_uri::{CallbackRefusal, RedirectUriRefusal};
pub use scope::{OutOfGrantScopes, ScopeRefusal, UserScopeRefusal, UserScopes};
