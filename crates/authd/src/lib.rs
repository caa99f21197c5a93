//! authd, the server: HTTP, clock, entropy, settings, command line; decisions are made elsewhere (RFC 6749).
//!
//! `ARCHITECTURE.md` has the map. [`app::App`] answers requests; everything in it is handed its time and randomness.

pub mod administration;
pub mod app;
pub mod backchannel;
pub mod backend;
pub mod cli;
pub mod dev;
pub mod doctor;
pub mod endpoints;
pub mod failure;
pub mod files;
pub mod flow;
pub mod http;
pub mod keys;
pub mod log;
pub mod logins;
pub mod moment;
pub mod open;
pub mod outbound;
pub mod pages;
pub mod passwords;
pub mod running;
pub mod sealing;
pub mod settings;

/// What the program allocates with; a library leaves that to the program it is in. With the system's own on Linux a rotation
/// of a refresh token took a fifth more processor time (docs/benchmarks.md).
pub use mimalloc::MiMalloc as Allocator;

/// For the program's `#[global_allocator]`.
pub const ALLOCATOR: Allocator = Allocator;
