//! The border to JavaScript: the only place that imports napi. It converts and decides nothing.
#![cfg_attr(test, allow(dead_code, reason = "a test binary registers no exports"))]

mod benchmark;
mod cache;
mod dashboard;
mod errors;
mod files;
mod github;
mod heap_snapshot;
mod http;
mod load_test;
mod memory;
mod memory_report;
mod monitor;
mod rate_limiter;
mod raw;
mod report;
mod settle;
mod testing;
mod tuning;
