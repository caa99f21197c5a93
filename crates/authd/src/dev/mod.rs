//! `authd dev`: the server, plus a seed, a loopback check, a CA of its own and a banner. Nothing else.

pub mod banner;
pub mod ca;
pub mod seed;
pub mod seed_file;
pub mod yaml;

/// The development tenant's name.
pub const TENANT: &str = "dev";
