//! Talking to GitHub: how often, and what.

pub mod rate_limit;
