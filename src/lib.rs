//! The map of the house.
//!
//! - [`error`]: what can go wrong, in one type; every room uses it.
//! - [`runtime`]: the threads every room shares.
//! - [`github`]: how often and how GitHub is asked.
//! - [`memory`]: what the process holds, and whether it leaks.
//! - `bindings`: the border to JavaScript; no other room imports napi.

mod bindings;
pub mod error;
pub mod github;
pub mod memory;
pub mod runtime;
