//! The border to JavaScript: the only place that imports napi. It converts and decides nothing.

mod errors;
mod files;
mod github;
mod memory;
mod rate_limiter;
mod raw;
mod settle;
mod testing;
