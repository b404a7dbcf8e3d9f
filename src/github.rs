//! Talking to GitHub: how often, what to ask, and how.

pub mod directory;
pub mod rate_limit;
pub mod transport;
pub mod url;
