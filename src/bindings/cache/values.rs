//! What crosses the border to `GitHubAPICache` and back.

use std::collections::HashMap;

use napi_derive::napi;

use crate::{
    bindings::raw::Text,
    cache::{Entry, Meta, Policy, Terms, disk::Extent},
};

/// The bounds of a cache, and how it judges what is fresh.
#[napi(object)]
pub struct CacheRules {
    pub max_entries: f64,
    pub max_memory_bytes: f64,
    pub max_disk_bytes: f64,
    /// By how much of its time an entry may expire sooner, 0 to 1.
    pub jitter: f64,
    /// The bounds of times to live that are learnt, in milliseconds.
    pub adaptive_ttl: Option<TtlBounds>,
    /// Milliseconds by `type/subtype`, `type/*` or `*/*`.
    pub ttl_by_content_type: HashMap<String, f64>,
}

/// In milliseconds.
#[napi(object)]
pub struct TtlBounds {
    pub min: f64,
    pub max: f64,
}

/// How a value is kept.
#[napi(object)]
pub struct EntryPolicy {
    /// Milliseconds for which it is fresh; without it the cache's own.
    pub ttl: Option<f64>,
    /// Whether it must not be served when it is no longer fresh.
    pub must_revalidate: Option<bool>,
    /// What it came with.
    pub validator: Option<String>,
}

impl From<Policy> for EntryPolicy {
    fn from(Policy { ttl, must_revalidate, validator }: Policy) -> Self {
        Self { ttl, must_revalidate, validator }
    }
}

/// Where an entry in memory has its value, and how long it is good.
#[napi(object)]
pub struct HeldEntry {
    pub slot: u32,
    pub timestamp: f64,
    pub ttl: Option<f64>,
}

/// An entry as it comes from the disk.
#[napi(object, object_from_js = false)]
pub struct StoredEntry {
    /// JSON.
    #[napi(ts_type = "string")]
    pub text: Text,
    pub timestamp: f64,
    pub ttl: Option<f64>,
    pub fresh: bool,
    pub must_revalidate: bool,
    /// What it came with.
    pub validator: Option<String>,
    /// What was learnt of its changes; for `promote`.
    pub learnt: Option<String>,
}

/// An entry that was read from the disk and is filed in memory.
#[napi(object, object_from_js = false)]
pub struct PromotedEntry {
    /// Its slot, then those whose values are to be let go.
    pub slots: Vec<u32>,
    /// JSON.
    #[napi(ts_type = "string")]
    pub text: Text,
    pub fresh: bool,
    pub must_revalidate: bool,
    /// What it came with.
    pub validator: Option<String>,
}

impl StoredEntry {
    /// The digest has vouched for the bytes, so they are the text that was given.
    pub fn new(Entry { stamp, meta, body }: Entry, terms: &Terms) -> Self {
        let Meta { must_revalidate, changes, validator } = Meta::decode(&meta);
        Self {
            text: Text::new(body),
            timestamp: stamp.timestamp,
            ttl: stamp.ttl,
            fresh: stamp.is_fresh(terms),
            must_revalidate,
            validator,
            learnt: changes.map(|changes| hex::encode(changes.encode())),
        }
    }
}

/// Entries and bytes.
#[napi(object)]
pub struct DiskExtent {
    pub entries: f64,
    pub bytes: f64,
}

impl From<Extent> for DiskExtent {
    fn from(extent: Extent) -> Self {
        Self { entries: extent.entries as f64, bytes: extent.bytes as f64 }
    }
}
