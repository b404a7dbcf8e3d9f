//! The map of the house.
//!
//! - [`error`]: what can go wrong, in one type; every room uses it.
//! - [`runtime`]: the threads every room shares.
//! - [`tls`]: how every engine secures a connection.
//! - [`random`]: seeded random numbers.
//! - [`page`]: reports as HTML, with charts.
//! - [`prometheus`]: metrics as text for scrapers.
//! - [`files`]: many file operations at once, in order.
//! - [`benchmark`]: statistics, regressions, reports and load tests.
//! - [`cache`]: what GitHub answered, kept in memory and on disk.
//! - [`http_cache`]: what an HTTP cache may do.
//! - [`github`]: how often and how GitHub is asked.
//! - [`mirror`]: the main job; composes `github` and `files`.
//! - [`memory`]: what the process holds, and whether it leaks.
//! - [`heap_snapshot`]: what V8's heap snapshots say of who holds memory.
//! - [`monitor`]: metrics over sliding windows, and alarms about them.
//! - [`dashboard`]: a page that shows it all live; composes a server and `memory`.
//! - [`tuning`]: settings that find their own values.
//! - `bindings`: the border to JavaScript; no other room imports napi.

pub mod benchmark;
mod bindings;
pub mod cache;
pub mod dashboard;
pub mod error;
pub mod files;
pub mod github;
pub mod heap_snapshot;
pub mod http_cache;
pub mod memory;
pub mod mirror;
pub mod monitor;
pub mod page;
pub mod prometheus;
pub mod random;
pub mod runtime;
pub mod tls;
pub mod tuning;
