//! The endpoints: each loads facts, has them decided, commits and answers.

pub mod discovery;
pub mod health;
pub mod jwks;
pub mod token;
