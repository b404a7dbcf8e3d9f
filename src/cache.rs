//! What GitHub answered, kept for as long as it is fresh: a bounded memory tier over a bounded disk tier.
//!
//! Both tiers keep what they were given until room or a clean-up demands otherwise; whether an entry may
//! still be served is decided when it is read ([`freshness`]). Time always comes in as a parameter.

pub mod changes;
pub mod disk;
pub mod freshness;
mod kept_open;
pub mod key;
pub mod legacy;
pub mod memory;
pub mod meta;
mod outdated;
pub mod response_policy;
pub mod store;
pub mod successors;

pub use changes::{Bounds, Changes};
pub use disk::{Disk, Entry};
pub use freshness::{Stamp, Terms};
use kept_open::KeptOpen;
pub use key::Key;
pub use memory::Memory;
pub use meta::Meta;
use outdated::Outdated;
pub use response_policy::{ContentTypes, Policy};
pub use store::Store;
pub use successors::Successors;
