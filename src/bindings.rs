//! The border to JavaScript: the only place that imports napi. It converts and decides nothing.

mod cache;
mod errors;
mod rate_limiter;
mod raw;
mod settle;
mod testing;
