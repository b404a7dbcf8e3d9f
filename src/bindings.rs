//! The border to JavaScript: the only place that imports napi. It converts and decides nothing.

mod benchmark;
mod errors;
mod load_test;
mod rate_limiter;
mod raw;
mod settle;
mod testing;
