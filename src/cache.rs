//! What GitHub answered, kept for as long as it is fresh: a bounded memory tier over a bounded disk tier.
//!
//! Both tiers keep what they were given until room or a clean-up demands otherwise; whether an entry may
//! still be served is decided when it is read ([`freshness`]). Time always comes in as a parameter.

pub mod disk;
pub mod freshness;
pub mod key;
pub mod legacy;
pub mod memory;
pub mod store;

pub use disk::{Disk, Entry};
pub use freshness::Stamp;
pub use key::Key;
pub use memory::Memory;
pub use store::Store;
