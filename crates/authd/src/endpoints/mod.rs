//! The endpoints: each loads facts, has them decided, commits and answers.

pub mod authorize;
pub mod discovery;
pub mod grants;
pub mod health;
pub(crate) mod hint;
pub mod jwks;
pub mod login;
pub mod logout;
pub mod token;
pub mod userinfo;
