//! The map of the house.
//!
//! - [`error`]: what can go wrong, in one type; every room uses it.
//! - [`runtime`]: the threads every room shares.
//! - [`atomic_write`]: files replaced whole or not at all.
//! - [`benchmark`]: statistics, regressions, reports and load tests.
//! - [`github`]: how often and how GitHub is asked.
//! - `bindings`: the border to JavaScript; no other room imports napi.

pub mod atomic_write;
pub mod benchmark;
mod bindings;
pub mod error;
pub mod github;
pub mod runtime;
