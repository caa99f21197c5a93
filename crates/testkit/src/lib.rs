//! The whole server in one process, on a fake clock and seeded bytes, with two tenants.
//!
//! A [`World`] is authd itself, without sockets: requests go through the host check, the router, the endpoints, the
//! decisions and a real storage backend. Only time and randomness are the test's.
//!
//! ```
//! use testkit::{On, World};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let world = World::new(On::Memory).await;
//! let discovery = world.get("first", "/.well-known/openid-configuration").send().await;
//! assert_eq!(discovery.json()["issuer"], "https://first.example/");
//! # });
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

mod browser;
#[path = "../../store-postgres/tests/server/mod.rs"]
mod database;
mod html;
mod moments;
mod people;
mod request;
pub mod simulation;
mod tokens;
mod world;

pub use browser::{Answer, Browser, Cookie, Landed};
pub use html::Form;
pub use moments::TestMoments;
pub use people::{CHALLENGE, VERIFIER, callback_of, password_of, user_id};
pub use request::{Reply, Send};
pub use world::{On, TENANTS, World, on_both, on_each};
