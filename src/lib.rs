//! The map of the house.
//!
//! - [`error`]: what can go wrong, in one type; every room uses it.
//! - [`runtime`]: the threads every room shares.
//! - [`cache`]: what GitHub answered, kept in memory and on disk.
//! - [`github`]: how often and how GitHub is asked.
//! - `bindings`: the border to JavaScript; no other room imports napi.

#[cfg_attr(test, allow(dead_code, reason = "a test binary registers no exports"))]
mod bindings;
pub mod cache;
pub mod error;
pub mod github;
pub mod runtime;
