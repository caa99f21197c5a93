//! The endpoints: each loads facts, has them decided, commits and answers.

pub mod authorize;
pub mod discovery;
pub mod health;
pub mod jwks;
pub mod login;
pub mod token;
pub mod userinfo;
