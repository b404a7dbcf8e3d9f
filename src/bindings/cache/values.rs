//! What crosses the border to `GitHubAPICache` and back.

use std::collections::HashMap;

use napi_derive::napi;

use crate::cache::Policy;

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
#[napi(object)]
pub struct StoredEntry {
    /// JSON.
    pub text: String,
    pub timestamp: f64,
    pub ttl: Option<f64>,
    pub fresh: bool,
    pub must_revalidate: bool,
    /// What it came with.
    pub validator: Option<String>,
    /// What was learnt of its changes; for `hold`.
    pub learnt: Option<String>,
}

/// Entries and bytes.
#[napi(object)]
pub struct DiskExtent {
    pub entries: f64,
    pub bytes: f64,
}
