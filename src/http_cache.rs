//! What an HTTP cache may do, by RFC 9111 (caching), RFC 5861 (stale content) and RFC 8246 (`immutable`).
//!
//! The policy of a *private* cache, one that serves a single user: `private` responses and those to requests
//! with `Authorization` are stored, `s-maxage` and `proxy-revalidate` are not for it. All of it is
//! pure: no I/O, and the time comes in as a parameter.

pub mod cache_control;
pub mod date;
pub mod decision;
#[cfg(test)]
mod fuzz;
pub mod headers;
pub mod invalidation;
pub mod range;
pub mod storability;
pub mod stored;
pub mod vary;

pub use cache_control::CacheControl;
pub use decision::{Decision, Mode};
pub use headers::Headers;
pub use stored::Stored;

/// Milliseconds since the Unix epoch, or a span of so many.
pub type Millis = i64;
