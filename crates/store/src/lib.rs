//! The storage contract: typed reads and writes over one conditional primitive.
//!
//! [`Stores`] holds a [`Backend`], the [`Sealer`] of its secrets and a cache of its configuration; [`Store`] is a view
//! on one tenant. A typed [`records::Write`] is lowered, once, to [`Operation`]s; a backend implements those, single
//! reads and indexed pages, and obeys [`laws`].
#![doc = include_str!("../README.md")]

mod backend;
mod cache;
mod crypto;
mod directory;
mod examine;
mod key;
mod kind;
pub mod laws;
mod live;
mod lower;
mod memory;
pub mod migration;
mod people;
mod reseal;
mod root;
mod seal;
mod store;
mod stored;
mod stores;

pub use backend::{Backend, Becomes, CommitError, Expect, Operation, Refused, Row, Unavailable};
pub use directory::Directory;
pub use examine::{Finding, RawRow, Weight};
pub use key::{IndexEntry, Key, Space};
pub use kind::{KINDS, Kind, KindRow, RING_PERIOD, Retention};
pub use live::{Ended, LIVE};
pub use memory::{HeldRow, MemoryBackend};
pub use people::{AdministrativeConsentsOf, Freshness, RefreshFamiliesOf, UserGrantsOf};
pub use reseal::{ResealError, Resealed, RowsByKey};
pub use seal::{KeysNow, Place, SealError, Sealer, SealingKeys};
pub use store::{GrantsOf, SigningKeys, Store};
pub use stores::{OpenError, Stores};
